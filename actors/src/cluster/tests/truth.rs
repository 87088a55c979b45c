//! What must be true of that world, seen from outside of it.

use std::collections::{BTreeMap, BTreeSet};

use super::{process::Process, world::World};
use crate::{
    cluster::{
        member::{Key, Owner},
        placement::place,
        plan::Hosting,
    },
    message::Address,
};

impl World {
    /// A term that two nodes with a lease hold.
    pub(super) fn term_of_two(&self) -> Option<String> {
        let leased = || self.processes.values().filter(|process| process.has_lease(self.now_ms));
        self.journals.iter().find_map(|(journal, name)| {
            let mut terms = BTreeSet::new();
            let twice = leased().filter_map(|process| process.term(*journal)).find(|term| !terms.insert(*term))?;
            Some(format!("the term {twice:?} of {name} has two nodes"))
        })
    }

    /// A journal that two nodes run.
    pub(super) fn run_by_two(&self) -> Option<String> {
        self.journals.iter().find_map(|(journal, name)| {
            let count = self.processes.values().filter(|process| process.is_running(*journal)).count();
            (count > 1).then(|| format!("{count} nodes run {name}"))
        })
    }

    /// Whether each journal runs where it should, says so, and runs nowhere else; if not, why.
    pub(super) fn is_settled(&self) -> Result<(), String> {
        let gives_away = |process: &&Process| {
            process.is_leaving || self.bucket.read(Key::Drain(&process.me.node)) == Some(process.me.incarnation)
        };
        let takers = self.processes.values().filter(|process| !gives_away(process));
        let nodes = takers.map(|process| (process.me.node.as_str(), process.roles)).collect();
        let pins: BTreeMap<Address, String> = self
            .journals
            .iter()
            .filter_map(|(journal, name)| Some((*journal, self.bucket.read(Key::Pin(name))?)))
            .collect();
        let pins = pins.iter().map(|(journal, node)| (*journal, node.as_str())).collect();
        let placed = place(&self.journals, &nodes, &pins);
        for (journal, name) in &self.journals {
            let Some(owner) = self.bucket.read::<Owner>(Key::Own(name)) else {
                return Err(format!("{name} has no owner"));
            };
            let term = self.bucket.revision(Key::Own(name)).map(|revision| (self.bucket.generation, revision));
            let Some(process) = self.processes.get(&owner.incarnation) else {
                return Err(format!("{name} has the owner {owner:?}, which is gone"));
            };
            if !process.is_running(*journal) || process.term(*journal) != term || !process.has_lease(self.now_ms) {
                return Err(format!("{owner:?} does not run {name} under {term:?}"));
            }
            // One that no node may run stays where it is.
            if placed.get(journal).is_some_and(|node| *node != owner.node) {
                return Err(format!("{name} is at {} and should be at {}", owner.node, placed[journal]));
            }
            let held = |other: &&Process| !matches!(other.hosting.get(journal), None | Some(Hosting::Refused { .. }));
            let holders = self.processes.values().filter(held).count();
            if holders > 1 {
                return Err(format!("{holders} nodes have to do with {name}"));
            }
        }
        Ok(())
    }
}
