//! No order left out: every state that a small transfer can be in, whatever is delivered when, how often, or never.
//!
//! A message once said stays said: it may be delivered at any later moment, any number of times. So one search covers
//! loss, delay, duplicates and every order at once, and since no more than some sixty different messages can be said, the
//! states are few enough to visit them all. In each of them the laws hold; and from each of them, if the network were
//! kind from now on, the transfer would come to its end in a few rounds of asking again.

use alloc::{
    collections::{BTreeSet, VecDeque},
    rc::Rc,
    vec::Vec,
};
use core::hash::{Hash, Hasher};
use std::{eprintln, println};

use super::{
    case::{Case, ID},
    world::{Message, Who, World},
};
use crate::{
    id::LegNo,
    protocol::{Decision, Protocol},
    reason::Reason,
    transfer::Transfer,
};

/// What may happen beside messages.
#[derive(Clone, Copy)]
struct Faults {
    /// How often the manager may crash.
    crashes: u8,
    /// Whether the one that crashed may go on talking.
    goes_on: bool,
    /// Whether a deadline may pass, at each incarnation at its own moment.
    deadline: bool,
    /// Which leg is refused.
    refuses: Option<LegNo>,
}

/// A state of the world, with what was said in it so far: a bit for each of the search's messages.
struct Node {
    world: World,
    said: u128,
    crashes_left: u8,
    came_by: Rc<Step>,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Begin,
    Deliver(usize, Who),
    Silence(Who),
    Deadline(Who),
    Crash { goes_on: bool },
}

/// How a state was come by, for the message of a failed search.
struct Step {
    action: Action,
    before: Option<Rc<Step>>,
}

struct Search {
    faults: Faults,
    /// Every message that was ever said, by the number of its bit.
    messages: Vec<Message>,
    seen: BTreeSet<Vec<u8>>,
    /// States from which asking again is known to lead to an end.
    healed: BTreeSet<Vec<u8>>,
    completed: usize,
    failed: usize,
}

impl Search {
    /// Visits all states; how many there are, and in how many of them the transfer had completed, or failed.
    fn run(case: &Case, faults: Faults) -> (usize, usize, usize) {
        let (messages, seen, healed) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        let mut search = Self { faults, messages, seen, healed, completed: 0, failed: 0 };
        let mut world = match faults.refuses {
            Some(leg) => case.world_refusing(leg, Reason::AccountFrozen).expect("every leg can be refused so"),
            None => case.world(),
        };
        world.submit(case.start());
        let came_by = Rc::new(Step { action: Action::Begin, before: None });
        let mut open = Vec::new();
        search.visit(Node { world, said: 0, crashes_left: faults.crashes, came_by }, &mut open);
        while let Some(node) = open.pop() {
            for action in search.actions(&node) {
                let next = search.act(&node, action);
                search.visit(next, &mut open);
            }
        }
        (search.seen.len(), search.completed, search.failed)
    }

    fn actions(&self, node: &Node) -> Vec<Action> {
        let mut actions = Vec::new();
        let incarnations = [Who::Live, Who::Stale].map(|who| (who, node.world.transfer(who, ID)));
        for (bit, message) in self.messages.iter().enumerate().filter(|(bit, _)| node.said & (1 << bit) != 0) {
            for (who, transfer) in incarnations {
                let hears = match message {
                    Message::Reply(_) => transfer.is_some(),
                    Message::Command(_) | Message::Mark(..) => who == Who::Live,
                };
                if hears {
                    actions.push(Action::Deliver(bit, who));
                }
            }
        }
        for (who, transfer) in incarnations {
            let Some(transfer) = transfer else { continue };
            actions.push(Action::Silence(who));
            if self.faults.deadline && transfer.given_up().is_none() {
                actions.push(Action::Deadline(who));
            }
        }
        if node.crashes_left > 0 && node.world.transfer(Who::Live, ID).is_some() {
            actions.push(Action::Crash { goes_on: false });
            if self.faults.goes_on {
                actions.push(Action::Crash { goes_on: true });
            }
        }
        actions
    }

    fn act(&self, node: &Node, action: Action) -> Node {
        let came_by = Rc::new(Step { action, before: Some(node.came_by.clone()) });
        let trail = Trail { messages: &self.messages, step: &came_by };
        let mut world = node.world.clone();
        let mut crashes_left = node.crashes_left;
        match action {
            Action::Begin => unreachable!("a search begins once"),
            Action::Deliver(bit, who) => match &self.messages[bit] {
                Message::Reply(reply) => world.hear(who, *reply),
                message => world.deliver(message),
            },
            Action::Silence(who) => world.silence(who),
            Action::Deadline(who) => world.give_up(who, ID, Reason::DeadlinePassed),
            Action::Crash { goes_on } => {
                crashes_left -= 1;
                world.crash(goes_on);
            }
        }
        drop(trail);
        Node { world, said: node.said, crashes_left, came_by }
    }

    /// Takes in what was just said and, if the state is new, checks it and keeps it to go on from.
    fn visit(&mut self, mut node: Node, open: &mut Vec<Node>) {
        for message in core::mem::take(&mut node.world.sent) {
            node.said |= 1 << self.bit(message);
        }
        let mut key = Key::default();
        key.world(&node.world);
        (node.said, node.crashes_left).hash(&mut key);
        if !self.seen.insert(key.0) {
            return;
        }
        let trail = Trail { messages: &self.messages, step: &node.came_by };
        node.world.check();
        match node.world.rows[&ID].end.map(|end| end.reason) {
            Some(None) => self.completed += 1,
            Some(Some(_)) => self.failed += 1,
            None => {}
        }
        comes_to_its_end(&node.world, &mut self.healed);
        drop(trail);
        open.push(node);
    }

    fn bit(&mut self, message: Message) -> usize {
        if let Some(bit) = self.messages.iter().position(|known| *known == message) {
            return bit;
        }
        assert!(self.messages.len() < 128, "more different messages than bits");
        self.messages.push(message);
        self.messages.len() - 1
    }
}

/// Far more messages than a few rounds of asking four legs again can bring forth.
const DELIVERED_MAX: usize = 1000;

/// Rounds of asking again, each on a kind network, until the transfer has its end, or a state from which it is known to
/// come to it.
fn comes_to_its_end(world: &World, healed: &mut BTreeSet<Vec<u8>>) {
    let mut world = world.clone();
    let mut flight = VecDeque::new();
    let mut passed = Vec::new();
    let mut delivered = 0;
    for _ in 0..world.rows[&ID].start.legs().len() + 2 {
        let mut key = Key::default();
        key.world(&world);
        if world.rows[&ID].end.is_some() || healed.contains(&key.0) {
            healed.extend(passed);
            return;
        }
        passed.push(key.0);
        world.silence(Who::Live);
        flight.extend(world.sent.drain(..));
        while let Some(message) = flight.pop_front() {
            world.deliver(&message);
            flight.extend(world.sent.drain(..));
            delivered += 1;
            assert!(delivered < DELIVERED_MAX, "they never stop talking");
        }
    }
    panic!("it does not come to its end: {:?}", world.states(&world.rows[&ID].start).collect::<Vec<_>>());
}

/// A state's bytes: equal exactly if the states are.
#[derive(Default)]
struct Key(Vec<u8>);

impl Key {
    fn world(&mut self, world: &World) {
        let row = &world.rows[&ID];
        for state in world.states(&row.start) {
            state.hash(self);
        }
        self.decision(row.decision);
        row.end.map(|end| (end.outcome, end.reason)).hash(self);
        for who in [Who::Live, Who::Stale] {
            let transfer = world.transfer(who, ID);
            transfer.is_some().hash(self);
            if let Some(transfer) = transfer {
                self.transfer(transfer);
            }
        }
    }

    fn transfer(&mut self, transfer: &Transfer) {
        for (answer, asked) in transfer.answers().zip(transfer.asked()) {
            (answer, asked).hash(self);
        }
        self.decision(transfer.decision());
        transfer.given_up().hash(self);
        assert_eq!(transfer.parked(), None, "r11: nothing here is beyond the rules");
    }

    fn decision(&mut self, decision: Option<Decision>) {
        decision.map(|decision| if let Decision::Abort(reason) = decision { Some(reason) } else { None }).hash(self);
    }
}

impl Hasher for Key {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// What derived hashes write for a variant; none here has more than 256.
    fn write_isize(&mut self, variant: isize) {
        self.0.push(u8::try_from(variant).expect("a variant's number"));
    }

    fn finish(&self) -> u64 {
        unreachable!("the bytes are the key")
    }
}

/// Tells how the search came where it panicked.
struct Trail<'a> {
    messages: &'a [Message],
    step: &'a Rc<Step>,
}

impl Drop for Trail<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let mut steps: Vec<&Step> = core::iter::successors(Some(&**self.step), |step| step.before.as_deref()).collect();
        steps.reverse();
        for step in steps {
            match step.action {
                Action::Deliver(bit, who) => match &self.messages[bit] {
                    Message::Command(sent) => {
                        let command = &sent.command;
                        eprintln!("{:?} of leg {} ({:?})", command.verb, command.id.leg.0, command.reason);
                    }
                    Message::Reply(reply) => eprintln!("leg {} to {who:?}: {:?}", reply.id.leg.0, reply.answer),
                    Message::Mark(..) => {}
                },
                action => eprintln!("{action:?}"),
            }
        }
    }
}

/// Searches transfers under all protocols, undisturbed and with each leg refused in turn.
fn search(texts: &[&str], faults: Faults) {
    for case in Protocol::all().flat_map(|protocol| texts.iter().map(move |text| Case::new(protocol, text))) {
        for refuses in case.leg_numbers().map(Some).chain([None]) {
            let (states, completed, failed) = Search::run(&case, Faults { refuses, ..faults });
            let refused = refuses.map(|leg| leg.0);
            println!("{case}, refused {refused:?}: {states} states, completed in {completed}, failed in {failed}");
            assert_eq!(completed > 0, refuses.is_none(), "a transfer completes exactly if nothing is refused");
            assert_eq!(failed > 0, refuses.is_some() || faults.deadline, "and fails for a reason only");
        }
    }
}

const PAIR: [&str; 2] = ["0-70 1+70", "1+70 0-70"];
const THREE: [&str; 3] = ["0-70 1+30 2+40", "0-30 1-40 2+70", "1+70 0-30 0-40"];
const FOUR: [&str; 2] = ["0-70 1+20 2+35 0+15", "0-10 1-25 2-35 0+70"];

const KIND: Faults = Faults { crashes: 0, goes_on: false, deadline: false, refuses: None };
const LATE: Faults = Faults { deadline: true, ..KIND };
const CRASH: Faults = Faults { crashes: 1, ..LATE };
const STALE: Faults = Faults { goes_on: true, ..CRASH };

#[test]
fn every_order_of_four_legs() {
    search(&FOUR, KIND);
}

#[test]
fn r7_r8_every_order_of_three_legs_and_a_deadline() {
    search(&THREE, LATE);
}

#[test]
fn every_order_of_three_legs_a_deadline_and_a_crash() {
    search(&THREE[..1], CRASH);
}

#[test]
fn r12_every_order_of_two_legs_with_a_stale_incarnation() {
    search(&PAIR, STALE);
}

/// More than four million states: `cargo test -p remit-core --release --lib -- --ignored --nocapture`.
#[test]
#[ignore = "takes a minute in release, many in dev"]
fn r12_every_order_of_everything() {
    search(&PAIR, Faults { crashes: 2, ..STALE });
    search(&THREE, STALE);
    search(&FOUR, CRASH);
}
