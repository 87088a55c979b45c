//! What goes wrong between nodes whose journals are replicated, and what must be true of their copies.
//!
//! The fault model: storage of the broker, or nodes, each alone, lose nothing. So a minority of nodes is away at any time (of two, one); a
//! stream loses messages only while nothing is wrong with any node, and all streams are lost only while a minority is away; and until
//! all that they lost is made good, nothing more befalls a node. A broker that rolls back while the last owner can't be reached is two
//! faults, and is not here.

use std::sync::Arc;

use remit_core::id::{Epoch, Seq};

use crate::{
    checker::{Checked, violation},
    nodes::LEASE_MS,
    plan::Chaos,
    queue::Event,
    slot::Site,
    world::World,
};

/// The most messages that a stream loses at once.
const LOST_MAX: u64 = 6;
/// How long two nodes that both want a journal leave each other alone, at most, in milliseconds.
const RIVALS_MS_MAX: u64 = 40;

/// What is wrong with a node or a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// A node is down.
    Down(usize),
    /// A node stands still.
    Stopped(usize),
    /// A node and the others can't ask each other.
    Apart(usize),
    /// A node does not reach the broker.
    Offline(usize),
    /// A stream, of this place, does not answer.
    StreamAway(usize),
}

impl World {
    /// A fault that only a replicated deployment has, unless it would be one too many.
    pub(crate) fn trouble(&mut self, kind: Chaos, place: usize, node: usize, ms: u64) -> Checked {
        if self.plan.replicated.is_none() {
            return Ok(());
        }
        let trouble = match kind {
            Chaos::Freeze => Trouble::Stopped(node),
            Chaos::Apart => Trouble::Apart(node),
            Chaos::Offline => Trouble::Offline(node),
            Chaos::StreamAway => Trouble::StreamAway(place),
            Chaos::Contend => {
                self.contend(place);
                return Ok(());
            }
            Chaos::Move => {
                self.move_to(place, node);
                return Ok(());
            }
            Chaos::Rollback => {
                self.roll_back(place);
                return Ok(());
            }
            _ => {
                self.lose_streams();
                return Ok(());
            }
        };
        self.begin(trouble, ms);
        Ok(())
    }

    /// Whether a node may be lost for some time: then it is down.
    pub(crate) fn goes_down(&mut self, node: usize, ms: u64) -> bool {
        self.plan.replicated.is_none() || self.begin(Trouble::Down(node), ms)
    }

    fn begin(&mut self, trouble: Trouble, ms: u64) -> bool {
        let away = self.nodes.away();
        let may_be = (away + 1) * 2 < self.nodes.count() || self.nodes.count() == 2 && away == 0;
        let is_of_node = !matches!(trouble, Trouble::StreamAway(_));
        if is_of_node && (!may_be || self.slots.iter().any(|slot| slot.is_wounded)) {
            return false;
        }
        let until = self.queue.now + LEASE_MS;
        match trouble {
            Trouble::Down(node) => {
                let node = self.nodes.at_mut(node);
                node.is_up = false;
                node.line.good_until(self.queue.now);
            }
            Trouble::Stopped(node) => {
                self.nodes.at_mut(node).is_stopped = true;
                self.nodes.at(node).line.good_until(until);
                self.stop_all(node);
            }
            Trouble::Apart(node) => self.nodes.at_mut(node).is_apart = true,
            Trouble::Offline(node) => {
                self.nodes.at(node).line.cut(true);
                self.nodes.at(node).line.good_until(until);
            }
            Trouble::StreamAway(place) => self.slots[place].ledger.iter().for_each(|ledger| ledger.is_away(true)),
        }
        self.queue.after(ms, Event::Over(trouble));
        true
    }

    /// Something is over, unless it has been over before.
    pub(crate) fn over(&mut self, trouble: Trouble) -> Checked {
        match trouble {
            Trouble::Down(node) => {
                if !std::mem::replace(&mut self.nodes.at_mut(node).is_up, true) {
                    self.nodes.at(node).line.beat();
                    self.nodes.exchange(node);
                }
            }
            Trouble::Stopped(node) => {
                if std::mem::replace(&mut self.nodes.at_mut(node).is_stopped, false) {
                    return self.thaw(node);
                }
            }
            Trouble::Apart(node) => {
                self.nodes.at_mut(node).is_apart = false;
                self.nodes.exchange(node);
            }
            Trouble::Offline(node) => {
                let line = Arc::clone(&self.nodes.at(node).line);
                if line.is_cut() {
                    line.cut(false);
                    line.beat();
                }
            }
            Trouble::StreamAway(place) => self.slots[place].ledger.iter().for_each(|ledger| ledger.is_away(false)),
        }
        Ok(())
    }

    /// All of it is over.
    pub(crate) fn all_over(&mut self) -> Checked {
        if self.plan.replicated.is_none() {
            return Ok(());
        }
        for place in 0..self.slots.len() {
            self.slots[place].rivalry = 0;
            self.slots[place].ledger.iter().for_each(crate::stream::Ledger::heal);
        }
        for node in 0..self.nodes.count() {
            for trouble in [Trouble::Down, Trouble::Stopped, Trouble::Offline, Trouble::Apart] {
                self.over(trouble(node))?;
            }
        }
        Ok(())
    }

    /// All actors of a node stand still; others take over.
    fn stop_all(&mut self, node: usize) {
        for place in 0..self.slots.len() {
            let slot = &mut self.slots[place];
            if let Some(incarnation) = slot.current.take_if(|incarnation| incarnation.node == node) {
                slot.still.push(incarnation);
                self.plan_start(place);
            }
        }
    }

    /// A node goes on: its actors, or its heartbeat, whatever comes first.
    fn thaw(&mut self, node: usize) -> Checked {
        let beats_first = self.chaos.below(2) == 0;
        if beats_first {
            self.nodes.at(node).line.beat();
        }
        for place in 0..self.slots.len() {
            let slot = &self.slots[place];
            let address = slot.address;
            let here: Vec<u64> = slot.still.iter().filter(|still| still.node == node).map(|still| still.no).collect();
            for no in here {
                self.resume(address, no)?;
            }
        }
        self.nodes.at(node).line.beat();
        self.nodes.exchange(node);
        Ok(())
    }

    /// Another node holds a journal to be its own, while its owner goes on.
    fn contend(&mut self, place: usize) {
        self.slots[place].rivalry = self.chaos.between(1, 6);
        self.usurp(place, None);
    }

    /// A node that was refused still holds a journal to be its own.
    pub(crate) fn try_again(&mut self, place: usize, node: usize) {
        let slot = &mut self.slots[place];
        if slot.rivalry > 0 && self.nodes.may_run(node) {
            slot.rivalry -= 1;
            self.usurp(place, Some(node));
        }
    }

    fn usurp(&mut self, place: usize, by: Option<usize>) {
        let slot = &mut self.slots[place];
        if !slot.is_made {
            return;
        }
        if let Some(incarnation) = slot.current.take() {
            let (address, no) = (slot.address, incarnation.no);
            slot.still.push(incarnation);
            let ms = self.chaos.between(1, RIVALS_MS_MAX);
            self.queue.after(ms, Event::Resume(address, no));
        }
        let count = self.nodes.count() as u64;
        let other = usize::try_from(self.chaos.below(count)).unwrap_or(0);
        self.slots[place].node = by.unwrap_or(other);
        let address = self.slots[place].address;
        self.slots[place].start_is_planned = true;
        self.queue.after(0, Event::Start(address));
    }

    /// A planned move: the new owner follows as far as there is something, then the old one ends in order.
    fn move_to(&mut self, place: usize, node: usize) {
        if !self.slots[place].is_made || !self.nodes.may_run(node) {
            return;
        }
        let (plan, genesis, faults) = (&self.plan, &self.town.genesis, &self.faults);
        let mut site = Site { plan, genesis, faults, nodes: &mut self.nodes, dice: &mut self.luck, rival: None };
        if let Err(error) = self.slots[place].follow(&mut site, node) {
            let address = self.slots[place].address;
            return self.trace.tell(self.queue.now, format_args!("! node {node} can't follow {address:?}: {error}"));
        }
        if self.slots[place].node != node {
            self.slots[place].current = None;
            self.slots[place].node = node;
        }
        self.plan_start(place);
    }

    fn roll_back(&mut self, place: usize) {
        let is_alone = self.nodes.away() == 0 && self.slots[place].still.is_empty() && self.slots[place].is_made;
        if !is_alone || self.slots[place].is_wounded {
            return;
        }
        let messages = usize::try_from(self.chaos.between(1, LOST_MAX)).unwrap_or(1);
        let slot = &mut self.slots[place];
        slot.is_wounded = true;
        let lost = slot.ledger.as_ref().map_or(0, |ledger| ledger.roll_back(messages));
        self.counts.events.unwritten += lost as u64;
    }

    fn lose_streams(&mut self) {
        let is_minority = self.nodes.away() * 2 < self.nodes.count();
        if !is_minority || self.slots.iter().any(|slot| slot.is_wounded || !slot.is_made) {
            return;
        }
        for slot in &mut self.slots {
            slot.is_wounded = true;
            let lost = slot.ledger.as_ref().map_or(0, crate::stream::Ledger::wipe);
            self.counts.events.unwritten += lost as u64;
        }
    }

    /// Chooses where an actor is started: mostly where it was, if it can run there. Whether there is such a node.
    pub(crate) fn choose_node(&mut self, place: usize) -> bool {
        if self.plan.replicated.is_none() {
            return true;
        }
        let slot = &self.slots[place];
        let stays = !slot.is_made || self.luck.below(8) > 0;
        if self.nodes.may_run(slot.node) && stays {
            return true;
        }
        let able: Vec<usize> = (0..self.nodes.count()).filter(|node| self.nodes.may_run(*node)).collect();
        if !slot.is_made || able.is_empty() {
            return false;
        }
        self.slots[place].node = *self.luck.pick(&able);
        true
    }

    /// A node's file has what all owners had so far, as far as it goes; and what it has beyond is the history from now on.
    pub(crate) fn look_at_history(&mut self, place: usize, node: usize) -> Checked {
        let slot = &mut self.slots[place];
        if slot.ledger.is_none() {
            return Ok(());
        }
        let seen = slot.history.last_key_value().map_or(Seq(0), |(seq, _)| *seq);
        let above = slot.drives[node].links_above(seen);
        slot.has_history(node, above.is_empty())?;
        slot.history.extend(above);
        Ok(())
    }

    /// At rest each stream ends where its journal does, its writers came one after the other, and all files are beginnings of it and can
    /// be brought to its end.
    pub(crate) fn copies_at_rest(&mut self) -> Checked {
        for place in 0..self.slots.len() {
            let slot = &self.slots[place];
            let Some(ledger) = &slot.ledger else { continue };
            let address = slot.address;
            let fails = |what: String| Err(violation(Vec::new(), format!("{address:?}: {what}")));
            let last = slot.history.last_key_value().map(|(seq, link)| (*seq, *link)).unwrap_or_default();
            let linked = ledger.linked();
            if (linked.seq, linked.link) != last {
                return fails(format!("its stream ends at row {}, it itself at {}", linked.seq.0, last.0.0));
            }
            let writers: Vec<Epoch> = ledger.writers();
            if !writers.is_sorted() {
                return fails("its stream has a commit of an epoch behind one of a later epoch (R12)".to_owned());
            }
            for node in 0..self.nodes.count() {
                self.slots[place].has_history(node, true)?;
                let (plan, genesis, faults) = (&self.plan, &self.town.genesis, &self.faults);
                let mut site =
                    Site { plan, genesis, faults, nodes: &mut self.nodes, dice: &mut self.luck, rival: None };
                if let Err(error) = self.slots[place].catch_up(&mut site, node) {
                    return fails(format!("node {node} can't be brought to its end: {error}"));
                }
                let linked = self.slots[place].drives[node].linked();
                if (linked.seq, linked.link) != last {
                    return fails(format!("node {node} was brought to row {} of {}", linked.seq.0, last.0.0));
                }
            }
        }
        Ok(())
    }
}

impl crate::slot::Slot {
    /// Whether a node's file has what owners have had, as far as it goes; and nothing beyond, where it may not.
    fn has_history(&self, node: usize, ends_within: bool) -> Checked {
        let seen = self.history.last_key_value().map_or(Seq(0), |(seq, _)| *seq);
        let stands = self.drives[node].linked_up_to(seen);
        let is_known = stands.seq == Seq(0) || self.history.get(&stands.seq) == Some(&stands.link);
        let is_whole = if ends_within { self.drives[node].linked() == stands } else { stands.seq == seen };
        if is_known && is_whole {
            return Ok(());
        }
        let what = format!(
            "{:?}: the file of node {node} has another history at row {} than owners have had, up to {}",
            self.address, stands.seq.0, seen.0
        );
        Err(violation(Vec::new(), what))
    }
}
