//! Parcels on their way to the actors of this node.
//!
//! A parcel is acknowledged when all its frames are done with. One that waits for a slow actor would wait for all of its frames,
//! and take room in the broker's window from everyone else; so what nobody here takes, or nobody is done with after a while, is
//! sent on to the actor's own subject, where it is stored for whoever runs it, and the parcel is acknowledged without it.

use std::{
    collections::VecDeque,
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{
    Task,
    publisher::{Outgoing, Publisher},
};
use crate::{
    bus::{
        Delivery, Receipt, Stub, Switchboard,
        counters::{Counter, Counters},
        parcel,
    },
    codec::{self, Error},
    message::{Address, Class},
};

/// How long an actor may take over a frame before it is sent on to the actor's own subject. Far longer than a busy one takes, and
/// short of what the broker waits for an acknowledgement.
const DONE_WITHIN: Duration = Duration::from_secs(5);
/// How often it is looked for such frames.
const LOOK: Duration = Duration::from_secs(1);

/// Hands out the frames of parcels.
pub(in crate::bus) struct Unpacker {
    shared: Arc<Shared>,
    open: Arc<Mutex<Open>>,
    _sweeper: Task,
}

struct Shared {
    switchboard: Arc<Switchboard>,
    publisher: Arc<Publisher>,
    counters: Arc<Counters>,
}

/// The latest parcels and when they came, the oldest first.
type Open = VecDeque<(Instant, Arc<Parcel>)>;

/// A parcel that is not done with.
struct Parcel {
    shared: Arc<Shared>,
    left: Mutex<Left>,
}

/// Its frames that nobody is done with, by their place in it.
#[derive(Default)]
struct Left {
    frames: Vec<Option<(Class, Outgoing)>>,
    count: usize,
    receipt: Option<Receipt>,
}

impl Unpacker {
    pub(in crate::bus) fn new(
        switchboard: Arc<Switchboard>,
        publisher: Arc<Publisher>,
        counters: Arc<Counters>,
        runtime: &tokio::runtime::Handle,
    ) -> Self {
        let open = Arc::new(Mutex::new(VecDeque::new()));
        let sweeper = Task::spawn(runtime, sweep(open.clone()));
        Self { shared: Arc::new(Shared { switchboard, publisher, counters }), open, _sweeper: sweeper }
    }

    /// Hands out what is in a parcel, which is acknowledged once all of it is done with. What is no frame goes to
    /// `dead`, and is done with.
    ///
    /// # Errors
    /// It is no parcel, and nothing of it is handed out.
    pub(in crate::bus) fn unpack(
        &self,
        payload: &Bytes,
        receipt: Option<Receipt>,
        mut dead: impl FnMut(Address, Error, Bytes),
    ) -> Result<(), Error> {
        let counters = &self.shared.counters;
        let mut frames = Vec::new();
        let mut left = Vec::new();
        for (to, bytes) in parcel::open(payload)? {
            match codec::decode(&bytes) {
                Ok(frame) => {
                    let messages = frame.messages.len();
                    counters.add(Counter::FramesReceived, 1);
                    counters.add(Counter::MessagesReceived, messages);
                    left.push(Some((frame.class, Outgoing { to, at: None, frame: bytes, messages })));
                    frames.push((to, frame));
                }
                Err(reason) => dead(to, reason, bytes),
            }
        }
        counters.add(Counter::ParcelsReceived, 1);
        let left = Left { count: left.len(), frames: left, receipt };
        if left.count == 0 {
            left.end();
            return Ok(());
        }
        let parcel = Arc::new(Parcel { shared: self.shared.clone(), left: Mutex::new(left) });
        self.open.lock().push_back((Instant::now(), parcel.clone()));
        for (place, (to, frame)) in frames.into_iter().enumerate() {
            let receipt = Receipt::of(Part { parcel: parcel.clone(), place });
            // Refused, it goes on to the actor's own subject.
            drop(self.shared.switchboard.hand_in(to, Delivery { frame, receipt: Some(receipt) }));
        }
        Ok(())
    }
}

/// Sends on what nobody is done with in time.
async fn sweep(open: Arc<Mutex<Open>>) {
    loop {
        tokio::time::sleep(LOOK).await;
        loop {
            let late = open.lock().pop_front_if(|(since, _)| since.elapsed() >= DONE_WITHIN);
            let Some((_, parcel)) = late else { break };
            parcel.send_on_all();
        }
    }
}

impl Parcel {
    /// One of its frames is done with; none if that is known already.
    fn done(&self, place: usize) -> Option<(Class, Outgoing)> {
        let mut left = self.left.lock();
        let frame = left.frames.get_mut(place)?.take()?;
        left.count -= 1;
        if left.count == 0 {
            mem::take(&mut *left).end();
        }
        Some(frame)
    }

    fn send_on_all(&self) {
        let mut left = mem::take(&mut *self.left.lock());
        left.frames.drain(..).flatten().for_each(|frame| self.shared.send_on(frame));
        left.end();
    }
}

impl Left {
    /// Nothing is left.
    fn end(self) {
        if let Some(receipt) = self.receipt {
            receipt.acknowledge();
        }
    }
}

impl Shared {
    fn send_on(&self, (class, frame): (Class, Outgoing)) {
        self.counters.add(Counter::FramesSentOn, 1);
        self.publisher.put(class, frame);
    }
}

/// A frame of a parcel, for whoever has it.
struct Part {
    parcel: Arc<Parcel>,
    place: usize,
}

impl Stub for Part {
    fn acknowledge(self: Box<Self>) {
        self.parcel.done(self.place);
    }

    fn refuse(self: Box<Self>) {
        if let Some(frame) = self.parcel.done(self.place) {
            self.parcel.shared.send_on(frame);
        }
    }
}
