//! Two-phase commit, led by the manager, all legs at once.
//!
//! *Prepare*: a hold on every leg; a placed hold is a yes vote, a recorded refusal a no. *Decision*: when all have voted
//! yes, commit is recorded. Then the holds are posted, or released, everywhere. Between vote and decision the holds stay,
//! whoever waits: that is the blocking that two-phase commit is known for.

use super::{Decision, Next, Rules};
use crate::{
    id::LegNo,
    leg::{Answer, Verb},
    planted,
    transfer::{End, Start, Transfer},
};

/// The two-phase commit's rules.
pub struct TwoPhase;

impl Rules for TwoPhase {
    fn name(&self) -> &'static str {
        "2pc"
    }

    fn do_verb(&self, _start: &Start, _leg: LegNo) -> Verb {
        Verb::PlaceHold
    }

    fn records_decision(&self) -> bool {
        true
    }

    fn next(&self, transfer: &Transfer, _silent: bool, ask: &mut dyn FnMut(LegNo, Verb)) -> Next {
        match transfer.decision() {
            Some(Decision::Commit) => everywhere(transfer, Verb::PostHold, ask),
            Some(Decision::Abort(_)) => everywhere(transfer, Verb::ReleaseHold, ask),
            // A recorded no, or a hold that is gone, can't become a commit any more: no decision need be recorded.
            None if transfer.has_failed_leg() => everywhere(transfer, Verb::ReleaseHold, ask),
            None if planted!(AbortNotRecorded) && transfer.given_up().is_some() => {
                everywhere(transfer, Verb::ReleaseHold, ask)
            }
            None => match transfer.given_up() {
                Some(reason) => Next::Decide(Decision::Abort(reason)),
                None => prepare(transfer, ask),
            },
        }
    }
}

fn prepare(transfer: &Transfer, ask: &mut dyn FnMut(LegNo, Verb)) -> Next {
    let mut all_yes = true;
    for leg in transfer.start().leg_numbers() {
        if transfer.answer(leg) != Some(Answer::Held) {
            all_yes = false;
            ask(leg, Verb::PlaceHold);
        }
    }
    if all_yes { Next::Decide(Decision::Commit) } else { Next::Wait }
}

fn everywhere(transfer: &Transfer, verb: Verb, ask: &mut dyn FnMut(LegNo, Verb)) -> Next {
    let final_answer = |leg| match verb {
        Verb::PostHold => transfer.answer(leg) == Some(Answer::Posted),
        _ => transfer.is_undone(leg),
    };
    let mut all_final = true;
    for leg in transfer.start().leg_numbers() {
        if !final_answer(leg) {
            all_final = false;
            ask(leg, verb);
        }
    }
    match (all_final, verb) {
        (false, _) => Next::Wait,
        (true, Verb::PostHold) => Next::End(End::completed()),
        (true, _) => Next::End(End::failed(transfer)),
    }
}
