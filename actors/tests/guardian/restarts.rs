//! How actors come back, and when they are set aside.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst},
        mpsc::channel,
    },
    time::Duration,
};

use parking_lot::Mutex;
use remit_actors::{
    durable::Kill,
    frame::Frame,
    guardian::State,
    machine::Failure,
    message::{Answer, AnswerBody, Class, Message, Standing, Stands},
    store,
    supervision::{How, Step},
};
use remit_core::id::{Epoch, Seq, TransferId};

use crate::toy::{BOUND, GATEWAY, Node, Pause, Toy, Turned, child, frame, manager, numbers, shard, transfer};

/// Sends every frame back to the gateway.
fn echo(batch: &[Frame]) -> Turned {
    Ok(batch.iter().map(|frame| (GATEWAY, frame.clone())).collect())
}

/// Does that too, unless a frame bears the number 13.
fn echo_unless_13(batch: &[Frame], bad: impl FnOnce() -> Turned) -> Turned {
    if batch.iter().flat_map(numbers).any(|number| number == 13) { bad() } else { echo(batch) }
}

fn store_failure() -> Failure {
    store::Error::Foreign { what: "it is another's".into() }.into()
}

fn failed(step: &Step) -> Option<(How, String, Option<String>)> {
    let Step::Failed { how, why, in_hand } = step else { return None };
    Some((*how, why.clone(), in_hand.clone()))
}

fn restarting(step: &Step) -> Option<(u32, u64)> {
    let Step::Restarting { attempt, delay_ms } = step else { return None };
    Some((*attempt, *delay_ms))
}

fn quarantined(step: &Step) -> Option<String> {
    let Step::Quarantined { why, .. } = step else { return None };
    Some(why.clone())
}

#[test]
fn a_panic_in_a_turn_restarts_that_actor_alone_also_where_a_thread_is_shared() {
    let child = |name| child(name, |_| Ok(Toy::new(|batch, _| echo_unless_13(batch, || panic!("unlucky {}", 13)))));
    let node = Node::with(vec![child("s0"), child("s1")], |options| options.arbiter_threads = 1);
    assert!(node.handle.wait(BOUND, |children| children.iter().all(|child| child.state == State::Up)));
    node.deliver(shard(0), frame(Class::Do, &[13]));
    assert_eq!(node.step("s0", failed), (0, (How::Panicked, "panicked: unlucky 13".into(), None)));
    assert_eq!(node.up("s0"), 1);
    for no in [0, 1] {
        node.deliver(shard(no), frame(Class::Do, &[7]));
        assert_eq!(numbers(&node.sent().1), [7]);
    }
    let generations: Vec<_> = node.handle.status().iter().map(|child| child.generation).collect();
    assert_eq!(generations, [1, 0]);
}

#[test]
fn pauses_grow_with_each_failure_whatever_it_is_and_a_fresh_machine_is_made_each_time() {
    let node = Node::start(vec![child("s0", |start| match start.generation {
        0 => Err(store_failure()),
        1 => panic!("while it opens"),
        2 => Ok(Toy::new(|_, _| Err(store_failure()))),
        generation => Ok(Toy { open: generation, ..Toy::idle() }),
    })]);
    let foreign = "the store failed: the database can't be used: it is another's";
    for (generation, how, why, longest_ms) in [
        (0, How::Failed, foreign, 8),
        (1, How::Panicked, "panicked: while it opens", 16),
        (2, How::Failed, foreign, 16),
    ] {
        assert_eq!(node.step("s0", failed), (generation, (how, why.into(), None)));
        let (generation, (attempt, delay_ms)) = node.step("s0", restarting);
        assert_eq!(u64::from(attempt), generation);
        assert!((longest_ms * 3 / 4..=longest_ms).contains(&delay_ms), "{delay_ms}");
    }
    let recovered = |step: &Step| if let Step::Recovered { open, .. } = step { Some(*open) } else { None };
    assert_eq!(node.step("s0", recovered), (3, 3), "with so many open transfers");
    assert_eq!(node.handle.status()[0].last_failure.as_deref(), Some(foreign));
}

#[test]
fn an_actor_that_panics_outside_of_a_turn_or_vanishes_comes_back() {
    let node = Node::start(vec![child("s0", |_| Ok(Toy::new(|batch, _| echo(batch))))]);
    for (generation, kill, how) in [(0, Kill::Panic, How::Panicked), (1, Kill::Vanish, How::Vanished)] {
        assert_eq!(node.up("s0"), generation);
        assert!(node.handle.kill("s0", kill));
        assert_eq!(node.step("s0", failed).1.0, how);
    }
    node.up("s0");
    node.deliver(shard(0), frame(Class::Do, &[7]));
    assert_eq!(numbers(&node.sent().1), [7]);
    assert!(!node.handle.kill("s7", Kill::Panic));
}

#[test]
fn r12_who_was_fenced_says_so_and_takes_a_new_epoch() {
    let node = Node::start(vec![child("s0", |start| match start.generation {
        0 => Err(store::Error::Fenced { own: (Epoch(1), Seq(1)), stored: (Epoch(2), Seq(1)) }.into()),
        _ => Ok(Toy::idle()),
    })]);
    node.step("s0", |step| (*step == Step::LeaseLost).then_some(()));
    assert_eq!(node.step("s0", failed).1.0, How::LeaseLost);
    node.step("s0", |step| (*step == Step::LeaseWon).then_some(()));
    assert_eq!(node.up("s0"), 1);
}

#[test]
fn too_many_failures_of_its_database_quarantine_that_actor_alone_and_it_is_tried_again_and_again() {
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = Arc::clone(&broken);
    let children = vec![
        child("s0", move |_| if is_broken.load(SeqCst) { Err(store_failure()) } else { Ok(Toy::idle()) }),
        child("s1", |_| Ok(Toy::new(|batch, _| echo(batch)))),
    ];
    let node = Node::with(children, |options| {
        options.limits.failures_max = 2;
        options.limits.quarantine_retry_ms = 86_400_000;
    });
    assert_eq!((node.step("s0", restarting).1.0, node.step("s0", restarting).1.0), (1, 2));
    let (generation, why) = node.step("s0", quarantined);
    assert_eq!(generation, 3);
    node.deliver(shard(0), frame(Class::Do, &[8]));
    let Message::Answer(Answer { body: AnswerBody::Unavailable(told), .. }) = &node.sent().1.messages[0] else {
        panic!("what is asked of it is answered at once")
    };
    assert_eq!(*told, format!("s0 is quarantined: {why}"));
    assert_eq!(
        node.step("s0", quarantined).0,
        4,
        "tried once more, and no better, long before an actor with a bug would be"
    );
    node.deliver(shard(1), frame(Class::Do, &[7]));
    assert_eq!(numbers(&node.sent().1), [7]);
    broken.store(false, SeqCst);
    node.up("s0");
}

#[test]
fn a_broken_invariant_is_quarantine_at_once_and_requests_are_answered_unavailable() {
    let node = Node::start(vec![child("m0", |_| Err(Failure::Invariant("the chain".into())))]);
    assert_eq!(node.step("m0", quarantined), (1, "an invariant is broken: the chain".into()));
    let why = || "m0 is quarantined: an invariant is broken: the chain".to_owned();

    let asked = node.deliver_with_receipt(manager(0), frame(Class::Do, &[7]));
    let body = AnswerBody::Unavailable(why());
    let answer = Message::Answer(Answer { ticket: 7, part: 0, parts: 1, body });
    let (to, reply) = node.sent();
    assert_eq!((to, reply.from, reply.messages), (GATEWAY, manager(0), vec![answer]));
    asked.recv_timeout(BOUND).expect("acknowledged, for the stream serves others too");

    node.deliver(manager(0), frame(Class::Submit, &[8]));
    let standing = Standing { id: transfer(8), ticket: 0, stands: Stands::Unavailable(why()) };
    assert_eq!(node.sent().1.messages, [Message::Standing(standing)]);

    let replied = node.deliver_with_receipt(manager(0), frame(Class::Reply, &[9]));
    replied.recv_timeout(BOUND).expect("acknowledged and dropped");
    assert_eq!(node.handle.status()[0].dropped, [1, 1, 1]);
}

#[test]
fn what_comes_while_an_actor_restarts_is_acknowledged_and_dropped_without_an_answer() {
    let node = Node::with(vec![child("s0", |_| Err(store_failure()))], |options| {
        options.limits.restart_first_ms = 60_000;
        options.limits.restart_max_ms = 60_000;
    });
    node.step("s0", restarting);
    let asked = node.deliver_with_receipt(shard(0), frame(Class::Do, &[7]));
    asked.recv_timeout(BOUND).expect("acknowledged");
    assert!(node.sent.try_recv().is_err(), "and not answered: who asked asks again");
    assert_eq!(node.handle.status()[0].dropped, [0, 1, 0]);
}

/// What a manager's database would have.
#[derive(Default)]
struct Records {
    open: Vec<TransferId>,
    ended: Vec<TransferId>,
    parked: Vec<TransferId>,
}

#[test]
fn r11_after_a_panic_transfers_are_taken_one_by_one_and_the_guilty_one_alone_is_parked() {
    let open = [1, 2, 3].map(transfer).to_vec();
    let records = Arc::new(Mutex::new(Records { open, ..Records::default() }));
    let database = Arc::clone(&records);
    let node = Node::start(vec![child("m0", move |start| {
        let (database, recovery) = (Arc::clone(&database), start.recovery);
        database.lock().open.retain(|open| !recovery.park.contains(open));
        database.lock().parked.extend(&recovery.park);
        Ok(Toy::new(move |_, _| {
            let open = database.lock().open.clone();
            let end = |transfer: TransferId| {
                assert_ne!(transfer, crate::toy::transfer(2), "the poison");
                let mut records = database.lock();
                records.open.retain(|open| *open != transfer);
                records.ended.push(transfer);
            };
            if recovery.one_by_one {
                open.into_iter().for_each(|transfer| recovery.in_hand.alone(transfer, || end(transfer)));
            } else {
                // All in one commit: the poison takes the others with it.
                assert!(!open.contains(&crate::toy::transfer(2)), "the poison among others");
                open.into_iter().for_each(end);
            }
            Ok(vec![])
        }))
    })]);
    let in_hand: Vec<_> = (0..3).map(|_| node.step("m0", failed).1.2).collect();
    assert_eq!(in_hand, [None, Some(transfer(2).to_string()), Some(transfer(2).to_string())]);
    assert_eq!(node.up("m0"), 3);
    drop(node.handle.drain_blocking(Duration::from_secs(20)));
    let records = records.lock();
    assert_eq!((&records.open, &records.parked), (&vec![], &vec![transfer(2)]));
    assert_eq!(records.ended, [1, 3].map(transfer));
}

#[test]
fn a_stuck_actor_is_noticed_and_so_is_its_going_on() {
    let (pause, wait) = Pause::new();
    let machine = Mutex::new(Some(wait));
    let s0 = child("s0", move |_| {
        let wait = machine.lock().take().expect("it is made once");
        Ok(Toy::new(move |batch, _| {
            if !batch.is_empty() {
                wait();
            }
            Ok(vec![])
        }))
    });
    let node = Node::with(vec![s0], |options| options.stuck_ms = 20);
    node.up("s0");
    node.deliver(shard(0), frame(Class::Do, &[1]));
    pause.reached();
    let stuck = |step: &Step| if let Step::Stuck { turn_ms } = step { Some(*turn_ms) } else { None };
    assert!(node.step("s0", stuck).1 >= 20);
    assert_eq!(node.handle.status()[0].state, State::Stuck);
    pause.go_on();
    node.step("s0", |step| (*step == Step::Unstuck).then_some(()));
    assert_eq!(node.handle.status()[0].state, State::Up);
}

#[test]
fn transfers_that_take_too_long_are_told_of_once_and_so_is_that_none_does_any_more() {
    let overdue = Arc::new(AtomicU64::new(0));
    let (counted, wake_at) = (Arc::clone(&overdue), Arc::new(AtomicI64::new(0)));
    // Always due, so that it takes a turn each time that it looks at the clock.
    let m0 =
        child("m0", move |_| Ok(Toy { overdue: Arc::clone(&counted), ..Toy::idle().waking(Arc::clone(&wake_at)) }));
    let node = Node::with(vec![m0], |options| options.stuck_ms = 40);
    node.up("m0");
    for _ in 0..2 {
        overdue.store(3, SeqCst);
        node.step("m0", |step| (*step == Step::Overdue { transfers: 3 }).then_some(()));
        overdue.store(0, SeqCst);
        node.step("m0", |step| (*step == Step::InTime).then_some(()));
    }
}

#[test]
fn if_the_guardian_itself_dies_that_is_called_out() {
    let (tx, told) = channel();
    let tx = Mutex::new(tx);
    let node = Node::with(vec![child("s0", |_| Ok(Toy::idle()))], |options| {
        options.sink = Arc::new(move |_| {
            tx.lock().send(()).ok();
            panic!("a sink must not panic");
        });
    });
    told.recv_timeout(BOUND).unwrap();
    assert_eq!(node.deaths.recv_timeout(BOUND).as_deref(), Ok("it panicked"));
    drop(node.handle);
    assert!(node.deaths.recv().is_err(), "once");
}
