//! Why settings were refused: every message names where the value was written, the key, and what is allowed.

use std::{io, path::PathBuf};

use super::Origin;

/// Why settings were refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error("the settings file {} can't be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("{origin}: not TOML")]
    Syntax {
        /// Which file.
        origin: Origin,
        /// Where in it, and why.
        source: Box<config::ConfigError>,
    },
    /// There is no such setting.
    #[error("{origin}: there is no setting `{key}`; {known}")]
    UnknownKey {
        /// Where it was written.
        origin: Origin,
        /// The unknown key.
        key: String,
        /// What there is instead.
        known: String,
    },
    /// The value is of the wrong type or out of range.
    #[error("{origin}: `{key}` can't be {found}; allowed: {allowed}")]
    NotAllowed {
        /// Where it was written.
        origin: Origin,
        /// The setting.
        key: String,
        /// The value, unless it is a secret.
        found: String,
        /// What is allowed.
        allowed: String,
    },
    /// Two settings that are each allowed contradict each other.
    #[error("`{first}` ({first_origin}) and `{second}` ({second_origin}) contradict each other: {rule}")]
    Contradiction {
        /// One setting.
        first: &'static str,
        /// Where it was written.
        first_origin: Origin,
        /// The other.
        second: &'static str,
        /// Where that was written.
        second_origin: Origin,
        /// What must hold between them.
        rule: &'static str,
    },
    /// A rule lets through what its field can't hold: a mistake in this program.
    #[error("the merged settings do not fit their types")]
    Misfit(#[source] Box<config::ConfigError>),
}
