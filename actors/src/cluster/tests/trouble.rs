//! What goes wrong in that world, and what its operators do.

use super::{
    process::LEASE_MS,
    world::{Event, Expect, World},
};
use crate::cluster::member::{Key, to_json};

const NODES_MAX: usize = 6;

/// What may go wrong, or be done by an operator.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    Join,
    Leave,
    Drain,
    Pin,
    Unpin,
    Crash,
    CutOff,
    BucketLost,
}

impl Trouble {
    pub(super) const PLANNED: [Self; 5] = [Self::Join, Self::Leave, Self::Drain, Self::Pin, Self::Unpin];
    pub(super) const ALL: [Self; 9] = [
        Self::Join,
        Self::Join,
        Self::Leave,
        Self::Drain,
        Self::Pin,
        Self::Unpin,
        Self::Crash,
        Self::CutOff,
        Self::BucketLost,
    ];
}

impl World {
    pub(super) fn make(&mut self, trouble: Trouble) {
        let up: Vec<u64> = self.processes.keys().copied().collect();
        let one = (!up.is_empty()).then(|| *self.dice.pick(&up));
        let journal = self.dice.pick(&self.journals).1.clone();
        self.tell(format!("{trouble:?} {one:?} {journal}"));
        match (trouble, one) {
            (Trouble::Join, _) if up.len() < NODES_MAX => self.join(),
            (Trouble::Leave, Some(one)) => self.process(one).is_leaving = true,
            (Trouble::Drain, Some(one)) => {
                let node = self.process(one).me.node.clone();
                self.write(Key::Drain(&node), Expect::Anything, Some(to_json(&one)));
            }
            (Trouble::Pin, Some(one)) => {
                let node = self.process(one).me.node.clone();
                self.write(Key::Pin(&journal), Expect::Anything, Some(to_json(&node)));
            }
            (Trouble::Unpin, _) => {
                self.write(Key::Pin(&journal), Expect::Anything, None);
            }
            (Trouble::Crash, Some(one)) => {
                let node = self.processes.remove(&one).unwrap().me.node;
                if self.dice.below(2) == 0 {
                    let after_ms = self.dice.below(2 * LEASE_MS);
                    self.after(after_ms, Event::Start { node });
                }
            }
            (Trouble::CutOff, Some(one)) => {
                let for_ms = self.dice.between(100, 3 * LEASE_MS);
                self.process(one).cut_until_ms = self.now_ms + for_ms;
                self.after(for_ms, Event::Connect { to: one });
            }
            (Trouble::BucketLost, _) => {
                self.bucket.lose();
                for to in up {
                    let after_ms = self.dice.below(LEASE_MS / 2);
                    self.after(after_ms, Event::Connect { to });
                }
            }
            _ => {}
        }
    }

    /// All are reached again, and one more joins that has all roles and is not drained.
    pub(super) fn end_all_trouble(&mut self) {
        self.tell("the end of all trouble".to_owned());
        let up: Vec<u64> = self.processes.keys().copied().collect();
        for to in up {
            self.process(to).cut_until_ms = self.now_ms;
            self.after(0, Event::Connect { to });
        }
        self.start("last");
    }

    /// A node of a new name.
    pub(super) fn join(&mut self) {
        self.names += 1;
        self.start(&format!("n{}", self.names));
    }
}
