//! What anybody may see of the children at any time, without asking them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::{Child, Drained, Retired};
use crate::{
    durable::{Entrance, Pulse},
    message::{Address, Position},
};

/// What a child is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Its database is being opened.
    Starting,
    /// It takes turns.
    Up,
    /// It takes turns, or opens its database, and the present one has taken too long so far.
    Stuck,
    /// It failed, and a fresh one will soon be made.
    Restarting,
    /// It failed too often, or for a reason that nothing helps against.
    Quarantined,
    /// Another node runs it, or nobody.
    Elsewhere,
    /// It has ended for good.
    Ended,
}

impl State {
    /// Its word in lists and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Stuck => "stuck",
            Self::Restarting => "restarting",
            Self::Quarantined => "quarantined",
            Self::Elsewhere => "elsewhere",
            Self::Ended => "ended",
        }
    }
}

/// A child, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildStatus {
    /// Its name.
    pub name: String,
    /// Who it is.
    pub address: Address,
    /// What it is about.
    pub state: State,
    /// How often it has been restarted, or made anew after it was elsewhere.
    pub generation: u64,
    /// Turns that the present incarnation has ended.
    pub turns: u64,
    /// Of these, those that committed rows, and flushed them to the disk.
    pub commits: u64,
    /// How long its present turn has taken so far, in milliseconds; `None` between turns.
    pub busy_ms: Option<u64>,
    /// Messages that wait for a turn.
    pub queue_depth: usize,
    /// Messages that were dropped since the node started, by class: for want of room, or because nobody was there.
    pub dropped: [u64; 3],
    /// Why it failed last.
    pub last_failure: Option<String>,
    /// Where its journal stood after the last turn; of the incarnation before, while there is none.
    pub position: Position,
}

/// What the guardian itself knows of a child.
pub(super) struct Row {
    name: String,
    address: Address,
    entrance: Arc<Entrance>,
    pub(super) state: State,
    pub(super) generation: u64,
    pub(super) pulse: Arc<Pulse>,
    pub(super) last_failure: Option<String>,
    /// Of the incarnation before, until the present one is up.
    pub(super) position: Option<Position>,
}

/// The children's rows, in the order in which they were given.
pub(super) struct Board {
    rows: Mutex<Vec<Row>>,
    changed: Condvar,
    /// How the drain went that ended the guardian.
    report: Mutex<Option<Drained>>,
    stuck_ms: u64,
}

impl Board {
    pub(super) fn new(children: &[Child], entrances: &[Arc<Entrance>], stuck_ms: u64) -> Self {
        let row = |(child, entrance): (&Child, &Arc<Entrance>)| Row {
            name: child.name.clone(),
            address: child.address,
            entrance: Arc::clone(entrance),
            state: if child.here { State::Starting } else { State::Elsewhere },
            generation: 0,
            pulse: Arc::default(),
            last_failure: None,
            position: None,
        };
        let rows = children.iter().zip(entrances).map(row).collect();
        Self { rows: Mutex::new(rows), changed: Condvar::new(), report: Mutex::default(), stuck_ms }
    }

    /// Changes a row, and wakes whoever waits for a change.
    pub(super) fn set(&self, child: usize, change: impl FnOnce(&mut Row)) {
        change(&mut self.rows.lock()[child]);
        self.changed.notify_all();
    }

    pub(super) fn set_report(&self, report: &Drained) {
        *self.report.lock() = Some(report.clone());
    }

    /// How the drain went that ended the guardian; if it ended otherwise, all children are left to themselves.
    pub(super) fn report(&self) -> Drained {
        let left = || self.rows.lock().iter().map(|row| row.name.clone()).collect();
        self.report.lock().clone().unwrap_or_else(|| Drained { left: left(), ..Drained::default() })
    }

    /// The place of the child of this name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.rows.lock().iter().position(|row| row.name == name)
    }

    /// How the retirement of a child went that the guardian did not answer, since it has ended itself.
    pub(super) fn retired(&self, child: usize) -> Retired {
        match self.rows.lock()[child].state {
            State::Elsewhere | State::Ended => Retired::Ended,
            State::Starting | State::Up | State::Stuck | State::Restarting | State::Quarantined => Retired::Left,
        }
    }

    pub(super) fn status(&self) -> Vec<ChildStatus> {
        self.rows.lock().iter().map(|row| self.look(row)).collect()
    }

    /// Waits until the children are as wanted; false if they were not by then.
    pub(super) fn wait(&self, bound: Duration, wanted: impl Fn(&[ChildStatus]) -> bool) -> bool {
        let until = Instant::now() + bound;
        let mut rows = self.rows.lock();
        loop {
            let seen: Vec<_> = rows.iter().map(|row| self.look(row)).collect();
            if wanted(&seen) {
                return true;
            }
            if self.changed.wait_until(&mut rows, until).timed_out() {
                return false;
            }
        }
    }

    fn look(&self, row: &Row) -> ChildStatus {
        let at_work = matches!(row.state, State::Starting | State::Up);
        let busy_ms = row.pulse.busy_ms().filter(|_| at_work);
        let stuck = busy_ms.is_some_and(|ms| ms >= self.stuck_ms);
        ChildStatus {
            name: row.name.clone(),
            address: row.address,
            state: if stuck { State::Stuck } else { row.state },
            generation: row.generation,
            turns: row.pulse.turns(),
            commits: row.pulse.commits(),
            busy_ms,
            queue_depth: row.entrance.waiting(),
            dropped: row.entrance.dropped(),
            last_failure: row.last_failure.clone(),
            position: row.position.clone().unwrap_or_else(|| row.pulse.position()),
        }
    }
}
