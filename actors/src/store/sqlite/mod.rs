//! One SQLite file for each shard and each manager, in write-ahead mode, flushed at every commit.
//!
//! Only statements live here. `sqlite3` reads the files at any time: the view `journal` has the rows in plain columns, and
//! another is exact at any moment (`balance` in a shard's file, `transfer` in a manager's). A crash leaves every commit that
//! returned.
//!
//! What a commit writes is the end of one table, of chunks. Balances, and the keys that rows are found by, go to their tables
//! in bulk, and what these do not have yet is known from the newest rows.

pub(crate) mod bulk;
mod cells;
mod chunks;
mod keys;
mod promise;
mod shard_tables;
mod tail;
mod transfer_tables;

use std::{fs, ops::RangeInclusive, path::Path, sync::Arc, time::Duration};

use remit_core::id::{Epoch, Seq, Time};
use rusqlite::{Connection, OptionalExtension};

use self::{chunks::Chunks, keys::Keys};
pub use self::{promise::promise, tail::Tail};
use super::{
    Error,
    journal::{Appended, Below, Claim, Hash, Head, Journal, corrupt, found, is_of, recognise},
    key::Key,
    row::{Common, JournalEntry, Row},
};
use crate::{genesis::Genesis, message::Linked};

/// The version of the file's format; a file of another one is refused.
pub const FORMAT: u32 = 3;
/// "RMIT", so that `file` and `sqlite3` can tell whose a file is.
const APPLICATION_ID: i64 = 0x524d_4954;
/// After so many pages of 4 KiB the write-ahead log is copied into the file.
const CHECKPOINT_PAGES: i64 = 4_000;
/// How long to wait for someone else's lock, such as a backup's.
const BUSY_MS: u64 = 5_000;

/// An entry whose kind of journal has tables of its own beside it.
pub trait Record: JournalEntry {
    /// The tables, indexes and views beside those that every file has. `{newest}` stands for the rows above the position that the
    /// tables stand for, as a table of the columns of `journal`.
    const SCHEMA: &'static str;
}

/// A database file.
pub struct Sqlite<E> {
    connection: Connection,
    /// What its first row must say.
    facts: String,
    chunks: Chunks,
    keys: Keys,
    /// The rows of the open transaction, which are not in the file before its link is.
    staged: Vec<Row<E>>,
}

impl<E: Record> Sqlite<E> {
    /// Opens a file, or makes it where `create` allows.
    ///
    /// # Errors
    /// It is missing and may not be made, belongs to another deployment, has another format, or SQLite failed.
    pub fn open(path: &Path, genesis: &Genesis, create: bool, now: Time) -> Result<Self, Error> {
        make_folder(path)?;
        if !create && !path.exists() {
            return Err(Error::Foreign { what: format!("{} is missing", path.display()) });
        }
        let mut file = Self::connect(path, genesis)?;
        let facts = file.facts.clone();
        found(&mut file, &facts, create, now)?;
        Ok(file)
    }

    /// Opens a file, or makes it without any row: the first one comes from the stream that it follows.
    ///
    /// # Errors
    /// It belongs to another deployment, has another format, or SQLite failed.
    pub fn open_copy(path: &Path, genesis: &Genesis) -> Result<Self, Error> {
        make_folder(path)?;
        let mut file = Self::connect(path, genesis)?;
        let facts = file.facts.clone();
        recognise(&mut file, &facts)?;
        Ok(file)
    }

    /// A file with its tables, which are made if there is nothing yet.
    fn connect(path: &Path, genesis: &Genesis) -> Result<Self, Error> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_millis(BUSY_MS))?;
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
        // Which of the deployment's databases it is, too: a file under another's name would be another's money.
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let facts = format!("{genesis} database={name}");
        Ok(Self { connection, facts, chunks: Chunks::default(), keys: Keys::default(), staged: Vec::new() })
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
            (APPLICATION_ID, known, _) if known == i64::from(FORMAT) => Ok(false),
            (APPLICATION_ID, other, _) => foreign(format!("has format {other}, this version knows {FORMAT}")),
            _ => foreign("is a database of another program".into()),
        }
    }

    fn create(connection: &Connection) -> Result<(), Error> {
        let names = E::COLUMNS.join(", ");
        let columns: Vec<String> = (1..=E::COLUMNS.len()).map(|place| format!("line.value ->> {place}")).collect();
        // The position of a row is that of its chunk's last one, less the lines that follow.
        let rows = |of: &str| {
            format!(
                "SELECT chunk.last - json_array_length('[' || rows || ']') + 1 + line.key AS seq, line.value ->> 0 AS at, {}
                FROM chunk, json_each('[' || chunk.rows || ']') AS line {of}",
                columns.join(", ")
            )
        };
        let flushed = "(SELECT value FROM meta WHERE key = 'flushed')";
        let newest = format!(
            "newest (seq, at, {names}) AS MATERIALIZED (SELECT * FROM ({}) WHERE seq > {flushed})",
            rows(&format!("WHERE chunk.last > {flushed}"))
        );
        let schema = E::SCHEMA.replace("{newest}", &newest);
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE;
            CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
            INSERT INTO meta VALUES ('epoch', 0), ('flushed', 0);
            CREATE TABLE chunk (
                last INTEGER PRIMARY KEY, -- the position of its last row
                link BLOB,                -- of the hash chain, where a commit ends here: SHA-256 of the link before it and of
                                          -- the commit's lines, a comma and a line break between each two
                rows TEXT NOT NULL        -- a line each: a JSON array of the columns that the view `journal` names
            ) STRICT;
            CREATE TABLE key ( -- what rows up to the position `flushed` are found by
                key BLOB PRIMARY KEY, -- transfer, leg and step; or transfer and step; or the idempotency key of a command
                seq INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE claim ( -- the rows from `seq` on, up to the next claim, are of this writer
                epoch INTEGER PRIMARY KEY, seq INTEGER NOT NULL, node TEXT NOT NULL
            ) STRICT;
            CREATE VIEW journal (seq, at, {names}) AS {};
            {schema}
            PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; COMMIT;",
            rows("")
        ))?;
        Ok(())
    }

    /// The position that the tables stand for.
    fn flushed_seq(&self) -> Result<Seq, Error> {
        let seq: Option<i64> = self
            .connection
            .prepare_cached("SELECT value FROM meta WHERE key = 'flushed'")?
            .query_row([], |row| row.get(0))
            .optional()?;
        let seq = seq.ok_or_else(|| corrupt("it does not say up to which row its tables stand"))?;
        Ok(Seq(unsigned(seq)?))
    }

    /// Takes in the keys of the rows that the table of keys does not have, up to this position. Within a transaction, so that
    /// nobody else writes meanwhile.
    fn know_keys(&mut self, seq: Seq) -> Result<(), Error> {
        const PAGE: usize = 1_024;
        let mut at = match self.keys.known_to() {
            Some(known) => known,
            None => self.flushed_seq()?,
        };
        while at < seq {
            let rows = Chunks::above::<E>(&self.connection, at, PAGE)?;
            let Some(last) = rows.last() else { break };
            at = last.seq;
            for row in rows {
                let Some(key) = row.entry.key(row.seq) else { continue };
                // As where the tables are said to stand for less than they do.
                if !self.keys.note(&self.connection, key, row.seq)? {
                    return Err(corrupt(format!("row {} has the key of another one", row.seq.0)));
                }
            }
        }
        self.keys.know_to(seq);
        Ok(())
    }

    /// The row at a position, of the open transaction or of the file.
    fn at(&mut self, seq: Seq) -> Result<Option<Row<E>>, Error> {
        match self.staged.iter().find(|row| row.seq == seq) {
            Some(row) => Ok(Some(row.clone())),
            None => self.chunks.row(&self.connection, seq),
        }
    }

    /// The rows that have these keys, in the order of the keys.
    fn find(&mut self, keys: &RangeInclusive<Key>) -> Result<Vec<Row<E>>, Error> {
        let seqs = self.keys.find(&self.connection, keys)?;
        let key_of = |row: &Row<E>| row.entry.key(row.seq);
        seqs.into_iter()
            .map(|seq| match self.at(seq)? {
                Some(row) if key_of(&row).is_some_and(|key| keys.contains(&key)) => Ok(row),
                _ => Err(corrupt(format!("row {} is not the one that its key says", seq.0))),
            })
            .collect()
    }
}

impl<E> Drop for Sqlite<E> {
    /// Leaves all of it in the one file. Closing does that only where nobody else has it open, and whoever reads it for its ledger
    /// stream has; a copy of the file alone would then lack what stands in the log, and the log not fit an older copy.
    fn drop(&mut self) {
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK").ok();
        }
        // If that fails, the log stays, and is taken up at the next opening.
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).ok();
    }
}

impl<E: Record> Journal for Sqlite<E> {
    type Entry = E;

    fn head(&mut self) -> Result<Head, Error> {
        let Linked { seq, link: hash } = linked_of(&self.connection)?;
        Ok(Head { epoch: epoch_of(&self.connection)?, seq, hash })
    }

    fn begin(&mut self, epoch: Epoch, seq: Seq) -> Result<(), Error> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let (stored_epoch, stored_seq): (i64, i64) = self
            .connection
            .prepare_cached(
                "SELECT (SELECT value FROM meta WHERE key = 'epoch'), (SELECT ifnull(max(last), 0) FROM chunk)",
            )?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let stored = (Epoch(unsigned(stored_epoch)?), Seq(unsigned(stored_seq)?));
        if stored != (epoch, seq) {
            self.connection.execute_batch("ROLLBACK")?;
            return Err(Error::Fenced { own: (epoch, seq), stored });
        }
        self.staged.clear();
        self.know_keys(seq)
    }

    fn append(&mut self, row: &Row<E>) -> Result<Appended, Error> {
        if row.seq == Seq(1) {
            is_of(&row.entry, &self.facts)?;
        }
        if let Some(key) = row.entry.key(row.seq)
            && !self.keys.note(&self.connection, key, row.seq)?
        {
            return Ok(Appended::Exists);
        }
        if let Some(Common::Claimed(epoch, node)) = row.entry.common() {
            let insert = "INSERT OR IGNORE INTO claim (epoch, seq, node) VALUES (?, ?, ?)";
            let mut claim = self.connection.prepare_cached(insert)?;
            if claim.execute((signed(epoch.0)?, signed(row.seq.0)?, &**node))? == 0 {
                return Err(corrupt(format!("the epoch {} was claimed before", epoch.0)));
            }
        }
        self.staged.push(row.clone());
        Ok(Appended::New)
    }

    fn link(&mut self, seq: Seq, hash: Hash, lines: &[u8]) -> Result<(), Error> {
        Chunks::write(&self.connection, seq, &hash, lines)?;
        self.staged.clear();
        self.keys.know_to(seq);
        Ok(())
    }

    fn set_epoch(&mut self, epoch: Epoch) -> Result<(), Error> {
        write_epoch(&self.connection, epoch)
    }

    fn commit(&mut self) -> Result<(), Error> {
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    fn rows_above(&mut self, seq: Seq, limit: usize) -> Result<Vec<Row<E>>, Error> {
        let mut rows = Chunks::above(&self.connection, seq, limit)?;
        let staged = self.staged.iter().filter(|row| row.seq > seq);
        rows.extend(staged.take(limit - rows.len()).cloned());
        Ok(rows)
    }

    fn rows_below(&mut self, seq: Seq, limit: usize) -> Result<Vec<Below<E>>, Error> {
        let staged = self.staged.iter().rev().filter(|row| row.seq < seq);
        let mut rows: Vec<Below<E>> = staged.take(limit).map(|row| (row.seq, Some(row.clone()))).collect();
        rows.extend(Chunks::below(&self.connection, seq, limit - rows.len())?);
        Ok(rows)
    }

    fn links(&mut self, from: Seq, to: Seq) -> Result<Vec<(Seq, Hash)>, Error> {
        Chunks::links(&self.connection, from, to)
    }

    fn claims(&mut self) -> Result<Vec<Claim>, Error> {
        let mut statement = self.connection.prepare_cached("SELECT seq, epoch, node FROM claim ORDER BY epoch")?;
        let mut rows = statement.query([])?;
        let mut claims = Vec::new();
        while let Some(row) = rows.next()? {
            let (seq, epoch) = (Seq(unsigned(row.get(0)?)?), Epoch(unsigned(row.get(1)?)?));
            claims.push(Claim { seq, epoch, node: row.get(2)? });
        }
        Ok(claims)
    }

    fn check(&mut self) -> Result<(), Error> {
        const PAGE: usize = 4_096;
        let found: String = self.connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if found != "ok" {
            return Err(corrupt(found));
        }
        // Reading on from the first row meets all chunks but these.
        let before: i64 =
            self.connection.query_row("SELECT count(*) FROM chunk WHERE last < 1", [], |row| row.get(0))?;
        if before > 0 {
            return Err(corrupt("there are rows before the first one"));
        }
        let (flushed, epoch) = (self.flushed_seq()?, self.head()?.epoch);
        let claims = self.claims()?;
        // A promise is newer than the last claim (R15), and the epochs of those that were never used are left out.
        if claims.last().is_some_and(|last| last.epoch > epoch) || !claims.is_sorted_by(|a, b| a.seq < b.seq) {
            return Err(corrupt("its claims are not in the order of their epochs"));
        }
        for claim in &claims {
            let row = self.at(claim.seq)?.map(|row| row.entry);
            let said = row.as_ref().and_then(E::common);
            if said != Some(&Common::Claimed(claim.epoch, Arc::clone(&claim.node))) {
                return Err(corrupt(format!("row {} does not claim the epoch {}", claim.seq.0, claim.epoch.0)));
            }
        }
        let (mut at, mut found, mut claimed) = (Seq(0), 0, 0);
        let mut seq_of = self.connection.prepare("SELECT seq FROM key WHERE key = ?")?;
        loop {
            let rows = Chunks::above::<E>(&self.connection, at, PAGE)?;
            let Some(last) = rows.last() else { break };
            at = last.seq;
            claimed += rows.iter().filter(|row| matches!(row.entry.common(), Some(Common::Claimed(..)))).count();
            for row in rows.into_iter().filter(|row| row.seq <= flushed) {
                let Some(key) = row.entry.key(row.seq) else { continue };
                let stored: Option<i64> = seq_of.query_row([&*key.bytes()], |row| row.get(0)).optional()?;
                if stored != Some(signed(row.seq.0)?) {
                    return Err(corrupt(format!("row {} can't be found by its key", row.seq.0)));
                }
                found += 1;
            }
        }
        if claimed != claims.len() {
            return Err(corrupt("there are more or fewer claims than rows that say so"));
        }
        if Keys::written(&self.connection)? == found { Ok(()) } else { Err(corrupt("there are keys of no row")) }
    }
}

fn make_folder(path: &Path) -> Result<(), Error> {
    let Some(folder) = path.parent() else { return Ok(()) };
    fs::create_dir_all(folder).map_err(|source| Error::Folder { path: folder.display().to_string(), source })
}

/// Whether a file is ours, in the format that this version knows.
fn is_known(connection: &Connection) -> Result<bool, Error> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok((pragma("application_id")?, pragma("user_version")?) == (APPLICATION_ID, i64::from(FORMAT)))
}

/// The epoch below which nobody may write.
fn epoch_of(connection: &Connection) -> Result<Epoch, Error> {
    let epoch: Option<i64> = connection
        .prepare_cached("SELECT value FROM meta WHERE key = 'epoch'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(Epoch(unsigned(epoch.ok_or_else(|| corrupt("it does not say who may write"))?)?))
}

/// The last commit; one at position 0 where there is none.
fn linked_of(connection: &Connection) -> Result<Linked, Error> {
    let last: Option<(i64, Option<Hash>)> = connection
        .prepare_cached("SELECT last, link FROM chunk ORDER BY last DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match last {
        None => Ok(Linked::default()),
        Some((seq, Some(link))) => Ok(Linked { seq: Seq(unsigned(seq)?), link }),
        Some((seq, None)) => Err(corrupt(format!("the last row, {seq}, has no link of the hash chain"))),
    }
}

/// Within the transaction: refuses all epochs below this one.
fn write_epoch(connection: &Connection, epoch: Epoch) -> Result<(), Error> {
    connection.prepare_cached("UPDATE meta SET value = ? WHERE key = 'epoch'")?.execute([signed(epoch.0)?])?;
    Ok(())
}

/// Within the transaction: ends a bulk write, which stands for this position.
fn set_flushed(connection: &Connection, keys: &mut Keys, seq: Seq) -> Result<(), Error> {
    keys.write(connection, seq)?;
    connection.prepare_cached("UPDATE meta SET value = ? WHERE key = 'flushed'")?.execute([signed(seq.0)?])?;
    Ok(())
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
