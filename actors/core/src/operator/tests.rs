//! Which orders are refused, and why.

use alloc::{string::ToString, vec, vec::Vec};

use super::*;
use crate::{
    id::{AccountId, LegId, PartitionNo, Seq, ShardNo, Time, TransferId},
    leg::{Answer, Misfit},
    money::{Amount, Currency, Direction},
    protocol::Protocol,
    reason::Reason,
    transfer::{LegSpec, Parked, Start},
};

const NO: Reason = Reason::AccountFrozen;

fn eur() -> Currency {
    Currency::parse("EUR").unwrap()
}

fn spec(name: &str, amount: i64) -> LegSpec {
    LegSpec {
        account: AccountId::parse(name).unwrap(),
        shard: ShardNo(0),
        direction: if amount < 0 { Direction::Debit } else { Direction::Credit },
        amount: Amount::new(amount.abs()).unwrap(),
        currency: eur(),
    }
}

/// A debit, a hold, and a pivot; under 2pc, three holds.
fn transfer(protocol: &str) -> Transfer {
    let legs = vec![spec("payer", -70), spec("near", 30), spec("far", 40)];
    let protocol = Protocol::parse(protocol).unwrap();
    let start = Start::new(TransferId([1; 16]), protocol, legs, None, Time(0), Time(1)).unwrap();
    Transfer::new(Arc::new(start), PartitionNo(0), Seq(1))
}

/// The legs' records in their order; `None` where there is none.
fn records(transfer: &Transfer, states: [Option<State>; 3]) -> Vec<RowLeg> {
    let legs = transfer.start().leg_numbers().zip(states);
    let record = |(leg, state): (LegNo, Option<State>)| {
        let LegSpec { direction, amount, currency, .. } = *transfer.start().leg(leg);
        Some(RowLeg { id: LegId::new(transfer.start().id, leg), state: state?, direction, amount, currency })
    };
    legs.filter_map(record).collect()
}

fn asked(action: Action, transfer: &Transfer, states: [Option<State>; 3]) -> Result<(), Forbidden> {
    allow(action, transfer, &records(transfer, states))
}

#[test]
fn a_transfer_that_goes_on_is_retried_whatever_its_legs_are_and_never_resumed() {
    let transfer = transfer("saga");
    assert_eq!(asked(Action::Retry, &transfer, [Some(State::Debited), None, None]), Ok(()));
    assert_eq!(asked(Action::Resume, &transfer, [None, None, None]), Err(Forbidden::NotParked));
}

#[test]
fn r7_what_has_passed_its_pivot_is_not_cancelled_and_what_has_not_is() {
    for protocol in ["saga", "events"] {
        let transfer = transfer(protocol);
        assert_eq!(asked(Action::Cancel, &transfer, [None, None, None]), Ok(()));
        assert_eq!(asked(Action::Cancel, &transfer, [Some(State::Debited), Some(State::Held), None]), Ok(()));
        // Whatever the manager remembers: it has not heard of the pivot yet.
        let done = [Some(State::Debited), Some(State::Held), Some(State::Credited)];
        assert_eq!(asked(Action::Cancel, &transfer, done), Err(Forbidden::PivotDone(LegNo(2))));
    }
}

#[test]
fn r8_a_recorded_commit_is_not_cancelled() {
    let mut transfer = transfer("2pc");
    let held = [Some(State::Held); 3];
    assert_eq!(asked(Action::Cancel, &transfer, held), Ok(()), "as long as nothing is decided");
    transfer.decide(Decision::Commit);
    assert_eq!(asked(Action::Cancel, &transfer, held), Err(Forbidden::Committed));
}

#[test]
fn what_is_parked_is_only_resumed_and_only_if_its_legs_can_still_agree() {
    let mut transfer = transfer("saga");
    transfer.park(Parked::Misfit(LegNo(0)));
    for action in [Action::Retry, Action::Cancel] {
        assert_eq!(asked(action, &transfer, [None, None, None]), Err(Forbidden::Parked));
    }
    for states in [
        [None, None, None],
        [Some(State::Debited), Some(State::Held), None],
        [Some(State::Debited), Some(State::Posted), Some(State::Credited)],
        [Some(State::Compensated), Some(State::Released), Some(State::Tombstone(Verb::Cancel, None))],
    ] {
        assert_eq!(asked(Action::Resume, &transfer, states), Ok(()), "{states:?}");
    }
    let torn = [Some(State::Compensated), Some(State::Held), Some(State::Credited)];
    let refused = asked(Action::Resume, &transfer, torn);
    assert_eq!(refused, Err(Forbidden::Torn { forward: LegNo(2), undone: LegNo(0) }));
    assert!(refused.unwrap_err().to_string().contains("leg 2 is posted for ever and leg 0 never will be"));
}

#[test]
fn a_leg_that_is_another_than_the_start_says_is_never_gone_on_with() {
    let mut transfer = transfer("saga");
    transfer.park(Parked::Misfit(LegNo(0)));
    let states = [Some(State::Debited), None, None];
    let good = records(&transfer, states);
    let other = |change: fn(&mut RowLeg)| {
        let mut records = records(&transfer, states);
        change(&mut records[0]);
        allow(Action::Resume, &transfer, &records)
    };
    assert_eq!(allow(Action::Resume, &transfer, &good), Ok(()));
    assert_eq!(other(|leg| leg.amount = Amount::new(71).unwrap()), Err(Forbidden::OtherLeg(LegNo(0))));
    assert_eq!(other(|leg| leg.direction = Direction::Credit), Err(Forbidden::OtherLeg(LegNo(0))));
    assert_eq!(other(|leg| leg.state = State::Credited), Err(Forbidden::OtherLeg(LegNo(0))));
    assert_eq!(other(|leg| leg.state = State::Tombstone(Verb::Cancel, None)), Err(Forbidden::OtherLeg(LegNo(0))));
    assert_eq!(other(|leg| leg.state = State::Refused(NO)), Ok(()));
}

#[test]
fn r11_a_resumed_transfer_asks_again_and_is_parked_again_if_its_legs_still_contradict() {
    let mut transfer = transfer("saga");
    transfer.learn(LegNo(0), Answer::Misfit(Misfit::TermsDiffer));
    assert_eq!(transfer.parked(), Some(Parked::Misfit(LegNo(0))));
    assert_eq!(transfer.awaited(), vec![]);
    transfer.resume();
    assert_eq!(transfer.awaited(), vec![(LegNo(0), Verb::Debit), (LegNo(1), Verb::PlaceHold)]);
    assert!(transfer.learn(LegNo(0), Answer::Misfit(Misfit::TermsDiffer)));
    assert_eq!(transfer.parked(), Some(Parked::Misfit(LegNo(0))));
}
