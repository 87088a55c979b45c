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
    machine::{Failure, Machine},
    manager::{Manager, ManagerOptions},
    message::Address,
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

use super::FRAME_MESSAGES_MAX;
use crate::settings::Settings;

/// The folders of the databases, in the data folder: each may be a disk of its own.
const MANAGERS: &str = "managers";
const SHARDS: &str = "shards";
/// Shards end after managers, so that a manager's last commands still find them.
const GROUP_OF_MANAGERS: u32 = 0;
const GROUP_OF_SHARDS: u32 = 1;

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
        let (genesis, dir, node) = (Arc::clone(genesis), dir.to_owned(), node.to_owned());
        Self { genesis, dir, node, create, shard, manager, faults }
    }

    /// The actors, each with what makes it from its database.
    pub(super) fn children(&self) -> Vec<Child> {
        let managers = self.genesis.partition_numbers().map(|no| {
            let databases = self.clone();
            let factory: Factory = Arc::new(move |start| databases.manager(no, start));
            Child { name: default_name('m', no.0), address: Address::Manager(no), group: GROUP_OF_MANAGERS, factory }
        });
        let shards = self.genesis.shard_numbers().zip(&self.genesis.shards).map(|(no, name)| {
            let (databases, of) = (self.clone(), name.clone());
            let factory: Factory = Arc::new(move |start| databases.shard(no, &of, &start));
            Child { name: name.clone(), address: Address::Shard(no), group: GROUP_OF_SHARDS, factory }
        });
        managers.chain(shards).collect()
    }

    fn manager(&self, no: PartitionNo, start: supervision::Start) -> Result<Box<dyn Machine>, Failure> {
        let now = durable::system_clock();
        let path = self.dir.join(MANAGERS).join(format!("m{}.db", no.0));
        let file = Sqlite::<TransferEntry>::open(&path, &self.genesis, self.create, now)?;
        let (options, node) = (self.manager, &self.node);
        let Some(faults) = &self.faults else {
            return Ok(Box::new(Manager::open(no, file, options, start.recovery, node, now)?));
        };
        let file = faulty(file, faults, 1 << 16 | u64::from(no.0), start.generation);
        Ok(Box::new(Manager::open(no, file, options, start.recovery, node, now)?))
    }

    fn shard(&self, no: ShardNo, name: &str, start: &supervision::Start) -> Result<Box<dyn Machine>, Failure> {
        let now = durable::system_clock();
        let path = self.dir.join(SHARDS).join(format!("{name}.db"));
        let file = Sqlite::<ShardEntry>::open(&path, &self.genesis, self.create, now)?;
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
