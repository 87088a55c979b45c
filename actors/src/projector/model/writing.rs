//! The statements of the read model's file.

use remit_core::{
    id::{AccountId, Seq, ShardNo, Time},
    money::{Currency, Direction},
};
use rusqlite::{Connection, OptionalExtension};

use super::{COLUMNS, Day, Kept, Model, POSTINGS, Staged};
use crate::{
    genesis::Genesis,
    message::{Address, Linked},
    store::{Error, journal::corrupt, sqlite::bulk},
};

/// Makes the tables.
pub(super) fn create(
    connection: &Connection,
    genesis: &Genesis,
    (application, format): (i64, i64),
) -> Result<(), Error> {
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;
        CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
        INSERT INTO meta VALUES ('built', 0);
        CREATE TABLE source ( -- how far it is in each journal
            kind TEXT NOT NULL, no INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER, complete INTEGER NOT NULL,
            linked INTEGER NOT NULL, link BLOB NOT NULL, -- the newest commit that is whole in it
            PRIMARY KEY (kind, no)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE transfer (
            place INTEGER PRIMARY KEY, -- its partition, times 2^48, and where it begun in that journal
            id BLOB NOT NULL, protocol TEXT NOT NULL, memo TEXT, legs TEXT NOT NULL,
            accepted_at INTEGER NOT NULL, deadline_at INTEGER NOT NULL,
            words TEXT NOT NULL,    -- what became of each leg
            status TEXT NOT NULL, reason TEXT, settled_at INTEGER, parked TEXT,
            previous TEXT NOT NULL  -- for each leg, where the transfer before on the same account begun, in the same partition
        ) STRICT;
        CREATE INDEX transfer_open ON transfer (place) WHERE settled_at IS NULL;
        CREATE INDEX transfer_not_completed ON transfer (status, place) WHERE status <> 'completed';
        CREATE VIRTUAL TABLE memo USING fts5 (words, content = '', tokenize = 'unicode61 remove_diacritics 2');
        CREATE TABLE posting (
            place INTEGER PRIMARY KEY, -- its shard, times 2^48, and the row of that journal
            account TEXT NOT NULL, at INTEGER NOT NULL, transfer BLOB NOT NULL,
            amount INTEGER NOT NULL,   -- below 0: out of the account
            balance INTEGER NOT NULL, memo TEXT,
            previous INTEGER NOT NULL  -- the row of the posting before on the same account
        ) STRICT;
        CREATE TABLE newest ( -- for each account, where its newest transfer in a partition begun; its newest posting ({POSTINGS})
            account TEXT NOT NULL, of INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (account, of)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE day ( -- what was posted, by days since 1970-01-01
            day INTEGER NOT NULL, account TEXT NOT NULL, currency TEXT NOT NULL,
            debits INTEGER NOT NULL, debited TEXT NOT NULL, credits INTEGER NOT NULL, credited TEXT NOT NULL,
            PRIMARY KEY (day, account, currency)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE transit ( -- the balance of each in-transit account at the end of a minute in which it changed
            currency TEXT NOT NULL, shard INTEGER NOT NULL, minute INTEGER NOT NULL, amount INTEGER NOT NULL,
            PRIMARY KEY (currency, shard, minute)
        ) STRICT, WITHOUT ROWID;
        PRAGMA application_id = {application}; PRAGMA user_version = {format};"
    ))?;
    connection.execute("INSERT INTO meta VALUES ('deployment', ?)", [genesis.to_string()])?;
    connection.execute_batch("COMMIT")?;
    Ok(())
}

impl Model {
    /// Reads what it keeps in memory.
    pub(super) fn read_all(&mut self) -> Result<(), Error> {
        let mut statement = self.connection.prepare("SELECT kind, no, seq, at, linked, link, complete FROM source")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (kind, no) = (row.get::<_, String>(0)?, row.get::<_, u16>(1)?);
            let position = self.sources.iter_mut().find(|(source, _)| parts(**source) == (kind.as_str(), no));
            let Some((_, position)) = position else { return Err(corrupt("it is of a journal that is not there")) };
            position.seq = Seq(row.get::<_, i64>(2)?.unsigned_abs());
            position.written = position.seq;
            position.head = position.seq;
            position.at = row.get::<_, Option<i64>>(3)?.map(Time);
            position.linked = Linked { seq: Seq(row.get::<_, i64>(4)?.unsigned_abs()), link: row.get(5)? };
            position.complete = Time(row.get(6)?);
        }
        drop(rows);
        drop(statement);
        let mut statement =
            self.connection.prepare(&format!("SELECT {COLUMNS} FROM transfer WHERE settled_at IS NULL"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let kept = Kept::read(row)?;
            self.open.insert(kept.start.id, kept);
        }
        let mut statement = self
            .connection
            .prepare("SELECT currency, shard, amount, max(minute) FROM transit GROUP BY currency, shard")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let currency = Currency::parse(&row.get::<_, String>(0)?).ok_or_else(|| corrupt("a currency"))?;
            self.transits.insert((currency, ShardNo(row.get(1)?)), row.get(2)?);
        }
        let transfers: i64 = self.connection.query_row("SELECT count(*) FROM transfer", [], |row| row.get(0))?;
        self.transfers = transfers.unsigned_abs();
        Ok(())
    }

    /// Writes all that was taken in since the last time, and how far that is in each journal, in one transaction.
    ///
    /// # Errors
    /// SQLite failed; or another incarnation has written meanwhile.
    pub(in crate::projector) fn commit(&mut self) -> Result<(), Error> {
        if self.staged.rows == 0 {
            // Something may have been read all the same.
            return if self.connection.is_autocommit() { Ok(()) } else { self.end() };
        }
        let mut staged = std::mem::take(&mut self.staged);
        // In the order of the table, so that neighbours share its pages.
        staged.postings.sort_unstable_by_key(|posted| posted.place);
        self.write_transfers(&staged)?;
        self.write_money(&staged)?;
        let newest = self.newest.take_changed();
        bulk::insert(&self.connection, "INSERT OR REPLACE INTO newest", 3, &newest, |((account, of), seq), values| {
            values.push(account.as_str())?;
            values.push(of)?;
            values.push(signed(**seq))
        })?;
        let days = self.days.take_changed();
        bulk::insert(
            &self.connection,
            "INSERT OR REPLACE INTO day",
            7,
            &days,
            |((day, account, currency), sums), values| {
                values.push(day)?;
                values.push(account.as_str())?;
                values.push(currency.as_str())?;
                values.push(sums.debits.cast_signed())?;
                values.push(sums.debited.to_string())?;
                values.push(sums.credits.cast_signed())?;
                values.push(sums.credited.to_string())
            },
        )?;
        self.write_positions()?;
        self.end()?;
        self.newest.forget();
        self.days.forget();
        Ok(())
    }

    fn end(&self) -> Result<(), Error> {
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    fn write_transfers(&self, staged: &Staged) -> Result<(), Error> {
        let mut changed: Vec<&Kept> = staged.changed.iter().filter_map(|id| self.open.get(id)).collect();
        changed.extend(staged.ended.values());
        changed.sort_unstable_by_key(|kept| kept.place);
        changed.dedup_by_key(|kept| kept.place);
        let insert = format!("INSERT OR REPLACE INTO transfer ({COLUMNS})");
        bulk::insert(&self.connection, &insert, 13, &changed, |kept, values| {
            let start = &kept.start;
            let (at, end) = kept.ended.unzip();
            values.push(kept.place.0)?;
            values.push(start.id.0.as_slice())?;
            values.push(start.protocol.as_str())?;
            values.push(start.memo.as_deref())?;
            values.push(kept.legs()?)?;
            values.push(start.accepted_at.0)?;
            values.push(start.deadline_at.0)?;
            values.push(kept.words())?;
            values.push(kept.status().as_str())?;
            values.push(end.and_then(|end| end.reason).map(|reason| reason.as_str()))?;
            values.push(at.map(|at| at.0))?;
            values.push(kept.parked.map(|why| why.to_string()))?;
            values.push(kept.previous())
        })?;
        // One that was there before has its memo there too.
        let mut memo = self.connection.prepare_cached("INSERT INTO memo (rowid, words) VALUES (?, ?)")?;
        for kept in changed.into_iter().filter(|kept| self.is_new(kept)) {
            if let Some(text) = &kept.start.memo {
                memo.execute((kept.place.0, &**text))?;
            }
        }
        Ok(())
    }

    /// Whether a transfer has begun since the last time.
    fn is_new(&self, kept: &Kept) -> bool {
        let source = self.sources.get(&Address::Manager(kept.partition()));
        source.is_none_or(|position| kept.place.seq() > position.written)
    }

    fn write_money(&self, staged: &Staged) -> Result<(), Error> {
        bulk::insert(&self.connection, "INSERT OR REPLACE INTO posting", 8, &staged.postings, |posted, values| {
            let amount = posted.amount.get();
            values.push(posted.place.0)?;
            values.push(posted.account.as_str())?;
            values.push(posted.at.0)?;
            values.push(posted.transfer.0.as_slice())?;
            values.push(if posted.direction == Direction::Debit { -amount } else { amount })?;
            values.push(posted.balance)?;
            values.push(posted.memo.as_deref())?;
            values.push(signed(posted.previous))
        })?;
        let mut transit = self.connection.prepare_cached("INSERT OR REPLACE INTO transit VALUES (?, ?, ?, ?)")?;
        for ((currency, shard, minute), amount) in &staged.transits {
            transit.execute((currency.as_str(), shard.0, minute, amount))?;
        }
        Ok(())
    }

    /// Each position goes on from where it was when the turn began, or it is another incarnation that has written it.
    fn write_positions(&mut self) -> Result<(), Error> {
        let mut first =
            self.connection.prepare_cached("INSERT OR IGNORE INTO source VALUES (?, ?, 0, NULL, 0, 0, ?)")?;
        let mut update = self.connection.prepare_cached(
            "UPDATE source SET seq = ?, at = ?, complete = ?, linked = ?, link = ? WHERE kind = ? AND no = ? AND seq = ?",
        )?;
        for (source, position) in &mut self.sources {
            if position.seq == position.written {
                continue;
            }
            let (kind, no) = parts(*source);
            if position.written == Seq(0) {
                first.execute((kind, no, [0; 32].as_slice()))?;
            }
            let Linked { seq: linked, link } = position.linked;
            let at = position.at.map(|at| at.0);
            let (seq, written) = (signed(position.seq), signed(position.written));
            if update.execute((seq, at, position.complete.0, signed(linked), link.as_slice(), kind, no, written))? != 1
            {
                return Err(Error::Fenced { own: (Default::default(), position.written), stored: Default::default() });
            }
            position.written = position.seq;
        }
        Ok(())
    }
}

/// Where an account's newest transfer in a partition begun, or its newest posting is.
pub(super) fn newest(connection: &Connection, account: &AccountId, of: i64) -> Result<Option<Seq>, Error> {
    let mut statement = connection.prepare_cached("SELECT seq FROM newest WHERE account = ? AND of = ?")?;
    let found: Option<i64> = statement.query_row((account.as_str(), of), |row| row.get(0)).optional()?;
    Ok(found.map(|seq| Seq(seq.unsigned_abs())))
}

/// What was posted on an account in a day.
pub(super) fn day(
    connection: &Connection,
    (day, account, currency): &(i64, AccountId, Currency),
) -> Result<Option<Day>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT debits, debited, credits, credited FROM day WHERE day = ? AND account = ? AND currency = ?",
    )?;
    let mut rows = statement.query((day, account.as_str(), currency.as_str()))?;
    rows.next()?.map(|row| Day::read(row, 0)).transpose()
}

impl Day {
    /// Reads four columns from this one on.
    pub(in crate::projector) fn read(row: &rusqlite::Row<'_>, at: usize) -> Result<Self, Error> {
        let count = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
        let sum = |column| -> Result<i128, Error> {
            row.get::<_, String>(column)?.parse().map_err(|_| corrupt("a day's sum is no number"))
        };
        Ok(Self { debits: count(at)?, debited: sum(at + 1)?, credits: count(at + 2)?, credited: sum(at + 3)? })
    }
}

fn parts(source: Address) -> (&'static str, u16) {
    match source {
        Address::Manager(no) => ("manager", no.0),
        Address::Shard(no) => ("shard", no.0),
        Address::Gateway(_) | Address::Projector | Address::Ledger => ("", 0),
    }
}

fn signed(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}
