//! What the books ask of the database below them.

use std::collections::BTreeMap;

use remit_core::{
    id::{AccountId, LegId, Seq, TransferId},
    ledger::Transit,
    mark::{OpenDebit, OpenDebits},
    money::Currency,
};

use crate::store::{
    Error,
    journal::Journal,
    row::{AccountRecord, Row, ShardEntry},
};

/// The tables that a shard has beside its journal. One statement each; errors as in [`Journal`].
#[allow(clippy::missing_errors_doc, reason = "all fail alike: the database failed, or what it has can't be read")]
pub trait ShardTables: Journal<Entry = ShardEntry> {
    /// The position that the tables stand for.
    fn flushed(&mut self) -> Result<Seq, Error>;
    /// The in-transit accounts and sums.
    fn transits(&mut self) -> Result<Vec<(Currency, Transit)>, Error>;
    /// The debits of transfers not known to have ended.
    fn open_debits(&mut self) -> Result<Vec<OpenDebit>, Error>;
    /// One account.
    fn account(&mut self, id: &AccountId) -> Result<Option<AccountRecord>, Error>;
    /// Up to `limit` accounts after one, by id.
    fn accounts_after(
        &mut self,
        after: Option<&AccountId>,
        limit: usize,
    ) -> Result<Vec<(AccountId, AccountRecord)>, Error>;
    /// The accounts that are being closed.
    fn accounts_closing(&mut self) -> Result<Vec<AccountId>, Error>;
    /// The rows of all legs of a transfer, by leg and step.
    fn rows_of(&mut self, transfer: TransferId) -> Result<Vec<Row<ShardEntry>>, Error>;
    /// The rows of one leg, by step.
    fn rows_of_leg(&mut self, leg: LegId) -> Result<Vec<Row<ShardEntry>>, Error>;
    /// The row that recorded an account command.
    fn row_of_command(&mut self, command_id: &[u8; 16]) -> Result<Option<Row<ShardEntry>>, Error>;
    /// One row.
    fn row(&mut self, seq: Seq) -> Result<Option<Row<ShardEntry>>, Error>;
    /// The newest rows of up to `limit` accounts after one, by id, as the whole journal has them. Asked for from the first
    /// account on; what is committed meanwhile may be missing.
    fn newest_rows(&mut self, after: Option<&AccountId>, limit: usize) -> Result<Vec<Newest>, Error>;
    /// Within the transaction: writes what changed since the last time, and the position that it stands for.
    fn write_balances(&mut self, flush: &Flush<'_>) -> Result<(), Error>;
}

/// Where the journal has an account last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newest {
    /// The account.
    pub account: AccountId,
    /// The newest row that changed its money or its terms.
    pub any: Seq,
    /// The newest of these that is an account command, which its terms stand in; none only if the journal is damaged.
    pub command: Option<Seq>,
}

/// What a bulk write takes to the tables.
pub struct Flush<'a> {
    /// The position that it stands for.
    pub seq: Seq,
    /// The accounts that changed.
    pub accounts: Vec<(&'a AccountId, &'a AccountRecord)>,
    /// All in-transit accounts.
    pub transits: &'a BTreeMap<Currency, Transit>,
    /// All debits of transfers not known to have ended.
    pub debits: &'a OpenDebits,
}
