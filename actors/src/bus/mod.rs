//! How frames reach the other actors: within a node by mailbox, between nodes over JetStream, behind one trait.
//!
//! The bus promises nothing but to try: frames may be lost, doubled, late and out of order. What is lost is asked for
//! again from state.
//!
//! [`Switchboard`] is the mailboxes' side, and all the bus that a process alone needs; [`NodeBus`] is a node's: the
//! switchboard for those who live here, JetStream for the rest.

use std::fmt;

use crate::{frame::Frame, message::Address};

pub mod header;

mod counters;
mod jetstream;
mod local;
mod node;
mod options;
mod parcel;
mod split;

pub use counters::Stats;
pub(crate) use jetstream::Task;
pub use local::Switchboard;
pub use node::{Error, NodeBus};
pub use options::{Home, Hops, Options};

/// Takes frames away.
pub trait Bus: Send + Sync {
    /// Sends a frame; never waits and never fails: what can't be sent is dropped and counted.
    fn send(&self, to: Address, frame: Frame);
}

/// Where the frames for one actor or gateway of this node go in.
pub trait Inlet: Send + Sync {
    /// Takes a frame; never waits. A frame that finds no room is acknowledged and dropped (R20).
    fn deliver(&self, delivery: Delivery);
}

/// A frame that has arrived.
#[derive(Debug)]
pub struct Delivery {
    /// The frame.
    pub frame: Frame,
    /// To be acknowledged after the commit; `None` where the way needs none.
    pub receipt: Option<Receipt>,
}

/// The right to acknowledge a frame to the broker. Dropped without a word it says that nobody here takes the frame.
pub struct Receipt(Option<Box<dyn Stub>>);

/// What is done about a frame on the word of whoever had it.
pub(crate) trait Stub: Send {
    /// It is done with.
    fn acknowledge(self: Box<Self>);

    /// Nobody here takes it.
    fn refuse(self: Box<Self>);
}

impl Receipt {
    /// A receipt that runs this when acknowledged; refused, the frame comes again when its time is up.
    pub fn new(acknowledge: impl FnOnce() + Send + 'static) -> Self {
        Self::of(Acknowledging(acknowledge))
    }

    pub(crate) fn of(stub: impl Stub + 'static) -> Self {
        Self(Some(Box::new(stub)))
    }

    /// The frame need not come again.
    pub fn acknowledge(mut self) {
        if let Some(stub) = self.0.take() {
            stub.acknowledge();
        }
    }

    /// The frame comes again when its time is up, and not at once: whoever had it failed over it, perhaps because of it.
    pub fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(stub) = self.0.take() {
            stub.refuse();
        }
    }
}

struct Acknowledging<F>(F);

impl<F: FnOnce() + Send> Stub for Acknowledging<F> {
    fn acknowledge(self: Box<Self>) {
        (self.0)();
    }

    fn refuse(self: Box<Self>) {}
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receipt")
    }
}
