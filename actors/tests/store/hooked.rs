//! Tables with a hook before each statement, for what must happen, or go wrong, at just one moment.

use std::collections::BTreeSet;

use remit_actors::store::{
    Error,
    books::{Flush, Newest, ShardTables},
    journal::{Appended, Below, Claim, Hash, Head, Journal},
    register::TransferTables,
    row::{AccountRecord, Row, ShardEntry, TransferEntry},
};
use remit_core::{
    id::{AccountId, Epoch, LegId, Seq, TransferId},
    ledger::Transit,
    mark::OpenDebit,
    money::Currency,
};

/// Called with the statement's name and, where it appends, the row.
type Hook<E> = Box<dyn FnMut(&'static str, Option<&Row<E>>) + Send>;

pub(crate) struct Hooked<T: Journal> {
    tables: T,
    hook: Hook<T::Entry>,
    has_lost_legs: bool,
}

impl<T: Journal> Hooked<T> {
    pub(crate) fn new(tables: T, hook: impl FnMut(&'static str, Option<&Row<T::Entry>>) + Send + 'static) -> Self {
        Self { tables, hook: Box::new(hook), has_lost_legs: false }
    }

    /// From now on no leg's rows are found, though no second one is taken either: an index is broken.
    pub(crate) fn without_legs(self) -> Self {
        Self { has_lost_legs: true, ..self }
    }
}

macro_rules! through {
    ($(fn $name:ident($($arg:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(fn $name(&mut self, $($arg: $type),*) -> Result<$answer, Error> {
            (self.hook)(stringify!($name), None);
            self.tables.$name($($arg),*)
        })*
    };
}

impl<T: Journal> Journal for Hooked<T> {
    type Entry = T::Entry;

    fn append(&mut self, row: &Row<T::Entry>) -> Result<Appended, Error> {
        (self.hook)("append", Some(row));
        self.tables.append(row)
    }

    through! {
        fn head() -> Head;
        fn begin(epoch: Epoch, seq: Seq) -> ();
        fn link(seq: Seq, hash: Hash, lines: &[u8]) -> ();
        fn set_epoch(epoch: Epoch) -> ();
        fn commit() -> ();
        fn rows_above(seq: Seq, limit: usize) -> Vec<Row<T::Entry>>;
        fn rows_below(seq: Seq, limit: usize) -> Vec<Below<T::Entry>>;
        fn links(from: Seq, to: Seq) -> Vec<(Seq, Hash)>;
        fn claims() -> Vec<Claim>;
        fn check() -> ();
    }
}

impl<T: ShardTables> ShardTables for Hooked<T> {
    fn rows_of_leg(&mut self, leg: LegId) -> Result<Vec<Row<ShardEntry>>, Error> {
        (self.hook)("rows_of_leg", None);
        if self.has_lost_legs { Ok(Vec::new()) } else { self.tables.rows_of_leg(leg) }
    }

    through! {
        fn flushed() -> Seq;
        fn transits() -> Vec<(Currency, Transit)>;
        fn open_debits() -> Vec<OpenDebit>;
        fn account(id: &AccountId) -> Option<AccountRecord>;
        fn accounts_after(after: Option<&AccountId>, limit: usize) -> Vec<(AccountId, AccountRecord)>;
        fn accounts_closing() -> Vec<AccountId>;
        fn rows_of(transfer: TransferId) -> Vec<Row<ShardEntry>>;
        fn row_of_command(command_id: &[u8; 16]) -> Option<Row<ShardEntry>>;
        fn row(seq: Seq) -> Option<Row<ShardEntry>>;
        fn newest_rows(after: Option<&AccountId>, limit: usize) -> Vec<Newest>;
        fn write_balances(flush: &Flush<'_>) -> ();
    }
}

impl<T: TransferTables> TransferTables for Hooked<T> {
    through! {
        fn flushed() -> Seq;
        fn open() -> Vec<Seq>;
        fn rows_of(transfer: TransferId) -> Vec<Row<TransferEntry>>;
        fn transfer_at(seq: Seq) -> Option<TransferId>;
        fn write_open(seq: Seq, begun: &BTreeSet<Seq>) -> ();
    }
}
