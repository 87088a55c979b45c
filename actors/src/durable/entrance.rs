//! The way in to an actor, which outlives its incarnations: the bus knows it once and for all.
//!
//! What becomes of a frame while nobody is there:
//!
//! | the actor | frame | a question | a submit |
//! |---|---|---|---|
//! | restarts | acknowledged and dropped | silence: the asker asks again | silence |
//! | is quarantined | acknowledged and dropped | `unavailable`, at once | `unavailable`, at once |
//! | is elsewhere, or has ended for good | dropped, not acknowledged | silence | silence |
//!
//! Acknowledged, because one stream carries the frames of many actors, and what one of them leaves unacknowledged takes up
//! the window of all; whoever misses the frame asks again from state. Not acknowledged at the end, because then the whole
//! node ends, or the actor moves to another, and what the broker still has need not be asked for again when it is back: a frame of
//! a parcel is sent on under the actor's own name.
//! `unavailable` promises nothing: to a manager it is silence (R6), and to a client it says that a submit may or may not be
//! recorded.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use actix::Addr;
use parking_lot::RwLock;

use super::{Arrival, Durable, Kill, Room};
use crate::{
    bus::{Bus, Delivery, Inlet},
    frame::Outbox,
    message::{Address, Answer, AnswerBody, Message, Standing, Stands, Submit},
};

/// Who gets the frames at present.
pub(crate) enum LeadsTo {
    /// An actor.
    Actor(Addr<Durable>, Arc<Room>),
    /// Nobody for now.
    Nobody,
    /// Nobody for long, and why.
    Quarantine(String),
    /// Nobody any more, or nobody here.
    Nowhere,
}

/// A stable way in.
pub(crate) struct Entrance {
    address: Address,
    bus: Arc<dyn Bus>,
    retry_after_ms: u64,
    leads_to: RwLock<LeadsTo>,
    dropped: [AtomicU64; 3],
}

impl Entrance {
    pub(crate) fn new(address: Address, bus: Arc<dyn Bus>, retry_after_ms: u64) -> Self {
        Self { address, bus, retry_after_ms, leads_to: RwLock::new(LeadsTo::Nobody), dropped: Default::default() }
    }

    pub(crate) fn lead_to(&self, whom: LeadsTo) {
        *self.leads_to.write() = whom;
    }

    /// Messages that were dropped so far, by class: for want of room, or because nobody was there.
    pub(crate) fn dropped(&self) -> [u64; 3] {
        self.dropped.each_ref().map(|dropped| dropped.load(Relaxed))
    }

    /// Messages that wait for a turn.
    pub(crate) fn waiting(&self) -> usize {
        match &*self.leads_to.read() {
            LeadsTo::Actor(_, room) => room.waiting(),
            LeadsTo::Nobody | LeadsTo::Quarantine(_) | LeadsTo::Nowhere => 0,
        }
    }

    /// Kills the actor; false if there is none.
    pub(crate) fn kill(&self, kill: Kill) -> bool {
        match &*self.leads_to.read() {
            LeadsTo::Actor(addr, _) if addr.connected() => {
                addr.do_send(kill);
                true
            }
            _ => false,
        }
    }

    /// Lets a frame in, or gives it back and says why.
    fn let_in(&self, delivery: Delivery) -> Option<(Delivery, Fate)> {
        match &*self.leads_to.read() {
            // A message to a dead actor is silently lost: it has ended, and the guardian does not know yet.
            LeadsTo::Actor(addr, _) if !addr.connected() => Some((delivery, Fate::Missed)),
            LeadsTo::Actor(addr, room) if room.take(&delivery.frame) => {
                addr.do_send(Arrival(delivery));
                None
            }
            LeadsTo::Actor(..) => Some((delivery, Fate::NoRoom)),
            LeadsTo::Nobody => Some((delivery, Fate::Missed)),
            LeadsTo::Quarantine(why) => Some((delivery, Fate::Unavailable(why.clone()))),
            LeadsTo::Nowhere => Some((delivery, Fate::TooLate)),
        }
    }

    /// What is answered to a message that is not let in.
    fn answer(&self, message: &Message, fate: &Fate) -> Option<(Address, Message)> {
        match (message, fate) {
            // Refused before anything of it is recorded; all else that finds no room is asked for again from state.
            (Message::Submit(submit), Fate::NoRoom) => Some(stands(submit, Stands::Overloaded(self.retry_after_ms))),
            (Message::Submit(submit), Fate::Unavailable(why)) => Some(stands(submit, Stands::Unavailable(why.clone()))),
            (Message::Ask(ask), Fate::Unavailable(why)) => {
                let body = AnswerBody::Unavailable(why.clone());
                Some((ask.from, Message::Answer(Answer { ticket: ask.ticket, part: 0, parts: 1, body })))
            }
            _ => None,
        }
    }
}

impl Inlet for Entrance {
    fn deliver(&self, delivery: Delivery) {
        let Some((Delivery { frame, receipt }, fate)) = self.let_in(delivery) else { return };
        self.dropped[frame.class as usize].fetch_add(frame.messages.len() as u64, Relaxed);
        let mut outbox = Outbox::new(self.address, frame.messages.len());
        for (to, message) in frame.messages.iter().filter_map(|message| self.answer(message, &fate)) {
            outbox.push(to, message, None);
        }
        for (to, frame) in outbox.into_frames(None) {
            self.bus.send(to, frame);
        }
        if let (Some(receipt), Fate::Missed | Fate::NoRoom | Fate::Unavailable(_)) = (receipt, fate) {
            receipt.acknowledge();
        }
    }
}

/// Why a frame is not let in.
enum Fate {
    /// Nobody is there for now.
    Missed,
    /// Its lane is full.
    NoRoom,
    /// Nobody is there for long, and why.
    Unavailable(String),
    /// Nobody is there any more, or nobody here.
    TooLate,
}

fn stands(submit: &Submit, stands: Stands) -> (Address, Message) {
    (Address::Gateway(submit.gateway), Message::Standing(Standing { id: submit.id, ticket: submit.ticket, stands }))
}
