//! A manager's file.

use std::collections::BTreeSet;

use remit_core::id::{Seq, TransferId};

use super::{Record, Sqlite, bulk, set_flushed, signed, unsigned};
use crate::store::{
    Error,
    key::Key,
    register::TransferTables,
    row::{Row, TransferEntry},
};

impl Record for TransferEntry {
    const SCHEMA: &'static str = "
        CREATE TABLE open (begun INTEGER PRIMARY KEY) STRICT;
        CREATE VIEW transfer (id, status, protocol, reason, legs, memo, accepted_at, ended_at) AS
            WITH line AS MATERIALIZED (SELECT * FROM journal)
            SELECT begun.transfer, ifnull(ended.what, 'open'), begun.protocol, ended.reason, begun.legs, begun.note,
                begun.accepted_at, ended.at
            FROM line AS begun
            LEFT JOIN line AS ended
                ON ended.transfer = begun.transfer AND ended.what IN ('completed', 'rejected', 'compensated')
            WHERE begun.what = 'started';";
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
        let mut rows = self.find(&Key::of_transfer(transfer))?;
        rows.sort_by_key(|row| row.seq);
        Ok(rows)
    }

    fn transfer_at(&mut self, seq: Seq) -> Result<Option<TransferId>, Error> {
        match self.at(seq) {
            Ok(row) => Ok(row.and_then(|row| row.entry.transfer())),
            Err(Error::Corrupt { .. }) => Ok(self.keys.of(&self.connection, seq)?.map(|key| key.id())),
            Err(error) => Err(error),
        }
    }

    fn write_open(&mut self, seq: Seq, begun: &BTreeSet<Seq>) -> Result<(), Error> {
        self.connection.prepare_cached("DELETE FROM open")?.execute([])?;
        let begun: Vec<Seq> = begun.iter().copied().collect();
        bulk::insert(&self.connection, "INSERT INTO open", 1, &begun, |begun, values| values.push(signed(begun.0)?))?;
        set_flushed(&self.connection, &mut self.keys, seq)
    }
}
