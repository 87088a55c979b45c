//! All that one node has heard from the bucket, and who it holds to be alive.
//!
//! Expiry is judged by watching: a node is alive while its key's revision keeps changing, by the watcher's own monotonic clock.
//! No two clocks are ever compared.
//!
//! A view is filled by a watch of the whole bucket, and by this node's own writes as soon as they are confirmed, so that it is
//! never behind what its node knows. What comes late or twice changes nothing. It lives as long as its process; where the bucket
//! turns out to be another one, [`View::lost_all`] starts it anew.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, mem};

use serde::de::DeserializeOwned;

use super::{
    member::{Key, Member, Owner, from_json},
    placement::place,
};
use crate::message::Address;

/// All that one node knows of the others.
#[derive(Debug)]
pub struct View {
    journals: Vec<(Address, String)>,
    lease_ms: u64,
    began_ms: u64,
    /// It began when the bucket was lost.
    is_anew: bool,
    /// Since when nothing can be heard, if so.
    deaf_since_ms: Option<u64>,
    is_complete: bool,
    nodes: BTreeMap<String, Kept<Member>>,
    owners: BTreeMap<Address, Kept<Owner>>,
    pins: BTreeMap<Address, Kept<String>>,
    drains: BTreeMap<String, Kept<u64>>,
}

/// The newest that was heard of a key.
#[derive(Debug)]
struct Kept<T> {
    revision: u64,
    /// When this revision was heard of.
    since_ms: u64,
    said: Said<T>,
}

#[derive(Debug)]
enum Said<T> {
    This(T),
    /// Counts as if it were not there, but must be named to be replaced.
    Unreadable,
    Deleted,
}

/// Who runs a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owned<'a> {
    /// The node's name.
    pub node: &'a str,
    /// Its process.
    pub incarnation: u64,
    /// The revision under which that process wrote it.
    pub term: u64,
    /// Whether that process is alive.
    pub is_live: bool,
}

/// A node that has been heard of and has not left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it last said of itself.
    pub member: &'a Member,
    /// How long ago that was, in milliseconds.
    pub heard_ms_ago: u64,
    /// Whether it is alive.
    pub is_live: bool,
    /// Whether it gives away all that it runs, because it says so or an operator does.
    pub is_draining: bool,
}

/// Why something from the bucket is not understood. It counts as if it were not there.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// A key of a kind that this version does not know.
    #[error("the key {0} is of no known kind")]
    Key(String),
    /// A journal that this deployment does not have.
    #[error("the key {0} is about a journal that this deployment does not have")]
    Journal(String),
    /// A value that is not what its key should have.
    #[error("the value of {key} can't be read")]
    Value {
        /// Its key.
        key: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl View {
    /// Nothing is known yet but the deployment's `journals`, with their names. A node is dead when it has not been heard of for
    /// `lease_ms` milliseconds.
    #[must_use]
    pub fn new(mut journals: Vec<(Address, String)>, lease_ms: u64, now_ms: u64) -> Self {
        journals.sort_unstable();
        Self {
            journals,
            lease_ms,
            began_ms: now_ms,
            is_anew: false,
            deaf_since_ms: None,
            is_complete: false,
            nodes: BTreeMap::new(),
            owners: BTreeMap::new(),
            pins: BTreeMap::new(),
            drains: BTreeMap::new(),
        }
    }

    /// A key has this value since `revision` (none: it was deleted). Revisions that are not newer than what is known of the key
    /// change nothing.
    ///
    /// # Errors
    /// It is not understood, and counts as if it were not there.
    pub fn heard(&mut self, key: &str, revision: u64, value: Option<&[u8]>, now_ms: u64) -> Result<(), Unreadable> {
        let read = match Key::parse(key) {
            None => return Err(Unreadable::Key(key.to_owned())),
            // Who takes the journal over looks for it itself.
            Some(Key::Adopt(_)) => Ok(()),
            Some(Key::Node(name)) => keep(&mut self.nodes, name.to_owned(), revision, value, now_ms),
            Some(Key::Drain(name)) => keep(&mut self.drains, name.to_owned(), revision, value, now_ms),
            Some(Key::Own(name)) => match self.address_of(name) {
                Some(journal) => keep(&mut self.owners, journal, revision, value, now_ms),
                None => return Err(Unreadable::Journal(key.to_owned())),
            },
            Some(Key::Pin(name)) => match self.address_of(name) {
                Some(journal) => keep(&mut self.pins, journal, revision, value, now_ms),
                None => return Err(Unreadable::Journal(key.to_owned())),
            },
        };
        read.map_err(|source| Unreadable::Value { key: key.to_owned(), source })
    }

    /// All that was in the bucket when the watch began has been heard. Nothing is planned before.
    pub fn heard_all(&mut self) {
        self.is_complete = true;
    }

    /// The bucket was made anew, or went back to what it was earlier: all is forgotten, until it is heard again.
    ///
    /// The others have the lease time to write so again: before, nothing is taken and nobody asked.
    pub fn lost_all(&mut self, now_ms: u64) {
        let journals = mem::take(&mut self.journals);
        *self = Self { is_anew: true, ..Self::new(journals, self.lease_ms, now_ms) };
    }

    /// From now on nothing can be heard of anybody: the bucket is silent, or the watch of it. That says nothing of the others, so
    /// until then nobody who is alive dies.
    pub fn goes_deaf(&mut self, now_ms: u64) {
        self.deaf_since_ms.get_or_insert(now_ms);
    }

    /// It is heard again. Who was alive before has the lease time to be heard.
    pub fn hears(&mut self, now_ms: u64) {
        let Some(deaf_since_ms) = self.deaf_since_ms.take() else { return };
        let lease_ms = self.lease_ms;
        let alive = self.nodes.values_mut().filter(|kept| deaf_since_ms < kept.since_ms.saturating_add(lease_ms));
        alive.for_each(|kept| kept.since_ms = kept.since_ms.max(now_ms));
    }

    /// Whether all has been heard that was there when the watch began.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// All journals of the deployment, with their names, in the order of their addresses.
    #[must_use]
    pub fn journals(&self) -> &[(Address, String)] {
        &self.journals
    }

    /// Whether this node is alive. One that has left is not; one that has never been heard of gets the lease time, from when
    /// this view began, to be heard.
    #[must_use]
    pub fn is_live(&self, node: &str, now_ms: u64) -> bool {
        let now_ms = self.deaf_since_ms.unwrap_or(now_ms).min(now_ms);
        match self.nodes.get(node) {
            Some(kept) => kept.said.this().is_some() && now_ms < kept.since_ms.saturating_add(self.lease_ms),
            None => now_ms < self.begun_ms(),
        }
    }

    /// Who runs this journal; none if nobody says so.
    #[must_use]
    pub fn owner(&self, journal: Address, now_ms: u64) -> Option<Owned<'_>> {
        let kept = self.owners.get(&journal)?;
        let Owner { node, incarnation } = kept.said.this()?;
        // One folder has one process: the one before is gone, whatever its lease.
        let is_replaced = self.member(node).is_some_and(|member| member.incarnation != *incarnation);
        let is_live = !is_replaced && self.is_live(node, now_ms);
        Some(Owned { node, incarnation: *incarnation, term: kept.revision, is_live })
    }

    /// The revision of the journal's own key, readable or not; none if there is no such key.
    #[must_use]
    pub fn own_revision(&self, journal: Address) -> Option<u64> {
        self.owners.get(&journal).filter(|kept| !matches!(kept.said, Said::Deleted)).map(|kept| kept.revision)
    }

    /// Whether silence says something: not for the lease time after the bucket was lost, in which the others are about to say
    /// again who they are and what they run.
    #[must_use]
    pub fn is_settled(&self, now_ms: u64) -> bool {
        !self.is_anew || now_ms >= self.begun_ms()
    }

    /// What the node last said of itself, alive or not; none if it has left or was never heard of.
    #[must_use]
    pub fn member(&self, node: &str) -> Option<&Member> {
        self.nodes.get(node)?.said.this()
    }

    /// All nodes that have been heard of and have not left, in the order of their names.
    pub fn members(&self, now_ms: u64) -> impl Iterator<Item = Known<'_>> {
        self.nodes.iter().filter_map(move |(name, kept)| {
            let member = kept.said.this()?;
            let drained = self.drains.get(name).and_then(|kept| kept.said.this());
            Some(Known {
                name,
                member,
                heard_ms_ago: now_ms.saturating_sub(kept.since_ms),
                is_live: self.is_live(name, now_ms),
                is_draining: member.draining || drained == Some(&member.incarnation),
            })
        })
    }

    /// Where each journal is served, and each door is, as far as their nodes are alive.
    pub fn addresses(&self, now_ms: u64) -> impl Iterator<Item = (Address, &str)> {
        let journals = self.owners.keys().filter_map(move |journal| {
            let owner = self.owner(*journal, now_ms).filter(|owner| owner.is_live)?;
            Some((*journal, owner.node))
        });
        let doors = self.members(now_ms).filter(|known| known.is_live);
        journals.chain(doors.map(|known| (Address::Gateway(known.member.door), known.name)))
    }

    /// Where an operator wants this journal.
    #[must_use]
    pub fn pin(&self, journal: Address) -> Option<&str> {
        self.pins.get(&journal)?.said.this().map(String::as_str)
    }

    /// Where each journal belongs, by all that is known. Those that no node may run are missing.
    #[must_use]
    pub fn placement(&self, now_ms: u64) -> BTreeMap<Address, &str> {
        self.placement_without(None, now_ms)
    }

    fn placement_without(&self, left_out: Option<&str>, now_ms: u64) -> BTreeMap<Address, &str> {
        let nodes = self.members(now_ms).filter(|known| known.is_live && !known.is_draining);
        let nodes = nodes.filter(|known| Some(known.name) != left_out);
        let nodes = nodes.map(|known| (known.name, known.member.roles)).collect();
        let pins = self.journals.iter().filter_map(|(journal, _)| Some((*journal, self.pin(*journal)?))).collect();
        place(&self.journals, &nodes, &pins)
    }

    /// Which journals this node would run if their present owner died, and it alone.
    #[must_use]
    pub fn standbys(&self, node: &str, now_ms: u64) -> Vec<Address> {
        let owned =
            self.journals.iter().filter_map(|(journal, _)| Some((*journal, self.owner(*journal, now_ms)?.node)));
        let mut by_owner: BTreeMap<&str, Vec<Address>> = BTreeMap::new();
        owned.for_each(|(journal, owner)| by_owner.entry(owner).or_default().push(journal));
        by_owner.remove(node);
        let mine = by_owner.into_iter().flat_map(|(owner, journals)| {
            let without = self.placement_without(Some(owner), now_ms);
            journals.into_iter().filter(move |journal| without.get(journal) == Some(&node)).collect::<Vec<_>>()
        });
        let mut mine: Vec<_> = mine.collect();
        mine.sort_unstable();
        mine
    }

    /// How long until something changes that nobody will say: a node expires, unless it is heard, or nodes and journals without
    /// a word have had their time. In milliseconds, at least 1; none if nothing will.
    #[must_use]
    pub fn wait_ms(&self, now_ms: u64) -> Option<u64> {
        let heard = self.nodes.values().filter(|kept| kept.said.this().is_some());
        let expiries = heard.map(|kept| kept.since_ms.saturating_add(self.lease_ms));
        expiries.chain([self.begun_ms()]).filter_map(|at_ms| at_ms.checked_sub(now_ms)).filter(|ms| *ms > 0).min()
    }

    /// From when on silence says something.
    fn begun_ms(&self) -> u64 {
        self.began_ms.saturating_add(self.lease_ms)
    }

    fn address_of(&self, name: &str) -> Option<Address> {
        self.journals.iter().find(|(_, known)| known == name).map(|(journal, _)| *journal)
    }
}

impl<T> Said<T> {
    fn this(&self) -> Option<&T> {
        match self {
            Self::This(value) => Some(value),
            Self::Unreadable | Self::Deleted => None,
        }
    }
}

fn keep<K: Ord, T: DeserializeOwned>(
    facts: &mut BTreeMap<K, Kept<T>>,
    of: K,
    revision: u64,
    value: Option<&[u8]>,
    now_ms: u64,
) -> Result<(), serde_json::Error> {
    if facts.get(&of).is_some_and(|kept| revision <= kept.revision) {
        return Ok(());
    }
    let (said, result) = match value.map(from_json) {
        None => (Said::Deleted, Ok(())),
        Some(Ok(value)) => (Said::This(value), Ok(())),
        Some(Err(error)) => (Said::Unreadable, Err(error)),
    };
    facts.insert(of, Kept { revision, since_ms: now_ms, said });
    result
}
