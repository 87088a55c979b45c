//! Faults of frames.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::{Dice, Faults, Switch};
use crate::{bus, frame::Frame, message::Address};

/// Takes frames away, at once or some time from now.
pub trait Later: Send + Sync {
    /// Sends a frame after so many milliseconds; never waits.
    fn send_after(&self, ms: u64, to: Address, frame: Frame);
}

/// A bus on which things go wrong.
pub struct Bus<L> {
    way: L,
    faults: Switch,
    state: Mutex<State>,
}

struct State {
    dice: Dice,
    is_cut: bool,
}

impl<L: Later> Bus<L> {
    /// This way, with these faults on it, thrown with these dice.
    pub fn new(way: L, faults: Switch, dice: Dice) -> Self {
        Self { way, faults, state: Mutex::new(State { dice, is_cut: false }) }
    }

    /// Cuts the way off, or opens it again: while it is cut, whatever is sent is lost.
    pub fn cut(&self, is_cut: bool) {
        self.state.lock().is_cut = is_cut;
    }
}

/// What becomes of one frame: when its copies arrive, in milliseconds from now.
#[derive(Clone, Copy, Default)]
struct Fate {
    copies: [Option<u64>; 3],
}

impl State {
    fn fate(&mut self, faults: Faults) -> Fate {
        let Self { dice, is_cut } = self;
        if *is_cut || dice.hits(faults.frame_lost) {
            return Fate::default();
        }
        let late = |dice: &mut Dice| if dice.hits(faults.frame_late) { dice.between(1, faults.late_ms_max) } else { 0 };
        let first = late(dice);
        let second = dice.hits(faults.frame_doubled).then(|| late(dice));
        let stale = dice.hits(faults.frame_stale).then(|| dice.between(1, faults.stale_ms_max));
        Fate { copies: [Some(first), second, stale] }
    }
}

impl<L: Later> bus::Bus for Bus<L> {
    fn send(&self, to: Address, frame: Frame) {
        let fate = self.state.lock().fate(self.faults.get());
        let mut copies = fate.copies.into_iter().flatten().peekable();
        while let Some(ms) = copies.next() {
            if copies.peek().is_none() {
                return self.way.send_after(ms, to, frame);
            }
            self.way.send_after(ms, to, frame.clone());
        }
    }
}

/// The way of a real node: at once by the bus below, later by the runtime's timer.
pub struct Timed {
    below: Arc<dyn bus::Bus>,
    runtime: Handle,
}

impl Timed {
    /// Delays on this runtime what goes over that bus.
    pub fn new(below: Arc<dyn bus::Bus>, runtime: Handle) -> Self {
        Self { below, runtime }
    }
}

impl Later for Timed {
    fn send_after(&self, ms: u64, to: Address, frame: Frame) {
        if ms == 0 {
            return self.below.send(to, frame);
        }
        let below = self.below.clone();
        self.runtime.spawn(async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            below.send(to, frame);
        });
    }
}
