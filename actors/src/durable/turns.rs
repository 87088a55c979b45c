//! The loop around a machine, without its thread: take what waits, let the machine decide and commit it, send what the commit
//! made true, acknowledge.
//!
//! Synchronous, and ignorant of actix and tokio: the actor, the simulator and the benchmarks all turn this one.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use remit_core::{id::Time, planted};

use super::{Lanes, Room, said, traced};
use crate::{
    bus::{Bus, Delivery, Receipt},
    frame::Frame,
    machine::{Failure, Machine},
    message::Position,
    supervision::Ended,
};

/// A machine with its lanes. When a turn has failed it must be dropped, and a fresh one made from the database.
pub struct Turns {
    machine: Box<dyn Machine>,
    lanes: Lanes,
    bus: Arc<dyn Bus>,
    batch_messages_max: usize,
}

impl Turns {
    /// Turns of this machine, of at most so many messages each; `room` is what frames take before they are pushed.
    #[must_use]
    pub fn new(machine: Box<dyn Machine>, room: Arc<Room>, bus: Arc<dyn Bus>, batch_messages_max: usize) -> Self {
        Self { machine, lanes: Lanes::new(room), bus, batch_messages_max }
    }

    /// Puts a frame, for which room has been taken, where it waits for its turn.
    pub fn push(&mut self, delivery: Delivery) {
        self.lanes.push(delivery);
    }

    /// One turn, with as much of what waits as it takes.
    ///
    /// # Errors
    /// How the actor ended; nothing of this turn was sent or acknowledged.
    pub fn turn(&mut self, now: Time) -> Result<(), Ended> {
        let (frames, mut receipts) = self.lanes.take(self.batch_messages_max);
        if planted!(AcknowledgedBeforeCommit) {
            receipts.drain(..).for_each(Receipt::acknowledge);
        }
        let ended = match catch_unwind(AssertUnwindSafe(|| self.commit(&frames, now))) {
            Ok(Ok(())) => {
                receipts.into_iter().for_each(Receipt::acknowledge);
                return Ok(());
            }
            Ok(Err(failure)) => Ended::from(failure),
            Err(panic) => Ended::Panicked(said(panic.as_ref())),
        };
        receipts.into_iter().for_each(Receipt::keep);
        Err(ended)
    }

    /// The part that may fail: the machine's, then what the commit made true.
    fn commit(&mut self, frames: &[Frame], now: Time) -> Result<(), Failure> {
        let began = traced::begins(frames);
        for (to, frame) in self.machine.turn(frames, now)? {
            self.bus.send(to, frame);
        }
        if let Some(began) = began {
            traced::tell(self.machine.address(), frames, began);
        }
        Ok(())
    }

    /// Messages that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lanes.messages()
    }

    /// Whether the next turn would be a full one.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting() >= self.batch_messages_max
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// When it wants a turn even if nothing waits.
    #[must_use]
    pub fn wake_at(&self) -> Option<Time> {
        self.machine.wake_at()
    }

    /// Where the machine stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.machine.position()
    }
}
