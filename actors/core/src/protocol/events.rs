//! Events: nobody leads, each shard passes the baton to the next (R10).
//!
//! Along the [`Route`]: money debited leads to the next debit, hold or credit; the pivot's credit leads to the posts of
//! the holds; a refusal leads back, compensating as it goes. The manager records the start and the end, pokes the route
//! when nobody has answered in time, and leads the giving up (R7). It is not told of each step on the way to the pivot, whose
//! `done` comes after all of them.

use super::{Next, Rules, do_verb_with_pivot, giving_up, route::Route, saga};
use crate::{
    id::{LegId, LegNo},
    leg::{Answer, Command, Sent, Terms, Verb},
    money::Direction,
    planted,
    reason::Reason,
    transfer::{Start, Transfer},
};

/// The rules of the events protocol, as far as the manager has a part in them.
pub struct Events;

impl Rules for Events {
    fn name(&self) -> &'static str {
        "events"
    }

    fn do_verb(&self, start: &Start, leg: LegNo) -> Verb {
        do_verb_with_pivot(start, leg)
    }

    fn has_route(&self) -> bool {
        true
    }

    fn next(&self, transfer: &Transfer, silent: bool, ask: &mut dyn FnMut(LegNo, Verb)) -> Next {
        let pivot = transfer.start().pivot();
        let mut asked_by_others = |_, _| ();
        if transfer.answer(pivot) == Some(Answer::Done) {
            return saga::post_holds(transfer, if silent { ask } else { &mut asked_by_others });
        }
        if transfer.is_failing() {
            // A known end of the pivot is on its way back along the route; only silence makes the manager undo by itself.
            let baton_is_back = transfer.is_undone(pivot) && !silent;
            return giving_up::next(transfer, if baton_is_back { &mut asked_by_others } else { ask });
        }
        if planted!(PokedTooFar) && silent {
            let unanswered = transfer.start().leg_numbers().filter(|leg| transfer.answer(*leg).is_none());
            unanswered.for_each(|leg| ask(leg, transfer.do_verb(leg)));
            return Next::Wait;
        }
        if let Some(leg) = first_unanswered(transfer)
            && (silent || transfer.is_untouched())
        {
            ask(leg, transfer.do_verb(leg));
        }
        Next::Wait
    }
}

/// The first leg of the route, or one whose predecessor's `done` the manager holds: never one further on.
fn first_unanswered(transfer: &Transfer) -> Option<LegNo> {
    let stops = transfer.route()?.stops();
    stops.iter().map(|stop| stop.leg).find(|leg| transfer.answer(*leg).is_none())
}

/// What a shard sends on when it has answered a command of the events protocol: a function of the route, the leg and the
/// answer alone, so that a repeated do or undo passes the baton on again, the same way.
#[must_use]
pub fn pass_on(command: &Command, answer: Answer) -> Option<Sent> {
    let route = command.terms.route.as_ref()?;
    let here = route.position(command.id.leg)?;
    let pivot = route.stops().len() - 1;
    match answer {
        Answer::Done if here == pivot => post_from(route, 0).map(|to| sent(command, route, to, Verb::PostHold, None)),
        Answer::Posted => post_from(route, here + 1).map(|to| sent(command, route, to, Verb::PostHold, None)),
        Answer::Done | Answer::Held if here < pivot => {
            let to = here + 1;
            Some(sent(command, route, to, do_at(route, to), None))
        }
        Answer::Refused(_) | Answer::NeverWas(_) | Answer::Undone => {
            let reason = match answer {
                Answer::Refused(reason) | Answer::NeverWas(Some(reason)) => Some(reason),
                _ => command.reason,
            };
            let to = here.checked_sub(1)?;
            Some(sent(command, route, to, do_at(route, to).undo(), reason))
        }
        // Beside a misfit, a hold where the pivot's credit belongs: the manager parks the transfer.
        Answer::Done | Answer::Held | Answer::Misfit(_) => None,
    }
}

/// Whether the manager need not be told of a first answer: the baton goes on to the pivot, whose `done` says that all before it
/// did theirs. A repeat is told, since somebody asks.
#[must_use]
pub fn is_implied(command: &Command, answer: Answer) -> bool {
    let Some(route) = &command.terms.route else { return false };
    let is_before_pivot = route.position(command.id.leg).is_some_and(|here| here + 1 < route.stops().len());
    is_before_pivot && matches!(answer, Answer::Done | Answer::Held)
}

fn do_at(route: &Route, at: usize) -> Verb {
    match route.stops()[at].direction {
        Direction::Debit => Verb::Debit,
        Direction::Credit if at + 1 == route.stops().len() => Verb::Credit,
        Direction::Credit => Verb::PlaceHold,
    }
}

/// The first held credit at or after `from`.
fn post_from(route: &Route, from: usize) -> Option<usize> {
    (from..route.stops().len()).find(|at| do_at(route, *at) == Verb::PlaceHold)
}

fn sent(command: &Command, route: &Route, to: usize, verb: Verb, reason: Option<Reason>) -> Sent {
    let stop = &route.stops()[to];
    let terms = Terms {
        account: stop.account.clone(),
        direction: stop.direction,
        amount: stop.amount,
        currency: stop.currency,
        partition: command.terms.partition,
        begun: command.terms.begun,
        route: Some(route.clone()),
    };
    let id = LegId::new(command.id.transfer, stop.leg);
    Sent { shard: stop.shard, command: Command { id, verb, terms, reason, memo: command.memo.clone() } }
}
