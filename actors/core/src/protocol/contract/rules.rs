//! The rules that are tables rather than stories: when a decision and an end are recorded, where the baton goes, and what
//! a parked transfer leaves alone.

use alloc::{
    string::{String, ToString},
    sync::Arc,
    vec,
    vec::Vec,
};

use super::{
    case::{Case, ID},
    story::{Story, at_every_step},
    world::{PARTITION, Who},
};
use crate::{
    account::Kind,
    id::{AccountId, LegId, LegNo, Seq, Time, TransferId},
    leg::{Answer, Command, Misfit, Reply, Sent, Verb},
    money::{Amount, Direction},
    protocol::{Decision, Next, Protocol, events},
    reason::Reason,
    transfer::{End, LegSpec, Outcome, Parked, Start, Transfer},
};

const LATE: Reason = Reason::DeadlinePassed;
const NO: Reason = Reason::AccountFrozen;

fn protocol(name: &str) -> Protocol {
    Protocol::parse(name).unwrap()
}

fn transfer(case: &Case) -> Transfer {
    Transfer::new(Arc::new(case.start()), PARTITION, Seq(1))
}

/// A command as `verb leg`.
fn short(sent: &Sent) -> String {
    alloc::format!("{} {}", sent.command.verb.as_str(), sent.command.id.leg.0)
}

fn next(transfer: &mut Transfer, silent: bool) -> (Vec<String>, Next) {
    let mut commands = Vec::new();
    let next = transfer.next(silent, |sent| commands.push(short(&sent)));
    (commands, next)
}

/// R8: giving up is itself the decision. Until it is recorded nothing leaves; then every leg is released. After a recorded
/// no nothing need be recorded: it can't become a commit any more.
#[test]
fn r8_the_decision_comes_before_the_first_release_or_post() {
    let case = Case::new(protocol("2pc"), "0-70 1+70");
    let holds = || vec!["place_hold 0".to_string(), "place_hold 1".to_string()];
    let releases = vec!["release_hold 0".to_string(), "release_hold 1".to_string()];
    let posts = vec!["post_hold 0".to_string(), "post_hold 1".to_string()];

    let mut given_up = transfer(&case);
    assert_eq!(next(&mut given_up, false), (holds(), Next::Wait));
    given_up.give_up(LATE);
    for silent in [false, true] {
        assert_eq!(next(&mut given_up, silent), (vec![], Next::Decide(Decision::Abort(LATE))));
    }
    given_up.decide(Decision::Abort(LATE));
    assert_eq!(next(&mut given_up, false), (releases.clone(), Next::Wait));

    let mut committed = transfer(&case);
    committed.learn(LegNo(0), Answer::Held);
    assert_eq!(next(&mut committed, false), (vec!["place_hold 1".into()], Next::Wait), "one yes is not enough");
    committed.learn(LegNo(1), Answer::Held);
    assert_eq!(next(&mut committed, false), (vec![], Next::Decide(Decision::Commit)));
    committed.decide(Decision::Commit);
    committed.give_up(LATE);
    assert_eq!(next(&mut committed, false), (posts, Next::Wait), "given up too late");

    let mut refused = transfer(&case);
    refused.learn(LegNo(1), Answer::Refused(NO));
    refused.give_up(LATE);
    assert_eq!(next(&mut refused, false), (vec![releases[0].clone()], Next::Wait));
}

/// Every order of `0..n`.
fn orders(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![vec![]];
    }
    let longer = |shorter: Vec<usize>| {
        (0..n).map(move |at| {
            let mut order = shorter.clone();
            order.insert(at, n - 1);
            order
        })
    };
    orders(n - 1).into_iter().flat_map(longer).collect()
}

/// R9: an end only with the last of the final answers, in whatever order they come, held credits posted included; and
/// `compensated` if a debit was given back, else `rejected`. Each row has what is known before, then the final answers of
/// legs 0 (pays), 1 and 2 (receive).
#[test]
fn r9_an_end_comes_with_the_last_final_answer() {
    use Answer::{Done, Held, NeverWas, Posted, Refused, Undone};
    let never = NeverWas(Some(LATE));
    let (abort, commit) = (Some(Decision::Abort(LATE)), Some(Decision::Commit));
    let completed = End::completed();
    let rejected = |reason| End { outcome: Outcome::Rejected, reason: Some(reason) };
    let compensated = |reason| End { outcome: Outcome::Compensated, reason: Some(reason) };
    let table = [
        ("saga", None, [Some(Done), Some(Held), None], [Done, Posted, Done], completed),
        ("saga", None, [Some(Done), Some(Held), None], [Undone, Undone, never], compensated(LATE)),
        ("saga", None, [None; 3], [Refused(NO), Undone, never], rejected(NO)),
        ("saga", None, [None; 3], [never, never, never], rejected(LATE)),
        ("saga", None, [Some(Done), Some(Held), None], [Undone, Undone, Refused(NO)], compensated(NO)),
        ("events", None, [Some(Done), Some(Held), None], [Done, Posted, Done], completed),
        ("events", None, [Some(Done), None, None], [Undone, Refused(NO), never], compensated(NO)),
        ("events", None, [None; 3], [Refused(NO), never, never], rejected(NO)),
        ("2pc", commit, [Some(Held); 3], [Posted, Posted, Posted], completed),
        ("2pc", abort, [Some(Held); 3], [Undone, Undone, Undone], rejected(LATE)),
        ("2pc", abort, [None; 3], [never, Undone, never], rejected(LATE)),
        ("2pc", None, [None; 3], [Undone, Refused(NO), Undone], rejected(NO)),
    ];
    for (name, decision, known, finals, end) in table {
        let case = Case::new(protocol(name), "0-70 1+30 2+40");
        for order in orders(3) {
            let mut transfer = transfer(&case);
            if let Some(decision) = decision {
                transfer.decide(decision);
            }
            for (leg, answer) in (0..).map(LegNo).zip(known) {
                answer.map(|answer| transfer.learn(leg, answer));
            }
            for (told, leg) in order.iter().enumerate() {
                let open = order[told..].iter().any(|leg| known[*leg] != Some(finals[*leg]));
                if open {
                    let before = next(&mut transfer, true).1;
                    assert!(!matches!(before, Next::End(_)), "{name}: {finals:?} in order {order:?}, {told} told");
                }
                transfer.learn(LegNo(u8::try_from(*leg).unwrap()), finals[*leg]);
            }
            assert_eq!(next(&mut transfer, false), (vec![], Next::End(end)), "{name}: {finals:?} in order {order:?}");
        }
    }
}

/// R9: what was posted and put back is `compensated`, all else that fails is `rejected`, as two-phase commit always is: it
/// posts nothing before its decision.
#[test]
fn r9_who_is_refused_decides_between_rejected_and_compensated() {
    use Outcome::{Compensated, Rejected};
    for (name, expected) in [
        ("saga", [Rejected, Compensated, Compensated]),
        ("events", [Rejected, Compensated, Compensated]),
        ("2pc", [Rejected, Rejected, Rejected]),
    ] {
        let case = Case::new(protocol(name), "0-70 1+30 2+40");
        for (leg, outcome) in case.leg_numbers().zip(expected) {
            let world = case.world_refusing(leg, NO).expect("any leg can be frozen");
            let mut story = Story::begin_in(world, &case);
            story.finish();
            assert_eq!(story.end(), End { outcome, reason: Some(NO) }, "{case}, leg {} refused", leg.0);
        }
    }
    for case in Case::small().filter(|case| case.protocol.rules().records_decision()) {
        at_every_step(
            &case,
            |story| story.world.give_up(Who::Live, ID, LATE),
            |story| assert_ne!(story.outcome(), Outcome::Compensated),
        );
    }
}

/// R10: where the baton goes from each leg with each answer. The route is legs 1 (pays), 3 (pays), 0 and 2 (held), 4 (the
/// pivot); the same answer passes it the same way however often it is given.
#[test]
fn r10_the_baton_goes_by_route_leg_and_answer_alone() {
    use Answer::{Done, Held, NeverWas, Posted, Refused, Undone};
    let case = Case::new(protocol("events"), "0+10 1-40 2+15 0-30 1+45");
    let mut first = Vec::new();
    transfer(&case).next(false, |sent| first.push(sent));
    assert_eq!(first.iter().map(short).collect::<Vec<_>>(), ["debit 1"]);
    let never = NeverWas(None);
    let misfit = Answer::Misfit(Misfit::TermsDiffer);
    #[rustfmt::skip]
    let table: [(u8, &[Answer], Option<&str>); 18] = [
        (1, &[Done],                       Some("debit 3")),
        (3, &[Done],                       Some("place_hold 0")),
        (0, &[Held],                       Some("place_hold 2")),
        (2, &[Held],                       Some("credit 4")),
        (4, &[Done],                       Some("post_hold 0")),
        (0, &[Posted],                     Some("post_hold 2")),
        (2, &[Posted],                     None),
        (4, &[Refused(NO), never],         Some("release_hold 2")),
        (2, &[Refused(NO), never, Undone], Some("release_hold 0")),
        (0, &[Refused(NO), never, Undone], Some("compensate 3")),
        (3, &[Refused(NO), never, Undone], Some("compensate 1")),
        (1, &[Refused(NO), never, Undone], None),
        (0, &[misfit], None), (1, &[misfit], None), (2, &[misfit], None), (3, &[misfit], None), (4, &[misfit], None),
        // A hold where the credit belongs leads nowhere.
        (4, &[Held], None),
    ];
    for (leg, answers, expected) in table {
        for answer in answers {
            let id = LegId::new(ID, LegNo(leg));
            // The verb that was answered makes no difference.
            for verb in Verb::ALL {
                let command = Command { id, verb, ..first[0].command.clone() };
                let baton = events::pass_on(&command, *answer);
                assert_eq!(baton.as_ref().map(short).as_deref(), expected, "leg {leg} answered {answer:?} to {verb:?}");
            }
        }
    }
}

/// R10: the baton carries everything that the next shard records, exactly as the manager would have it, so that both may
/// ask for the same; on its way back, with the reason.
#[test]
fn r10_a_baton_is_what_the_manager_would_have_sent() {
    for case in Case::small().filter(|case| case.protocol.rules().has_route()) {
        let mut transfer = transfer(&case);
        let stops: Vec<LegNo> = transfer.route().unwrap().stops().iter().map(|stop| stop.leg).collect();
        let mut baton = None;
        for leg in &stops {
            let mut poked = Vec::new();
            transfer.next(true, |sent| poked.push(sent));
            let [poked] = poked.try_into().expect("one leg is poked");
            assert_eq!(poked.command.id.leg, *leg);
            if let Some(baton) = baton {
                assert_eq!(poked, baton, "{case}");
            }
            let answer = if poked.command.verb == Verb::PlaceHold { Answer::Held } else { Answer::Done };
            let is_pivot = stops.last() == Some(leg);
            assert_eq!(events::is_implied(&poked.command, answer), !is_pivot, "{case}");
            assert!(!events::is_implied(&poked.command, Answer::Refused(NO)), "{case}");
            baton = events::pass_on(&poked.command, answer);
            if let Some(back) = events::pass_on(&poked.command, Answer::Refused(NO)) {
                assert_eq!(back.command.reason, Some(NO));
                let further = events::pass_on(&back.command, Answer::Undone);
                assert!(further.is_none_or(|further| further.command.reason == Some(NO)), "{case}");
            }
            transfer.learn(*leg, answer);
        }
    }
}

/// R10: without silence the manager starts the baton and then keeps out of its way; on silence it pokes the first leg that
/// it has no answer of, and none further on, whatever else it has heard.
#[test]
fn r10_the_manager_pokes_only_behind_a_done_leg() {
    let case = Case::new(protocol("events"), "0-30 1-40 2+20 0+50");
    let answers = [Answer::Done, Answer::Done, Answer::Held, Answer::Done];
    let dos = ["debit 0", "debit 1", "place_hold 2", "credit 3"];
    for known in 0..8_u32 {
        let knows = |leg: usize| known & (1 << leg) != 0;
        let mut transfer = transfer(&case);
        assert_eq!(next(&mut transfer, false).0, ["debit 0"]);
        for leg in (0..3).filter(|leg| knows(*leg)) {
            transfer.learn(LegNo(u8::try_from(leg).unwrap()), answers[leg]);
        }
        assert_eq!(next(&mut transfer, false), (vec![], Next::Wait), "known {known:b}");
        let first = (0..4).find(|leg| !knows(*leg)).unwrap();
        assert_eq!(next(&mut transfer, true), (vec![dos[first].to_string()], Next::Wait), "known {known:b}");
    }
    assert_eq!(events::pass_on(&debit_without_route(), Answer::Done), None, "only the events protocol has a route");
}

/// R10: the pivot is reached over all other legs only, so its `done` tells of them; what they say later is no news, and what is
/// known of them otherwise stays.
#[test]
fn r10_the_pivots_done_tells_of_all_that_went_before() {
    let case = Case::new(protocol("events"), "0-30 1-40 2+20 0+50");
    for heard in [None, Some((1, Answer::Done)), Some((2, Answer::Held)), Some((2, Answer::Posted))] {
        let mut transfer = transfer(&case);
        if let Some((leg, answer)) = heard {
            transfer.learn(LegNo(leg), answer);
        }
        assert!(transfer.learn(LegNo(3), Answer::Done));
        let hold = if heard == Some((2, Answer::Posted)) { Answer::Posted } else { Answer::Held };
        let known: Vec<_> = transfer.start().leg_numbers().map(|leg| transfer.answer(leg)).collect();
        assert_eq!(known, [Answer::Done, Answer::Done, hold, Answer::Done].map(Some), "{heard:?}");
        assert!(!transfer.learn(LegNo(0), Answer::Done) && transfer.parked().is_none());
        let asked = next(&mut transfer, true).0;
        assert_eq!(asked, if hold == Answer::Held { vec!["post_hold 2"] } else { vec![] });
    }
    let mut led = transfer(&Case::new(protocol("saga"), "0-30 1-40 2+20 0+50"));
    led.learn(LegNo(3), Answer::Done);
    assert_eq!(led.answer(LegNo(0)), None, "only a route implies anything");
}

fn debit_without_route() -> Command {
    let mut commands = Vec::new();
    transfer(&Case::new(protocol("saga"), "0-70 1+70")).next(false, |sent| commands.push(sent.command));
    commands.remove(0)
}

/// R11: a leg's answer that fits nothing parks its transfer at whatever step, for good, crash or no crash; the one beside
/// it, over the same accounts' shards, comes to its end; and the audit goes on counting the parked one's money.
#[test]
fn r11_a_parked_transfer_leaves_all_others_alone() {
    let beside = TransferId([2; 16]);
    for case in Case::small() {
        for answer in [Answer::Misfit(Misfit::TermsDiffer), Answer::Misfit(Misfit::VerbAgainstRecord)] {
            for crash in [false, true] {
                let disturb = |story: &mut Story| {
                    if story.world.rows[&ID].end.is_some() {
                        return;
                    }
                    story.world.hear(Who::Live, Reply { id: LegId::new(ID, LegNo(1)), answer });
                    assert_eq!(story.world.rows[&ID].parked, Some(Parked::Misfit(LegNo(1))));
                    let legs = legs_beside(story, &case);
                    story.world.submit(Start::new(beside, case.protocol, legs, None, Time(0), Time(1)).unwrap());
                    if crash {
                        story.world.crash(false);
                    }
                };
                at_every_step(&case, disturb, |story| {
                    let row = &story.world.rows[&ID];
                    assert!(row.end.is_some() != row.parked.is_some());
                    let end = story.world.rows.get(&beside).map(|row| row.end);
                    assert!(matches!(end, None | Some(Some(End { outcome: Outcome::Completed, .. }))), "{end:?}");
                });
            }
        }
    }
}

/// A payment between two accounts of the case's shards that are not in the case.
fn legs_beside(story: &mut Story, case: &Case) -> Vec<LegSpec> {
    let mut legs = case.legs();
    legs.retain(|leg| leg.currency.as_str() == "EUR");
    let at = |direction| legs.iter().find(|leg| leg.direction == direction).expect("debits and credits").clone();
    [Direction::Debit, Direction::Credit]
        .map(|direction| {
            let mut leg = at(direction);
            leg.account = AccountId::parse(&alloc::format!("beside-{}", direction.as_str())).expect("a valid name");
            leg.amount = Amount::new(5).expect("positive");
            let shard = story.world.shard(leg.shard);
            shard.open(&leg.account, leg.currency, Kind::Customer, 5);
            leg
        })
        .into()
}
