//! The contract that every protocol keeps, whatever happens to it.
//!
//! Each test here loops over all protocols and all transfers of [`case`], and disturbs each of their steps in one way. The
//! [`laws`] are checked after every step, and every story must come to an end. [`orders`] then leaves no order out for
//! the smallest transfers, [`walks`] mixes everything at random, and [`rules`] pins the rules that are tables.

mod case;
mod laws;
mod orders;
mod rules;
mod shard;
mod story;
mod told;
mod walks;
mod world;

use alloc::vec;
use core::cell::Cell;

use case::{Case, ID};
use story::{Story, at_every_step, at_every_two_steps, at_steps};
use world::{Message, Who, World};

use crate::{
    account::Status,
    id::{LegId, Time, TransferId},
    leg::State,
    money::Direction,
    protocol::Decision,
    reason::Reason,
    transfer::{End, LegSpec, Outcome, Start},
};

/// How often a large transfer is disturbed: at every so many steps.
const STRIDE: usize = 53;

fn completes(story: &Story) {
    assert_eq!(story.end(), End::completed());
}

#[test]
fn undisturbed_every_transfer_completes() {
    for case in Case::small().chain(Case::large()) {
        for newest_first in [false, true] {
            let mut story = Story::begin(&case);
            story.newest_first = newest_first;
            story.finish();
            completes(&story);
        }
    }
}

/// R1: every step is delivered twice.
#[test]
fn r1_every_step_twice() {
    for case in Case::small().chain(Case::large()) {
        let mut story = Story::begin(&case);
        story.twice = true;
        story.finish();
        completes(&story);
    }
}

/// R6: a lost message is asked for again; silence is not a no, so the transfer completes.
#[test]
fn r6_a_message_lost_at_every_step() {
    let lose = |story: &mut Story| drop(story.flight.pop_front());
    for case in Case::small() {
        at_every_step(&case, lose, completes);
    }
    for case in Case::large() {
        at_steps(&case, STRIDE, lose, completes);
    }
}

/// R6: all that is under way is lost at once, as when a broker's storage is deleted.
#[test]
fn r6_every_message_lost_at_every_step() {
    for case in Case::small() {
        at_every_step(&case, |story| story.flight.clear(), completes);
    }
}

/// Every leg is refused in turn, for every reason that a shard has; nothing of the transfer remains, and the reason is
/// told.
#[test]
fn a_refusal_at_every_step() {
    for case in Case::small() {
        for leg in case.leg_numbers() {
            for reason in Reason::ALL.into_iter().take_while(|reason| *reason != Reason::DeadlinePassed) {
                let Some(world) = case.world_refusing(leg, reason) else { continue };
                let mut story = Story::begin_in(world, &case);
                story.finish();
                assert_eq!(story.end().reason, Some(reason));
            }
        }
    }
}

/// R3: an account is frozen at every step, each leg's in turn: what was begun on it is brought to its end.
#[test]
fn r3_a_freeze_at_every_step() {
    for case in Case::small() {
        for leg in case.leg_numbers() {
            let spec = case.start().leg(leg).clone();
            let freeze = |story: &mut Story| {
                story.world.shard(spec.shard).account(&spec.account).status = Status::Frozen;
            };
            at_every_step(&case, freeze, |story| {
                let reason = story.end().reason;
                assert!(matches!(reason, None | Some(Reason::AccountFrozen)), "{reason:?}");
            });
        }
    }
}

/// The manager crashes at every step: before it has committed what it learnt, before what it committed has left, or after.
/// Recovery asks the legs, so the transfer completes.
#[test]
fn a_crash_at_every_step() {
    for goes_on in [false, true] {
        let before_commit = |story: &mut Story| {
            if matches!(story.flight.front(), Some(Message::Reply(_))) {
                story.flight.pop_front();
            }
            story.world.crash(goes_on);
        };
        let before_sending = |story: &mut Story| {
            if let Some(message) = story.flight.pop_front() {
                story.world.deliver(&message);
                story.world.sent.clear();
            }
            story.world.crash(goes_on);
        };
        let after_sending = |story: &mut Story| story.world.crash(goes_on);
        let disturbances: [&dyn Fn(&mut Story); 3] = [&before_commit, &before_sending, &after_sending];
        for disturb in disturbances {
            for case in Case::small() {
                at_every_step(&case, disturb, completes);
            }
        }
    }
    for case in Case::large() {
        at_steps(&case, STRIDE, |story| story.world.crash(true), completes);
    }
}

/// R7 and R8: the deadline passes, or an operator cancels, at every step. The legs, or the recorded decision, say what
/// comes of it: what can't be taken back any more completes.
#[test]
fn r7_r8_given_up_at_every_step() {
    for reason in [Reason::DeadlinePassed, Reason::Cancelled] {
        let give_up = |story: &mut Story| story.world.give_up(Who::Live, ID, reason);
        // A credit that is under way may still arrive before the cancel that follows it.
        let judge = |story: &Story| assert!(story.end().reason.is_none_or(|told| told == reason));
        for case in Case::small() {
            at_every_step(&case, give_up, judge);
        }
        for case in Case::large() {
            at_steps(&case, STRIDE, give_up, judge);
        }
    }
}

/// R7 and R8: every step times out, then succeeds: all that is under way when the transfer is given up arrives when it has
/// ended. So it fails unless it could not be taken back any more, and the late answers change nothing.
#[test]
fn r7_r8_given_up_at_every_step_with_late_answers() {
    for case in Case::small().chain(Case::large()) {
        let committed = Cell::new(false);
        let give_up = |story: &mut Story| {
            committed.set(is_committed(&story.world));
            story.late.extend(story.flight.drain(..));
            story.world.give_up(Who::Live, ID, Reason::DeadlinePassed);
        };
        let judge = |story: &Story| {
            let told = (!committed.get()).then_some(Reason::DeadlinePassed);
            assert_eq!(story.end().reason, told);
        };
        at_steps(&case, if case.is_large() { STRIDE } else { 1 }, give_up, judge);
    }
}

/// Whether a transfer can't be taken back any more.
fn is_committed(world: &World) -> bool {
    let row = &world.rows[&ID];
    let pivot_is_done = world.state(&row.start, LegId::new(ID, row.start.pivot())) == Some(State::Credited);
    pivot_is_done || row.decision == Some(Decision::Commit)
}

/// R7 and R8: one message is late instead of all of them, and the manager crashes right after it has given up, so that it
/// knows nothing of that any more.
#[test]
fn r7_r8_given_up_and_forgotten_in_a_crash() {
    for goes_on in [false, true] {
        let give_up = |story: &mut Story| {
            story.late.extend(story.flight.pop_front());
            story.world.give_up(Who::Live, ID, Reason::Cancelled);
            story.world.crash(goes_on);
        };
        for case in Case::small() {
            at_every_step(&case, give_up, |story| {
                assert!(matches!(story.end().reason, None | Some(Reason::Cancelled)));
            });
        }
    }
}

/// R7 and R8: given up at every step, and at every step after that a crash, or a message lost.
#[test]
fn r7_r8_every_step_of_giving_up_is_disturbed() {
    let give_up = |story: &mut Story| story.world.give_up(Who::Live, ID, Reason::DeadlinePassed);
    for case in Case::small().filter(|case| case.legs().len() == 3) {
        at_every_two_steps(&case, give_up, |story| story.world.crash(true));
        at_every_two_steps(&case, give_up, |story| drop(story.flight.pop_front()));
    }
}

/// R12: an incarnation that was thought dead goes on talking, and passes the deadline on its own slow clock; what it would
/// have to record is refused, and what it says leads nobody astray.
#[test]
fn r12_a_stale_incarnation_gives_up_at_every_step() {
    for case in Case::small() {
        for both in [false, true] {
            let disturb = |story: &mut Story| {
                story.world.crash(true);
                story.world.give_up(Who::Stale, ID, Reason::DeadlinePassed);
                if both {
                    story.world.give_up(Who::Live, ID, Reason::DeadlinePassed);
                }
            };
            at_every_step(&case, disturb, |_| ());
        }
    }
}

/// The receiver spends the pivot's credit at every step, as soon as it can, while the transfer is given up: a credit that
/// could be spent was never one that must be taken back.
#[test]
fn the_receiver_spends_the_credit_at_every_step() {
    let spending = TransferId([2; 16]);
    for case in Case::small() {
        let start = case.start();
        let credit = start.leg(start.pivot()).clone();
        let spend = |story: &mut Story| {
            let shop = story.world.shard(credit.shard).outside(credit.currency);
            let debit = LegSpec { direction: Direction::Debit, ..credit.clone() };
            let shop = LegSpec { account: shop, ..credit.clone() };
            let legs = vec![debit, shop];
            story.world.submit(Start::new(spending, case.protocol, legs, None, Time(0), Time(1)).unwrap());
            story.take_in();
        };
        let judge = |story: &Story| {
            let spent = story.world.rows[&spending].end.unwrap();
            assert!(spent.outcome == Outcome::Completed || spent.reason == Some(Reason::InsufficientFunds));
            assert!(
                spent.outcome != Outcome::Completed || story.outcome() == Outcome::Completed,
                "spent and taken back"
            );
        };
        at_every_step(&case, spend, judge);
        let spend_and_give_up = |story: &mut Story| {
            spend(story);
            story.world.give_up(Who::Live, ID, Reason::Cancelled);
        };
        at_every_step(&case, spend_and_give_up, judge);
    }
}
