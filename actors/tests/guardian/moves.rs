//! How actors come to a node, and leave it.

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use futures::executor::block_on;
use parking_lot::Mutex;
use remit_actors::{
    guardian::{Child, Drained, Options, Retire, Retired, State},
    machine::Failure,
    message::Class,
    supervision::Step,
};

use crate::toy::{BOUND, Node, Pause, TellsDrop, Toy, child, frame, numbers, shard};

/// As good as nothing: whoever is at something is still at it.
const AT_ONCE: Duration = Duration::from_millis(1);

/// A child that does not run from the start.
fn elsewhere(child: Child) -> Child {
    Child { here: false, ..child }
}

fn state(node: &Node, name: &str) -> State {
    node.handle.status().into_iter().find(|child| child.name == name).expect("it is a child").state
}

fn retire(node: &Node, name: &str, how: Retire, bound: Duration) -> Retired {
    block_on(node.handle.retire(name, how, bound))
}

/// The words of an actor's steps up to one of these, which is the last.
fn steps_to(node: &Node, actor: &str, last: &[&str]) -> Vec<&'static str> {
    let mut steps = vec![];
    while steps.last().is_none_or(|step| !last.contains(step)) {
        steps.push(node.step(actor, |step| Some(step.as_str())).1);
    }
    steps
}

/// Sends a frame that nobody here takes and nobody acknowledges.
fn assert_leads_nowhere(node: &Node, no: u16) {
    let receipt = node.deliver_with_receipt(shard(no), frame(Class::Do, &[99]));
    assert!(receipt.recv().is_err(), "dropped, not acknowledged: the broker keeps it for who runs the actor next");
}

/// A node with the shard s0, whose first machine pauses in the turn with message 1, and which tells what each of its machines
/// took. There are never two machines.
struct Stage {
    node: Node,
    pause: Pause,
    taken: Receiver<u64>,
}

impl Stage {
    fn new(change: impl FnOnce(&mut Options)) -> Self {
        Self::with(vec![], || (), change)
    }

    /// One with other children, whose shard does this after its pause.
    fn with(others: Vec<Child>, then: impl Fn() + Send + 'static, change: impl FnOnce(&mut Options)) -> Self {
        let (pause, wait) = Pause::new();
        let (tx, taken) = channel();
        let (first, tx, is_open) = (Mutex::new(Some((wait, then))), Mutex::new(tx), Arc::new(AtomicBool::new(false)));
        let s0 = child("s0", move |_| {
            let (mut first, tx, open) = (first.lock().take(), tx.lock().clone(), Open::new(&is_open));
            Ok(Toy::new(move |batch, _| {
                let _while_the_machine_lives = &open;
                for number in batch.iter().flat_map(numbers) {
                    if number == 1
                        && let Some((wait, then)) = first.take()
                    {
                        wait();
                        then();
                    }
                    tx.send(number).ok();
                }
                Ok(vec![])
            }))
        });
        let node = Node::with(std::iter::once(s0).chain(others).collect(), |options| {
            options.turns.batch_messages_max = 2;
            change(options);
        });
        node.up("s0");
        node.deliver(shard(0), frame(Class::Do, &[1]));
        pause.reached();
        Self { node, pause, taken }
    }
}

/// A database that is open.
struct Open(Arc<AtomicBool>);

impl Open {
    fn new(is_open: &Arc<AtomicBool>) -> Self {
        assert!(!is_open.swap(true, SeqCst), "two incarnations at once");
        Self(Arc::clone(is_open))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.store(false, SeqCst);
    }
}

#[test]
fn an_actor_that_is_elsewhere_takes_nothing_until_it_is_hosted() {
    let (tx, taken) = channel();
    let s1 = child("s1", move |_| {
        let tx = tx.clone();
        Ok(Toy::new(move |batch, _| {
            batch.iter().flat_map(numbers).for_each(|number| tx.send(number).unwrap_or_default());
            Ok(vec![])
        }))
    });
    let node = Node::start(vec![child("s0", |_| Ok(Toy::idle())), elsewhere(s1)]);
    node.up("s0");
    assert_eq!((state(&node, "s1"), State::Elsewhere.as_str()), (State::Elsewhere, "elsewhere"));
    assert_leads_nowhere(&node, 1);
    assert_eq!(retire(&node, "s1", Retire::Drain, BOUND), Retired::Ended, "it is not here anyway");
    assert!(node.handle.host("s1"));
    assert_eq!(steps_to(&node, "s1", &["recovered"]), ["started", "lease_won", "recovered"]);
    assert_eq!(state(&node, "s1"), State::Up);
    let receipt = node.deliver_with_receipt(shard(1), frame(Class::Do, &[7]));
    receipt.recv_timeout(BOUND).expect("it is at work");
    assert!(node.handle.host("s1"), "once more changes nothing");
    node.deliver(shard(1), frame(Class::Do, &[8]));
    assert_eq!(retire(&node, "s1", Retire::Drain, BOUND), Retired::Ended);
    assert_eq!(taken.try_iter().collect::<Vec<_>>(), [7, 8]);
    assert_eq!(steps_to(&node, "s1", &["drained"]), ["drained"], "nor did it start again");
    assert!(!node.handle.host("s7"));
    assert_eq!(retire(&node, "s7", Retire::AtOnce, BOUND), Retired::Ended);
}

#[test]
fn who_leaves_by_drain_has_taken_what_waited_and_closed_its_database() {
    let Stage { node, pause, taken } = Stage::new(|_| {});
    let waits: Vec<_> = (2..7).map(|number| node.deliver_with_receipt(shard(0), frame(Class::Do, &[number]))).collect();
    let retiring = node.handle.retire("s0", Retire::Drain, BOUND);
    pause.go_on();
    assert_eq!(block_on(retiring), Retired::Ended);
    assert_eq!(taken.try_iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert!(waits.iter().all(|receipt| receipt.try_recv().is_ok()), "acknowledged, each after its commit");
    assert_eq!(steps_to(&node, "s0", &["drained"]), ["drained"]);
    assert_eq!(state(&node, "s0"), State::Elsewhere);
    assert_leads_nowhere(&node, 0);
    assert!(node.handle.host("s0"));
    assert_eq!(node.up("s0"), 1, "a generation on");
    node.deliver(shard(0), frame(Class::Do, &[7]));
    assert_eq!(taken.recv_timeout(BOUND), Ok(7));
}

#[test]
fn who_may_no_longer_write_takes_no_other_turn_also_if_it_was_draining() {
    for orders in [&[Retire::AtOnce][..], &[Retire::Drain, Retire::AtOnce], &[Retire::AtOnce, Retire::Drain]] {
        let Stage { node, pause, taken } = Stage::new(|_| {});
        let waits = node.deliver_with_receipt(shard(0), frame(Class::Do, &[2]));
        for order in orders {
            assert_eq!(retire(&node, "s0", *order, AT_ONCE), Retired::Left);
        }
        assert_leads_nowhere(&node, 0);
        let retiring = node.handle.retire("s0", orders[0], BOUND);
        pause.go_on();
        assert_eq!(block_on(retiring), Retired::Ended);
        assert_eq!(taken.try_iter().collect::<Vec<_>>(), [1], "{orders:?}: that turn had begun");
        assert!(waits.recv().is_err(), "not acknowledged");
        assert_eq!(steps_to(&node, "s0", &["lease_lost", "drained"]), ["lease_lost"]);
        assert_eq!(state(&node, "s0"), State::Elsewhere);
    }
}

#[test]
fn who_is_told_to_leave_while_it_opens_its_database_ends_without_a_turn() {
    for (how, last) in [(Retire::Drain, "drained"), (Retire::AtOnce, "lease_lost")] {
        let ((pause, wait), (tx, turns)) = (Pause::new(), channel());
        let machine = Mutex::new(Some((wait, tx)));
        let node = Node::start(vec![child("s0", move |_| {
            let (wait, tx) = machine.lock().take().expect("it is made once");
            wait();
            Ok(Toy::new(move |_, _| {
                tx.send(()).ok();
                Ok(vec![])
            }))
        })]);
        pause.reached();
        assert_eq!(retire(&node, "s0", how, AT_ONCE), Retired::Left);
        let retiring = node.handle.retire("s0", how, BOUND);
        pause.go_on();
        assert_eq!(block_on(retiring), Retired::Ended);
        assert!(turns.recv().is_err(), "its machine is gone, and took none");
        assert_eq!(steps_to(&node, "s0", &[last]), ["started", last]);
        assert_eq!(state(&node, "s0"), State::Elsewhere);
    }
}

/// s1 fails later, and its second pause is longer than the first of s0: when it comes back from that, the time of s0 is over.
#[test]
fn who_was_to_be_restarted_is_not_once_it_has_left() {
    let broken = |_| panic!("while it opens");
    let s1 = child("s1", |start| if start.generation < 2 { panic!("twice") } else { Ok(Toy::idle()) });
    let node = Node::with(vec![child("s0", broken), elsewhere(s1)], |options| {
        (options.limits.restart_first_ms, options.limits.restart_max_ms) = (50, 100);
    });
    node.step("s0", |step| matches!(step, Step::Restarting { .. }).then_some(()));
    let why = "panicked: while it opens";
    assert_eq!(retire(&node, "s0", Retire::Drain, BOUND), Retired::Failed(why.into()));
    assert_eq!(state(&node, "s0"), State::Elsewhere);
    assert!(node.handle.host("s1"));
    assert!(node.handle.wait(BOUND, |children| children[1].state == State::Up));
    let events: Vec<_> = node.events.try_iter().filter(|event| event.actor == "s0").map(|event| event.step).collect();
    // On a slow machine it may have been made anew already when the order came, and failed on its way out.
    assert!(matches!(events.last(), Some(Step::Drained | Step::Failed { .. })), "{events:?}");
    assert!(node.handle.host("s0"));
    let attempt = |step: &Step| if let Step::Restarting { attempt, .. } = step { Some(*attempt) } else { None };
    assert_eq!(node.step("s0", attempt).1, 1, "what it did here before is forgotten");
}

#[test]
fn who_was_quarantined_says_no_more_that_it_is_and_starts_afresh_when_it_is_hosted() {
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = Arc::clone(&broken);
    let node = Node::start(vec![child("s0", move |_| {
        if is_broken.load(SeqCst) { Err(Failure::Invariant("the chain".into())) } else { Ok(Toy::idle()) }
    })]);
    assert!(node.handle.wait(BOUND, |children| children[0].state == State::Quarantined));
    let why = "an invariant is broken: the chain";
    assert_eq!(retire(&node, "s0", Retire::AtOnce, BOUND), Retired::Failed(why.into()));
    assert_eq!(steps_to(&node, "s0", &["lease_lost"]), ["started", "failed", "quarantined", "lease_lost"]);
    assert_leads_nowhere(&node, 0);
    assert!(node.sent.try_recv().is_err(), "nor is it answered");
    broken.store(false, SeqCst);
    assert!(node.handle.host("s0"));
    assert_eq!(node.up("s0"), 2);
}

#[test]
fn who_is_stuck_leaves_when_its_turn_ends_and_only_then_comes_back() {
    let Stage { node, pause, taken } = Stage::new(|options| options.stuck_ms = 20);
    node.step("s0", |step| matches!(step, Step::Stuck { .. }).then_some(()));
    assert_eq!(retire(&node, "s0", Retire::AtOnce, AT_ONCE), Retired::Left);
    assert_eq!(state(&node, "s0"), State::Stuck);
    assert!(node.handle.host("s0"));
    let retired = node.handle.status().remove(0);
    assert_eq!((retired.generation, retired.state), (0, State::Stuck), "there is but one");
    pause.go_on();
    let mut steps = steps_to(&node, "s0", &["recovered"]);
    // Seen or not, between its turn and its end.
    steps.retain(|step| *step != "unstuck");
    assert_eq!(steps, ["lease_lost", "started", "lease_won", "recovered"]);
    node.deliver(shard(0), frame(Class::Do, &[2]));
    assert_eq!([taken.recv_timeout(BOUND), taken.recv_timeout(BOUND)], [Ok(1), Ok(2)]);
}

#[test]
fn who_is_wanted_back_and_then_no_more_stays_away() {
    let Stage { node, pause, .. } = Stage::new(|_| {});
    assert_eq!(retire(&node, "s0", Retire::Drain, AT_ONCE), Retired::Left);
    assert!(node.handle.host("s0"));
    let retiring = node.handle.retire("s0", Retire::Drain, BOUND);
    pause.go_on();
    assert_eq!(block_on(retiring), Retired::Ended);
    assert_eq!(state(&node, "s0"), State::Elsewhere);
    let report = node.handle.drain_blocking(BOUND);
    assert_eq!(report, Drained::default());
}

#[test]
fn who_fails_on_its_way_out_is_gone_and_no_other_is_made() {
    for how in [Retire::Drain, Retire::AtOnce] {
        let Stage { node, pause, .. } = Stage::with(vec![], || panic!("unlucky"), |_| {});
        assert_eq!(retire(&node, "s0", how, AT_ONCE), Retired::Left);
        let retiring = node.handle.retire("s0", how, BOUND);
        pause.go_on();
        assert_eq!(block_on(retiring), Retired::Failed("panicked: unlucky".into()));
        assert_eq!(steps_to(&node, "s0", &["failed"]), ["failed"]);
        let child = node.handle.status().remove(0);
        assert_eq!((child.state, child.last_failure.as_deref()), (State::Elsewhere, Some("panicked: unlucky")));
        drop(node.handle.drain_blocking(BOUND));
        assert!(node.events.try_recv().is_err(), "not even later");
    }
}

#[test]
fn a_drain_of_all_waits_for_who_is_leaving_and_names_only_who_was_here() {
    let others = vec![child("m0", |_| Ok(Toy::idle())), elsewhere(child("s1", |_| Ok(Toy::idle())))];
    let Stage { node, pause, .. } = Stage::with(others, || (), |_| {});
    assert!(node.handle.wait(BOUND, |children| children[1].state == State::Up));
    assert_eq!(retire(&node, "s0", Retire::Drain, AT_ONCE), Retired::Left);
    let (retiring, draining) = (node.handle.retire("s0", Retire::Drain, BOUND), node.handle.drain(BOUND));
    pause.go_on();
    assert_eq!(block_on(draining), Drained { drained: vec!["m0".into()], ..Drained::default() });
    assert_eq!(block_on(retiring), Retired::Ended);
    let states: Vec<_> = node.handle.status().into_iter().map(|child| child.state).collect();
    assert_eq!(states, [State::Elsewhere, State::Ended, State::Elsewhere]);
    assert!(node.handle.host("s1"), "which starts nobody any more");
    assert_eq!(retire(&node, "s1", Retire::Drain, BOUND), Retired::Ended);
}

#[test]
fn who_is_leaving_and_does_not_end_in_time_is_named_as_left() {
    let Stage { node, pause, .. } = Stage::new(|_| {});
    assert_eq!(retire(&node, "s0", Retire::Drain, AT_ONCE), Retired::Left);
    let retiring = node.handle.retire("s0", Retire::Drain, BOUND);
    let report = node.handle.drain_blocking(AT_ONCE);
    assert_eq!(report, Drained { left: vec!["s0".into()], ..Drained::default() });
    assert_eq!(block_on(retiring), Retired::Left, "the guardian has ended before it");
    pause.go_on();
}

thread_local! {
    /// Dropped with the thread.
    static LIVES_HERE: RefCell<Vec<TellsDrop>> = const { RefCell::new(vec![]) };
}

#[test]
fn a_thread_is_there_while_somebody_lives_on_it() {
    for (threads, with_s0, with_s1) in [(0, &["s0"][..], &["s1"][..]), (1, &[], &["s0", "s1"])] {
        let (tx, ended) = channel();
        let tx = Mutex::new(tx);
        let moves_in = Arc::new(move |name: &str| {
            let tells = TellsDrop(tx.lock().clone(), name.to_owned());
            LIVES_HERE.with_borrow_mut(|all| all.push(tells));
        });
        let own = |name: &'static str| {
            let moves_in = Arc::clone(&moves_in);
            child(name, move |_| {
                moves_in(name);
                Ok(Toy::idle())
            })
        };
        let children = vec![own("s0"), own("s1"), elsewhere(own("s2"))];
        let node = Node::with(children, |options| options.arbiter_threads = threads);
        assert!(node.handle.wait(BOUND, |children| children[..2].iter().all(|child| child.state == State::Up)));
        for (name, ends) in [("s0", with_s0), ("s1", with_s1)] {
            assert_eq!(retire(&node, name, Retire::Drain, BOUND), Retired::Ended);
            let mut told: Vec<_> = ends.iter().map(|_| ended.recv_timeout(BOUND).expect("the thread ends")).collect();
            told.sort();
            assert_eq!(told, ends);
            assert!(ended.try_recv().is_err(), "a thread with somebody on it goes on");
        }
        assert!(node.handle.host("s2"));
        node.up("s2");
    }
}
