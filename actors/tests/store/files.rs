//! A deployment's files, looked at from outside, as a person with `sqlite3` would.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use remit_actors::store::line::Columns;
use rusqlite::Connection;
use serde_json::Value;

/// The database files in a folder, by name.
pub(crate) fn databases(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "db"));
    paths.sort();
    paths
}

pub(crate) fn is_shard(path: &Path) -> bool {
    path.file_name().unwrap().to_str().unwrap().starts_with('s')
}

/// How many rows a table has.
pub(crate) fn count(path: &Path, table: &str) -> i64 {
    let connection = Connection::open(path).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// What SQLite itself says of the file.
pub(crate) fn integrity(path: &Path) -> String {
    let connection = Connection::open(path).unwrap();
    connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap()
}

/// The view `balance`: posted, held and incoming of each account and kind.
pub(crate) fn balances(path: &Path) -> BTreeMap<(String, String), [i64; 3]> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT account, kind, posted, held, incoming FROM balance").unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut balances = BTreeMap::new();
    while let Some(row) = rows.next().unwrap() {
        let key = (row.get(0).unwrap(), row.get(1).unwrap());
        let money = [row.get(2).unwrap(), row.get(3).unwrap(), row.get(4).unwrap()];
        assert_eq!(balances.insert(key, money), None, "an account stands in the view twice");
    }
    balances
}

/// Changes a file behind the back of its owner, who has closed it.
pub(crate) fn execute(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

/// The place of a column in a row's line.
pub(crate) fn column<E: Columns>(name: &str) -> usize {
    E::COLUMNS.iter().position(|column| *column == name).map(|place| place + 1).unwrap()
}

/// Changes one row of a journal behind the back of its owner: its line, as the values of a JSON array.
pub(crate) fn edit_row(path: &Path, seq: i64, edit: impl FnOnce(&mut Vec<Value>)) {
    let connection = Connection::open(path).unwrap();
    let of_chunk = "SELECT last, rows FROM chunk WHERE last >= ? ORDER BY last LIMIT 1";
    let (last, rows): (i64, String) =
        connection.query_row(of_chunk, [seq], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let mut lines: Vec<String> = rows.split(",\n").map(str::to_owned).collect();
    let place = lines.len() - 1 - usize::try_from(last - seq).unwrap();
    let mut values: Vec<Value> = serde_json::from_str(&lines[place]).unwrap();
    edit(&mut values);
    lines[place] = serde_json::to_string(&values).unwrap();
    connection.execute("UPDATE chunk SET rows = ? WHERE last = ?", (lines.join(",\n"), last)).unwrap();
}

/// Where a row is that has this in these columns.
pub(crate) fn row_where(path: &Path, condition: &str) -> i64 {
    let connection = Connection::open(path).unwrap();
    connection.query_row(&format!("SELECT seq FROM journal WHERE {condition}"), [], |row| row.get(0)).unwrap()
}

/// A folder for files that are thrown away: in memory where the system has such a place, since flushing is most of the time.
pub(crate) fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}
