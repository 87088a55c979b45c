//! Planted bugs, which prove that the tests would find real ones.
//!
//! Each takes one rule out. They are compiled in under the feature `mutants` alone, never in the product's build, and one
//! at a time is chosen at run time, for the whole process. Where the feature is off, [`planted!`](crate::planted) is
//! `false`, and nothing of this is there.

use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A planted bug: its name, the rule that it breaks, and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutant {
    /// R1: an undo that comes before its do leaves no tombstone.
    NoTombstone,
    /// R2: a refusal is answered and not recorded.
    RefusalNotRecorded,
    /// R2: a leg's record is found only as long as memory has it.
    UniqueIndexMissing,
    /// R2: an account command that comes again is done again.
    CommandsRepeat,
    /// R3: a do is not refused where an undo or a post might overflow.
    NoRoomKept,
    /// R3: a frozen account refuses undos and posts.
    FrozenRefusesUndos,
    /// R3: an incoming hold can be spent.
    IncomingIsAvailable,
    /// R3: the low-water mark covers transfers that are open.
    MarkCoversOpen,
    /// R4: an account is closed without asking the managers.
    ClosedWithoutAsking,
    /// R4: answers to an earlier closing of the account count.
    OldAnswersClose,
    /// R5: the audit leaves out the transfers begun while it runs.
    AuditForgetsTheBegun,
    /// R5: the audit leaves out the legs that were written while it runs.
    AuditForgetsRows,
    /// R6: a leg that is silent when a transfer is given up counts as undone.
    SilenceIsANo,
    /// R7: giving up does not begin at the pivot.
    PivotNotCancelled,
    /// R7: a leg that has not answered is not undone, though it may succeed late.
    LateSuccessIgnored,
    /// R8: holds are released before the abort is on disk.
    AbortNotRecorded,
    /// R9: completed is recorded before the held credits are posted.
    EndBeforePosts,
    /// R10: the manager pokes legs whose predecessor it knows nothing of.
    PokedTooFar,
    /// R11: one record that can't be read keeps its manager from opening.
    OneRecordStopsAll,
    /// R12: the epoch is checked before the transaction, not in it.
    EpochCheckedOutside,
    /// R13: a read is answered without a commit that proves its writer the newest.
    ReadWithoutProof,
    /// R13: what a turn sends leaves although its commit failed.
    SentBeforeCommit,
    /// R13: frames are acknowledged before their turn is committed.
    AcknowledgedBeforeCommit,
    /// R13: a commit returns before it is on disk.
    CommitNotFlushed,
    /// R12: balances in bulk claim to stand for one row more than they do.
    BulkWriteAhead,
    /// R20: what was open before a restart is not asked for again.
    NoRetryAfterRecovery,
    /// R20: an ended transfer does not give its permit back.
    PermitsNotReturned,
    /// The projector takes rows in that it has already.
    ProjectionCountsTwice,
    /// R12: an owner whose lease is over goes on writing.
    WritesOnAfterLease,
    /// R15: a claimant takes no promises, so what others have is not asked for.
    NoPromises,
    /// R13, R17: what a stream has beyond the claimant's file is not taken in.
    NoTail,
    /// R12: an append to a stream does not say behind which message it goes.
    AppendsAnywhere,
    /// R14: an append that is refused counts as one that came true before, whatever stands there.
    RefusedIsStored,
    /// R18: where a stream is gone, its last claimant is not waited for.
    LastClaimantNotAwaited,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 34] = [
        Self::NoTombstone,
        Self::RefusalNotRecorded,
        Self::UniqueIndexMissing,
        Self::CommandsRepeat,
        Self::NoRoomKept,
        Self::FrozenRefusesUndos,
        Self::IncomingIsAvailable,
        Self::MarkCoversOpen,
        Self::ClosedWithoutAsking,
        Self::OldAnswersClose,
        Self::AuditForgetsTheBegun,
        Self::AuditForgetsRows,
        Self::SilenceIsANo,
        Self::PivotNotCancelled,
        Self::LateSuccessIgnored,
        Self::AbortNotRecorded,
        Self::EndBeforePosts,
        Self::PokedTooFar,
        Self::OneRecordStopsAll,
        Self::EpochCheckedOutside,
        Self::ReadWithoutProof,
        Self::SentBeforeCommit,
        Self::AcknowledgedBeforeCommit,
        Self::CommitNotFlushed,
        Self::BulkWriteAhead,
        Self::NoRetryAfterRecovery,
        Self::PermitsNotReturned,
        Self::ProjectionCountsTwice,
        Self::WritesOnAfterLease,
        Self::NoPromises,
        Self::NoTail,
        Self::AppendsAnywhere,
        Self::RefusedIsStored,
        Self::LastClaimantNotAwaited,
    ];
}

/// One more than the chosen one's place in the list; 0 if none is.
static PLANTED: AtomicUsize = AtomicUsize::new(0);

/// Chooses the bug that this process has from now on, or none.
pub fn plant(mutant: Option<Mutant>) {
    PLANTED.store(mutant.map_or(0, |mutant| mutant as usize + 1), Relaxed);
}

/// Whether it is this one.
#[must_use]
pub fn is_planted(mutant: Mutant) -> bool {
    PLANTED.load(Relaxed) == mutant as usize + 1
}
