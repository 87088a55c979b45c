//! How long this node may write: until its lease is over, by its own monotonic clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use remit_core::planted;

use crate::store::Error;

/// Whether an owner whose lease is good until then may still begin to write (R12), both in milliseconds of one clock.
///
/// # Errors
/// [`Error::LeaseExpired`].
pub fn may_write(now_ms: u64, until_ms: u64) -> Result<(), Error> {
    if now_ms >= until_ms && !planted!(WritesOnAfterLease) { Err(Error::LeaseExpired) } else { Ok(()) }
}

/// A node's lease, shared by all that it runs. It is the same for all of them: the node's heartbeat.
///
/// Only a hint about who should try, since the ledger streams fence (R12). What it saves is work that would be refused, and an owner
/// that wakes up after a long sleep from answering before it has looked around.
#[derive(Clone, Debug)]
pub struct Lease {
    born: Instant,
    until_ms: Arc<AtomicU64>,
}

impl Default for Lease {
    fn default() -> Self {
        Self { born: Instant::now(), until_ms: Arc::default() }
    }
}

impl Lease {
    /// Milliseconds of this node's clock, which goes on while the process is stopped.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Until when it is good, by that clock.
    #[must_use]
    pub fn until_ms(&self) -> u64 {
        self.until_ms.load(Relaxed)
    }

    /// It is good until then: so long after the moment at which its renewal was *sent*.
    pub fn renew(&self, until_ms: u64) {
        self.until_ms.fetch_max(until_ms, Relaxed);
    }

    /// It is given up.
    pub fn end(&self) {
        self.until_ms.store(0, Relaxed);
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.now_ms() >= self.until_ms()
    }
}
