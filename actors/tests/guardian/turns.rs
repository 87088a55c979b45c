//! How an actor takes its turns.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use parking_lot::Mutex;
use remit_actors::{
    durable::system_clock,
    guardian::State,
    machine::Failure,
    message::{Class, Message, Standing, Stands},
};
use remit_core::id::Time;

use crate::toy::{BOUND, GATEWAY, Node, Pause, Toy, child, frame, numbers, shard, transfer};

/// A node with one shard that pauses at message 1, and tells the numbers of each batch that is not empty.
fn pausing(change: impl FnOnce(&mut remit_actors::guardian::Options)) -> (Node, Pause, Receiver<Vec<Vec<u64>>>) {
    let (pause, wait) = Pause::new();
    let (tx, batches) = channel();
    let machine = Mutex::new(Some((wait, tx)));
    let s0 = child("s0", move |_| {
        let (wait, tx) = machine.lock().take().expect("it is made once");
        Ok(Toy::new(move |batch, _| {
            let batch: Vec<_> = batch.iter().map(numbers).collect();
            if batch.iter().flatten().any(|number| *number == 1) {
                wait();
            }
            if !batch.is_empty() {
                tx.send(batch).ok();
            }
            Ok(vec![])
        }))
    });
    let node = Node::with(vec![s0], change);
    node.up("s0");
    node.deliver(shard(0), frame(Class::Do, &[1]));
    pause.reached();
    (node, pause, batches)
}

fn next(batches: &Receiver<Vec<Vec<u64>>>) -> Vec<Vec<u64>> {
    batches.recv_timeout(BOUND).expect("a turn ends")
}

#[test]
fn frames_that_arrive_during_a_turn_are_one_batch_of_the_next() {
    let (node, pause, batches) = pausing(|_| {});
    for number in 2..7 {
        node.deliver(shard(0), frame(Class::Do, &[number]));
    }
    pause.go_on();
    assert_eq!(next(&batches), [[1]]);
    assert_eq!(next(&batches), [[2], [3], [4], [5], [6]]);
}

#[test]
fn r20_replies_are_taken_before_dos_and_dos_before_submits() {
    let (node, pause, batches) = pausing(|_| {});
    for (class, number) in
        [(Class::Submit, 2), (Class::Do, 3), (Class::Reply, 4), (Class::Submit, 5), (Class::Reply, 6)]
    {
        node.deliver(shard(0), frame(class, &[number]));
    }
    pause.go_on();
    assert_eq!(next(&batches), [[1]]);
    assert_eq!(next(&batches), [[4], [6], [3], [2], [5]]);
}

#[test]
fn a_batch_is_bounded_and_the_rest_is_taken_next() {
    let (node, pause, batches) = pausing(|options| options.turns.batch_messages_max = 3);
    for numbers in [&[2, 3][..], &[4, 5], &[6], &[7, 8, 9, 10]] {
        node.deliver(shard(0), frame(Class::Do, numbers));
    }
    pause.go_on();
    let taken: Vec<_> = (0..4).map(|_| next(&batches)).collect();
    assert_eq!(taken, [vec![vec![1]], vec![vec![2, 3]], vec![vec![4, 5], vec![6]], vec![vec![7, 8, 9, 10]]]);
}

#[test]
fn r20_what_finds_no_room_is_acknowledged_dropped_and_counted() {
    let (node, pause, batches) = pausing(|options| options.turns.room = [2; 3]);
    let waits = node.deliver_with_receipt(shard(0), frame(Class::Do, &[2, 3]));
    let no_room = node.deliver_with_receipt(shard(0), frame(Class::Do, &[4]));
    let other_class = node.deliver_with_receipt(shard(0), frame(Class::Reply, &[5]));
    no_room.recv_timeout(BOUND).expect("it is acknowledged at once");
    assert!(waits.try_recv().is_err() && other_class.try_recv().is_err());
    let status = node.handle.status().remove(0);
    assert_eq!((status.queue_depth, status.dropped), (3, [0, 1, 0]));
    pause.go_on();
    assert_eq!((next(&batches), next(&batches)), (vec![vec![1]], vec![vec![5], vec![2, 3]]));
}

#[test]
fn r20_a_submit_that_finds_no_room_is_refused_as_overloaded() {
    let (node, _pause, _) = pausing(|options| options.turns.room = [1; 3]);
    node.deliver(shard(0), frame(Class::Submit, &[2]));
    node.deliver(shard(0), frame(Class::Submit, &[3]));
    let (to, frame) = node.sent();
    let overloaded = Standing { id: transfer(3), ticket: 0, stands: Stands::Overloaded(500) };
    assert_eq!((to, frame.from, frame.messages), (GATEWAY, shard(0), vec![Message::Standing(overloaded)]));
}

#[test]
fn a_frame_is_acknowledged_after_the_commit_and_what_it_made_true() {
    let (pause, wait) = Pause::new();
    let machine = Mutex::new(Some(wait));
    let node = Node::start(vec![child("s0", move |_| {
        let wait = machine.lock().take().expect("it is made once");
        Ok(Toy::new(move |batch, _| {
            if !batch.is_empty() {
                wait();
            }
            Ok(batch.iter().map(|frame| (GATEWAY, frame.clone())).collect())
        }))
    })]);
    node.up("s0");
    let acknowledged = node.deliver_with_receipt(shard(0), frame(Class::Do, &[1]));
    pause.reached();
    assert!(acknowledged.try_recv().is_err(), "not before the commit");
    pause.go_on();
    acknowledged.recv_timeout(BOUND).expect("after it");
    assert_eq!(node.sent.try_recv().expect("and after what it made true").0, GATEWAY);
}

#[test]
fn a_frame_is_not_acknowledged_if_its_turn_failed() {
    let node = Node::start(vec![child("s0", |_| {
        Ok(Toy::new(|batch, _| {
            let failure = || Failure::Invariant("no such thing".into());
            if batch.is_empty() { Ok(vec![]) } else { Err(failure()) }
        }))
    })]);
    node.up("s0");
    let acknowledged = node.deliver_with_receipt(shard(0), frame(Class::Do, &[1]));
    assert!(node.handle.wait(BOUND, |children| children[0].state == State::Quarantined));
    assert!(acknowledged.recv().is_err(), "the receipt is gone, unused");
}

#[test]
fn a_turn_comes_at_the_time_that_the_machine_wants() {
    let (tx, turns) = channel();
    let node = Node::start(vec![child("s0", move |_| {
        let tx = tx.clone();
        let wake_at = Arc::new(AtomicI64::new(system_clock().0 + 30));
        let due = Arc::clone(&wake_at);
        let toy = Toy::new(move |batch, now| {
            tx.send((batch.len(), now, due.load(SeqCst))).ok();
            if now.0 >= due.load(SeqCst) {
                due.store(now.0 + 20, SeqCst);
            }
            Ok(vec![])
        });
        Ok(toy.waking(wake_at))
    })]);
    let (_, started, due) = turns.recv_timeout(BOUND).expect("the first turn, with nothing in it");
    assert!(started.0 <= due);
    for _ in 0..3 {
        let (frames, now, due) = turns.recv_timeout(BOUND).expect("a turn without a frame");
        assert!(frames == 0 && now.0 >= due);
    }
    drop(node);
}

#[test]
fn an_actor_that_is_always_busy_leaves_time_to_the_others_on_its_thread() {
    let busy = child("s0", |_| {
        let toy = Toy::idle();
        toy.wake_at.store(Time(0).0, SeqCst);
        Ok(toy)
    });
    let other =
        child("s1", |_| Ok(Toy::new(|batch, _| Ok(batch.iter().map(|frame| (GATEWAY, frame.clone())).collect()))));
    let node = Node::with(vec![busy, other], |options| options.arbiter_threads = 1);
    node.up("s1");
    node.deliver(shard(1), frame(Class::Do, &[5]));
    assert_eq!(numbers(&node.sent().1), [5]);
}

#[test]
fn what_waits_and_where_it_stands_is_seen_without_asking_the_actor() {
    let (node, pause, batches) = pausing(|_| {});
    node.deliver(shard(0), frame(Class::Do, &[2, 3]));
    node.deliver(shard(0), frame(Class::Reply, &[4]));
    let status = node.handle.status().remove(0);
    assert_eq!((status.queue_depth, status.turns, status.position.seq.0), (3, 1, 1));
    assert!(status.busy_ms.is_some());
    pause.go_on();
    next(&batches);
    next(&batches);
    drop(node.handle.drain_blocking(Duration::from_secs(20)));
    let status = node.handle.status().remove(0);
    assert_eq!((status.queue_depth, status.turns, status.busy_ms), (0, 3, None));
}
