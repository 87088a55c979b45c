//! A node's process: the product's view and plan, and the least of an agent around them.

use std::collections::BTreeMap;

use remit_core::id::Time;

use super::bucket::{Bucket, Entry};
use crate::{
    cluster::{
        member::{Key, Member, Roles},
        plan::{Act, Hosting, Me, next, wait_ms},
        view::View,
    },
    message::Address,
};

pub(super) const LEASE_MS: u64 = 1_500;

/// How long a refusal keeps it from trying again.
const REFUSED_MS: u64 = 2_000;

pub(super) struct Process {
    pub(super) me: Me,
    pub(super) roles: Roles,
    pub(super) is_leaving: bool,
    /// What its monotonic clock shows when the world begins.
    clock_ms: u64,
    pub(super) view: View,
    pub(super) hosting: BTreeMap<Address, Hosting>,
    /// The bucket's generation in which it wrote each term.
    pub(super) written_in: BTreeMap<Address, u32>,
    pub(super) beat: u64,
    /// Nothing reaches it, or anybody from it, until then, in the world's time.
    pub(super) cut_until_ms: u64,
    /// The generation that it watches, and how many entries of it have been delivered.
    pub(super) watched: Option<(u32, usize)>,
    /// What it waits for, by the number of the request.
    pub(super) pending: BTreeMap<u64, Pending>,
    /// Which of the looks that were planned is the newest.
    pub(super) look: u64,
}

#[derive(Clone, Copy)]
pub(super) enum Pending {
    Beat { sent_ms: u64 },
    Ask { journal: Address, term: u64 },
    Take { journal: Address },
    Rewrite { journal: Address },
}

impl Process {
    pub(super) fn new(
        node: &str,
        incarnation: u64,
        roles: Roles,
        journals: &[(Address, String)],
        clock_ms: u64,
        now_ms: u64,
    ) -> Self {
        Self {
            me: Me { node: node.to_owned(), incarnation, lease_until_ms: 0 },
            roles,
            is_leaving: false,
            clock_ms,
            view: View::new(journals.to_vec(), LEASE_MS, clock_ms + now_ms),
            hosting: BTreeMap::new(),
            written_in: BTreeMap::new(),
            beat: 0,
            cut_until_ms: 0,
            watched: None,
            pending: BTreeMap::new(),
            look: 0,
        }
    }

    /// Its own clock, which nobody else ever sees.
    pub(super) fn clock(&self, now_ms: u64) -> u64 {
        self.clock_ms + now_ms
    }

    pub(super) fn has_lease(&self, now_ms: u64) -> bool {
        self.clock(now_ms) < self.me.lease_until_ms
    }

    /// The term under which it holds the journal, with the bucket's generation.
    pub(super) fn term(&self, journal: Address) -> Option<(u32, u64)> {
        match self.hosting.get(&journal)? {
            Hosting::Running { term } | Hosting::Coming { term: Some(term) } => {
                Some((*self.written_in.get(&journal)?, *term))
            }
            Hosting::Coming { term: None } | Hosting::Going | Hosting::Refused { .. } => None,
        }
    }

    pub(super) fn is_running(&self, journal: Address) -> bool {
        matches!(self.hosting.get(&journal), Some(Hosting::Running { .. }))
    }

    pub(super) fn member(&self) -> Member {
        let Me { node, incarnation, .. } = &self.me;
        Member {
            id: node.clone(),
            incarnation: *incarnation,
            roles: self.roles,
            draining: self.is_leaving,
            door: self.me.incarnation,
            version: 1,
            program: String::new(),
            started_at: Time(0),
            at: Time(0),
            beat: self.beat,
        }
    }

    fn hear(&mut self, entries: &[Entry], now_ms: u64) {
        let clock_ms = self.clock(now_ms);
        for Entry { key, revision, value } in entries {
            self.view.heard(key, *revision, value.as_deref(), clock_ms).unwrap();
        }
    }

    /// Takes what the bucket has for it, up to its entry number `until`.
    pub(super) fn watch(&mut self, bucket: &Bucket, until: usize, now_ms: u64) {
        match self.watched {
            Some((generation, from)) if generation == bucket.generation => {
                let until = until.min(bucket.log.len()).max(from);
                self.hear(&bucket.log[from..until], now_ms);
                self.watched = Some((generation, until));
            }
            before => {
                if before.is_some() {
                    self.view.lost_all(self.clock(now_ms));
                    // What was asked of the old bucket is of no use, and its revisions mean nothing in the new one.
                    self.pending.clear();
                    self.hosting.retain(|_, hosted| *hosted != Hosting::Coming { term: None });
                }
                self.hear(&bucket.snapshot(), now_ms);
                self.view.heard_all();
                self.watched = Some((bucket.generation, bucket.log.len()));
            }
        }
    }

    /// What it wants to do now; nothing while it writes what was lost.
    pub(super) fn acts(&self, now_ms: u64) -> Vec<Act> {
        if self.pending.values().any(|pending| matches!(pending, Pending::Rewrite { .. })) {
            return Vec::new();
        }
        next(&self.view, &self.me, &self.hosting, self.clock(now_ms))
    }

    pub(super) fn wait_ms(&self, now_ms: u64) -> Option<u64> {
        wait_ms(&self.view, &self.hosting, self.clock(now_ms))
    }

    /// It wrote the own key.
    pub(super) fn wrote(&mut self, journal: Address, term: u64, value: &[u8], generation: u32, now_ms: u64) {
        let name = self.view.journals().iter().find(|(known, _)| *known == journal).unwrap().1.clone();
        let clock_ms = self.clock(now_ms);
        self.view.heard(&Key::Own(&name).to_string(), term, Some(value), clock_ms).unwrap();
        self.written_in.insert(journal, generation);
    }

    pub(super) fn refused(&mut self, journal: Address, now_ms: u64) {
        let not_before_ms = self.clock(now_ms) + REFUSED_MS;
        self.hosting.insert(journal, Hosting::Refused { not_before_ms });
    }

    /// Another node wants the journal: whether it may have it. None: once it is drained.
    pub(super) fn asked(&self, journal: Address, by: &str, now_ms: u64) -> Option<bool> {
        if self.view.placement(self.clock(now_ms)).get(&journal) != Some(&by) {
            return Some(false);
        }
        match self.hosting.get(&journal) {
            Some(Hosting::Running { .. }) => None,
            Some(Hosting::Coming { .. } | Hosting::Going) => Some(false),
            Some(Hosting::Refused { .. }) | None => Some(true),
        }
    }
}
