//! Seeds, fixed and fresh: whatever goes wrong, no money is made or lost, and every transfer ends.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    thread::available_parallelism,
    time::{SystemTime, UNIX_EPOCH},
};

use remit_sim::{Campaign, Counts, Plan, simulate};

/// Transfers for each seed.
const TRANSFERS: u64 = 300;

/// Runs seeds; of the first that fails, tells the whole story.
fn hold(from: u64, count: u64) -> Counts {
    let threads = available_parallelism().unwrap().get();
    let seeds = (from..from + count).collect();
    let report = Campaign { seeds, transfers: TRANSFERS, tune: |_| (), threads }.run(&|_| ());
    if let Some((seed, run)) = report.failed {
        let plan = Plan::new(seed, TRANSFERS);
        let story = simulate(&plan, true).story;
        let lines = &story[story.len().saturating_sub(300)..];
        panic!(
            "{plan}\n{}\n{}\nagain: remit simulate --seed {seed} --transfers {TRANSFERS}",
            lines.join("\n"),
            run.violation.unwrap()
        );
    }
    assert_eq!(report.seeds, count);
    report.counts
}

/// The fixed ones, in which every situation that transfer systems fail in comes about.
#[test]
fn fixed_seeds_hold_and_meet_every_situation() {
    let counts = hold(0, 300);
    println!("{counts:?}");
    let never = |list: Vec<(&'static str, u64)>| -> Vec<&'static str> {
        list.into_iter().filter(|(_, number)| *number == 0).map(|(name, _)| name).collect()
    };
    assert_eq!(never(counts.situations.list()), Vec::<&str>::new());
    assert_eq!(never(counts.events.list()), Vec::<&str>::new());
    assert_eq!(counts.events.fenced, counts.events.stale_turns, "R12: every stale owner was refused");
}

/// Other ones each time.
#[test]
fn fresh_seeds_hold() {
    let from = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    let from = u64::try_from(from).unwrap();
    println!("seeds from {from} on");
    hold(from, 300);
}

/// The same seed is the same run, to the last bit, whether it is told or not, and whatever runs beside it.
#[test]
fn a_seed_replays() {
    for seed in [3, 14, 15, 92, 65] {
        let plan = Plan::new(seed, TRANSFERS);
        let first = simulate(&plan, false);
        let again = std::thread::scope(|scope| {
            let beside = scope.spawn(|| simulate(&Plan::new(seed + 1, TRANSFERS), false));
            let again = simulate(&plan, true);
            assert_ne!(beside.join().unwrap().trace, again.trace);
            again
        });
        assert_eq!((first.trace, first.counts), (again.trace, again.counts), "seed {seed}");
    }
}
