//! A row of a journal as a line of text: a JSON array, whose places are columns.
//!
//! This is the one form that rows have on disk and that the hash chain goes over, so `sqlite3` reads them, and any tool that
//! knows SHA-256 can check them. The same row is always the same line. What stands empty at the end is left out.

pub(crate) mod legs;
mod shard;
mod transfer;

use std::{borrow::Cow, fmt, io::Write as _};

use remit_core::id::{Seq, Time, TransferId};
use serde::{Deserialize, Deserializer, de};

use super::{
    Error,
    journal::corrupt,
    row::{JournalEntry, Row},
};

/// Between two lines. No line has a line break in it, for JSON writes those of texts otherwise.
pub const SEPARATOR: &[u8] = b",\n";

/// An entry that knows its columns.
pub trait Columns: Sized {
    /// The names of the columns, after `at`.
    const COLUMNS: &'static [&'static str];

    /// Writes the columns in their order.
    fn write(&self, line: &mut Writer<'_>);

    /// Reads the columns in their order.
    ///
    /// # Errors
    /// A column can't be right.
    fn read(line: &mut Reader<'_>) -> Result<Self, Error>;
}

/// Appends a row's line, with a separator before it unless it is the first. Its position is not in it: that is where it stands.
pub fn append<E: JournalEntry>(row: &Row<E>, to: &mut Vec<u8>) {
    if !to.is_empty() {
        to.extend_from_slice(SEPARATOR);
    }
    let mut line = Writer::new(to);
    line.int(row.at.0);
    row.entry.write(&mut line);
    line.end();
}

/// Reads the line of the row at a position. One that says more than was ever written, or says it otherwise, is as corrupt as
/// one that can't be read.
///
/// # Errors
/// It is corrupt.
pub fn read<E: JournalEntry>(seq: Seq, line: &[u8]) -> Result<Row<E>, Error> {
    let entry = || {
        let fields: Vec<Field<'_>> = serde_json::from_slice(line).map_err(|error| corrupt(error.to_string()))?;
        let mut columns = Reader { fields: fields.into_iter(), place: 0, names: E::COLUMNS };
        let (at, entry) = (Time(columns.int()?), E::read(&mut columns)?);
        let row = Row { seq, at, entry };
        let mut written = Vec::with_capacity(line.len());
        append(&row, &mut written);
        if written == line { Ok(row) } else { Err(corrupt("it is not as it was written")) }
    };
    entry().map_err(|error| match error {
        Error::Corrupt { what } => corrupt(format!("row {}: {what}", seq.0)),
        error => error,
    })
}

/// Writes one column after the other.
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// Whether a value stands before the next one.
    follows: bool,
    /// Empty columns that are not written yet: only if a value follows.
    empty: usize,
}

impl<'a> Writer<'a> {
    fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(b'[');
        Self { out, follows: false, empty: 0 }
    }

    fn end(self) {
        self.out.push(b']');
    }

    fn next(&mut self) {
        for _ in 0..std::mem::take(&mut self.empty) {
            if std::mem::replace(&mut self.follows, true) {
                self.out.push(b',');
            }
            self.out.extend_from_slice(b"null");
        }
        if std::mem::replace(&mut self.follows, true) {
            self.out.push(b',');
        }
    }

    /// A whole number.
    pub fn int(&mut self, value: impl Into<i64>) {
        self.next();
        self.out.extend_from_slice(itoa::Buffer::new().format(value.into()).as_bytes());
    }

    /// A position or an epoch, which are below 2^63 wherever they are recorded.
    pub fn count(&mut self, value: u64) {
        self.int(value.cast_signed());
    }

    /// How often something happened; never stands empty.
    pub fn positive(&mut self, value: u32) {
        if value == 0 { self.none(1) } else { self.int(value) }
    }

    /// A word of ours, or an id: nothing in it needs to be escaped.
    pub fn word(&mut self, word: &str) {
        debug_assert!(!word.contains(|c: char| c == '"' || c == '\\' || c.is_control()), "{word}");
        self.next();
        self.out.push(b'"');
        self.out.extend_from_slice(word.as_bytes());
        self.out.push(b'"');
    }

    /// A text that a client wrote.
    pub fn text(&mut self, text: &str) {
        self.next();
        serde_json::to_writer(&mut *self.out, text).expect("memory takes all bytes");
    }

    /// The id of a transfer or of an account command, as people write it.
    pub fn id(&mut self, id: TransferId) {
        self.next();
        self.out.push(b'"');
        write!(self.out, "{id}").expect("memory takes all bytes");
        self.out.push(b'"');
    }

    /// A text that is built of words of ours.
    fn words(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.next();
        self.out.push(b'"');
        write(self.out);
        self.out.push(b'"');
    }

    /// Leaves columns empty.
    pub fn none(&mut self, columns: usize) {
        self.empty += columns;
    }

    /// One column, which may be empty.
    pub fn maybe<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => write(self, value),
            None => self.none(1),
        }
    }
}

/// Reads one column after the other.
pub struct Reader<'a> {
    fields: std::vec::IntoIter<Field<'a>>,
    place: usize,
    names: &'static [&'static str],
}

/// What can stand in a column.
#[derive(Debug)]
enum Field<'a> {
    Empty,
    Int(i64),
    Text(Cow<'a, str>),
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Field<'a> {
        self.place += 1;
        self.fields.next().unwrap_or(Field::Empty)
    }

    /// What is wrong with the column that was read last.
    fn wrong(&self, field: &Field<'_>) -> Error {
        let column = self.place.checked_sub(2).and_then(|place| self.names.get(place)).copied().unwrap_or("at");
        corrupt(match field {
            Field::Empty => format!("its column {column} is empty"),
            Field::Int(value) => format!("its column {column} says {value}"),
            Field::Text(text) => format!("its column {column} says '{text}'"),
        })
    }

    /// Passes over columns that stand empty.
    pub fn skip(&mut self, columns: usize) {
        (0..columns).for_each(|_| drop(self.next()));
    }

    /// A whole number.
    ///
    /// # Errors
    /// None stands there.
    pub fn int(&mut self) -> Result<i64, Error> {
        match self.next() {
            Field::Int(value) => Ok(value),
            field => Err(self.wrong(&field)),
        }
    }

    /// A whole number, if one stands there.
    ///
    /// # Errors
    /// Something else does.
    pub fn maybe_int(&mut self) -> Result<Option<i64>, Error> {
        match self.next() {
            Field::Empty => Ok(None),
            Field::Int(value) => Ok(Some(value)),
            field => Err(self.wrong(&field)),
        }
    }

    /// A whole number of a narrower type.
    ///
    /// # Errors
    /// None stands there.
    pub fn small<T: TryFrom<i64>>(&mut self) -> Result<T, Error> {
        let value = self.int()?;
        T::try_from(value).map_err(|_| self.wrong(&Field::Int(value)))
    }

    /// A whole number of a narrower type, if one stands there.
    ///
    /// # Errors
    /// Something else does.
    pub fn maybe_small<T: TryFrom<i64>>(&mut self) -> Result<Option<T>, Error> {
        let Some(value) = self.maybe_int()? else { return Ok(None) };
        T::try_from(value).map(Some).map_err(|_| self.wrong(&Field::Int(value)))
    }

    /// How often something happened: 0 where the column is empty.
    ///
    /// # Errors
    /// Something else stands there.
    pub fn positive(&mut self) -> Result<u32, Error> {
        Ok(self.maybe_small()?.unwrap_or(0))
    }

    /// What a text says.
    ///
    /// # Errors
    /// None stands there, or one that can't be.
    pub fn word<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Error> {
        match self.next() {
            Field::Text(text) => parse(&text).ok_or_else(|| self.wrong(&Field::Text(text))),
            field => Err(self.wrong(&field)),
        }
    }

    /// What a text says, if one stands there.
    ///
    /// # Errors
    /// Something else does, or one that can't be.
    pub fn maybe_word<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Error> {
        match self.next() {
            Field::Empty => Ok(None),
            Field::Text(text) => parse(&text).map(Some).ok_or_else(|| self.wrong(&Field::Text(text))),
            field @ Field::Int(_) => Err(self.wrong(&field)),
        }
    }
}

impl<'de> Deserialize<'de> for Field<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Field<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, a text or null")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Field<'de>, E> {
                Ok(Field::Empty)
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Field<'de>, E> {
                Ok(Field::Int(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Field<'de>, E> {
                i64::try_from(value).map(Field::Int).map_err(|_| E::custom(format_args!("{value} leaves 63 bits")))
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Field<'de>, E> {
                Ok(Field::Text(text.into()))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Field<'de>, E> {
                Ok(Field::Text(text.to_owned().into()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests;
