//! Where records come from: a file, or a text that is compiled in.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use super::Error;

/// Something that can be read, more than once.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) enum Source<'s> {
    /// A file.
    File(&'s Path),
    /// A text, and what it is called.
    Text(&'s str, &'s str),
}

impl<'s> Source<'s> {
    /// What it is called in messages.
    pub(in crate::cli) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Text(name, _) => (*name).to_owned(),
        }
    }

    /// From its beginning.
    pub(in crate::cli) fn open(&self) -> Result<Box<dyn BufRead + Send + 's>, Error> {
        match self {
            Self::File(path) => match File::open(path) {
                Ok(file) => Ok(Box::new(BufReader::new(file))),
                Err(source) => Err(Error::Read { name: self.name(), source }),
            },
            Self::Text(_, text) => Ok(Box::new(text.as_bytes())),
        }
    }
}
