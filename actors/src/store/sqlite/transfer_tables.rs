//! A manager's file.

use std::{collections::BTreeSet, sync::Arc};

use remit_core::{
    id::{Epoch, Seq, Time, TransferId},
    protocol::{Decision, Protocol},
    reason::Reason,
    transfer::{End, LegSpec, Outcome, Parked, Start},
};
use rusqlite::types::Null;

use super::{Binder, Columns, Record, Sqlite, position, signed, text, unsigned};
use crate::{
    message::LegWord,
    store::{
        Error,
        journal::corrupt,
        register::TransferTables,
        row::{Common, Row, TransferEntry},
    },
};

impl Record for TransferEntry {
    const SCHEMA: &'static str = "
        CREATE TABLE journal (
            seq INTEGER PRIMARY KEY,  -- position; the next commit goes on after it
            at INTEGER NOT NULL,      -- milliseconds since 1970, UTC
            what TEXT NOT NULL,       -- started; committed, aborted; completed, rejected, compensated; parked; genesis, claimed
            transfer BLOB, step INTEGER, -- step 1: start, 2: decision, 3: end
            protocol TEXT,
            legs TEXT,                -- leg@shard account amount currency; of an end: what became of each leg
            reason TEXT,
            accepted_at INTEGER, deadline_at INTEGER,
            note TEXT,                -- the transfer's memo; the deployment's facts; the claiming node
            epoch INTEGER             -- of a claim
        ) STRICT;
        CREATE UNIQUE INDEX journal_transfer ON journal (transfer, step) WHERE transfer IS NOT NULL;
        CREATE TABLE open (begun INTEGER PRIMARY KEY) STRICT;
        CREATE VIEW transfer (id, status, protocol, reason, legs, memo, accepted_at, ended_at) AS
            SELECT lower(substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-' || substr(h, 13, 4) || '-' || substr(h, 17, 4)
                    || '-' || substr(h, 21)),
                ifnull(ended.what, 'open'), begun.protocol, ended.reason, begun.legs, begun.note,
                begun.accepted_at, ended.at
            FROM (SELECT *, hex(transfer) AS h FROM journal WHERE step = 1) AS begun
            LEFT JOIN journal AS ended ON ended.transfer = begun.transfer AND ended.step = 3;";

    const COLUMNS: &'static [&'static str] =
        &["what", "transfer", "step", "protocol", "legs", "reason", "accepted_at", "deadline_at", "note", "epoch"];

    const CONFLICT: &'static str = "ON CONFLICT (transfer, step) WHERE transfer IS NOT NULL DO NOTHING";

    fn bind(&self, bind: &mut Binder<'_, '_>) -> rusqlite::Result<()> {
        let what = match self {
            Self::Common(Common::Genesis(_)) => "genesis",
            Self::Common(Common::Claimed(..)) => "claimed",
            Self::Started(_) => "started",
            Self::Decided(_, Decision::Commit) => "committed",
            Self::Decided(_, Decision::Abort(_)) => "aborted",
            Self::Ended(_, end, _) => end.outcome.as_str(),
            Self::Parked(..) => "parked",
        };
        bind.next(what)?;
        match self.key() {
            Some((transfer, step)) => {
                bind.next(transfer.0.as_slice())?;
                bind.next(step)?;
            }
            None => bind.nulls(2)?,
        }
        match self {
            Self::Common(Common::Genesis(facts)) => {
                bind.nulls(5)?;
                bind.next(&**facts)?;
                bind.next(Null)
            }
            Self::Common(Common::Claimed(epoch, node)) => {
                bind.nulls(5)?;
                bind.next(&**node)?;
                bind.next(epoch.0.cast_signed())
            }
            Self::Started(start) => {
                bind.next(start.protocol.as_str())?;
                let legs = start.leg_numbers().zip(start.legs());
                let parts =
                    legs.map(|(no, leg)| (no, leg.shard, &leg.account, leg.direction, leg.amount, leg.currency));
                bind.next(text::write(parts))?;
                bind.next(Null)?;
                bind.next(start.accepted_at.0)?;
                bind.next(start.deadline_at.0)?;
                bind.next(start.memo.as_deref())?;
                bind.next(Null)
            }
            Self::Decided(_, decision) => {
                bind.nulls(2)?;
                bind.next(match decision {
                    Decision::Commit => None,
                    Decision::Abort(reason) => Some(reason.as_str()),
                })?;
                bind.nulls(4)
            }
            Self::Ended(_, end, legs) => {
                bind.next(Null)?;
                let words: Vec<&str> = legs.iter().map(|leg| leg.as_str()).collect();
                bind.next(words.join(" "))?;
                bind.next(end.reason.map(Reason::as_str))?;
                bind.nulls(4)
            }
            Self::Parked(_, why) => {
                bind.nulls(2)?;
                bind.next(why.to_string())?;
                bind.nulls(4)
            }
        }
    }

    fn read(columns: &mut Columns<'_, '_>) -> Result<Self, Error> {
        let what: Arc<str> = columns.column()?;
        let transfer = columns.column::<Option<[u8; 16]>>()?.map(TransferId);
        let _step: Option<u8> = columns.column()?;
        let Some(id) = transfer else {
            columns.at += 5;
            let note: Arc<str> = columns.column()?;
            return Ok(Self::Common(match &*what {
                "genesis" => Common::Genesis(note),
                "claimed" => Common::Claimed(Epoch(unsigned(columns.column()?)?), note),
                other => return Err(corrupt(format!("a row says '{other}'"))),
            }));
        };
        match &*what {
            "started" => read_start(id, columns).map(|start| Self::Started(Arc::new(start))),
            "committed" => Ok(Self::Decided(id, Decision::Commit)),
            "aborted" => {
                columns.at += 2;
                Ok(Self::Decided(id, Decision::Abort(columns.word(Reason::parse)?)))
            }
            "parked" => {
                columns.at += 2;
                Ok(Self::Parked(id, columns.word(Parked::parse)?))
            }
            outcome => {
                let outcome =
                    Outcome::parse(outcome).ok_or_else(|| corrupt(format!("a transfer's row says '{outcome}'")))?;
                columns.at += 1;
                let legs = columns.word(|words| words.split(' ').map(LegWord::parse).collect::<Option<Vec<_>>>())?;
                let reason = columns.maybe_word(Reason::parse)?;
                Ok(Self::Ended(id, End { outcome, reason }, legs))
            }
        }
    }
}

fn read_start(id: TransferId, columns: &mut Columns<'_, '_>) -> Result<Start, Error> {
    let protocol = columns.word(Protocol::parse)?;
    let stops = columns.word(text::read)?;
    columns.at += 1;
    let (accepted_at, deadline_at) = (Time(columns.column()?), Time(columns.column()?));
    let memo = columns.column()?;
    let leg = |stop: remit_core::protocol::route::Stop| LegSpec {
        account: stop.account,
        shard: stop.shard,
        direction: stop.direction,
        amount: stop.amount,
        currency: stop.currency,
    };
    let legs = stops.into_iter().map(leg).collect();
    Start::new(id, protocol, legs, memo, accepted_at, deadline_at)
        .map_err(|invalid| corrupt(format!("the legs of {id} are no transfer: {invalid:?}")))
}

impl TransferTables for Sqlite<TransferEntry> {
    fn flushed(&mut self) -> Result<Seq, Error> {
        self.flushed_seq()
    }

    fn open(&mut self) -> Result<Vec<Seq>, Error> {
        let mut statement = self.connection.prepare_cached("SELECT begun FROM open ORDER BY begun")?;
        let mut rows = statement.query([])?;
        let mut open = Vec::new();
        while let Some(row) = rows.next()? {
            open.push(Seq(unsigned(row.get(0)?)?));
        }
        Ok(open)
    }

    fn rows_of(&mut self, transfer: TransferId) -> Result<Vec<Row<TransferEntry>>, Error> {
        self.select("WHERE transfer = ? ORDER BY seq", &[&transfer.0.as_slice()])
    }

    fn transfer_at(&mut self, seq: Seq) -> Result<Option<TransferId>, Error> {
        let mut statement = self.connection.prepare_cached("SELECT transfer FROM journal WHERE seq = ?")?;
        let mut rows = statement.query([position(seq)])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let id: Option<[u8; 16]> = Columns { row, at: 0 }.column()?;
        Ok(id.map(TransferId))
    }

    fn write_open(&mut self, seq: Seq, begun: &BTreeSet<Seq>) -> Result<(), Error> {
        self.connection.prepare_cached("DELETE FROM open")?.execute([])?;
        let mut insert = self.connection.prepare_cached("INSERT INTO open VALUES (?)")?;
        for begun in begun {
            insert.execute([signed(begun.0)?])?;
        }
        self.set_flushed(seq)
    }
}
