//! Copies of a shard's books.

use remit_core::id::Seq;

use super::{Books, BooksOptions, ShardTables};
use crate::store::{
    Error,
    journal::{Follower, Following, Head, Log, Projection},
    row::{Row, ShardEntry},
};

impl<T: ShardTables> Books<T> {
    /// Opens a copy, without a claim: reads the tables and replays the rows above their position.
    ///
    /// # Errors
    /// The database failed, or is corrupt.
    pub fn follow(tables: T, options: BooksOptions) -> Result<impl Follower, Error> {
        Following::new(Self::read(Log::follow(tables)?, options)?)
    }
}

impl<T: ShardTables> Projection for Books<T> {
    type Tables = T;

    fn log(&mut self) -> &mut Log<T> {
        &mut self.log
    }

    fn head(&self) -> Head {
        self.log.head()
    }

    fn apply(&mut self, row: Row<ShardEntry>) -> Result<(), Error> {
        Self::apply(self, &row)
    }

    fn flushed(&self) -> Seq {
        self.flushed
    }

    fn flush(&mut self) -> Result<(), Error> {
        Self::flush(self)
    }

    fn flush_if_due(&mut self) -> Result<(), Error> {
        // No mark comes to a copy, so its debits stay undecided and only grow in number (R3). All of them are written each time:
        // after as many rows, that is a bounded part of the work.
        let rows = self.options.flush_rows.max(self.debits.count() as u64);
        if self.log.staged_seq().0 - self.flushed.0 >= rows {
            self.flush()?;
        }
        self.accounts.evict(self.options.accounts_max);
        Ok(())
    }
}
