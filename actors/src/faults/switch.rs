//! What all wrappers of a node share: the faults of this moment, and how often they have hit.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use parking_lot::Mutex;

use super::Faults;

/// The faults of all wrappers that share it: set here, changed everywhere at once.
#[derive(Clone, Debug, Default)]
pub struct Switch(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    faults: Mutex<Faults>,
    frames_lost: AtomicU64,
    frames_doubled: AtomicU64,
    frames_late: AtomicU64,
    commits_failed: AtomicU64,
    commits_slow: AtomicU64,
}

/// How often what went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// Frames that never arrived, those from and to whoever is away included.
    pub frames_lost: u64,
    /// Frames that arrived twice, the second time at once or long after.
    pub frames_doubled: u64,
    /// Frames that set out later than they were sent.
    pub frames_late: u64,
    /// Commits that failed, or that nobody was told of.
    pub commits_failed: u64,
    /// Commits that took longer.
    pub commits_slow: u64,
}

/// Something that went wrong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hit {
    FrameLost,
    FrameDoubled,
    FrameLate,
    CommitFailed,
    CommitSlow,
}

impl Switch {
    /// From the beginning these.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        Self(Arc::new(Shared { faults: Mutex::new(faults), ..Shared::default() }))
    }

    /// From now on these.
    pub fn set(&self, faults: Faults) {
        *self.0.faults.lock() = faults;
    }

    /// Those of this moment.
    #[must_use]
    pub fn get(&self) -> Faults {
        *self.0.faults.lock()
    }

    /// How often what went wrong so far, in all wrappers together.
    #[must_use]
    pub fn hits(&self) -> Hits {
        let Shared { frames_lost, frames_doubled, frames_late, commits_failed, commits_slow, .. } = &*self.0;
        Hits {
            frames_lost: frames_lost.load(Relaxed),
            frames_doubled: frames_doubled.load(Relaxed),
            frames_late: frames_late.load(Relaxed),
            commits_failed: commits_failed.load(Relaxed),
            commits_slow: commits_slow.load(Relaxed),
        }
    }

    pub(super) fn count(&self, hit: Hit) {
        let Shared { frames_lost, frames_doubled, frames_late, commits_failed, commits_slow, .. } = &*self.0;
        let counter = match hit {
            Hit::FrameLost => frames_lost,
            Hit::FrameDoubled => frames_doubled,
            Hit::FrameLate => frames_late,
            Hit::CommitFailed => commits_failed,
            Hit::CommitSlow => commits_slow,
        };
        counter.fetch_add(1, Relaxed);
    }
}
