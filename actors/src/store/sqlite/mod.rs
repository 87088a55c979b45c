//! One SQLite file for each shard and each manager, in write-ahead mode, flushed at every commit.
//!
//! Only statements live here. `sqlite3` reads the files at any time: `journal` in plain columns, and a view that is exact
//! (`balance` in a shard's file, `transfer` in a manager's). A crash leaves every commit that returned.

mod shard_tables;
mod text;
mod transfer_tables;

use std::{fs, path::Path};

use remit_core::id::{Epoch, Seq, Time};
use rusqlite::{
    Connection, OptionalExtension, Statement,
    types::{ToSql, ToSqlOutput, ValueRef},
};

use super::{
    Error,
    journal::{Appended, Below, Hash, Head, Journal, corrupt, found},
    row::{JournalEntry, Row},
};
use crate::genesis::Genesis;

/// The version of the file's format; a file of a newer one is refused.
const FORMAT: i64 = 1;
/// "RMIT", so that `file` and `sqlite3` can tell whose a file is.
const APPLICATION_ID: i64 = 0x524d_4954;
/// After so many pages of 4 KiB the write-ahead log is copied into the file.
const CHECKPOINT_PAGES: i64 = 4_000;
/// How long to wait for someone else's lock, such as a backup's.
const BUSY_MS: u64 = 5_000;

/// How the entries of one kind of journal stand in SQL.
pub trait Record: JournalEntry {
    /// The tables, indexes and views beside those that every file has.
    const SCHEMA: &'static str;
    /// The columns of `journal` after `seq` and `at`.
    const COLUMNS: &'static [&'static str];
    /// What makes a row a duplicate.
    const CONFLICT: &'static str;

    /// Binds the columns in their order.
    ///
    /// # Errors
    /// SQLite refused a value.
    fn bind(&self, bind: &mut Binder<'_, '_>) -> rusqlite::Result<()>;

    /// Reads the columns in their order.
    ///
    /// # Errors
    /// A column can't be right.
    fn read(columns: &mut Columns<'_, '_>) -> Result<Self, Error>;
}

/// A database file.
pub struct Sqlite<E> {
    connection: Connection,
    insert: String,
    select: String,
    entry: std::marker::PhantomData<E>,
}

impl<E: Record> Sqlite<E> {
    /// Opens a file, or makes it where `create` allows.
    ///
    /// # Errors
    /// It is missing and may not be made, belongs to another deployment, has a newer format, or SQLite failed.
    pub fn open(path: &Path, genesis: &Genesis, create: bool, now: Time) -> Result<Self, Error> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .map_err(|source| Error::Folder { path: folder.display().to_string(), source })?;
        }
        if !create && !path.exists() {
            return Err(Error::Foreign { what: format!("{} is missing", path.display()) });
        }
        let connection = Connection::open(path)?;
        connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
        let is_new = Self::is_new(&connection, path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        if !is_new {
            Self::empty_log(&connection)?;
        }
        connection.set_prepared_statement_cache_capacity(32);
        if is_new {
            Self::create(&connection)?;
        }
        let names = E::COLUMNS.join(", ");
        let places = vec!["?"; E::COLUMNS.len() + 2].join(", ");
        let insert = format!("INSERT INTO journal (seq, at, {names}) VALUES ({places}) {}", E::CONFLICT);
        let select = format!("SELECT seq, at, {names} FROM journal");
        let mut file = Self { connection, insert, select, entry: std::marker::PhantomData };
        // Which of the deployment's databases it is, too: a file under another's name would be another's money.
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        found(&mut file, &format!("{genesis} database={name}"), create, now)?;
        Ok(file)
    }

    /// Brings all that stands in the write-ahead log into the file, flushed, and empties the log.
    ///
    /// After a flush that failed, the log may hold a commit that can be read and that the disk never got; the kernel flushes
    /// such a page no second time. Whatever was appended behind it, flushed or not, a power failure would take as well.
    fn empty_log(connection: &Connection) -> Result<(), Error> {
        // Somebody who reads for long keeps the log from being emptied. That is no reason not to serve.
        let is_busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if is_busy {
            tracing::warn!(file = connection.path(), "somebody reads a database, so that its log can't be emptied");
        }
        Ok(())
    }

    /// Whether there is nothing in the file yet. What is there must be ours, in a format that this version knows.
    fn is_new(connection: &Connection, path: &Path) -> Result<bool, Error> {
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let (format, application) = (pragma("user_version")?, pragma("application_id")?);
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        let foreign = |what: String| Err(Error::Foreign { what: format!("{} {what}", path.display()) });
        match (application, format, tables) {
            (0, 0, 0) => Ok(true),
            (APPLICATION_ID, FORMAT, _) => Ok(false),
            (APPLICATION_ID, other, _) => foreign(format!("has format {other}, this version knows {FORMAT}")),
            _ => foreign("is a database of another program".into()),
        }
    }

    fn create(connection: &Connection) -> Result<(), Error> {
        let common = "
            CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
            INSERT INTO meta VALUES ('epoch', 0), ('flushed', 0);
            CREATE TABLE chain (seq INTEGER PRIMARY KEY, hash BLOB NOT NULL) STRICT;";
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {common} {} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; COMMIT;",
            E::SCHEMA
        ))?;
        Ok(())
    }

    /// All rows that a statement after `SELECT … FROM journal` gives.
    fn select(&self, rest: &str, params: &[&dyn ToSql]) -> Result<Vec<Row<E>>, Error> {
        let mut statement = self.connection.prepare_cached(&format!("{} {rest}", self.select))?;
        let mut rows = statement.query(params)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read_row(row)?);
        }
        Ok(found)
    }

    fn flushed_seq(&self) -> Result<Seq, Error> {
        let seq: Option<i64> = self
            .connection
            .prepare_cached("SELECT value FROM meta WHERE key = 'flushed'")?
            .query_row([], |row| row.get(0))
            .optional()?;
        let seq = seq.ok_or_else(|| corrupt("it does not say up to which row its tables stand"))?;
        Ok(Seq(unsigned(seq)?))
    }

    fn set_flushed(&self, seq: Seq) -> Result<(), Error> {
        self.connection.prepare_cached("UPDATE meta SET value = ? WHERE key = 'flushed'")?.execute([signed(seq.0)?])?;
        Ok(())
    }
}

/// Reads a row of the journal, every column of it: one that says more than was ever written, or says it otherwise, is as
/// corrupt as one that can't be read.
fn read_row<E: Record>(row: &rusqlite::Row<'_>) -> Result<Row<E>, Error> {
    let mut columns = Columns { row, at: 0 };
    let seq = Seq(unsigned(columns.column()?)?);
    let at = Time(columns.column()?);
    let entry = E::read(&mut columns).map_err(|error| match error {
        Error::Corrupt { what } => corrupt(format!("row {}: {what}", seq.0)),
        error => error,
    })?;
    let mut written = Binder { target: Target::Row(row), at: 2, differs: None };
    entry.bind(&mut written)?;
    match written.differs {
        None => Ok(Row { seq, at, entry }),
        Some(at) => {
            let column = row.as_ref().column_name(at).unwrap_or_default();
            Err(corrupt(format!("row {}: its column {column} is not as it was written", seq.0)))
        }
    }
}

impl<E: Record> Journal for Sqlite<E> {
    type Entry = E;

    fn head(&mut self) -> Result<Head, Error> {
        let (epoch, seq, linked): (Option<i64>, i64, i64) = self
            .connection
            .prepare_cached(
                "SELECT (SELECT value FROM meta WHERE key = 'epoch'), (SELECT ifnull(max(seq), 0) FROM journal),
                    (SELECT ifnull(max(seq), 0) FROM chain)",
            )?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        if linked != seq {
            return Err(corrupt(format!("the last row is {seq}, the last link of the hash chain {linked}")));
        }
        let epoch = epoch.ok_or_else(|| corrupt("it does not say who may write"))?;
        let hash = self
            .connection
            .prepare_cached("SELECT hash FROM chain WHERE seq = ?")?
            .query_row([seq], |row| row.get(0))
            .optional()?
            .unwrap_or_default();
        Ok(Head { epoch: Epoch(unsigned(epoch)?), seq: Seq(unsigned(seq)?), hash })
    }

    fn begin(&mut self, epoch: Epoch, seq: Seq) -> Result<(), Error> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let (stored_epoch, stored_seq): (i64, i64) = self
            .connection
            .prepare_cached(
                "SELECT (SELECT value FROM meta WHERE key = 'epoch'), (SELECT ifnull(max(seq), 0) FROM journal)",
            )?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let stored = (Epoch(unsigned(stored_epoch)?), Seq(unsigned(stored_seq)?));
        if stored != (epoch, seq) {
            self.connection.execute_batch("ROLLBACK")?;
            return Err(Error::Fenced { own: (epoch, seq), stored });
        }
        Ok(())
    }

    fn append(&mut self, row: &Row<E>) -> Result<Appended, Error> {
        let mut statement = self.connection.prepare_cached(&self.insert)?;
        let mut bind = Binder { target: Target::Statement(&mut statement), at: 0, differs: None };
        bind.next(signed(row.seq.0)?)?;
        bind.next(row.at.0)?;
        row.entry.bind(&mut bind)?;
        Ok(if statement.raw_execute()? == 0 { Appended::Exists } else { Appended::New })
    }

    fn link(&mut self, seq: Seq, hash: Hash) -> Result<(), Error> {
        self.connection
            .prepare_cached("INSERT INTO chain (seq, hash) VALUES (?, ?)")?
            .execute((signed(seq.0)?, hash.as_slice()))?;
        Ok(())
    }

    fn set_epoch(&mut self, epoch: Epoch) -> Result<(), Error> {
        self.connection.prepare_cached("UPDATE meta SET value = ? WHERE key = 'epoch'")?.execute([signed(epoch.0)?])?;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Error> {
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    fn rows_above(&mut self, seq: Seq, limit: usize) -> Result<Vec<Row<E>>, Error> {
        self.select("WHERE seq > ? ORDER BY seq LIMIT ?", &[&position(seq), &bound(limit)])
    }

    fn rows_below(&mut self, seq: Seq, limit: usize) -> Result<Vec<Below<E>>, Error> {
        let sql = format!("{} WHERE seq < ? ORDER BY seq DESC LIMIT ?", self.select);
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query((position(seq), bound(limit)))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let seq = Seq(unsigned(row.get(0)?)?);
            found.push(match read_row(row) {
                Ok(row) => (seq, Some(row)),
                Err(Error::Corrupt { .. }) => (seq, None),
                Err(error) => return Err(error),
            });
        }
        Ok(found)
    }

    fn links(&mut self, from: Seq, to: Seq) -> Result<Vec<(Seq, Hash)>, Error> {
        let mut statement =
            self.connection.prepare_cached("SELECT seq, hash FROM chain WHERE seq BETWEEN ? AND ? ORDER BY seq")?;
        let mut rows = statement.query([position(from), position(to)])?;
        let mut links = Vec::new();
        while let Some(row) = rows.next()? {
            links.push((Seq(unsigned(row.get(0)?)?), row.get(1)?));
        }
        Ok(links)
    }

    fn check(&mut self) -> Result<(), Error> {
        let found: String = self.connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if found == "ok" { Ok(()) } else { Err(corrupt(found)) }
    }
}

/// Binds one value after the other: to a statement, or to see whether a row has exactly these.
pub struct Binder<'a, 'c> {
    target: Target<'a, 'c>,
    at: usize,
    /// The first column where the row has another value.
    differs: Option<usize>,
}

enum Target<'a, 'c> {
    Statement(&'a mut Statement<'c>),
    Row(&'a rusqlite::Row<'c>),
}

impl Binder<'_, '_> {
    /// The next column's value.
    ///
    /// # Errors
    /// SQLite refused it.
    pub fn next(&mut self, value: impl ToSql) -> rusqlite::Result<()> {
        self.at += 1;
        match &mut self.target {
            Target::Statement(statement) => statement.raw_bind_parameter(self.at, value),
            Target::Row(row) => {
                let value = value.to_sql()?;
                let value = match &value {
                    ToSqlOutput::Borrowed(value) => *value,
                    ToSqlOutput::Owned(value) => ValueRef::from(value),
                    other => unreachable!("no column is written as {other:?}"),
                };
                if row.get_ref(self.at - 1)? != value {
                    self.differs.get_or_insert(self.at - 1);
                }
                Ok(())
            }
        }
    }

    /// Leaves the next columns `NULL`.
    ///
    /// # Errors
    /// SQLite refused it.
    pub fn nulls(&mut self, columns: usize) -> rusqlite::Result<()> {
        (0..columns).try_for_each(|_| self.next(rusqlite::types::Null))
    }
}

/// Reads one column after the other.
pub struct Columns<'a, 'r> {
    row: &'a rusqlite::Row<'r>,
    at: usize,
}

impl Columns<'_, '_> {
    /// The next column.
    ///
    /// # Errors
    /// It is of another type.
    pub fn column<T: rusqlite::types::FromSql>(&mut self) -> Result<T, Error> {
        self.at += 1;
        Ok(self.row.get(self.at - 1)?)
    }

    /// Reads the next column's word.
    ///
    /// # Errors
    /// It is of another type, or no such word.
    pub fn word<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Error> {
        let at = self.at;
        self.at += 1;
        let column = || self.row.as_ref().column_name(at).unwrap_or_default();
        let word = self.row.get_ref(at)?.as_str().map_err(|error| corrupt(format!("column {}: {error}", column())))?;
        parse(word).ok_or_else(|| corrupt(format!("column {} says '{word}'", column())))
    }

    /// Reads the next column's word, if there is one.
    ///
    /// # Errors
    /// It is of another type, or no such word.
    pub fn maybe_word<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Error> {
        if self.row.get_ref(self.at)? == rusqlite::types::ValueRef::Null {
            self.at += 1;
            return Ok(None);
        }
        self.word(parse).map(Some)
    }
}

fn signed(value: u64) -> Result<i64, Error> {
    i64::try_from(value).map_err(|_| corrupt(format!("{value} leaves 63 bits")))
}

fn unsigned(value: i64) -> Result<u64, Error> {
    u64::try_from(value).map_err(|_| corrupt(format!("{value} is negative")))
}

/// A position that is looked for; one beyond 63 bits is above every row.
fn position(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
