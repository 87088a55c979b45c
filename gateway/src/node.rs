//! A node: one process, with the roles that it is given. It starts from the outside in, and ends the other way round.
//!
//! The data folder is taken first, so that nobody else can be at work in it; then the broker is there; then the
//! deployment's facts are settled; then the actors open their databases; and only then does the door open.

mod actors;
mod aside;
mod chaos;
mod databases;
mod drained;
pub mod founding;
mod ledger;
mod several;

use std::{path::Path, sync::Arc, time::Duration};

use remit_actors::{
    bus::{self, Bus, NodeBus, Options as BusOptions},
    cluster::{Cluster as Members, JoinError},
    durable::Kill,
    faults::{self, Dice, Faults, Switch},
    guardian::{self, ChildStatus, Guardian},
    message::Address,
};
use remit_api::node::Role;
use tokio::{runtime::Handle, task::AbortHandle};

pub use self::drained::Drained;
use self::{
    actors::{guarding, not_up, wait_until_up},
    chaos::Chaos,
    databases::Databases,
    ledger::Ledger,
    several::Several,
};
use crate::{
    broker::{self, Broker},
    connection::connection,
    datadir::{self, DataDir},
    door::{
        self, Door,
        cluster::{Alone, Cluster},
        nats::NatsDoor,
    },
    metrics::{Metrics, Unbound},
    settings::{Hops, Resolved, Settings},
    space::Space,
    supervision::{self, Publisher, Reader as EventsReader},
};

/// How long the actors may take to open their databases until the node says that it does not come up.
const UP_WITHIN: Duration = Duration::from_secs(60);
/// How long the bus may take to hand over what it has when the node ends.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);
/// The most messages in one frame.
const FRAME_MESSAGES_MAX: usize = 4_096;

/// The throws of the faults of frames.
const FRAMES: u64 = 0;

/// How a node is started.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Whether a new deployment may be made on a broker that is not private (R16).
    pub create: bool,
    /// Faults in place of those of the settings, which the starter may change while it runs.
    pub faults: Option<Switch>,
}

/// A running node.
pub struct Node {
    dir: DataDir,
    broker: Option<Broker>,
    running: Running,
}

/// A node without what must outlive it.
struct Running {
    client: async_nats::Client,
    client_url: String,
    bus: Arc<NodeBus>,
    guardian: guardian::Handle,
    chaos: Option<Chaos>,
    events: Publisher,
    ledger: Ledger,
    metrics: Option<Metrics>,
    members: Option<Members>,
    /// Keeps the deployment's facts in the broker.
    keeper: Option<AbortHandle>,
    door: Option<NatsDoor>,
    drain_within: Duration,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its data folder can't be taken.
    #[error("the node can't start")]
    DataDir(#[from] datadir::Error),
    /// Its private broker can't be started.
    #[error("the private broker can't be started")]
    Broker(#[from] broker::Error),
    /// The broker can't be reached.
    #[error("the broker can't be reached: {0}")]
    Connection(remit_api::Error),
    /// The deployment's facts can't be settled.
    #[error("the deployment can't be served from this folder")]
    Founding(#[from] founding::Error),
    /// What the node commits of the others can't be opened.
    #[error("what this node knows of the others can't be opened")]
    Registry(#[source] remit_actors::store::Error),
    /// It can't join the others.
    #[error("the node can't join the deployment")]
    Join(#[from] JoinError),
    /// A part that several nodes do not have.
    #[error("{0}")]
    Absent(&'static str),
    /// The bus can't be started.
    #[error("the bus can't be started")]
    Bus(#[from] remit_actors::bus::Error),
    /// A thread can't be started.
    #[error("the actors can't be started")]
    Guardian(#[source] std::io::Error),
    /// Actors did not come up.
    #[error("these actors did not come up: {0}")]
    NotUp(String),
    /// Metrics can't be served where they are to be.
    #[error(transparent)]
    Metrics(#[from] Unbound),
    /// The threads of what may lag can't be started.
    #[error("the threads of what may lag can't be started")]
    Aside(#[source] std::io::Error),
    /// The thread that watches the disks can't be started.
    #[error("the disks can't be watched")]
    Space(#[source] std::io::Error),
    /// The deployment's facts can't be served.
    #[error("the door can't be opened")]
    Door(#[from] door::InvalidCurrencies),
    /// The broker did not take the service.
    #[error("the door can't be opened")]
    Service(#[from] door::nats::Unoffered),
}

impl Node {
    /// Starts a node and returns when it serves.
    ///
    /// # Errors
    /// Whatever keeps it from serving; what was started is ended again.
    pub async fn start(resolved: &Resolved, start: Start) -> Result<Self, Error> {
        let settings = &resolved.settings;
        let dir = DataDir::take(&settings.node.data_dir)?;
        let broker = match settings.nats.url.is_empty() {
            true => Some(Broker::start(&dir, broker::Options::from(settings)).await?),
            false => None,
        };
        match Self::on(resolved, start, dir.path(), broker.as_ref()).await {
            Ok(running) => Ok(Self { dir, broker, running }),
            Err(error) => {
                if let Some(broker) = broker {
                    broker.stop().await;
                }
                Err(error)
            }
        }
    }

    async fn on(resolved: &Resolved, start: Start, dir: &Path, broker: Option<&Broker>) -> Result<Running, Error> {
        let settings = &resolved.settings;
        let mut metrics = settings.metrics.address().map(Metrics::listen).transpose()?;
        let mut connect = connection(settings);
        if let Some(broker) = broker {
            connect.url = broker.url().to_owned();
        }
        let name = settings.node.name_or_host();
        let client = connect_to(&connect, &name).await?;
        let facts = async_nats::jetstream::new(client.clone());
        let create = start.create || broker.is_some();
        let copies = settings.nats.copies();
        let founded = founding::settle(resolved, dir, &facts, copies, create).await?;
        let genesis = Arc::new(founded.genesis);
        if genesis.replicated && settings.events.publish {
            return Err(Error::Absent(
                "events.publish is for a deployment that commits to its disk: several nodes do not publish events as JSON yet",
            ));
        }

        let mut options = BusOptions::new(Handle::current(), &genesis.deployment);
        options.hops = match settings.bus.hops {
            Hops::Local => remit_actors::bus::Hops::Local,
            Hops::JetStream => remit_actors::bus::Hops::JetStream,
        };
        options.frame_streams = settings.bus.frame_streams;
        options.frame_bytes_max = usize::try_from(settings.bus.frame_bytes_max).unwrap_or(usize::MAX);
        options.stream_bytes_max = settings.bus.stream_bytes_max;
        options.stream_age = Duration::from_millis(settings.bus.stream_age_ms);
        options.replicas = copies;
        let (run, number) = (rand_u64(), rand_u64());
        options.home = Some(bus::Home { node: name.clone(), run: genesis.replicated.then_some(run) });
        let bus = NodeBus::start(client.clone(), options).await?;

        let set = faults_of(settings);
        let kill_every = Some(settings.faults.kill_actor_every_ms).filter(|ms| *ms > 0).map(Duration::from_millis);
        let is_chaos = set.is_some() || kill_every.is_some();
        if is_chaos {
            tracing::warn!(faults = ?settings.faults, "things go wrong here on purpose: this node is for trials");
        }
        let faults = start.faults.or_else(|| set.clone());
        let way = way(&bus, faults.as_ref());
        let databases = Databases::new(settings, &genesis, dir, &name, founded.is_new, faults);
        let members = genesis.replicated.then(|| {
            several::member(settings, &genesis, dir, &client, databases.journals(), founded.is_new, (run, number))
        });
        let members = members.transpose().map_err(Error::Registry)?;
        let databases = databases.in_cluster(members.clone());
        let limits = supervision::Limits {
            bytes_max: settings.supervision.events_bytes_max,
            age: Duration::from_millis(settings.supervision.events_age_ms),
        };
        let events = Publisher::start(client.clone(), &genesis.deployment, limits, &Handle::current());
        let sink = match &metrics {
            Some(metrics) => metrics.counting(events.sink()),
            None => events.sink(),
        };
        let guarding = guardian::Options { sink, ..guarding(settings, &name, genesis.replicated) };
        let guardian = Guardian::start(guarding, databases.children(), way.clone()).map_err(Error::Guardian)?;
        if members.is_none() {
            for (address, inlet) in guardian.inlets() {
                bus.attach(address, inlet);
            }
        }
        let journals = databases.journals();
        let ledger = match &members {
            Some(members) => Ledger::of_cluster(settings, members, &guardian, &bus),
            None => Ledger::start(settings, &genesis, journals, &connect, &name, &guardian, &bus).await?,
        };
        if let Some(metrics) = &mut metrics {
            metrics.sample(guardian.clone(), Arc::clone(&bus), members.clone(), &Handle::current());
        }
        let mut keeper = None;
        if let Some(members) = &members {
            let prepare = Arc::new(move |journal| databases.prepare(journal));
            members.join(guardian.clone(), Arc::clone(&bus), prepare).await?;
            // What is not here by then comes when it can, unless it has never been anywhere.
            if !members.settled(UP_WITHIN).await && founded.is_new {
                return Err(Error::NotUp(not_up(&guardian)));
            }
            keeper =
                Some(tokio::spawn(several::keep_facts(facts.clone(), copies, Arc::clone(&genesis))).abort_handle());
        } else {
            wait_until_up(&guardian).await?;
        }
        founding::is_complete(dir, &facts, copies, &genesis).await?;
        if let Some(members) = &members {
            members.is_made();
        }

        let space = Space::watch(databases::folders(dir), settings.store.reserve_bytes).map_err(Error::Space)?;
        let waiting_max = usize::try_from(settings.transfers.open_max).unwrap_or(usize::MAX);
        let cluster: Arc<dyn Cluster> = match &members {
            Some(members) => Arc::new(Several::new(members.clone(), guardian.clone())),
            None => Arc::new(Alone::new(guardian.clone(), name)),
        };
        let door = Door::open(
            Arc::clone(&genesis),
            number,
            way,
            cluster,
            space,
            &Handle::current(),
            door::Options {
                events: EventsReader::new(client.clone(), &genesis.deployment),
                waiting_max: waiting_max.saturating_mul(usize::from(genesis.managers)),
                frame_messages_max: FRAME_MESSAGES_MAX,
                projection: settings.projection.enabled,
            },
        )?;
        bus.attach(Address::Gateway(number), Arc::clone(&door) as Arc<dyn remit_actors::bus::Inlet>);
        let has_gateway = settings.node.roles().contains(&Role::Gateway);
        let door = if has_gateway { Some(NatsDoor::open(client.clone(), door).await?) } else { None };
        let seed = settings.faults.seed;
        let chaos = is_chaos.then(|| Chaos::begin(kill_every, set, seed, &guardian, &Handle::current()));
        let drain_within = Duration::from_millis(settings.supervision.drain_ms);
        Ok(Running {
            ledger,
            client,
            client_url: connect.shown_url(),
            bus,
            guardian,
            chaos,
            events,
            metrics,
            members,
            keeper,
            door,
            drain_within,
        })
    }

    /// Where clients reach it.
    #[must_use]
    pub fn client_url(&self) -> &str {
        &self.running.client_url
    }

    /// Its private broker's process, if it has one and it is up.
    #[must_use]
    pub fn nats_pid(&self) -> Option<u32> {
        self.broker.as_ref().and_then(Broker::pid)
    }

    /// Its data folder, as an absolute path.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.dir.path()
    }

    /// Its actors, as they stand.
    #[must_use]
    pub fn actors(&self) -> Vec<ChildStatus> {
        self.running.guardian.status()
    }

    /// Makes an actor end without reason, to show or to test that it comes back. False if there is none of this name, or it is not
    /// up.
    #[must_use]
    pub fn kill(&self, actor: &str, kill: Kill) -> bool {
        self.running.guardian.kill(actor, kill)
    }

    /// How often its actors' databases have committed rows: each of these commits was flushed to the disk. Those of an actor that
    /// failed are forgotten.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.actors().iter().map(|actor| actor.commits).sum()
    }

    /// What its bus has done since it started.
    #[must_use]
    pub fn bus(&self) -> bus::Stats {
        self.running.bus.stats()
    }

    /// Ends it in order: the door, the managers, the shards, the bus, the broker. What is cut off by the bound goes on
    /// from its database at the next start.
    pub async fn drain(self) -> Drained {
        let Self { running, broker, dir: _dir } = self;
        drop(running.chaos);
        if let Some(keeper) = running.keeper {
            keeper.abort();
        }
        if let Some(door) = running.door {
            door.close().await;
        }
        if let Some(members) = running.members {
            members.leave(running.drain_within).await;
        }
        let actors = running.guardian.drain(running.drain_within).await;
        // What is not on its stream by then gets there at the next start.
        running.ledger.flush(FLUSH_WITHIN).await;
        // What is not published by then is in the log.
        let (flushed, _) = tokio::join!(running.bus.stop(FLUSH_WITHIN), running.events.flush(FLUSH_WITHIN));
        // Without a broker there is nothing left to flush to.
        running.client.drain().await.ok();
        drop(running.metrics);
        if let Some(broker) = broker {
            broker.stop().await;
        }
        Drained { actors, flushed }
    }
}

async fn connect_to(connect: &remit_api::Connect, name: &str) -> Result<async_nats::Client, Error> {
    let options =
        remit_api::connect::options(connect, &format!("remit node {name}")).await.map_err(Error::Connection)?;
    let addresses = connect.addresses().map_err(Error::Connection)?;
    let connected = options.connect(addresses).await;
    connected.map_err(|error| Error::Connection(remit_api::connect::refused(connect, &error)))
}

/// The faults that are set; `None` if there are none, and then nothing stands in anybody's way.
fn faults_of(settings: &Settings) -> Option<Switch> {
    let faults = Faults::from(&settings.faults);
    if !faults.hit_frames() && !faults.hit_commits() {
        return None;
    }
    Some(Switch::new(faults))
}

/// The bus as the actors and the door have it: with faults on it, if there are to be any.
fn way(bus: &Arc<NodeBus>, faults: Option<&Switch>) -> Arc<dyn Bus> {
    let below = Arc::clone(bus) as Arc<dyn Bus>;
    let Some(faults) = faults else { return below };
    let timed = faults::Timed::new(below, Handle::current());
    Arc::new(faults::Bus::new(timed, faults.clone(), Dice::new(faults.get().seed, FRAMES)))
}

/// A number that no other gateway has drawn.
fn rand_u64() -> u64 {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    high ^ low
}
