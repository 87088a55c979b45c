//! What is done to a file: statements that change, remove, add and exchange rows and values; or bytes that change.

use std::{fs, path::Path};

use remit_fuzz::choices::Choices;
use rusqlite::{Connection, types::Value};

use crate::lines;

/// The most that is done to one file.
const STEPS_MAX: usize = 3;

/// How it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// Whatever stands in the file is a database that SQLite wrote.
    ByStatements,
    /// SQLite itself may not be able to read it.
    ToBytes,
}

/// Does to a file what the choices say.
pub(crate) fn damage(path: &Path, choices: &mut Choices<'_>) -> Done {
    if choices.once_in(6) {
        change_bytes(path, choices);
        return Done::ToBytes;
    }
    let connection = Connection::open(path).unwrap();
    let tables = Table::all(&connection);
    for _ in 0..=choices.below(STEPS_MAX) {
        // Half of all that is done is done to the journal. What a constraint of the file's own forbids is not done.
        match choices.below(4) {
            0 => drop(lines::change(&connection, choices)),
            1 => drop(tables.iter().find(|table| table.name == "chunk").unwrap().change(&connection, choices)),
            _ => drop(choices.one_of(&tables).change(&connection, choices)),
        }
    }
    connection.close().map_err(|(_, error)| error).unwrap();
    Done::ByStatements
}

fn change_bytes(path: &Path, choices: &mut Choices<'_>) {
    let mut bytes = fs::read(path).unwrap();
    for _ in 0..=choices.below(STEPS_MAX) {
        let at = usize::from(u16::from_le_bytes(choices.array())) * 7 + choices.below(7);
        let at = at % bytes.len();
        match choices.below(4) {
            0 => bytes[at] ^= 1 << choices.below(8),
            1 => bytes[at] = choices.byte(),
            2 => {
                let end = bytes.len().min(at + choices.below(64));
                bytes[at..end].fill(0);
            }
            _ => bytes.truncate(at.max(1) / 4_096 * 4_096),
        }
        if bytes.is_empty() {
            break;
        }
    }
    fs::write(path, bytes).unwrap();
}

struct Table {
    name: String,
    columns: Vec<String>,
    rows: i64,
}

impl Table {
    fn all(connection: &Connection) -> Vec<Self> {
        let texts = |sql: &str| -> Vec<String> {
            let mut statement = connection.prepare(sql).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let names = texts("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name");
        let table = |name: String| Self {
            columns: texts(&format!("SELECT name FROM pragma_table_info('{name}')")),
            rows: connection.query_row(&format!("SELECT count(*) FROM {name}"), [], |row| row.get(0)).unwrap(),
            name,
        };
        names.into_iter().map(table).collect()
    }

    /// The condition that names one row: by its first column, or two where one is not enough.
    fn row(&self, choices: &mut Choices<'_>) -> String {
        let Self { name, columns, rows } = self;
        let key = &columns[0];
        let at = i64::from(choices.byte()) % (*rows).max(1);
        // Newer rows as often as older ones.
        let order = if choices.yes() { "DESC" } else { "ASC" };
        format!("{key} IS (SELECT {key} FROM {name} ORDER BY {key} {order} LIMIT 1 OFFSET {at})")
    }

    fn change(&self, connection: &Connection, choices: &mut Choices<'_>) -> rusqlite::Result<()> {
        let Self { name, columns, .. } = self;
        let (one, other) = (self.row(choices), self.row(choices));
        let (key, column) = (&columns[0], choices.one_of(columns));
        let all = columns.join(", ");
        let sql = match choices.below(12) {
            0..5 => return self.set(connection, column, &one, choices),
            5 => format!("DELETE FROM {name} WHERE {one}"),
            6 => format!("DELETE FROM {name} WHERE {key} > (SELECT {key} FROM {name} WHERE {one})"),
            // The end of the journal is cut off with its links.
            7 => {
                format!("DELETE FROM chunk WHERE last > (SELECT max(last) FROM chunk) - {}", choices.byte() % 24)
            }
            // Two rows, or two values, change places.
            8 => {
                let (a, b) = (
                    format!("(SELECT {key} FROM {name} WHERE {one})"),
                    format!("(SELECT {key} FROM {name} WHERE {other})"),
                );
                format!(
                    "CREATE TEMP TABLE pair AS SELECT {a} AS a, {b} AS b;
                    UPDATE {name} SET {key} = -7 WHERE {key} = (SELECT a FROM pair);
                    UPDATE {name} SET {key} = (SELECT a FROM pair) WHERE {key} = (SELECT b FROM pair);
                    UPDATE {name} SET {key} = (SELECT b FROM pair) WHERE {key} = -7; DROP TABLE pair"
                )
            }
            9 => format!("UPDATE {name} SET {column} = (SELECT {column} FROM {name} WHERE {other}) WHERE {one}"),
            // A row is there again, elsewhere; what is unique about it is left out.
            10 => {
                let far = i64::from(choices.byte() % 4) * 300 + 1;
                let values: Vec<String> = columns
                    .iter()
                    .map(|column| match &**column {
                        "last" | "begun" if column == key => format!("(SELECT max({key}) FROM {name}) + {far}"),
                        "key" if name == "key" => "zeroblob(18)".into(),
                        "id" | "currency" | "key" if column == key => format!("{column} || 'X'"),
                        column => column.to_owned(),
                    })
                    .collect();
                format!("INSERT INTO {name} ({all}) SELECT {} FROM {name} WHERE {one}", values.join(", "))
            }
            _ => {
                let number = choices.number().cast_signed();
                let word = choices.one_of(&["flushed", "epoch"]);
                format!("UPDATE meta SET value = {number} WHERE key = '{word}'")
            }
        };
        connection.execute_batch(&sql)
    }

    /// Another value in one place.
    fn set(&self, connection: &Connection, column: &str, row: &str, choices: &mut Choices<'_>) -> rusqlite::Result<()> {
        let name = &self.name;
        let old: Value =
            connection.query_row(&format!("SELECT {column} FROM {name} WHERE {row}"), [], |row| row.get(0))?;
        let new = match (choices.below(8), old) {
            (0, _) => Value::Null,
            (1, _) => Value::Blob(choices.some(40, Choices::byte)),
            (2, _) => Value::Text((*choices.one_of(&WORDS)).to_owned()),
            (3, Value::Integer(number)) => Value::Integer(number.wrapping_add(1)),
            (4, Value::Integer(number)) => Value::Integer(number.wrapping_sub(1)),
            (_, Value::Integer(_) | Value::Null | Value::Real(_)) => Value::Integer(choices.number().cast_signed()),
            (3.., Value::Blob(mut blob)) => {
                let at = choices.below(blob.len().max(1));
                if let Some(byte) = blob.get_mut(at) {
                    *byte ^= 1 << choices.below(8);
                }
                Value::Blob(blob)
            }
            (3 | 4, Value::Text(text)) => Value::Text(format!("{text}0")),
            (_, Value::Text(text)) => Value::Text(text.chars().skip(1).collect()),
        };
        connection.execute(&format!("UPDATE {name} SET {column} = ? WHERE {row}"), [new]).map(drop)
    }
}

/// Words that stand in some column or other, and numbers at the edge of what can be.
pub(crate) const WORDS: [&str; 24] = [
    "",
    "debited",
    "credited",
    "held",
    "refused",
    "tombstone",
    "posted",
    "released",
    "compensated",
    "started",
    "completed",
    "parked",
    "unreadable",
    "debit",
    "credit",
    "EUR",
    "s0:alice",
    "closing",
    "open",
    "2pc",
    "170141183460469231731687303715884105727",
    "-170141183460469231731687303715884105728",
    "0@0 s0:alice -5 EUR; 1@1 s1:carol +5 EUR",
    "00",
];
