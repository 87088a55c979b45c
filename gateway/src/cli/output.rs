//! Where answers go: standard output has the answer and nothing else, standard error what is said about it. Colours only
//! where a terminal reads them.

use std::io::{self, Write};

use anstream::{eprintln, stdout};
use owo_colors::OwoColorize;
use remit_api::time;
use remit_core::id::Time;
use serde::Serialize;

use super::error::Error;

/// Tables for people, or JSON for programs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a program reads it.
    pub(super) const fn is_json(self) -> bool {
        self.json
    }

    /// A body as JSON, in one line.
    pub(super) fn json(self, body: &impl Serialize) -> Result<(), Error> {
        self.json_line(body).map(drop)
    }

    /// A text as it is, and the end of its line.
    pub(super) fn text(self, text: &str) -> Result<(), Error> {
        self.line(text).map(drop)
    }

    /// One of many bodies; whether anybody still reads.
    pub(super) fn json_line(self, body: &impl Serialize) -> Result<bool, Error> {
        let json = serde_json::to_string(body).map_err(|error| Error::Output(error.into()))?;
        self.line(&json)
    }

    /// One of many lines; whether anybody still reads.
    pub(super) fn line(self, text: &str) -> Result<bool, Error> {
        let mut stdout = stdout().lock();
        still_read(writeln!(stdout, "{text}").and_then(|()| stdout.flush()))
    }

    /// Bytes as they are: what looks like a colour in them is somebody's data, and stays. Whether anybody still reads.
    pub(super) fn bytes(self, bytes: &[u8]) -> Result<bool, Error> {
        let mut stdout = io::stdout().lock();
        still_read(stdout.write_all(bytes).and_then(|()| stdout.flush()))
    }

    /// A remark beside the answer, for a person.
    pub(super) fn note(self, text: &str) {
        eprintln!("{text}");
    }

    /// How new an answer of the read model is.
    pub(super) fn as_of(self, as_of: Option<Time>) {
        if let Some(as_of) = as_of {
            self.note(&format!("As of {}.", time::format(as_of)));
        }
    }

    /// How to see the next page, if there is one.
    pub(super) fn more(self, cursor: Option<&str>) {
        if let Some(cursor) = cursor {
            self.note(&format!("There is more: add `--cursor {cursor}`."));
        }
    }

    /// An error, once and whole; the deployment's own one as its body where a program reads.
    pub(super) fn error(self, error: &Error) {
        match error.answered() {
            Some(answered) if self.json => {
                // There is nobody left to tell that this can't be written either.
                self.json(&remit_api::error::Failure { error: answered.clone() }).ok();
            }
            _ => eprintln!("{} {}", "error:".red().bold(), error.chain()),
        }
        if let Some(advice) = error.advice() {
            eprintln!("{advice}");
        }
    }
}

fn still_read(written: io::Result<()>) -> Result<bool, Error> {
    match written {
        // Who reads has seen enough, as with `| head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true).map_err(Error::Output),
    }
}
