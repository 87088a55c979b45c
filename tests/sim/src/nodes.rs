//! Nodes of a replicated deployment: who is up, who reaches whom and the broker, and what each has committed of claims (R18).

use std::{collections::BTreeMap, sync::Arc};

use remit_actors::cluster::{Claimed, Claims};

use crate::stream::Line;

/// How long a lease is good without renewal, in milliseconds.
pub(crate) const LEASE_MS: i64 = 1_500;

/// A node.
#[derive(Default)]
pub(crate) struct Node {
    /// Its process runs, or stands still.
    pub(crate) is_up: bool,
    /// Its process stands still.
    pub(crate) is_stopped: bool,
    /// It and the other nodes can't ask each other.
    pub(crate) is_apart: bool,
    /// Its way to the broker, and its lease.
    pub(crate) line: Arc<Line>,
    /// What it has committed of the claims of each journal.
    registry: BTreeMap<String, Claims>,
}

impl Node {
    fn learn(&mut self, journal: &str, told: &Claims) {
        let newer = |known: &mut Option<Claimed>, told: &Option<Claimed>| {
            let epoch = |claim: &Option<Claimed>| claim.as_ref().map(|claim| claim.epoch);
            if epoch(told) > epoch(known) {
                known.clone_from(told);
            }
        };
        let known = self.registry.entry(journal.to_owned()).or_default();
        newer(&mut known.announced, &told.announced);
        newer(&mut known.served, &told.served);
    }

    /// What it knows of the claims of a journal.
    pub(crate) fn claims_of(&self, journal: &str) -> Claims {
        self.registry.get(journal).cloned().unwrap_or_default()
    }

    /// Whether nothing is wrong with it.
    fn is_well(&self) -> bool {
        self.is_up && !self.is_stopped && !self.is_apart && !self.line.is_cut()
    }

    /// Whether the others hold it to be alive.
    fn is_live(&self) -> bool {
        self.is_up && !self.line.is_over()
    }
}

/// All nodes.
pub(crate) struct Nodes(Vec<Node>);

impl Nodes {
    pub(crate) fn new(count: usize) -> Self {
        Self((0..count).map(|_| Node { is_up: true, ..Node::default() }).collect())
    }

    /// Its name.
    pub(crate) fn name(node: usize) -> String {
        format!("n{node}")
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn at(&self, node: usize) -> &Node {
        &self.0[node]
    }

    pub(crate) fn at_mut(&mut self, node: usize) -> &mut Node {
        &mut self.0[node]
    }

    /// Whether a node answers another one.
    pub(crate) fn reach(&self, one: usize, other: usize) -> bool {
        let (from, to) = (&self.0[one], &self.0[other]);
        one == other || to.is_up && !to.is_stopped && !from.is_apart && !to.is_apart
    }

    /// Those that a node reaches, itself left out.
    pub(crate) fn others(&self, node: usize) -> Vec<usize> {
        (0..self.0.len()).filter(|other| *other != node && self.reach(node, *other)).collect()
    }

    /// Those with which something is wrong.
    pub(crate) fn away(&self) -> usize {
        self.0.iter().filter(|node| !node.is_well()).count()
    }

    /// Whether an actor may be started there, as far as the bucket says.
    pub(crate) fn may_run(&self, node: usize) -> bool {
        let node = &self.0[node];
        node.is_up && !node.is_stopped && !node.line.is_cut()
    }

    /// A node tells its claim of a journal to all that are held to be alive; they commit it. Whether all have.
    pub(crate) fn tell(&mut self, node: usize, journal: &str, told: &Claims) -> bool {
        let mut have_all = true;
        for other in 0..self.0.len() {
            if self.reach(node, other) {
                self.0[other].learn(journal, told);
            } else {
                have_all &= !self.0[other].is_live();
            }
        }
        have_all
    }

    /// A node that has come back, and those that it reaches, tell each other all that they know.
    pub(crate) fn exchange(&mut self, node: usize) {
        for other in self.others(node) {
            let theirs = self.0[other].registry.clone();
            theirs.iter().for_each(|(journal, told)| self.0[node].learn(journal, told));
        }
        let mine = self.0[node].registry.clone();
        for other in self.others(node) {
            mine.iter().for_each(|(journal, told)| self.0[other].learn(journal, told));
        }
    }

    /// The time is this.
    pub(crate) fn tick(&self, now: i64) {
        self.0.iter().for_each(|node| node.line.tick(now));
    }
}
