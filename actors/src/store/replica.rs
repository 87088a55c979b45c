//! Where a commit has to be before it is in its database (R13): a stream that decides who may write (R12).
//!
//! In disk mode there is none, and the database alone decides. With one, each commit of a writer is appended there first, so that
//! a database is always a beginning of its stream, and whoever takes over needs the stream alone.

use std::sync::Arc;

use remit_core::id::{Epoch, Seq};

use super::{
    Error,
    journal::{Hash, Head},
};
use crate::message::Linked;

/// A stream that a writer's commits go to. Blocks the writer's thread.
pub trait Replica: Send {
    /// Whether this writer may still try: an owner that has not renewed its lease in time stops (R12). Asked at the beginning of
    /// each transaction.
    ///
    /// # Errors
    /// [`Error::LeaseExpired`].
    fn may_write(&mut self) -> Result<(), Error>;

    /// Appends a commit behind all that were; returns when that is acknowledged.
    ///
    /// # Errors
    /// [`Error::Fenced`]: somebody else has appended. [`Error::NotReplicated`]: it may be there or not. In any case nothing may be
    /// committed, and nothing more be tried by this writer.
    fn append(&mut self, commit: &Commit<'_>) -> Result<(), Error>;

    /// The same for a commit without rows: proves that nobody else has appended since.
    ///
    /// # Errors
    /// As in [`Self::append`].
    fn prove(&mut self, head: Head) -> Result<(), Error>;
}

/// A commit on its way to the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit<'a> {
    /// Its writer's epoch.
    pub epoch: Epoch,
    /// Its first row.
    pub first: Seq,
    /// Its last row.
    pub last: Seq,
    /// The newest commit before it.
    pub before: Linked,
    /// Its link of the hash chain.
    pub link: Hash,
    /// Its rows, a line each, as [`mod@super::line`] has them.
    pub lines: &'a [u8],
}

/// Who claims a database. From a node's name alone: in disk mode.
pub struct Claimant {
    /// The node.
    pub node: Arc<str>,
    /// Where its commits go first.
    pub replica: Option<Box<dyn Replica>>,
}

impl From<&str> for Claimant {
    fn from(node: &str) -> Self {
        Self { node: node.into(), replica: None }
    }
}

impl From<&String> for Claimant {
    fn from(node: &String) -> Self {
        node.as_str().into()
    }
}

impl From<String> for Claimant {
    fn from(node: String) -> Self {
        node.as_str().into()
    }
}

/// What a database has promised (R15), and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promised {
    /// It refuses epochs below this one. Greater than what was asked for, or the same without a promise having been made now: ask
    /// for more.
    pub epoch: Epoch,
    /// The newest epoch that was claimed in it; 0 if none was.
    pub claimed: Epoch,
    /// Its last commit.
    pub linked: Linked,
}

/// A writer's replica, if it has one. Once it has failed it is not asked again: a commit of unknown outcome would come before
/// whatever is appended next.
pub(super) struct Guarded {
    replica: Option<Box<dyn Replica>>,
    has_failed: bool,
}

impl Guarded {
    pub(super) fn new(replica: Option<Box<dyn Replica>>) -> Self {
        Self { replica, has_failed: false }
    }

    pub(super) fn ask(
        &mut self,
        ask: impl FnOnce(&mut (dyn Replica + 'static)) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some(replica) = &mut self.replica else { return Ok(()) };
        if self.has_failed {
            return Err(Error::NotReplicated { what: "it failed this writer before".into() });
        }
        let answered = ask(&mut **replica);
        self.has_failed = answered.is_err();
        answered
    }
}
