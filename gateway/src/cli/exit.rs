//! How a command ended, in one number that a script can test.

use std::process::ExitCode;

use remit_api::transfer::Status;

/// The exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exit {
    /// What was asked for is so.
    CameTrue = 0,
    /// It is not, and will not be.
    Refused = 1,
    /// The command itself was wrong: nothing was asked.
    WrongUsage = 2,
    /// Nobody knows yet: ask again.
    NotKnown = 3,
}

impl Exit {
    /// Of a transfer that was to be completed.
    pub(super) const fn of(status: Status) -> Self {
        match status {
            Status::Completed => Self::CameTrue,
            Status::Rejected | Status::Compensated => Self::Refused,
            Status::Accepted | Status::InProgress | Status::Parked => Self::NotKnown,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
