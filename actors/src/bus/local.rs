//! Frames within the process: handed from the sender's thread straight into the receiver's inlet.

use std::sync::Arc;

use parking_lot::RwLock;
use rustc_hash::FxHashMap;
use tracing::debug;

use super::{
    Bus, Delivery, Inlet, Stats,
    counters::{Counter, Counters},
};
use crate::{frame::Frame, message::Address};

/// Knows the inlet of everyone who lives in this process. On its own it is a whole bus, which drops and counts what is for
/// anyone else.
#[derive(Default)]
pub struct Switchboard {
    inlets: RwLock<FxHashMap<Address, Arc<dyn Inlet>>>,
    counters: Arc<Counters>,
}

impl Switchboard {
    pub(super) fn counting(counters: Arc<Counters>) -> Self {
        Self { inlets: RwLock::default(), counters }
    }

    /// From now on frames for `address` go in here, and no longer where they went in before.
    pub fn attach(&self, address: Address, inlet: Arc<dyn Inlet>) {
        let before = self.inlets.write().insert(address, inlet);
        drop(before);
    }

    /// From now on `address` is nobody of this process.
    pub fn detach(&self, address: Address) {
        let before = self.inlets.write().remove(&address);
        drop(before);
    }

    /// Hands a frame over.
    ///
    /// # Errors
    /// The frame itself, if `to` does not live here.
    pub fn hand_over(&self, to: Address, frame: Frame) -> Result<(), Frame> {
        let messages = frame.messages.len();
        match self.hand_in(to, Delivery { frame, receipt: None }) {
            None => {
                self.counters.add(Counter::FramesLocal, 1);
                self.counters.add(Counter::MessagesLocal, messages);
                Ok(())
            }
            Some(Delivery { frame, .. }) => Err(frame),
        }
    }

    /// Hands in what has arrived, or gives it back if `to` does not live here.
    pub(super) fn hand_in(&self, to: Address, delivery: Delivery) -> Option<Delivery> {
        // The inlet is called outside the lock: it may attach, detach or send.
        let inlet = self.inlets.read().get(&to).map(Arc::clone);
        let Some(inlet) = inlet else { return Some(delivery) };
        inlet.deliver(delivery);
        None
    }

    /// Whether `to` lives here.
    pub(super) fn has(&self, to: Address) -> bool {
        self.inlets.read().contains_key(&to)
    }

    /// What it has counted.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.counters.stats()
    }
}

impl Bus for Switchboard {
    fn send(&self, to: Address, frame: Frame) {
        if let Err(frame) = self.hand_over(to, frame) {
            self.counters.add(Counter::FramesDropped, 1);
            debug!(?to, messages = frame.messages.len(), "dropped a frame for nobody of this process");
        }
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::message::Class;

    #[derive(Default)]
    struct Letterbox(Mutex<Vec<Frame>>);

    impl Inlet for Letterbox {
        fn deliver(&self, delivery: Delivery) {
            assert!(delivery.receipt.is_none(), "a mailbox needs no acknowledgement");
            self.0.lock().push(delivery.frame);
        }
    }

    #[test]
    fn a_frame_goes_to_whoever_is_attached_and_else_is_dropped_and_counted() {
        let board = Switchboard::default();
        let (first, second) = (Arc::new(Letterbox::default()), Arc::new(Letterbox::default()));
        let [here, elsewhere] = [1, 2].map(Address::Gateway);
        let frame = || Frame { from: here, class: Class::Reply, mark: None, messages: vec![], traces: vec![] };

        board.attach(here, first.clone());
        board.send(here, frame());
        board.attach(here, second.clone());
        board.send(here, frame());
        board.send(elsewhere, frame());
        board.detach(here);
        assert_eq!(board.hand_over(here, frame()), Err(frame()));

        assert_eq!([first.0.lock().len(), second.0.lock().len()], [1, 1]);
        let stats = board.stats();
        assert_eq!([stats.frames_local, stats.frames_dropped], [2, 1]);
    }
}
