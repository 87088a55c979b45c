//! The columns of a table's row, read one after the other.

use crate::store::{Error, journal::corrupt};

/// Reads one column after the other.
pub(super) struct Cells<'a, 'r> {
    row: &'a rusqlite::Row<'r>,
    at: usize,
}

impl<'a, 'r> Cells<'a, 'r> {
    /// Those of a row, from the first one on.
    pub(super) fn of(row: &'a rusqlite::Row<'r>) -> Self {
        Self { row, at: 0 }
    }

    /// The next column.
    ///
    /// # Errors
    /// It is of another type.
    pub(super) fn column<T: rusqlite::types::FromSql>(&mut self) -> Result<T, Error> {
        self.at += 1;
        Ok(self.row.get(self.at - 1)?)
    }

    /// Reads the next column's word.
    ///
    /// # Errors
    /// It is of another type, or no such word.
    pub(super) fn word<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Error> {
        let at = self.at;
        self.at += 1;
        let column = || self.row.as_ref().column_name(at).unwrap_or_default();
        let word = self.row.get_ref(at)?.as_str().map_err(|error| corrupt(format!("column {}: {error}", column())))?;
        parse(word).ok_or_else(|| corrupt(format!("column {} says '{word}'", column())))
    }
}
