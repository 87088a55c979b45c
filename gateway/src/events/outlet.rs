//! One journal, read from outside of its actor. All of it blocks.

use std::sync::Arc;

use remit_actors::{ledger::Journal, store, store::sqlite::Tail};
use remit_api::event::Event;
use remit_core::id::Seq;
use tracing::warn;

use super::fact;

/// A journal, open for reading while one read finds something after the other.
pub(super) struct Outlet {
    journal: Journal,
    name: Arc<str>,
    tail: Option<Tail>,
    /// How often in a row it could not be read.
    failures: u32,
}

/// Some rows of a journal.
pub(super) struct Batch {
    /// What they tell, in order.
    pub(super) events: Vec<Event>,
    /// The last of the rows.
    pub(super) last: Seq,
}

impl Outlet {
    pub(super) fn new(journal: Journal) -> Self {
        let name = journal.name.as_str().into();
        Self { journal, name, tail: None, failures: 0 }
    }

    /// Its last row, if it can be read.
    pub(super) fn head(&mut self) -> Option<Seq> {
        self.read(Tail::head)
    }

    /// How many bytes its rows come to, counted up to so many.
    pub(super) fn bytes(&mut self, bytes_max: u64) -> Option<u64> {
        self.read(|tail| tail.bytes(bytes_max))
    }

    /// The row above which its newest rows come to about so many bytes.
    pub(super) fn newest(&mut self, bytes_max: u64) -> Option<Seq> {
        self.read(|tail| tail.newest(bytes_max))
    }

    /// The next rows above a position: about so many bytes of them. `None` if there are none, or they can't be read.
    pub(super) fn batch(&mut self, above: Seq, bytes_max: usize) -> Option<Batch> {
        let Some(rows) = self.read(|tail| tail.rows_above(above, bytes_max))? else {
            // What is open here keeps its actor's connection from letting go of the file.
            self.tail = None;
            return None;
        };
        Some(Batch { events: fact::of_rows(&self.name, &rows, above), last: rows.last })
    }

    /// Reads the file, or says why not; it is opened again then. The other journals do not wait for it.
    fn read<T>(&mut self, read: impl FnOnce(&Tail) -> Result<T, store::Error>) -> Option<T> {
        let opened = match self.tail.take() {
            Some(tail) => Ok(tail),
            None => Tail::open(&self.journal.path, self.journal.source),
        };
        match opened.and_then(|tail| Ok((read(&tail)?, tail))) {
            Ok((value, tail)) => {
                self.tail = Some(tail);
                self.failures = 0;
                Some(value)
            }
            Err(error) => {
                self.failures += 1;
                if self.failures == 4 || self.failures.is_multiple_of(1_000) {
                    let error = &error as &dyn std::error::Error;
                    warn!(journal = %self.name, error, self.failures, "a journal can't be read for its events");
                }
                None
            }
        }
    }
}
