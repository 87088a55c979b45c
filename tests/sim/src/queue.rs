//! What is going to happen, in the order of its time; of two things at one moment the one that was planned first.

use std::{cmp::Ordering, collections::BinaryHeap};

use remit_actors::{frame::Frame, message::Address};

use crate::cluster::Trouble;

/// Something that is going to happen.
#[derive(Debug)]
pub(crate) enum Event {
    /// A frame is there; with its number at the broker, if it came that way.
    Arrive(Address, Frame, Option<u64>),
    /// An incarnation takes a turn.
    Turn(Address, u64),
    /// An incarnation looks at the clock.
    Wake(Address, u64),
    /// A fresh incarnation is made, unless there is one.
    Start(Address),
    /// An incarnation that stood still goes on.
    Resume(Address, u64),
    /// The broker looks for what has not been acknowledged in time.
    Redeliver,
    /// A client does something.
    Client(usize),
    /// The auditor does.
    Audit,
    /// The projector takes a turn.
    Read,
    /// The next fault.
    Chaos,
    /// A node can send again.
    HealOut(usize),
    /// A node can be reached again.
    HealIn(usize),
    /// An actor that was away is back.
    Back(Address),
    /// What was wrong with a node or a stream is over.
    Over(Trouble),
}

struct Planned {
    at: i64,
    order: u64,
    event: Event,
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    /// The other way round: the heap has its greatest on top.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

/// All that is going to happen.
#[derive(Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Planned>,
    planned: u64,
    /// Milliseconds since the beginning.
    pub(crate) now: i64,
}

impl Queue {
    /// Plans something for some milliseconds from now.
    pub(crate) fn after(&mut self, ms: u64, event: Event) {
        self.planned += 1;
        let at = self.now.saturating_add_unsigned(ms);
        self.heap.push(Planned { at, order: self.planned, event });
    }

    /// Goes on to the next thing.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let Planned { at, event, .. } = self.heap.pop()?;
        self.now = at;
        Some(event)
    }
}
