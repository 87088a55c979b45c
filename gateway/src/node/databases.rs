//! The databases of a node: a file for each shard and each manager, and the actor that is made from it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use remit_actors::{
    cluster::{Cluster, copy::FileCopy},
    durable,
    faults::{Dice, Store, Switch},
    genesis::Genesis,
    guardian::{Child, Factory},
    ledger::Journal,
    machine::{Failure, Machine},
    manager::{Manager, ManagerOptions},
    message::Address,
    projector::{Home, Projector, ProjectorOptions},
    shard::{Shard, ShardOptions},
    store::{
        Error,
        books::{Books, BooksOptions},
        journal::Follower,
        register::{Register, RegisterOptions},
        replica::Claimant,
        row::{ShardEntry, TransferEntry},
        sqlite::Sqlite,
    },
    supervision,
};
use remit_core::id::{PartitionNo, ShardNo, default_name};

use super::{FRAME_MESSAGES_MAX, aside::give_way};
use crate::settings::Settings;

/// The folders of the databases, in the data folder: each may be a disk of its own.
const MANAGERS: &str = "managers";
const SHARDS: &str = "shards";
const PROJECTIONS: &str = "projections";
/// Shards end after managers, so that a manager's last commands still find them.
const GROUP_OF_MANAGERS: u32 = 0;
const GROUP_OF_SHARDS: u32 = 1;
/// The projector ends last: it would rather hear of what the others did.
const GROUP_OF_PROJECTORS: u32 = 2;

/// The folders that databases are in.
pub(super) fn folders(dir: &Path) -> Vec<PathBuf> {
    vec![dir.to_owned(), dir.join(SHARDS), dir.join(MANAGERS)]
}

/// The databases of this node.
#[derive(Clone)]
pub(super) struct Databases {
    genesis: Arc<Genesis>,
    dir: PathBuf,
    node: String,
    /// Only while the deployment is being made may a file be missing (R16).
    create: bool,
    shard: ShardOptions,
    manager: ManagerOptions,
    projector: Option<ProjectorOptions>,
    niceness: u8,
    faults: Option<Switch>,
    /// Where commits are replicated.
    cluster: Option<Cluster>,
}

impl Databases {
    pub(super) fn new(
        settings: &Settings,
        genesis: &Arc<Genesis>,
        dir: &Path,
        node: &str,
        create: bool,
        faults: Option<Switch>,
    ) -> Self {
        let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let (store, transfers) = (&settings.store, &settings.transfers);
        let flush_rows = u64::from(store.flush_rows);
        let shard = ShardOptions {
            books: BooksOptions {
                accounts_max: size(store.cache_accounts_max),
                legs_max: size(store.cache_legs_max),
                flush_rows,
            },
            partitions: genesis.managers,
            frame_messages_max: FRAME_MESSAGES_MAX,
        };
        let manager = ManagerOptions {
            register: RegisterOptions { ended_max: size(store.cache_transfers_max), flush_rows },
            open_max: size(transfers.open_max),
            retry_first_ms: transfers.retry_first_ms,
            retry_max_ms: transfers.retry_max_ms,
            retries_per_second_max: transfers.retries_per_second_max,
            overdue_ms: transfers.overdue_ms,
            frame_messages_max: FRAME_MESSAGES_MAX,
        };
        let projector = settings.projection.enabled.then(|| ProjectorOptions {
            home: Home::File(dir.join(PROJECTIONS).join("p0.db")),
            overdue_ms: transfers.overdue_ms,
        });
        let niceness = settings.node.background_niceness;
        let (genesis, dir, node) = (Arc::clone(genesis), dir.to_owned(), node.to_owned());
        Self { genesis, dir, node, create, shard, manager, projector, niceness, faults, cluster: None }
    }

    /// The same on a node of several.
    pub(super) fn in_cluster(self, cluster: Option<Cluster>) -> Self {
        Self { cluster, ..self }
    }

    /// The actors, each with what makes it from its database.
    pub(super) fn children(&self) -> Vec<Child> {
        // Of several nodes, each runs what it is given.
        let here = self.cluster.is_none();
        let managers = self.genesis.partition_numbers().map(|no| {
            let databases = self.clone();
            let factory: Factory = Arc::new(move |start| databases.manager(no, start));
            let (name, address) = (default_name('m', no.0), Address::Manager(no));
            Child { name, address, alone: false, here, group: GROUP_OF_MANAGERS, factory }
        });
        let shards = self.genesis.shard_numbers().zip(&self.genesis.shards).map(|(no, name)| {
            let (databases, of) = (self.clone(), name.clone());
            let factory: Factory = Arc::new(move |start| databases.shard(no, &of, &start));
            let address = Address::Shard(no);
            Child { name: name.clone(), address, alone: false, here, group: GROUP_OF_SHARDS, factory }
        });
        let projector = self.projector.iter().map(|options| {
            let (databases, options) = (self.clone(), options.clone());
            let factory: Factory = Arc::new(move |_| databases.projector(&options));
            let (name, address) = (default_name('p', 0), Address::Projector);
            Child { name, address, alone: true, here, group: GROUP_OF_PROJECTORS, factory }
        });
        managers.chain(shards).chain(projector).collect()
    }

    /// The journals of this node, in the order of their actors.
    pub(super) fn journals(&self) -> Vec<Journal> {
        let managers = self.genesis.partition_numbers().map(|no| {
            let (name, path) = (default_name('m', no.0), self.manager_file(no));
            Journal { source: Address::Manager(no), name, path }
        });
        let shards = self.genesis.shard_numbers().zip(&self.genesis.shards).map(|(no, name)| {
            let (name, path) = (name.clone(), self.shard_file(name));
            Journal { source: Address::Shard(no), name, path }
        });
        managers.chain(shards).collect()
    }

    fn manager_file(&self, no: PartitionNo) -> PathBuf {
        self.dir.join(MANAGERS).join(format!("m{}.db", no.0))
    }

    fn shard_file(&self, name: &str) -> PathBuf {
        self.dir.join(SHARDS).join(format!("{name}.db"))
    }

    fn projector(&self, options: &ProjectorOptions) -> Result<Box<dyn Machine>, Failure> {
        give_way(self.niceness);
        Ok(Box::new(Projector::open(&self.genesis, options.clone(), durable::system_clock())?))
    }

    fn manager(&self, no: PartitionNo, start: supervision::Start) -> Result<Box<dyn Machine>, Failure> {
        let (now, address, path) = (durable::system_clock(), Address::Manager(no), self.manager_file(no));
        if self.create && self.cluster.is_some() {
            drop(Sqlite::<TransferEntry>::open(&path, &self.genesis, true, now)?);
        }
        let claimant = self.claimant(address)?;
        let file = Sqlite::<TransferEntry>::open(&path, &self.genesis, self.create, now)?;
        let options = self.manager;
        let Some(faults) = &self.faults else {
            return self.claimed(Manager::open(no, file, options, start.recovery, claimant, now)?);
        };
        let file = faulty(file, faults, 1 << 16 | u64::from(no.0), start.generation);
        self.claimed(Manager::open(no, file, options, start.recovery, claimant, now)?)
    }

    fn shard(&self, no: ShardNo, name: &str, start: &supervision::Start) -> Result<Box<dyn Machine>, Failure> {
        let (now, address, path) = (durable::system_clock(), Address::Shard(no), self.shard_file(name));
        if self.create && self.cluster.is_some() {
            drop(Sqlite::<ShardEntry>::open(&path, &self.genesis, true, now)?);
        }
        let claimant = self.claimant(address)?;
        let file = Sqlite::<ShardEntry>::open(&path, &self.genesis, self.create, now)?;
        let Some(faults) = &self.faults else {
            return self.claimed(Shard::open(no, file, self.shard, claimant, now)?);
        };
        let file = faulty(file, faults, 2 << 16 | u64::from(no.0), start.generation);
        self.claimed(Shard::open(no, file, self.shard, claimant, now)?)
    }

    /// Who claims a journal here: on a node of several after its file has been made equal to its stream (R13, R15).
    fn claimant(&self, journal: Address) -> Result<Claimant, Error> {
        let node = self.node.as_str();
        let Some(cluster) = &self.cluster else { return Ok(node.into()) };
        let mut copy = self.copy(journal)?;
        let replica = cluster.take_over(journal, &mut copy)?;
        copy.close()?;
        Ok(Claimant { node: node.into(), replica: Some(replica) })
    }

    /// A machine that has claimed its journal, once the other members know of it (R18).
    fn claimed<M: Machine + 'static>(&self, machine: M) -> Result<Box<dyn Machine>, Failure> {
        if let Some(cluster) = &self.cluster {
            cluster.claimed(machine.address(), machine.position().epoch)?;
        }
        Ok(Box::new(machine))
    }

    /// Brings this node's copy of a journal near to the end of its stream.
    pub(super) fn prepare(&self, journal: Address) -> Result<(), Error> {
        let Some(cluster) = self.cluster.as_ref().filter(|_| journal != Address::Projector) else { return Ok(()) };
        let mut copy = self.copy(journal)?;
        cluster.follow(journal, &mut copy)?;
        copy.close()
    }

    /// The file of a journal, as a copy.
    fn copy(&self, journal: Address) -> Result<FileCopy, Error> {
        let databases = self.clone();
        let found = self.journals().into_iter().find(|known| known.source == journal);
        let path = found.map(|journal| journal.path).unwrap_or_default();
        let file = path.clone();
        let open = move || -> Result<Box<dyn Follower>, Error> {
            let genesis = &databases.genesis;
            Ok(match journal {
                Address::Manager(_) => {
                    let file = Sqlite::<TransferEntry>::open_copy(&file, genesis)?;
                    Box::new(Register::follow(file, databases.manager.register)?)
                }
                _ => {
                    let file = Sqlite::<ShardEntry>::open_copy(&file, genesis)?;
                    Box::new(Books::follow(file, databases.shard.books)?)
                }
            })
        };
        FileCopy::new(journal, path, Box::new(open))
    }
}

/// Tables whose commits fail, with throws of their own for each database and each of its incarnations.
fn faulty<T>(tables: T, faults: &Switch, database: u64, generation: u64) -> Store<T> {
    Store::new(tables, faults.clone(), Dice::new(faults.get().seed, generation << 32 | database))
}
