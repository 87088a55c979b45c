//! A shard's file.

use remit_core::{
    account::{Account, Balances, Kind, Status},
    id::{AccountId, LegId, LegNo, PartitionNo, Seq, TransferId},
    ledger::Transit,
    mark::OpenDebit,
    money::{Amount, Currency},
};

use super::{Record, Sqlite, bound, bulk, cells::Cells, set_flushed, signed, unsigned};
use crate::store::{
    Error,
    books::{Flush, Newest, ShardTables},
    journal::corrupt,
    key::Key,
    row::{AccountRecord, Row, ShardEntry},
};

impl Record for ShardEntry {
    const SCHEMA: &'static str = "
        CREATE TABLE account (
            id TEXT PRIMARY KEY, currency TEXT NOT NULL, kind TEXT NOT NULL, status TEXT NOT NULL,
            overdraft_limit INTEGER NOT NULL, version INTEGER NOT NULL,
            posted INTEGER NOT NULL, held INTEGER NOT NULL, incoming INTEGER NOT NULL, undecided INTEGER NOT NULL,
            last INTEGER
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX account_closing ON account (status) WHERE status = 'closing';
        CREATE TABLE in_transit (
            currency TEXT PRIMARY KEY, balance INTEGER NOT NULL,
            posted TEXT NOT NULL, held TEXT NOT NULL, incoming TEXT NOT NULL, undecided TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE open_debit (
            transfer BLOB NOT NULL, leg INTEGER NOT NULL, account TEXT NOT NULL, amount INTEGER NOT NULL,
            currency TEXT NOT NULL, partition INTEGER NOT NULL, begun INTEGER NOT NULL
        ) STRICT;
        -- Exact at any time: the newest row above the position that the tables stand for, else the table.
        CREATE VIEW balance (account, currency, kind, posted, held, incoming) AS
            WITH {newest},
            changed (account, seq) AS (SELECT account, max(seq) FROM newest WHERE posted IS NOT NULL GROUP BY account),
            opened (account, currency, kind) AS (
                SELECT account, currency, kind FROM newest WHERE what = 'open' AND version IS NOT NULL GROUP BY account
            ),
            moved (currency, seq) AS (SELECT currency, max(seq) FROM newest WHERE in_transit IS NOT NULL GROUP BY currency)
            SELECT newest.account, ifnull(account.currency, opened.currency), ifnull(account.kind, opened.kind),
                newest.posted, newest.held, newest.incoming
            FROM changed JOIN newest USING (seq)
            LEFT JOIN account ON account.id = changed.account LEFT JOIN opened ON opened.account = changed.account
            UNION ALL
            SELECT id, currency, kind, posted, held, incoming FROM account
            WHERE id NOT IN (SELECT account FROM changed)
            UNION ALL
            SELECT 'in-transit', newest.currency, 'in_transit', newest.in_transit, 0, 0 FROM moved JOIN newest USING (seq)
            UNION ALL
            SELECT 'in-transit', currency, 'in_transit', balance, 0, 0 FROM in_transit
            WHERE currency NOT IN (SELECT currency FROM moved);";
}

fn read_record(columns: &mut Cells<'_, '_>) -> Result<AccountRecord, Error> {
    let currency = columns.word(Currency::parse)?;
    let kind = columns.word(Kind::parse)?;
    let status = columns.word(Status::parse)?;
    let overdraft_limit = columns.column()?;
    let version = unsigned(columns.column()?)?;
    let (posted, held, incoming, undecided) =
        (columns.column()?, columns.column()?, columns.column()?, columns.column()?);
    let balances = Balances { posted, held, incoming, undecided };
    let last: Option<i64> = columns.column()?;
    let account = Account { currency, kind, status, overdraft_limit, version, balances };
    Ok(AccountRecord { account, last: last.map(unsigned).transpose()?.map(Seq) })
}

const RECORD: &str = "currency, kind, status, overdraft_limit, version, posted, held, incoming, undecided, last";

impl ShardTables for Sqlite<ShardEntry> {
    fn flushed(&mut self) -> Result<Seq, Error> {
        self.flushed_seq()
    }

    fn transits(&mut self) -> Result<Vec<(Currency, Transit)>, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT currency, balance, posted, held, incoming, undecided FROM in_transit")?;
        let mut rows = statement.query([])?;
        let mut transits = Vec::new();
        while let Some(row) = rows.next()? {
            let mut columns = Cells::of(row);
            let currency = columns.word(Currency::parse)?;
            let balance = columns.column()?;
            // No number of accounts comes near what 128 bits hold, so nothing that is added here needs a check of its own.
            let possible = |sum: &i128| sum.unsigned_abs() < 1 << 120;
            let mut sum = || columns.word(|digits| digits.parse().ok().filter(possible));
            let transit = Transit { balance, posted: sum()?, held: sum()?, incoming: sum()?, undecided: sum()? };
            transits.push((currency, transit));
        }
        Ok(transits)
    }

    fn open_debits(&mut self) -> Result<Vec<OpenDebit>, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT transfer, leg, account, amount, currency, partition, begun FROM open_debit")?;
        let mut rows = statement.query([])?;
        let mut debits = Vec::new();
        while let Some(row) = rows.next()? {
            let mut columns = Cells::of(row);
            let id = LegId::new(TransferId(columns.column()?), LegNo(columns.column()?));
            let account = columns.word(|id| AccountId::parse(id).ok())?;
            let amount = Amount::new(columns.column()?).ok_or_else(|| corrupt("an amount below 1"))?;
            let currency = columns.word(Currency::parse)?;
            let (partition, begun) = (PartitionNo(columns.column()?), Seq(unsigned(columns.column()?)?));
            debits.push(OpenDebit { id, account, amount, currency, partition, begun });
        }
        Ok(debits)
    }

    fn account(&mut self, id: &AccountId) -> Result<Option<AccountRecord>, Error> {
        let mut statement = self.connection.prepare_cached(&format!("SELECT {RECORD} FROM account WHERE id = ?"))?;
        let mut rows = statement.query([id.as_str()])?;
        rows.next()?.map(|row| read_record(&mut Cells::of(row))).transpose()
    }

    fn accounts_after(
        &mut self,
        after: Option<&AccountId>,
        limit: usize,
    ) -> Result<Vec<(AccountId, AccountRecord)>, Error> {
        let sql = format!("SELECT id, {RECORD} FROM account WHERE id > ? ORDER BY id LIMIT ?");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query((after.map_or("", AccountId::as_str), bound(limit)))?;
        let mut accounts = Vec::new();
        while let Some(row) = rows.next()? {
            let mut columns = Cells::of(row);
            let id = columns.word(|id| AccountId::parse(id).ok())?;
            accounts.push((id, read_record(&mut columns)?));
        }
        Ok(accounts)
    }

    fn accounts_closing(&mut self) -> Result<Vec<AccountId>, Error> {
        let mut statement = self.connection.prepare_cached("SELECT id FROM account WHERE status = 'closing'")?;
        let mut rows = statement.query([])?;
        let mut ids = Vec::new();
        while let Some(row) = rows.next()? {
            ids.push(Cells::of(row).word(|id| AccountId::parse(id).ok())?);
        }
        Ok(ids)
    }

    fn rows_of(&mut self, transfer: TransferId) -> Result<Vec<Row<ShardEntry>>, Error> {
        self.find(&Key::of_transfer(transfer))
    }

    fn rows_of_leg(&mut self, leg: LegId) -> Result<Vec<Row<ShardEntry>>, Error> {
        self.find(&Key::of_leg(leg))
    }

    fn row_of_command(&mut self, command_id: &[u8; 16]) -> Result<Option<Row<ShardEntry>>, Error> {
        let key = Key::command(command_id);
        Ok(self.find(&(key..=key))?.pop())
    }

    fn row(&mut self, seq: Seq) -> Result<Option<Row<ShardEntry>>, Error> {
        self.at(seq)
    }

    fn newest_rows(&mut self, after: Option<&AccountId>, limit: usize) -> Result<Vec<Newest>, Error> {
        if after.is_none() {
            // One pass over the journal for all pages, outside of memory if there are many accounts.
            self.connection.execute_batch(
                "DROP TABLE IF EXISTS temp.newest;
                CREATE TEMP TABLE newest (account TEXT PRIMARY KEY, seq INTEGER, command INTEGER) WITHOUT ROWID;
                INSERT INTO temp.newest SELECT account, max(seq), max(seq) FILTER (WHERE version IS NOT NULL)
                    FROM journal WHERE posted IS NOT NULL GROUP BY account;",
            )?;
        }
        let mut statement = self.connection.prepare_cached(
            "SELECT account, seq, command FROM temp.newest WHERE account > ? ORDER BY account LIMIT ?",
        )?;
        let mut rows = statement.query((after.map_or("", AccountId::as_str), bound(limit)))?;
        let mut newest = Vec::new();
        while let Some(row) = rows.next()? {
            let mut columns = Cells::of(row);
            let account = columns.word(|id| AccountId::parse(id).ok())?;
            let any = Seq(unsigned(columns.column()?)?);
            let command = columns.column::<Option<i64>>()?.map(unsigned).transpose()?.map(Seq);
            newest.push(Newest { account, any, command });
        }
        Ok(newest)
    }

    fn write_balances(&mut self, flush: &Flush<'_>) -> Result<(), Error> {
        let insert = format!("INSERT OR REPLACE INTO account (id, {RECORD})");
        bulk::insert(
            &self.connection,
            &insert,
            11,
            &flush.accounts,
            |(id, AccountRecord { account: a, last }), values| {
                values.push(id.as_str())?;
                values.push(a.currency.as_str())?;
                values.push(a.kind.as_str())?;
                values.push(a.status.as_str())?;
                values.push(a.overdraft_limit)?;
                values.push(signed(a.version)?)?;
                let Balances { posted, held, incoming, undecided } = a.balances;
                for amount in [posted, held, incoming, undecided] {
                    values.push(amount)?;
                }
                values.push(last.map(|seq| signed(seq.0)).transpose()?)
            },
        )?;
        let mut transit =
            self.connection.prepare_cached("INSERT OR REPLACE INTO in_transit VALUES (?, ?, ?, ?, ?, ?)")?;
        for (currency, t) in flush.transits {
            let sums = [t.posted, t.held, t.incoming, t.undecided].map(|sum| sum.to_string());
            transit.execute((currency.as_str(), t.balance, &sums[0], &sums[1], &sums[2], &sums[3]))?;
        }
        self.connection.prepare_cached("DELETE FROM open_debit")?.execute([])?;
        let debits: Vec<&OpenDebit> = flush.debits.iter().collect();
        bulk::insert(&self.connection, "INSERT INTO open_debit", 7, &debits, |debit, values| {
            values.push(debit.id.transfer.0.as_slice())?;
            values.push(debit.id.leg.0)?;
            values.push(debit.account.as_str())?;
            values.push(debit.amount.get())?;
            values.push(debit.currency.as_str())?;
            values.push(debit.partition.0)?;
            values.push(signed(debit.begun.0)?)
        })?;
        set_flushed(&self.connection, &mut self.keys, flush.seq)
    }
}
