//! The ways between actors: by mailbox, or by a broker that delivers again what is not acknowledged, until it forgets it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;
use remit_actors::{
    bus::Bus as _,
    faults::{self, Dice, Later, Switch},
    frame::Frame,
    message::Address,
};

/// How long the broker waits for an acknowledgement, in milliseconds.
pub(crate) const ACK_WAIT_MS: u64 = 1_500;
/// How often it delivers a frame at most.
const DELIVERIES_MAX: u32 = 8;

/// What leaves a node, with when, until the world takes it.
#[derive(Clone, Default)]
struct Way(Arc<Mutex<Vec<(u64, Address, Frame)>>>);

impl Later for Way {
    fn send_after(&self, ms: u64, to: Address, frame: Frame) {
        self.0.lock().push((ms, to, frame));
    }
}

/// A node's connection.
pub(crate) struct Link {
    way: Way,
    bus: faults::Bus<Way>,
    /// Nothing reaches it.
    pub(crate) is_cut_in: bool,
    /// How far its clock is off, in milliseconds.
    pub(crate) skew_ms: i64,
}

impl Link {
    pub(crate) fn new(faults: Switch, dice: Dice) -> Self {
        let way = Way::default();
        Self { bus: faults::Bus::new(way.clone(), faults, dice), way, is_cut_in: false, skew_ms: 0 }
    }

    /// Sends frames; what the faults leave of them, each with when it sets out.
    pub(crate) fn send(&self, frames: Vec<(Address, Frame)>) -> Vec<(u64, Address, Frame)> {
        for (to, frame) in frames {
            self.bus.send(to, frame);
        }
        std::mem::take(&mut *self.way.0.lock())
    }

    pub(crate) fn cut_out(&self, is_cut: bool) {
        self.bus.cut(is_cut);
    }

    /// From now on nothing is cut off.
    pub(crate) fn heal(&mut self) {
        self.bus.cut(false);
        self.is_cut_in = false;
    }
}

/// What the broker has, until it is acknowledged.
#[derive(Default)]
pub(crate) struct Broker {
    stored: BTreeMap<u64, (Address, Frame, u32)>,
    due: VecDeque<(i64, u64)>,
    taken: u64,
}

impl Broker {
    /// Takes a frame in; its number.
    pub(crate) fn take(&mut self, now: i64, to: Address, frame: &Frame) -> u64 {
        self.taken += 1;
        self.stored.insert(self.taken, (to, frame.clone(), 1));
        self.due.push_back((now.saturating_add_unsigned(ACK_WAIT_MS), self.taken));
        self.taken
    }

    pub(crate) fn acknowledged(&mut self, number: u64) {
        self.stored.remove(&number);
    }

    /// Forgets everything; how much that was.
    pub(crate) fn wipe(&mut self) -> usize {
        self.due.clear();
        std::mem::take(&mut self.stored).len()
    }

    /// What it delivers again now.
    pub(crate) fn again(&mut self, now: i64) -> Vec<(u64, Address, Frame)> {
        let mut again = Vec::new();
        while let Some((at, number)) = self.due.front().copied()
            && at <= now
        {
            self.due.pop_front();
            let Some((to, frame, deliveries)) = self.stored.get_mut(&number) else { continue };
            if *deliveries == DELIVERIES_MAX {
                self.stored.remove(&number);
                continue;
            }
            *deliveries += 1;
            again.push((number, *to, frame.clone()));
            self.due.push_back((now.saturating_add_unsigned(ACK_WAIT_MS), number));
        }
        again
    }
}
