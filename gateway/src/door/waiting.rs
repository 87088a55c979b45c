//! Clients that wait for transfers.
//!
//! A request waits in one place for all its transfers, each with a slot. A word from a manager bears the ticket of the
//! slot, so that two clients with the same id and different bodies are told apart. Whatever is silent is submitted again:
//! the id makes that harmless.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use remit_actors::message::{Standing, Stands};
use remit_api::submit::Until;
use tokio::sync::Notify;

/// How many bits of a ticket are the slot; a batch has at most 8,192 members.
const SLOT_BITS: u32 = 13;
/// Groups are found by number in so many maps, so that requests seldom meet at a lock.
const MAPS: usize = 16;

/// All that waits.
pub(super) struct Waiting {
    last: AtomicU64,
    groups: [Mutex<HashMap<u64, Arc<Group>>>; MAPS],
    slots: AtomicUsize,
    slots_max: usize,
}

/// The transfers that one request waits for.
pub(super) struct Group {
    number: u64,
    until: Until,
    slots: Mutex<Slots>,
    /// Signalled when every slot has what is waited for.
    settled: Notify,
    /// Signalled when something is known of every slot.
    heard: Notify,
}

struct Slots {
    stands: Vec<Slot>,
    unsettled: usize,
    unheard: usize,
}

#[derive(Clone, Default)]
struct Slot {
    stands: Option<Stands>,
    is_settled: bool,
}

impl Waiting {
    pub(super) fn new(slots_max: usize) -> Self {
        Self { last: AtomicU64::new(0), groups: Default::default(), slots: AtomicUsize::new(0), slots_max }
    }

    /// Room for so many transfers of one request; `None` if too many are waited for already.
    pub(super) fn group(self: &Arc<Self>, size: usize, until: Until) -> Option<Waited> {
        let before = self.slots.fetch_add(size, Relaxed);
        if before + size > self.slots_max {
            self.slots.fetch_sub(size, Relaxed);
            return None;
        }
        let number = self.last.fetch_add(1, Relaxed);
        let slots = Mutex::new(Slots { stands: vec![Slot::default(); size], unsettled: size, unheard: size });
        let group = Arc::new(Group { number, until, slots, settled: Notify::new(), heard: Notify::new() });
        self.map(number).lock().insert(number, Arc::clone(&group));
        Some(Waited { waiting: Arc::clone(self), group, size })
    }

    fn map(&self, number: u64) -> &Mutex<HashMap<u64, Arc<Group>>> {
        let at = usize::try_from(number % MAPS as u64).unwrap_or_default();
        &self.groups[at]
    }

    /// Takes in a manager's words. Those for one request mostly come together, so a group is looked up once for a run of them.
    pub(super) fn hear(&self, standings: impl Iterator<Item = Standing>) {
        let mut group: Option<Arc<Group>> = None;
        for Standing { ticket, stands, .. } in standings {
            let number = ticket >> SLOT_BITS;
            if group.as_ref().is_none_or(|group| group.number != number) {
                group = self.map(number).lock().get(&number).cloned();
            }
            if let (Some(group), Ok(slot)) = (&group, usize::try_from(ticket & ((1 << SLOT_BITS) - 1))) {
                group.hear(slot, stands);
            }
        }
    }
}

impl Group {
    fn hear(&self, slot: usize, stands: Stands) {
        let mut slots = self.slots.lock();
        let Slots { stands: all, unsettled, unheard } = &mut *slots;
        let Some(slot) = all.get_mut(slot) else { return };
        // Once a transfer is known to be recorded, an actor that is away or full can't make it unrecorded.
        let is_known = matches!(slot.stands, Some(Stands::Recorded(_)));
        if slot.is_settled || (is_known && matches!(stands, Stands::Overloaded(_) | Stands::Unavailable(_))) {
            return;
        }
        slot.is_settled = match &stands {
            Stands::Recorded(progress) => {
                self.until == Until::Accepted || progress.status.is_end() || is_stuck(progress)
            }
            Stands::Conflict(_) | Stands::Overloaded(_) | Stands::Unavailable(_) => true,
        };
        *unsettled -= usize::from(slot.is_settled);
        *unheard -= usize::from(slot.stands.is_none());
        slot.stands = Some(stands);
        if *unheard == 0 {
            self.heard.notify_one();
        }
        if *unsettled == 0 {
            self.settled.notify_one();
        }
    }
}

/// A parked transfer will not settle by waiting.
fn is_stuck(progress: &remit_actors::message::Progress) -> bool {
    progress.status == remit_actors::message::Status::Parked
}

/// A request's place to wait; given back when dropped.
pub(super) struct Waited {
    waiting: Arc<Waiting>,
    group: Arc<Group>,
    size: usize,
}

impl Waited {
    /// The ticket of a slot.
    pub(super) fn ticket(&self, slot: usize) -> u64 {
        (self.group.number << SLOT_BITS) | u64::try_from(slot).unwrap_or_default()
    }

    /// Waits until every slot has what is waited for, but no longer than this. Says whether it has.
    pub(super) async fn settled(&self, within: Duration) -> bool {
        if self.group.slots.lock().unsettled == 0 {
            return true;
        }
        tokio::time::timeout(within, self.group.settled.notified()).await.is_ok()
    }

    /// Waits until something is known of every slot, but no longer than this.
    pub(super) async fn heard(&self, within: Duration) {
        if self.group.slots.lock().unheard > 0 {
            // If the time is over, that is as much as is known.
            tokio::time::timeout(within, self.group.heard.notified()).await.ok();
        }
    }

    /// The slots that do not have what is waited for.
    pub(super) fn unsettled(&self) -> Vec<usize> {
        let slots = self.group.slots.lock();
        (0..slots.stands.len()).filter(|slot| !slots.stands[*slot].is_settled).collect()
    }

    /// What is known of each slot.
    pub(super) fn into_stands(self) -> Vec<Option<Stands>> {
        let mut slots = self.group.slots.lock();
        slots.stands.drain(..).map(|slot| slot.stands).collect()
    }
}

impl Drop for Waited {
    fn drop(&mut self) {
        self.waiting.map(self.group.number).lock().remove(&self.group.number);
        self.waiting.slots.fetch_sub(self.size, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_waits_for_all_its_slots_and_gives_its_room_back() {
        let waiting = Arc::new(Waiting::new(3));
        let waited = waiting.group(2, Until::Accepted).unwrap();
        assert!(waiting.group(2, Until::Accepted).is_none());
        let id = remit_core::id::TransferId([1; 16]);
        for slot in 0..2 {
            assert!(!waited.settled(Duration::ZERO).await);
            let stands = Stands::Overloaded(slot);
            let ticket = waited.ticket(usize::try_from(slot).unwrap());
            waiting.hear([Standing { id, ticket, stands }].into_iter());
        }
        assert!(waited.settled(Duration::from_secs(5)).await);
        assert_eq!(waited.into_stands(), [Some(Stands::Overloaded(0)), Some(Stands::Overloaded(1))]);
        assert!(waiting.group(3, Until::Accepted).is_some());
    }
}
