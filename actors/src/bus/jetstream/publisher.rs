//! Frames on their way to the broker.
//!
//! A frame is queued on the sender's thread, which never waits: what finds no room is dropped and counted. One task
//! publishes, the most urgent class first, and lets many frames be unconfirmed at a time; another takes the
//! confirmations. Nothing is published twice: state is the outbox, and whoever misses a frame asks again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
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
    time::MissedTickBehavior,
};
use tracing::warn;

use super::{Connection, LOOK, Task, Throttle, streams::Streams};
use crate::{
    bus::{
        Options,
        counters::{Counter, Counters},
    },
    message::Class,
};

pub(in crate::bus) struct Publisher {
    lanes: [Lane; 3],
    queue_bytes_max: usize,
    in_flight: Arc<Semaphore>,
    in_flight_max: u32,
    counters: Arc<Counters>,
    throttle: Throttle,
    _tasks: [Task; 2],
}

/// The queue of one class: its room is kept for it alone (R20).
struct Lane {
    queue: mpsc::Sender<Item>,
    bytes: Arc<AtomicUsize>,
}

/// A frame as the broker takes it.
pub(in crate::bus) struct Outgoing {
    pub(in crate::bus) subject: String,
    pub(in crate::bus) payload: Bytes,
    pub(in crate::bus) messages: usize,
}

enum Item {
    Frame(Class, Outgoing),
    /// All that was queued in this lane before has been given to the broker.
    Marker(oneshot::Sender<()>),
}

impl Publisher {
    pub(in crate::bus) fn start(
        context: Context,
        options: &Options,
        streams: Arc<Streams>,
        counters: Arc<Counters>,
    ) -> Self {
        let bytes = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
        let lane = |bytes: &Arc<AtomicUsize>| {
            let (queue, queued) = mpsc::channel(options.queue_frames_max);
            (Lane { queue, bytes: bytes.clone() }, queued)
        };
        let [(replies, from_replies), (dos, from_dos), (submits, from_submits)] = bytes.each_ref().map(lane);
        let in_flight_max = u32::try_from(options.in_flight_max).unwrap_or(u32::MAX);
        let in_flight = Arc::new(Semaphore::new(options.in_flight_max));
        // Each entry holds a permit, so this needs no bound of its own.
        let (unconfirmed, to_confirm) = mpsc::unbounded_channel();
        let failures = Arc::new(Failures { streams, counters: counters.clone(), throttle: Throttle::new() });
        let confirmer = Confirmer { client: context.client(), failures: failures.clone(), counters: counters.clone() };
        let sender = Sender {
            context,
            lanes: [from_replies, from_dos, from_submits],
            bytes,
            in_flight: in_flight.clone(),
            unconfirmed,
            failures,
        };
        let tasks =
            [Task::spawn(&options.runtime, sender.run()), Task::spawn(&options.runtime, confirmer.run(to_confirm))];
        Self {
            lanes: [replies, dos, submits],
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
        let size = frame.payload.len();
        let queued = lane.bytes.fetch_add(size, Ordering::Relaxed);
        if queued < self.queue_bytes_max && lane.queue.try_send(Item::Frame(class, frame)).is_ok() {
            return;
        }
        lane.bytes.fetch_sub(size, Ordering::Relaxed);
        self.counters.add(Counter::FramesDropped, 1);
        if let Some(suppressed) = self.throttle.pass(Instant::now()) {
            warn!(?class, queued_bytes = queued, suppressed, "dropped a frame: the broker takes them too slowly");
        }
    }

    /// Waits until all that has been queued is confirmed, or found out not to be; the caller bounds how long.
    pub(in crate::bus) async fn flush(&self) {
        let markers = self.lanes.each_ref().map(|lane| async move {
            let (passed, wait) = oneshot::channel();
            if lane.queue.send(Item::Marker(passed)).await.is_ok() {
                let _ = wait.await;
            }
        });
        futures::future::join_all(markers).await;
        // Nobody closes the semaphore, so this waits for all who are in flight.
        drop(self.in_flight.acquire_many(self.in_flight_max).await);
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
    lanes: [mpsc::Receiver<Item>; 3],
    bytes: [Arc<AtomicUsize>; 3],
    in_flight: Arc<Semaphore>,
    unconfirmed: mpsc::UnboundedSender<Unconfirmed>,
    failures: Arc<Failures>,
}

impl Sender {
    async fn run(mut self) {
        while let Some(item) = self.next().await {
            match item {
                Item::Frame(class, frame) => self.publish(class, frame).await,
                // Whoever waited may have gone.
                Item::Marker(passed) => drop(passed.send(())),
            }
        }
    }

    async fn next(&mut self) -> Option<Item> {
        let [replies, dos, submits] = &mut self.lanes;
        tokio::select! {
            biased;
            Some(item) = replies.recv() => Some(item),
            Some(item) = dos.recv() => Some(item),
            Some(item) = submits.recv() => Some(item),
            else => None,
        }
    }

    async fn publish(&self, class: Class, frame: Outgoing) {
        let permit = self.in_flight.clone().acquire_owned().await.expect("nobody closes the semaphore");
        self.bytes[place(class)].fetch_sub(frame.payload.len(), Ordering::Relaxed);
        match self.context.publish(frame.subject, frame.payload).await {
            Ok(confirmation) => {
                let messages = frame.messages;
                drop(self.unconfirmed.send(Unconfirmed { confirmation, messages, permit }));
            }
            Err(error) => self.failures.count(Counter::FramesDropped, &error),
        }
    }
}

/// A frame that the broker has been given.
struct Unconfirmed {
    confirmation: PublishAckFuture,
    messages: usize,
    permit: OwnedSemaphorePermit,
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
        let mut connection = Connection::of(&self.client);
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                next = given.recv() => {
                    let Some(Unconfirmed { confirmation, messages, permit }) = next else { return };
                    waiting.push(async move { (confirmation.await, messages, permit) });
                }
                Some((confirmed, messages, permit)) = waiting.next() => {
                    match confirmed {
                        Ok(_) => {
                            self.counters.add(Counter::FramesPublished, 1);
                            self.counters.add(Counter::MessagesPublished, messages);
                        }
                        Err(error) => self.failures.count(Counter::FramesUnconfirmed, &error),
                    }
                    drop(permit);
                }
                // A confirmation that was due on a lost connection never comes. Waiting for it would hold up the frames
                // that could leave by the new one.
                _ = look.tick(), if !waiting.is_empty() => {
                    if connection.is_lost() {
                        self.counters.add(Counter::FramesUnconfirmed, waiting.len());
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
    fn count(&self, counter: Counter, error: &PublishError) {
        self.counters.add(counter, 1);
        if !matches!(error.kind(), PublishErrorKind::MaxPayloadExceeded) {
            self.streams.missed();
        }
        if let Some(suppressed) = self.throttle.pass(Instant::now()) {
            warn!(%error, suppressed, "a frame was not published");
        }
    }
}
