//! A transfer told step by step: messages fly in order, one is carried at a time, and every law is checked after each.

use alloc::{
    collections::VecDeque,
    string::{String, ToString},
    vec::Vec,
};
use core::cell::Cell;
use std::eprintln;

use super::{
    case::{Case, ID},
    shard::Shard,
    world::{Message, Who, World},
};
use crate::{
    id::ShardNo,
    transfer::{End, LEGS_MAX, Outcome},
};

/// A story with more steps than this will never end: each leg is good for some ten messages, and each of those, doubled,
/// for one baton more at every leg after it.
const STEPS_MAX: usize = 10 * LEGS_MAX * LEGS_MAX;

pub(super) struct Story {
    pub(super) world: World,
    /// What is under way, the oldest first.
    pub(super) flight: VecDeque<Message>,
    /// What a disturbance holds back until everything has ended.
    pub(super) late: Vec<Message>,
    /// Whether each message is carried twice; one that is said again is not doubled again, or they would never end.
    pub(super) twice: bool,
    /// Whether the newest message is carried first.
    pub(super) newest_first: bool,
    said: Vec<Message>,
    carried: Vec<Message>,
    steps: usize,
    name: String,
}

impl Story {
    pub(super) fn begin(case: &Case) -> Self {
        Self::begin_in(case.world(), case)
    }

    /// In a world where something is not as the case has it.
    pub(super) fn begin_in(mut world: World, case: &Case) -> Self {
        world.submit(case.start());
        let mut story = Self {
            world,
            flight: VecDeque::new(),
            late: Vec::new(),
            twice: false,
            newest_first: false,
            said: Vec::new(),
            carried: Vec::new(),
            steps: 0,
            name: case.to_string(),
        };
        story.take_in();
        story
    }

    /// Carries one message; if none is under way, all who wait ask again. False once everything has ended.
    pub(super) fn step(&mut self) -> bool {
        let next = if self.newest_first { self.flight.pop_back() } else { self.flight.pop_front() };
        match next {
            Some(message) => self.carry(&message),
            None if self.world.is_quiet() => return false,
            None => {
                self.world.silence(Who::Live);
                self.world.silence(Who::Stale);
                self.take_in();
            }
        }
        self.steps += 1;
        assert!(self.steps < STEPS_MAX, "it never ends");
        true
    }

    fn carry(&mut self, message: &Message) {
        let again = self.twice && !self.carried.contains(message);
        if again {
            self.carried.push(message.clone());
        }
        for _ in 0..if again { 2 } else { 1 } {
            self.world.deliver(message);
            if let Message::Reply(reply) = message {
                self.world.hear(Who::Stale, *reply);
            }
            self.take_in();
        }
    }

    /// What was just said is under way.
    pub(super) fn take_in(&mut self) {
        self.world.check();
        let sent = core::mem::take(&mut self.world.sent);
        self.said.extend(sent.iter().cloned());
        self.flight.extend(sent);
    }

    /// To the end of every transfer, and beyond: what was late comes, then all that was ever said is said again, which
    /// changes nothing; last, marks tell the shards that nothing is undecided.
    pub(super) fn finish(&mut self) {
        while self.step() {}
        self.flight.extend(core::mem::take(&mut self.late));
        while self.step() {}
        let ends = self.ends();
        let shards = self.world.shards.clone();
        self.flight.extend(core::mem::take(&mut self.said));
        while let Some(message) = self.flight.pop_front() {
            self.world.deliver(&message);
            self.world.check();
            self.world.sent.clear();
        }
        assert_eq!(self.world.shards, shards, "r1: said again, it changed something");
        assert_eq!(self.ends(), ends);
        self.tell_marks();
    }

    fn tell_marks(&mut self) {
        let mark = self.world.mark();
        for shard in (0..).map(ShardNo).take(self.world.shards.len()) {
            self.world.deliver(&Message::Mark(shard, mark.clone()));
        }
        self.world.check();
        let undecided = |shard: &Shard| shard.transit.values().map(|transit| transit.undecided).sum::<i128>();
        let none_open = mark.except.is_empty();
        assert!(
            !none_open || self.world.shards.iter().all(|shard| undecided(shard) == 0),
            "r3: undecided after all ended"
        );
    }

    fn ends(&self) -> Vec<Option<End>> {
        self.world.rows.values().map(|row| row.end).collect()
    }

    /// How the case's transfer ended.
    pub(super) fn end(&self) -> End {
        self.world.rows[&ID].end.expect("it has ended")
    }

    pub(super) fn outcome(&self) -> Outcome {
        self.end().outcome
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the story: {}, step {}", self.name, self.steps);
        }
    }
}

/// Tells a case once for each of its steps, and once more after its end, with `disturb` at that moment; then to its end.
/// `then` judges the end.
pub(super) fn at_every_step(case: &Case, disturb: impl Fn(&mut Story), then: impl Fn(&Story)) {
    at_steps(case, 1, disturb, then);
}

/// The same at every so many steps.
pub(super) fn at_steps(case: &Case, stride: usize, disturb: impl Fn(&mut Story), then: impl Fn(&Story)) {
    for at in (0..).step_by(stride) {
        let mut story = Story::begin(case);
        if !(0..at).all(|_| story.step()) {
            return;
        }
        disturb(&mut story);
        story.take_in();
        story.finish();
        then(&story);
    }
}

/// Tells a case once for each of its steps, with `first` at that moment, and each step after it, with `second` at that one.
pub(super) fn at_every_two_steps(case: &Case, first: impl Fn(&mut Story), second: impl Fn(&mut Story)) {
    at_every_step(case, &first, |_| ());
    for later in 0.. {
        let reached = Cell::new(false);
        let disturb = |story: &mut Story| {
            first(story);
            story.take_in();
            if (0..later).all(|_| story.step()) {
                reached.set(true);
                second(story);
            }
        };
        at_every_step(case, disturb, |_| ());
        if !reached.get() {
            return;
        }
    }
}
