//! Reading the books: lists of accounts, and what the journal has of legs.

use std::collections::BTreeMap;

use remit_core::{
    account::Account,
    audit::RowLeg,
    id::{AccountId, LegId, Seq, TransferId},
    leg::{State, Terms},
};

use super::{Books, ShardTables};
use crate::store::{
    Error,
    journal::Claim,
    row::{AccountRecord, LegEntry, Row, ShardEntry},
};

impl<T: ShardTables> Books<T> {
    /// Up to `limit` accounts after one, by id; whether there are more.
    ///
    /// # Errors
    /// The database failed.
    pub fn accounts_after(
        &mut self,
        after: Option<&AccountId>,
        limit: usize,
    ) -> Result<(Vec<(AccountId, Account)>, bool), Error> {
        let mut records = self.records_after(after, limit + 1)?;
        let more = records.len() > limit;
        records.truncate(limit);
        Ok((records.into_iter().map(|(id, record)| (id, record.account)).collect(), more))
    }

    /// The same with the rows that last changed them. Reads past the cache, which a list of all would flood.
    pub(super) fn records_after(
        &mut self,
        after: Option<&AccountId>,
        limit: usize,
    ) -> Result<Vec<(AccountId, AccountRecord)>, Error> {
        let stored = self.log.tables.accounts_after(after, limit)?;
        let mut merged: BTreeMap<AccountId, AccountRecord> = stored.into_iter().collect();
        for (id, record) in self.accounts.changed().filter(|(id, _)| after.is_none_or(|after| *id > after)) {
            merged.insert(id.clone(), record.clone());
        }
        Ok(merged.into_iter().take(limit).collect())
    }

    /// The accounts that are being closed, after a restart.
    ///
    /// # Errors
    /// The database failed.
    pub fn accounts_closing(&mut self) -> Result<Vec<AccountId>, Error> {
        use remit_core::account::Status::Closing;
        let mut ids = self.log.tables.accounts_closing()?;
        ids.extend(self.accounts.changed().map(|(id, _)| id.clone()));
        ids.sort();
        ids.dedup();
        let mut closing = Vec::new();
        for id in ids {
            if self.account(&id)?.is_some_and(|record| record.account.status == Closing) {
                closing.push(id);
            }
        }
        Ok(closing)
    }

    /// The states of a transfer's legs in this shard.
    ///
    /// # Errors
    /// The database failed.
    pub fn legs_of(&mut self, transfer: TransferId) -> Result<BTreeMap<LegId, State>, Error> {
        Ok(states(&self.log.tables.rows_of(transfer)?).collect())
    }

    /// All rows of a transfer's legs in this shard, in order, and all claims of the database; of the last row of each leg, what
    /// memory has counted since is added.
    ///
    /// # Errors
    /// The database failed.
    pub fn story_of(&mut self, transfer: TransferId) -> Result<(Vec<Row<ShardEntry>>, Vec<Claim>), Error> {
        let mut rows = self.log.tables.rows_of(transfer)?;
        rows.sort_by_key(|row| row.seq);
        for row in &mut rows {
            if let ShardEntry::Leg(leg) = &mut row.entry
                && self.recent_leg(leg.id).is_some_and(|known| known.state == leg.state)
            {
                leg.repeats = self.repeats(leg.id);
            }
        }
        Ok((rows, self.log.tables.claims()?))
    }

    /// A transfer's legs in this shard as their last rows have them, for want of a start record (R11).
    ///
    /// # Errors
    /// The database failed.
    pub fn rows_of_legs(&mut self, transfer: TransferId) -> Result<Vec<RowLeg>, Error> {
        let rows = self.log.tables.rows_of(transfer)?;
        let last: BTreeMap<LegId, RowLeg> = rows
            .into_iter()
            .filter_map(|row| match row.entry {
                ShardEntry::Leg(LegEntry { id, state, terms: Terms { direction, amount, currency, .. }, .. }) => {
                    Some((id, RowLeg { id, state, direction, amount, currency }))
                }
                _ => None,
            })
            .collect();
        Ok(last.into_values().collect())
    }

    /// The last states of all legs that rows above a position are about.
    ///
    /// # Errors
    /// The database failed.
    pub fn legs_since(&mut self, mut since: Seq) -> Result<BTreeMap<LegId, State>, Error> {
        const PAGE: usize = 4_096;
        let mut legs = BTreeMap::new();
        loop {
            let rows = self.log.tables.rows_above(since, PAGE)?;
            let Some(last) = rows.last() else { return Ok(legs) };
            since = last.seq;
            legs.extend(states(&rows));
        }
    }

    /// One row of the journal.
    ///
    /// # Errors
    /// The database failed.
    pub fn row(&mut self, seq: Seq) -> Result<Option<Row<ShardEntry>>, Error> {
        self.log.tables.row(seq)
    }
}

fn states(rows: &[Row<ShardEntry>]) -> impl Iterator<Item = (LegId, State)> {
    rows.iter().filter_map(|row| match &row.entry {
        ShardEntry::Leg(leg) => Some((leg.id, leg.state)),
        _ => None,
    })
}
