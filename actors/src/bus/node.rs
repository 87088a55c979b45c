//! A node's bus: mailboxes for those who live here, JetStream for the rest.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_nats::{Client, jetstream::context::ContextBuilder};
use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;
use tokio::runtime::Handle;
use tracing::{info, warn};

use super::{
    Bus, Home, Hops, Inlet, Options, Stats, Switchboard,
    counters::{Counter, Counters},
    jetstream::{
        Task, Throttle,
        acknowledger::Acknowledger,
        dead_letters::DeadLetters,
        names::Names,
        publisher::{Outgoing, Publisher},
        streams::{self, Streams},
        subscriber::Subscriber,
        unpacker::Unpacker,
    },
    parcel, split,
};
use crate::{frame::Frame, message::Address};

/// How long the broker may take to confirm a frame or to answer a question about streams.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A node's bus. It is started once the broker can be reached; from then on the broker may come and go, and lose all it has.
/// Used from any thread; its tasks run on the runtime that it was given, and end when it is dropped.
pub struct NodeBus {
    hops: Hops,
    runtime: Handle,
    client: Client,
    frame_bytes_max: usize,
    switchboard: Arc<Switchboard>,
    publisher: Arc<Publisher>,
    subscriber: Arc<Subscriber>,
    subscriptions: Mutex<FxHashMap<Address, Task>>,
    /// This node's own name, if parcels come here.
    here: Option<Arc<str>>,
    /// The nodes at which others live.
    elsewhere: RwLock<FxHashMap<Address, Arc<str>>>,
    counters: Arc<Counters>,
    throttle: Throttle,
    stopped: AtomicBool,
    _keeper: Task,
    parcels: Mutex<Option<Task>>,
}

/// Why a bus can't be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is out of its range.
    #[error("the bus can't be set up so: {0}")]
    Options(&'static str),
    /// The broker does not have this stream and does not make it.
    #[error("the broker does not give us the stream {stream}")]
    Stream {
        /// Its name.
        stream: String,
        /// Why.
        source: streams::Error,
    },
    /// The runtime that was given is shutting down.
    #[error("the runtime of the bus has ended")]
    RuntimeEnded,
}

impl NodeBus {
    /// Makes the streams that are missing, and is ready to send. Can be awaited on any runtime.
    ///
    /// # Errors
    /// Settings out of range, or a broker that does not answer or has no JetStream.
    pub async fn start(client: Client, options: Options) -> Result<Arc<Self>, Error> {
        if let Some(rule) = options.out_of_range() {
            return Err(Error::Options(rule));
        }
        // The NATS client starts tasks of its own wherever it is called, so that happens there too.
        let runtime = options.runtime.clone();
        match runtime.spawn(Self::set_up(client, options)).await {
            Ok(started) => started.map(Arc::new),
            Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
            Err(_) => Err(Error::RuntimeEnded),
        }
    }

    async fn set_up(client: Client, options: Options) -> Result<Self, Error> {
        let context = ContextBuilder::new()
            .timeout(ANSWER_WITHIN)
            .ack_timeout(ANSWER_WITHIN)
            // Never felt: the publisher has its own limit, and dead letters go one by one. Twice as much, since the client
            // keeps places for a while after a lost connection.
            .max_ack_inflight(options.in_flight_max * 2 + 2)
            .backpressure_on_inflight(true)
            .build(client.clone());
        let names = Names::new(&options.deployment, options.frame_streams);
        let counters = Arc::new(Counters::default());
        let streams = Arc::new(Streams::new(context.clone(), &names, &options, counters.clone()));
        streams.set_up().await.map_err(|(stream, source)| Error::Stream { stream, source })?;

        let runtime = options.runtime.clone();
        let frame_bytes_max = options.frame_bytes_max.min(client.server_info().max_payload);
        if frame_bytes_max < options.frame_bytes_max {
            info!(frame_bytes_max, "frames are smaller than set up, since the broker takes no larger ones");
        }
        let keeper = Task::spawn(&runtime, streams.clone().keep());
        let publisher = Publisher::start(
            context.clone(),
            names.clone(),
            frame_bytes_max,
            &options,
            streams.clone(),
            counters.clone(),
        );
        let publisher = Arc::new(publisher);
        let switchboard = Arc::new(Switchboard::counting(counters.clone()));
        let acknowledger = Acknowledger::start(client.clone(), &runtime, counters.clone());
        let dead_letters = DeadLetters::start(
            context.clone(),
            names.clone(),
            &runtime,
            streams.clone(),
            acknowledger.clone(),
            counters.clone(),
        );
        let unpacker = Unpacker::new(switchboard.clone(), publisher.clone(), counters.clone(), &runtime);
        let subscriber = Subscriber::new(
            client.clone(),
            names,
            streams,
            acknowledger,
            dead_letters,
            counters.clone(),
            options.clone(),
        );
        let subscriber = Arc::new(subscriber);
        let here = options.home.as_ref().map(|home| Arc::<str>::from(&*home.node));
        let parcels = options
            .home
            .zip(here.clone())
            .map(|(Home { run, .. }, here)| subscriber.subscribe_node(here, run, Arc::new(unpacker)));
        Ok(Self {
            hops: options.hops,
            runtime,
            client,
            frame_bytes_max,
            switchboard,
            publisher,
            subscriber,
            subscriptions: Mutex::default(),
            here,
            elsewhere: RwLock::default(),
            counters,
            throttle: Throttle::new(),
            stopped: AtomicBool::new(false),
            _keeper: keeper,
            parcels: Mutex::new(parcels),
        })
    }

    /// From now on frames for `address` go into `inlet`, and no longer where they went before. Never waits: the
    /// subscription is made in the background, and again whenever it is lost.
    pub fn attach(&self, address: Address, inlet: Arc<dyn Inlet>) {
        self.subscribe(address, None, inlet);
    }

    /// The same for an actor that this node got to run under the number `term`, greater for each later owner: it pulls by a
    /// consumer that no other owner has. So all who believe to run the actor get each frame, and none takes it away from
    /// another; a successor's consumer begins with the last seconds' frames. The broker forgets it when it was not pulled for
    /// a minute. A gateway or the projector has no durable consumer, and no term.
    pub fn attach_term(&self, address: Address, inlet: Arc<dyn Inlet>, term: u64) {
        self.subscribe(address, Some(term), inlet);
    }

    fn subscribe(&self, address: Address, term: Option<u64>, inlet: Arc<dyn Inlet>) {
        self.switchboard.attach(address, inlet.clone());
        let task = self.subscriber.subscribe(address, term, inlet);
        let before = self.subscriptions.lock().insert(address, task);
        drop(before);
    }

    /// The same for one that only this node's actors send to, always by mailbox.
    pub fn attach_here(&self, address: Address, inlet: Arc<dyn Inlet>) {
        self.switchboard.attach(address, inlet);
    }

    /// From now on `address` is nobody of this node; a frame that is being handed over may still go in. The broker keeps its
    /// consumer, and what comes, for whoever attaches next, here or on another node; what was on its way, or is not
    /// acknowledged, that one gets when its time is up. An owner in a later term gets it at once, from a consumer of its own.
    pub fn detach(&self, address: Address) {
        self.switchboard.detach(address);
        let task = self.subscriptions.lock().remove(&address);
        drop(task);
    }

    /// From now on these are known to live at these nodes, and nobody else is; what is for them goes there in parcels. Who has
    /// moved since is sent on to; for who is nowhere known to be, frames wait under its own name.
    pub fn elsewhere(&self, nodes: impl Iterator<Item = (Address, Arc<str>)>) {
        let nodes = nodes.collect();
        *self.elsewhere.write() = nodes;
    }

    /// The node at which `to` lives, if that is known.
    fn node_of(&self, to: Address) -> Option<Arc<str>> {
        match self.switchboard.has(to) {
            true => self.here.clone(),
            false => self.elsewhere.read().get(&to).cloned(),
        }
    }

    /// Takes nothing in any more: detaches everyone. Sending goes on.
    pub fn detach_all(&self) {
        let addresses: Vec<_> = self.subscriptions.lock().keys().copied().collect();
        addresses.into_iter().for_each(|address| self.detach(address));
        let parcels = self.parcels.lock().take();
        drop(parcels);
    }

    /// Detaches everyone, drops what is sent from now on, and waits until the broker has confirmed all that was sent before,
    /// at most `within`. Whether it did; if not, what it did not get is asked for again from state.
    pub async fn stop(&self, within: Duration) -> bool {
        self.stopped.store(true, Ordering::Release);
        self.detach_all();
        let flushed = async {
            self.publisher.flush().await;
            self.client.flush().await.is_ok()
        };
        // The clock is that of the runtime, whatever thread awaits this.
        let mut timer = self.runtime.spawn(async move { tokio::time::sleep(within).await });
        let done = tokio::select! {
            done = flushed => done,
            _ = &mut timer => false,
        };
        timer.abort();
        done
    }

    /// What it has counted.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.counters.stats()
    }

    fn publish(&self, to: Address, frame: Frame) {
        let class = frame.class;
        let at = self.node_of(to);
        let mut piece = |frame, messages| self.publisher.put(class, Outgoing { to, at: at.clone(), frame, messages });
        let mut oversized = |message, bytes| {
            self.counters.add(Counter::MessagesOversized, 1);
            if let Some(suppressed) = self.throttle.pass(Instant::now()) {
                let bytes_max = self.frame_bytes_max;
                let what = std::mem::discriminant(&message);
                warn!(?to, ?class, ?what, bytes, bytes_max, suppressed, "dropped a message that no frame can carry");
            }
        };
        split::encode(frame, self.frame_bytes_max - parcel::WRAPPING, &mut piece, &mut oversized);
    }
}

impl Bus for NodeBus {
    fn send(&self, to: Address, frame: Frame) {
        if self.stopped.load(Ordering::Acquire) {
            return self.counters.add(Counter::FramesDropped, 1);
        }
        match self.hops {
            _ if to == Address::Ledger => self.switchboard.send(to, frame),
            Hops::JetStream => self.publish(to, frame),
            Hops::Local => {
                if let Err(frame) = self.switchboard.hand_over(to, frame) {
                    self.publish(to, frame);
                }
            }
        }
    }
}
