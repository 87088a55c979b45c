//! What stands in a database file, read past everything that is tested here.

use std::{collections::BTreeMap, path::Path};

use remit_core::id::TransferId;
use rusqlite::{Connection, types::Value};

/// A file's rows, as SQLite has them.
#[derive(Debug, PartialEq)]
pub(crate) struct Contents {
    /// The journal, by position.
    pub(crate) rows: BTreeMap<i64, Vec<Value>>,
    /// The links of the hash chain, by position.
    pub(crate) links: BTreeMap<i64, Value>,
    /// All other tables, but for `meta`'s epoch, which may have gaps.
    pub(crate) tables: BTreeMap<String, Vec<Vec<Value>>>,
    /// Up to where the tables stand, if the file says it.
    flushed: Option<i64>,
    transfer_column: usize,
}

impl Contents {
    pub(crate) fn read(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        let rows = |sql: &str| -> rusqlite::Result<Vec<Vec<Value>>> {
            let mut statement = connection.prepare(sql)?;
            let width = statement.column_count();
            statement.query_map([], |row| (0..width).map(|at| row.get(at)).collect())?.collect()
        };
        let by_position = |sql| -> rusqlite::Result<BTreeMap<i64, Vec<Value>>> {
            let keyed = |row: Vec<Value>| match row.first() {
                Some(Value::Integer(seq)) => Some((*seq, row)),
                _ => None,
            };
            Ok(rows(sql)?.into_iter().filter_map(keyed).collect())
        };
        let mut tables = BTreeMap::new();
        for name in rows("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('journal', 'chain')")? {
            let [Value::Text(name)] = &name[..] else { continue };
            let filter = if name == "meta" { "WHERE key IS NOT 'epoch'" } else { "" };
            tables.insert(name.clone(), rows(&format!("SELECT * FROM \"{name}\" {filter}"))?);
        }
        let flushed = rows("SELECT value FROM meta WHERE key = 'flushed'")?;
        let flushed = match flushed.first().map(|row| &row[..]) {
            Some([Value::Integer(seq)]) => Some(*seq),
            _ => None,
        };
        let links = by_position("SELECT seq, hash FROM chain")?;
        let links = links.into_iter().filter_map(|(seq, row)| Some((seq, row.into_iter().nth(1)?))).collect();
        let named = connection.prepare("SELECT * FROM journal")?.column_index("transfer")?;
        Ok(Self { rows: by_position("SELECT * FROM journal")?, links, tables, flushed, transfer_column: named })
    }

    /// Whether any row or link above the bulk write is another, but for whole commits that are gone from the end.
    pub(crate) fn tail_differs(&self, after: &Self) -> bool {
        match self.flushed {
            Some(flushed) if after.flushed == Some(flushed) => !self.has_beginning(after, flushed + 1),
            _ => false,
        }
    }

    /// Whether only whole commits are gone from the end, or nothing is.
    pub(crate) fn is_cut(&self, after: &Self) -> bool {
        self.has_beginning(after, 0)
    }

    /// Whether another journal, from a row on, is this one, up to some link.
    fn has_beginning(&self, after: &Self, from: i64) -> bool {
        fn begins<V: PartialEq>(all: &BTreeMap<i64, V>, some: &BTreeMap<i64, V>, from: i64) -> bool {
            let count = some.range(from..).count();
            some.range(from..).eq(all.range(from..).take(count))
        }
        after.rows.keys().next_back() == after.links.keys().next_back()
            && begins(&self.rows, &after.rows, from)
            && begins(&self.links, &after.links, from)
    }

    /// The rows about a transfer.
    pub(crate) fn rows_of(&self, id: &TransferId) -> Vec<&Vec<Value>> {
        let about = |row: &&Vec<Value>| matches!(&row[self.transfer_column], Value::Blob(blob) if blob[..] == id.0);
        self.rows.values().filter(about).collect()
    }

    /// Where a transfer begins.
    pub(crate) fn begins(&self, id: &TransferId) -> Option<&Value> {
        self.rows_of(id).first().map(|row| &row[0])
    }
}
