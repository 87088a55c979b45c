//! The audit on hand-made reports of two shards: what it accounts for, and what it finds.

use alloc::{vec, vec::Vec};

use super::*;
use crate::{
    id::{AccountId, LegNo, PartitionNo, Seq, Time},
    leg::Verb,
    money::{Amount, Direction},
    protocol::Protocol,
    reason::Reason,
    transfer::{LegSpec, Parked, Transfer},
};

const A: ShardNo = ShardNo(0);
const B: ShardNo = ShardNo(1);

fn eur() -> Currency {
    Currency::parse("EUR").unwrap()
}

/// Transfer `no`: 70 from shard A, 30 of it to A and 40 to B.
fn transfer(no: u8) -> Start {
    let leg = |name, shard, direction, amount| LegSpec {
        account: AccountId::parse(name).unwrap(),
        shard,
        direction,
        amount: Amount::new(amount).unwrap(),
        currency: eur(),
    };
    let legs = vec![
        leg("payer", A, Direction::Debit, 70),
        leg("near", A, Direction::Credit, 30),
        leg("far", B, Direction::Credit, 40),
    ];
    Start::new(TransferId([no; 16]), Protocol::default(), legs, None, Time(0), Time(1)).unwrap()
}

/// What a shard reports: its sums over all accounts, the in-transit account opposite to `posted`, and legs of transfers.
fn view(posted: i64, held: i128, incoming: i128, legs: &[(u8, u8, State)]) -> ShardView {
    let transit = Transit { balance: -posted, posted: posted.into(), held, incoming, undecided: 0 };
    let id = |no, leg| LegId::new(TransferId([no; 16]), LegNo(leg));
    let legs = legs.iter().map(|(no, leg, state)| (id(*no, *leg), *state)).collect();
    ShardView { totals: vec![(eur(), transit)], legs, by_rows: Vec::new() }
}

fn audit(starts: &[Start], a: ShardView, b: ShardView) -> Finding {
    compare(starts, &BTreeMap::from([(A, a), (B, b)]))[&eur()]
}

/// R5: every state of a leg is accounted for with what it is worth, so that an open transfer is no drift however far it
/// has come.
#[test]
fn r5_an_open_transfer_accounts_for_what_is_between_the_databases() {
    use State::{Compensated, Credited, Debited, Held, Posted, Released};
    let refused = State::Refused(Reason::AccountFrozen);
    let tombstone = State::Tombstone(Verb::Cancel, None);
    // Legs 0 and 1 in shard A, then leg 2 in B, each with the sums of posted, held and incoming that go with it.
    type Report = (Vec<(u8, u8, State)>, (i64, i128, i128));
    let table: [(&str, Report, Report, i128); 8] = [
        ("nothing done", (vec![], (0, 0, 0)), (vec![], (0, 0, 0)), 0),
        ("payer debited", (vec![(1, 0, Debited)], (-70, 0, 0)), (vec![], (0, 0, 0)), 70),
        ("a hold", (vec![(1, 0, Debited), (1, 1, Held)], (-70, 0, 30)), (vec![], (0, 0, 0)), 70),
        ("the pivot", (vec![(1, 0, Debited), (1, 1, Held)], (-70, 0, 30)), (vec![(1, 2, Credited)], (40, 0, 0)), 30),
        ("all", (vec![(1, 0, Debited), (1, 1, Posted)], (-40, 0, 0)), (vec![(1, 2, Credited)], (40, 0, 0)), 0),
        ("refused", (vec![(1, 0, Debited), (1, 1, refused)], (-70, 0, 0)), (vec![(1, 2, tombstone)], (0, 0, 0)), 70),
        ("undone", (vec![(1, 0, Compensated), (1, 1, Released)], (0, 0, 0)), (vec![(1, 2, tombstone)], (0, 0, 0)), 0),
        ("held everywhere", (vec![(1, 0, Held), (1, 1, Held)], (0, 70, 30)), (vec![(1, 2, Held)], (0, 0, 40)), 0),
    ];
    for (what, (legs_a, a), (legs_b, b), between) in table {
        let finding = audit(&[transfer(1)], view(a.0, a.1, a.2, &legs_a), view(b.0, b.1, b.2, &legs_b));
        let expected = Finding { in_transit: between, in_flight: between, ..Finding::default() };
        assert_eq!(finding, expected, "{what}");
        assert!(finding.is_conserved(), "{what}");
    }
}

/// R5: a transfer whose debit is done and that nobody counts as open is exactly what the audit is there to find; a parked
/// one is open, so its money is accounted for.
#[test]
fn r5_a_transfer_that_is_not_counted_shows_as_drift_and_a_parked_one_is_counted() {
    let legs = [(1, 0, State::Debited), (1, 1, State::Held)];
    let reports = || (view(-70, 0, 30, &legs), view(0, 0, 0, &[]));
    let (a, b) = reports();
    let forgotten = audit(&[], a, b);
    assert_eq!((forgotten.drift(), forgotten.incoming_drift), (70, 30));
    assert!(!forgotten.is_conserved());

    let (a, b) = reports();
    let mut parked = Transfer::new(transfer(1).into(), PartitionNo(0), Seq(1));
    parked.park(Parked::Unreadable);
    let finding = audit(&[Start::clone(parked.start())], a, b);
    assert!(finding.is_conserved(), "{finding:?}");
}

/// R5: one that is named both as open and as begun meanwhile counts once; two that are alike count twice.
#[test]
fn r5_a_transfer_named_twice_counts_once() {
    let one = || view(-70, 0, 0, &[(1, 0, State::Debited)]);
    assert!(audit(&[transfer(1), transfer(1)], one(), view(0, 0, 0, &[])).is_conserved());
    let two = view(-140, 0, 0, &[(1, 0, State::Debited), (2, 0, State::Debited)]);
    assert!(audit(&[transfer(1), transfer(2), transfer(1)], two, view(0, 0, 0, &[])).is_conserved());
}

/// R5: legs of transfers that have ended are in the reports too, since the rows since the audit began are; they are
/// not in flight.
#[test]
fn r5_an_ended_transfer_counts_for_nothing() {
    let legs_a = [(1, 0, State::Debited), (1, 1, State::Posted), (2, 0, State::Debited)];
    let legs_b = [(1, 2, State::Credited)];
    let finding = audit(&[transfer(2)], view(-110, 0, 0, &legs_a), view(40, 0, 0, &legs_b));
    assert_eq!((finding.in_transit, finding.in_flight), (70, 70));
    assert!(finding.is_conserved());
}

/// R5: the amounts come from the start record, so whatever a row did otherwise remains as drift, to the unit.
#[test]
fn r5_a_leg_that_was_posted_wrongly_shows_as_drift() {
    let (debited, held) = ((1, 0, State::Debited), (1, 1, State::Held));
    let sound = Finding { in_transit: 70, in_flight: 70, ..Finding::default() };
    let unbalanced = || {
        let mut view = view(-70, 0, 30, &[debited, held]);
        view.totals[0].1.posted += 1;
        view
    };
    let table: [(&str, ShardView, Finding); 7] = [
        ("sound", view(-70, 0, 30, &[debited, held]), sound),
        ("one unit more", view(-71, 0, 30, &[debited, held]), Finding { in_transit: 71, ..sound }),
        ("twice", view(-140, 0, 30, &[debited, held]), Finding { in_transit: 140, ..sound }),
        ("not at all", view(0, 0, 30, &[debited, held]), Finding { in_transit: 0, ..sound }),
        ("a hold of another amount", view(-70, 0, 31, &[debited, held]), Finding { incoming_drift: 1, ..sound }),
        (
            "a hold on the wrong side",
            view(-70, 30, 0, &[debited, held]),
            Finding { held_drift: 30, incoming_drift: -30, ..sound },
        ),
        ("an account without its other side", unbalanced(), Finding { sum: 1, ..sound }),
    ];
    for (what, a, expected) in table {
        let finding = audit(&[transfer(1)], a, view(0, 0, 0, &[]));
        assert_eq!(finding, expected, "{what}");
        assert_eq!(finding.is_conserved(), expected == sound, "{what}");
    }
}

/// R5: a leg that another shard reports than the start record names is not that transfer's leg.
#[test]
fn r5_a_leg_in_the_wrong_shard_shows_as_drift() {
    let finding = audit(&[transfer(1)], view(0, 0, 0, &[]), view(-70, 0, 0, &[(1, 0, State::Debited)]));
    assert_eq!(finding.drift(), 70);
}

/// R5: currencies are accounted for apart: what is missing in one is no gain in another.
#[test]
fn r5_each_currency_by_itself() {
    let usd = Currency::parse("USD").unwrap();
    let mut a = view(-70, 0, 0, &[(1, 0, State::Debited)]);
    a.totals.push((usd, Transit { balance: 70, posted: -70, ..Transit::default() }));
    let mut b = view(0, 0, 0, &[]);
    b.totals.push((usd, Transit { balance: -60, posted: 60, ..Transit::default() }));
    let findings = compare(&[transfer(1)], &BTreeMap::from([(A, a), (B, b)]));
    assert!(findings[&eur()].is_conserved());
    assert_eq!(findings[&usd].drift(), 10);
}
