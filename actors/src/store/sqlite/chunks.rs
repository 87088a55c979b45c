//! The journal in a file: rows as lines, many of them in one row of SQLite's, which costs a fraction of a row each.
//!
//! A commit is one chunk or a few, the last of which has its link. So a commit changes the end of one table and nothing else, and
//! a single row is read without the rest of a long commit.

use std::{collections::BTreeMap, sync::Arc};

use remit_core::id::Seq;
use rusqlite::{Connection, OptionalExtension};

use super::{position, signed, unsigned};
use crate::store::{
    Error,
    journal::{Below, Hash, corrupt},
    line::{self, SEPARATOR},
    row::{JournalEntry, Row},
};

/// Rows of one chunk: some 16 KiB. More would make single rows dear to read, less would make commits dear.
const ROWS_MAX: usize = 128;
/// Chunks that are kept when they have been read: some 4 MiB.
const KEPT_MAX: usize = 256;

/// The chunks of a file, and those that were read lately.
#[derive(Default)]
pub(super) struct Chunks {
    kept: BTreeMap<Seq, Arc<Chunk>>,
}

/// Some rows, as they are stored.
pub(super) struct Chunk {
    first: Seq,
    last: Seq,
    text: Vec<u8>,
    /// Where each line begins in the text.
    begins: Vec<usize>,
}

impl Chunk {
    /// The lines of a chunk whose last row is at this position.
    fn new(last: Seq, text: Vec<u8>) -> Result<Self, Error> {
        let mut begins = vec![0];
        // A line break stands at the end of a separator only.
        begins.extend(memchr::memchr_iter(b'\n', &text).map(|at| at + 1));
        let first = last.0.checked_sub(begins.len() as u64 - 1).filter(|first| *first > 0);
        let first = first.ok_or_else(|| corrupt(format!("more rows end at {} than can be", last.0)))?;
        Ok(Self { first: Seq(first), last, text, begins })
    }

    fn line(&self, place: usize) -> &[u8] {
        let end = match self.begins.get(place + 1) {
            Some(next) => next.saturating_sub(SEPARATOR.len()).max(self.begins[place]),
            None => self.text.len(),
        };
        &self.text[self.begins[place]..end]
    }

    /// The row at a position.
    fn row<E: JournalEntry>(&self, seq: Seq) -> Result<Row<E>, Error> {
        line::read(seq, self.line(usize::try_from(seq.0 - self.first.0).unwrap_or(usize::MAX)))
    }

    /// Its positions.
    fn seqs(&self) -> impl DoubleEndedIterator<Item = Seq> + use<> {
        (self.first.0..=self.last.0).map(Seq)
    }
}

impl Chunks {
    /// Writes the rows of a commit up to this position, whose lines these are.
    pub(super) fn write(connection: &Connection, last: Seq, link: &Hash, lines: &[u8]) -> Result<(), Error> {
        let mut statement = connection.prepare_cached("INSERT INTO chunk (last, link, rows) VALUES (?, ?, ?)")?;
        let mut left = memchr::memchr_iter(b'\n', lines).count() as u64 + 1;
        let mut rest = lines;
        while left > 0 {
            let end = memchr::memchr_iter(b'\n', rest).nth(ROWS_MAX - 1);
            let (chunk, after) = match end {
                Some(end) => (&rest[..end + 1 - SEPARATOR.len()], &rest[end + 1..]),
                None => (rest, &rest[rest.len()..]),
            };
            left = left.saturating_sub(ROWS_MAX as u64);
            let text = std::str::from_utf8(chunk).map_err(|_| corrupt("lines that are no text"))?;
            let link = (left == 0).then_some(link.as_slice());
            statement.execute((signed(last.0 - left)?, link, text))?;
            rest = after;
        }
        Ok(())
    }

    /// The chunk that the row at this position is in; `None` if there is no such row.
    fn of(&mut self, connection: &Connection, seq: Seq) -> Result<Option<Arc<Chunk>>, Error> {
        let kept = self.kept.range(seq..).next().map(|(_, chunk)| chunk);
        if let Some(chunk) = kept.filter(|chunk| chunk.first <= seq) {
            return Ok(Some(Arc::clone(chunk)));
        }
        let mut statement =
            connection.prepare_cached("SELECT last, rows FROM chunk WHERE last >= ? ORDER BY last LIMIT 1")?;
        let found = statement.query_row([position(seq)], |row| Ok((row.get(0)?, text_of(row, 1)?))).optional()?;
        let Some((last, text)) = found else { return Ok(None) };
        let chunk = Arc::new(Chunk::new(Seq(unsigned(last)?), text)?);
        if chunk.first > seq {
            return Ok(None);
        }
        while self.kept.len() >= KEPT_MAX {
            self.kept.pop_first();
        }
        self.kept.insert(chunk.last, Arc::clone(&chunk));
        Ok(Some(chunk))
    }

    /// One row.
    pub(super) fn row<E: JournalEntry>(&mut self, connection: &Connection, seq: Seq) -> Result<Option<Row<E>>, Error> {
        self.of(connection, seq)?.map(|chunk| chunk.row(seq)).transpose()
    }

    /// Up to `limit` rows above a position.
    pub(super) fn above<E: JournalEntry>(
        connection: &Connection,
        seq: Seq,
        limit: usize,
    ) -> Result<Vec<Row<E>>, Error> {
        let mut rows = Vec::new();
        each(connection, "last > ? ORDER BY last", seq, |chunk| {
            for at in chunk.seqs().filter(|at| *at > seq) {
                if rows.len() == limit {
                    return Ok(false);
                }
                rows.push(chunk.row(at)?);
            }
            Ok(rows.len() < limit)
        })?;
        Ok(rows)
    }

    /// Up to `limit` rows below a position, newest first; one that can't be read is there without its contents.
    pub(super) fn below<E: JournalEntry>(
        connection: &Connection,
        seq: Seq,
        limit: usize,
    ) -> Result<Vec<Below<E>>, Error> {
        let mut rows = Vec::new();
        // From the chunk that the row just below is in; where it is above all rows, from the last one.
        let holds: Option<i64> = connection
            .prepare_cached("SELECT min(last) FROM chunk WHERE last >= ?")?
            .query_row([position(Seq(seq.0.saturating_sub(1)))], |row| row.get(0))?;
        let from = holds.map_or(Ok(u64::MAX), unsigned)?;
        each(connection, "last <= ? ORDER BY last DESC", Seq(from), |chunk| {
            for at in chunk.seqs().rev().filter(|at| *at < seq) {
                if rows.len() == limit {
                    return Ok(false);
                }
                rows.push(match chunk.row(at) {
                    Ok(row) => (at, Some(row)),
                    Err(Error::Corrupt { .. }) => (at, None),
                    Err(error) => return Err(error),
                });
            }
            Ok(rows.len() < limit)
        })?;
        Ok(rows)
    }

    /// The links from a position (inclusive) up to another (inclusive).
    pub(super) fn links(connection: &Connection, from: Seq, to: Seq) -> Result<Vec<(Seq, Hash)>, Error> {
        let mut statement = connection.prepare_cached(
            "SELECT last, link FROM chunk WHERE last BETWEEN ? AND ? AND link IS NOT NULL ORDER BY last",
        )?;
        let mut rows = statement.query([position(from), position(to)])?;
        let mut links = Vec::new();
        while let Some(row) = rows.next()? {
            links.push((Seq(unsigned(row.get(0)?)?), row.get(1)?));
        }
        Ok(links)
    }
}

/// Calls `each` with chunk after chunk for as long as it says so.
fn each(
    connection: &Connection,
    which: &str,
    seq: Seq,
    mut each: impl FnMut(&Chunk) -> Result<bool, Error>,
) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(&format!("SELECT last, rows FROM chunk WHERE {which}"))?;
    let mut rows = statement.query([position(seq)])?;
    while let Some(row) = rows.next()? {
        if !each(&Chunk::new(Seq(unsigned(row.get(0)?)?), text_of(row, 1)?)?)? {
            break;
        }
    }
    Ok(())
}

/// The bytes of a text, which a damaged file may have as no text at all.
fn text_of(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Vec<u8>> {
    Ok(row.get_ref(column)?.as_bytes()?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_knows_its_lines_by_their_place() {
        let chunk = Chunk::new(Seq(9), b"[1],\n[2,\"a\"],\n[3]".to_vec()).unwrap();
        assert_eq!((chunk.first, chunk.seqs().count()), (Seq(7), 3));
        assert_eq!([0, 1, 2].map(|place| chunk.line(place)), [&b"[1]"[..], b"[2,\"a\"]", b"[3]"]);
        assert!(Chunk::new(Seq(2), b"[1],\n[2],\n[3]".to_vec()).is_err(), "it would begin before the first row");
        // Damage may leave a line break anywhere.
        assert_eq!(Chunk::new(Seq(3), b"\n\n".to_vec()).unwrap().line(1), b"");
    }

    #[test]
    fn a_long_commit_is_several_chunks_and_the_last_has_the_link() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE chunk (last INTEGER PRIMARY KEY, link BLOB, rows TEXT NOT NULL)")
            .unwrap();
        for (first, rows) in [(1, 1), (2, 128), (130, 129), (259, 256)] {
            let lines: Vec<String> = (first..first + rows).map(|seq| format!("[{seq}]")).collect();
            let lines = lines.join(",\n");
            Chunks::write(&connection, Seq(first + rows - 1), &[1; 32], lines.as_bytes()).unwrap();
        }
        let mut lasts = connection.prepare("SELECT last, link IS NOT NULL FROM chunk ORDER BY last").unwrap();
        let lasts = lasts.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let lasts: Vec<(i64, bool)> = lasts.map(Result::unwrap).collect();
        assert_eq!(lasts, [(1, true), (129, true), (257, false), (258, true), (386, false), (514, true)]);
        let mut chunks = Chunks::default();
        for seq in 1..=514 {
            let chunk = chunks.of(&connection, Seq(seq)).unwrap().unwrap();
            let place = usize::try_from(seq - chunk.first.0).unwrap();
            assert_eq!(chunk.line(place), format!("[{seq}]").as_bytes());
        }
        assert!(chunks.of(&connection, Seq(515)).unwrap().is_none());
    }
}
