//! How long lists are read: a page at a time, the next one by the cursor of the one before.

/// How many rows a page has if the request does not say.
pub const LIMIT_DEFAULT: usize = 100;

/// The most rows of a page; more would strain the broker's limit on a message.
pub const LIMIT_MAX: u64 = 1000;

/// The rows that a request asks for.
pub(crate) fn rows(limit: Option<u64>) -> usize {
    limit.map_or(LIMIT_DEFAULT, |limit| usize::try_from(limit.min(LIMIT_MAX)).unwrap_or(LIMIT_DEFAULT))
}
