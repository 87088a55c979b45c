//! The ledger's refusals in their order and at their edges, and what no refusal may ever touch: undos and posts.

use alloc::{vec, vec::Vec};

use super::*;
use crate::{
    id::{AccountId, LegId, LegNo, PartitionNo, Seq, ShardNo, TransferId},
    leg::Verb,
    money::Currency,
    protocol::route::{Route, Stop},
};

const MAX: i64 = i64::MAX;
/// Every do, with the direction of the leg that it is for.
const DOS: [(Verb, Direction); 4] = [
    (Verb::Debit, Direction::Debit),
    (Verb::Credit, Direction::Credit),
    (Verb::PlaceHold, Direction::Debit),
    (Verb::PlaceHold, Direction::Credit),
];
const STATUSES: [Status; 4] = [Status::Open, Status::Frozen, Status::Closing, Status::Closed];

fn currency(code: &str) -> Currency {
    Currency::parse(code).unwrap()
}

fn amount(minor_units: i64) -> Amount {
    Amount::new(minor_units).unwrap()
}

fn terms(direction: Direction, minor_units: i64) -> Terms {
    Terms {
        account: AccountId::parse("alice").unwrap(),
        direction,
        amount: amount(minor_units),
        currency: currency("EUR"),
        partition: PartitionNo(0),
        begun: Seq(1),
        route: None,
    }
}

fn command(verb: Verb, direction: Direction, minor_units: i64) -> Command {
    let id = LegId::new(TransferId([1; 16]), LegNo(0));
    Command { id, verb, terms: terms(direction, minor_units), reason: None, memo: None }
}

fn account(kind: Kind, balances: Balances) -> Account {
    Account { currency: currency("EUR"), kind, status: Status::Open, overdraft_limit: 0, version: 1, balances }
}

fn leg(state: State, direction: Direction, minor_units: i64) -> Leg {
    Leg { state, terms: terms(direction, minor_units) }
}

/// The in-transit account of a shard in which this is the only account.
fn transit_beside(balances: &Balances) -> Transit {
    Transit {
        balance: -balances.posted,
        posted: balances.posted.into(),
        held: balances.held.into(),
        incoming: balances.incoming.into(),
        undecided: balances.undecided.into(),
    }
}

/// What a do finds, and is spoiled by every reason in turn.
struct Setup {
    command: Command,
    account: Option<Account>,
    transit: Transit,
}

impl Setup {
    fn sound(verb: Verb, direction: Direction) -> Self {
        let balances = Balances { posted: 100, ..Balances::default() };
        let command = command(verb, direction, 10);
        Self { command, account: Some(account(Kind::Customer, balances)), transit: transit_beside(&balances) }
    }

    fn spoil(&mut self, reason: Reason) {
        let direction = self.command.terms.direction;
        let Some(account) = &mut self.account else { return };
        match reason {
            Reason::AccountNotFound => self.account = None,
            Reason::CurrencyMismatch => account.currency = currency("USD"),
            Reason::AccountClosed => account.status = Status::Closing,
            Reason::AccountFrozen => account.status = Status::Frozen,
            Reason::InsufficientFunds => account.balances.posted = 9,
            Reason::BalanceOverflow => self.transit.balance = if direction == Direction::Debit { MAX } else { -MAX },
            Reason::DeadlinePassed | Reason::Cancelled => unreachable!("the ledger never refuses for {reason:?}"),
        }
    }

    fn decide(&self) -> Decision {
        decide(&self.command, None, self.account.as_ref(), &self.transit)
    }
}

/// Every set of reasons at once, so every pair too: the earliest in the order of [`Reason::ALL`] is told.
#[test]
fn the_first_refusal_in_order_is_told() {
    for (verb, direction) in DOS {
        let applies = |reason: &Reason| *reason != Reason::InsufficientFunds || direction == Direction::Debit;
        let reasons: Vec<Reason> = Reason::ALL[..6].iter().copied().filter(applies).collect();
        for chosen in 0..1_u32 << reasons.len() {
            let mut setup = Setup::sound(verb, direction);
            let holds = |at: &usize| chosen & (1 << at) != 0;
            // From the last to the first: of closed and frozen, which are one field, the earlier remains.
            for at in (0..reasons.len()).rev().filter(holds) {
                setup.spoil(reasons[at]);
            }
            let first = (0..reasons.len()).find(holds).map(|at| reasons[at]);
            let Decision { change, answer } = setup.decide();
            let change = change.expect("a do always leaves a record");
            match first {
                Some(reason) => {
                    assert_eq!(answer, Answer::Refused(reason), "{verb:?} of a {direction:?}");
                    assert_eq!(change, Change { state: State::Refused(reason), after: None });
                }
                None => assert!(change.after.is_some(), "{verb:?} of a {direction:?}"),
            }
        }
    }
}

#[test]
fn every_status_but_open_refuses_every_do() {
    for (verb, direction) in DOS {
        for (status, reason) in STATUSES.into_iter().zip([
            None,
            Some(Reason::AccountFrozen),
            Some(Reason::AccountClosed),
            Some(Reason::AccountClosed),
        ]) {
            let mut setup = Setup::sound(verb, direction);
            setup.account = setup.account.map(|account| Account { status, ..account });
            let refused = match setup.decide().answer {
                Answer::Refused(reason) => Some(reason),
                _ => None,
            };
            assert_eq!(refused, reason, "{verb:?} on {status:?}");
        }
    }
}

#[test]
fn a_customer_spends_to_its_limit_and_not_one_unit_more() {
    let balances = Balances { posted: 100, held: 30, incoming: 1000, undecided: 500 };
    for (verb, overdraft_limit, most) in
        [(Verb::Debit, 0, 70), (Verb::PlaceHold, 0, 70), (Verb::Debit, 25, 95), (Verb::PlaceHold, 25, 95)]
    {
        let account = Account { overdraft_limit, ..account(Kind::Customer, balances) };
        assert_eq!(account.available(), Some(most.into()));
        let answer = |minor_units| {
            decide(&command(verb, Direction::Debit, minor_units), None, Some(&account), &transit_beside(&balances))
                .answer
        };
        assert!(matches!(answer(most), Answer::Done | Answer::Held), "{verb:?}");
        assert_eq!(answer(most + 1), Answer::Refused(Reason::InsufficientFunds), "{verb:?}");
    }
}

#[test]
fn the_world_outside_has_no_limit() {
    let balances = Balances::default();
    let account = account(Kind::External, balances);
    assert_eq!(account.available(), None);
    let debit = command(Verb::Debit, Direction::Debit, MAX);
    assert_eq!(decide(&debit, None, Some(&account), &transit_beside(&balances)).answer, Answer::Done);
}

/// What a leg in each state has done to the account, and so the opposite to the in-transit account.
#[test]
fn every_state_has_its_balanced_entry() {
    let entry = |posted, held, incoming| Entry { posted, held, incoming };
    #[rustfmt::skip]
    let table = [
        //                                            a debit            a credit
        (State::Debited,                              entry(-7, 0, 0),   entry(7, 0, 0)),
        (State::Credited,                             entry(-7, 0, 0),   entry(7, 0, 0)),
        (State::Compensated,                          entry(7, 0, 0),    entry(-7, 0, 0)),
        (State::Held,                                 entry(0, 7, 0),    entry(0, 0, 7)),
        (State::Released,                             entry(0, -7, 0),   entry(0, 0, -7)),
        (State::Posted,                               entry(-7, -7, 0),  entry(7, 0, -7)),
        (State::Refused(Reason::AccountFrozen),       entry(0, 0, 0),    entry(0, 0, 0)),
        (State::Tombstone(Verb::Cancel, None),        entry(0, 0, 0),    entry(0, 0, 0)),
    ];
    for (state, debit, credit) in table {
        for (direction, expected) in [(Direction::Debit, debit), (Direction::Credit, credit)] {
            let entry = Entry::of(state, direction, amount(7));
            assert_eq!(entry, expected, "{state:?} of a {direction:?}");
            assert_eq!(entry.is_empty(), expected == Entry::default());
            let before = Balances { posted: 50, held: 20, incoming: 30, undecided: 3 };
            let account = entry.on_account(&before).unwrap();
            let transit = entry.on_transit(&transit_beside(&before)).unwrap();
            assert_eq!(account.posted - before.posted, entry.posted());
            assert_eq!(transit, transit_beside(&account), "{state:?} of a {direction:?}: both sides, and nothing else");
        }
    }
}

/// R2: a command about anything else than the record is a misfit, whatever the leg's state and the verb, and changes
/// nothing; what may differ between incarnations of a manager does not count.
#[test]
fn r2_other_terms_are_a_misfit_and_change_nothing() {
    let recorded = terms(Direction::Debit, 10);
    let route = |leg| {
        let Terms { account, direction, amount, currency, .. } = recorded.clone();
        Route::from_stops(vec![Stop { leg: LegNo(leg), shard: ShardNo(0), account, direction, amount, currency }])
    };
    let others = [
        Terms { account: AccountId::parse("bob").unwrap(), ..recorded.clone() },
        Terms { direction: Direction::Credit, ..recorded.clone() },
        Terms { amount: amount(11), ..recorded.clone() },
        Terms { currency: currency("USD"), ..recorded.clone() },
        Terms { route: Some(route(0)), ..recorded.clone() },
    ];
    let states = [
        State::Debited,
        State::Credited,
        State::Held,
        State::Refused(Reason::AccountFrozen),
        State::Tombstone(Verb::Compensate, None),
        State::Posted,
        State::Released,
        State::Compensated,
    ];
    let balances = Balances { posted: 100, held: 10, incoming: 10, undecided: 10 };
    let account = account(Kind::Customer, balances);
    let misfit = Decision { change: None, answer: Answer::Misfit(Misfit::TermsDiffer) };
    for state in states {
        let leg = Leg { state, terms: recorded.clone() };
        for verb in Verb::ALL {
            for other in &others {
                let command = Command { terms: other.clone(), ..command(verb, Direction::Debit, 10) };
                let decision = decide(&command, Some(&leg), Some(&account), &transit_beside(&balances));
                assert_eq!(decision, misfit, "{verb:?} on {state:?}");
            }
            let same = Command { memo: Some("again".into()), ..command(verb, Direction::Debit, 10) };
            let decision = decide(&same, Some(&leg), Some(&account), &transit_beside(&balances));
            assert_ne!(decision, misfit, "{verb:?} on {state:?}");
        }
    }
    let (here, there) = (Some(route(0)), Some(route(1)));
    assert!(!Terms { route: here.clone(), ..recorded.clone() }.agree(&Terms { route: there, ..recorded.clone() }));
    assert!(Terms { route: here.clone(), ..recorded.clone() }.agree(&Terms { route: here, ..recorded.clone() }));
}

/// R3: a leg once begun is brought to its end whatever has become of its account; so are repeats.
#[test]
fn r3_undos_and_posts_succeed_whatever_the_status() {
    let balances = Balances { posted: 0, held: 10, incoming: 10, undecided: 10 };
    let (debit, credit) = (Direction::Debit, Direction::Credit);
    let table = [
        (State::Debited, debit, Verb::Compensate, Answer::Undone),
        (State::Held, debit, Verb::PostHold, Answer::Posted),
        (State::Held, debit, Verb::ReleaseHold, Answer::Undone),
        (State::Held, credit, Verb::PostHold, Answer::Posted),
        (State::Held, credit, Verb::ReleaseHold, Answer::Undone),
    ];
    let repeats = [
        (State::Debited, debit, Verb::Debit, Answer::Done),
        (State::Credited, credit, Verb::Credit, Answer::Done),
        (State::Credited, credit, Verb::Cancel, Answer::Done),
        (State::Held, credit, Verb::PlaceHold, Answer::Held),
    ];
    for status in STATUSES {
        let account = Account { status, ..account(Kind::Customer, balances) };
        let decide = |state, direction, verb| {
            let leg = leg(state, direction, 10);
            decide(&command(verb, direction, 10), Some(&leg), Some(&account), &transit_beside(&balances))
        };
        for (state, direction, verb, answer) in table {
            let decision = decide(state, direction, verb);
            assert_eq!(decision.answer, answer, "{verb:?} on {status:?}");
            assert!(decision.change.is_some_and(|change| change.after.is_some()), "{verb:?} on {status:?}");
        }
        for (state, direction, verb, answer) in repeats {
            assert_eq!(decide(state, direction, verb), Decision { change: None, answer }, "{verb:?} on {status:?}");
        }
        // A null compensation needs no account at all.
        for verb in [Verb::Compensate, Verb::ReleaseHold, Verb::Cancel] {
            for account in [Some(&account), None] {
                let decision = super::decide(&command(verb, debit, 10), None, account, &Transit::default());
                assert_eq!(decision.answer, Answer::NeverWas(None));
                assert_eq!(decision.change, Some(Change { state: State::Tombstone(verb, None), after: None }));
            }
        }
    }
}

/// A balance beside which there is room for just so many units more.
struct Edge {
    what: &'static str,
    dos: &'static [(Verb, Direction)],
    balances: Balances,
    transit: Transit,
}

const ROOM: i64 = 5;

/// Each balance that a do can fill, filled but for [`ROOM`] units, in every way that counts for it.
fn edges() -> Vec<Edge> {
    const DEBIT: &[(Verb, Direction)] = &[(Verb::Debit, Direction::Debit)];
    const OUT: &[(Verb, Direction)] = &[(Verb::Debit, Direction::Debit), (Verb::PlaceHold, Direction::Debit)];
    const IN: &[(Verb, Direction)] = &[(Verb::Credit, Direction::Credit), (Verb::PlaceHold, Direction::Credit)];
    const OUT_HOLD: &[(Verb, Direction)] = &[(Verb::PlaceHold, Direction::Debit)];
    const IN_HOLD: &[(Verb, Direction)] = &[(Verb::PlaceHold, Direction::Credit)];
    let (none, still) = (Balances::default(), Transit::default());
    let edge = |what, dos, balances, transit| Edge { what, dos, balances, transit };
    let on_account = |what, dos, balances| edge(what, dos, balances, Transit::default());
    let in_transit = |what, dos, transit| edge(what, dos, Balances::default(), transit);
    const LOW: i64 = -(MAX - ROOM);
    const HIGH: i64 = MAX - ROOM;
    vec![
        on_account("posted, downwards", OUT, Balances { posted: LOW, ..none }),
        on_account("posted less holds", OUT, Balances { posted: LOW + 9, held: 9, ..none }),
        on_account("posted, upwards", IN, Balances { posted: HIGH, ..none }),
        on_account("posted and incoming", IN, Balances { posted: HIGH - 9, incoming: 9, ..none }),
        on_account("posted and undecided", IN, Balances { posted: HIGH - 9, undecided: 9, ..none }),
        on_account("the sum of holds", OUT_HOLD, Balances { posted: MAX, held: HIGH, ..none }),
        on_account("the sum of incoming", IN_HOLD, Balances { posted: -MAX, incoming: HIGH, ..none }),
        on_account("the sum of undecided", DEBIT, Balances { posted: 0, undecided: HIGH, ..none }),
        in_transit("transit, upwards", OUT, Transit { balance: HIGH, ..still }),
        in_transit("transit and holds", OUT, Transit { balance: HIGH - 9, held: 9, ..still }),
        in_transit("transit, downwards", IN, Transit { balance: LOW, ..still }),
        in_transit("transit less incoming", IN, Transit { balance: LOW + 9, incoming: 9, ..still }),
        in_transit("transit less undecided", IN, Transit { balance: LOW + 9, undecided: 9, ..still }),
    ]
}

/// R3: `balance_overflow` exactly at the boundary: the last unit that fits is taken, one more is refused.
#[test]
fn r3_the_last_unit_that_fits_is_taken_and_one_more_is_refused() {
    for Edge { what, dos, balances, transit } in edges() {
        let account = account(Kind::External, balances);
        for (verb, direction) in dos {
            let decide = |minor_units| decide(&command(*verb, *direction, minor_units), None, Some(&account), &transit);
            for fits in 1..=ROOM {
                let taken = decide(fits).change.expect("a do leaves a record");
                assert!(taken.after.is_some(), "{what}: {verb:?} of {fits}");
            }
            for more in [ROOM + 1, ROOM + 2, MAX] {
                let refused = decide(more);
                assert_eq!(refused.answer, Answer::Refused(Reason::BalanceOverflow), "{what}: {verb:?} of {more}");
                assert_eq!(refused.change.and_then(|change| change.after), None);
            }
        }
    }
}

/// R3, as a story: with a limit as high as can be, holds were placed until their sum left 63 bits, though the balance
/// less that sum still fitted; the shard then stopped at its own invariant.
#[test]
fn r3_holds_that_together_leave_63_bits_are_refused() {
    let balances = Balances { posted: MAX, held: MAX, ..Balances::default() };
    let account = Account { overdraft_limit: MAX, ..account(Kind::Customer, balances) };
    let hold = command(Verb::PlaceHold, Direction::Debit, MAX);
    let answer = decide(&hold, None, Some(&account), &transit_beside(&balances)).answer;
    assert_eq!(answer, Answer::Refused(Reason::BalanceOverflow));
}

/// R3: at every edge, with the last unit taken, all that is open can be posted, and all of it undone.
#[test]
fn r3_at_the_very_edge_undos_and_posts_still_fit() {
    for Edge { what, dos, balances, transit } in edges() {
        let account = account(Kind::External, balances);
        for (verb, direction) in dos.iter().copied() {
            let taken = decide(&command(verb, direction, ROOM), None, Some(&account), &transit);
            let Change { state, after: Some((balances, transit)) } = taken.change.unwrap() else {
                panic!("{what}: {verb:?} was refused")
            };
            let account = Account { balances, ..account.clone() };
            let ends: &[Verb] = match verb {
                Verb::PlaceHold => &[Verb::PostHold, Verb::ReleaseHold],
                Verb::Debit => &[Verb::Compensate],
                _ => &[],
            };
            for end in ends {
                let leg = leg(state, direction, ROOM);
                let ended = decide(&command(*end, direction, ROOM), Some(&leg), Some(&account), &transit);
                assert!(ended.change.unwrap().after.is_some(), "{what}: {end:?}");
            }
        }
    }
}
