//! The saga, led by the manager; the default.
//!
//! Compensatable steps first, all at once: the debits, and every credit but the last as an incoming hold, so that nobody
//! can spend what may still be taken back. Then the pivot, the last credit: once it is done the transfer goes forward to
//! its end. Then the retriable steps: the holds are posted.

use super::{Next, Rules, do_verb_with_pivot, giving_up};
use crate::{
    id::LegNo,
    leg::{Answer, Verb},
    planted,
    transfer::{End, Start, Transfer},
};

/// The saga's rules.
pub struct Saga;

impl Rules for Saga {
    fn name(&self) -> &'static str {
        "saga"
    }

    fn do_verb(&self, start: &Start, leg: LegNo) -> Verb {
        do_verb_with_pivot(start, leg)
    }

    fn next(&self, transfer: &Transfer, _silent: bool, ask: &mut dyn FnMut(LegNo, Verb)) -> Next {
        let pivot = transfer.start().pivot();
        if transfer.answer(pivot) == Some(Answer::Done) {
            return post_holds(transfer, ask);
        }
        if transfer.is_failing() {
            return giving_up::next(transfer, ask);
        }
        let mut others_done = true;
        for leg in transfer.start().leg_numbers().filter(|leg| *leg != pivot) {
            if transfer.answer(leg).is_none() {
                others_done = false;
                ask(leg, transfer.do_verb(leg));
            }
        }
        if others_done {
            ask(pivot, transfer.do_verb(pivot));
        }
        Next::Wait
    }
}

/// After the pivot: every held credit is posted, and then the transfer is completed.
pub(super) fn post_holds(transfer: &Transfer, ask: &mut dyn FnMut(LegNo, Verb)) -> Next {
    let mut all_posted = true;
    for leg in transfer.start().leg_numbers() {
        if transfer.do_verb(leg) == Verb::PlaceHold && transfer.answer(leg) != Some(Answer::Posted) {
            all_posted = planted!(EndBeforePosts);
            ask(leg, Verb::PostHold);
        }
    }
    if all_posted { Next::End(End::completed()) } else { Next::Wait }
}
