//! Reading a journal's file from outside of its actor: the rows as they stand there, for the ledger stream.
//!
//! A connection of its own, which reads only. It sees a commit when the disk has it, and holds nobody up: a writer does not wait
//! for readers in write-ahead mode.

use std::path::{Path, PathBuf};

use remit_core::id::Seq;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::{FORMAT, is_known, position, unsigned};
use crate::{
    message::{Address, Chunk, Linked, Rows},
    store::{Error, journal::Hash},
};

/// The journal of one file, as the disk has it.
#[derive(Debug)]
pub struct Tail {
    source: Address,
    path: PathBuf,
    connection: Connection,
}

impl Tail {
    /// Opens the file of an actor's journal, which must be there.
    ///
    /// # Errors
    /// It is missing, another program's, or of a format that this version does not know; or SQLite failed.
    pub fn open(path: &Path, source: Address) -> Result<Self, Error> {
        // Not with `readonly_shm`: whoever of a process opens the log's index first decides for all of it, the actor included.
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(std::time::Duration::from_millis(super::BUSY_MS))?;
        if !is_known(&connection)? {
            let what = format!("{} is no journal of format {FORMAT}", path.display());
            return Err(Error::Foreign { what });
        }
        Ok(Self { source, path: path.to_owned(), connection })
    }

    /// Whose journal it is.
    #[must_use]
    pub fn source(&self) -> Address {
        self.source
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last row.
    ///
    /// # Errors
    /// The database failed.
    pub fn head(&self) -> Result<Seq, Error> {
        let mut statement = self.connection.prepare_cached("SELECT ifnull(max(last), 0) FROM chunk")?;
        Ok(Seq(unsigned(statement.query_row([], |row| row.get(0))?)?))
    }

    /// The rows above a position, as many whole chunks as come to about so many bytes, and one at least; rows at and below the
    /// position may stand before them in the first chunk. `None` if there are none.
    ///
    /// # Errors
    /// The database failed.
    pub fn rows_above(&self, seq: Seq, bytes_max: usize) -> Result<Option<Rows>, Error> {
        let mut statement =
            self.connection.prepare_cached("SELECT last, link, rows FROM chunk WHERE last > ? ORDER BY last")?;
        let mut rows = statement.query([position(seq)])?;
        let (mut chunks, mut bytes, mut first) = (Vec::new(), 0, Seq(0));
        while bytes < bytes_max
            && let Some(row) = rows.next()?
        {
            let (last, link, lines) = (Seq(unsigned(row.get(0)?)?), row.get(1)?, row.get::<_, String>(2)?);
            if chunks.is_empty() {
                let before = memchr::memchr_iter(b'\n', lines.as_bytes()).count() as u64;
                first = Seq(last.0.saturating_sub(before));
            }
            bytes += lines.len();
            chunks.push(Chunk { last, link, lines });
        }
        let Some(last) = chunks.last().map(|chunk| chunk.last) else { return Ok(None) };
        let before = self.linked_below(first)?;
        Ok(Some(Rows { source: self.source, first, last, before, chunks, head: last, complete: None }))
    }

    /// The same, and no more than whole commits: one at least, however large it is.
    ///
    /// # Errors
    /// The database failed.
    pub fn commits_above(&self, seq: Seq, bytes_max: usize) -> Result<Option<Rows>, Error> {
        let mut bytes_max = bytes_max;
        while let Some(mut rows) = self.rows_above(seq, bytes_max)? {
            if let Some(end) = rows.chunks.iter().rposition(|chunk| chunk.link.is_some()) {
                rows.chunks.truncate(end + 1);
                rows.last = rows.linked().seq;
                rows.head = rows.last;
                return Ok(Some(rows));
            }
            bytes_max = bytes_max.saturating_mul(2);
        }
        Ok(None)
    }

    /// The link of the commit that ends with a row; `None` if none does.
    ///
    /// # Errors
    /// The database failed.
    pub fn link_at(&self, seq: Seq) -> Result<Option<Hash>, Error> {
        let mut statement = self.connection.prepare_cached("SELECT link FROM chunk WHERE last = ?")?;
        let link: Option<Option<Hash>> = statement.query_row([position(seq)], |row| row.get(0)).optional()?;
        Ok(link.flatten())
    }

    /// The position above which the newest rows come to about so many bytes; 0 if all do.
    ///
    /// # Errors
    /// The database failed.
    pub fn newest(&self, bytes_max: u64) -> Result<Seq, Error> {
        let mut statement =
            self.connection.prepare_cached("SELECT last, octet_length(rows) FROM chunk ORDER BY last DESC")?;
        let mut rows = statement.query([])?;
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            bytes += unsigned(row.get(1)?)?;
            if bytes > bytes_max {
                return Ok(Seq(unsigned(row.get(0)?)?));
            }
        }
        Ok(Seq(0))
    }

    /// How many bytes its rows come to; no more than so many are counted.
    ///
    /// # Errors
    /// The database failed.
    pub fn bytes(&self, bytes_max: u64) -> Result<u64, Error> {
        let mut statement =
            self.connection.prepare_cached("SELECT octet_length(rows) FROM chunk ORDER BY last DESC")?;
        let mut rows = statement.query([])?;
        let mut bytes = 0;
        while bytes < bytes_max
            && let Some(row) = rows.next()?
        {
            bytes += unsigned(row.get(0)?)?;
        }
        Ok(bytes.min(bytes_max))
    }

    /// The newest commit that ends below a row.
    fn linked_below(&self, seq: Seq) -> Result<Linked, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT last, link FROM chunk WHERE last < ? AND link IS NOT NULL ORDER BY last DESC LIMIT 1",
        )?;
        let found: Option<(i64, Hash)> =
            statement.query_row([position(seq)], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        Ok(match found {
            Some((seq, link)) => Linked { seq: Seq(unsigned(seq)?), link },
            None => Linked::default(),
        })
    }
}
