//! One world looked at, from its beginning to all of its ends.

use std::{
    fmt,
    io::{self, Write as _},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use remit_core::protocol::Protocol;
use stateright::{Checker, Expectation, HasDiscoveries, Model as _, Path};

use crate::{
    plan::Plan,
    state::State,
    story,
    world::{Action, World},
};

/// What was found in a world.
#[derive(Debug)]
pub struct Findings {
    /// The world's name.
    pub world: &'static str,
    /// Its protocol.
    pub protocol: Protocol,
    /// How many different states were come to.
    pub states: usize,
    /// The longest way to one of them.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// The broken laws, each with how it came about.
    pub broken: Vec<(&'static str, Vec<String>)>,
    /// What the world should have an example of and has not.
    pub missing: Vec<&'static str>,
}

/// Threads of a search: the smallest machine that runs the tests has as many cores.
const THREADS: usize = 2;

/// Searches one world after another, whatever threads the test harness has: each search uses all cores.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Looks at a world until all its states are known, or a law is broken, and tells of it on the standard output.
#[must_use]
pub fn check(plan: Plan, protocol: Protocol) -> Findings {
    let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let started = Instant::now();
    let checker = World::new(plan, protocol).checker();
    let checker = checker.threads(THREADS).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    let mut missing = Vec::new();
    let mut broken = broken_laws(&checker);
    if broken.is_empty() {
        let examples = checker.model().properties().into_iter().filter(|law| law.expectation == Expectation::Sometimes);
        missing.extend(examples.map(|example| example.name).filter(|name| checker.discovery(name).is_none()));
    } else {
        // The two threads go where they like. A search that goes one step further each time finds the shortest way.
        broken =
            (2..).map(|depth| broken_up_to(depth, plan, protocol)).find(|broken| !broken.is_empty()).expect("it is");
    }
    let findings = Findings { world: plan.name, protocol, states, depth, took: started.elapsed(), broken, missing };
    drop(turn);
    tell(&findings);
    findings
}

/// All laws that are broken in states of less than this depth; the first state's is 1.
fn broken_up_to(depth: usize, plan: Plan, protocol: Protocol) -> Vec<(&'static str, Vec<String>)> {
    let checker = World::new(plan, protocol).checker();
    broken_laws(&checker.target_max_depth(depth).finish_when(HasDiscoveries::AllFailures).spawn_bfs().join())
}

/// The broken laws that a search has found, each with how it came about.
fn broken_laws(checker: &impl Checker<World>) -> Vec<(&'static str, Vec<String>)> {
    let laws = checker.model().properties().into_iter().filter(|law| law.expectation != Expectation::Sometimes);
    let story = |path: Path<State, Action>| {
        path.into_actions().into_iter().map(|action| story::line(checker.model(), action)).collect()
    };
    laws.filter_map(|law| checker.discovery(law.name).map(|path| (law.name, story(path)))).collect()
}

/// Writes past the test harness, which would keep what passing tests print to itself.
pub fn tell(line: &impl fmt::Display) {
    writeln!(io::stdout().lock(), "{line}").expect("the standard output takes it");
}

impl Findings {
    /// Whether every law held in every state, and every example was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.broken.is_empty() && self.missing.is_empty()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { world, protocol, states, depth, took, broken, missing } = self;
        write!(f, "{protocol:<6} {world:<12} {states:>9} states, depth {depth:>3}, {:>6.2} s", took.as_secs_f64())?;
        broken.iter().try_for_each(|(law, _)| write!(f, "\n  BROKEN: {law}"))?;
        if let Some((_, story)) = broken.first() {
            story.iter().try_for_each(|line| write!(f, "\n    {line}"))?;
        }
        missing.iter().try_for_each(|example| write!(f, "\n  NO EXAMPLE: {example}"))
    }
}
