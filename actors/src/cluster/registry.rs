//! What a node commits of the deployment beside its journals: who claimed what last, or was about to, and who is a member (R18).
//!
//! Should the broker lose everything, these are how the deployment knows whose file is the newest one, and whether it is there.

use std::path::Path;

use parking_lot::Mutex;
use remit_core::id::Epoch;
use rusqlite::{Connection, OptionalExtension};

use super::wire::{Claimed, Claims, Known};
use crate::store::Error;

/// "RMNR": a node's registry.
const APPLICATION_ID: i64 = 0x524d_4e52;
const FORMAT: i64 = 1;

/// A node's registry, in a file of its own.
#[derive(Debug)]
pub struct Registry(Mutex<Connection>);

impl Registry {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// It is another program's, or a newer version's; or SQLite failed.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let connection = Connection::open(path)?;
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        match (pragma("application_id")?, pragma("user_version")?) {
            (0, 0) | (APPLICATION_ID, FORMAT) => {}
            (APPLICATION_ID, format) => {
                let what = format!("{} has format {format}, this version knows {FORMAT}", path.display());
                return Err(Error::Foreign { what });
            }
            _ => return Err(Error::Foreign { what: format!("{} is no registry of a node", path.display()) }),
        }
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS claim (journal TEXT PRIMARY KEY, epoch INTEGER NOT NULL, node TEXT NOT NULL) STRICT;
            CREATE TABLE IF NOT EXISTS announced (journal TEXT PRIMARY KEY, epoch INTEGER NOT NULL, node TEXT NOT NULL) STRICT;
            CREATE TABLE IF NOT EXISTS member (node TEXT PRIMARY KEY) STRICT;
            CREATE TABLE IF NOT EXISTS this (id TEXT NOT NULL) STRICT;
            PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};"
        ))?;
        Ok(Self(Mutex::new(connection)))
    }

    /// The id of the folder that it is in: this one, unless it has one already.
    ///
    /// # Errors
    /// SQLite failed.
    pub fn id_or(&self, new: &str) -> Result<String, Error> {
        let connection = self.0.lock();
        connection.execute("INSERT INTO this (id) SELECT ? WHERE NOT EXISTS (SELECT * FROM this)", [new])?;
        Ok(connection.query_row("SELECT id FROM this", [], |row| row.get(0))?)
    }

    /// Commits what is newer, or not there yet. When it returns, all of it is on disk.
    ///
    /// # Errors
    /// SQLite failed.
    pub fn learn(&self, known: &Known) -> Result<(), Error> {
        let mut connection = self.0.lock();
        let transaction = connection.transaction()?;
        {
            for (table, claims) in [("claim", &known.claims), ("announced", &known.announced)] {
                let mut claim = transaction.prepare_cached(&format!(
                    "INSERT INTO {table} (journal, epoch, node) VALUES (?, ?, ?)
                    ON CONFLICT (journal) DO UPDATE SET epoch = excluded.epoch, node = excluded.node WHERE excluded.epoch > epoch",
                ))?;
                for Claimed { journal, epoch, node } in claims {
                    claim.execute((journal, i64::try_from(epoch.0).unwrap_or(i64::MAX), node))?;
                }
            }
            let mut member = transaction.prepare_cached("INSERT OR IGNORE INTO member (node) VALUES (?)")?;
            for node in &known.members {
                member.execute([node])?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// What is known of the claims of a journal.
    ///
    /// # Errors
    /// SQLite failed.
    pub fn claims_of(&self, journal: &str) -> Result<Claims, Error> {
        let connection = self.0.lock();
        let newest = |table| {
            let query = format!("SELECT journal, epoch, node FROM {table} WHERE journal = ?");
            connection.prepare_cached(&query)?.query_row([journal], claimed).optional()
        };
        Ok(Claims { announced: newest("announced")?, served: newest("claim")? })
    }

    /// All of it.
    ///
    /// # Errors
    /// SQLite failed.
    pub fn known(&self) -> Result<Known, Error> {
        let connection = self.0.lock();
        let all = |table| {
            let query = format!("SELECT journal, epoch, node FROM {table} ORDER BY journal");
            connection.prepare_cached(&query)?.query_map([], claimed)?.collect::<Result<_, _>>()
        };
        let (claims, announced) = (all("claim")?, all("announced")?);
        let mut members = connection.prepare_cached("SELECT node FROM member ORDER BY node")?;
        let members = members.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(Known { claims, announced, members })
    }
}

fn claimed(row: &rusqlite::Row<'_>) -> rusqlite::Result<Claimed> {
    let epoch: i64 = row.get(1)?;
    Ok(Claimed { journal: row.get(0)?, epoch: Epoch(u64::try_from(epoch).unwrap_or(0)), node: row.get(2)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(journal: &str, epoch: u64, node: &str) -> Claimed {
        Claimed { journal: journal.into(), epoch: Epoch(epoch), node: node.into() }
    }

    #[test]
    fn r18_the_newest_claim_stays_whatever_order_they_are_heard_in_and_through_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.db");
        let registry = Registry::open(&path).unwrap();
        let members = vec!["n2".into(), "n1".into()];
        let announced = vec![claim("s0", 9, "n1"), claim("s0", 8, "n2")];
        registry
            .learn(&Known { claims: vec![claim("s0", 3, "n1"), claim("m0", 1, "n2")], announced, members })
            .unwrap();
        registry
            .learn(&Known {
                claims: vec![claim("s0", 2, "n2"), claim("m0", 4, "n1")],
                members: vec!["n1".into()],
                ..Known::default()
            })
            .unwrap();
        assert_eq!(registry.id_or("a").unwrap(), "a");
        drop(registry);
        let registry = Registry::open(&path).unwrap();
        assert_eq!(registry.id_or("b").unwrap(), "a");
        let claims = Claims { announced: Some(claim("s0", 9, "n1")), served: Some(claim("s0", 3, "n1")) };
        assert_eq!(registry.claims_of("s0").unwrap(), claims);
        assert_eq!(registry.claims_of("s1").unwrap(), Claims::default());
        let known = Known {
            claims: vec![claim("m0", 4, "n1"), claim("s0", 3, "n1")],
            announced: vec![claim("s0", 9, "n1")],
            members: vec!["n1".into(), "n2".into()],
        };
        assert_eq!(registry.known().unwrap(), known);
    }

    #[test]
    fn another_programs_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.db");
        Connection::open(&path).unwrap().execute_batch("PRAGMA application_id = 7; CREATE TABLE t (x)").unwrap();
        assert!(matches!(Registry::open(&path), Err(Error::Foreign { .. })));
        let newer = folder.path().join("newer.db");
        drop(Registry::open(&newer).unwrap());
        Connection::open(&newer).unwrap().pragma_update(None, "user_version", 2).unwrap();
        let refused = Registry::open(&newer).unwrap_err().to_string();
        assert!(refused.contains("has format 2, this version knows 1"), "{refused}");
    }
}
