//! Many rows in one statement, which costs a fraction of a statement for each.

use rusqlite::{CachedStatement, Connection, ToSql};

use crate::store::Error;

/// Rows of one statement. More gain little, and what is left over goes in one by one.
const ROWS_MAX: usize = 64;

/// Takes one row's values, in the order of the columns.
pub(crate) struct Values<'a> {
    statement: CachedStatement<'a>,
    bound: usize,
}

impl Values<'_> {
    /// The next value.
    pub(crate) fn push(&mut self, value: impl ToSql) -> Result<(), Error> {
        self.bound += 1;
        Ok(self.statement.raw_bind_parameter(self.bound, value)?)
    }
}

/// Writes rows of so many columns; `insert` is the statement up to its values, and `bind` hands over a row's.
pub(crate) fn insert<T>(
    connection: &Connection,
    insert: &str,
    columns: usize,
    rows: &[T],
    mut bind: impl FnMut(&T, &mut Values<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let row = format!("({})", vec!["?"; columns].join(", "));
    let mut write = |rows_each: usize, rows: &[T]| {
        if rows.is_empty() {
            return Ok(());
        }
        let statement =
            connection.prepare_cached(&format!("{insert} VALUES {}", vec![row.as_str(); rows_each].join(", ")))?;
        let mut values = Values { statement, bound: 0 };
        for rows in rows.chunks(rows_each) {
            values.bound = 0;
            rows.iter().try_for_each(|row| bind(row, &mut values))?;
            values.statement.raw_execute()?;
        }
        Ok(())
    };
    let (many, single) = rows.split_at(rows.len() - rows.len() % ROWS_MAX);
    write(ROWS_MAX, many)?;
    write(1, single)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_rows_is_written_once() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE pair (a INTEGER, b TEXT)").unwrap();
        let mut next = 0;
        for size in [0, 1, 63, 64, 65, 200] {
            let rows: Vec<i64> = (next..next + size).collect();
            next += size;
            insert(&connection, "INSERT INTO pair (b, a)", 2, &rows, |row, values| {
                values.push(format!("<{row}>"))?;
                values.push(row)
            })
            .unwrap();
        }
        let sum = "SELECT count(*), count(DISTINCT a), sum(a), sum(b = '<' || a || '>') FROM pair";
        let found: (i64, i64, i64, i64) =
            connection.query_row(sum, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
        assert_eq!(found, (393, 393, 393 * 392 / 2, 393));
    }
}
