//! The file of payments that were refused: the lines as they were written, and what was said of each. It can be mended and
//! imported like the first one.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::{
    flight::End,
    payment::{COLUMNS, Payment},
};
use crate::cli::error::Error;

/// The columns that it has beside those of payments; who reads such a file passes them over.
pub(super) const ADDED: [&str; 3] = ["status", "reason", "message"];

/// The file while it is written.
#[derive(Debug)]
pub(super) struct RefusedFile {
    path: PathBuf,
    csv: csv::Writer<File>,
    rows: u64,
}

impl RefusedFile {
    /// Makes the file, in place of what an earlier run left there.
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        let file = File::create(path).map_err(|source| Error::Write { path: path.into(), source })?;
        let mut made = Self { path: path.into(), csv: csv::Writer::from_writer(file), rows: 0 };
        made.write(COLUMNS.iter().copied().chain(ADDED))?;
        Ok(made)
    }

    /// Adds a payment, unless it completed.
    pub(super) fn add(&mut self, payment: &Payment, end: &End) -> Result<(), Error> {
        let Some(said) = said(end) else { return Ok(()) };
        self.rows += 1;
        self.write(payment.record.fields().chain(said))
    }

    /// Writes the rest, and tells where it is; if nothing was refused, there is no file.
    pub(super) fn finish(mut self) -> Result<Option<PathBuf>, Error> {
        let Self { path, rows, .. } = &self;
        let (path, rows) = (path.clone(), *rows);
        let finished = self.csv.flush().and_then(|()| if rows == 0 { fs::remove_file(&path) } else { Ok(()) });
        finished.map_err(|source| Error::Write { path: path.clone(), source })?;
        Ok((rows > 0).then_some(path))
    }

    fn write<'a>(&mut self, row: impl Iterator<Item = &'a str>) -> Result<(), Error> {
        let written = self.csv.write_record(row);
        written.map_err(|error| Error::Write { path: self.path.clone(), source: io::Error::from(error) })
    }
}

/// Status, reason and message; `None` of a completed payment.
fn said(end: &End) -> Option<[&str; 3]> {
    Some(match end {
        End::Told(remit_api::transfer::Status::Completed, _) => return None,
        End::Told(status, reason) => [status.as_str(), reason.map_or("", remit_core::reason::Reason::as_str), ""],
        End::Refused(error) => ["refused", error.code.as_str(), &error.message],
        End::Unknown(why) => ["unknown", "", why],
    })
}
