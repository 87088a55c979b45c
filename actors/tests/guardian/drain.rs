//! How actors end when they are told to.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};

use futures::executor::block_on;
use parking_lot::Mutex;
use remit_actors::{
    guardian::{Child, Drained, State},
    message::Class,
    supervision::Step,
};

use crate::toy::{BOUND, Node, Pause, TellsDrop, Toy, child, frame, manager, numbers};

fn told_when_dropped(name: &str, dropped: &Sender<String>) -> Child {
    let (dropped, own) = (Mutex::new(dropped.clone()), name.to_owned());
    let tells = move || TellsDrop(dropped.lock().clone(), own.clone());
    child(name, move |_| {
        let tells = tells();
        Ok(Toy::new(move |_, _| {
            let _while_the_machine_lives = &tells;
            Ok(vec![])
        }))
    })
}

/// A node with a manager that pauses at message 1, and tells all numbers that it has taken.
fn pausing() -> (Node, Pause, Receiver<u64>) {
    let (pause, wait) = Pause::new();
    let (tx, taken) = channel();
    let machine = Mutex::new(Some((wait, tx)));
    let m0 = child("m0", move |_| {
        let (wait, tx) = machine.lock().take().expect("it is made once");
        Ok(Toy::new(move |batch, _| {
            for number in batch.iter().flat_map(numbers) {
                if number == 1 {
                    wait();
                }
                tx.send(number).ok();
            }
            Ok(vec![])
        }))
    });
    let node = Node::with(vec![m0, child("s0", |_| Ok(Toy::idle()))], |options| options.turns.batch_messages_max = 2);
    assert!(node.handle.wait(BOUND, |children| children.iter().all(|child| child.state == State::Up)));
    node.deliver(manager(0), frame(Class::Do, &[1]));
    pause.reached();
    (node, pause, taken)
}

#[test]
fn children_are_drained_group_by_group_and_their_databases_closed_before_it_is_told() {
    let (tx, dropped) = channel();
    let names = ["s0", "m0", "s1", "m1"];
    let node = Node::start(names.map(|name| told_when_dropped(name, &tx)).to_vec());
    assert!(node.handle.wait(BOUND, |children| children.iter().all(|child| child.state == State::Up)));
    let mut report = block_on(node.handle.drain(BOUND));
    report.drained[..2].sort();
    report.drained[2..].sort();
    let all = Drained { drained: ["m0", "m1", "s0", "s1"].map(String::from).to_vec(), ..Drained::default() };
    assert_eq!(report, all);
    let mut dropped: Vec<_> = dropped.try_iter().collect();
    dropped[..2].sort();
    dropped[2..].sort();
    assert_eq!(dropped, ["m0", "m1", "s0", "s1"]);
    assert!(node.handle.status().iter().all(|child| child.state == State::Ended));
    assert!(node.deaths.try_recv().is_err(), "the guardian was called to end");
    let again = node.handle.drain_blocking(BOUND);
    assert_eq!((again.drained.len(), again.left.len()), (4, 0), "a second drain finds all done");
}

#[test]
fn a_drain_takes_all_that_waits_and_leaves_to_the_broker_what_comes_after() {
    let (node, pause, taken) = pausing();
    let waits: Vec<_> =
        (2..7).map(|number| node.deliver_with_receipt(manager(0), frame(Class::Submit, &[number]))).collect();
    let draining = node.handle.drain(BOUND);
    pause.go_on();
    let report = block_on(draining);
    assert_eq!((report.drained.len(), report.failed.len(), report.left.len()), (2, 0, 0));
    assert_eq!(taken.try_iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert!(waits.iter().all(|receipt| receipt.try_recv().is_ok()), "acknowledged, each after its commit");
    let after = node.deliver_with_receipt(manager(0), frame(Class::Do, &[8]));
    assert!(after.recv().is_err(), "not acknowledged: it comes again after the next start");
    node.step("m0", |step| (*step == Step::Drained).then_some(()));
}

#[test]
fn who_does_not_end_in_time_is_left_and_named_and_its_successors_too() {
    let (node, pause, _) = pausing();
    let report = node.handle.drain_blocking(Duration::from_millis(30));
    assert_eq!((report.drained, report.left), (vec![], vec!["m0".to_owned(), "s0".to_owned()]));
    pause.go_on();
}

#[test]
fn who_is_down_when_the_drain_comes_is_not_waited_for() {
    let node =
        Node::with(vec![child("m0", |_| panic!("it never opens")), child("s0", |_| Ok(Toy::idle()))], |options| {
            (options.limits.restart_first_ms, options.limits.restart_max_ms) = (60_000, 60_000)
        });
    node.step("m0", |step| matches!(step, Step::Restarting { .. }).then_some(()));
    let report = node.handle.drain_blocking(BOUND);
    assert_eq!(report.failed, [("m0".to_owned(), "panicked: it never opens".to_owned())]);
    assert_eq!((report.drained, report.left), (vec!["s0".to_owned()], vec![]));
}

#[test]
fn dropping_the_last_handle_ends_all_at_once_and_is_no_death() {
    let (tx, dropped) = channel();
    let node = Node::start(vec![told_when_dropped("s0", &tx)]);
    node.up("s0");
    let Node { handle, deaths, .. } = node;
    drop(handle);
    assert_eq!(dropped.recv_timeout(BOUND), Ok("s0".to_owned()));
    assert!(deaths.recv().is_err());
}
