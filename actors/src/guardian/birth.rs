//! How a child's next incarnation comes to be, on the child's own thread, and how it tells that and its end.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use actix::{Actor, Addr, Message, WeakAddr};
use remit_core::id::{Epoch, TransferId};

use super::{Factory, Guardian};
use crate::{
    bus::Bus,
    durable::{self, Closing, Durable, OnEnd, Pulse, Room, said},
    supervision::{Ended, Start},
};

/// What it takes to make an incarnation, on its way to the child's thread.
pub(super) struct Birth {
    pub(super) ward: usize,
    pub(super) start: Start,
    pub(super) factory: Factory,
    pub(super) bus: Arc<dyn Bus>,
    pub(super) options: durable::Options,
    pub(super) pulse: Arc<Pulse>,
    pub(super) halt: Arc<AtomicBool>,
    /// Weak: the guardian holds the child's address, and addresses that hold each other never end.
    pub(super) guardian: WeakAddr<Guardian>,
}

impl Birth {
    pub(super) fn on_end(&self) -> OnEnd {
        let (ward, generation, guardian) = (self.ward, self.start.generation, self.guardian.clone());
        let in_hand = Arc::clone(&self.start.recovery.in_hand);
        Box::new(move |ended| {
            let in_hand = in_hand.get().filter(|_| matches!(ended, Ended::Panicked(_)));
            if let Some(guardian) = guardian.upgrade() {
                guardian.do_send(Over { ward, generation, ended, in_hand });
            }
        })
    }

    pub(super) fn give(self, mut closing: Closing) {
        let (begun, generation) = (Instant::now(), self.start.generation);
        self.pulse.begins();
        let (factory, start) = (self.factory, self.start);
        // The position is asked here for lists: a machine may panic there as well.
        let made = catch_unwind(AssertUnwindSafe(|| factory(start).map(|machine| (machine.position(), machine))));
        let (position, machine) = match made {
            Ok(Ok(made)) => made,
            Ok(Err(failure)) => return closing.set(failure.into()),
            Err(panic) => return closing.set(Ended::Panicked(said(panic.as_ref()))),
        };
        if self.halt.load(Relaxed) {
            return closing.set(Ended::Retired);
        }
        let epoch = position.epoch;
        self.pulse.opened(position);
        let (open, took_ms) = (machine.recovered(), u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
        let room = Arc::new(Room::new(self.options.room));
        let addr =
            Durable::new(machine, self.bus, self.options, Arc::clone(&room), self.pulse, self.halt, closing).start();
        if let Some(guardian) = self.guardian.upgrade() {
            guardian.do_send(Made { ward: self.ward, generation, addr, room, epoch, open, took_ms });
        }
    }
}

/// A child's machine has been made.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Made {
    pub(super) ward: usize,
    pub(super) generation: u64,
    pub(super) addr: Addr<Durable>,
    pub(super) room: Arc<Room>,
    pub(super) epoch: Epoch,
    pub(super) open: u64,
    pub(super) took_ms: u64,
}

/// A child has ended.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Over {
    pub(super) ward: usize,
    pub(super) generation: u64,
    pub(super) ended: Ended,
    pub(super) in_hand: Option<TransferId>,
}
