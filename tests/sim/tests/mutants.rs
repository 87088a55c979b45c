//! Planted bugs, each of which must be caught: the proof that the simulator finds bugs, and that every rule is needed.
//!
//! A mutant takes one rule out; the table says which, and within how many seeds it must be found. One test, since the bug is
//! planted for the whole process.
#![cfg(feature = "mutants")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeSet, thread::available_parallelism};

use remit_actors::faults::Chance;
use remit_core::mutant::{
    Mutant::{self, *},
    plant,
};
use remit_sim::{Campaign, Chaos, Plan, Report};

/// Transfers for each seed.
const TRANSFERS: u64 = 300;

/// The rule that a mutant takes out, and the seeds within which it must be found.
fn table(mutant: Mutant) -> (&'static str, u64) {
    match mutant {
        NoTombstone => ("R1", 5),
        RefusalNotRecorded => ("R2", 5),
        UniqueIndexMissing => ("R2", 10),
        CommandsRepeat => ("R2", 20),
        NoRoomKept => ("R3", 30),
        FrozenRefusesUndos => ("R3", 30),
        IncomingIsAvailable => ("R3", 30),
        MarkCoversOpen => ("R3", 5),
        ClosedWithoutAsking => ("R4", 30),
        OldAnswersClose => ("R4", 400),
        AuditForgetsTheBegun => ("R5", 30),
        AuditForgetsRows => ("R5", 30),
        SilenceIsANo => ("R6", 20),
        PivotNotCancelled => ("R7", 5),
        LateSuccessIgnored => ("R7", 20),
        AbortNotRecorded => ("R8", 30),
        EndBeforePosts => ("R9", 20),
        PokedTooFar => ("R10", 30),
        OneRecordStopsAll => ("R11", 200),
        EpochCheckedOutside => ("R12", 200),
        BulkWriteAhead => ("R12", 30),
        ReadWithoutProof => ("R13", 300),
        SentBeforeCommit => ("R13", 20),
        AcknowledgedBeforeCommit => ("R13", 50),
        CommitNotFlushed => ("R13", 5),
        NoRetryAfterRecovery => ("R20", 20),
        PermitsNotReturned => ("R20", 20),
        ProjectionCountsTwice => ("reads", 5),
        WritesOnAfterLease => ("R12", 60),
        AppendsAnywhere => ("R12", 10),
        RefusedIsStored => ("R14", 60),
        NoPromises => ("R15", 300),
        NoTail => ("R17", 20),
        LastClaimantNotAwaited => ("R18", 300),
    }
}

/// What brings some bugs out sooner than seeds draw it.
fn tune(mutant: Mutant) -> fn(&mut Plan) {
    match mutant {
        OldAnswersClose => |plan| {
            (plan.managers, plan.clients) = (2, 3);
            (plan.commands, plan.purses) = (Chance::percent(100), Chance::percent(90));
            (plan.burst_max, plan.pause_ms_max) = (2, 40);
            (plan.faults.frame_stale, plan.faults.stale_ms_max) = (Chance::percent(50), 2_000);
            plan.faults.frame_late = Chance::percent(40);
            plan.faults.late_ms_max = 1_500;
            plan.chaos.retain(|chaos| matches!(chaos, Chaos::CutIn | Chaos::CutOut));
            plan.chaos_ms_max = if plan.chaos.is_empty() { 0 } else { 400 };
        },
        EpochCheckedOutside | ReadWithoutProof => |plan| {
            plan.chaos = vec![Chaos::Pause];
            plan.chaos_ms_max = 200;
        },
        OneRecordStopsAll => |plan| {
            plan.chaos = vec![Chaos::Rot, Chaos::CutIn];
            plan.chaos_ms_max = 100;
        },
        WritesOnAfterLease | RefusedIsStored => |plan| {
            plan.chaos = vec![Chaos::Freeze];
            plan.chaos_ms_max = 400;
        },
        NoPromises | LastClaimantNotAwaited => |plan| {
            plan.chaos = vec![Chaos::Freeze, Chaos::Rollback, Chaos::StreamsLost, Chaos::NodeCrash, Chaos::Move];
            plan.chaos_ms_max = 200;
        },
        _ => |_| (),
    }
}

fn run(mutant: Mutant, seeds: u64) -> Report {
    let threads = available_parallelism().unwrap().get();
    Campaign { seeds: (0..seeds).collect(), transfers: TRANSFERS, tune: tune(mutant), threads }.run(&|_| ())
}

#[test]
fn every_mutant_is_caught_and_nothing_else_is() {
    // What a mutant panics with is in its violation.
    let said = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let mut missed = Vec::new();
    let only = std::env::var("ONLY").ok();
    for mutant in Mutant::ALL {
        if only.as_ref().is_some_and(|only| !only.contains(&format!("{mutant:?}"))) {
            continue;
        }
        let (rule, seeds) = table(mutant);
        plant(None);
        let clean = run(mutant, seeds.min(20));
        plant(Some(mutant));
        let report = run(mutant, seeds);
        plant(None);
        if let Some((seed, run)) = &clean.failed {
            missed.push(format!("{mutant:?}: seed {seed} fails without it: {}", run.violation.as_ref().unwrap()));
        }
        match report.failed {
            Some((_, run)) => {
                println!("{rule:<4} {mutant:?}: {} of {seeds} seeds: {}", report.seeds, run.violation.unwrap());
            }
            None => missed.push(format!("{rule} {mutant:?}: not caught in {seeds} seeds")),
        }
    }
    std::panic::set_hook(said);
    assert!(missed.is_empty(), "{missed:#?}");
}

/// R16 and R19, how a deployment begins and what a snapshot is worth, are not simulated.
#[test]
fn every_rule_has_a_mutant() {
    let rules: BTreeSet<&str> = Mutant::ALL.into_iter().map(|mutant| table(mutant).0).collect();
    let expected = (1..=15).chain([17, 18, 20]).map(|no| format!("R{no}"));
    let expected = expected.chain(["reads".to_owned()]).collect::<BTreeSet<_>>();
    assert_eq!(rules.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), expected);
}
