//! Frames on their way to the broker.
//!
//! A frame is queued on the sender's thread, which never waits: what finds no room is dropped and counted. One task
//! publishes, the most urgent class first, and lets many frames be unconfirmed at a time; another takes the
//! confirmations. Nothing is published twice: state is the outbox, and whoever misses a frame asks again.
//!
//! What waits for a node leaves as parcels. An idle bus sends a frame at once. A busy one waits for the confirmation of what left
//! before, a millisecond at most, and the longer the more frames that was; what gathers meanwhile leaves together. So parcels, and
//! the turns of those who get them, grow with the load, and what they cost is shared by more.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_nats::{
    Client,
    jetstream::{
        Context,
        context::{PublishAckFuture, PublishError, PublishErrorKind},
    },
};
use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{MissedTickBehavior, sleep, timeout},
};
use tracing::warn;

use super::{
    Connection, LOOK, Task, Throttle,
    names::{Names, Recipient},
    streams::Streams,
};
use crate::{
    bus::{
        Options,
        counters::{Counter, Counters},
        parcel::{Parcel, WRAPPING},
    },
    message::{Address, Class},
};

/// How long what waits is let gather while a confirmation is due.
const GATHER: Duration = Duration::from_millis(1);
/// For each so many frames that left in parcels, what comes next is let gather for a millisecond…
const FRAMES_PER_MS: usize = 10;
/// …but no longer than this, in milliseconds. Of 256 single submits in flight 2 ms carry a third more than none, 4 ms two per cent
/// more than that, and 8 ms less; one client alone never waits.
const GATHER_MS_MAX: usize = 2;
/// How many rounds of publishing may lack their confirmation before what waits is let gather.
const ROUNDS: usize = 1;
/// What most parcels take; only a first guess for the buffer.
const PARCEL_BYTES_GUESS: usize = 16 << 10;

pub(in crate::bus) struct Publisher {
    lanes: [Lane; 3],
    queue_frames_max: usize,
    queue_bytes_max: usize,
    in_flight: Arc<Semaphore>,
    in_flight_max: u32,
    counters: Arc<Counters>,
    throttle: Throttle,
    _tasks: [Task; 2],
}

/// The queue of one class: its room is kept for it alone (R20).
struct Lane {
    queue: mpsc::UnboundedSender<Item>,
    waiting: Arc<Waiting>,
}

/// What is queued and has not left.
#[derive(Default)]
struct Waiting {
    frames: AtomicUsize,
    bytes: AtomicUsize,
}

/// A frame as it leaves.
pub(in crate::bus) struct Outgoing {
    /// The actor that it is for.
    pub(in crate::bus) to: Address,
    /// The node that runs it, if that is known: the frame goes into a parcel.
    pub(in crate::bus) at: Option<Arc<str>>,
    pub(in crate::bus) frame: Bytes,
    pub(in crate::bus) messages: usize,
}

enum Item {
    Frame(Outgoing),
    /// All that was queued in this lane before has been given to the broker.
    Marker(oneshot::Sender<()>),
}

impl Publisher {
    pub(in crate::bus) fn start(
        context: Context,
        names: Names,
        frame_bytes_max: usize,
        options: &Options,
        streams: Arc<Streams>,
        counters: Arc<Counters>,
    ) -> Self {
        let waiting = [(); 3].map(|()| Arc::new(Waiting::default()));
        let lane = |waiting: &Arc<Waiting>| {
            // Its bound is what `waiting` may count.
            let (queue, queued) = mpsc::unbounded_channel();
            (Lane { queue, waiting: waiting.clone() }, queued)
        };
        let [(replies, from_replies), (dos, from_dos), (submits, from_submits)] = waiting.each_ref().map(lane);
        let in_flight_max = u32::try_from(options.in_flight_max).unwrap_or(u32::MAX);
        let in_flight = Arc::new(Semaphore::new(options.in_flight_max));
        // Each entry holds a permit, so this needs no bound of its own.
        let (unconfirmed, to_confirm) = mpsc::unbounded_channel();
        let failures = Arc::new(Failures { streams, counters: counters.clone(), throttle: Throttle::new() });
        let confirmer = Confirmer { client: context.client(), failures: failures.clone(), counters: counters.clone() };
        let sender = Sender {
            context,
            names,
            parcel_bytes_max: frame_bytes_max,
            lanes: [from_replies, from_dos, from_submits],
            taken: Default::default(),
            waiting,
            in_flight: in_flight.clone(),
            rounds: Arc::new(Semaphore::new(ROUNDS)),
            unconfirmed,
            failures,
        };
        let tasks =
            [Task::spawn(&options.runtime, sender.run()), Task::spawn(&options.runtime, confirmer.run(to_confirm))];
        Self {
            lanes: [replies, dos, submits],
            queue_frames_max: options.queue_frames_max,
            queue_bytes_max: options.queue_bytes_max,
            in_flight,
            in_flight_max,
            counters,
            throttle: Throttle::new(),
            _tasks: tasks,
        }
    }

    /// Queues a frame; drops it if there is no room.
    pub(in crate::bus) fn put(&self, class: Class, frame: Outgoing) {
        let lane = &self.lanes[place(class)];
        let size = frame.frame.len();
        let frames = lane.waiting.frames.fetch_add(1, Ordering::Relaxed);
        let bytes = lane.waiting.bytes.fetch_add(size, Ordering::Relaxed);
        let has_room = frames < self.queue_frames_max && bytes < self.queue_bytes_max;
        if has_room && lane.queue.send(Item::Frame(frame)).is_ok() {
            return;
        }
        lane.waiting.left(1, size);
        self.counters.add(Counter::FramesDropped, 1);
        if let Some(suppressed) = self.throttle.pass(Instant::now()) {
            warn!(?class, frames, bytes, suppressed, "dropped a frame: the broker takes them too slowly");
        }
    }

    /// Waits until all that has been queued is confirmed, or found out not to be; the caller bounds how long.
    pub(in crate::bus) async fn flush(&self) {
        let markers = self.lanes.each_ref().map(|lane| async move {
            let (passed, wait) = oneshot::channel();
            if lane.queue.send(Item::Marker(passed)).is_ok() {
                let _ = wait.await;
            }
        });
        futures::future::join_all(markers).await;
        // Nobody closes the semaphore, so this waits for all who are in flight.
        drop(self.in_flight.acquire_many(self.in_flight_max).await);
    }
}

impl Waiting {
    fn left(&self, frames: usize, bytes: usize) {
        self.frames.fetch_sub(frames, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The lane of a class; the most urgent one first.
const fn place(class: Class) -> usize {
    match class {
        Class::Reply => 0,
        Class::Do => 1,
        Class::Submit => 2,
    }
}

/// Takes frames out of the lanes and gives them to the broker.
struct Sender {
    context: Context,
    names: Names,
    parcel_bytes_max: usize,
    lanes: [mpsc::UnboundedReceiver<Item>; 3],
    /// What was taken out of the lanes and has not left.
    taken: [VecDeque<Item>; 3],
    waiting: [Arc<Waiting>; 3],
    in_flight: Arc<Semaphore>,
    rounds: Arc<Semaphore>,
    unconfirmed: mpsc::UnboundedSender<Unconfirmed>,
    failures: Arc<Failures>,
}

/// What one message of the broker brings.
struct Load {
    class: Class,
    to: Recipient,
    payload: Bytes,
    count: Count,
}

/// How much that is.
#[derive(Clone, Copy, Default)]
struct Count {
    frames: usize,
    messages: usize,
    bytes: usize,
}

impl Sender {
    async fn run(mut self) {
        while self.something().await {
            let gathered = timeout(GATHER, self.rounds.clone().acquire_owned()).await;
            let round = gathered.ok().and_then(Result::ok).map(Arc::new);
            self.take();
            let mut gathers = 0;
            loop {
                let permit = match self.in_flight.clone().try_acquire_owned() {
                    Ok(permit) => permit,
                    Err(_) => {
                        let permit = self.in_flight.clone().acquire_owned().await.expect("nobody closes the semaphore");
                        // What has come meanwhile may be more urgent.
                        self.take();
                        permit
                    }
                };
                let Some(load) = self.load() else { break };
                if matches!(load.to, Recipient::Node(_)) {
                    gathers += load.count.frames;
                }
                self.publish(load, permit, round.clone()).await;
            }
            if let ms @ 1.. = (gathers / FRAMES_PER_MS).min(GATHER_MS_MAX) {
                sleep(Duration::from_millis(ms as u64)).await;
            }
        }
    }

    /// Waits until something waits; false if nothing ever will.
    async fn something(&mut self) -> bool {
        let [replies, dos, submits] = &mut self.lanes;
        let (item, place) = tokio::select! {
            biased;
            Some(item) = replies.recv() => (item, 0),
            Some(item) = dos.recv() => (item, 1),
            Some(item) = submits.recv() => (item, 2),
            else => return false,
        };
        self.taken[place].push_back(item);
        true
    }

    /// Takes what waits in the lanes.
    fn take(&mut self) {
        for (lane, taken) in self.lanes.iter_mut().zip(&mut self.taken) {
            while let Ok(item) = lane.try_recv() {
                taken.push_back(item);
            }
        }
    }

    /// What leaves next: of the most urgent class the first frame, and with it all others for the same node.
    fn load(&mut self) -> Option<Load> {
        for class in Class::ALL {
            let taken = &mut self.taken[place(class)];
            while let Some(item) = taken.pop_front() {
                match item {
                    // Whoever waited may have gone.
                    Item::Marker(passed) => drop(passed.send(())),
                    Item::Frame(first) => return Some(pack(class, first, taken, self.parcel_bytes_max)),
                }
            }
        }
        None
    }

    async fn publish(&self, load: Load, permit: OwnedSemaphorePermit, round: Option<Arc<OwnedSemaphorePermit>>) {
        let Load { class, to, payload, count } = load;
        self.waiting[place(class)].left(count.frames, count.bytes);
        match self.context.publish(self.names.subject(&to, class), payload).await {
            Ok(confirmation) => {
                let is_parcel = matches!(to, Recipient::Node(_));
                drop(self.unconfirmed.send(Unconfirmed { confirmation, count, is_parcel, permit, round }));
            }
            Err(error) => self.failures.count(Counter::FramesDropped, count.frames, &error),
        }
    }
}

/// A frame by itself, or a parcel of it and what else waits for its node, in order, as far as there is room.
fn pack(class: Class, first: Outgoing, waiting: &mut VecDeque<Item>, parcel_bytes_max: usize) -> Load {
    let mut count = Count { frames: 1, messages: first.messages, bytes: first.frame.len() };
    let Some(node) = first.at else {
        return Load { class, to: Recipient::Actor(first.to), payload: first.frame, count };
    };
    let mut parcel = Parcel::new(PARCEL_BYTES_GUESS.max(WRAPPING + first.frame.len()));
    parcel.push(first.to, &first.frame);
    let mut is_full = false;
    waiting.retain(|item| match item {
        Item::Frame(frame) if !is_full && frame.at.as_ref() == Some(&node) => {
            is_full = parcel.size_with(frame.frame.len()) > parcel_bytes_max;
            if !is_full {
                parcel.push(frame.to, &frame.frame);
                count.frames += 1;
                count.messages += frame.messages;
                count.bytes += frame.frame.len();
            }
            is_full
        }
        _ => true,
    });
    Load { class, to: Recipient::Node(node), payload: parcel.close(), count }
}

/// Something that the broker has been given.
struct Unconfirmed {
    confirmation: PublishAckFuture,
    count: Count,
    is_parcel: bool,
    permit: OwnedSemaphorePermit,
    round: Option<Arc<OwnedSemaphorePermit>>,
}

/// Takes the broker's confirmations as they come.
struct Confirmer {
    client: Client,
    failures: Arc<Failures>,
    counters: Arc<Counters>,
}

impl Confirmer {
    async fn run(self, mut given: mpsc::UnboundedReceiver<Unconfirmed>) {
        let mut waiting = FuturesUnordered::new();
        // Frames whose confirmation is waited for.
        let mut frames = 0;
        let mut connection = Connection::of(&self.client);
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                next = given.recv() => {
                    let Some(Unconfirmed { confirmation, count, is_parcel, permit, round }) = next else { return };
                    frames += count.frames;
                    waiting.push(async move { (confirmation.await, count, is_parcel, (permit, round)) });
                }
                Some((confirmed, count, is_parcel, permits)) = waiting.next() => {
                    frames -= count.frames;
                    match confirmed {
                        Ok(_) => {
                            self.counters.add(Counter::FramesPublished, count.frames);
                            self.counters.add(Counter::MessagesPublished, count.messages);
                            self.counters.add(Counter::ParcelsPublished, usize::from(is_parcel));
                        }
                        Err(error) => self.failures.count(Counter::FramesUnconfirmed, count.frames, &error),
                    }
                    drop(permits);
                }
                // A confirmation that was due on a lost connection never comes. Waiting for it would hold up the frames
                // that could leave by the new one.
                _ = look.tick(), if !waiting.is_empty() => {
                    if connection.is_lost() {
                        self.counters.add(Counter::FramesUnconfirmed, frames);
                        frames = 0;
                        waiting.clear();
                    }
                }
            }
            if waiting.is_empty() {
                connection = Connection::of(&self.client);
            }
        }
    }
}

/// What is done about a frame that did not get through: it is counted, now and then logged, and its stream looked after.
struct Failures {
    streams: Arc<Streams>,
    counters: Arc<Counters>,
    throttle: Throttle,
}

impl Failures {
    fn count(&self, counter: Counter, frames: usize, error: &PublishError) {
        self.counters.add(counter, frames);
        if !matches!(error.kind(), PublishErrorKind::MaxPayloadExceeded) {
            self.streams.missed();
        }
        if let Some(suppressed) = self.throttle.pass(Instant::now()) {
            warn!(%error, suppressed, "a frame was not published");
        }
    }
}
