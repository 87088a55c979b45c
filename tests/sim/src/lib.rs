//! A deployment in which everything goes wrong, from one seed.
//!
//! The machines, the loop, the stores' logic and the faults are the product's own; simulated are the tables below the stores,
//! the ways between the actors, the nodes and the time. First come faults, and money must be safe; then faults stop, and every
//! transfer must reach its end. After every step a second opinion ([`Violation`]) looks at what has become durable and at what
//! has been said.
//!
//! A seed is a bug report: the same seed has the same [`Run`], to the last bit of its trace.
//!
//! Read it in this order: `plan`, what a seed means; `world` and `queue`, what happens when; `living` and `slot`, the lives of actors
//! and their disks (`drive`); `network`, the ways between them; `chaos`, the faults of whole actors, nodes and the broker; `nodes`, `stream`,
//! `around` and `cluster`, a deployment whose journals are replicated, with faults of its own; `clients` and
//! `daily`, who uses it all; `reading`, the read model beside it; `checker`, what must always be true; `situations`, what has come about; `rest`, the end; `telling` and
//! `trace`, the story; `campaign`, many seeds.

mod around;
mod campaign;
mod chaos;
mod checker;
mod clients;
mod cluster;
mod counts;
mod daily;
mod drive;
mod living;
mod network;
mod nodes;
mod plan;
mod queue;
mod reading;
mod rest;
mod situations;
mod slot;
mod stream;
mod telling;
mod trace;
mod world;

use remit_core::{id::TransferId, transfer::Outcome};

pub use campaign::{Campaign, Report};
pub use checker::Violation;
pub use counts::{Counts, Events};
pub use plan::{Chaos, Plan, Replicated};
use queue::Event;
pub use situations::Situations;
use world::World;

/// How long accounts are opened and nothing goes wrong, in milliseconds.
const PRELUDE_MS: i64 = 300;
/// How long it may take until everything has come to rest once faults have stopped, in milliseconds.
const REST_MS_MAX: i64 = 180_000;
/// How often it is looked whether everything has come to rest, in events.
const LOOK_EVERY: u64 = 256;

/// What a simulation has come to.
#[derive(Clone, Debug)]
pub struct Run {
    /// A number that stands for everything that happened.
    pub trace: u64,
    /// What happened how often.
    pub counts: Counts,
    /// What must never be, if it was.
    pub violation: Option<Violation>,
    /// How that came, in lines that a person reads; empty unless asked for.
    pub story: Vec<String>,
}

/// Runs a plan to its end, or to the first thing that must never be.
#[must_use]
pub fn simulate(plan: &Plan, tells: bool) -> Run {
    let mut world = World::new(plan.clone(), tells);
    let violation = run(&mut world).err();
    let mut counts = world.counts;
    let events = &mut counts.events;
    for (_, end) in world.checker.transfers.values().filter_map(|known| known.end) {
        events.transfers += 1;
        events.completed += u64::from(end.outcome == Outcome::Completed);
        events.compensated += u64::from(end.outcome == Outcome::Compensated);
    }
    events.rotten = world.checker.rotten.len() as u64;
    events.audits = world.auditor.done;
    events.simulated_ms = world.queue.now.unsigned_abs();
    counts.situations.add(&world.checker.situations);
    let trace = world.trace.hash();
    let words = violation.as_ref().map(|violation| violation.about.as_slice());
    let story = world.trace.story(words);
    Run { trace, counts, violation, story }
}

fn run(world: &mut World) -> Result<(), Violation> {
    for place in 0..world.slots.len() {
        world.plan_start(place);
    }
    for no in 0..world.clients.len() {
        world.queue.after(100, Event::Client(no));
    }
    world.queue.after(1_000, Event::Audit);
    world.queue.after(100, Event::Read);
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
            if world.submitted == world.plan.transfers && world.queue.now.unsigned_abs() > world.plan.storm_ms {
                world.calm_down()?;
                rest_by = world.queue.now + REST_MS_MAX;
            }
        } else if world.is_at_rest()? {
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
