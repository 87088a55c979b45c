//! Time, and messages with random delays.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write as _,
};

use remit_core::id::{PartitionNo, ShardNo, default_name};

use super::{
    bucket::Bucket,
    process::{LEASE_MS, Pending, Process},
};
use crate::{
    cluster::{
        member::{Key, Owner, Roles, to_json},
        plan::{Act, Hosting},
    },
    faults::Dice,
    message::Address,
};

const BEAT_MS: u64 = 500;
const DELAY_MS_MAX: u64 = 120;
const ANSWER_WITHIN_MS: u64 = 1_000;

/// Processes go by their incarnations, so that nothing reaches the one that comes after.
pub(super) enum Event {
    Start { node: String },
    Connect { to: u64 },
    Delivered { to: u64, generation: u32, until: usize },
    Beat { of: u64 },
    Look { of: u64, no: u64 },
    Write { by: u64, request: u64, key: String, expect: Expect, value: Vec<u8> },
    Written { to: u64, request: u64, generation: u32, revision: Option<u64>, value: Vec<u8> },
    Asked { by: u64, node: String, from: String, request: u64, journal: Address },
    Answered { to: u64, request: u64, yes: bool },
    TimedOut { of: u64, request: u64 },
    Opened { by: u64, journal: Address },
    Drained { by: u64, journal: Address, asked: Option<(u64, u64)> },
}

#[derive(Clone, Copy)]
pub(super) enum Expect {
    Anything,
    Revision(Option<u64>),
}

pub(super) struct World {
    pub(super) now_ms: u64,
    pub(super) dice: Dice,
    pub(super) journals: Vec<(Address, String)>,
    pub(super) bucket: Bucket,
    pub(super) processes: BTreeMap<u64, Process>,
    events: BTreeMap<(u64, u64), Event>,
    /// Events, requests and incarnations so far.
    count: u64,
    pub(super) names: usize,
    owners_written: u64,
    story: VecDeque<String>,
}

impl World {
    /// Three nodes that start at once.
    pub(super) fn new(seed: u64) -> Self {
        let shards = (0..5).map(|no| (Address::Shard(ShardNo(no)), default_name('s', no)));
        let managers = (0..2).map(|no| (Address::Manager(PartitionNo(no)), default_name('m', no)));
        let journals = shards.chain(managers).chain([(Address::Projector, "p0".to_owned())]).collect();
        let mut world = Self {
            now_ms: 0,
            dice: Dice::new(seed, 0),
            journals,
            bucket: Bucket::default(),
            processes: BTreeMap::new(),
            events: BTreeMap::new(),
            count: 0,
            names: 0,
            owners_written: 0,
            story: VecDeque::new(),
        };
        for _ in 0..3 {
            world.join();
        }
        world
    }

    /// How often a journal got another owner.
    pub(super) fn owners_written(&self) -> u64 {
        self.owners_written
    }

    /// The end of the story so far.
    pub(super) fn told(&self) -> String {
        let mut told = self.story.iter().map(|line| format!("{line}\n")).collect::<String>();
        for process in self.processes.values() {
            let _ = writeln!(told, "{:?} {:?}", process.me, process.hosting);
        }
        told
    }

    pub(super) fn go_on(&mut self, ms: u64, check: &impl Fn(&Self)) {
        let until_ms = self.now_ms + ms;
        while let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= until_ms) {
            let ((at_ms, _), event) = entry.remove_entry();
            self.now_ms = at_ms;
            self.happen(event);
            check(self);
        }
        self.now_ms = until_ms;
    }

    pub(super) fn start(&mut self, node: &str) {
        self.count += 1;
        let incarnation = self.count;
        // Every third lacks a role.
        let roles = Roles { manager: !node.ends_with(['2', '5', '8']), ..Roles::ALL };
        let clock_ms = self.dice.below(1_000_000);
        let process = Process::new(node, incarnation, roles, &self.journals, clock_ms, self.now_ms);
        self.processes.insert(incarnation, process);
        self.tell(format!("{node} starts as {incarnation}"));
        self.soon(Event::Connect { to: incarnation });
        self.after(DELAY_MS_MAX, Event::Beat { of: incarnation });
    }

    fn happen(&mut self, event: Event) {
        let now_ms = self.now_ms;
        match event {
            Event::Start { node } => {
                if self.processes.values().all(|process| process.me.node != node) {
                    self.start(&node);
                }
            }
            Event::Connect { to } => {
                let all = self.bucket.log.len();
                self.deliver(to, all);
            }
            Event::Delivered { to, generation, until } => {
                let watched = self.processes.get(&to).and_then(|process| process.watched);
                if generation == self.bucket.generation && watched.is_some_and(|(of, _)| of == generation) {
                    self.deliver(to, until);
                }
            }
            Event::Beat { of } => self.beat(of),
            Event::Look { of, no } => {
                if self.processes.get(&of).is_some_and(|process| process.look == no) {
                    self.look(of);
                }
            }
            Event::Write { by, request, key, expect, value } => {
                if !self.is_cut(by) {
                    let key = Key::parse(&key).unwrap();
                    let revision = self.write(key, expect, Some(value.clone()));
                    let generation = self.bucket.generation;
                    self.soon(Event::Written { to: by, request, generation, revision, value });
                }
            }
            Event::Written { to, request, generation, revision, value } => {
                if !self.is_cut(to) {
                    self.written(to, request, generation, revision, &value);
                }
            }
            Event::Asked { by, node, from, request, journal } => {
                let asked = self.processes.values().find(|process| process.me.node == from);
                let Some(asked) = asked.map(|process| process.me.incarnation).filter(|asked| !self.is_cut(*asked))
                else {
                    return;
                };
                match self.process(asked).asked(journal, &node, now_ms) {
                    Some(yes) => self.soon(Event::Answered { to: by, request, yes }),
                    None => self.drain(asked, journal, Some((by, request))),
                }
            }
            Event::Answered { to, request, yes } => {
                if !self.is_cut(to) {
                    self.answered(to, request, yes);
                }
            }
            Event::TimedOut { of, request } => {
                let pending = self.processes.get_mut(&of).and_then(|process| process.pending.remove(&request));
                if let Some(Pending::Ask { journal, .. } | Pending::Take { journal }) = pending {
                    self.process(of).refused(journal, now_ms);
                }
                self.look(of);
            }
            Event::Opened { by, journal } => {
                if let Some(hosted) = self.processes.get_mut(&by).and_then(|process| process.hosting.get_mut(&journal))
                    && let Hosting::Coming { term: Some(term) } = *hosted
                {
                    *hosted = Hosting::Running { term };
                    self.tell(format!("{by} runs {journal:?}"));
                }
                self.look(by);
            }
            Event::Drained { by, journal, asked } => {
                let Some(process) = self.processes.get_mut(&by) else { return };
                process.hosting.remove(&journal);
                self.tell(format!("{by} no longer runs {journal:?}"));
                if let Some((to, request)) = asked.filter(|_| !self.is_cut(by)) {
                    self.soon(Event::Answered { to, request, yes: true });
                }
                self.look(by);
            }
        }
    }

    fn deliver(&mut self, to: u64, until: usize) {
        if !self.is_cut(to) {
            let process = self.processes.get_mut(&to).expect("one that is gone is cut off");
            process.watch(&self.bucket, until, self.now_ms);
            self.look(to);
        }
    }

    fn beat(&mut self, of: u64) {
        let sent_ms = self.now_ms;
        let Some(process) = self.processes.get_mut(&of) else { return };
        process.beat += 1;
        let node = process.me.node.clone();
        // Where it is the last one, nobody asks for what it has.
        if process.is_leaving && process.hosting.is_empty() {
            self.processes.remove(&of);
            self.tell(format!("{of} leaves"));
            self.write(Key::Node(&node), Expect::Anything, None);
            return;
        }
        let value = to_json(&process.member());
        self.request(of, Pending::Beat { sent_ms }, &Key::Node(&node).to_string(), Expect::Anything, value);
        self.after(BEAT_MS, Event::Beat { of });
    }

    fn look(&mut self, of: u64) {
        let now_ms = self.now_ms;
        let Some(process) = self.processes.get_mut(&of) else { return };
        process.look += 1;
        let (no, acts) = (process.look, process.acts(now_ms));
        if let Some(ms) = process.wait_ms(now_ms) {
            self.after(ms, Event::Look { of, no });
        }
        for act in acts {
            self.tell(format!("{of} {act:?}"));
            match act {
                Act::Take { journal, expect } => self.take(of, journal, expect),
                Act::Ask { journal, from, term } => {
                    let request = self.pending(of, Pending::Ask { journal, term });
                    let node = self.process(of).me.node.clone();
                    self.process(of).hosting.insert(journal, Hosting::Coming { term: None });
                    if !self.is_cut(of) {
                        self.soon(Event::Asked { by: of, node, from, request, journal });
                    }
                }
                Act::LetGo { journal } => self.drain(of, journal, None),
                Act::Rewrite { journal } => {
                    self.own(of, Pending::Rewrite { journal }, journal, None);
                }
            }
        }
    }

    fn take(&mut self, of: u64, journal: Address, expect: Option<u64>) {
        self.process(of).hosting.insert(journal, Hosting::Coming { term: None });
        self.own(of, Pending::Take { journal }, journal, expect);
    }

    fn own(&mut self, of: u64, pending: Pending, journal: Address, expect: Option<u64>) {
        let value = to_json(&Owner { node: self.process(of).me.node.clone(), incarnation: of });
        let key = format!("own.{}", self.name_of(journal));
        self.request(of, pending, &key, Expect::Revision(expect), value);
    }

    fn drain(&mut self, by: u64, journal: Address, asked: Option<(u64, u64)>) {
        self.process(by).hosting.insert(journal, Hosting::Going);
        let after_ms = self.dice.below(400);
        self.after(after_ms, Event::Drained { by, journal, asked });
    }

    fn written(&mut self, to: u64, request: u64, generation: u32, revision: Option<u64>, value: &[u8]) {
        let now_ms = self.now_ms;
        let process = self.process(to);
        match (process.pending.remove(&request), revision) {
            (Some(Pending::Beat { sent_ms }), Some(_)) => {
                process.me.lease_until_ms = process.clock(sent_ms) + LEASE_MS;
            }
            (Some(Pending::Take { journal }), Some(term)) => {
                process.wrote(journal, term, value, generation, now_ms);
                process.hosting.insert(journal, Hosting::Coming { term: Some(term) });
                let after_ms = self.dice.below(400);
                self.after(after_ms, Event::Opened { by: to, journal });
            }
            (Some(Pending::Take { journal }), None) => process.refused(journal, now_ms),
            (Some(Pending::Rewrite { journal }), Some(written)) => {
                process.wrote(journal, written, value, generation, now_ms);
                if let Some(Hosting::Running { term } | Hosting::Coming { term: Some(term) }) =
                    process.hosting.get_mut(&journal)
                {
                    *term = written;
                }
            }
            _ => {}
        }
        self.look(to);
    }

    fn answered(&mut self, to: u64, request: u64, yes: bool) {
        let now_ms = self.now_ms;
        if let Some(Pending::Ask { journal, term }) = self.process(to).pending.remove(&request) {
            if yes {
                self.take(to, journal, Some(term));
            } else {
                self.process(to).refused(journal, now_ms);
            }
        }
        self.look(to);
    }

    fn request(&mut self, by: u64, pending: Pending, key: &str, expect: Expect, value: Vec<u8>) {
        let request = self.pending(by, pending);
        if !self.is_cut(by) {
            self.soon(Event::Write { by, request, key: key.to_owned(), expect, value });
        }
    }

    fn pending(&mut self, of: u64, pending: Pending) -> u64 {
        self.count += 1;
        let request = self.count;
        self.process(of).pending.insert(request, pending);
        self.after(ANSWER_WITHIN_MS, Event::TimedOut { of, request });
        request
    }

    /// To the bucket, at once; watchers hear of it in their own time.
    pub(super) fn write(&mut self, key: Key<'_>, expect: Expect, value: Option<Vec<u8>>) -> Option<u64> {
        let revision = match (expect, value) {
            (Expect::Revision(revision), Some(value)) => self.bucket.write_if(key, revision, value),
            (_, value) => Some(self.bucket.write(key, value)),
        };
        if revision.is_some() {
            self.owners_written += u64::from(matches!(key, Key::Own(_)));
            let (generation, until) = (self.bucket.generation, self.bucket.log.len());
            let watchers: Vec<u64> = self.processes.keys().copied().collect();
            for to in watchers {
                self.soon(Event::Delivered { to, generation, until });
            }
        }
        revision
    }

    fn is_cut(&self, process: u64) -> bool {
        self.processes.get(&process).is_none_or(|process| self.now_ms < process.cut_until_ms)
    }

    pub(super) fn process(&mut self, incarnation: u64) -> &mut Process {
        self.processes.get_mut(&incarnation).expect("whoever is gone is not asked for")
    }

    fn name_of(&self, journal: Address) -> &str {
        &self.journals.iter().find(|(known, _)| *known == journal).expect("all journals are known").1
    }

    fn soon(&mut self, event: Event) {
        let after_ms = self.dice.below(DELAY_MS_MAX);
        self.after(after_ms, event);
    }

    pub(super) fn after(&mut self, ms: u64, event: Event) {
        self.count += 1;
        self.events.insert((self.now_ms + ms, self.count), event);
    }

    pub(super) fn tell(&mut self, line: String) {
        if self.story.len() == 60 {
            self.story.pop_front();
        }
        self.story.push_back(format!("{:>6} {line}", self.now_ms));
    }
}
