//! How frames reach the other actors: within a node by mailbox, between nodes over JetStream, behind one trait.
//!
//! The bus promises nothing but to try: frames may be lost, doubled, late and out of order. What is lost is asked for
//! again from state.
//!
//! [`Switchboard`] is the mailboxes' side, and all the bus that a process alone needs; [`NodeBus`] is a node's: the
//! switchboard for those who live here, JetStream for the rest.

use std::{fmt, sync::Arc};

use crate::{frame::Frame, message::Address};

pub mod header;

mod counters;
mod jetstream;
mod local;
mod node;
mod options;
mod split;

pub use counters::Stats;
pub(crate) use jetstream::Task;
pub use local::Switchboard;
pub use node::{Error, NodeBus};
pub use options::{Hops, Options};

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

/// The right to acknowledge a frame to the broker.
pub struct Receipt(Arc<dyn Fn() + Send + Sync>);

impl Receipt {
    /// A receipt that runs this when acknowledged.
    pub fn new(acknowledge: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(acknowledge))
    }

    /// Tells the broker that the frame need not come again.
    pub fn acknowledge(self) {
        (self.0)();
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receipt")
    }
}
