//! What can be seen of an actor without asking it: a stuck one would not answer.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Instant,
};

use parking_lot::Mutex;

use crate::message::Position;

/// An incarnation's heartbeat, and where it stood after its last turn.
#[derive(Debug)]
pub struct Pulse {
    born: Instant,
    /// When the present turn began, in milliseconds since `born` and one more; 0 between turns.
    busy_since: AtomicU64,
    turns: AtomicU64,
    commits: AtomicU64,
    position: Mutex<Position>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            born: Instant::now(),
            busy_since: AtomicU64::new(0),
            turns: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            position: Mutex::default(),
        }
    }
}

impl Pulse {
    /// Notes that a turn begins, or the opening of the database.
    pub fn begins(&self) {
        self.busy_since.store(self.age_ms() + 1, Relaxed);
    }

    /// Notes that the database is open.
    pub fn opened(&self, position: Position) {
        *self.position.lock() = position;
        self.busy_since.store(0, Relaxed);
    }

    /// Notes that a turn has ended.
    pub fn ends(&self, position: Position) {
        if position.seq > self.position.lock().seq {
            self.commits.fetch_add(1, Relaxed);
        }
        self.opened(position);
        self.turns.fetch_add(1, Relaxed);
    }

    /// How long the present turn has taken so far, in milliseconds; `None` between turns.
    #[must_use]
    pub fn busy_ms(&self) -> Option<u64> {
        let since = self.busy_since.load(Relaxed).checked_sub(1)?;
        Some(self.age_ms().saturating_sub(since))
    }

    /// How many turns have ended well.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.turns.load(Relaxed)
    }

    /// How many of them committed rows: each such commit was flushed to the disk before the turn ended.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.load(Relaxed)
    }

    /// Where the actor stood after the last of them.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position.lock().clone()
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }
}

#[cfg(test)]
mod tests {
    use remit_core::id::Seq;

    use super::*;

    #[test]
    fn a_turn_that_writes_no_row_is_no_commit() {
        let pulse = Pulse::default();
        let at = |seq| Position { seq: Seq(seq), ..Position::default() };
        pulse.opened(at(7));
        for seq in [7, 9, 9, 10] {
            pulse.begins();
            pulse.ends(at(seq));
        }
        assert_eq!((pulse.turns(), pulse.commits()), (4, 2));
    }
}
