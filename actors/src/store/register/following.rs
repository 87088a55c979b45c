//! Copies of a manager's register.

use std::collections::BTreeMap;

use remit_core::id::{Seq, TransferId};

use super::{Recorded, Register, RegisterOptions, TransferTables, apply};
use crate::store::{
    Error,
    journal::{Follower, Following, Head, Log, Projection},
    row::{Row, TransferEntry},
};

impl<T: TransferTables> Register<T> {
    /// Opens a copy, without a claim: reads which transfers are open.
    ///
    /// # Errors
    /// The database failed, or is corrupt.
    pub fn follow(tables: T, options: RegisterOptions) -> Result<impl Follower, Error> {
        let (register, open) = Self::read(Log::follow(tables)?, options)?;
        Following::new(Copied { register, open })
    }
}

/// A register with what is a manager's business elsewhere: which transfers are open.
struct Copied<T: TransferTables> {
    register: Register<T>,
    open: BTreeMap<TransferId, Recorded>,
}

impl<T: TransferTables> Projection for Copied<T> {
    type Tables = T;

    fn log(&mut self) -> &mut Log<T> {
        &mut self.register.log
    }

    fn head(&self) -> Head {
        self.register.head()
    }

    fn apply(&mut self, row: Row<TransferEntry>) -> Result<(), Error> {
        apply(&mut self.open, row);
        Ok(())
    }

    fn flushed(&self) -> Seq {
        self.register.flushed
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.register.open = self.open.values().map(|recorded| recorded.begun).collect();
        self.register.flush()
    }

    fn flush_if_due(&mut self) -> Result<(), Error> {
        let Register { log, flushed, options, .. } = &self.register;
        if log.staged_seq().0 - flushed.0 >= options.flush_rows {
            self.flush()?;
        }
        Ok(())
    }
}
