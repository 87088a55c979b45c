//! Questions that wait until the read model has got as far as they ask for.

use remit_core::id::Time;

use crate::message::{Ask, Question};

/// How many may wait: more than any door asks at a time.
const WAITING_MAX: usize = 4_096;

/// Questions that wait, each with when its time is over.
#[derive(Default)]
pub(super) struct Waiting(Vec<(Time, Ask)>);

impl Waiting {
    /// Keeps a question, or gives it back if it has no time left or there is no room.
    pub(super) fn put(&mut self, mut ask: Ask, now: Time) -> Option<Ask> {
        let Question::Read(read) = &mut ask.question else { return Some(ask) };
        if read.within_ms == 0 || self.0.len() == WAITING_MAX {
            return Some(ask);
        }
        // From here on it is known until when, however often it is looked at.
        let until = now.plus_ms(std::mem::take(&mut read.within_ms));
        self.0.push((until, ask));
        None
    }

    /// All of them, to be looked at again.
    pub(super) fn take(&mut self) -> Vec<(Time, Ask)> {
        std::mem::take(&mut self.0)
    }

    /// Keeps one that was looked at in vain.
    pub(super) fn keep(&mut self, until: Time, ask: Ask) {
        self.0.push((until, ask));
    }

    /// Takes out those whose time is over.
    pub(super) fn late(&mut self, now: Time) -> Vec<Ask> {
        let (late, early): (Vec<_>, Vec<_>) = std::mem::take(&mut self.0).into_iter().partition(|(at, _)| *at <= now);
        self.0 = early;
        late.into_iter().map(|(_, ask)| ask).collect()
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When the first one's time is over.
    pub(super) fn wake_at(&self) -> Option<Time> {
        self.0.iter().map(|(at, _)| *at).min()
    }
}
