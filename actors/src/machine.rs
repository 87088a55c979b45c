//! The durable loop: take a batch, load, decide, commit, send what the commit made true, acknowledge.
//!
//! A [`Machine`] is everything of an actor but its threads. It is synchronous, imports neither actix nor tokio, and is
//! given the time: the actors, the simulator and the benchmarks drive the same one.

use std::collections::VecDeque;

use remit_core::id::{Seq, Time};

use crate::{
    frame::Frame,
    message::{Address, Position},
    store,
};

/// An actor without its threads.
pub trait Machine: Send {
    /// Who it is.
    fn address(&self) -> Address;

    /// One turn: handles all messages of the batch in order, commits what they change in one durable transaction, and
    /// hands out what may now leave. An empty batch handles what time alone makes due. When it returns, the batch may be
    /// acknowledged.
    ///
    /// # Errors
    /// The machine must then be dropped, and a fresh one made from its database.
    fn turn(&mut self, batch: &[Frame], now: Time) -> Result<Vec<(Address, Frame)>, Failure>;

    /// When it wants a turn even if nothing comes in.
    fn wake_at(&self) -> Option<Time>;

    /// Where it stands, for lists and metrics.
    fn position(&self) -> Position;

    /// How many transfers were open when it was made from its database.
    fn recovered(&self) -> u64 {
        0
    }
}

/// Why a turn failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The database could not be read or written.
    #[error("the store failed")]
    Store(#[source] store::Error),
    /// A newer incarnation writes this database (R12).
    #[error("another writer has claimed the database")]
    Fenced(#[source] store::Error),
    /// What must always hold does not; retrying can't help.
    #[error("an invariant is broken: {0}")]
    Invariant(String),
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Fenced { .. } | store::Error::LeaseExpired => Self::Fenced(error),
            store::Error::Corrupt { ref what } => Self::Invariant(what.clone()),
            store::Error::Differs { .. } => Self::Invariant(error.to_string()),
            error => Self::Store(error),
        }
    }
}

/// The one gate for all that leaves: nothing passes before the sequence it rests on is durable (R13).
#[derive(Debug, Default)]
pub struct Gate {
    waiting: VecDeque<(Seq, Vec<(Address, Frame)>)>,
    durable_up_to: Seq,
}

impl Gate {
    /// Puts frames behind the gate; they rest on all rows up to `seq`.
    pub fn hold(&mut self, seq: Seq, frames: Vec<(Address, Frame)>) {
        if !frames.is_empty() {
            self.waiting.push_back((seq, frames));
        }
    }

    /// Opens it up to a position, and hands out what rests on rows up to there.
    pub fn durable_up_to(&mut self, seq: Seq) -> Vec<(Address, Frame)> {
        self.durable_up_to = self.durable_up_to.max(seq);
        let mut out = Vec::new();
        while self.waiting.front().is_some_and(|(seq, _)| *seq <= self.durable_up_to) {
            if let Some((_, frames)) = self.waiting.pop_front() {
                out.extend(frames);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Class;

    /// R12, R17: what only says that somebody else writes is no fault of the database; histories that differ don't mend.
    #[test]
    fn what_a_store_says_of_its_stream_is_told_apart() {
        let what = || "row 7".to_owned();
        let cases = [
            (store::Error::LeaseExpired, "Fenced"),
            (store::Error::NotReplicated { what: what() }, "Store"),
            (store::Error::Gap { last: Seq(1), first: Seq(3) }, "Store"),
            (store::Error::Differs { what: what() }, "Invariant"),
        ];
        for (error, kind) in cases {
            let failure = format!("{:?}", Failure::from(error));
            assert!(failure.starts_with(kind), "{failure}");
        }
    }

    #[test]
    fn nothing_passes_the_gate_before_its_row_is_durable() {
        let to = Address::Gateway(1);
        let frame = Frame { from: to, class: Class::Reply, mark: None, messages: vec![], traces: vec![] };
        let mut gate = Gate::default();
        gate.hold(Seq(3), vec![(to, frame.clone())]);
        gate.hold(Seq(5), vec![(to, frame)]);
        let passed: Vec<usize> = [2, 3, 4, 5, 6].into_iter().map(|seq| gate.durable_up_to(Seq(seq)).len()).collect();
        assert_eq!(passed, [0, 1, 0, 1, 0]);
    }
}
