//! A small world of nodes around one bucket, in which all goes wrong that may, and what must be true of it nevertheless.
//!
//! The nodes run the product's own views and plans; the agents around them are as simple as they can be. All of it is drawn
//! from a seed, which a failure prints.

mod bucket;
mod process;
mod trouble;
mod truth;
mod world;

use self::{process::LEASE_MS, trouble::Trouble, world::World};
use crate::faults::Dice;

/// Each is a fraction of a second. A rule that only hundreds of worlds would miss has a test of its own beside the plan.
const SEEDS: u64 = 10;

/// How long things go wrong, in milliseconds of that world.
const TROUBLE_MS: u64 = 30_000;

/// Within what it must have settled when nothing more goes wrong. Planned moves are one at a time for each node.
const QUIET_MS_MAX: u64 = 60_000;

fn live_through(seed: u64, troubles: &[Trouble], check: impl Fn(&World)) {
    let mut dice = Dice::new(seed, 1);
    let mut world = World::new(seed);
    while world.now_ms < TROUBLE_MS {
        world.go_on(dice.between(100, 3_000), &check);
        world.make(*dice.pick(troubles));
    }
    world.end_all_trouble();
    // By then what crashed last has come back.
    world.go_on(2 * LEASE_MS, &check);
    let until_ms = world.now_ms + QUIET_MS_MAX;
    while let Err(why) = world.is_settled() {
        assert!(
            world.now_ms < until_ms,
            "seed {seed}: {why}, {QUIET_MS_MAX} ms after the last trouble\n{}",
            world.told()
        );
        world.go_on(100, &check);
    }
    // And it stays so: nobody moves a journal to and fro.
    let writes = world.owners_written();
    world.go_on(10_000, &check);
    assert_eq!(world.is_settled(), Ok(()), "seed {seed}\n{}", world.told());
    assert_eq!(world.owners_written(), writes, "seed {seed}\n{}", world.told());
}

#[test]
fn whatever_goes_wrong_every_journal_comes_to_its_place_and_no_term_has_two_nodes() {
    for seed in 0..SEEDS {
        live_through(seed, &Trouble::ALL, |world| {
            if let Some(twice) = world.term_of_two() {
                panic!("seed {seed}: {twice}\n{}", world.told());
            }
        });
    }
}

#[test]
fn planned_moves_never_have_a_journal_run_twice() {
    for seed in 0..SEEDS {
        live_through(seed, &Trouble::PLANNED, |world| {
            if let Some(twice) = world.run_by_two() {
                panic!("seed {seed}: {twice}\n{}", world.told());
            }
        });
    }
}
