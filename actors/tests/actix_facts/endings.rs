//! How an actor ends.

use std::sync::mpsc::channel;

use actix::{ActorContext, Handler, MailboxError, Message};

use crate::teller::{BOUND, Node, Number, Said, Teller, act, next, take};

#[test]
fn a_panic_in_a_handler_ends_the_actor_and_its_supervisor_and_others_on_the_thread_go_on() {
    let node = Node::start();
    let (addr, said) = node.supervised(|teller| teller);
    let (other, other_said) = node.teller();
    addr.do_send(act(|_, _| panic!("in a handler")));
    assert_eq!(take(&said, 2), [Said::Started, Said::Dropped(true)], "and no restart");
    assert!(said.recv().is_err(), "for ever");
    other.do_send(Number(1));
    assert_eq!(take(&other_said, 2), [Said::Started, Said::Handled(1)]);
    assert!(!addr.connected());
}

#[test]
fn what_an_actor_owns_sees_when_it_is_dropped_that_the_thread_is_panicking() {
    let node = Node::start();
    let (stopped, said) = node.teller();
    stopped.do_send(act(|_, ctx| ctx.stop()));
    assert_eq!(take(&said, 2), [Said::Started, Said::Dropped(false)]);
    let (panicked, said) = node.teller();
    panicked.do_send(act(|_, _| panic!("in a handler")));
    assert_eq!(take(&said, 2), [Said::Started, Said::Dropped(true)]);
}

#[test]
fn an_actor_ends_when_its_addresses_are_gone_so_one_that_holds_its_own_never_ends() {
    /// Keeps something.
    #[derive(Message)]
    #[rtype(result = "()")]
    struct Keep<T: Send>(T);
    impl<T: Send + 'static> Handler<Keep<T>> for Teller {
        type Result = ();
        fn handle(&mut self, Keep(kept): Keep<T>, _: &mut Self::Context) {
            self.kept = Some(Box::new(kept));
        }
    }
    let node = Node::start();
    let (addr, said) = node.teller();
    addr.do_send(Keep(addr.downgrade()));
    drop(addr);
    assert_eq!(take(&said, 2), [Said::Started, Said::Dropped(false)], "a weak one keeps nobody");
    let (addr, said) = node.teller();
    let weak = addr.downgrade();
    addr.do_send(Keep(addr.clone()));
    drop(addr);
    let found = weak.upgrade().expect("it lives");
    found.do_send(Number(1));
    drop(found);
    assert_eq!(take(&said, 2), [Said::Started, Said::Handled(1)]);
    weak.upgrade().expect("and goes on living").do_send(Number(2));
    assert_eq!(next(&said), Said::Handled(2));
}

#[test]
fn an_answer_from_an_actor_that_panicked_is_a_closed_mailbox() {
    let node = Node::start();
    let (addr, _said) = node.teller();
    let (tx, answer) = channel();
    node.run(move || {
        actix::spawn(async move {
            tx.send(addr.send(act(|_, _| panic!("in a handler"))).await).ok();
        });
    });
    assert_eq!(answer.recv_timeout(BOUND).unwrap(), Err(MailboxError::Closed));
}
