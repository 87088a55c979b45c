//! The deployment and its time: one thing happens after the other, and after each the checker looks.

use std::sync::Arc;

use remit_actors::{
    bus::{Delivery, Receipt},
    faults::{Chance, Dice, Faults, Switch},
    frame::Frame,
    message::{Address, Answer, AnswerBody, Message, Standing, Stands},
};

use crate::{
    Counts,
    checker::{Checked, Checker},
    clients::{AUDITOR, Auditor, Client, Operator, Town, frames},
    drive::Drive,
    network::{ACK_WAIT_MS, Broker, Link},
    nodes::Nodes,
    plan::Plan,
    queue::{Event, Queue},
    reading::Reading,
    slot::{Sent, Slot},
    trace::Trace,
};

/// The throws of the world: latencies, and when actors take their turns.
const PURPOSE: u64 = 2;
/// The throws of takeovers.
const LUCK: u64 = 7;
/// The throws of the first node's frames; the others follow.
const LINKS: u64 = 10;

/// The whole simulated deployment.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) town: Town,
    pub(crate) queue: Queue,
    pub(crate) slots: Vec<Slot>,
    pub(crate) nodes: Nodes,
    /// The throws of takeovers.
    pub(crate) luck: Dice,
    /// One for each node, and the last one for all clients.
    pub(crate) links: Vec<Link>,
    pub(crate) broker: Broker,
    pub(crate) clients: Vec<Client>,
    pub(crate) auditor: Auditor,
    pub(crate) operator: Operator,
    pub(crate) reading: Reading,
    pub(crate) checker: Checker,
    pub(crate) trace: Trace,
    pub(crate) counts: Counts,
    pub(crate) dice: Dice,
    /// The throws of the further faults.
    pub(crate) chaos: Dice,
    pub(crate) faults: Switch,
    pub(crate) sent: Arc<Sent>,
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
        let slots = slots.map(|(place, (address, name))| Slot::new(&plan, address, place, name)).collect();
        let faults = Switch::new(plan.faults);
        let links =
            (0..=nodes as u64).map(|node| Link::new(faults.clone(), Dice::new(plan.seed, LINKS + node))).collect();
        let clients = (0..usize::from(plan.clients)).map(|no| Client::new(no, plan.seed)).collect();
        let reading = Reading::new(plan.seed, &town.genesis);
        Self {
            dice: Dice::new(plan.seed, PURPOSE),
            chaos: Dice::new(plan.seed, PURPOSE + 1),
            nodes: Nodes::new(nodes),
            luck: Dice::new(plan.seed, LUCK),
            town,
            queue: Queue::default(),
            slots,
            links,
            broker: Broker::default(),
            clients,
            auditor: Auditor::default(),
            operator: Operator::new(plan.seed),
            reading,
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
    pub(crate) fn place(&self, address: Address) -> Option<usize> {
        match address {
            Address::Shard(no) => Some(usize::from(no.0)),
            Address::Manager(no) => Some(usize::from(self.plan.shards + no.0)),
            Address::Gateway(_) | Address::Projector | Address::Ledger => None,
        }
    }

    /// One thing happens.
    pub(crate) fn happen(&mut self, event: Event) -> Checked {
        self.counts.events.events += 1;
        self.nodes.tick(self.queue.now);
        match event {
            Event::Arrive(to, frame, number) => self.arrive(to, frame, number),
            Event::Turn(address, no) => self.turn(address, no, false),
            Event::Wake(address, no) => self.wake(address, no),
            Event::Start(address) => self.start(address),
            Event::Resume(address, no) => self.resume(address, no),
            Event::Redeliver => self.redeliver(),
            Event::Client(no) => self.client(no),
            Event::Audit => self.audit(),
            Event::Read => self.read(),
            Event::Chaos => self.chaos(),
            Event::HealOut(node) => {
                self.links[node].cut_out(false);
                Ok(())
            }
            Event::HealIn(node) => {
                self.links[node].is_cut_in = false;
                Ok(())
            }
            Event::Back(address) => {
                self.back(address);
                Ok(())
            }
            Event::Over(trouble) => self.over(trouble),
        }
    }

    /// Sends frames from a node, or from the clients.
    pub(crate) fn send(&mut self, link: usize, frames: Vec<(Address, Frame)>) {
        for (ms, to, frame) in self.links[link].send(frames) {
            let is_kept = self.plan.broker && !matches!(to, Address::Gateway(_) | Address::Projector);
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
        if to == Address::Projector {
            self.reading.arrives(frame);
            return Ok(());
        }
        let Some(place) = self.place(to) else { return self.told(to, &frame) };
        if self.links[self.slots[place].node].is_cut_in || self.faults.get().away.is(to) {
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

    /// Faults stop; what is down comes up; clients go on asking until they know.
    pub(crate) fn calm_down(&mut self) -> Checked {
        self.is_calm = true;
        self.trace.tell(self.queue.now, format_args!("! faults stop"));
        self.faults.set(Faults::default());
        self.links.iter_mut().for_each(Link::heal);
        for place in 0..self.slots.len() {
            self.slots[place].drives.iter().for_each(Drive::call_off_crash);
            self.plan_start(place);
        }
        self.all_over()
    }
}
