//! Arbiters and the system.

use std::{sync::mpsc::channel, thread};

use actix::{Arbiter, AsyncContext, System};

use crate::teller::{BOUND, Node, Said, act, take};

#[test]
fn stopping_the_system_drains_nothing() {
    let node = Node::start();
    let (addr, said) = node.teller();
    addr.do_send(act(|_, ctx| {
        System::current().stop();
        ctx.run_later(BOUND, |teller, _| teller.say(Said::Timer));
    }));
    assert_eq!(take(&said, 2), [Said::Started, Said::Dropped(false)], "what it still had to do is not done");
    assert!(said.recv().is_err());
}

#[test]
fn blocking_on_a_future_inside_an_arbiter_panics() {
    let node = Node::start();
    let panicked = node.run(|| {
        std::panic::catch_unwind(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {});
        })
        .is_err()
    });
    assert!(panicked);
}

#[test]
fn an_arbiter_is_a_thread_of_its_own_and_runs_what_it_is_sent_in_order() {
    let node = Node::start();
    let (tx, rx) = channel();
    let arbiter = node.run(Arbiter::new);
    let own = node.run(|| thread::current().id());
    for number in 0..3 {
        let tx = tx.clone();
        assert!(arbiter.spawn_fn(move || tx.send((number, thread::current().id())).unwrap()));
    }
    let ran: Vec<_> = (0..3).map(|_| rx.recv_timeout(BOUND).unwrap()).collect();
    assert_eq!(ran.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(ran.iter().all(|(_, thread)| *thread == ran[0].1 && *thread != own));
    assert!(arbiter.stop());
    arbiter.join().unwrap();
}
