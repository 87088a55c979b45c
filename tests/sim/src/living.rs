//! The lives of actors: they start, take turns when something waits or time makes something due, and end; some stand still
//! meanwhile, and go on beside their successor.

use remit_actors::{machine::Failure, message::Address, store::Error, supervision::Ended};

use crate::{
    checker::{Checked, Violation, violation},
    drive::Drive,
    queue::Event,
    slot::{Rival, RivalTurn, Site},
    stream::Ledger,
    telling::{tell_manager_row, tell_shard_row},
    world::World,
};

/// How long one that should go on waits for its node, if that stands still.
const STOPPED_MS: u64 = 100;
/// The longest that an idle actor does not look at the clock, in milliseconds, as in the product.
const WAKE_MS_MAX: i64 = 1_000;

impl World {
    pub(crate) fn wake(&mut self, address: Address, no: u64) -> Checked {
        let now = self.queue.now;
        let Some(place) = self.place(address) else { return Ok(()) };
        let slot = &mut self.slots[place];
        let skew = self.links[slot.node].skew_ms;
        let Some(incarnation) = slot.current.as_mut().filter(|incarnation| incarnation.no == no) else { return Ok(()) };
        if incarnation.wake_at.is_none_or(|at| at > now) {
            return Ok(());
        }
        incarnation.wake_at = None;
        let time = incarnation.time(now, skew);
        if incarnation.turns.wake_at().is_some_and(|at| at <= time) {
            return self.turn(address, no, true);
        }
        self.set_alarm(place);
        Ok(())
    }

    /// Sees to it that an idle actor looks at the clock when it wants to.
    fn set_alarm(&mut self, place: usize) {
        let now = self.queue.now;
        let slot = &mut self.slots[place];
        let skew = self.links[slot.node].skew_ms;
        let address = slot.address;
        let Some(incarnation) = &mut slot.current else { return };
        let Some(wanted) = incarnation.turns.wake_at() else { return };
        let time = incarnation.time(now, skew);
        let ms = (wanted.0 - time.0).clamp(1, WAKE_MS_MAX);
        if incarnation.wake_at.is_some_and(|at| at <= now + ms) {
            return;
        }
        incarnation.wake_at = Some(now + ms);
        let no = incarnation.no;
        self.queue.after(ms.unsigned_abs(), Event::Wake(address, no));
    }

    /// A turn of an incarnation, even of one that has been succeeded.
    pub(crate) fn turn(&mut self, address: Address, no: u64, by_alarm: bool) -> Checked {
        let Some(place) = self.place(address) else { return Ok(()) };
        let now = self.queue.now;
        let slot = &mut self.slots[place];
        let skew = self.links[slot.node].skew_ms;
        let (epoch, is_claimed) = (slot.drive().epoch(), slot.ledger.as_ref().map(Ledger::claimed));
        let stood = slot.drive().linked();
        let Some(incarnation) = slot.current.iter_mut().find(|incarnation| incarnation.no == no) else { return Ok(()) };
        incarnation.turn_is_planned = false;
        if incarnation.turns.is_empty() && !by_alarm {
            return Ok(());
        }
        let is_newest = incarnation.epoch == epoch && is_claimed.is_none_or(|claimed| claimed <= incarnation.epoch);
        let time = incarnation.time(now, skew);
        let node = incarnation.node;
        let ended = incarnation.turns.turn(time);
        let wrote = slot.drive().rows_since(stood);
        self.after_turn((place, node), (is_newest, wrote), ended.is_err())?;
        match ended {
            Ok(()) => self.go_on(place, no),
            Err(ended) => self.end(place, no, &ended)?,
        }
        Ok(())
    }

    /// What a turn has left behind: rows, frames and acknowledgements.
    fn after_turn(
        &mut self,
        (place, node): (usize, usize),
        (is_newest, wrote): (bool, u64),
        has_failed: bool,
    ) -> Checked {
        let frames = std::mem::take(&mut *self.sent.frames.lock());
        let acknowledged = std::mem::take(&mut *self.sent.acknowledged.lock());
        self.counts.events.turns += 1;
        let address = self.slots[place].address;
        let slot = &self.slots[place];
        let is_replicated = slot.ledger.is_some();
        let rows = match is_newest || !is_replicated {
            true => self.look_at_rows(place, node)?,
            // What stood there before may be a claimant's who has failed since: nobody's yet.
            false => wrote,
        };
        self.trace.mix(rows << 32 | frames.len() as u64);
        if rows > 0 && !is_newest {
            return Err(violation(Vec::new(), format!("{address:?} writes {rows} rows under a stale epoch (R12)")));
        }
        if has_failed && !(frames.is_empty() && acknowledged.is_empty()) {
            return Err(violation(
                Vec::new(),
                format!("{address:?} fails, and has acknowledged or sent what it rests on"),
            ));
        }
        if is_replicated && !has_failed && !is_newest {
            return Err(violation(Vec::new(), format!("{address:?} goes on under a stale epoch (R12)")));
        }
        if self.nodes.at(node).line.has_gone_on() {
            return Err(violation(Vec::new(), format!("{address:?} appends although its lease is over (R12)")));
        }
        for (to, frame) in &frames {
            self.checker.frame(address, *to, frame)?;
            self.tell_frame(address, *to, frame);
        }
        acknowledged.into_iter().for_each(|number| self.broker.acknowledged(number));
        self.send(node, frames);
        Ok(())
    }

    fn go_on(&mut self, place: usize, no: u64) {
        let slot = &mut self.slots[place];
        let address = slot.address;
        let Some(incarnation) = slot.current.as_mut().filter(|incarnation| incarnation.no == no) else { return };
        if incarnation.turns.is_empty() {
            return self.set_alarm(place);
        }
        if !std::mem::replace(&mut incarnation.turn_is_planned, true) {
            self.queue.after(0, Event::Turn(address, no));
        }
    }

    /// How an incarnation may end: by faults that were asked for, or because a newer one has the database.
    fn end(&mut self, place: usize, no: u64, ended: &Ended) -> Checked {
        let address = self.slots[place].address;
        self.trace.tell(self.queue.now, format_args!("! {address:?} ends: {ended}"));
        let is_expected = match ended {
            Ended::Failed(Failure::Store(Error::NotReplicated { .. })) => self.slots[place].ledger.is_some(),
            ended => matches!(ended, Ended::Failed(Failure::Store(Error::Crashed)) | Ended::LeaseLost(_)),
        };
        if !is_expected {
            return Err(violation(Vec::new(), format!("{address:?} ends: {ended}")));
        }
        self.slots[place].drop_incarnation(no);
        self.plan_start(place);
        Ok(())
    }

    /// A fresh incarnation is made some time from now, if there is none by then.
    pub(crate) fn plan_start(&mut self, place: usize) {
        let slot = &mut self.slots[place];
        if slot.current.is_none() && !std::mem::replace(&mut slot.start_is_planned, true) {
            let address = slot.address;
            let pause = self.dice.between(1, 400);
            self.queue.after(pause, Event::Start(address));
        }
    }

    pub(crate) fn start(&mut self, address: Address) -> Checked {
        let Some(place) = self.place(address) else { return Ok(()) };
        let now = self.queue.now;
        let slot = &mut self.slots[place];
        slot.start_is_planned = false;
        if slot.current.is_some() {
            return Ok(());
        }
        if !self.choose_node(place) {
            self.plan_start(place);
            return Ok(());
        }
        let slot = &mut self.slots[place];
        let skew = self.links[slot.node].skew_ms;
        let (plan, genesis, faults) = (&self.plan, &self.town.genesis, &self.faults);
        let mut rival = slot.rival(&self.nodes);
        if let Some(rival) = &mut rival {
            rival.time = rival.incarnation.time(now, self.links[rival.incarnation.node].skew_ms);
        }
        let mut site = Site { plan, genesis, faults, nodes: &mut self.nodes, dice: &mut self.luck, rival };
        let was_on = slot.owner.filter(|_| slot.ledger.is_some());
        let opened = slot.open(&mut site, &self.sent, (now, skew));
        let rival = site.rival;
        self.counts.events.starts += 1;
        if let Some(rival) = rival {
            self.rival_went_on(place, rival)?;
        }
        // What a claimant that fails has taken in is nobody's yet.
        let slot = &self.slots[place];
        let is_moved = opened.is_ok() && was_on.is_some_and(|node| node != slot.node);
        self.counts.events.moves += u64::from(is_moved);
        let (node, is_seen) = (slot.node, opened.is_ok() || slot.ledger.is_none());
        let rows = if is_seen { self.look_at_rows(place, node)? } else { 0 };
        self.trace.mix(rows);
        match opened {
            Ok(()) => {
                let (no, epoch) =
                    self.slots[place].current.as_ref().map(|made| (made.no, made.epoch)).unwrap_or_default();
                self.trace.tell(now, format_args!("! {address:?} starts on node {node}, epoch {}", epoch.0));
                if let Address::Manager(no) = address {
                    self.counts.situations.recovered(&self.checker, no);
                }
                self.turn(address, no, true)
            }
            Err(Ok(Failure::Store(Error::Crashed) | Failure::Fenced(_))) => {
                self.plan_start(place);
                Ok(())
            }
            Err(Ok(Failure::Store(Error::NotReplicated { what }))) if self.slots[place].ledger.is_some() => {
                self.trace.tell(now, format_args!("! {address:?} does not start on node {node}: {what}"));
                self.counts.events.waits += 1;
                self.plan_start(place);
                Ok(())
            }
            Err(Ok(failure)) => {
                Err(violation(Vec::new(), format!("{address:?} can't be opened: {}", Ended::from(failure))))
            }
            Err(Err(panic)) => Err(violation(Vec::new(), format!("{address:?} can't be opened: it panics: {panic}"))),
        }
    }

    /// An owner that another node took over from, or tried to, may have gone on meanwhile.
    fn rival_went_on(&mut self, place: usize, Rival { incarnation, turn, .. }: Rival) -> Checked {
        let node = incarnation.node;
        let Some(RivalTurn { is_newest, wrote, ended }) = turn else {
            self.slots[place].still.push(incarnation);
            return Ok(());
        };
        self.counts.events.rivals += 1;
        self.after_turn((place, node), (is_newest, wrote), ended.is_err())?;
        if ended.is_ok() {
            self.slots[place].still.push(incarnation);
        }
        Ok(())
    }

    /// Shows the checker what has become durable in a database; how many rows that is.
    pub(crate) fn look_at_rows(&mut self, place: usize, node: usize) -> Result<u64, Violation> {
        self.look_at_history(place, node)?;
        let slot = &self.slots[place];
        let unreadable = |error| violation(Vec::new(), format!("{:?}: {error}", slot.address));
        let mut count = 0;
        match (slot.drive_on(node), slot.address) {
            (Drive::Shard(disk), Address::Shard(no)) => {
                for row in disk.durable_rows_above(self.checker.shard_seen(no)).map_err(unreadable)? {
                    self.checker.now = self.queue.now;
                    self.checker.shard_row(no, &row)?;
                    if self.trace.tells() {
                        tell_shard_row(&mut self.trace, self.queue.now, no, &row.entry);
                    }
                    count += 1;
                }
            }
            (Drive::Manager(disk), Address::Manager(no)) => {
                for row in disk.durable_rows_above(self.checker.manager_seen(no)).map_err(unreadable)? {
                    self.checker.manager_row(no, &row)?;
                    if self.trace.tells() {
                        tell_manager_row(&mut self.trace, self.queue.now, no, &row.entry);
                    }
                    count += 1;
                }
            }
            _ => {}
        }
        self.counts.events.rows += count;
        Ok(count)
    }

    pub(crate) fn resume(&mut self, address: Address, no: u64) -> Checked {
        let Some(place) = self.place(address) else { return Ok(()) };
        let now = self.queue.now;
        let slot = &mut self.slots[place];
        let Some(at) = slot.still.iter().position(|still| still.no == no) else { return Ok(()) };
        if self.nodes.at(slot.still[at].node).is_stopped {
            self.queue.after(STOPPED_MS, Event::Resume(address, no));
            return Ok(());
        }
        let mut old = slot.still.remove(at);
        let node = old.node;
        let skew = self.links[node].skew_ms;
        if slot.current.is_none() {
            slot.node = node;
            slot.current = Some(old);
            self.trace.tell(now, format_args!("! {address:?} goes on, nobody has taken over"));
            return self.turn(address, no, true);
        }
        // It does not know that it has a successor, and takes its turn.
        self.trace.tell(now, format_args!("! {address:?} goes on beside its successor"));
        self.counts.events.stale_turns += 1;
        let (is_claimed, stood) = (slot.ledger.as_ref().map(Ledger::claimed), slot.drive_on(node).linked());
        let is_newest =
            old.epoch == slot.drive_on(node).epoch() && is_claimed.is_none_or(|claimed| claimed <= old.epoch);
        let time = old.time(now, skew);
        let ended = old.turns.turn(time);
        let wrote = slot.drive_on(node).rows_since(stood);
        drop(old);
        let is_refused = match &ended {
            Err(Ended::Failed(Failure::Store(Error::NotReplicated { .. }))) => slot.ledger.is_some(),
            ended => matches!(ended, Err(Ended::LeaseLost(_))),
        };
        self.counts.events.fenced += u64::from(is_refused);
        match ended {
            Ok(()) | Err(Ended::LeaseLost(_) | Ended::Failed(_)) => {
                self.after_turn((place, node), (is_newest, wrote), ended.is_err())?;
                self.try_again(place, node);
                Ok(())
            }
            Err(other) => Err(violation(Vec::new(), format!("{address:?}, succeeded, ends: {other}"))),
        }
    }
}
