//! What must hold at every moment, whatever was lost, doubled, late or forgotten.

use alloc::{collections::BTreeMap, vec::Vec};

use super::{
    shard::Shard,
    world::{Row, World},
};
use crate::{
    account::{Balances, Kind},
    audit::{self, ShardView},
    id::{AccountId, LegId, LegNo, ShardNo, TransferId},
    ledger::Transit,
    leg::{Answer, Leg, Sent, State, Verb},
    money::{Currency, Direction},
    protocol::Decision,
    transfer::{End, Outcome, Start, Transfer},
};

/// Checks all of it.
pub(super) fn check(world: &World) {
    for shard in &world.shards {
        accounts_are_what_their_legs_say(shard);
        shard_balances_by_itself(shard);
        nothing_undone_can_fail(shard);
    }
    money_is_conserved(world);
    for row in world.rows.values() {
        legs_agree(world, row);
    }
}

/// available = posted + overdraft - held, no customer is below its limit, and every balance is the sum of what its legs
/// did to it, counted here from their states alone.
fn accounts_are_what_their_legs_say(shard: &Shard) {
    let mut expected: BTreeMap<&AccountId, Balances> = BTreeMap::new();
    for (account, opening) in &shard.opening {
        expected.insert(account, Balances { posted: *opening, ..Balances::default() });
    }
    for Leg { state, terms } in shard.legs.values() {
        let Some(balances) = expected.get_mut(&terms.account) else { continue };
        let amount = terms.amount.get();
        match (state, terms.direction) {
            (State::Debited, _) => {
                balances.posted -= amount;
                if !shard.marks.iter().any(|mark| mark.covers(terms.begun)) {
                    balances.undecided += amount;
                }
            }
            (State::Posted, Direction::Debit) => balances.posted -= amount,
            (State::Credited, _) | (State::Posted, Direction::Credit) => balances.posted += amount,
            (State::Held, Direction::Debit) => balances.held += amount,
            (State::Held, Direction::Credit) => balances.incoming += amount,
            (State::Released | State::Compensated | State::Refused(_) | State::Tombstone(..), _) => {}
        }
    }
    for (id, account) in &shard.accounts {
        assert_eq!(account.balances, expected[id], "{id}");
        let Balances { posted, held, .. } = account.balances;
        match account.kind {
            Kind::External => assert_eq!(account.available(), None, "{id}"),
            Kind::Customer => {
                let available = i128::from(posted) + i128::from(account.overdraft_limit) - i128::from(held);
                assert_eq!(account.available(), Some(available), "{id}");
                assert!(available >= 0, "{id} is below its limit");
            }
        }
    }
}

/// For each currency the accounts and the in-transit account sum to zero, and the in-transit account's sums are theirs.
fn shard_balances_by_itself(shard: &Shard) {
    let mut sums: BTreeMap<Currency, Transit> = BTreeMap::new();
    for account in shard.accounts.values() {
        let sum = sums.entry(account.currency).or_default();
        sum.posted += i128::from(account.balances.posted);
        sum.held += i128::from(account.balances.held);
        sum.incoming += i128::from(account.balances.incoming);
        sum.undecided += i128::from(account.balances.undecided);
    }
    for (currency, transit) in &shard.transit {
        let sum = sums.get(currency).copied().unwrap_or_default();
        assert_eq!(*transit, Transit { balance: transit.balance, ..sum }, "{currency}");
        assert_eq!(transit.posted + i128::from(transit.balance), 0, "{currency}");
    }
    let open: i128 = shard.open_debits.iter().map(|debit| i128::from(debit.amount.get())).sum();
    assert_eq!(open, shard.transit.values().map(|transit| transit.undecided).sum::<i128>());
}

/// R3: each balance with all that may be added to it, and with all that may be taken, fits into 63 bits.
fn nothing_undone_can_fail(shard: &Shard) {
    let fits =
        |balance: i128| assert!((-i128::from(i64::MAX)..=i128::from(i64::MAX)).contains(&balance), "r3: {balance}");
    for Balances { posted, held, incoming, undecided } in shard.accounts.values().map(|account| account.balances) {
        fits(i128::from(posted) + i128::from(incoming) + i128::from(undecided));
        fits(i128::from(posted) - i128::from(held));
    }
    for transit in shard.transit.values() {
        fits(i128::from(transit.balance) + transit.held);
        fits(i128::from(transit.balance) - transit.incoming - transit.undecided);
    }
}

/// The audit finds nothing, at any moment; parked transfers count as open.
fn money_is_conserved(world: &World) {
    let view = |shard: &Shard| ShardView {
        totals: shard.transit.iter().map(|(currency, transit)| (*currency, *transit)).collect(),
        legs: shard.legs.iter().map(|(id, leg)| (*id, leg.state)).collect(),
        by_rows: Vec::new(),
    };
    let views = (0..).map(ShardNo).zip(world.shards.iter().map(|shard| view(shard))).collect();
    let open = world.rows.values().filter(|row| row.end.is_none()).map(|row| &*row.start);
    for (currency, finding) in audit::compare(open, &views) {
        assert!(finding.is_conserved(), "{currency}: {finding:?}");
    }
}

/// Whether a leg has gone where there is no way back.
fn is_forward(state: State) -> bool {
    matches!(state, State::Credited | State::Posted)
}

/// Whether a leg is undone, or was refused, or never was.
fn is_back(state: State) -> bool {
    matches!(state, State::Refused(_) | State::Tombstone(..) | State::Released | State::Compensated)
}

/// All or nothing: no leg has gone forward for ever while another has gone back, and an end tells the truth.
fn legs_agree(world: &World, row: &Row) {
    let states: Vec<State> = world.states(&row.start).flatten().collect();
    let forward = states.iter().copied().any(is_forward);
    let back = states.iter().copied().any(is_back);
    assert!(!(forward && back), "one leg forward, one back: {states:?}");
    if let Some(end) = row.end {
        end_is_true(world, &row.start, end);
    }
}

/// R9: what an end says is so in every leg's shard.
fn end_is_true(world: &World, start: &Start, end: End) {
    let states: Vec<State> = world.states(start).flatten().collect();
    assert_eq!(states.len(), start.legs().len(), "r9: an end with an untouched leg: {states:?}");
    if end.outcome == Outcome::Completed {
        assert_eq!(end.reason, None);
        let posted = |state: &State| is_forward(*state) || *state == State::Debited;
        assert!(states.iter().all(posted), "r9: completed with {states:?}");
        return;
    }
    assert!(states.iter().copied().all(is_back), "r9: {end:?} with {states:?}");
    let gave_back = states.contains(&State::Compensated);
    assert_eq!(end.outcome == Outcome::Compensated, gave_back, "r9: {end:?} with {states:?}");
    let reason = end.reason.expect("a transfer that fails says why");
    let refused = states.contains(&State::Refused(reason));
    assert!(refused || world.given.contains(&reason), "{reason:?} is nobody's reason: {states:?}");
}

/// R7, R8, R10: what has to be true before the manager, whichever incarnation, lets a command leave.
pub(super) fn command_may_leave(world: &World, transfer: &Transfer, sent: &Sent) {
    let start = transfer.start();
    let row = &world.rows[&start.id];
    let decides = start.protocol.rules().records_decision();
    let pivot = start.pivot();
    let recorded = world.state(start, LegId::new(start.id, pivot));
    let verb = sent.command.verb;
    let leg = sent.command.id.leg;
    assert_eq!(sent.shard, start.leg(leg).shard);
    match verb {
        Verb::Compensate | Verb::ReleaseHold if decides => {
            let refused = world.states(start).flatten().any(|state| matches!(state, State::Refused(_)));
            let aborted = matches!(row.decision, Some(Decision::Abort(_)));
            assert!(aborted || refused, "r8: {verb:?} before a durable abort or a recorded no");
        }
        Verb::Compensate | Verb::ReleaseHold => {
            let known = matches!(transfer.answer(pivot), Some(Answer::NeverWas(_) | Answer::Refused(_)));
            assert!(known, "r7: {verb:?} of leg {} before the pivot answered", leg.0);
            assert!(recorded.is_some_and(is_back), "r7: {verb:?} of leg {} while the pivot is {recorded:?}", leg.0);
        }
        Verb::Cancel => assert!(leg == pivot && !decides, "r7: only a pivot is cancelled"),
        Verb::PostHold if decides => assert_eq!(row.decision, Some(Decision::Commit), "r8: posted before the decision"),
        Verb::PostHold => assert_eq!(recorded, Some(State::Credited), "posted before the pivot"),
        Verb::Debit | Verb::Credit | Verb::PlaceHold => {
            assert_eq!(verb, transfer.do_verb(leg));
            if let Some(before) = predecessor(transfer, leg) {
                let done = matches!(transfer.answer(before), Some(Answer::Done | Answer::Held | Answer::Posted));
                assert!(done, "r10: leg {} is poked and its predecessor has not answered", leg.0);
            }
        }
    }
}

/// The leg before this one on the route, if there is a route.
fn predecessor(transfer: &Transfer, leg: LegNo) -> Option<LegNo> {
    let route = transfer.route()?;
    let before = route.position(leg)?.checked_sub(1)?;
    Some(route.stops()[before].leg)
}

/// R10: the baton goes forward only from a leg that was done, and back only where the way forward is closed for ever.
pub(super) fn baton_may_pass(world: &World, baton: &Sent) {
    let id = baton.command.id;
    let start = &world.rows[&id.transfer].start;
    let closed = world.states(start).flatten().any(is_back);
    let pivot = world.state(start, LegId::new(id.transfer, start.pivot()));
    match baton.command.verb {
        Verb::Compensate | Verb::ReleaseHold | Verb::Cancel => {
            assert!(closed, "r10: the baton goes back for no reason")
        }
        Verb::PostHold => assert_eq!(pivot, Some(State::Credited), "r10: posted before the pivot"),
        Verb::Debit | Verb::Credit | Verb::PlaceHold => {
            let route = baton.command.terms.route.as_ref().expect("a baton has a route");
            let before = route.position(id.leg).expect("the leg is on the route") - 1;
            let before = world.state(start, LegId::new(id.transfer, route.stops()[before].leg));
            assert!(matches!(before, Some(State::Debited | State::Held | State::Posted)), "r10: from {before:?}");
        }
    }
}

/// R8: a decision is recorded once.
pub(super) fn decision_may_be_recorded(world: &World, id: TransferId, decision: Decision) {
    let row = &world.rows[&id];
    assert_eq!((row.decision, row.end), (None, None), "r8: {decision:?} on top of a decision");
    assert!(row.start.protocol.rules().records_decision());
    let all_held = world.states(&row.start).all(|state| state == Some(State::Held));
    assert!(decision != Decision::Commit || all_held, "r8: a commit that not every leg voted for");
}

/// R9: an end is recorded once, and only when it is true.
pub(super) fn end_may_be_recorded(world: &World, id: TransferId, end: End) {
    let row = &world.rows[&id];
    assert_eq!((row.end, row.parked), (None, None), "one end, which never changes");
    end_is_true(world, &row.start, end);
}
