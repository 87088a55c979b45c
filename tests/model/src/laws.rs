//! What must hold in every state of every world.

use std::collections::BTreeMap;

use remit_core::{
    account::{Balances, Kind},
    audit::{self, ShardView},
    id::ShardNo,
    ledger::Transit,
    leg::State as LegState,
    protocol::Decision,
    reason::Reason,
    transfer::{End, Outcome},
};
use stateright::Property;

use crate::{
    ending,
    plan::Plan,
    shard::{Shard, currency, moved},
    state::State,
    world::World,
};

/// A law about a step that was broken: no state shows it, so the step leaves a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slip {
    /// A decision was to be recorded where one is (R8).
    DecisionReplaced,
    /// An end was recorded where one is, or a manager that lost it in a crash would come to another (R9).
    EndChanged,
    /// A leg changed after the end of its transfer was recorded (R9).
    MovedAfterEnd,
    /// A shard whose memory was lost decided otherwise than it would have with it (R2).
    ForgetfulShard,
}

/// All laws, by name; and the examples that a world of this plan must have, so that none keeps the laws by doing nothing.
///
/// That transfers end is said by `always` laws too, and no `eventually`: see [`crate::ending`].
#[must_use]
pub fn properties(plan: &Plan) -> Vec<Property<World>> {
    type Law = fn(&World, &State) -> bool;
    let always = |name, law: Law| Property::always(name, law);
    let sometimes = |name, law: Law| Property::sometimes(name, law);
    let mut laws = vec![
        always("every shard balances by itself", |_, state| state.shards.iter().all(|shard| balances_by_itself(shard))),
        always("no money is made or lost, in transit included", money_is_conserved),
        always("no customer is below zero, holds included", |_, state| {
            customers(state).all(|balances| balances.posted - balances.held >= 0)
        }),
        always("room is kept for every undo and post", |_, state| has_room(state)),
        always("no leg is forward for ever while another is back", |world, state| {
            (0..world.starts.len()).all(|no| !is_torn(world, state, no))
        }),
        always("a decision is never replaced", |_, state| state.slip != Some(Slip::DecisionReplaced)),
        always("a decision fits every leg", |world, state| {
            (0..world.starts.len()).all(|no| decision_fits(world, state, no))
        }),
        always("an end never changes", |_, state| state.slip != Some(Slip::EndChanged)),
        always("an end fits every leg", |world, state| (0..world.starts.len()).all(|no| end_fits(world, state, no))),
        always("nothing moves after the end", |_, state| state.slip != Some(Slip::MovedAfterEnd)),
        always("an ended transfer took what it gave", took_what_it_gave),
        always("no transfer is parked", |_, state| !is_parked(state)),
        always("a shard that forgot decides as one that remembers", |_, state| {
            state.slip != Some(Slip::ForgetfulShard)
        }),
        always("where nothing can change any more, all have ended", |world, state| {
            is_beyond_repair(state) || state.all_ended() || ending::can_change(world, state)
        }),
        always("though all that was said is lost, asking again ends all", |world, state| {
            is_beyond_repair(state) || ending::ends_if_asked_again(world, state)
        }),
        sometimes("a transfer completes", |_, state| any_end(state, |end| end.reason.is_none())),
    ];
    if plan.deadline {
        laws.push(sometimes("a transfer fails", |_, state| any_end(state, |end| end.reason.is_some())));
    }
    laws
}

/// Whether a law is broken such that what follows tells nothing, or the ledger would panic. Nothing goes on from there.
#[must_use]
pub fn is_beyond_repair(state: &State) -> bool {
    state.slip.is_some() || is_parked(state) || !has_room(state)
}

fn is_parked(state: &State) -> bool {
    state.managed.iter().filter_map(|managed| managed.open.as_ref()).any(|open| open.parked().is_some())
}

fn any_end(state: &State, is_such: impl Fn(End) -> bool) -> bool {
    state.managed.iter().filter_map(|managed| managed.end).any(is_such)
}

fn customers(state: &State) -> impl Iterator<Item = Balances> {
    let accounts = state.shards.iter().flat_map(|shard| shard.accounts.values());
    accounts.filter(|account| account.kind == Kind::Customer).map(|account| account.balances)
}

/// The accounts and the in-transit account sum to zero, and the in-transit account's sums are theirs.
fn balances_by_itself(shard: &Shard) -> bool {
    let mut sum = Transit { balance: shard.transit.balance, ..Transit::default() };
    for Balances { posted, held, incoming, undecided } in shard.accounts.values().map(|account| account.balances) {
        sum.posted += i128::from(posted);
        sum.held += i128::from(held);
        sum.incoming += i128::from(incoming);
        sum.undecided += i128::from(undecided);
    }
    sum == shard.transit && sum.posted + i128::from(sum.balance) == 0
}

/// The audit finds nothing, at any moment.
fn money_is_conserved(world: &World, state: &State) -> bool {
    let view = |shard: &Shard| ShardView {
        totals: vec![(currency(), shard.transit)],
        legs: shard.legs.iter().map(|(id, leg)| (*id, leg.state)).collect(),
        by_rows: Vec::new(),
    };
    let views: BTreeMap<_, _> = (0..).map(ShardNo).zip(state.shards.iter().map(|shard| view(shard))).collect();
    let open = world.starts.iter().zip(&state.managed).filter(|(_, managed)| managed.end.is_none());
    let findings = audit::compare(open.map(|(start, _)| &**start), &views);
    findings.values().all(audit::Finding::is_conserved)
}

/// R3: each balance with all that may still be added to it, and with all that may still be taken, fits into 63 bits.
fn has_room(state: &State) -> bool {
    let fits = |balance: i128| balance.unsigned_abs() <= u128::from(i64::MAX.unsigned_abs());
    let accounts = customers(state).all(|Balances { posted, held, incoming, undecided }| {
        fits(i128::from(posted) + i128::from(incoming) + i128::from(undecided))
            && fits(i128::from(posted) - i128::from(held))
    });
    accounts
        && state.shards.iter().map(|shard| shard.transit).all(|transit| {
            fits(i128::from(transit.balance) + transit.held)
                && fits(i128::from(transit.balance) - transit.incoming - transit.undecided)
        })
}

fn is_forward(state: LegState) -> bool {
    matches!(state, LegState::Credited | LegState::Posted)
}

fn is_back(state: LegState) -> bool {
    matches!(state, LegState::Refused(_) | LegState::Tombstone(..) | LegState::Released | LegState::Compensated)
}

fn is_torn(world: &World, state: &State, no: usize) -> bool {
    let legs = || world.leg_states(state, no).flatten();
    legs().any(is_forward) && legs().any(is_back)
}

/// R8: every leg has voted for a commit, and none is posted against an abort.
fn decision_fits(world: &World, state: &State, no: usize) -> bool {
    let mut legs = world.leg_states(state, no);
    match state.managed[no].decision {
        Some(Decision::Commit) => legs.all(|leg| matches!(leg, Some(LegState::Held | LegState::Posted))),
        Some(Decision::Abort(_)) => legs.all(|leg| leg != Some(LegState::Posted)),
        None => true,
    }
}

/// R9: what an end says is so in every leg's shard, and its reason is one that somebody gave.
fn end_fits(world: &World, state: &State, no: usize) -> bool {
    let Some(end) = state.managed[no].end else { return true };
    let mut legs = world.leg_states(state, no);
    match (end.outcome, end.reason) {
        (Outcome::Completed, None) => {
            legs.all(|leg| leg.is_some_and(|leg| is_forward(leg) || leg == LegState::Debited))
        }
        (Outcome::Completed, Some(_)) | (_, None) => false,
        (outcome, Some(reason)) => {
            let legs: Vec<_> = legs.collect();
            let gave_back = legs.contains(&Some(LegState::Compensated));
            let was_given = reason == Reason::DeadlinePassed && world.plan.deadline
                || legs.contains(&Some(LegState::Refused(reason)));
            legs.iter().all(|leg| leg.is_some_and(is_back))
                && (outcome == Outcome::Compensated) == gave_back
                && was_given
        }
    }
}

/// What an ended transfer's legs moved sums to zero, and nothing is held for it.
fn took_what_it_gave(world: &World, state: &State) -> bool {
    let ended = world.starts.iter().zip(&state.managed).filter(|(_, managed)| managed.end.is_some());
    ended.map(|(start, _)| start.id).all(|id| {
        let legs = || state.shards.iter().flat_map(|shard| &shard.legs).filter(|(leg, _)| leg.transfer == id);
        legs().map(|(_, leg)| moved(leg)).sum::<i64>() == 0 && legs().all(|(_, leg)| leg.state != LegState::Held)
    })
}
