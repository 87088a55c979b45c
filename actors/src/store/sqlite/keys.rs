//! The keys of all rows, for ever: those of the newest rows in memory, all others in a table that is written in bulk.
//!
//! So a commit does not touch the table, and a key that is new is mostly known to be new without asking it: new ids are ordered
//! by time, so they come after all that have been written. That is found out by asking, never taken from the id's own time.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::RangeInclusive,
};

use remit_core::id::Seq;
use rusqlite::{Connection, OptionalExtension};

use super::{bulk, signed, unsigned};
use crate::store::{Error, journal::corrupt, key::Key};

/// Which keys there are.
#[derive(Default)]
pub(super) struct Keys {
    /// Those of rows that the table does not have yet, and those that the last bulk write brought there. Transfers that are under
    /// way have keys on both sides of each other; so what comes next is nearly always here, or after all that is only in the table.
    recent: BTreeMap<Key, Seq>,
    /// Up to which row all are known, if any are.
    known_to: Option<Seq>,
    /// Up to which row those in memory are in the table too.
    written_to: Seq,
    /// The last of those that are only in the table, if there are any; `None` where that has not been asked yet.
    last: Option<Option<Key>>,
}

impl Keys {
    /// Up to which row all are known, if any are.
    pub(super) fn known_to(&self) -> Option<Seq> {
        self.known_to
    }

    /// From here on the keys of all rows up to this one are known.
    pub(super) fn know_to(&mut self, seq: Seq) {
        self.known_to = Some(seq);
    }

    /// Takes in a row's key, unless a row has it already; says whether it was new.
    pub(super) fn note(&mut self, connection: &Connection, key: Key, seq: Seq) -> Result<bool, Error> {
        let Entry::Vacant(free) = self.recent.entry(key) else { return Ok(false) };
        let last = match self.last {
            Some(last) => last,
            None => *self.last.insert(last_of(connection)?),
        };
        if last.is_some_and(|last| key <= last) && is_written(connection, &key)? {
            return Ok(false);
        }
        free.insert(seq);
        Ok(true)
    }

    /// Where the rows with keys in this range are, in the order of the keys.
    pub(super) fn find(&self, connection: &Connection, range: &RangeInclusive<Key>) -> Result<Vec<Seq>, Error> {
        let mut statement = connection.prepare_cached("SELECT key, seq FROM key WHERE key BETWEEN ? AND ?")?;
        let mut rows = statement.query([&*range.start().bytes(), &*range.end().bytes()])?;
        let mut found: BTreeMap<Key, Seq> = self.recent.range(range.clone()).map(|(key, seq)| (*key, *seq)).collect();
        while let Some(row) = rows.next()? {
            let key = row.get_ref(0)?.as_blob().ok().and_then(Key::from_bytes);
            found.insert(key.ok_or_else(|| corrupt("a key is none"))?, Seq(unsigned(row.get(1)?)?));
        }
        Ok(found.into_values().collect())
    }

    /// The key of the row at a position, which must be searched for.
    pub(super) fn of(&self, connection: &Connection, seq: Seq) -> Result<Option<Key>, Error> {
        if let Some((key, _)) = self.recent.iter().find(|(_, at)| **at == seq) {
            return Ok(Some(*key));
        }
        let mut statement = connection.prepare_cached("SELECT key FROM key WHERE seq = ?")?;
        let key = statement.query_row([signed(seq.0)?], |row| Ok(Key::from_bytes(row.get_ref(0)?.as_blob()?)));
        Ok(key.optional()?.flatten())
    }

    /// Within the transaction: writes those that the table does not have yet, and forgets those of the bulk write before.
    pub(super) fn write(&mut self, connection: &Connection, up_to: Seq) -> Result<(), Error> {
        let written_to = self.written_to;
        let (old, recent): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.recent).into_iter().partition(|(_, seq)| *seq <= written_to);
        self.last = self.last.map(|last| last.max(old.last().map(|(key, _)| *key)));
        bulk::insert(connection, "INSERT INTO key (key, seq)", 2, &recent, |(key, seq), values| {
            values.push(&*key.bytes())?;
            values.push(signed(seq.0)?)
        })?;
        self.recent = recent.into_iter().collect();
        self.written_to = up_to;
        Ok(())
    }

    /// How many keys the table has.
    pub(super) fn written(connection: &Connection) -> Result<u64, Error> {
        unsigned(connection.query_row("SELECT count(*) FROM key", [], |row| row.get(0))?)
    }
}

fn last_of(connection: &Connection) -> Result<Option<Key>, Error> {
    let last = connection.query_row("SELECT max(key) FROM key", [], |row| row.get::<_, Option<Vec<u8>>>(0))?;
    last.map(|key| Key::from_bytes(&key).ok_or_else(|| corrupt("a key is none"))).transpose()
}

fn is_written(connection: &Connection, key: &Key) -> Result<bool, Error> {
    Ok(connection.prepare_cached("SELECT 1 FROM key WHERE key = ?")?.exists([&*key.bytes()])?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use remit_core::id::TransferId;

    use super::*;

    /// Whatever order keys come in, and whenever they are written, they are told from those that are not there.
    #[test]
    fn every_key_is_known_and_no_other() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE key (key BLOB PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID")
            .unwrap();
        let (mut keys, mut noted) = (Keys::default(), BTreeSet::new());
        let mut number = 1_u64;
        for seq in 1..=3_000 {
            // Now in order, now anywhere.
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let id = if number >> 63 == 0 { seq * 3 } else { (number >> 33) % 12_000 };
            let key = Key::transfer(TransferId(u128::from(id).to_be_bytes()), 1);
            let is_new = keys.note(&connection, key, Seq(seq)).unwrap();
            assert_eq!(is_new, noted.insert(key), "{key:?} at {seq}");
            if is_new {
                assert_eq!(keys.find(&connection, &(key..=key)).unwrap(), [Seq(seq)]);
                assert_eq!(keys.of(&connection, Seq(seq)).unwrap(), Some(key));
            }
            if number.is_multiple_of(97) {
                keys.write(&connection, Seq(seq)).unwrap();
                assert_eq!(keys.find(&connection, &(key..=key)).unwrap().len(), 1);
            }
        }
        keys.write(&connection, Seq(u64::MAX)).unwrap();
        assert_eq!(Keys::written(&connection).unwrap(), noted.len() as u64);
    }
}
