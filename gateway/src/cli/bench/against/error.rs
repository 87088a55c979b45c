//! Why there is nothing to compare with.

use std::{io, path::PathBuf, process::ExitStatus};

/// Why PostgreSQL was not measured.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum Error {
    /// No PostgreSQL that would do.
    #[error(
        "no PostgreSQL found; `apt-get install postgresql`, as root, gets one, or name the folder of its programs by --pg-bin \
         or REMIT_PG_BIN (looked at: {looked_at})"
    )]
    NotFound {
        /// Every place that was looked at, and what was wrong with it.
        looked_at: String,
    },
    /// The folder that was named is of no use.
    #[error("{} has no PostgreSQL to compare with: {why}; `apt-get install postgresql`, as root, gets one", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// There is nobody to run it.
    #[error(
        "PostgreSQL refuses to run as root, and this machine has neither a user `postgres` nor `nobody` to run it as"
    )]
    NoUser,
    /// Its folder can't be made.
    #[error("{} can't hold a private PostgreSQL", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("{} can't be started in {}", path.display(), folder.display())]
    Spawn {
        /// The program.
        path: PathBuf,
        /// The folder of the private PostgreSQL.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program ended before there was a server.
    #[error("{program} ended at its start ({status}); it said: {said}")]
    Ended {
        /// Its name.
        program: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// Its last lines.
        said: String,
    },
    /// A program was not ready in time.
    #[error("{program} was not ready within {waited_ms} ms; it said: {said}")]
    Silent {
        /// Its name.
        program: &'static str,
        /// How long it was waited for.
        waited_ms: u128,
        /// Its last lines.
        said: String,
    },
    /// It answered something else than it should.
    #[error("PostgreSQL did not do as it was asked")]
    Asked(#[from] tokio_postgres::Error),
}
