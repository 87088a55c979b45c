//! Why a command did not do what it was to do.

use std::{io, path::PathBuf};

use remit_api::Code;

use super::{bench, exit::Exit, import};
use crate::{node, settings};

/// Why a command did not do what it was to do. Printed once, with all its sources, by [`super::output::Output::error`].
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Words that clap let through and that can't be.
    #[error("{0}")]
    Usage(String),
    /// Settings that can't be.
    #[error(transparent)]
    Settings(#[from] settings::Error),
    /// What the deployment answered instead, or that it did not answer.
    #[error(transparent)]
    Answer(#[from] remit_api::Error),
    /// The same, of a command that may or may not have been done.
    #[error("{error}")]
    InDoubt {
        /// What was, or was not, answered.
        error: remit_api::Error,
        /// How to find out.
        advice: String,
    },
    /// A file of payments or accounts that is wrong.
    #[error(transparent)]
    Import(#[from] import::Error),
    /// A node that could not start.
    #[error(transparent)]
    Node(#[from] node::Error),
    /// Traces that can't be exported.
    #[error(transparent)]
    Traces(#[from] crate::traces::Unusable),
    /// A PostgreSQL to compare with that could not be measured.
    #[error(transparent)]
    Against(#[from] bench::AgainstError),
    /// Nodes to measure that did not come up, or did not share the work.
    #[error(transparent)]
    Nodes(#[from] bench::NodesError),
    /// A file or folder that could not be written.
    #[error("{} can't be written", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Standard output that could not be written.
    #[error("the output can't be written")]
    Output(#[source] io::Error),
    /// A process that could not begin.
    #[error("this process can't begin")]
    Runtime(#[source] io::Error),
}

impl Error {
    /// What the shell is told.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Settings(_) => Exit::WrongUsage,
            Self::Answer(error) | Self::InDoubt { error, .. } if error.code == Code::Unavailable => Exit::NotKnown,
            Self::Import(error) if error.is_usage() => Exit::WrongUsage,
            Self::Answer(_)
            | Self::InDoubt { .. }
            | Self::Import(_)
            | Self::Node(_)
            | Self::Traces(_)
            | Self::Against(_)
            | Self::Nodes(_)
            | Self::Write { .. }
            | Self::Output(_)
            | Self::Runtime(_) => Exit::Refused,
        }
    }

    /// The deployment's own error, which programs are given as its body.
    pub(super) fn answered(&self) -> Option<&remit_api::Error> {
        match self {
            Self::Answer(error) | Self::InDoubt { error, .. } => Some(error),
            _ => None,
        }
    }

    /// What to do now, if there is something to do.
    pub(super) fn advice(&self) -> Option<&str> {
        match self {
            Self::InDoubt { advice, .. } => Some(advice),
            _ => None,
        }
    }

    /// The whole chain in one line: this, and what caused it.
    pub(super) fn chain(&self) -> String {
        let mut line = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_chain_stands_in_one_line() {
        let source = io::Error::other("disk full");
        let error = Error::Write { path: "a/b".into(), source };
        assert_eq!(error.chain(), "a/b can't be written: disk full");
        let error = Error::from(remit_api::Error::account_not_found("alice"));
        assert_eq!(error.chain(), "there is no account `alice` (account_not_found)");
    }

    #[test]
    fn the_shell_is_told_a_no_from_a_maybe() {
        let doubt = |error| Error::InDoubt { error, advice: String::new() };
        assert_eq!(Error::Usage(String::new()).exit(), Exit::WrongUsage);
        assert_eq!(Error::from(remit_api::Error::unavailable("")).exit(), Exit::NotKnown);
        assert_eq!(doubt(remit_api::Error::unavailable("")).exit(), Exit::NotKnown);
        assert_eq!(doubt(remit_api::Error::overloaded("", 1)).exit(), Exit::Refused);
        assert_eq!(Error::from(remit_api::Error::account_not_found("a")).exit(), Exit::Refused);
    }
}
