//! The transfer manager: it keeps one partition of all transfers, in one database.
//!
//! A transfer begins with its start record, is led by its protocol from what the legs answer, and ends with its end
//! record. What is asked of the legs is derived from that state, at once and again whenever they are silent too long.

mod open;
mod operating;
mod questions;
mod recovery;
mod wheel;

use std::{
    collections::{BTreeMap, hash_map::Entry},
    sync::Arc,
};

use remit_core::{
    id::{PartitionNo, Seq, Time, TransferId},
    leg::Reply,
    mark::LowWater,
    planted,
    protocol::Next,
    reason::Reason,
    transfer::{Start, Transfer},
};
use rustc_hash::FxHashMap;

use self::{
    open::{Open, words},
    recovery::Recovering,
    wheel::Wheel,
};
use crate::{
    frame::{Frame, Outbox},
    machine::{Failure, Gate, Machine},
    message::{
        Address, Answer, AnswerBody, Ask, Message, Position, Progress, Question, Standing, Stands, Status, Submit,
        TraceContext,
    },
    store::{
        Error,
        register::{Recorded, Register, RegisterOptions, TransferTables},
        replica::Claimant,
    },
    supervision::Recovery,
};

/// How a manager is set up.
#[derive(Clone, Copy, Debug)]
pub struct ManagerOptions {
    /// The bounds of its memory for ended transfers.
    pub register: RegisterOptions,
    /// The most open transfers, parked ones not counted: the permits of this partition (R20).
    pub open_max: usize,
    /// After so much silence a transfer's legs are asked again: 1 ms or more; doubles with each try…
    pub retry_first_ms: u64,
    /// …up to this.
    pub retry_max_ms: u64,
    /// The most transfers whose legs are asked again in a second.
    pub retries_per_second_max: u32,
    /// An open transfer older than this takes too long.
    pub overdue_ms: u64,
    /// The most messages in one frame that it sends.
    pub frame_messages_max: usize,
}

/// When a door that had no room may try again.
const RETRY_AFTER_MS: u64 = 100;

/// How many may wait for one transfer at its manager; beyond it, a gateway asks again by itself.
const WATCHERS_MAX: usize = 64;

/// A partition's transfer manager.
pub struct Manager<T: TransferTables> {
    no: PartitionNo,
    options: ManagerOptions,
    register: Register<T>,
    open: FxHashMap<TransferId, Open>,
    by_begin: BTreeMap<Seq, TransferId>,
    parked: usize,
    /// Open transfers whose start can't be read: parked, and answered from what there is (R11).
    unreadable: BTreeMap<TransferId, Recorded>,
    wheel: Wheel,
    /// Retries left in the present second.
    budget: (Time, u32),
    recovering: Recovering,
    ended: u64,
    now: Time,
    gate: Gate,
}

impl<T: TransferTables> Manager<T> {
    /// Opens a manager: claims its database, and takes up every open transfer where it stands.
    ///
    /// # Errors
    /// The database failed, is corrupt, or is another's.
    pub fn open(
        no: PartitionNo,
        tables: T,
        options: ManagerOptions,
        recovery: Recovery,
        claimant: impl Into<Claimant>,
        now: Time,
    ) -> Result<Self, Failure> {
        let (register, recorded) = Register::open(tables, options.register, claimant, now)?;
        let mut manager = Self {
            no,
            options,
            register,
            open: FxHashMap::default(),
            by_begin: BTreeMap::new(),
            parked: 0,
            unreadable: BTreeMap::new(),
            wheel: Wheel::default(),
            budget: (now, options.retries_per_second_max),
            recovering: Recovering::default(),
            ended: 0,
            now,
            gate: Gate::default(),
        };
        manager.recover(recorded, recovery, now)?;
        Ok(manager)
    }

    fn submit(&mut self, submit: &Submit, trace: Option<TraceContext>, out: &mut Outbox) -> Result<(), Error> {
        let now = self.now;
        let (legs, memo) = (submit.legs.clone(), submit.memo.clone());
        let deadline_at = now.plus_ms(submit.deadline_ms);
        let Ok(start) = Start::new(submit.id, submit.protocol, legs, memo, now, deadline_at) else {
            tracing::warn!(transfer = %submit.id, "a submit that no door would let through was dropped");
            return Ok(());
        };
        if self.is_known(&start, submit, out) {
            return Ok(());
        }
        let unreturned = if planted!(PermitsNotReturned) { self.ended } else { 0 };
        if count(self.open.len() - self.parked) + unreturned >= count(self.options.open_max) {
            // Nothing is recorded of what there is no room for; but what is recorded is answered, room or not.
            match self.register.find(submit.id)? {
                Some(recorded) => self.answer_repeat(&start, &recorded, submit, out),
                None => stands(submit, Stands::Overloaded(RETRY_AFTER_MS), out),
            }
            return Ok(());
        }
        let start = Arc::new(start);
        let Some(begun) = self.register.start(&start)? else {
            if let Some(recorded) = self.register.find(submit.id)? {
                self.answer_repeat(&start, &recorded, submit, out);
            }
            return Ok(());
        };
        let transfer = Transfer::new(start, self.no, begun);
        let mut open = Open::new(transfer, now, now.plus_ms(self.options.retry_first_ms));
        open.trace = trace;
        if submit.tell.end() {
            open.watchers.push((submit.gateway, submit.ticket));
        }
        if submit.tell.acceptance() {
            stands(submit, Stands::Recorded(open.progress(now, self.options.overdue_ms)), out);
        }
        self.by_begin.insert(begun, submit.id);
        self.wheel.put(open.look_at(), submit.id);
        self.open.insert(submit.id, open);
        self.step(submit.id, false, out)
    }

    /// Answers a submit whose id is open here.
    fn is_known(&mut self, start: &Start, submit: &Submit, out: &mut Outbox) -> bool {
        let now = self.now;
        let stand = if let Some(open) = self.open.get_mut(&submit.id) {
            match open.transfer.start().differing_fields(start) {
                differs if differs.is_empty() => {
                    open.repeated();
                    let watcher = (submit.gateway, submit.ticket);
                    let is_new = !open.watchers.contains(&watcher) && open.watchers.len() < WATCHERS_MAX;
                    if submit.tell.end() && is_new {
                        open.watchers.push(watcher);
                    }
                    Stands::Recorded(open.progress(now, self.options.overdue_ms))
                }
                differs => conflict(&differs),
            }
        } else if self.unreadable.contains_key(&submit.id) {
            Stands::Recorded(questions::unreadable_progress())
        } else {
            return false;
        };
        stands(submit, stand, out);
        true
    }

    /// Answers a submit whose id is recorded as ended.
    fn answer_repeat(&self, start: &Start, recorded: &Recorded, submit: &Submit, out: &mut Outbox) {
        let stand = match &recorded.start {
            Some(first) => match first.differing_fields(start) {
                differs if differs.is_empty() => Stands::Recorded(questions::recorded_progress(first, recorded)),
                differs => conflict(&differs),
            },
            None => Stands::Recorded(questions::unreadable_progress()),
        };
        stands(submit, stand, out);
    }

    fn reply(&mut self, reply: &Reply, out: &mut Outbox) -> Result<(), Error> {
        let Some(open) = self.open.get_mut(&reply.id.transfer) else {
            // Ended: a late answer changes nothing.
            return Ok(());
        };
        let was_parked = open.transfer.parked().is_some();
        if !open.transfer.learn(reply.id.leg, reply.answer) || was_parked {
            open.counts.late = open.counts.late.saturating_add(1);
            return Ok(());
        }
        (open.tries, open.since) = (0, self.now);
        open.try_at = self.now.plus_ms(self.options.retry_first_ms);
        self.step(reply.id.transfer, false, out)
    }

    /// Does what a transfer's state calls for: records what is to be recorded, asks what is to be asked.
    fn step(&mut self, id: TransferId, silent: bool, out: &mut Outbox) -> Result<(), Error> {
        let Entry::Occupied(mut entry) = self.open.entry(id) else { return Ok(()) };
        let open = entry.get_mut();
        if let Some(why) = open.transfer.parked() {
            tracing::error!(transfer = %id, %why, "a transfer is parked: an operator must look");
            self.parked += 1;
            return self.register.park(self.now, id, why);
        }
        let trace = open.trace;
        loop {
            let next = open.transfer.next(silent, |sent| {
                out.push(Address::Shard(sent.shard), Message::Command(sent.command), trace);
            });
            match next {
                Next::Wait => return Ok(()),
                Next::Decide(decision) => {
                    self.register.decide(self.now, id, decision)?;
                    open.transfer.decide(decision);
                }
                Next::End(end) => {
                    let open = entry.remove();
                    let transfer = &open.transfer;
                    let legs = words(transfer);
                    let begun = (Arc::clone(transfer.start()), transfer.begun(), transfer.decision());
                    self.register.end(self.now, begun, end, legs.clone(), open.counts)?;
                    self.by_begin.remove(&transfer.begun());
                    self.ended += 1;
                    let progress = Progress {
                        status: Status::Ended(end.outcome),
                        reason: end.reason,
                        legs,
                        accepted_at: transfer.start().accepted_at,
                        deadline_at: transfer.start().deadline_at,
                        settled_at: Some(self.now),
                        overdue: false,
                        parked: None,
                    };
                    for (gateway, ticket) in open.watchers {
                        let standing = Standing { id, ticket, stands: Stands::Recorded(progress.clone()) };
                        out.push(Address::Gateway(gateway), Message::Standing(standing), None);
                    }
                    return Ok(());
                }
            }
        }
    }

    /// Looks at the transfers whose time has come: gives up those past their deadline, asks again where all is silent.
    fn look_again(&mut self, out: &mut Outbox) -> Result<(), Error> {
        let now = self.now;
        if now.0 - self.budget.0.0 >= 1_000 {
            self.budget = (now, self.options.retries_per_second_max);
        }
        let mut due = self.wheel.due(now);
        if due.len() > usize::try_from(self.budget.1).unwrap_or(usize::MAX) {
            // Not all can have their turn in this second: whoever has waited longest comes first, so that nobody starves.
            due.sort_by_cached_key(|id| self.open.get(id).map(|open| open.try_at));
        }
        let mut late = (0_u64, None);
        for id in due {
            let Some(open) = self.open.get_mut(&id) else { continue };
            if !open.is_told_overdue && open.is_overdue(now, self.options.overdue_ms) {
                open.is_told_overdue = true;
                late.0 += 1;
                late.1.get_or_insert(id);
            }
            if open.transfer.parked().is_some() {
                continue;
            }
            let past_deadline = open.transfer.given_up().is_none() && now >= open.transfer.start().deadline_at;
            if past_deadline {
                open.transfer.give_up(Reason::DeadlinePassed);
                self.step(id, false, out)?;
            } else if now >= open.try_at {
                if self.budget.1 == 0 {
                    // It stays due since then; only its deadline may come sooner.
                    let next_second = self.budget.0.plus_ms(1_000);
                    let deadline = open.transfer.given_up().is_none().then_some(open.transfer.start().deadline_at);
                    self.wheel.put(deadline.map_or(next_second, |deadline| deadline.min(next_second)), id);
                    continue;
                }
                self.budget.1 -= 1;
                let wait = self.options.retry_first_ms.saturating_mul(2_u64.saturating_pow(open.tries.min(20)));
                open.try_at = now.plus_ms(wait.min(self.options.retry_max_ms));
                open.tries = open.tries.saturating_add(1);
                open.counts.retries = open.counts.retries.saturating_add(1);
                self.step(id, true, out)?;
            }
            if let Some(open) = self.open.get(&id) {
                self.wheel.put(open.look_at(), id);
            }
        }
        // One line for all of them: where a shard is away, they are many.
        if let (count, Some(id)) = late {
            tracing::warn!(manager = self.no.0, transfers = count, transfer = %id, "transfers take too long; one of them is named");
        }
        Ok(())
    }

    /// Which transfers have ended, for the shards (R3). Stuck ones are listed, so that they do not hold the mark back.
    fn mark(&self) -> LowWater {
        let mut mark = LowWater { begun_up_to: self.register.head().seq, except: Vec::new() };
        if planted!(MarkCoversOpen) {
            return mark;
        }
        let unreadable = self.unreadable.values().map(|recorded| recorded.begun).collect::<Vec<_>>();
        mark.except.extend(unreadable.iter().take(LowWater::EXCEPT_MAX));
        if unreadable.len() > LowWater::EXCEPT_MAX {
            return LowWater::default();
        }
        for (begun, id) in &self.by_begin {
            let is_stuck = self.open.get(id).is_some_and(|open| {
                open.transfer.parked().is_some() || open.is_overdue(self.now, self.options.overdue_ms)
            });
            if !is_stuck || mark.except.len() >= LowWater::EXCEPT_MAX {
                mark.begun_up_to = Seq(begun.0 - 1);
                break;
            }
            mark.except.push(*begun);
        }
        mark
    }

    fn take(
        &mut self,
        message: &Message,
        trace: Option<TraceContext>,
        out: &mut Outbox,
        questions: &mut Vec<Ask>,
    ) -> Result<(), Error> {
        match message {
            Message::Submit(submit) => self.submit(submit, trace, out),
            Message::Reply(reply) => self.reply(reply, out),
            Message::Ask(Ask { ticket, from, question: Question::Operate(operate) }) => {
                let body = AnswerBody::Operated(self.operate(operate, out)?);
                out.push(*from, Message::Answer(Answer { ticket: *ticket, part: 0, parts: 1, body }), None);
                Ok(())
            }
            Message::Ask(ask) => {
                questions.push(ask.clone());
                Ok(())
            }
            // Not for a manager: dropped, as anything may be.
            Message::Command(_) | Message::Standing(_) | Message::Answer(_) | Message::Rows(_) => Ok(()),
        }
    }
}

impl<T: TransferTables> Machine for Manager<T> {
    fn address(&self) -> Address {
        Address::Manager(self.no)
    }

    fn turn(&mut self, batch: &[Frame], now: Time) -> Result<Vec<(Address, Frame)>, Failure> {
        self.now = self.now.max(now);
        let mut out = Outbox::new(self.address(), self.options.frame_messages_max);
        let mut questions = Vec::new();
        self.register.begin()?;
        for frame in batch {
            for (place, message) in frame.messages.iter().enumerate() {
                self.take_carefully(message, frame.trace(place), &mut out, &mut questions)?;
            }
        }
        if self.recovering.is_one_by_one() {
            self.recover_next(&mut out)?;
        } else {
            self.look_again(&mut out)?;
        }
        let committed =
            if questions.is_empty() { self.register.commit() } else { self.register.commit_before_reading() };
        let seq = match committed {
            Err(_) if planted!(SentBeforeCommit) => self.register.head().seq,
            committed => committed?,
        };
        if !questions.is_empty() {
            for ask in &questions {
                self.answer(ask, &mut out)?;
            }
            // One empty commit for all of them: nobody else has written meanwhile, so these are of one position (R13).
            self.register.begin()?;
            self.register.commit()?;
        }
        let mark = self.mark();
        self.gate.hold(seq, out.into_frames(Some(&mark)));
        Ok(self.gate.durable_up_to(seq))
    }

    fn wake_at(&self) -> Option<Time> {
        if self.recovering.is_one_by_one() { Some(self.now) } else { self.wheel.next_at() }
    }

    fn position(&self) -> Position {
        let overdue = self
            .by_begin
            .values()
            .take_while(|id| self.open.get(id).is_some_and(|open| open.is_overdue(self.now, self.options.overdue_ms)))
            .count();
        let oldest = self.by_begin.values().next().and_then(|id| self.open.get(id));
        Position {
            epoch: self.register.head().epoch,
            seq: self.register.head().seq,
            totals: Vec::new(),
            open: count(self.open.len() + self.unreadable.len()),
            overdue: count(overdue),
            parked: count(self.parked + self.unreadable.len()),
            ended: self.ended,
            oldest: oldest.map(|open| open.transfer.start().accepted_at),
        }
    }

    fn recovered(&self) -> u64 {
        count(self.open.len() + self.unreadable.len())
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn stands(submit: &Submit, stands: Stands, out: &mut Outbox) {
    let standing = Standing { id: submit.id, ticket: submit.ticket, stands };
    out.push(Address::Gateway(submit.gateway), Message::Standing(standing), None);
}

fn conflict(fields: &[&'static str]) -> Stands {
    Stands::Conflict(fields.iter().map(|field| (*field).to_owned()).collect())
}
