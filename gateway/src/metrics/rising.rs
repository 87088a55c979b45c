//! Counts that begin at 0 with each incarnation of an actor, as counts that never fall.

use std::collections::BTreeMap;

use remit_actors::guardian::ChildStatus;

/// What was last seen of each actor.
#[derive(Default)]
pub(super) struct Rising(BTreeMap<String, Seen>);

#[derive(Clone, Copy, Default)]
struct Seen {
    commits: u64,
    ended: u64,
}

/// By how much an actor's counts have risen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Risen {
    pub(super) commits: u64,
    pub(super) ended: u64,
}

impl Rising {
    /// By how much they have since this actor was last seen. What an incarnation did after it was last seen and before it failed
    /// is not counted: at most a second's worth.
    pub(super) fn by(&mut self, actor: &ChildStatus) -> Risen {
        let now = Seen { commits: actor.commits, ended: actor.position.ended };
        let before = match self.0.get_mut(&actor.name) {
            Some(seen) => std::mem::replace(seen, now),
            None => {
                self.0.insert(actor.name.clone(), now);
                Seen::default()
            }
        };
        Risen { commits: risen(before.commits, now.commits), ended: risen(before.ended, now.ended) }
    }
}

/// A count that has fallen began again at 0.
const fn risen(before: u64, now: u64) -> u64 {
    if now < before { now } else { now - before }
}

#[cfg(test)]
mod tests {
    use super::risen;

    #[test]
    fn a_count_that_began_again_has_risen_by_all_of_it() {
        assert_eq!([risen(0, 5), risen(5, 5), risen(5, 9), risen(9, 2), risen(9, 0)], [5, 0, 4, 2, 0]);
    }
}
