//! What the door sends: requests that come at the same time share frames.
//!
//! Everything goes through one queue. Its task takes all that waits and sends it as one frame for each destination; when
//! idle, a single request leaves at once.

use std::sync::Arc;

use remit_actors::{
    bus::Bus,
    frame::Outbox,
    message::{Address, Message, TraceContext},
};
use tokio::{runtime::Handle, sync::mpsc};

/// How many requests' messages the task takes at a time.
const TAKE_MAX: usize = 1_024;

/// The queue of what is to be sent.
pub(super) struct Outgoing(mpsc::UnboundedSender<Request>);

/// What one request sends, and its trace context, if it is sampled.
struct Request {
    messages: Vec<(Address, Message)>,
    trace: Option<TraceContext>,
}

impl Outgoing {
    /// Starts the task. The queue needs no bound of its own: who waits for answers is bounded at the door.
    pub(super) fn start(from: Address, bus: Arc<dyn Bus>, frame_messages_max: usize, runtime: &Handle) -> Self {
        let (send, mut receive) = mpsc::unbounded_channel();
        runtime.spawn(async move {
            let mut taken = Vec::with_capacity(TAKE_MAX);
            while receive.recv_many(&mut taken, TAKE_MAX).await > 0 {
                let mut out = Outbox::new(from, frame_messages_max);
                for Request { messages, trace } in taken.drain(..) {
                    messages.into_iter().for_each(|(to, message)| out.push(to, message, trace));
                }
                for (to, frame) in out.into_frames(None) {
                    bus.send(to, frame);
                }
            }
        });
        Self(send)
    }

    /// Sends messages, together with whatever else is sent at this moment.
    pub(super) fn send(&self, messages: Vec<(Address, Message)>, trace: Option<TraceContext>) {
        // The task ends only with the node; then nobody is left to answer either.
        self.0.send(Request { messages, trace }).ok();
    }
}
