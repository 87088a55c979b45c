//! A shard's file.

use std::sync::Arc;

use remit_core::{
    account::{Account, Balances, Kind, Refusal, Status},
    id::{AccountId, Epoch, LegId, LegNo, PartitionNo, Seq, TransferId},
    ledger::Transit,
    leg::{State, Terms, Verb},
    mark::OpenDebit,
    money::{Amount, Currency, Direction},
    protocol::route::Route,
    reason::Reason,
};
use rusqlite::types::Null;

use super::{Binder, Columns, Record, Sqlite, bound, position, signed, text, unsigned};
use crate::store::{
    Error,
    books::{Flush, Newest, ShardTables},
    journal::corrupt,
    row::{AccountEntry, AccountRecord, After, Common, LegEntry, Row, ShardEntry},
};

impl Record for ShardEntry {
    const SCHEMA: &'static str = "
        CREATE TABLE journal (
            seq INTEGER PRIMARY KEY,  -- position; the next commit goes on after it
            at INTEGER NOT NULL,      -- milliseconds since 1970, UTC
            what TEXT NOT NULL,       -- the leg's new state; or the account command; or genesis, claimed
            account TEXT,
            posted INTEGER, held INTEGER, incoming INTEGER, -- the account's money after this row, if it has any part in it
            in_transit INTEGER,       -- the in-transit account of the currency after this row
            previous INTEGER,         -- the account's row before this one
            transfer BLOB, leg INTEGER, step INTEGER, -- step 1: a leg's first record, 2: its last
            direction TEXT, amount INTEGER, currency TEXT,
            partition INTEGER, begun INTEGER, -- where its manager recorded the start
            reason TEXT,              -- why it was refused or undone
            undo TEXT,                -- of a tombstone: the verb that left it
            route TEXT,               -- the way of the baton, in the events protocol
            note TEXT,                -- the transfer's memo; the deployment's facts; the claiming node
            command BLOB,             -- the idempotency key of an account command
            kind TEXT, status TEXT, overdraft_limit INTEGER, version INTEGER, -- the account after an account command
            epoch INTEGER             -- of a claim
        ) STRICT;
        CREATE UNIQUE INDEX journal_leg ON journal (transfer, leg, step) WHERE transfer IS NOT NULL;
        CREATE UNIQUE INDEX journal_command ON journal (command) WHERE command IS NOT NULL;
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
            WITH flushed (seq) AS (SELECT value FROM meta WHERE key = 'flushed'),
            newest (account, seq) AS (
                SELECT account, max(seq) FROM journal
                WHERE seq > (SELECT seq FROM flushed) AND posted IS NOT NULL GROUP BY account
            ),
            opened (account, currency, kind) AS (
                SELECT account, currency, kind FROM journal
                WHERE seq > (SELECT seq FROM flushed) AND what = 'open' AND version IS NOT NULL GROUP BY account
            ),
            moved (currency, seq) AS (
                SELECT currency, max(seq) FROM journal
                WHERE seq > (SELECT seq FROM flushed) AND in_transit IS NOT NULL GROUP BY currency
            )
            SELECT journal.account, ifnull(account.currency, opened.currency), ifnull(account.kind, opened.kind),
                journal.posted, journal.held, journal.incoming
            FROM newest JOIN journal USING (seq)
            LEFT JOIN account ON account.id = newest.account LEFT JOIN opened ON opened.account = newest.account
            UNION ALL
            SELECT id, currency, kind, posted, held, incoming FROM account
            WHERE id NOT IN (SELECT account FROM newest)
            UNION ALL
            SELECT 'in-transit', journal.currency, 'in_transit', journal.in_transit, 0, 0 FROM moved JOIN journal USING (seq)
            UNION ALL
            SELECT 'in-transit', currency, 'in_transit', balance, 0, 0 FROM in_transit
            WHERE currency NOT IN (SELECT currency FROM moved);";

    const COLUMNS: &'static [&'static str] = &[
        "what",
        "account",
        "posted",
        "held",
        "incoming",
        "in_transit",
        "previous",
        "transfer",
        "leg",
        "step",
        "direction",
        "amount",
        "currency",
        "partition",
        "begun",
        "reason",
        "undo",
        "route",
        "note",
        "command",
        "kind",
        "status",
        "overdraft_limit",
        "version",
        "epoch",
    ];

    const CONFLICT: &'static str = "ON CONFLICT (transfer, leg, step) WHERE transfer IS NOT NULL DO NOTHING
        ON CONFLICT (command) WHERE command IS NOT NULL DO NOTHING";

    fn bind(&self, bind: &mut Binder<'_, '_>) -> rusqlite::Result<()> {
        match self {
            Self::Common(common) => bind_common(common, bind),
            Self::Leg(leg) => bind_leg(leg, bind),
            Self::Account(account) => bind_account(account, bind),
        }
    }

    fn read(columns: &mut Columns<'_, '_>) -> Result<Self, Error> {
        let what: Arc<str> = columns.column::<Arc<str>>()?;
        let account = columns.maybe_word(|id| AccountId::parse(id).ok())?;
        let Some(account) = account else {
            columns.at += 16;
            let note: Arc<str> = columns.column()?;
            columns.at += 5;
            return Ok(Self::Common(match &*what {
                "genesis" => Common::Genesis(note),
                "claimed" => Common::Claimed(Epoch(unsigned(columns.column()?)?), note),
                other => return Err(corrupt(format!("a row says '{other}'"))),
            }));
        };
        let money: [Option<i64>; 5] =
            [columns.column()?, columns.column()?, columns.column()?, columns.column()?, columns.column()?];
        match columns.column::<Option<[u8; 16]>>()? {
            Some(transfer) => read_leg(&what, account, money, TransferId(transfer), columns).map(Self::Leg),
            None => read_account(what, account, money, columns).map(Self::Account),
        }
    }
}

fn bind_common(common: &Common, bind: &mut Binder<'_, '_>) -> rusqlite::Result<()> {
    let (what, note, epoch) = match common {
        Common::Genesis(facts) => ("genesis", facts, None),
        Common::Claimed(epoch, node) => ("claimed", node, Some(epoch.0.cast_signed())),
    };
    bind.next(what)?;
    bind.nulls(17)?;
    bind.next(&**note)?;
    bind.nulls(5)?;
    bind.next(epoch)
}

fn bind_leg(leg: &LegEntry, bind: &mut Binder<'_, '_>) -> rusqlite::Result<()> {
    let LegEntry { id, state, terms, memo, after } = leg;
    bind.next(state.as_str())?;
    bind.next(terms.account.as_str())?;
    match after {
        Some(after) => {
            bind.next(after.posted)?;
            bind.next(after.held)?;
            bind.next(after.incoming)?;
            bind.next(after.in_transit)?;
            bind.next(after.previous.map(|seq| seq.0.cast_signed()))?;
        }
        None => bind.nulls(5)?,
    }
    bind.next(id.transfer.0.as_slice())?;
    bind.next(id.leg.0)?;
    bind.next(state.step())?;
    bind.next(terms.direction.as_str())?;
    bind.next(terms.amount.get())?;
    bind.next(terms.currency.as_str())?;
    bind.next(terms.partition.0)?;
    bind.next(terms.begun.0.cast_signed())?;
    let (reason, undo) = match state {
        State::Refused(reason) => (Some(*reason), None),
        State::Tombstone(undo, reason) => (*reason, Some(*undo)),
        _ => (None, None),
    };
    bind.next(reason.map(Reason::as_str))?;
    bind.next(undo.map(Verb::as_str))?;
    match &terms.route {
        Some(route) => {
            let stops = route.stops().iter();
            let parts = stops.map(|s| (s.leg, s.shard, &s.account, s.direction, s.amount, s.currency));
            bind.next(text::write(parts))?;
        }
        None => bind.next(Null)?,
    }
    bind.next(memo.as_deref())?;
    bind.nulls(6)
}

fn bind_account(entry: &AccountEntry, bind: &mut Binder<'_, '_>) -> rusqlite::Result<()> {
    bind.next(&*entry.what)?;
    bind.next(entry.account.as_str())?;
    match &entry.outcome {
        Ok(Account { balances: Balances { posted, held, incoming, .. }, .. }) => {
            bind.next(posted)?;
            bind.next(held)?;
            bind.next(incoming)?;
        }
        Err(_) => bind.nulls(3)?,
    }
    bind.next(Null)?;
    bind.next(entry.previous.map(|seq| seq.0.cast_signed()))?;
    bind.nulls(5)?;
    let account = entry.outcome.as_ref().ok();
    bind.next(account.map(|account| account.currency.as_str()))?;
    bind.nulls(2)?;
    bind.next(entry.outcome.as_ref().err().map(|refusal| refusal.as_str()))?;
    bind.nulls(3)?;
    bind.next(entry.command_id.as_ref().map(<[u8; 16]>::as_slice))?;
    match account {
        Some(account) => {
            bind.next(account.kind.as_str())?;
            bind.next(account.status.as_str())?;
            bind.next(account.overdraft_limit)?;
            bind.next(account.version.cast_signed())?;
        }
        None => bind.nulls(4)?,
    }
    bind.next(Null)
}

fn read_leg(
    what: &str,
    account: AccountId,
    money: [Option<i64>; 5],
    transfer: TransferId,
    columns: &mut Columns<'_, '_>,
) -> Result<LegEntry, Error> {
    let leg = LegNo(columns.column()?);
    let _step: u8 = columns.column()?;
    let direction = columns.word(direction)?;
    let amount = Amount::new(columns.column()?).ok_or_else(|| corrupt("an amount below 1"))?;
    let currency = columns.word(Currency::parse)?;
    let partition = PartitionNo(columns.column()?);
    let begun = Seq(unsigned(columns.column()?)?);
    let reason = columns.maybe_word(Reason::parse)?;
    let undo = columns.maybe_word(|word| Verb::ALL.into_iter().find(|verb| verb.as_str() == word))?;
    let route = columns.maybe_word(text::read)?.map(Route::from_stops);
    let memo = columns.column()?;
    let state = match (what, reason, undo) {
        ("debited", ..) => State::Debited,
        ("credited", ..) => State::Credited,
        ("held", ..) => State::Held,
        ("refused", Some(reason), _) => State::Refused(reason),
        ("tombstone", reason, Some(undo)) => State::Tombstone(undo, reason),
        ("posted", ..) => State::Posted,
        ("released", ..) => State::Released,
        ("compensated", ..) => State::Compensated,
        _ => return Err(corrupt(format!("a leg's row says '{what}'"))),
    };
    let after = match money {
        [Some(posted), Some(held), Some(incoming), Some(in_transit), previous] => {
            Some(After { posted, held, incoming, in_transit, previous: previous.map(unsigned).transpose()?.map(Seq) })
        }
        _ => None,
    };
    let terms = Terms { account, direction, amount, currency, partition, begun, route };
    Ok(LegEntry { id: LegId::new(transfer, leg), state, terms, memo, after })
}

fn read_account(
    what: Arc<str>,
    account: AccountId,
    [posted, held, incoming, _, previous]: [Option<i64>; 5],
    columns: &mut Columns<'_, '_>,
) -> Result<AccountEntry, Error> {
    columns.at += 4;
    let currency = columns.maybe_word(Currency::parse)?;
    columns.at += 2;
    let refusal = columns.maybe_word(Refusal::parse)?;
    columns.at += 3;
    let command_id = columns.column()?;
    let kind = columns.maybe_word(Kind::parse)?;
    let status = columns.maybe_word(Status::parse)?;
    let overdraft_limit: Option<i64> = columns.column()?;
    let version: Option<i64> = columns.column()?;
    let after = || {
        let balances = Balances { posted: posted?, held: held?, incoming: incoming?, undecided: 0 };
        let version = version?.cast_unsigned();
        Some(Account {
            currency: currency?,
            kind: kind?,
            status: status?,
            overdraft_limit: overdraft_limit?,
            version,
            balances,
        })
    };
    let outcome = match refusal {
        Some(refusal) => Err(refusal),
        None => Ok(after().ok_or_else(|| corrupt("an account's row lacks columns"))?),
    };
    let previous = previous.map(unsigned).transpose()?.map(Seq);
    Ok(AccountEntry { account, what, command_id, outcome, previous })
}

fn direction(word: &str) -> Option<Direction> {
    [Direction::Debit, Direction::Credit].into_iter().find(|direction| direction.as_str() == word)
}

fn read_record(columns: &mut Columns<'_, '_>) -> Result<AccountRecord, Error> {
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
            let mut columns = Columns { row, at: 0 };
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
            let mut columns = Columns { row, at: 0 };
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
        rows.next()?.map(|row| read_record(&mut Columns { row, at: 0 })).transpose()
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
            let mut columns = Columns { row, at: 0 };
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
            ids.push(Columns { row, at: 0 }.word(|id| AccountId::parse(id).ok())?);
        }
        Ok(ids)
    }

    fn rows_of(&mut self, transfer: TransferId) -> Result<Vec<Row<ShardEntry>>, Error> {
        self.select("WHERE transfer = ? ORDER BY leg, step", &[&transfer.0.as_slice()])
    }

    fn rows_of_leg(&mut self, leg: LegId) -> Result<Vec<Row<ShardEntry>>, Error> {
        self.select("WHERE transfer = ? AND leg = ? ORDER BY step", &[&leg.transfer.0.as_slice(), &leg.leg.0])
    }

    fn row_of_command(&mut self, command_id: &[u8; 16]) -> Result<Option<Row<ShardEntry>>, Error> {
        Ok(self.select("WHERE command = ?", &[&command_id.as_slice()])?.pop())
    }

    fn row(&mut self, seq: Seq) -> Result<Option<Row<ShardEntry>>, Error> {
        Ok(self.select("WHERE seq = ?", &[&position(seq)])?.pop())
    }

    fn newest_rows(&mut self, after: Option<&AccountId>, limit: usize) -> Result<Vec<Newest>, Error> {
        if after.is_none() {
            // One pass over the journal for all pages, outside of memory if there are many accounts.
            self.connection.execute_batch(
                "DROP TABLE IF EXISTS temp.newest;
                CREATE TEMP TABLE newest (account TEXT PRIMARY KEY, seq INTEGER, command INTEGER) WITHOUT ROWID;
                INSERT INTO temp.newest SELECT account, max(seq), max(seq) FILTER (WHERE version IS NOT NULL)
                    FROM main.journal WHERE posted IS NOT NULL GROUP BY account;",
            )?;
        }
        let mut statement = self.connection.prepare_cached(
            "SELECT account, seq, command FROM temp.newest WHERE account > ? ORDER BY account LIMIT ?",
        )?;
        let mut rows = statement.query((after.map_or("", AccountId::as_str), bound(limit)))?;
        let mut newest = Vec::new();
        while let Some(row) = rows.next()? {
            let mut columns = Columns { row, at: 0 };
            let account = columns.word(|id| AccountId::parse(id).ok())?;
            let any = Seq(unsigned(columns.column()?)?);
            let command = columns.column::<Option<i64>>()?.map(unsigned).transpose()?.map(Seq);
            newest.push(Newest { account, any, command });
        }
        Ok(newest)
    }

    fn write_balances(&mut self, flush: &Flush<'_>) -> Result<(), Error> {
        let mut account = self.connection.prepare_cached(&format!(
            "INSERT OR REPLACE INTO account (id, {RECORD}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        ))?;
        for (id, AccountRecord { account: a, last }) in &flush.accounts {
            let Balances { posted, held, incoming, undecided } = a.balances;
            account.execute((
                id.as_str(),
                a.currency.as_str(),
                a.kind.as_str(),
                a.status.as_str(),
                a.overdraft_limit,
                signed(a.version)?,
                posted,
                held,
                incoming,
                undecided,
                last.map(|seq| signed(seq.0)).transpose()?,
            ))?;
        }
        let mut transit =
            self.connection.prepare_cached("INSERT OR REPLACE INTO in_transit VALUES (?, ?, ?, ?, ?, ?)")?;
        for (currency, t) in flush.transits {
            let sums = [t.posted, t.held, t.incoming, t.undecided].map(|sum| sum.to_string());
            transit.execute((currency.as_str(), t.balance, &sums[0], &sums[1], &sums[2], &sums[3]))?;
        }
        self.connection.prepare_cached("DELETE FROM open_debit")?.execute([])?;
        let mut debit = self.connection.prepare_cached("INSERT INTO open_debit VALUES (?, ?, ?, ?, ?, ?, ?)")?;
        for d in flush.debits.iter() {
            debit.execute((
                d.id.transfer.0.as_slice(),
                d.id.leg.0,
                d.account.as_str(),
                d.amount.get(),
                d.currency.as_str(),
                d.partition.0,
                signed(d.begun.0)?,
            ))?;
        }
        self.set_flushed(flush.seq)
    }
}
