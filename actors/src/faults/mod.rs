//! What may go wrong, made to go wrong on purpose: one vocabulary for the simulator, for tests with real processes, and for a
//! node whose operator wants to see it cope.
//!
//! [`Faults`] says how often what happens, and who is [`Away`]. [`Bus`] wraps whatever takes frames away: they are lost, doubled,
//! late (and so reordered), or come again when everyone has forgotten them. [`Store`] wraps whatever has the tables: a commit
//! fails, or succeeds and nobody is told, or takes long. All of it is drawn from a seed, changed while it goes on by a [`Switch`],
//! and counted there.

mod away;
mod bus;
mod dice;
mod store;
mod switch;

pub use away::Away;
pub use bus::{Bus, Later, Timed};
pub use dice::{Chance, Dice};
pub use store::Store;
pub use switch::{Hits, Switch};

/// How often what goes wrong; by default nothing ever does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// What all of it is drawn from.
    pub seed: u64,
    /// Whose frames, from it and to it, never arrive.
    pub away: Away,
    /// A frame never arrives.
    pub frame_lost: Chance,
    /// A frame arrives twice.
    pub frame_doubled: Chance,
    /// A frame, or its double, takes longer, so that others overtake it.
    pub frame_late: Chance,
    /// By how much at most, in milliseconds.
    pub late_ms_max: u64,
    /// A frame that has arrived comes once more, long after.
    pub frame_stale: Chance,
    /// How long after at most, in milliseconds.
    pub stale_ms_max: u64,
    /// A commit fails, and nothing of it is there.
    pub commit_fails: Chance,
    /// A commit succeeds, and fails all the same for whoever asked for it.
    pub commit_unheard: Chance,
    /// A commit takes longer.
    pub commit_slow: Chance,
    /// By how much at most, in milliseconds.
    pub slow_ms_max: u64,
}

impl Faults {
    /// Whether anything may go wrong with frames.
    #[must_use]
    pub fn hit_frames(&self) -> bool {
        let chances = [self.frame_lost, self.frame_doubled, self.frame_late, self.frame_stale];
        self.away != Away::Nobody || chances.iter().any(|chance| chance.is_any())
    }

    /// Whether anything may go wrong with commits.
    #[must_use]
    pub fn hit_commits(&self) -> bool {
        [self.commit_fails, self.commit_unheard, self.commit_slow].iter().any(|chance| chance.is_any())
    }
}
