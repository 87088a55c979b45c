//! Frames on their way from the broker to one actor or gateway, and parcels to a node.
//!
//! A subscription makes sure of its stream and consumer, pulls without pause, and hands each frame to the inlet. When
//! anything fails it starts over, and silence counts as failure: an idle broker must send heartbeats, and one that sends
//! heartbeats is asked now and then whether it holds frames back.
//!
//! An actor has a durable consumer, which remembers what was acknowledged while the actor restarts or moves to another node.
//! Where actors move without a word from those who had them, each owner has a consumer of its own, by the term of its ownership:
//! one that was stopped or cut off, and its pulls that still stand at the broker, take nothing away from its successor.
//! Each frame is acknowledged by itself, since an actor takes urgent ones first. A gateway has no memory, so its consumer
//! has none either: it delivers each frame once. All of them remember in the broker's memory alone: in a file, the broker would
//! write each one anew several times a second, a quarter of all that it does. A broker that restarts has the frames but no
//! consumers, and new ones begin with the last seconds' frames once more.

use std::{
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use async_nats::{
    Client, datetime,
    jetstream::{
        Message,
        consumer::{
            AckPolicy, Consumer, DeliverPolicy, FromConsumer, StreamError,
            pull::{Config, MessagesError, Stream},
        },
        context::ConsumerInfoError,
        message::Info,
        stream::{ConsumerError, ConsumerUpdateError},
    },
};
use futures::{FutureExt, StreamExt};
use tokio::time::MissedTickBehavior;
use tracing::{debug, warn};

use super::{
    Connection, Task, Throttle,
    acknowledger::Acknowledger,
    dead_letters::{DeadLetter, DeadLetters},
    names::{Names, Recipient},
    streams::{self, Streams},
    unpacker::Unpacker,
};
use crate::{
    bus::{
        Delivery, Inlet, Options,
        counters::{Counter, Counters},
    },
    codec,
    message::Address,
};

/// A new consumer begins this long ago, with what was sent just before it was made, or made again. Whatever is older is being
/// asked for again already. Clocks that differ cost such questions, nothing else.
const BACKLOG: Duration = Duration::from_secs(10);
/// The broker forgets a gateway's consumer after this time without a pull.
const GATEWAY_GONE: Duration = Duration::from_secs(30);
/// The broker forgets an owner's consumer after this time without a pull: its term may long be over.
const OWNER_GONE: Duration = Duration::from_secs(60);
/// How long one pull waits at the broker for frames; another is always sent before.
const PULL_EXPIRES: Duration = Duration::from_secs(30);
/// After so long without a frame the broker is asked whether it holds some back.
const QUIET: Duration = Duration::from_secs(5);
/// How long frames that it holds back may be on their way.
const GRACE: Duration = Duration::from_millis(500);
/// A node may hold as many parcels unacknowledged as so many actors may hold frames: all that comes while one of its actors is slow
/// for seconds, so that it does not hold up the others.
const NODE_ACTORS: usize = 16;
/// The pause before the first new try; it doubles up to the last.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
/// No longer, since a broker that came back should be used at once.
const PAUSE_LAST: Duration = Duration::from_secs(2);

/// What all subscriptions of a node share.
pub(in crate::bus) struct Subscriber {
    client: Client,
    names: Names,
    streams: Arc<Streams>,
    acknowledger: Acknowledger,
    dead_letters: DeadLetters,
    counters: Arc<Counters>,
    options: Options,
}

/// Why a subscription has to start over.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("its stream can't be used")]
    Stream(#[from] streams::Error),
    #[error("its consumer can't be made")]
    Consumer(#[from] ConsumerError),
    #[error("its consumer can't be changed")]
    Update(#[from] ConsumerUpdateError),
    #[error("it can't pull")]
    Pull(#[from] StreamError),
    #[error("its pull failed: {0}")]
    Messages(#[from] MessagesError),
    #[error("its consumer does not answer")]
    Quiet(#[from] ConsumerInfoError),
    #[error("{frames} frames are held back")]
    Stalled { frames: u64 },
    #[error("the connection was lost meanwhile")]
    Disconnected,
    #[error("the broker ended it")]
    Ended,
    #[error("the inlet panicked")]
    Panicked,
}

impl Subscriber {
    pub(in crate::bus) fn new(
        client: Client,
        names: Names,
        streams: Arc<Streams>,
        acknowledger: Acknowledger,
        dead_letters: DeadLetters,
        counters: Arc<Counters>,
        options: Options,
    ) -> Self {
        Self { client, names, streams, acknowledger, dead_letters, counters, options }
    }

    /// Hands what comes for `address`, in this term if it has any, to `inlet`, until the task is dropped.
    pub(in crate::bus) fn subscribe(
        self: &Arc<Self>,
        address: Address,
        term: Option<u64>,
        inlet: Arc<dyn Inlet>,
    ) -> Task {
        let to = Recipient::Actor(address);
        Task::spawn(&self.options.runtime, self.clone().run(to, term, Way::Inlet(inlet)))
    }

    /// Hands what comes for this node, in this run of it if there may be others, to `unpacker`, until the task is dropped.
    pub(in crate::bus) fn subscribe_node(
        self: &Arc<Self>,
        node: Arc<str>,
        run: Option<u64>,
        unpacker: Arc<Unpacker>,
    ) -> Task {
        let to = Recipient::Node(node);
        Task::spawn(&self.options.runtime, self.clone().run(to, run, Way::Unpacker(unpacker)))
    }

    async fn run(self: Arc<Self>, to: Recipient, term: Option<u64>, into: Way) {
        let throttle = Throttle::new();
        let mut pause = PAUSE_FIRST;
        loop {
            let began = Instant::now();
            let broken = AssertUnwindSafe(Box::pin(self.serve(&to, term, &into))).catch_unwind().await;
            let broken = broken.unwrap_or_else(|_| Broken::Panicked);
            if let Some(suppressed) = throttle.pass(Instant::now()) {
                let error: &dyn std::error::Error = &broken;
                warn!(?to, error, suppressed, "a subscription starts over");
            }
            if began.elapsed() > PAUSE_LAST {
                pause = PAUSE_FIRST;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_LAST);
        }
    }

    /// Hands over frames until something fails.
    async fn serve(&self, to: &Recipient, term: Option<u64>, into: &Way) -> Broken {
        let connection = Connection::of(&self.client);
        let (consumer, mut frames) = match connection.unless_lost(Box::pin(self.open(to, term))).await {
            Some(Ok(opened)) => opened,
            Some(Err(broken)) => return broken,
            None => return Broken::Disconnected,
        };
        debug!(?to, ?term, "subscribed");
        let broken = self.pump(to, into, &connection, &consumer, &mut frames).await;
        self.counters.add(Counter::Resubscribed, 1);
        broken
    }

    async fn pump(
        &self,
        to: &Recipient,
        into: &Way,
        connection: &Connection,
        consumer: &Consumer<Config>,
        frames: &mut Stream,
    ) -> Broken {
        let mut look = tokio::time::interval(QUIET);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut came, mut suspected) = (true, false);
        let mut lost = pin!(connection.lost());
        loop {
            tokio::select! {
                biased;
                next = frames.next() => match next {
                    Some(Ok(message)) => {
                        came = true;
                        self.deliver(to, message, into);
                    }
                    Some(Err(error)) => return error.into(),
                    None => return Broken::Ended,
                },
                // The broker forgets a pull with the connection that it came by. Missing heartbeats would tell, but seconds later.
                () = &mut lost => return Broken::Disconnected,
                _ = look.tick() => {
                    if std::mem::take(&mut came) {
                        suspected = false;
                        continue;
                    }
                    match Connection::of(&self.client).unless_lost(held_back(consumer)).await {
                        None => return Broken::Disconnected,
                        Some(Err(error)) => return error.into(),
                        Some(Ok(0)) => suspected = false,
                        Some(Ok(frames)) if suspected => return Broken::Stalled { frames },
                        // They may be on their way at this very moment.
                        Some(Ok(_)) => {
                            suspected = true;
                            look.reset_after(GRACE);
                        }
                    }
                }
            }
        }
    }

    async fn open(&self, to: &Recipient, term: Option<u64>) -> Result<(Consumer<Config>, Stream), Broken> {
        let stream = self.streams.frames(self.names.stream_of(to)).await?;
        let consumer = match to {
            _ if is_forgetful(to) => stream.create_consumer(self.forgetful(to)).await?,
            _ => {
                let (name, wanted) = (self.names.consumer(to, term), self.durable(to, term));
                let consumer = stream.get_or_create_consumer(&name, wanted.clone()).await?;
                match changed(&consumer.cached_info().config, &wanted) {
                    Some(config) => stream.update_consumer(config).await?,
                    None => consumer,
                }
            }
        };
        let pull = consumer.stream().max_messages_per_batch(self.options.pull_frames).expires(PULL_EXPIRES);
        let frames = pull.heartbeat(self.options.heartbeat).messages().await?;
        Ok((consumer, frames))
    }

    fn durable(&self, to: &Recipient, term: Option<u64>) -> Config {
        let unacknowledged_max = match to {
            Recipient::Actor(_) => self.options.ack_pending_max,
            Recipient::Node(_) => self.options.ack_pending_max.saturating_mul(NODE_ACTORS),
        };
        Config {
            durable_name: Some(self.names.consumer(to, term)),
            filter_subject: self.names.subjects_of(to),
            deliver_policy: recent(),
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.options.ack_wait,
            max_ack_pending: i64::try_from(unacknowledged_max).unwrap_or(i64::MAX),
            // 0: never.
            inactive_threshold: term.map_or(Duration::ZERO, |_| OWNER_GONE),
            memory_storage: true,
            ..Config::default()
        }
    }

    fn forgetful(&self, to: &Recipient) -> Config {
        Config {
            filter_subject: self.names.subjects_of(to),
            deliver_policy: recent(),
            ack_policy: AckPolicy::None,
            inactive_threshold: GATEWAY_GONE,
            memory_storage: true,
            ..Config::default()
        }
    }

    fn deliver(&self, to: &Recipient, message: Message, into: &Way) {
        let info = message.info();
        if info.as_ref().is_ok_and(|info| info.delivered > 1) {
            self.counters.add(Counter::FramesRedelivered, 1);
        }
        let receipt = message.reply.clone().filter(|_| !is_forgetful(to));
        let read = match into {
            Way::Inlet(inlet) => codec::decode(&message.payload).map(|frame| {
                self.counters.add(Counter::FramesReceived, 1);
                self.counters.add(Counter::MessagesReceived, frame.messages.len());
                let receipt = receipt.clone().map(|to| self.acknowledger.receipt(to));
                inlet.deliver(Delivery { frame, receipt });
            }),
            Way::Unpacker(unpacker) => unpacker.unpack(
                &message.payload,
                receipt.clone().map(|to| self.acknowledger.receipt(to)),
                |to, reason, payload| {
                    let (stream, sequence) = came_by(&info);
                    let (subject, to) = (message.subject.clone(), Recipient::Actor(to));
                    self.dead_letters.put(DeadLetter { to, reason, subject, stream, sequence, payload, receipt: None });
                },
            ),
        };
        if let Err(reason) = read {
            let (stream, sequence) = came_by(&info);
            let message = message.message;
            let (subject, payload, to) = (message.subject, message.payload, to.clone());
            self.dead_letters.put(DeadLetter { to, reason, subject, stream, sequence, payload, receipt });
        }
    }
}

/// Where what comes by a subscription goes in.
enum Way {
    /// Frames.
    Inlet(Arc<dyn Inlet>),
    /// Parcels.
    Unpacker(Arc<Unpacker>),
}

/// Whether what it missed while it was away is no loss to it: it asks, and asks again.
fn is_forgetful(recipient: &Recipient) -> bool {
    matches!(recipient, Recipient::Actor(Address::Gateway(_) | Address::Projector | Address::Ledger))
}

/// The stream, and the sequence there.
fn came_by<E>(info: &Result<Info<'_>, E>) -> (String, u64) {
    info.as_ref().map(|info| (info.stream.to_owned(), info.stream_sequence)).unwrap_or_default()
}

/// From a little before now.
fn recent() -> DeliverPolicy {
    let since = SystemTime::now().checked_sub(BACKLOG).and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let since = since.and_then(|since| i128::try_from(since.as_nanos()).ok());
    match since.map(datetime::from_nanos) {
        Some(Ok(start_time)) => DeliverPolicy::ByStartTime { start_time },
        // A clock that is out of its mind is no reason not to work.
        _ => DeliverPolicy::All,
    }
}

/// How many frames a quiet consumer holds back although it could deliver them.
async fn held_back(consumer: &Consumer<Config>) -> Result<u64, ConsumerInfoError> {
    let info = consumer.get_info().await?;
    let unacknowledged = i64::try_from(info.num_ack_pending).unwrap_or(i64::MAX);
    let full = info.config.max_ack_pending > 0 && unacknowledged >= info.config.max_ack_pending;
    Ok(if full { 0 } else { info.num_pending })
}

/// The configuration to change an existing consumer to, if its settings are not the wanted ones. Where it began stays.
fn changed(is: &async_nats::jetstream::consumer::Config, wanted: &Config) -> Option<Config> {
    let mut config = Config::try_from_consumer_config(is.clone()).ok()?;
    if config.ack_wait == wanted.ack_wait && config.max_ack_pending == wanted.max_ack_pending {
        return None;
    }
    (config.ack_wait, config.max_ack_pending) = (wanted.ack_wait, wanted.max_ack_pending);
    Some(config)
}
