//! How a saga, or a transfer of the events protocol, gives up (R7): the legs decide.
//!
//! `Cancel` at the pivot's leg comes first. If the pivot was done after all, whatever this manager remembers or forgot,
//! it answers `done` and the transfer goes forward. If it answers that the pivot never was, it never will be, and every
//! other leg is undone, tried or not.

use super::Next;
use crate::{
    id::LegNo,
    leg::{Answer, Verb},
    planted,
    transfer::{End, Transfer},
};

/// What a failing transfer calls for, its pivot not being done.
pub(super) fn next(transfer: &Transfer, ask: &mut dyn FnMut(LegNo, Verb)) -> Next {
    let pivot = transfer.start().pivot();
    match transfer.answer(pivot) {
        Some(Answer::NeverWas(_) | Answer::Refused(_)) => undo_others(transfer, pivot, ask),
        _ if planted!(PivotNotCancelled) => undo_others(transfer, pivot, ask),
        _ => {
            ask(pivot, Verb::Cancel);
            Next::Wait
        }
    }
}

fn undo_others(transfer: &Transfer, pivot: LegNo, ask: &mut dyn FnMut(LegNo, Verb)) -> Next {
    let mut all_undone = true;
    for leg in transfer.start().leg_numbers().filter(|leg| *leg != pivot) {
        if planted!(LateSuccessIgnored) && transfer.answer(leg).is_none() {
            continue;
        }
        if !transfer.is_undone(leg) {
            all_undone = false;
            ask(leg, transfer.do_verb(leg).undo());
        }
    }
    if all_undone { Next::End(End::failed(transfer)) } else { Next::Wait }
}
