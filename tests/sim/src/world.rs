//! The deployment and its time: one thing happens after the other, and after each the checker looks.

use std::sync::Arc;

use remit_actors::{
    bus::{Delivery, Receipt},
    faults::{Chance, Dice, Faults, Switch},
    frame::Frame,
    machine::Failure,
    message::{Address, Answer, AnswerBody, Message, Standing, Stands},
    store::Error,
    supervision::Ended,
};
use remit_core::id::{PartitionNo, ShardNo};

use crate::{
    Counts,
    checker::{Checked, Checker, Violation, violation},
    clients::{Auditor, Client, Town, frames},
    name,
    network::{ACK_WAIT_MS, Broker, Link},
    plan::Plan,
    queue::{Event, Queue},
    slot::{Drive, Sent, Slot},
    trace::Trace,
};

/// The throws of the world: latencies, and when actors take their turns.
const PURPOSE: u64 = 2;
/// The throws of the first node's frames; the others follow.
const LINKS: u64 = 10;
/// The longest that an idle actor does not look at the clock, in milliseconds, as in the product.
const WAKE_MS_MAX: i64 = 1_000;
/// The gateway number of the auditor.
const AUDITOR: u64 = crate::clients::AUDITOR;

/// The whole simulated deployment.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) town: Town,
    pub(crate) queue: Queue,
    pub(crate) slots: Vec<Slot>,
    /// One for each node, and the last one for all clients.
    pub(crate) links: Vec<Link>,
    pub(crate) broker: Broker,
    pub(crate) clients: Vec<Client>,
    pub(crate) auditor: Auditor,
    pub(crate) checker: Checker,
    pub(crate) trace: Trace,
    pub(crate) counts: Counts,
    pub(crate) dice: Dice,
    /// The throws of the further faults.
    pub(crate) chaos: Dice,
    faults: Switch,
    sent: Arc<Sent>,
    redelivery_is_planned: bool,
    /// Whether faults have stopped.
    pub(crate) is_calm: bool,
    /// How many audits had been taken when the last one was begun.
    pub(crate) audited_at_rest: Option<u64>,
    pub(crate) submitted: u64,
}

impl World {
    pub(crate) fn new(plan: Plan, tells: bool) -> Self {
        let town = Town::new(&plan);
        let nodes = usize::from(plan.nodes);
        let shards = town.genesis.shard_numbers().map(|no| (Address::Shard(no), format!("s{}", no.0)));
        let managers = town.genesis.partition_numbers().map(|no| (Address::Manager(no), format!("m{}", no.0)));
        let slots = shards.chain(managers).enumerate();
        let slots = slots.map(|(place, (address, name))| Slot::new(address, place % nodes, &name)).collect();
        let faults = Switch::new(plan.faults);
        let links =
            (0..=nodes as u64).map(|node| Link::new(faults.clone(), Dice::new(plan.seed, LINKS + node))).collect();
        let clients = (0..usize::from(plan.clients)).map(|no| Client::new(no, plan.seed)).collect();
        Self {
            dice: Dice::new(plan.seed, PURPOSE),
            chaos: Dice::new(plan.seed, PURPOSE + 1),
            town,
            queue: Queue::default(),
            slots,
            links,
            broker: Broker::default(),
            clients,
            auditor: Auditor::default(),
            checker: Checker::default(),
            trace: Trace::new(tells),
            counts: Counts::default(),
            faults,
            sent: Arc::default(),
            redelivery_is_planned: false,
            is_calm: false,
            audited_at_rest: None,
            submitted: 0,
            plan,
        }
    }

    /// The place of an actor among the slots.
    fn place(&self, address: Address) -> Option<usize> {
        match address {
            Address::Shard(no) => Some(usize::from(no.0)),
            Address::Manager(no) => Some(usize::from(self.plan.shards + no.0)),
            Address::Gateway(_) => None,
        }
    }

    /// One thing happens.
    pub(crate) fn happen(&mut self, event: Event) -> Checked {
        self.counts.events.events += 1;
        match event {
            Event::Arrive(to, frame, number) => self.arrive(to, frame, number),
            Event::Turn(address, no) => self.turn(address, no, false),
            Event::Wake(address, no) => self.wake(address, no),
            Event::Start(address) => self.start(address),
            Event::Resume(address, no) => self.resume(address, no),
            Event::Redeliver => self.redeliver(),
            Event::Client(no) => self.client(no),
            Event::Audit => self.audit(),
            Event::Chaos => self.chaos(),
            Event::HealOut(node) => {
                self.links[node].cut_out(false);
                Ok(())
            }
            Event::HealIn(node) => {
                self.links[node].is_cut_in = false;
                Ok(())
            }
        }
    }

    /// Sends frames from a node, or from the clients.
    pub(crate) fn send(&mut self, link: usize, frames: Vec<(Address, Frame)>) {
        for (ms, to, frame) in self.links[link].send(frames) {
            let is_kept = self.plan.broker && !matches!(to, Address::Gateway(_));
            let number = is_kept.then(|| self.broker.take(self.queue.now, to, &frame));
            if is_kept && !self.redelivery_is_planned {
                self.redelivery_is_planned = true;
                self.queue.after(ACK_WAIT_MS, Event::Redeliver);
            }
            let latency = self.dice.between(1, self.plan.latency_ms_max);
            self.queue.after(ms + latency, Event::Arrive(to, frame, number));
        }
    }

    fn redeliver(&mut self) -> Checked {
        for (number, to, frame) in self.broker.again(self.queue.now) {
            self.counts.events.redelivered += 1;
            let latency = self.dice.between(1, self.plan.latency_ms_max);
            self.queue.after(latency, Event::Arrive(to, frame, Some(number)));
        }
        self.queue.after(ACK_WAIT_MS / 4, Event::Redeliver);
        Ok(())
    }

    fn arrive(&mut self, to: Address, frame: Frame, number: Option<u64>) -> Checked {
        self.trace.mix(frame.messages.len() as u64);
        let Some(place) = self.place(to) else { return self.told(to, &frame) };
        if self.links[self.slots[place].node].is_cut_in {
            return Ok(());
        }
        let slot = &mut self.slots[place];
        if let Some(still) = slot.still.last_mut()
            && self.dice.hits(Chance::percent(30))
            && still.room.take(&frame)
        {
            // One that stands still has connections too, and will read what they hold.
            still.turns.push(Delivery { frame: frame.clone(), receipt: None });
        }
        let Some(incarnation) = &mut slot.current else {
            // Nobody is there: whoever misses it asks again.
            number.into_iter().for_each(|number| self.broker.acknowledged(number));
            return Ok(());
        };
        for message in &frame.messages {
            self.counts.situations.arrives(&self.checker, to, message, incarnation.born());
        }
        if !incarnation.room.take(&frame) {
            number.into_iter().for_each(|number| self.broker.acknowledged(number));
            return self.turn_away(place, &frame);
        }
        let sent = self.sent.clone();
        let receipt = number.map(|number| Receipt::new(move || sent.acknowledged.lock().push(number)));
        incarnation.turns.push(Delivery { frame, receipt });
        if !std::mem::replace(&mut incarnation.turn_is_planned, true) {
            let no = incarnation.no;
            let pause = self.dice.below(self.plan.turn_ms_max);
            self.queue.after(pause, Event::Turn(to, no));
        }
        Ok(())
    }

    /// R20: a submit that finds no room is told so; all else is asked for again from state.
    fn turn_away(&mut self, place: usize, frame: &Frame) -> Checked {
        let from = self.slots[place].address;
        self.counts.events.turned_away += frame.messages.len() as u64;
        let answers = frame.messages.iter().filter_map(|message| match message {
            Message::Submit(submit) => {
                let standing = Standing { id: submit.id, ticket: submit.ticket, stands: Stands::Overloaded(100) };
                Some((Address::Gateway(submit.gateway), Message::Standing(standing)))
            }
            _ => None,
        });
        let frames = frames(from, answers.collect());
        let node = self.slots[place].node;
        self.send(node, frames);
        Ok(())
    }

    /// A client, or the auditor, is told something.
    fn told(&mut self, to: Address, frame: &Frame) -> Checked {
        let Address::Gateway(gateway) = to else { return Ok(()) };
        for message in &frame.messages {
            match message {
                Message::Answer(answer) if gateway == AUDITOR => {
                    let next = self.auditor.answered(answer, &self.town)?;
                    self.send_as_client(AUDITOR, next);
                }
                Message::Answer(answer) => self.answered(gateway, answer)?,
                Message::Standing(standing) => {
                    if let Some(client) = usize::try_from(gateway).ok().and_then(|no| self.clients.get_mut(no)) {
                        client.told(standing)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn answered(&mut self, gateway: u64, answer: &Answer) -> Checked {
        if matches!(answer.body, AnswerBody::Unavailable(_)) {
            return Ok(());
        }
        match usize::try_from(gateway).ok().and_then(|no| self.clients.get_mut(no)) {
            Some(client) => client.answered(answer),
            None => Ok(()),
        }
    }

    pub(crate) fn send_as_client(&mut self, gateway: u64, messages: Vec<(Address, Message)>) {
        let link = self.links.len() - 1;
        self.send(link, frames(Address::Gateway(gateway), messages));
    }

    fn wake(&mut self, address: Address, no: u64) -> Checked {
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
    fn turn(&mut self, address: Address, no: u64, by_alarm: bool) -> Checked {
        let Some(place) = self.place(address) else { return Ok(()) };
        let now = self.queue.now;
        let slot = &mut self.slots[place];
        let skew = self.links[slot.node].skew_ms;
        let epoch = slot.drive.epoch();
        let Some(incarnation) = slot.current.iter_mut().find(|incarnation| incarnation.no == no) else { return Ok(()) };
        incarnation.turn_is_planned = false;
        if incarnation.turns.is_empty() && !by_alarm {
            return Ok(());
        }
        let is_newest = incarnation.epoch == epoch;
        let time = incarnation.time(now, skew);
        let ended = incarnation.turns.turn(time);
        self.after_turn(place, is_newest, ended.is_err())?;
        match ended {
            Ok(()) => self.go_on(place, no),
            Err(ended) => self.end(place, no, &ended)?,
        }
        Ok(())
    }

    /// What a turn has left behind: rows, frames and acknowledgements.
    fn after_turn(&mut self, place: usize, is_newest: bool, has_failed: bool) -> Checked {
        let frames = std::mem::take(&mut *self.sent.frames.lock());
        let acknowledged = std::mem::take(&mut *self.sent.acknowledged.lock());
        self.counts.events.turns += 1;
        let address = self.slots[place].address;
        let rows = self.look_at_rows(place)?;
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
        for (to, frame) in &frames {
            self.checker.frame(address, *to, frame)?;
            self.tell_frame(address, *to, frame);
        }
        acknowledged.into_iter().for_each(|number| self.broker.acknowledged(number));
        let node = self.slots[place].node;
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
        let is_expected = matches!(ended, Ended::Failed(Failure::Store(Error::Crashed)) | Ended::LeaseLost(_));
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

    fn start(&mut self, address: Address) -> Checked {
        let Some(place) = self.place(address) else { return Ok(()) };
        let now = self.queue.now;
        let slot = &mut self.slots[place];
        slot.start_is_planned = false;
        if slot.current.is_some() {
            return Ok(());
        }
        let skew = self.links[slot.node].skew_ms;
        let opened = slot.open((&self.plan, &self.town.genesis, &self.faults), &self.sent, (now, skew));
        self.counts.events.starts += 1;
        let rows = self.look_at_rows(place)?;
        self.trace.mix(rows);
        match opened {
            Ok(()) => {
                let (no, epoch) =
                    self.slots[place].current.as_ref().map(|made| (made.no, made.epoch)).unwrap_or_default();
                self.trace.tell(now, format_args!("! {address:?} starts, epoch {}", epoch.0));
                if let Address::Manager(no) = address {
                    self.counts.situations.recovered(&self.checker, no);
                }
                self.turn(address, no, true)
            }
            Err(Ok(Failure::Store(Error::Crashed) | Failure::Fenced(_))) => {
                self.plan_start(place);
                Ok(())
            }
            Err(Ok(failure)) => {
                Err(violation(Vec::new(), format!("{address:?} can't be opened: {}", Ended::from(failure))))
            }
            Err(Err(panic)) => Err(violation(Vec::new(), format!("{address:?} can't be opened: it panics: {panic}"))),
        }
    }

    /// Shows the checker what has become durable in a database; how many rows that is.
    pub(crate) fn look_at_rows(&mut self, place: usize) -> Result<u64, Violation> {
        let slot = &self.slots[place];
        let unreadable = |error| violation(Vec::new(), format!("{:?}: {error}", slot.address));
        let mut count = 0;
        match (&slot.drive, slot.address) {
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

    fn resume(&mut self, address: Address, no: u64) -> Checked {
        let Some(place) = self.place(address) else { return Ok(()) };
        let now = self.queue.now;
        let slot = &mut self.slots[place];
        let Some(at) = slot.still.iter().position(|still| still.no == no) else { return Ok(()) };
        let mut old = slot.still.remove(at);
        let skew = self.links[slot.node].skew_ms;
        if slot.current.is_none() {
            slot.current = Some(old);
            self.trace.tell(now, format_args!("! {address:?} goes on, nobody has taken over"));
            return self.turn(address, no, true);
        }
        // It does not know that it has a successor, and takes its turn.
        self.trace.tell(now, format_args!("! {address:?} goes on beside its successor"));
        self.counts.events.stale_turns += 1;
        let is_newest = old.epoch == slot.drive.epoch();
        let time = old.time(now, skew);
        let ended = old.turns.turn(time);
        drop(old);
        self.counts.events.fenced += u64::from(matches!(ended, Err(Ended::LeaseLost(_))));
        match ended {
            Ok(()) | Err(Ended::LeaseLost(_) | Ended::Failed(_)) => self.after_turn(place, is_newest, ended.is_err()),
            Err(other) => Err(violation(Vec::new(), format!("{address:?}, succeeded, ends: {other}"))),
        }
    }

    /// Faults stop; what is down comes up; clients go on asking until they know.
    pub(crate) fn calm_down(&mut self) {
        self.is_calm = true;
        self.trace.tell(self.queue.now, format_args!("! faults stop"));
        self.faults.set(Faults::default());
        self.links.iter_mut().for_each(Link::heal);
        for place in 0..self.slots.len() {
            self.slots[place].drive.call_off_crash();
            self.plan_start(place);
        }
    }

    fn client(&mut self, no: usize) -> Checked {
        let now = self.queue.now;
        let left = self.plan.transfers - self.submitted;
        let (plan, town, client) = (&self.plan, &self.town, &mut self.clients[no]);
        let mut messages = client.ask_again(town, now);
        if now < crate::PRELUDE_MS {
            if no == 0 {
                messages.extend(client.open_accounts(plan, town));
            }
        } else if no == 0 && !client.has_funded() {
            messages.extend(client.fund(plan, town, now));
        } else if left > 0 {
            let burst = self.dice.between(1, plan.burst_max).min(left);
            let first = self.submitted;
            self.submitted += burst;
            messages.extend(client.submit(plan, town, now, first..first + burst));
            if self.dice.hits(Chance::percent(20)) {
                messages.extend(client.repeat(plan, town));
            }
        }
        if !self.is_calm && now > crate::PRELUDE_MS && self.dice.hits(self.plan.commands) {
            messages.push(self.clients[no].change_some(&self.town));
        }
        for (to, message) in &messages {
            if let (Message::Submit(submit), true) = (message, self.trace.tells()) {
                let line = format_args!("client {no} submits {} to {to:?}", name(submit.id));
                self.trace.tell(now, line);
            }
        }
        self.send_as_client(no as u64, messages);
        let pause = if self.is_calm { 250 } else { self.dice.between(1, self.plan.pause_ms_max) };
        self.queue.after(pause, Event::Client(no));
        Ok(())
    }

    /// The last audit, when nothing is open any more; asked for again until it comes to its end.
    pub(crate) fn audit_at_rest(&mut self) {
        self.audited_at_rest = Some(self.auditor.done);
        self.begin_audit(self.checker.rotten.is_empty());
    }

    fn audit(&mut self) -> Checked {
        // A full audit vouches for every record, which it can't where one can't be read.
        let is_readable = self.checker.rotten.is_empty();
        let is_last = self.audited_at_rest.is_some();
        let is_full = is_last || self.dice.hits(Chance::percent(2));
        self.begin_audit(is_readable && is_full);
        let pause = if is_last { 5_000 } else { self.dice.between(200, 3_000) };
        self.queue.after(pause, Event::Audit);
        Ok(())
    }

    fn begin_audit(&mut self, is_full: bool) {
        let messages = self.auditor.begin(&self.town, is_full);
        self.send_as_client(AUDITOR, messages);
    }

    fn tell_frame(&mut self, from: Address, to: Address, frame: &Frame) {
        if !self.trace.tells() {
            return;
        }
        for message in &frame.messages {
            let line = match message {
                Message::Command(command) => {
                    format!("{:?} of leg {} of {}", command.verb, command.id.leg.0, name(command.id.transfer))
                }
                Message::Reply(reply) => {
                    format!("leg {} of {} says {:?}", reply.id.leg.0, name(reply.id.transfer), reply.answer)
                }
                Message::Standing(standing) => format!("{} stands {:?}", name(standing.id), standing.stands),
                _ => continue,
            };
            self.trace.tell(self.queue.now, format_args!("{from:?} to {to:?}: {line}"));
        }
    }
}

fn tell_shard_row(trace: &mut Trace, now: i64, no: ShardNo, entry: &remit_actors::store::row::ShardEntry) {
    use remit_actors::store::row::ShardEntry;
    match entry {
        ShardEntry::Leg(leg) => {
            let (id, account, amount) = (name(leg.id.transfer), &leg.terms.account, leg.terms.amount.get());
            trace.tell(now, format_args!("s{}: leg {} of {id} {:?} {amount} {account}", no.0, leg.id.leg.0, leg.state));
        }
        ShardEntry::Account(entry) => {
            let outcome = entry.outcome.as_ref().map(|account| account.status);
            trace.tell(now, format_args!("s{}: {} {} gives {outcome:?}", no.0, entry.what, entry.account));
        }
        ShardEntry::Common(_) => {}
    }
}

fn tell_manager_row(trace: &mut Trace, now: i64, no: PartitionNo, entry: &remit_actors::store::row::TransferEntry) {
    use remit_actors::store::row::TransferEntry;
    match entry {
        TransferEntry::Started(start) => {
            let legs: Vec<String> = start
                .legs()
                .iter()
                .map(|leg| format!("{} {} {}", leg.direction.as_str(), leg.account, leg.amount.get()))
                .collect();
            let line = format_args!("m{}: {} begins, {}: {}", no.0, name(start.id), start.protocol, legs.join(", "));
            trace.tell(now, line);
        }
        TransferEntry::Decided(id, decision) => {
            trace.tell(now, format_args!("m{}: {} is decided {decision:?}", no.0, name(*id)));
        }
        TransferEntry::Ended(id, end, _) => trace.tell(now, format_args!("m{}: {} ends {end:?}", no.0, name(*id))),
        TransferEntry::Parked(id, why) => trace.tell(now, format_args!("m{}: {} is parked: {why}", no.0, name(*id))),
        TransferEntry::Common(_) => {}
    }
}
