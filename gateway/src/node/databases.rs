//! The databases of a node: a file for each shard and each manager, and the actor that is made from it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use remit_actors::{
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
        books::BooksOptions,
        register::RegisterOptions,
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
        Self { genesis, dir, node, create, shard, manager, projector, niceness, faults }
    }

    /// The actors, each with what makes it from its database.
    pub(super) fn children(&self) -> Vec<Child> {
        let managers = self.genesis.partition_numbers().map(|no| {
            let databases = self.clone();
            let factory: Factory = Arc::new(move |start| databases.manager(no, start));
            let (name, address) = (default_name('m', no.0), Address::Manager(no));
            Child { name, address, alone: false, group: GROUP_OF_MANAGERS, factory }
        });
        let shards = self.genesis.shard_numbers().zip(&self.genesis.shards).map(|(no, name)| {
            let (databases, of) = (self.clone(), name.clone());
            let factory: Factory = Arc::new(move |start| databases.shard(no, &of, &start));
            let address = Address::Shard(no);
            Child { name: name.clone(), address, alone: false, group: GROUP_OF_SHARDS, factory }
        });
        let projector = self.projector.iter().map(|options| {
            let (databases, options) = (self.clone(), options.clone());
            let factory: Factory = Arc::new(move |_| databases.projector(&options));
            let (name, address) = (default_name('p', 0), Address::Projector);
            Child { name, address, alone: true, group: GROUP_OF_PROJECTORS, factory }
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
        let now = durable::system_clock();
        let file = Sqlite::<TransferEntry>::open(&self.manager_file(no), &self.genesis, self.create, now)?;
        let (options, node) = (self.manager, &self.node);
        let Some(faults) = &self.faults else {
            return Ok(Box::new(Manager::open(no, file, options, start.recovery, node, now)?));
        };
        let file = faulty(file, faults, 1 << 16 | u64::from(no.0), start.generation);
        Ok(Box::new(Manager::open(no, file, options, start.recovery, node, now)?))
    }

    fn shard(&self, no: ShardNo, name: &str, start: &supervision::Start) -> Result<Box<dyn Machine>, Failure> {
        let now = durable::system_clock();
        let file = Sqlite::<ShardEntry>::open(&self.shard_file(name), &self.genesis, self.create, now)?;
        let Some(faults) = &self.faults else {
            return Ok(Box::new(Shard::open(no, file, self.shard, &self.node, now)?));
        };
        let file = faulty(file, faults, 2 << 16 | u64::from(no.0), start.generation);
        Ok(Box::new(Shard::open(no, file, self.shard, &self.node, now)?))
    }
}

/// Tables whose commits fail, with throws of their own for each database and each of its incarnations.
fn faulty<T>(tables: T, faults: &Switch, database: u64, generation: u64) -> Store<T> {
    Store::new(tables, faults.clone(), Dice::new(faults.get().seed, generation << 32 | database))
}
