//! In which order an actor handles what, and what becomes of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc::{Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, fut::wrap_future};

use crate::teller::{BOUND, Node, Notice, Number, Said, act, next, take};

#[test]
fn the_mailbox_is_emptied_before_notifications_and_timers_run() {
    let node = Node::start();
    let (addr, said) = node.teller();
    addr.do_send(act(|_, ctx| {
        ctx.notify(Notice(1));
        ctx.run_later(Duration::ZERO, |teller, _| teller.say(Said::Timer));
        let due = Instant::now() + Duration::from_millis(5);
        for number in 0..100 {
            ctx.address().do_send(Number(number));
        }
        while Instant::now() < due {
            thread::yield_now();
        }
    }));
    assert_eq!(next(&said), Said::Started);
    assert_eq!(take(&said, 100), (0..100).map(Said::Handled).collect::<Vec<_>>());
    let mut after = take(&said, 2);
    after.sort_by_key(|said| *said == Said::Timer);
    assert_eq!(after, [Said::Notified(1), Said::Timer]);
}

#[test]
fn an_actor_that_always_notifies_itself_never_yields_its_thread_unless_it_waits() {
    /// Notifies itself until it is told to stop, or has done so a great many times.
    struct Busy {
        waits: bool,
        rounds: u32,
        stop: Arc<AtomicBool>,
        over: Sender<u32>,
    }
    impl Actor for Busy {
        type Context = Context<Self>;
    }
    impl Handler<Notice> for Busy {
        type Result = ();
        fn handle(&mut self, _: Notice, ctx: &mut Self::Context) {
            self.rounds += 1;
            if self.stop.load(SeqCst) || self.rounds == 100_000 {
                self.over.send(self.rounds).ok();
                return;
            }
            if self.waits {
                ctx.wait(wrap_future(tokio::task::yield_now()));
            }
            ctx.notify(Notice(0));
        }
    }
    let rounds = |waits| {
        let (node, (over, rx)) = (Node::start(), channel());
        node.run(move || {
            let stop = Arc::new(AtomicBool::new(false));
            Busy { waits, rounds: 0, stop: Arc::clone(&stop), over }.start().do_send(Notice(0));
            // Comes to run once the actor before it on this thread has yielded.
            actix::spawn(async move { stop.store(true, SeqCst) });
        });
        rx.recv_timeout(BOUND).expect("it ends")
    };
    assert_eq!(rounds(false), 100_000);
    assert!(rounds(true) < 100_000);
}

#[test]
fn what_is_sent_to_a_dead_actor_is_silently_lost_with_what_waited_in_its_mailbox() {
    let node = Node::start();
    let (addr, said) = node.teller();
    let inner = addr.clone();
    addr.do_send(act(move |_, ctx| {
        inner.do_send(Number(1));
        ctx.stop();
    }));
    assert_eq!(take(&said, 2), [Said::Started, Said::Dropped(false)]);
    addr.do_send(Number(2));
    assert!(said.recv().is_err(), "neither was handled, and nobody was told");
}

#[test]
fn the_mailbox_holds_more_than_its_capacity_by_clones_and_without_bound_by_do_send() {
    let node = Node::start();
    let (addr, said) = node.teller();
    let (tx, go) = channel::<()>();
    addr.do_send(act(move |_, ctx| {
        ctx.set_mailbox_capacity(1);
        go.recv_timeout(BOUND).ok();
    }));
    assert_eq!(next(&said), Said::Started);
    let clones: Vec<_> = (0..50).map(|_| addr.clone()).collect();
    let taken = clones.iter().filter(|clone| clone.try_send(Number(1)).is_ok()).count();
    assert!(taken >= 50, "{taken} of 50 clones, each with a place of its own");
    for _ in 0..1_000 {
        addr.do_send(Number(2));
    }
    tx.send(()).unwrap();
    assert_eq!(take(&said, taken + 1_000).len(), taken + 1_000);
}

#[test]
fn dropping_a_send_future_cancels_the_message_only_if_it_was_not_yet_handled() {
    let node = Node::start();
    let (addr, said) = node.teller();
    let (tx, go) = channel::<()>();
    addr.do_send(act(move |_, _| {
        go.recv_timeout(BOUND).ok();
    }));
    drop(addr.send(Number(1)));
    let kept = addr.send(Number(2));
    tx.send(()).unwrap();
    assert_eq!(take(&said, 2), [Said::Started, Said::Handled(2)], "the first one was cancelled");
    drop(kept);
    addr.do_send(Number(3));
    assert_eq!(next(&said), Said::Handled(3), "and the second is not undone");
}
