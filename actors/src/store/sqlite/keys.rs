//! The keys of all rows, for ever: those of the newest rows in memory, all others in a table that is written in bulk.
//!
//! So a commit does not touch the table, and a key that is new is mostly known to be new without asking it: new ids are ordered
//! by time, so they fall where no key has been written yet. That is found out by asking, never taken from the id's own time.

use std::{collections::BTreeMap, ops::RangeInclusive};

use remit_core::id::Seq;
use rusqlite::{Connection, OptionalExtension};

use super::{signed, unsigned};
use crate::store::{Error, journal::corrupt, key::Key};

/// Which keys there are.
#[derive(Default)]
pub(super) struct Keys {
    /// Those of rows that the table does not have yet.
    recent: BTreeMap<Key, Seq>,
    /// Up to which row all are known, if any are.
    known_to: Option<Seq>,
    gap: Option<Gap>,
}

/// Two neighbours in the table: no key between them is in it.
#[derive(Clone, Copy, Debug)]
struct Gap {
    after: Option<Key>,
    before: Option<Key>,
}

impl Gap {
    fn has(&self, key: &Key) -> bool {
        self.after.is_none_or(|after| after < *key) && self.before.is_none_or(|before| *key < before)
    }
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

    /// Takes in a row's key.
    pub(super) fn note(&mut self, key: Key, seq: Seq) {
        self.recent.insert(key, seq);
    }

    /// Whether a row has this key.
    pub(super) fn has(&mut self, connection: &Connection, key: &Key) -> Result<bool, Error> {
        if self.recent.contains_key(key) {
            return Ok(true);
        }
        if self.gap.is_some_and(|gap| gap.has(key)) {
            return Ok(false);
        }
        let beside = |sql: &str| -> Result<Option<Key>, Error> {
            let found = connection
                .prepare_cached(sql)?
                .query_row([key.as_bytes()], |row| Ok(Key::from_bytes(row.get_ref(0)?.as_blob()?)))
                .optional()?;
            found.map(|key| key.ok_or_else(|| corrupt("a key is longer than any"))).transpose()
        };
        let after = beside("SELECT key FROM key WHERE key <= ? ORDER BY key DESC LIMIT 1")?;
        if after == Some(*key) {
            return Ok(true);
        }
        let before = beside("SELECT key FROM key WHERE key > ? ORDER BY key LIMIT 1")?;
        self.gap = Some(Gap { after, before });
        Ok(false)
    }

    /// Where the rows with keys in this range are, in the order of the keys.
    pub(super) fn find(&self, connection: &Connection, range: &RangeInclusive<Key>) -> Result<Vec<Seq>, Error> {
        let mut statement = connection.prepare_cached("SELECT key, seq FROM key WHERE key BETWEEN ? AND ?")?;
        let mut rows = statement.query([range.start().as_bytes(), range.end().as_bytes()])?;
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

    /// Within the transaction: writes those that the table does not have yet.
    pub(super) fn write(&mut self, connection: &Connection) -> Result<(), Error> {
        let mut statement = connection.prepare_cached("INSERT INTO key (key, seq) VALUES (?, ?)")?;
        for (key, seq) in std::mem::take(&mut self.recent) {
            statement.execute((key.as_bytes(), signed(seq.0)?))?;
            if let Some(gap) = self.gap.as_mut().filter(|gap| gap.has(&key)) {
                // Keys come in their order, so the gap that is left is above all that were written.
                gap.after = Some(key);
            }
        }
        Ok(())
    }

    /// How many keys the table has.
    pub(super) fn written(connection: &Connection) -> Result<u64, Error> {
        unsigned(connection.query_row("SELECT count(*) FROM key", [], |row| row.get(0))?)
    }
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
            let is_there = keys.has(&connection, &key).unwrap();
            assert_eq!(is_there, noted.contains(&key), "{key:?} at {seq}");
            if !is_there {
                keys.note(key, Seq(seq));
                noted.insert(key);
                assert_eq!(keys.find(&connection, &(key..=key)).unwrap(), [Seq(seq)]);
                assert_eq!(keys.of(&connection, Seq(seq)).unwrap(), Some(key));
            }
            if number.is_multiple_of(97) {
                keys.write(&connection).unwrap();
                assert_eq!(keys.find(&connection, &(key..=key)).unwrap().len(), 1);
            }
        }
        keys.write(&connection).unwrap();
        assert_eq!(Keys::written(&connection).unwrap(), noted.len() as u64);
    }
}
