//! The read model: one SQLite file, built from the rows of all journals, and from nothing else.
//!
//! Rows are taken in in memory, and written in one transaction together with how far that is in each journal; so each counts
//! exactly once, wherever a crash strikes. The file may be deleted at any time: it is built again. A power failure may take back its newest commits,
//! with the positions; then those rows are read a second time.

mod kept;
mod place;
mod remembered;
mod rows;
mod source;
mod writing;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use remit_core::{
    id::{AccountId, Seq, ShardNo, TransferId},
    money::Currency,
};
use rusqlite::Connection;
use rustc_hash::FxHashMap;

use self::remembered::Remembered;
pub(super) use self::{
    kept::{COLUMNS, Kept},
    place::Place,
    rows::Taken,
    source::Position,
};
use crate::{genesis::Genesis, message::Address, store::Error};

/// The version of the file's form; a file of another one is built again.
const FORMAT: i64 = 1;
/// "RMIP", so that `file` and `sqlite3` can tell what it is.
const APPLICATION_ID: i64 = 0x524d_4950;
/// Values of each kind that are kept between turns: some 20 MiB.
const KEPT_MAX: usize = 200_000;
/// In place of a partition: the newest posting of an account.
const POSTINGS: i64 = -1;
/// After so many pages of 4 KiB the write-ahead log is copied into the file.
const CHECKPOINT_PAGES: i64 = 16_000;
/// Pages in memory, in KiB.
const CACHE_KIB: i64 = 65_536;

/// Where a read model is.
#[derive(Clone, Debug)]
pub enum Home {
    /// In this file.
    File(PathBuf),
    /// In memory, as long as this or a copy of it lives.
    Memory(Arc<Memory>),
}

/// A file in memory.
#[derive(Debug)]
pub struct Memory {
    name: String,
    /// What is in memory is there as long as somebody holds it open.
    _keeper: Mutex<Option<Connection>>,
}

/// A read model.
pub(super) struct Model {
    connection: Connection,
    home: Home,
    sources: BTreeMap<Address, Position>,
    /// The transfers that have not ended.
    open: FxHashMap<TransferId, Kept>,
    /// For an account, where its newest transfer in a partition begun, or its newest posting is.
    newest: Remembered<(AccountId, i64), Seq>,
    days: Remembered<(i64, AccountId, Currency), Day>,
    /// The newest balance of each shard's in-transit accounts.
    transits: BTreeMap<(Currency, ShardNo), i64>,
    /// How many transfers it has.
    transfers: u64,
    staged: Staged,
}

/// What was posted on an account in a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Day {
    pub(super) debits: u64,
    pub(super) debited: i128,
    pub(super) credits: u64,
    pub(super) credited: i128,
}

/// What was taken in since the last time that it was written.
#[derive(Default)]
struct Staged {
    /// Rows of journals, of every kind.
    rows: usize,
    /// Transfers that have ended since.
    ended: BTreeMap<Place, Kept>,
    /// Transfers that are open, and have changed since.
    changed: Vec<TransferId>,
    postings: Vec<rows::Posted>,
    transits: BTreeMap<(Currency, ShardNo, i64), i64>,
}

impl Model {
    /// Opens a read model of a deployment, empty if there is none, or none that can be used.
    ///
    /// # Errors
    /// SQLite failed.
    pub(super) fn open(home: Home, genesis: &Genesis) -> Result<Self, Error> {
        match Self::open_as_is(home.clone(), genesis) {
            Err(Error::Corrupt { what } | Error::Foreign { what }) => {
                tracing::warn!(what, "the projection can't be used, and is built again");
                home.remove()?;
                Self::open_as_is(home, genesis)
            }
            opened => opened,
        }
    }

    fn open_as_is(home: Home, genesis: &Genesis) -> Result<Self, Error> {
        let connection = home.connect()?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // What a power failure takes back is read again.
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.set_prepared_statement_cache_capacity(64);
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        match (pragma("application_id")?, pragma("user_version")?) {
            (0, 0) => writing::create(&connection, genesis, (APPLICATION_ID, FORMAT))?,
            (APPLICATION_ID, FORMAT) => {}
            other => return Err(Error::Foreign { what: format!("it has form {other:?}") }),
        }
        let stored: String =
            connection.query_row("SELECT value FROM meta WHERE key = 'deployment'", [], |row| row.get(0))?;
        if stored != genesis.to_string() {
            return Err(Error::Foreign { what: format!("it is of '{stored}'") });
        }
        let mut model = Self {
            connection,
            home,
            sources: source::all(genesis),
            open: FxHashMap::default(),
            newest: Remembered::new(KEPT_MAX),
            days: Remembered::new(KEPT_MAX),
            transits: BTreeMap::new(),
            transfers: 0,
            staged: Staged::default(),
        };
        model.read_all()?;
        Ok(model)
    }

    /// How far it is in each journal.
    pub(super) fn sources(&self) -> &BTreeMap<Address, Position> {
        &self.sources
    }

    /// How many rows were taken in and are not written yet.
    pub(super) fn staged_rows(&self) -> usize {
        self.staged.rows
    }

    /// Where it asks for what there is.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The newest balance of each shard's in-transit accounts.
    pub(super) fn transits(&self) -> impl Iterator<Item = (Currency, ShardNo)> {
        self.transits.keys().copied()
    }

    /// The position of the newest posting on an account; 0 if it has none, `None` if there is no such account.
    pub(super) fn newest_posting(&self, account: &AccountId) -> Result<Option<Seq>, Error> {
        writing::newest(&self.connection, account, POSTINGS)
    }

    /// Where the newest transfer of a partition begun that touches an account.
    pub(super) fn newest_transfer(&self, account: &AccountId, partition: u16) -> Result<Option<Seq>, Error> {
        writing::newest(&self.connection, account, i64::from(partition))
    }

    /// Whether it has been as far as all journals were, at some moment.
    pub(super) fn is_built(&self) -> Result<bool, Error> {
        let value = "SELECT value FROM meta WHERE key = 'built'";
        Ok(self.connection.prepare_cached(value)?.query_row([], |row| row.get::<_, i64>(0))? == 1)
    }

    /// Says that it has.
    pub(super) fn set_built(&self) -> Result<(), Error> {
        self.connection.prepare_cached("UPDATE meta SET value = 1 WHERE key = 'built'")?.execute([])?;
        Ok(())
    }

    /// Goes, and becomes another one, which moves to where this one was.
    ///
    /// # Errors
    /// It can't be moved, or SQLite failed. What is there then is one of the two, whole.
    pub(super) fn give_way_to(&mut self, other: Self, genesis: &Genesis) -> Result<(), Error> {
        let (from, to) = (other.home.clone(), self.home.clone());
        // It has all that this one has, so what is known of this one is true of it.
        let mut sources = other.sources;
        for (source, position) in &mut sources {
            let before = &self.sources[source];
            position.head = position.head.max(before.head);
            position.complete = position.complete.max(before.complete);
        }
        // The last connection that closes brings the log into the file, so that the file alone is all of it.
        close(other.connection)?;
        close(std::mem::replace(&mut self.connection, Connection::open_in_memory()?))?;
        from.rename(&to)?;
        *self = Self { sources, ..Self::open(to, genesis)? };
        Ok(())
    }

    /// Forgets where the journals end: it is not known any more whose end that was.
    pub(super) fn forget_ends(&mut self) {
        for position in self.sources.values_mut() {
            (position.head, position.complete) = Default::default();
        }
    }

    /// How many transfers it has.
    pub(super) fn transfers(&self) -> u64 {
        self.transfers
    }

    /// The bytes of its file.
    pub(super) fn bytes(&self) -> u64 {
        let pragma = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap_or(0);
        (pragma("page_count") * pragma("page_size")).unsigned_abs()
    }
}

impl Home {
    /// In memory, under a name that no other of this process has.
    #[must_use]
    pub fn in_memory(name: &str) -> Self {
        let keeper = Connection::open(memory(name)).ok();
        Self::Memory(Arc::new(Memory { name: name.to_owned(), _keeper: Mutex::new(keeper) }))
    }

    /// The same beside it, for one that is built anew.
    pub(super) fn beside(&self) -> Self {
        match self {
            Self::File(path) => Self::File(path.with_extension("next.db")),
            Self::Memory(memory) => Self::in_memory(&format!("{}-next", memory.name)),
        }
    }

    /// Whether there is something.
    pub(super) fn exists(&self) -> bool {
        matches!(self, Self::File(path) if path.exists())
    }

    fn connect(&self) -> Result<Connection, Error> {
        let connection = match self {
            Self::File(path) => {
                if let Some(folder) = path.parent() {
                    let shown = || folder.display().to_string();
                    std::fs::create_dir_all(folder).map_err(|source| Error::Folder { path: shown(), source })?;
                }
                Connection::open(path)?
            }
            Self::Memory(is) => Connection::open(memory(&is.name))?,
        };
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        Ok(connection)
    }

    /// Deletes what is there.
    pub(super) fn remove(&self) -> Result<(), Error> {
        let Self::File(path) = self else { return Ok(()) };
        for path in with_logs(path) {
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::Folder { path: path.display().to_string(), source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn rename(&self, to: &Self) -> Result<(), Error> {
        match (self, to) {
            (Self::File(from), Self::File(to)) => {
                std::fs::rename(from, to).map_err(|source| Error::Folder { path: to.display().to_string(), source })
            }
            _ => Err(Error::Foreign { what: "a projection in memory can't be moved".into() }),
        }
    }
}

/// Where SQLite has it.
fn memory(name: &str) -> String {
    format!("file:/{name}?vfs=memdb")
}

fn close(connection: Connection) -> Result<(), Error> {
    connection.close().map_err(|(_, error)| error.into())
}

/// A file, and those that SQLite keeps beside it.
fn with_logs(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|end| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        name.into()
    })
}
