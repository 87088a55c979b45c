//! What actix's supervisor does.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
    mpsc::channel,
};

use actix::{ActorContext, Supervisor};

use crate::teller::{Node, Number, Said, Teller, act, next, take};

#[test]
fn the_supervisor_restarts_the_same_value_and_calls_started_again() {
    let node = Node::start();
    let (addr, said) = node.supervised(|teller| teller);
    addr.do_send(Number(1));
    addr.do_send(act(|_, ctx| ctx.stop()));
    addr.do_send(Number(2));
    let story = [Said::Started, Said::Handled(1), Said::Restarting(1), Said::Started, Said::Handled(2)];
    assert_eq!(take(&said, 5), story, "with its count of one");
}

#[test]
fn the_supervisor_restarts_at_once_and_blocks_its_thread_while_the_start_stops_the_actor() {
    let node = Node::start();
    let others = Arc::new(AtomicU32::new(0));
    let (tx, said) = channel();
    let (teller, counts) = (Teller::new(tx), Arc::clone(&others));
    let addr = node.run(move || {
        let addr = Supervisor::start(|_| {
            let mut teller = teller;
            teller.stops_at_start = 1_000;
            teller
        });
        addr.do_send(act(move |teller, _| teller.say(Said::Notified(others.load(SeqCst)))));
        actix::spawn(async move {
            counts.fetch_add(1, SeqCst);
        });
        addr
    });
    let story = take(&said, 2_002);
    drop(addr);
    assert_eq!(story.iter().filter(|said| **said == Said::Started).count(), 1_001);
    assert_eq!(story.last(), Some(&Said::Notified(0)), "no other task came to run in between");
}

#[test]
fn a_supervisor_can_not_be_told_to_stop_while_an_address_lives() {
    let node = Node::start();
    let (addr, said) = node.supervised(|teller| teller);
    assert_eq!(next(&said), Said::Started);
    for restarts in 0..3 {
        addr.do_send(act(|_, ctx| ctx.terminate()));
        assert_eq!(take(&said, 2), [Said::Restarting(0), Said::Started], "{restarts}");
    }
    drop(addr);
    assert_eq!(next(&said), Said::Dropped(false));
}
