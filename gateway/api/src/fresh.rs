//! How new an answer of the read model must be: a client that has seen a transfer settled asks for a list in which it is.

use remit_core::id::TransferId;

use crate::error::Error;

/// For how long the read model is waited for if the request does not say, in milliseconds.
pub const WAIT_MS_DEFAULT: u64 = 2_000;
/// The longest that a request may wait for it, in milliseconds.
pub const WAIT_MS_MAX: u64 = 60_000;

/// What has to be in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtLeast {
    /// This transfer, as it stands now or later.
    pub transfer: TransferId,
    /// For how long to wait for that at most, in milliseconds: 0 to 60,000.
    pub wait_ms: u64,
}

impl AtLeast {
    /// Of the fields `at_least` and `wait_ms` of a request, default applied.
    ///
    /// # Errors
    /// A `wait_ms` out of range, or without an `at_least` to wait for.
    pub fn new(at_least: Option<TransferId>, wait_ms: Option<u64>) -> Result<Option<Self>, Error> {
        if at_least.is_none() && wait_ms.is_some() {
            return Err(Error::invalid("wait_ms", "`wait_ms` says how long to wait for `at_least`: give both"));
        }
        let wait_ms = wait_ms.unwrap_or(WAIT_MS_DEFAULT);
        if wait_ms > WAIT_MS_MAX {
            return Err(Error::invalid("wait_ms", format!("`wait_ms` must be 0 to {WAIT_MS_MAX}, not {wait_ms}")));
        }
        Ok(at_least.map(|transfer| Self { transfer, wait_ms }))
    }
}
