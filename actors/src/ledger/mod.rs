//! Events out: every committed row of a journal leaves its database on its ledger stream.
//!
//! One stream for each shard and each partition, in JetStream; one writer for each, on the node that serves the database. The
//! journal is the outbox: a writer keeps nothing of its own, finds out from the stream itself how far it has got, and goes on from
//! there with the expected sequence, so that rows are there in order, without a gap, once. A stream that is deleted at any moment
//! is filled again.
//!
//! - [`Publisher`]: journals to ledger streams;
//! - [`Reader`]: ledger streams to the projector, and from the journal where a stream does not reach back so far.

mod file;
mod lanes;
mod pace;
mod publisher;
mod reader;
mod streams;

use std::{path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use remit_core::id::{Seq, Time};
use rustc_hash::FxHashMap;

pub(crate) use self::{
    file::File,
    lanes::{Lanes, Source},
    streams::{RUN_BYTES, frame as frame_of, name, run as run_of, subject},
};
pub use self::{
    publisher::{Positions, Publisher},
    reader::Reader,
    streams::Limits,
};
use crate::message::Address;

/// A journal of this node.
#[derive(Clone, Debug)]
pub struct Journal {
    /// Whose it is.
    pub source: Address,
    /// What its actor is called: `s0`, `m0`.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
}

/// How far each journal of this node was, and when: everything that its writer has seen on its stream.
#[derive(Clone, Debug, Default)]
pub struct Heads(Arc<Mutex<FxHashMap<Address, Head>>>);

/// How far a journal was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Its last row.
    pub seq: Seq,
    /// The last one that is on its stream.
    pub published: Seq,
    /// When it was looked at: no row that was committed by then comes after `seq`.
    pub at: Time,
}

impl Heads {
    fn set(&self, source: Address, head: Head) {
        self.0.lock().insert(source, head);
    }

    /// How far a journal was, if it is one of this node and has been looked at.
    #[must_use]
    pub fn get(&self, source: Address) -> Option<Head> {
        self.0.lock().get(&source).copied()
    }
}
