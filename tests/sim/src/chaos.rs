//! Faults of whole actors, nodes and the broker.

use remit_actors::{
    faults::{Away, Faults},
    message::Address,
    store::memory::Crash,
    supervision::Recovery,
};
use remit_core::id::Seq;

use crate::{
    checker::{Checked, violation},
    drive::Drive,
    name,
    plan::Chaos,
    queue::Event,
    world::World,
};

impl World {
    /// The next fault, and when the one after it comes.
    pub(crate) fn chaos(&mut self) -> Checked {
        if self.is_calm {
            return Ok(());
        }
        let kind = *self.chaos.pick(&self.plan.chaos);
        let place = usize::try_from(self.chaos.below(self.slots.len() as u64)).unwrap_or(0);
        let node = usize::try_from(self.chaos.below(u64::from(self.plan.nodes))).unwrap_or(0);
        let ms = self.chaos.between(1, 4_000);
        self.counts.events.faults += 1;
        self.trace.tell(self.queue.now, format_args!("! {kind:?}, at {:?} or node {node}", self.slots[place].address));
        match kind {
            Chaos::Crash => self.crash(place, false),
            Chaos::Panic => self.crash(place, true),
            Chaos::CrashAtWrite => {
                let when = *self.chaos.pick(&[Crash::Before, Crash::Written, Crash::After]);
                let writes = self.chaos.below(4);
                self.slots[place].drive().crash_at(writes, when);
            }
            Chaos::NodeCrash | Chaos::PowerLoss => self.crash_node(node, kind == Chaos::PowerLoss, ms),
            Chaos::Pause => self.pause(place, ms),
            Chaos::CutOut => {
                self.links[node].cut_out(true);
                self.queue.after(ms, Event::HealOut(node));
            }
            Chaos::CutIn => {
                self.links[node].is_cut_in = true;
                self.queue.after(ms, Event::HealIn(node));
            }
            Chaos::Wipe => {
                let forgotten = self.broker.wipe();
                self.counts.events.forgotten += forgotten as u64;
                self.trace.mix(forgotten as u64);
            }
            Chaos::ClockJump => {
                let by = i64::try_from(self.chaos.between(1, 120_000)).unwrap_or(0);
                let by = if self.chaos.below(2) == 0 { by } else { -by };
                self.links[node].skew_ms = (self.links[node].skew_ms + by).clamp(-600_000, 600_000);
            }
            Chaos::Rot => self.rot(place)?,
            Chaos::Away => {
                let address = self.slots[place].address;
                self.faults.set(Faults { away: Away::One(address), ..self.faults.get() });
                self.queue.after(ms, Event::Back(address));
            }
            Chaos::Freeze
            | Chaos::Apart
            | Chaos::Offline
            | Chaos::StreamAway
            | Chaos::Contend
            | Chaos::Move
            | Chaos::Rollback
            | Chaos::StreamsLost => self.trouble(kind, place, node, ms)?,
        }
        let pause = self.chaos.between(1, self.plan.chaos_ms_max);
        self.queue.after(pause, Event::Chaos);
        Ok(())
    }

    /// An actor is back, unless another one has been away since, or all faults are over.
    pub(crate) fn back(&mut self, address: Address) {
        let faults = self.faults.get();
        if faults.away == Away::One(address) {
            self.faults.set(Faults { away: Away::Nobody, ..faults });
        }
    }

    /// An actor is gone, with all that it had in memory.
    fn crash(&mut self, place: usize, by_panic: bool) {
        let slot = &mut self.slots[place];
        slot.current = None;
        slot.recovery = Recovery { one_by_one: by_panic, ..Recovery::default() };
        self.plan_start(place);
    }

    fn crash_node(&mut self, node: usize, loses_power: bool, ms: u64) {
        if !self.goes_down(node, ms) {
            return;
        }
        for place in 0..self.slots.len() {
            let slot = &mut self.slots[place];
            slot.still.retain(|still| still.node != node);
            let is_replicated = slot.ledger.is_some();
            let was_here = slot.node == node;
            if was_here && slot.current.as_ref().is_none_or(|incarnation| incarnation.node == node) {
                self.crash(place, false);
            }
            if loses_power && (was_here || is_replicated) && self.slots[place].drive_on(node).lose_power() {
                self.counts.events.unflushed += 1;
            }
        }
    }

    /// An actor stands still for some time; now and then a successor is faster.
    fn pause(&mut self, place: usize, ms: u64) {
        let slot = &mut self.slots[place];
        let Some(incarnation) = slot.current.take() else { return };
        let (address, no) = (slot.address, incarnation.no);
        slot.still.push(incarnation);
        self.queue.after(ms, Event::Resume(address, no));
        if self.chaos.below(4) > 0 {
            self.plan_start(place);
        }
    }

    /// A start record wears out, of a transfer that was open at the last bulk write; its manager finds out when it opens.
    fn rot(&mut self, place: usize) -> Checked {
        // One of several files: its node would have it made anew from the stream.
        if self.plan.replicated.is_some() {
            return Ok(());
        }
        let (Address::Manager(no), Drive::Manager(disk)) = (self.slots[place].address, self.slots[place].drive())
        else {
            return Ok(());
        };
        let flushed = disk.flushed();
        let mut old = self.checker.open_of(no).filter(|(begun, _)| *begun <= flushed);
        let Some((begun, id)) = old.next() else { return Ok(()) };
        drop(old);
        if self.checker.manager_seen(no) == Seq(0) || self.checker.rotten.contains(&id) {
            return Ok(());
        }
        if !self.checker.transfers.contains_key(&id) {
            return Err(violation(vec![name(id)], "it is open, and nobody knows it"));
        }
        disk.damage(begun);
        self.trace.tell(self.queue.now, format_args!("! the start record of {} can't be read any more", name(id)));
        self.checker.rotten.push(id);
        self.auditor.abandon();
        self.slots[place].still.clear();
        self.crash(place, false);
        Ok(())
    }
}
