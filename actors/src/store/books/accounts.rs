//! The accounts that memory holds: all that changed since the last bulk write, and as many others as its bound allows.

use remit_core::id::AccountId;
use rustc_hash::FxHashMap;

use crate::store::row::AccountRecord;

/// Where memory holds an account, until accounts are forgotten at the end of a turn. So a turn looks an account up once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u32);

/// The accounts in memory.
#[derive(Default)]
pub(super) struct Accounts {
    places: FxHashMap<AccountId, Place>,
    held: Vec<Option<Held>>,
    free: Vec<Place>,
    /// Those that changed since the last bulk write.
    changed: Vec<Place>,
    /// Counts bulk writes and evictions, to tell how long an account has not been used.
    round: u32,
}

struct Held {
    id: AccountId,
    record: AccountRecord,
    is_changed: bool,
    used: u32,
}

impl Accounts {
    /// Where an account is held, if it is.
    pub(super) fn find(&mut self, id: &AccountId) -> Option<Place> {
        let place = *self.places.get(id)?;
        let used = self.round;
        self.held_mut(place).used = used;
        Some(place)
    }

    /// Takes one in, from the table or because it is new.
    pub(super) fn take(&mut self, id: AccountId, record: AccountRecord) -> Place {
        let held = Some(Held { id: id.clone(), record, is_changed: false, used: self.round });
        let place = match self.free.pop() {
            Some(place) => {
                self.held[place.0 as usize] = held;
                place
            }
            None => {
                self.held.push(held);
                Place(u32::try_from(self.held.len() - 1).expect("memory ends before four billion accounts"))
            }
        };
        self.places.insert(id, place);
        place
    }

    /// One that is held.
    pub(super) fn at(&self, place: Place) -> &AccountRecord {
        &self.held(place).record
    }

    /// One that is about to change.
    pub(super) fn change(&mut self, place: Place) -> &mut AccountRecord {
        if !std::mem::replace(&mut self.held_mut(place).is_changed, true) {
            self.changed.push(place);
        }
        &mut self.held_mut(place).record
    }

    /// Those that changed since the last bulk write, with their ids.
    pub(super) fn changed(&self) -> impl Iterator<Item = (&AccountId, &AccountRecord)> {
        self.changed.iter().map(|place| self.held(*place)).map(|held| (&held.id, &held.record))
    }

    /// Notes that all changes are in the table.
    pub(super) fn written(&mut self) {
        for place in std::mem::take(&mut self.changed) {
            self.held_mut(place).is_changed = false;
        }
        self.round += 1;
    }

    /// How many are held, and how many of them must be.
    pub(super) fn count(&self) -> (usize, usize) {
        (self.places.len(), self.changed.len())
    }

    /// Forgets those that have not been used for longest, if there are more than so many beside those that changed: down to that
    /// bound and an eighth more, so that the next look through all of them is not soon.
    pub(super) fn evict(&mut self, most: usize) {
        let unchanged = self.places.len() - self.changed.len();
        if unchanged <= most {
            return;
        }
        let mut too_many = unchanged - (most - most / 8);
        self.round += 1;
        for idle in [8, 2, 0] {
            let used_before = self.round.saturating_sub(idle);
            for (place, held) in (0..).map(Place).zip(&mut self.held) {
                if too_many > 0
                    && let Some(unused) = held.take_if(|held| !held.is_changed && held.used < used_before)
                {
                    self.places.remove(&unused.id);
                    self.free.push(place);
                    too_many -= 1;
                }
            }
        }
    }

    fn held(&self, place: Place) -> &Held {
        self.held[place.0 as usize].as_ref().expect("nothing is forgotten within a turn")
    }

    fn held_mut(&mut self, place: Place) -> &mut Held {
        self.held[place.0 as usize].as_mut().expect("nothing is forgotten within a turn")
    }
}
