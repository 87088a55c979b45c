//! The guardian itself: what it does about each step. What to do about a failure, [`record`](super::record) decides.

use std::{
    hash::{BuildHasher, RandomState},
    io, mem,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use actix::{Actor, Addr, Arbiter, AsyncContext, Context, Handler, Supervised};
use remit_core::id::Epoch;

use super::{
    Child, DeathWatch, Options,
    birth::{Birth, Made, Over},
    board::{Board, State},
    drain::Draining,
    moves::Retiring,
    record::{Record, Verdict},
};
use crate::{
    bus::Bus,
    durable::{Closing, Durable, Entrance, Halt, LeadsTo, Pulse},
    supervision::{Ended, Event, InHand, Recovery, Start, Step},
};

/// Keeps children alive.
pub struct Guardian {
    options: Options,
    bus: Arc<dyn Bus>,
    pub(super) board: Arc<Board>,
    /// `None` where no child lives at present.
    arbiters: Vec<Option<Arbiter>>,
    pub(super) wards: Vec<Ward>,
    born: Instant,
    pub(super) draining: Option<Draining>,
    pub(super) watch: DeathWatch,
}

/// A child in care.
pub(super) struct Ward {
    pub(super) child: Child,
    pub(super) entrance: Arc<Entrance>,
    /// Its arbiter's place among all.
    thread: usize,
    pub(super) record: Record,
    pub(super) generation: u64,
    /// The newest claim that it is known to have made.
    epoch: Option<Epoch>,
    pub(super) life: Life,
    pub(super) pulse: Arc<Pulse>,
    /// Raised where the present incarnation must not take another turn.
    pub(super) halt: Arc<AtomicBool>,
    pub(super) stuck: bool,
    pub(super) overdue: u64,
}

/// What a child is about.
pub(super) enum Life {
    Starting,
    Up(Addr<Durable>),
    /// Told to end.
    Draining(Addr<Durable>),
    /// It is to end, and then not to be here.
    Retiring(Retiring),
    /// A fresh one will be made later.
    Down(String),
    /// Another node has it, or nobody.
    Elsewhere,
    /// For good.
    Ended,
}

impl Guardian {
    /// A guardian over these children, and the threads that they will live on. Needs an actix system on this thread.
    pub(super) fn new(
        options: Options,
        children: Vec<Child>,
        entrances: Vec<Arc<Entrance>>,
        bus: Arc<dyn Bus>,
        board: Arc<Board>,
        watch: DeathWatch,
    ) -> io::Result<Self> {
        let threads = threads(&children, options.arbiter_threads);
        let arbiters = 0..threads.iter().map(|thread| thread + 1).max().unwrap_or(0);
        let needed = |thread| children.iter().zip(&threads).any(|(child, of)| child.here && *of == thread);
        let arbiters = arbiters.map(|thread| needed(thread).then(Arbiter::try_new).transpose());
        let arbiters = arbiters.collect::<io::Result<_>>()?;
        let ward = |((child, entrance), thread): ((Child, _), _)| Ward {
            life: if child.here { Life::Down("not yet started".into()) } else { Life::Elsewhere },
            child,
            entrance,
            thread,
            record: Record::default(),
            generation: 0,
            epoch: None,
            pulse: Arc::default(),
            halt: Arc::default(),
            stuck: false,
            overdue: 0,
        };
        let wards = children.into_iter().zip(entrances).zip(threads).map(ward).collect();
        Ok(Self { options, bus, board, arbiters, wards, born: Instant::now(), draining: None, watch })
    }

    /// Makes a child's machine and actor, on the child's own thread.
    pub(super) fn start_ward(&mut self, no: usize, ctx: &Context<Self>) {
        let now_ms = self.age_ms();
        let ward = &mut self.wards[no];
        let (one_by_one, park) = ward.record.starts(now_ms);
        let in_hand = Arc::new(InHand::default());
        let recovery = Recovery { one_by_one, park, in_hand: Arc::clone(&in_hand) };
        let pulse = Arc::new(Pulse::default());
        let halt = Arc::new(AtomicBool::new(false));
        (ward.pulse, ward.halt) = (Arc::clone(&pulse), Arc::clone(&halt));
        ward.life = Life::Starting;
        let birth = Birth {
            ward: no,
            start: Start { generation: ward.generation, recovery },
            factory: Arc::clone(&ward.child.factory),
            bus: Arc::clone(&self.bus),
            options: self.options.turns,
            pulse: Arc::clone(&pulse),
            halt,
            guardian: ctx.address().downgrade(),
        };
        self.board.set(no, |row| {
            row.position = Some(row.position.take().unwrap_or_else(|| row.pulse.position()));
            (row.state, row.generation, row.pulse) = (State::Starting, birth.start.generation, pulse);
        });
        self.tell(no, Step::Started);
        // Made here, so that it tells the end also where the thread is gone.
        let closing = Closing::new(birth.on_end());
        match self.thread_of(no) {
            Ok(arbiter) => {
                arbiter.spawn_fn(move || birth.give(closing));
            }
            // It has vanished, then, and is tried again.
            Err(error) => tracing::error!(actor = self.wards[no].child.name, %error, "an actor has no thread"),
        }
    }

    /// The thread of a child, which is started if it is the first one there.
    fn thread_of(&mut self, no: usize) -> io::Result<&Arbiter> {
        let arbiter = &mut self.arbiters[self.wards[no].thread];
        if arbiter.is_none() {
            *arbiter = Some(Arbiter::try_new()?);
        }
        Ok(arbiter.as_ref().expect("it has just been made"))
    }

    /// Ends the thread of a child that has left, if nobody else lives there.
    pub(super) fn end_idle_thread(&mut self, no: usize) {
        let thread = self.wards[no].thread;
        let lives_there = |ward: &Ward| ward.thread == thread && !matches!(ward.life, Life::Elsewhere | Life::Ended);
        if !self.wards.iter().any(lives_there)
            && let Some(arbiter) = self.arbiters[thread].take()
        {
            arbiter.stop();
        }
    }

    /// What is to be done when a child has ended that should not have.
    fn ward_failed(&mut self, no: usize, over: &Over, ctx: &mut Context<Self>) {
        let (now_ms, limits) = (self.age_ms(), self.options.limits);
        let ward = &mut self.wards[no];
        let why = over.ended.to_string();
        let verdict = ward.record.fails(&over.ended, ward.pulse.turns(), over.in_hand, now_ms, dice(), &limits);
        let in_hand = over.in_hand.map(|transfer| transfer.to_string());
        if matches!(over.ended, Ended::LeaseLost(_)) {
            self.tell(no, Step::LeaseLost);
        }
        self.tell(no, Step::Failed { how: over.ended.how(), why: why.clone(), in_hand });
        if let Some(draining) = &mut self.draining
            && draining.reaches(self.wards[no].child.group)
        {
            draining.report.failed.push((self.wards[no].child.name.clone(), why.clone()));
            self.board.set(no, |row| row.last_failure = Some(why));
            self.ward_ended(no);
            return self.drain_on();
        }
        let (state, leads_to, step, delay_ms) = match verdict {
            Verdict::Restart { attempt, delay_ms } => {
                (State::Restarting, LeadsTo::Nobody, Step::Restarting { attempt, delay_ms }, delay_ms)
            }
            Verdict::Quarantine { retry_ms } => {
                let public = format!("{} is quarantined: {why}", self.wards[no].child.name);
                let step = Step::Quarantined { why: why.clone(), retry_ms };
                (State::Quarantined, LeadsTo::Quarantine(public), step, retry_ms)
            }
        };
        let ward = &mut self.wards[no];
        ward.entrance.lead_to(leads_to);
        ward.life = Life::Down(why.clone());
        ward.generation += 1;
        let generation = ward.generation;
        self.board.set(no, |row| (row.state, row.last_failure) = (state, Some(why)));
        self.tell(no, step);
        ctx.run_later(Duration::from_millis(delay_ms), move |guardian, ctx| {
            let ward = &guardian.wards[no];
            if ward.generation == generation && matches!(ward.life, Life::Down(_)) {
                guardian.start_ward(no, ctx);
            }
        });
    }

    /// Looks whose turn takes too long, and whose transfers.
    fn check_pulses(&mut self) {
        for no in 0..self.wards.len() {
            let stuck_ms = self.options.stuck_ms;
            let ward = &mut self.wards[no];
            let at_work = matches!(ward.life, Life::Starting | Life::Up(_) | Life::Draining(_) | Life::Retiring(_));
            let overdue = ward.pulse.position().overdue;
            match (mem::replace(&mut ward.overdue, overdue), overdue) {
                (0, 1..) => self.tell(no, Step::Overdue { transfers: overdue }),
                (1.., 0) => self.tell(no, Step::InTime),
                _ => {}
            }
            let ward = &mut self.wards[no];
            let stuck = ward.pulse.busy_ms().filter(|turn_ms| at_work && *turn_ms >= stuck_ms);
            let was = mem::replace(&mut ward.stuck, stuck.is_some());
            match (was, stuck) {
                (false, Some(turn_ms)) => self.tell(no, Step::Stuck { turn_ms }),
                (true, None) if at_work => self.tell(no, Step::Unstuck),
                _ => continue,
            }
            self.board.set(no, |_| {});
        }
    }

    pub(super) fn tell(&self, no: usize, step: Step) {
        let ward = &self.wards[no];
        let event = Event {
            at: (self.options.turns.clock)(),
            node: self.options.node.clone(),
            actor: ward.child.name.clone(),
            generation: ward.generation,
            epoch: ward.epoch,
            step,
        };
        event.log();
        (self.options.sink)(&event);
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A number that nobody can tell beforehand; its seed is the standard library's for hash maps.
fn dice() -> u64 {
    RandomState::new().hash_one(())
}

impl Actor for Guardian {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let look_ms = (self.options.stuck_ms / 4).clamp(10, 1_000);
        ctx.run_interval(Duration::from_millis(look_ms), |guardian, _| guardian.check_pulses());
        // All of them at first; should actix's supervisor ever restart this actor, those whose timers are lost with that.
        for no in 0..self.wards.len() {
            if matches!(self.wards[no].life, Life::Down(_)) {
                self.start_ward(no, ctx);
            }
        }
    }
}

impl Supervised for Guardian {}

impl Handler<Made> for Guardian {
    type Result = ();

    fn handle(&mut self, made: Made, _: &mut Self::Context) {
        let no = made.ward;
        let ward = &mut self.wards[no];
        if ward.generation != made.generation {
            return;
        }
        if let Life::Retiring(retiring) = &mut ward.life {
            // Its order to leave came while it was made, so that nothing waits for it yet.
            made.addr.do_send(Halt);
            retiring.addr = Some(made.addr);
        } else {
            ward.entrance.lead_to(LeadsTo::Actor(made.addr.clone(), made.room));
            ward.life = Life::Up(made.addr);
        }
        ward.epoch = Some(made.epoch);
        self.board.set(no, |row| (row.state, row.position) = (State::Up, None));
        self.tell(no, Step::LeaseWon);
        self.tell(no, Step::Recovered { open: made.open, took_ms: made.took_ms });
        self.drain_on();
    }
}

impl Handler<Over> for Guardian {
    type Result = ();

    fn handle(&mut self, over: Over, ctx: &mut Self::Context) {
        let no = over.ward;
        if self.wards[no].generation != over.generation {
            return;
        }
        if matches!(self.wards[no].life, Life::Retiring(_)) {
            self.ward_retired(no, &over, ctx);
        } else if matches!(over.ended, Ended::Drained) {
            self.tell(no, Step::Drained);
            if let Some(draining) = &mut self.draining {
                draining.report.drained.push(self.wards[no].child.name.clone());
            }
            self.ward_ended(no);
            self.drain_on();
        } else {
            self.ward_failed(no, &over, ctx);
        }
    }
}

/// The thread of each child, of so many that they share (0: one for each), and one more for each that wants its own.
fn threads(children: &[Child], shared: usize) -> Vec<usize> {
    let together = children.iter().filter(|child| !child.alone).count();
    let shared = if shared == 0 { together } else { shared.min(together) };
    let (mut next, mut alone) = (0, shared);
    let mut thread = |child: &Child| {
        let counter = if child.alone { &mut alone } else { &mut next };
        let thread = *counter;
        *counter += 1;
        if child.alone { thread } else { thread % shared }
    };
    children.iter().map(&mut thread).collect()
}
