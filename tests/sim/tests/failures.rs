//! The ten failures that have hurt other transfer systems, each brought about on purpose, and counted: a test in which the
//! situation did not come about fails too.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::thread::available_parallelism;

use remit_actors::faults::{Chance, Faults};
use remit_core::protocol::Protocol;
use remit_sim::{Campaign, Chaos, Counts, Plan, Replicated, simulate};

const SEEDS: u64 = 12;
const TRANSFERS: u64 = 200;

/// Runs seeds tuned to bring something about; nothing may be found in them.
fn hold(tune: fn(&mut Plan)) -> Counts {
    let threads = available_parallelism().unwrap().get();
    let report = Campaign { seeds: (0..SEEDS).collect(), transfers: TRANSFERS, tune, threads }.run(&|_| ());
    if let Some((seed, run)) = report.failed {
        let mut plan = Plan::new(seed, TRANSFERS);
        tune(&mut plan);
        let story = simulate(&plan, true).story;
        panic!("{plan}\n{}\n{}", story[story.len().saturating_sub(300)..].join("\n"), run.violation.unwrap());
    }
    report.counts
}

/// Under each protocol alone, with first, middle and last legs.
fn hold_under_each(tunes: [fn(&mut Plan); 3], came_about: impl Fn(&Counts) -> u64) {
    for (tune, protocol) in tunes.into_iter().zip(Protocol::all()) {
        let counts = hold(tune);
        assert!(came_about(&counts) > 0, "{protocol}: it did not come about: {counts:?}");
    }
}

/// A calm plan, on which a test puts its own faults: k legs, hot accounts, one protocol or all.
fn calm(plan: &mut Plan, protocol: Option<usize>) {
    plan.faults = Faults { seed: plan.seed, ..Faults::default() };
    (plan.chaos, plan.chaos_ms_max, plan.storm_ms) = (Vec::new(), 400, 5_000);
    (plan.legs_max, plan.accounts, plan.burst_max, plan.pause_ms_max) = (4, 3, 8, 50);
    (plan.whales, plan.broker, plan.manager.open_max, plan.room) = (false, true, 1_000, 100_000);
    plan.replicated = plan.replicated.map(|replicated| Replicated { unheard: Chance::NEVER, ..replicated });
    if let Some(protocol) = protocol {
        plan.protocols = vec![Protocol::all().nth(protocol).unwrap()];
    } else {
        plan.protocols = Protocol::all().collect();
    }
}

/// A step times out, and then succeeds: debited money must not stay under a transfer that failed.
#[test]
fn failure_01_a_step_times_out_then_succeeds() {
    fn late(plan: &mut Plan, protocol: usize) {
        calm(plan, Some(protocol));
        (plan.faults.frame_late, plan.faults.late_ms_max, plan.deadline_ms_max) = (Chance::percent(40), 3_000, 500);
    }
    hold_under_each([|plan| late(plan, 0), |plan| late(plan, 1), |plan| late(plan, 2)], |counts| {
        counts.situations.succeeded_late
    });
}

/// The cancel overtakes the do; and a do waits in an actor that stands still while its undo is tried again and again.
#[test]
fn failure_02_the_undo_overtakes_the_do() {
    fn overtaken(plan: &mut Plan, protocol: usize) {
        calm(plan, Some(protocol));
        (plan.faults.frame_late, plan.faults.late_ms_max, plan.deadline_ms_max) = (Chance::percent(30), 5_000, 500);
        plan.chaos = vec![Chaos::Pause];
    }
    hold_under_each([|plan| overtaken(plan, 0), |plan| overtaken(plan, 1), |plan| overtaken(plan, 2)], |counts| {
        let seen = counts.situations;
        seen.undone_before_done.min(seen.done_after_undone).min(seen.undo_repeated).min(counts.events.stale_turns)
    });
}

/// An acknowledged message vanishes: the broker forgets everything that it has, again and again.
#[test]
fn failure_03_the_broker_forgets_what_it_acknowledged() {
    let counts = hold(|plan| {
        calm(plan, None);
        (plan.faults.frame_late, plan.faults.late_ms_max) = (Chance::percent(30), 1_000);
        (plan.chaos, plan.chaos_ms_max) = (vec![Chaos::Wipe, Chaos::CutIn], 100);
    });
    assert!(counts.events.forgotten > 100, "{counts:?}");
}

/// A duplicate comes after the broker's window, to another incarnation that remembers nothing, and twice at once.
#[test]
fn failure_04_a_duplicate_comes_late_to_another_incarnation() {
    let counts = hold(|plan| {
        calm(plan, None);
        (plan.faults.frame_doubled, plan.faults.frame_stale) = (Chance::percent(50), Chance::percent(50));
        (plan.faults.stale_ms_max, plan.storm_ms) = (20_000, 15_000);
        (plan.chaos, plan.books.legs_max) = (vec![Chaos::NodeCrash, Chaos::CutOut], 1);
    });
    assert!(counts.situations.repeated_to_another > 1_000, "{counts:?}");
}

/// Two owners of one shard: one stands still, its successor commits, it goes on. The database refuses it (R12).
#[test]
fn failure_05_two_owners_of_one_shard() {
    let counts = hold(|plan| {
        calm(plan, None);
        (plan.chaos, plan.chaos_ms_max) = (vec![Chaos::Pause], 50);
    });
    assert!(counts.events.stale_turns > 100, "{counts:?}");
    assert_eq!(counts.events.fenced, counts.events.stale_turns);
}

/// The coordinator dies before the decision, after the decision is on disk and before anyone is told, after one of two is told.
#[test]
fn failure_06_the_coordinator_dies_around_its_decision() {
    let counts = hold(|plan| {
        calm(plan, Some(1));
        (plan.chaos, plan.chaos_ms_max) = (vec![Chaos::CrashAtWrite, Chaos::Crash], 20);
        (plan.faults.frame_late, plan.faults.late_ms_max) = (Chance::percent(30), 300);
    });
    let seen = counts.situations;
    assert!(seen.recovered_before_decision > 0, "{counts:?}");
    assert!(seen.recovered_before_told > 0, "{counts:?}");
    assert!(seen.recovered_half_told > 0, "{counts:?}");
}

/// The receiver has already spent the credit that must be undone: here it can't have, since nobody can spend what may still be
/// taken back.
#[test]
fn failure_07_a_credit_that_must_be_undone_is_never_spent() {
    fn hot(plan: &mut Plan, protocol: usize) {
        calm(plan, Some(protocol));
        (plan.accounts, plan.legs_max, plan.purses) = (2, 4, Chance::percent(60));
    }
    hold_under_each([|plan| hot(plan, 0), |plan| hot(plan, 1), |plan| hot(plan, 2)], |counts| {
        counts.situations.taken_back_unspent
    });
}

/// Hold arithmetic races: more holds than balance, double posts, posts after releases, freezes and closings in between, and
/// balances at the edge of 63 bits.
#[test]
fn failure_08_hold_arithmetic_races() {
    let counts = hold(|plan| {
        calm(plan, Some(1));
        (plan.accounts, plan.commands, plan.whales) = (2, Chance::percent(100), plan.seed.is_multiple_of(2));
        (plan.faults.frame_doubled, plan.faults.frame_late) = (Chance::percent(40), Chance::percent(40));
        plan.faults.late_ms_max = 1_000;
    });
    let seen = counts.situations;
    assert!(seen.ended_while_frozen.min(seen.refused_for_room).min(seen.repeated) > 0, "{counts:?}");
}

/// Recovery itself is hit: databases crash while they are opened, one start record among many can't be read, two incarnations
/// recover at once, and nothing new comes in to wake what is open.
#[test]
fn failure_09_recovery_itself_is_hit() {
    let counts = hold(|plan| {
        calm(plan, None);
        (plan.faults.commit_fails, plan.faults.commit_unheard) = (Chance::percent(15), Chance::percent(15));
        (plan.faults.frame_late, plan.faults.late_ms_max) = (Chance::percent(30), 2_000);
        plan.chaos = vec![Chaos::Crash, Chaos::Panic, Chaos::CrashAtWrite, Chaos::PowerLoss, Chaos::Pause, Chaos::Rot];
        (plan.chaos_ms_max, plan.manager.register.flush_rows) = (50, 4);
    });
    let events = counts.events;
    assert!(events.rotten.min(events.stale_turns).min(events.unflushed) > 0, "{counts:?}");
    assert!(events.starts > 1_000, "{counts:?}");
}

/// Compensation can't get through for long: it is tried a bounded number of times, and ends when the cause ends.
#[test]
fn failure_10_compensation_keeps_failing() {
    let counts = hold(|plan| {
        calm(plan, None);
        (plan.deadline_ms_max, plan.storm_ms, plan.manager.retries_per_second_max) = (500, 30_000, 100);
        (plan.chaos, plan.chaos_ms_max) = (vec![Chaos::CutIn, Chaos::CutOut], 200);
    });
    let per_transfer_and_minute = counts.situations.undo_repeated * 60_000
        / (counts.events.transfers * (counts.events.simulated_ms / SEEDS)).max(1);
    assert!(counts.situations.undo_repeated > 0, "{counts:?}");
    assert!(per_transfer_and_minute < 60, "{per_transfer_and_minute} undos of a transfer in a minute: {counts:?}");
}

/// A record stored without its effect on the balance: databases crash around every write, with tables that are written in bulk
/// every other row; each row must still be what all rows before it come to, and reading it all again must come to the same.
#[test]
fn also_a_record_is_never_stored_without_its_balance_effect() {
    let counts = hold(|plan| {
        calm(plan, None);
        (plan.chaos, plan.chaos_ms_max) = (vec![Chaos::CrashAtWrite, Chaos::PowerLoss], 30);
        (plan.books.flush_rows, plan.books.accounts_max, plan.books.legs_max) = (2, 1, 1);
    });
    assert!(counts.events.unflushed > 0 && counts.events.starts > 500, "{counts:?}");
}

/// A client library that submits again by itself: everything that clients send arrives twice, and late ones long after.
#[test]
fn also_a_client_library_that_submits_again_by_itself() {
    let counts = hold(|plan| {
        calm(plan, None);
        (plan.faults.frame_doubled, plan.faults.frame_late) = (Chance::percent(100), Chance::percent(30));
        plan.faults.late_ms_max = 3_000;
    });
    assert!(counts.situations.repeated > 1_000, "{counts:?}");
}

/// A node of a replicated deployment stands still, others take its journals over, and it wakes up with all that it had in memory; or
/// two nodes both hold a journal to be theirs, and try in turns. Nothing that a stale owner does may leave (R12, R13).
#[test]
fn also_stale_owners_on_other_nodes() {
    let counts = hold(|plan| {
        calm(plan, None);
        plan.replicated = Some(Replicated { part_bytes: 300, unheard: Chance::percent(2) });
        (plan.nodes, plan.chaos, plan.chaos_ms_max) = (3, vec![Chaos::Freeze, Chaos::Contend], 300);
    });
    assert!(counts.events.stale_turns > 100 && counts.events.moves > 100 && counts.events.rivals > 10, "{counts:?}");
    assert_eq!(counts.events.fenced, counts.events.stale_turns);
}

/// A node, cut off from the others, claims a journal again and again, and nobody knows; the broker loses all streams; the others refill
/// them from what they have, and go on. Then the files of the one tell of claims that are later than all that the others have, and
/// nothing ever rested on: they were the newest of all, so that nobody could open the journal any more, or worse, took their history.
/// Since then nobody appends a claim that he has not announced, and a lost stream waits for whoever announced last (R18).
#[test]
fn also_a_lost_stream_and_claims_that_nobody_knew_of() {
    let counts = hold(|plan| {
        calm(plan, None);
        plan.replicated = Some(Replicated { part_bytes: 300, unheard: Chance::percent(5) });
        plan.chaos =
            vec![Chaos::StreamsLost, Chaos::Apart, Chaos::NodeCrash, Chaos::Freeze, Chaos::Rollback, Chaos::Move];
        (plan.nodes, plan.chaos_ms_max, plan.storm_ms) = (3, 200, 15_000);
        (plan.faults.commit_fails, plan.faults.commit_unheard) = (Chance::percent(2), Chance::percent(2));
    });
    assert!(counts.events.unwritten > 10_000 && counts.events.waits > 100 && counts.events.moves > 100, "{counts:?}");
}
