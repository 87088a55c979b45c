//! What makes a transfer, and what a manager makes of its legs' answers.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use super::*;
use crate::leg::Misfit;
use crate::{
    id::{AccountId, ShardNo, Time, TransferId},
    money::{Amount, Currency, Direction},
    protocol::Protocol,
};

const DEADLINE: Reason = Reason::DeadlinePassed;
const NO: Reason = Reason::AccountFrozen;

fn currency(code: &str) -> Currency {
    Currency::parse(code).unwrap()
}

fn leg(name: &str, amount: i64, code: &str) -> LegSpec {
    LegSpec {
        account: AccountId::parse(name).unwrap(),
        shard: ShardNo(0),
        direction: if amount < 0 { Direction::Debit } else { Direction::Credit },
        amount: Amount::new(amount.abs()).unwrap(),
        currency: currency(code),
    }
}

fn start(protocol: &str, legs: Vec<LegSpec>) -> Result<Start, InvalidLegs> {
    Start::new(TransferId([1; 16]), Protocol::parse(protocol).unwrap(), legs, None, Time(0), Time(1))
}

/// A transfer with a debit, a hold and a pivot; under 2pc, with three holds.
fn transfer(protocol: &str) -> Transfer {
    let legs = vec![leg("payer", -70, "EUR"), leg("near", 30, "EUR"), leg("far", 40, "EUR")];
    Transfer::new(Arc::new(start(protocol, legs).unwrap()), PartitionNo(0), Seq(1))
}

/// What is due now, as `verb leg`.
fn due(transfer: &mut Transfer, silent: bool) -> (Vec<String>, Next) {
    let mut due = Vec::new();
    let next = transfer.next(silent, |sent| {
        due.push(alloc::format!("{} {}", sent.command.verb.as_str(), sent.command.id.leg.0));
    });
    (due, next)
}

#[test]
fn legs_make_a_transfer_if_they_balance_in_each_currency() {
    let many = |count: i64| -> Vec<LegSpec> {
        let payers = (0..count / 2).map(|no| leg(&no.to_string(), -1, "EUR"));
        payers.chain((count / 2..count).map(|no| leg(&no.to_string(), 1, "EUR"))).collect()
    };
    let max = i64::MAX;
    let table: [(&str, Vec<LegSpec>, Result<u8, InvalidLegs>); 12] = [
        ("none", vec![], Err(InvalidLegs::Count)),
        ("one", vec![leg("a", -1, "EUR")], Err(InvalidLegs::Count)),
        ("the least", vec![leg("a", -1, "EUR"), leg("b", 1, "EUR")], Ok(1)),
        ("the most", many(32), Ok(31)),
        ("too many", many(34), Err(InvalidLegs::Count)),
        ("the last credit is the pivot", vec![leg("a", 1, "EUR"), leg("b", 2, "EUR"), leg("c", -3, "EUR")], Ok(1)),
        (
            "twice",
            vec![leg("a", -1, "EUR"), leg("b", 2, "EUR"), leg("a", -1, "EUR")],
            Err(InvalidLegs::AccountTwice(2)),
        ),
        ("too little", vec![leg("a", -1, "EUR"), leg("b", 2, "EUR")], Err(InvalidLegs::Unbalanced(currency("EUR")))),
        ("all one way", vec![leg("a", 1, "EUR"), leg("b", 1, "EUR")], Err(InvalidLegs::Unbalanced(currency("EUR")))),
        (
            "one currency for another",
            vec![leg("a", -1, "EUR"), leg("b", 1, "USD")],
            Err(InvalidLegs::Unbalanced(currency("EUR"))),
        ),
        (
            "two currencies",
            vec![leg("a", -1, "EUR"), leg("b", 1, "EUR"), leg("c", 9, "USD"), leg("d", -9, "USD")],
            Ok(2),
        ),
        (
            "more than 63 bits together",
            vec![leg("a", -max, "EUR"), leg("b", -max, "EUR"), leg("c", max, "EUR"), leg("d", max, "EUR")],
            Ok(3),
        ),
    ];
    for (what, legs, expected) in table {
        assert_eq!(start("saga", legs).map(|start| start.pivot().0), expected, "{what}");
    }
}

#[test]
fn another_request_says_what_differs() {
    let legs = || vec![leg("a", -1, "EUR"), leg("b", 1, "EUR")];
    let one = start("saga", legs()).unwrap();
    let later = Start { accepted_at: Time(8), deadline_at: Time(9), ..one.clone() };
    assert_eq!(one.differing_fields(&later), Vec::<&str>::new());
    assert_eq!(one.differing_fields(&start("2pc", legs()).unwrap()), ["protocol"]);
    assert_eq!(one.differing_fields(&Start { memo: Some("rent".into()), ..one.clone() }), ["memo"]);
    let other = vec![leg("a", -2, "EUR"), leg("b", 2, "EUR")];
    let other = Start { memo: Some("rent".into()), ..start("events", other).unwrap() };
    assert_eq!(one.differing_fields(&other), ["legs", "protocol", "memo"]);
}

/// R11: what a further answer adds to what is known of a leg, for every pair: nothing (`=`), news (`+`), or that no rule
/// covers it and the transfer is parked (`!`). What is known goes down, the further answer across.
#[test]
fn r11_every_answer_on_top_of_every_other() {
    let (refused, other) = (Answer::Refused(NO), Answer::Refused(Reason::AccountClosed));
    let (never, buried) = (Answer::NeverWas(None), Answer::NeverWas(Some(DEADLINE)));
    let misfit = Answer::Misfit(Misfit::TermsDiffer);
    let further = [Answer::Done, Answer::Held, Answer::Posted, Answer::Undone, never, buried, refused, other, misfit];
    // Of the three legs of a saga: a debit, a hold, and the pivot.
    #[rustfmt::skip]
    let table = [
        //                          D H P U N N R R M
        (0, None,                  "+ ! ! + + + + + !"),
        (0, Some(Answer::Done),    "= ! ! + ! ! ! ! !"),
        (0, Some(Answer::Undone),  "= ! ! = ! ! ! ! !"),
        (0, Some(never),           "! ! ! ! = = + + !"),
        (0, Some(buried),          "! ! ! ! = = + + !"),
        (0, Some(refused),         "! ! ! ! = = = ! !"),
        (1, None,                  "! + + + + + + + !"),
        (1, Some(Answer::Held),    "! = + + ! ! ! ! !"),
        (1, Some(Answer::Posted),  "! = = ! ! ! ! ! !"),
        (1, Some(Answer::Undone),  "! = ! = ! ! ! ! !"),
        (1, Some(never),           "! ! ! ! = = + + !"),
        (1, Some(refused),         "! ! ! ! = = = ! !"),
        (2, None,                  "+ ! ! ! + + + + !"),
        (2, Some(Answer::Done),    "= ! ! ! ! ! ! ! !"),
        (2, Some(buried),          "! ! ! ! = = + + !"),
        (2, Some(refused),         "! ! ! ! = = = ! !"),
    ];
    for (leg, known, row) in table {
        for (answer, expected) in further.into_iter().zip(row.split(' ')) {
            let mut transfer = transfer("saga");
            if let Some(known) = known {
                assert!(transfer.learn(LegNo(leg), known));
            }
            let news = transfer.learn(LegNo(leg), answer);
            let told = match (transfer.parked(), news) {
                (None, false) => "=",
                (None, true) => "+",
                (Some(_), true) => "!",
                (Some(_), false) => "parked without news",
            };
            assert_eq!(told, expected, "leg {leg}: {answer:?} after {known:?}");
            let kept = if expected == "+" { Some(answer) } else { known };
            assert_eq!(transfer.answer(LegNo(leg)), kept, "leg {leg}: {answer:?} after {known:?}");
            let why = match answer {
                _ if expected != "!" => None,
                Answer::Misfit(_) => Some(Parked::Misfit(LegNo(leg))),
                _ => Some(Parked::Contradiction(LegNo(leg))),
            };
            assert_eq!(transfer.parked(), why);
        }
    }
}

/// R11: legs that contradict each other: one gone forward for ever, another undone. Such a transfer was completed, with a
/// debit that was refused.
#[test]
fn r11_one_leg_forward_and_another_back_is_parked() {
    let never = Answer::NeverWas(None);
    for (protocol, forward, back) in [
        ("saga", (2, Answer::Done), (0, Answer::Refused(NO))),
        ("saga", (2, Answer::Done), (0, Answer::Undone)),
        ("saga", (2, Answer::Done), (1, never)),
        ("saga", (1, Answer::Posted), (0, never)),
        ("2pc", (0, Answer::Posted), (2, Answer::Refused(NO))),
        ("events", (2, Answer::Done), (1, Answer::Undone)),
    ] {
        for answers in [[forward, back], [back, forward]] {
            let mut transfer = transfer(protocol);
            assert!(transfer.learn(LegNo(answers[0].0), answers[0].1));
            assert_eq!(transfer.parked(), None);
            assert!(transfer.learn(LegNo(answers[1].0), answers[1].1));
            assert_eq!(transfer.parked(), Some(Parked::Contradiction(LegNo(answers[1].0))), "{protocol}: {answers:?}");
        }
    }
}

/// R11: a leg that the transfer does not have.
#[test]
fn r11_an_answer_of_no_leg_of_this_transfer_is_parked() {
    let mut transfer = transfer("saga");
    assert!(transfer.learn(LegNo(3), Answer::Done));
    assert_eq!(transfer.parked(), Some(Parked::Misfit(LegNo(3))));
    assert!(!transfer.park(Parked::Panicked), "parked already");
    assert_eq!(transfer.parked(), Some(Parked::Misfit(LegNo(3))), "the first cause is kept");
}

/// R11: a parked transfer asks for nothing any more, not even on silence, however it is given up.
#[test]
fn r11_a_parked_transfer_waits_for_an_operator() {
    for protocol in Protocol::all() {
        let mut transfer = transfer(protocol.as_str());
        transfer.park(Parked::Unreadable);
        transfer.give_up(DEADLINE);
        for silent in [false, true] {
            assert_eq!(due(&mut transfer, silent), (vec![], Next::Wait), "{protocol}");
        }
    }
}

#[test]
fn a_command_is_repeated_only_on_silence() {
    let mut transfer = transfer("saga");
    let first = due(&mut transfer, false);
    assert_eq!(first, (vec!["debit 0".to_string(), "place_hold 1".to_string()], Next::Wait));
    assert_eq!(due(&mut transfer, false), (vec![], Next::Wait));
    assert_eq!(due(&mut transfer, true), first);
    transfer.learn(LegNo(0), Answer::Done);
    assert_eq!(due(&mut transfer, false), (vec![], Next::Wait));
    assert_eq!(due(&mut transfer, true), (vec!["place_hold 1".to_string()], Next::Wait));
}

/// The reason that is told: a recorded refusal before all else, then the recorded decision, then what a tombstone says,
/// last what this incarnation was given.
#[test]
fn the_reason_is_what_is_recorded_before_what_is_remembered() {
    let mut transfer = transfer("2pc");
    transfer.give_up(Reason::Cancelled);
    transfer.give_up(DEADLINE);
    assert_eq!(transfer.failure_reason(), Reason::Cancelled, "the first to give up");
    transfer.learn(LegNo(2), Answer::NeverWas(Some(DEADLINE)));
    assert_eq!(transfer.failure_reason(), DEADLINE);
    transfer.decide(Decision::Abort(Reason::Cancelled));
    assert_eq!(transfer.failure_reason(), Reason::Cancelled);
    transfer.learn(LegNo(1), Answer::Refused(NO));
    assert_eq!(transfer.failure_reason(), NO);
}

/// R7, as a story: after two crashes a manager learnt first that a hold had been released, not why, and told the next
/// leg the reason `cancelled`, which nobody had given. That leg's tombstone kept it, and the transfer ended with it, though
/// another leg had recorded the refusal.
#[test]
fn r7_an_undo_carries_a_reason_only_if_it_is_known() {
    for protocol in Protocol::all() {
        let mut transfer = transfer(protocol.as_str());
        transfer.learn(LegNo(0), Answer::Undone);
        let mut undos = 0;
        transfer.next(true, |sent| {
            undos += 1;
            assert_eq!(sent.command.reason, None, "{protocol}: {:?}", sent.command.verb);
        });
        assert!(undos > 0, "{protocol}");
        transfer.learn(LegNo(1), Answer::NeverWas(Some(NO)));
        transfer.next(true, |sent| assert_eq!(sent.command.reason, Some(NO), "{protocol}"));
    }
}

/// R8: a recorded decision is never replaced; hearing of it again is no harm.
#[test]
fn r8_a_decision_may_be_heard_again() {
    for decision in [Decision::Commit, Decision::Abort(NO)] {
        let mut transfer = transfer("2pc");
        transfer.decide(decision);
        transfer.decide(decision);
        assert_eq!(transfer.decision(), Some(decision));
    }
}

#[test]
#[should_panic = "never replaced"]
fn r8_a_commit_is_never_replaced() {
    let mut transfer = transfer("2pc");
    transfer.decide(Decision::Commit);
    transfer.decide(Decision::Abort(DEADLINE));
}

#[test]
#[should_panic = "never replaced"]
fn r8_an_abort_is_never_replaced() {
    let mut transfer = transfer("2pc");
    transfer.decide(Decision::Abort(DEADLINE));
    transfer.decide(Decision::Commit);
}

#[test]
fn words_are_read_back() {
    for outcome in [Outcome::Completed, Outcome::Rejected, Outcome::Compensated] {
        assert_eq!(Outcome::parse(outcome.as_str()), Some(outcome));
    }
    for reason in Reason::ALL {
        assert_eq!(Reason::parse(reason.as_str()), Some(reason));
    }
    for protocol in Protocol::all() {
        assert_eq!(Protocol::parse(protocol.as_str()), Some(protocol));
    }
    assert_eq!((Outcome::parse(""), Reason::parse("because"), Protocol::parse("3pc")), (None, None, None));
}
