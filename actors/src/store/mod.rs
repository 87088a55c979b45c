//! How a machine remembers, and what a crash leaves behind.
//!
//! The journal is the truth: the durable act of a commit is a run of its rows ([`journal`], [`row`]). All else in a
//! database is a projection of it, written in bulk now and then, so that opening need not read the whole history. The
//! logic is here, over small traits of tables, once: [`books`] for a shard, [`register`] for a manager. Below the traits
//! are only statements: [`sqlite`], and [`memory`] for tests.
//!
//! With a [`replica`] each commit is in a stream before it is in the database, and other databases follow that stream.

pub mod books;
pub mod journal;
pub mod key;
pub mod line;
pub mod memory;
mod recent;
pub mod register;
pub mod replica;
pub mod row;
pub mod sqlite;

use remit_core::id::{Epoch, Seq};

/// Why a database could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another writer has taken a newer epoch, or written since (R12); nothing was written.
    #[error("fenced: this writer is at epoch {} and row {}, the database at epoch {} and row {}", own.0.0, own.1.0, stored.0.0, stored.1.0)]
    Fenced {
        /// What the commit named.
        own: (Epoch, Seq),
        /// What the database has.
        stored: (Epoch, Seq),
    },
    /// This writer's lease was not renewed in time (R12); nothing was written.
    #[error("the lease was not renewed in time, so another writer may have taken the database")]
    LeaseExpired,
    /// The stream that a commit has to be in first can't be reached, or did not take it; nothing was committed (R13).
    #[error("the stream has not acknowledged a commit: {what}")]
    NotReplicated {
        /// Why.
        what: String,
    },
    /// A run of rows begins above the next row; nothing was written.
    #[error("rows from {} on do not go on from row {}", first.0, last.0)]
    Gap {
        /// The last row that is there.
        last: Seq,
        /// The first row of the run.
        first: Seq,
    },
    /// A database and its stream tell of different histories (R17); nothing was written.
    #[error("the database and its stream differ: {what}")]
    Differs {
        /// Where.
        what: String,
    },
    /// What is stored can't be right.
    #[error("the database is corrupt: {what}")]
    Corrupt {
        /// What is wrong.
        what: String,
    },
    /// The database belongs to another deployment, or has a format that this version does not know.
    #[error("the database can't be used: {what}")]
    Foreign {
        /// What differs.
        what: String,
    },
    /// The folder of the database can't be made.
    #[error("{path} can't be made")]
    Folder {
        /// The folder.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database itself failed: disk full, read-only, gone.
    #[error("the database failed")]
    Sqlite(#[source] rusqlite::Error),
    /// A crash that a test asked for.
    #[error("crashed on demand")]
    Crashed,
}

impl From<rusqlite::Error> for Error {
    /// A value of another kind than was ever written is no failure that passes, nor is a file that SQLite can't make out.
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::{Error as Sql, ErrorCode};
        let is_damage = match &error {
            Sql::FromSqlConversionFailure(..)
            | Sql::IntegralValueOutOfRange(..)
            | Sql::InvalidColumnType(..)
            | Sql::Utf8Error(..) => true,
            Sql::SqliteFailure(failure, _) => {
                matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            }
            _ => false,
        };
        if is_damage { Self::Corrupt { what: error.to_string() } } else { Self::Sqlite(error) }
    }
}
