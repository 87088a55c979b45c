//! The actor around a machine: a thread, a mailbox and a clock for what has none.
//!
//! Its life: the guardian's factory makes the machine on the actor's own thread, and the actor takes a first turn with
//! nothing in it, for what became due while nobody was there. From then on frames come through its entrance into its
//! mailbox. actix empties the mailbox before it runs what an actor has told itself, so the frames that arrive during a turn
//! pile up and are one batch of the next: commits are shared under load, and no timer waits for a batch to fill. A turn that
//! fails, or panics, ends it; a fresh one is made from the database.

mod clock;
mod ending;
mod entrance;
mod lanes;
mod pulse;
pub mod traced;
mod turns;

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, SpawnHandle, fut::wrap_future};
use remit_core::id::Time;

use crate::{
    bus::{Bus, Delivery},
    machine::Machine,
    supervision::Ended,
};

use clock::Followed;
pub use clock::{Clock, Monotone, system_clock};
pub use ending::said;
pub(crate) use ending::{Closing, OnEnd};
pub(crate) use entrance::{Entrance, LeadsTo};
use lanes::Lanes;
pub use lanes::Room;
pub use pulse::Pulse;
pub use turns::Turns;

/// The longest time until an idle actor looks at the clock again, in milliseconds: the clock may be set, the timer counts on.
const ALARM_MS_MAX: i64 = 1_000;

/// How an actor takes its turns.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Messages that one turn takes; 1 or more. A frame is never split: a larger one is taken alone.
    pub batch_messages_max: usize,
    /// Messages that may wait, by [`Class`](crate::message::Class), in the order of its variants.
    pub room: [usize; 3],
    /// What a submit that finds no room is told to wait, in milliseconds.
    pub retry_after_ms: u64,
    /// Where the time comes from.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self { batch_messages_max: 4_096, room: [262_144, 131_072, 65_536], retry_after_ms: 500, clock: system_clock }
    }
}

/// A frame on its way through the mailbox.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Arrival(pub(crate) Delivery);

/// Take what waits, then end as [`Ended::Drained`].
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Drain;

/// The flag that comes with it has been raised: end as [`Ended::Retired`]. The flag is seen before each turn, so that nothing
/// that waits in the mailbox comes first; this wakes who sleeps.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Halt;

/// End without reason, as a test or a show of chaos wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub enum Kill {
    /// By a panic outside of any turn.
    Panic,
    /// By just being gone.
    Vanish,
}

/// To itself: a turn, once the mailbox is empty.
#[derive(Message)]
#[rtype(result = "()")]
struct Turn;

/// To itself: look at the clock.
#[derive(Message)]
#[rtype(result = "()")]
struct Alarm;

/// A machine with a thread.
pub(crate) struct Durable {
    turns: Turns,
    pulse: Arc<Pulse>,
    /// Whether it must not take another turn.
    halt: Arc<AtomicBool>,
    clock: Followed,
    /// Whether a [`Turn`] is on its way.
    turn_due: bool,
    alarm: Option<(Time, SpawnHandle)>,
    /// The last field, so that the database is closed by the time that the end is told.
    closing: Closing,
}

impl Durable {
    pub(crate) fn new(
        machine: Box<dyn Machine>,
        bus: Arc<dyn Bus>,
        options: Options,
        room: Arc<Room>,
        pulse: Arc<Pulse>,
        halt: Arc<AtomicBool>,
        closing: Closing,
    ) -> Self {
        let turns = Turns::new(machine, room, bus, options.batch_messages_max);
        let clock = Followed::new(options.clock);
        Self { turns, pulse, halt, clock, turn_due: false, alarm: None, closing }
    }

    /// Takes one turn; false if it was the last one.
    fn turn(&mut self, ctx: &mut Context<Self>) -> bool {
        if self.halt.load(Relaxed) {
            self.end(Ended::Retired, ctx);
            return false;
        }
        let now = self.clock.now();
        self.pulse.begins();
        match self.turns.turn(now) {
            Ok(()) => {
                self.pulse.ends(self.turns.position());
                true
            }
            Err(ended) => {
                self.end(ended, ctx);
                false
            }
        }
    }

    /// A turn, and what comes after it.
    fn turn_and_go_on(&mut self, ctx: &mut Context<Self>) {
        if !self.turn(ctx) {
            return;
        }
        // An actor that always tells itself something never yields its thread: to others on it, nor to timers.
        ctx.wait(wrap_future(tokio::task::yield_now()));
        if self.turns.is_empty() { self.set_alarm(ctx) } else { self.turn_soon(ctx) }
    }

    fn turn_soon(&mut self, ctx: &mut Context<Self>) {
        if !mem::replace(&mut self.turn_due, true) {
            ctx.notify(Turn);
        }
    }

    /// Sees to it that the machine gets the turn that it wants at a later time. An alarm that is early enough stays as it is.
    fn set_alarm(&mut self, ctx: &mut Context<Self>) {
        let Some(wanted) = self.turns.wake_at() else { return };
        let now = self.clock.now();
        if wanted <= now {
            return self.turn_soon(ctx);
        }
        let at = wanted.min(Time(now.0.saturating_add(ALARM_MS_MAX)));
        match self.alarm {
            Some((set, _)) if set <= at => return,
            Some((_, handle)) => {
                ctx.cancel_future(handle);
            }
            None => {}
        }
        let ms = u64::try_from(at.0.saturating_sub(now.0)).unwrap_or(0);
        self.alarm = Some((at, ctx.notify_later(Alarm, Duration::from_millis(ms))));
    }

    fn is_due(&mut self) -> bool {
        self.turns.wake_at().is_some_and(|at| at <= self.clock.now())
    }

    fn end(&mut self, ended: Ended, ctx: &mut Context<Self>) {
        self.closing.set(ended);
        ctx.terminate();
    }
}

impl Actor for Durable {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.turn_and_go_on(ctx);
    }
}

impl Handler<Arrival> for Durable {
    type Result = ();

    fn handle(&mut self, Arrival(delivery): Arrival, ctx: &mut Self::Context) {
        self.turns.push(delivery);
        // A mailbox that is never empty starves notifications and timers, but neither a full batch nor the clock.
        if self.turns.is_full() || self.is_due() {
            self.turn_and_go_on(ctx);
        } else {
            self.turn_soon(ctx);
        }
    }
}

impl Handler<Turn> for Durable {
    type Result = ();

    fn handle(&mut self, _: Turn, ctx: &mut Self::Context) {
        self.turn_due = false;
        if !self.turns.is_empty() || self.is_due() {
            self.turn_and_go_on(ctx);
        }
    }
}

impl Handler<Alarm> for Durable {
    type Result = ();

    fn handle(&mut self, _: Alarm, ctx: &mut Self::Context) {
        self.alarm = None;
        self.set_alarm(ctx);
    }
}

impl Handler<Drain> for Durable {
    type Result = ();

    fn handle(&mut self, _: Drain, ctx: &mut Self::Context) {
        while !self.turns.is_empty() {
            if !self.turn(ctx) {
                return;
            }
        }
        self.end(Ended::Drained, ctx);
    }
}

impl Handler<Halt> for Durable {
    type Result = ();

    fn handle(&mut self, _: Halt, ctx: &mut Self::Context) {
        self.end(Ended::Retired, ctx);
    }
}

impl Handler<Kill> for Durable {
    type Result = ();

    fn handle(&mut self, kill: Kill, ctx: &mut Self::Context) {
        match kill {
            Kill::Panic => panic!("killed"),
            Kill::Vanish => ctx.terminate(),
        }
    }
}
