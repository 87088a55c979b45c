//! What stands in a database file, read past everything that is tested here.

use std::{collections::BTreeMap, path::Path};

use remit_core::id::TransferId;
use rusqlite::{Connection, types::Value};

/// A file's rows, as SQLite has them.
#[derive(Debug, PartialEq)]
pub(crate) struct Contents {
    /// The journal's lines, by position.
    pub(crate) rows: BTreeMap<i64, String>,
    /// The links of the hash chain, by position.
    pub(crate) links: BTreeMap<i64, Value>,
    /// All other tables, the one of keys included, but for `meta`'s epoch, which may have gaps.
    pub(crate) tables: BTreeMap<String, Vec<Vec<Value>>>,
    /// Up to where the tables stand, if the file says it.
    flushed: Option<i64>,
}

impl Contents {
    pub(crate) fn read(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        let rows = |sql: &str| -> rusqlite::Result<Vec<Vec<Value>>> {
            let mut statement = connection.prepare(sql)?;
            let width = statement.column_count();
            statement.query_map([], |row| (0..width).map(|at| row.get(at)).collect())?.collect()
        };
        let (mut lines, mut links) = (BTreeMap::new(), BTreeMap::new());
        for chunk in rows("SELECT last, link, rows FROM chunk")? {
            let [Value::Integer(last), link, Value::Text(text)] = &chunk[..] else { continue };
            let of_chunk: Vec<&str> = text.split(",\n").collect();
            // A position may have been made the greatest there is, or the least.
            let first = last.saturating_sub(i64::try_from(of_chunk.len()).expect("a chunk is short") - 1);
            let at = |place: usize| first.saturating_add(i64::try_from(place).expect("a chunk is short"));
            lines.extend(of_chunk.into_iter().enumerate().map(|(place, line)| (at(place), line.to_owned())));
            if *link != Value::Null {
                links.insert(*last, link.clone());
            }
        }
        let mut tables = BTreeMap::new();
        for name in rows("SELECT name FROM sqlite_schema WHERE type = 'table' AND name IS NOT 'chunk'")? {
            let [Value::Text(name)] = &name[..] else { continue };
            let filter = if name == "meta" { "WHERE key IS NOT 'epoch'" } else { "" };
            tables.insert(name.clone(), rows(&format!("SELECT * FROM \"{name}\" {filter}"))?);
        }
        let flushed = rows("SELECT value FROM meta WHERE key = 'flushed'")?;
        let flushed = match flushed.first().map(|row| &row[..]) {
            Some([Value::Integer(seq)]) => Some(*seq),
            _ => None,
        };
        Ok(Self { rows: lines, links, tables, flushed })
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

    /// The lines about a transfer, each with where it stands: one that has moved is not found by its key any more.
    pub(crate) fn about(&self, id: &TransferId) -> impl Iterator<Item = (&i64, &String)> {
        let id = id.to_string();
        self.rows.iter().filter(move |(_, line)| line.contains(&id))
    }
}
