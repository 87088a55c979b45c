//! Records: the lines of a file, cut into named columns, before anything is known of what they mean. Either CSV with a
//! header, or JSON lines, which begin with `{`.
//!
//! Columns that nobody knows are refused, since a misspelt one would otherwise be a payment without memo, or worse; but
//! those that this program itself adds to a file of refused payments are passed over.

use std::{
    fmt,
    io::{self, BufRead},
};

use serde_json::{Map, Value};

use super::{Error, refused, source::Source};

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Record {
    /// From 1, the header included.
    pub(in crate::cli) line: u64,
    /// The columns that are known, and what stands in each of them; `None` if nothing does.
    known: &'static [&'static str],
    fields: Vec<Option<String>>,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Fault {
    /// From 1, the header included.
    pub(in crate::cli) line: u64,
    /// In which column; `None` if it is the line as a whole.
    pub(in crate::cli) column: Option<String>,
    /// A sentence.
    pub(in crate::cli) message: String,
}

/// Why there is no record where one should be.
#[derive(Debug)]
pub(in crate::cli) enum Trouble {
    /// The line is wrong; the next one may be right.
    Fault(Fault),
    /// The file can't be read on.
    Io(io::Error),
}

/// All records of a source, in order.
pub(in crate::cli) struct Records<'s> {
    known: &'static [&'static str],
    lines: Lines<'s>,
}

type Reader<'s> = Box<dyn BufRead + Send + 's>;

enum Lines<'s> {
    /// The known column of each column of the file, and the rest of it.
    Csv(Vec<Option<usize>>, csv::StringRecordsIntoIter<Reader<'s>>),
    Json(io::Lines<Reader<'s>>, u64),
}

impl<'s> Records<'s> {
    /// Begins to read; a header must have all columns that are `needed`, and none but those that are `known`.
    ///
    /// # Errors
    /// The source can't be opened; or, in the inner one, its header is wrong.
    pub(in crate::cli) fn open(
        source: &Source<'s>,
        known: &'static [&'static str],
        needed: &[&str],
    ) -> Result<Result<Self, Fault>, Error> {
        let cant_read = |error| Error::Read { name: source.name(), source: error };
        let mut reader = source.open()?;
        let first = reader.fill_buf().map_err(cant_read)?;
        if first.trim_ascii_start().first() == Some(&b'{') {
            return Ok(Ok(Self { known, lines: Lines::Json(reader.lines(), 0) }));
        }
        let mut csv = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(reader);
        match csv.headers().map_err(trouble).and_then(|header| columns(header, known, needed).map_err(Trouble::Fault)) {
            Ok(columns) => Ok(Ok(Self { known, lines: Lines::Csv(columns, csv.into_records()) })),
            Err(Trouble::Fault(fault)) => Ok(Err(fault)),
            Err(Trouble::Io(error)) => Err(cant_read(error)),
        }
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, Trouble>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.lines {
            Lines::Csv(columns, records) => Some(match records.next()? {
                Ok(record) => Ok(from_csv(&record, columns, self.known)),
                Err(error) => Err(trouble(error)),
            }),
            Lines::Json(lines, at) => loop {
                *at += 1;
                match lines.next()? {
                    Ok(line) if line.trim().is_empty() => {}
                    Ok(line) => break Some(from_json(&line, *at, self.known).map_err(Trouble::Fault)),
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                        break Some(Err(Trouble::Fault(Fault::of_line(*at, "not UTF-8"))));
                    }
                    Err(error) => break Some(Err(Trouble::Io(error))),
                }
            },
        }
    }
}

fn columns(
    header: &csv::StringRecord,
    known: &'static [&'static str],
    needed: &[&str],
) -> Result<Vec<Option<usize>>, Fault> {
    let wrong = |message: String| Fault::of_line(1, message);
    let mut columns = Vec::with_capacity(header.len());
    for name in header {
        let at = known.iter().position(|known| *known == name);
        if at.is_none() && !refused::ADDED.contains(&name) {
            let known = known.join(", ");
            return Err(wrong(format!("there is no column `{name}`; columns are {known}, with commas between them")));
        }
        if at.is_some() && columns.contains(&at) {
            return Err(wrong(format!("the column `{name}` stands there twice")));
        }
        columns.push(at);
    }
    let has = |name: &str| known.iter().position(|known| *known == name).is_some_and(|at| columns.contains(&Some(at)));
    match needed.iter().find(|alternatives| !alternatives.split('|').any(has)) {
        Some(missing) => Err(wrong(format!("the column `{}` is missing", missing.replace('|', "` or `")))),
        None => Ok(columns),
    }
}

fn from_csv(record: &csv::StringRecord, columns: &[Option<usize>], known: &'static [&'static str]) -> Record {
    let mut fields = vec![None; known.len()];
    for (value, column) in record.iter().zip(columns) {
        if let Some(column) = column
            && !value.is_empty()
        {
            fields[*column] = Some(value.to_owned());
        }
    }
    Record { line: record.position().map_or(0, csv::Position::line), known, fields }
}

fn from_json(text: &str, line: u64, known: &'static [&'static str]) -> Result<Record, Fault> {
    let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Fault::of_line(line, "not a JSON object"),
        _ => Fault::of_line(line, format!("not JSON, at character {}", error.column())),
    })?;
    let mut fields = vec![None; known.len()];
    for (name, value) in object {
        let fault = |message: String| Fault { line, column: Some(name.clone()), message };
        let at = known.iter().position(|known| *known == name);
        match (at, value) {
            (Some(_), Value::Null) => {}
            (Some(at), Value::String(text)) => {
                fields[at] = Some(text.trim().to_owned()).filter(|text| !text.is_empty())
            }
            // A bare number might be meant as minor units, as it is behind the other doors.
            (Some(_), _) => return Err(fault("write it as a text, in quotation marks".to_owned())),
            (None, _) if refused::ADDED.contains(&name.as_str()) => {}
            (None, _) => return Err(fault(format!("there is no such column; columns are {}", known.join(", ")))),
        }
    }
    Ok(Record { line, known, fields })
}

/// What csv says, in our words.
fn trouble(error: csv::Error) -> Trouble {
    let line = error.position().map_or(1, csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Trouble::Io(error),
        csv::ErrorKind::Utf8 { .. } => Trouble::Fault(Fault::of_line(line, "not UTF-8")),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let message = format!("{len} columns, where the header has {expected_len}");
            Trouble::Fault(Fault::of_line(line, message))
        }
        other => Trouble::Fault(Fault::of_line(line, format!("{other:?}"))),
    }
}

impl Record {
    /// What stands in a known column.
    pub(in crate::cli) fn field(&self, column: &str) -> Option<&str> {
        let at = self.known.iter().position(|known| *known == column)?;
        self.fields.get(at)?.as_deref()
    }

    /// What must stand in a known column.
    ///
    /// # Errors
    /// Nothing does.
    pub(in crate::cli) fn need(&self, column: &'static str) -> Result<&str, Fault> {
        self.field(column).ok_or_else(|| self.fault(column, "nothing stands there"))
    }

    /// Something is wrong in this column.
    pub(in crate::cli) fn fault(&self, column: &str, message: impl Into<String>) -> Fault {
        Fault { line: self.line, column: Some(column.to_owned()), message: message.into() }
    }

    /// All columns, in the order of those that are known.
    pub(in crate::cli) fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.as_deref().unwrap_or_default())
    }
}

impl Fault {
    pub(in crate::cli) fn of_line(line: u64, message: impl Into<String>) -> Self {
        Self { line, column: None, message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(column) = &self.column {
            write!(f, ", column `{column}`")?;
        }
        write!(f, ": {}", self.message)
    }
}
