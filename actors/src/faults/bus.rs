//! Faults of frames.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::{Dice, Faults, Switch, switch::Hit};
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

    /// What becomes of a frame, and counts it.
    fn fate(&self, to: Address, from: Address) -> Fate {
        let faults = self.faults.get();
        if faults.away.is(to) || faults.away.is(from) {
            self.faults.count(Hit::FrameLost);
            return Fate::default();
        }
        let fate = self.state.lock().fate(faults);
        match fate.copies {
            [None, ..] => self.faults.count(Hit::FrameLost),
            [Some(_), None, None] => {}
            _ => self.faults.count(Hit::FrameDoubled),
        }
        if fate.copies.into_iter().take(2).flatten().any(|ms| ms > 0) {
            self.faults.count(Hit::FrameLate);
        }
        fate
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
        let fate = self.fate(to, frame.from);
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

#[cfg(test)]
mod tests {
    use remit_core::id::{PartitionNo, ShardNo};

    use super::*;
    use crate::{
        bus::Bus as _,
        faults::{Away, Chance, Hits},
        message::Class,
    };

    const SHARDS: [Address; 2] = [Address::Shard(ShardNo(0)), Address::Shard(ShardNo(1))];
    const MANAGER: Address = Address::Manager(PartitionNo(0));

    /// Remembers what set out, and when.
    #[derive(Clone, Default)]
    struct Sent(Arc<Mutex<Vec<(u64, Address, Address)>>>);

    impl Later for Sent {
        fn send_after(&self, ms: u64, to: Address, frame: Frame) {
            self.0.lock().push((ms, frame.from, to));
        }
    }

    fn sent(faults: Faults, ways: &[(Address, Address)]) -> (Vec<(u64, Address, Address)>, Hits) {
        let (sent, switch) = (Sent::default(), Switch::new(faults));
        let bus = Bus::new(sent.clone(), switch.clone(), Dice::new(faults.seed, 0));
        for (from, to) in ways {
            bus.send(*to, Frame { from: *from, class: Class::Do, mark: None, messages: vec![], traces: vec![] });
        }
        let sent = sent.0.lock().clone();
        (sent, switch.hits())
    }

    #[test]
    fn who_is_away_hears_nobody_and_nobody_hears_it() {
        let [here, there] = SHARDS;
        let ways = [(MANAGER, here), (MANAGER, there), (here, MANAGER), (there, here), (here, there)];
        let through = |away| sent(Faults { away, ..Faults::default() }, &ways).0.len();
        assert_eq!(through(Away::Nobody), 5);
        assert_eq!(through(Away::One(there)), 2);
        assert_eq!(through(Away::Managers), 2);
        let (_, hits) = sent(Faults { away: Away::Managers, ..Faults::default() }, &ways);
        assert_eq!(hits, Hits { frames_lost: 3, ..Hits::default() });
    }

    #[test]
    fn who_comes_back_is_heard_again() {
        let (sent, switch) = (Sent::default(), Switch::new(Faults { away: Away::Managers, ..Faults::default() }));
        let bus = Bus::new(sent.clone(), switch.clone(), Dice::new(0, 0));
        let frame = || Frame { from: SHARDS[0], class: Class::Reply, mark: None, messages: vec![], traces: vec![] };
        bus.send(MANAGER, frame());
        switch.set(Faults::default());
        bus.send(MANAGER, frame());
        assert_eq!(sent.0.lock().len(), 1);
    }

    #[test]
    fn what_goes_wrong_is_counted_as_often_as_it_does() {
        let ways = vec![(SHARDS[0], SHARDS[1]); 2_000];
        let chance = Chance::percent(5);
        let faults = Faults { seed: 7, frame_lost: chance, frame_doubled: chance, ..Faults::default() };
        let (sent, hits) = sent(faults, &ways);
        assert_eq!(sent.len() as u64, 2_000 - hits.frames_lost + hits.frames_doubled);
        for hit in [hits.frames_lost, hits.frames_doubled] {
            assert!((50..150).contains(&hit), "{hits:?}");
        }
        assert_eq!((hits.frames_late, hits.commits_failed), (0, 0));
    }
}
