//! A deployment in which everything goes wrong, from one seed.
//!
//! The machines, the loop, the stores' logic and the faults are the product's own; simulated are the tables below the stores,
//! the ways between the actors, the nodes and the time. First come faults, and money must be safe; then faults stop, and every
//! transfer must reach its end. After every step a second opinion ([`Violation`]) looks at what has become durable and at what
//! has been said.
//!
//! A seed is a bug report: the same seed has the same [`Outcome`], to the last bit of its trace.

mod campaign;
mod chaos;
mod checker;
mod clients;
mod network;
mod plan;
mod queue;
mod rest;
mod slot;
mod trace;
mod world;

use remit_core::id::TransferId;

pub use campaign::{Campaign, Report};
pub use checker::Violation;
pub use plan::{Chaos, Plan};
use queue::Event;
use world::World;

/// How long accounts are opened and nothing goes wrong, in milliseconds.
const PRELUDE_MS: i64 = 300;
/// How long it may take until everything has come to rest once faults have stopped, in milliseconds.
const REST_MS_MAX: i64 = 180_000;
/// How often it is looked whether everything has come to rest, in events.
const LOOK_EVERY: u64 = 256;

/// What a simulation has come to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// A number that stands for everything that happened.
    pub trace: u64,
    /// What happened how often.
    pub counts: Counts,
    /// What must never be, if it was.
    pub violation: Option<Violation>,
    /// How that came, in lines that a person reads; empty unless asked for.
    pub story: Vec<String>,
}

/// What happened how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Transfers that came to an end.
    pub transfers: u64,
    /// Of these, completed.
    pub completed: u64,
    /// Of these, compensated.
    pub compensated: u64,
    /// Things that happened.
    pub events: u64,
    /// Turns that were taken.
    pub turns: u64,
    /// Durable rows.
    pub rows: u64,
    /// Faults of actors, nodes and the broker.
    pub faults: u64,
    /// Incarnations that were made.
    pub starts: u64,
    /// Turns that an actor with a successor took.
    pub stale_turns: u64,
    /// Databases that lost what was written and not flushed.
    pub unflushed: u64,
    /// Frames that the broker delivered again.
    pub redelivered: u64,
    /// Messages that found no room.
    pub turned_away: u64,
    /// Audits that were taken while money moved.
    pub audits: u64,
    /// Simulated milliseconds.
    pub simulated_ms: u64,
}

impl Counts {
    /// Adds those of another simulation.
    pub fn add(&mut self, other: &Self) {
        self.transfers += other.transfers;
        self.completed += other.completed;
        self.compensated += other.compensated;
        self.events += other.events;
        self.turns += other.turns;
        self.rows += other.rows;
        self.faults += other.faults;
        self.starts += other.starts;
        self.stale_turns += other.stale_turns;
        self.unflushed += other.unflushed;
        self.redelivered += other.redelivered;
        self.turned_away += other.turned_away;
        self.audits += other.audits;
        self.simulated_ms += other.simulated_ms;
    }
}

/// Runs a plan to its end, or to the first thing that must never be.
#[must_use]
pub fn simulate(plan: &Plan, tells: bool) -> Outcome {
    let mut world = World::new(plan.clone(), tells);
    let violation = run(&mut world).err();
    let mut counts = world.counts;
    let ends = world.checker.transfers.values().filter_map(|known| known.end);
    for (_, end) in ends {
        counts.transfers += 1;
        counts.completed += u64::from(end.outcome == remit_core::transfer::Outcome::Completed);
        counts.compensated += u64::from(end.outcome == remit_core::transfer::Outcome::Compensated);
    }
    counts.audits = world.auditor.done;
    counts.simulated_ms = world.queue.now.unsigned_abs();
    let trace = world.trace.hash();
    let words = violation.as_ref().map(|violation| violation.about.clone()).unwrap_or_default();
    let story = if violation.is_some() { world.trace.story(&words, 400) } else { Vec::new() };
    Outcome { trace, counts, violation, story }
}

fn run(world: &mut World) -> Result<(), Violation> {
    for place in 0..world.slots.len() {
        world.plan_start(place);
    }
    for no in 0..world.clients.len() {
        world.queue.after(100, Event::Client(no));
    }
    world.queue.after(1_000, Event::Audit);
    if !world.plan.chaos.is_empty() {
        world.queue.after(PRELUDE_MS.unsigned_abs() * 2, Event::Chaos);
    }
    let mut rest_by = i64::MAX;
    let mut steps = 0_u64;
    while let Some(event) = world.queue.next() {
        world.happen(event)?;
        steps += 1;
        if !steps.is_multiple_of(LOOK_EVERY) {
            continue;
        }
        if rest_by == i64::MAX {
            if world.submitted == world.plan.transfers {
                world.calm_down();
                rest_by = world.queue.now + REST_MS_MAX;
            }
        } else if world.is_at_rest() {
            return world.conclude();
        } else if world.queue.now > rest_by {
            return Err(world.restless());
        }
    }
    Ok(())
}

/// A transfer's name in stories: the number that its client gave it.
fn name(id: TransferId) -> String {
    let mut number = [0; 8];
    number.copy_from_slice(&id.0[8..]);
    format!("t{}.{:05}", id.0[7], u64::from_be_bytes(number))
}
