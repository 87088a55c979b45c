//! The databases of all nodes tell one history: each file of a journal is a beginning of the longest one, under the same claims, and
//! what a claim begins no older one goes on (R12, R15).

use std::path::Path;

use rusqlite::{Connection, OpenFlags, types::Value};

use crate::deployment::{Deployment, MANAGERS, SHARDS};

/// A file of a journal.
struct File {
    node: String,
    /// Epoch and first row.
    claims: Vec<(i64, i64)>,
    rows: Vec<Vec<Value>>,
}

/// Compares all files of all journals.
pub(crate) fn is_one(deployment: &Deployment) {
    let shards = (0..SHARDS).map(|no| format!("shards/s{no}.db"));
    for journal in shards.chain((0..MANAGERS).map(|no| format!("managers/m{no}.db"))) {
        let folders = deployment.folders();
        let files = folders.iter().map(|(node, folder)| (node, folder.join(&journal)));
        let files: Vec<File> = files.filter(|(_, path)| path.exists()).map(|(node, path)| read(node, &path)).collect();
        let longest = files.iter().max_by_key(|file| file.rows.len()).unwrap();
        for file in &files {
            let of = format!("{journal} of {}, beside {}'s", file.node, longest.node);
            let differs = file.rows.iter().zip(&longest.rows).position(|(here, there)| here != there);
            let rows = differs.map(|at| (&file.rows[at], &longest.rows[at]));
            assert!(differs.is_none(), "{of}: another row: {rows:?}; claims: {:?}, {:?}", file.claims, longest.claims);
            let ends = i64::try_from(file.rows.len()).unwrap();
            let claims: Vec<_> = longest.claims.iter().filter(|(_, first)| *first <= ends).copied().collect();
            assert_eq!(file.claims, claims, "{of}");
        }
        let claims = &longest.claims;
        assert!(claims.is_sorted_by(|one, next| one.0 < next.0 && one.1 < next.1), "{journal}: {claims:?}");
    }
}

fn read(node: &str, path: &Path) -> File {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut claims = connection.prepare("SELECT epoch, seq FROM claim ORDER BY epoch").unwrap();
    let claims = claims.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
    let mut rows = connection.prepare("SELECT * FROM journal ORDER BY seq").unwrap();
    let columns = rows.column_count();
    let cells = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column)).collect();
    let rows = rows.query_map([], cells).unwrap().map(Result::unwrap).collect();
    File { node: node.to_owned(), claims, rows }
}
