//! The auditor: takes the steps of R5 again and again while money moves, and must find that all is accounted for.

use std::collections::BTreeMap;

use remit_actors::message::{Address, Answer, AnswerBody, Ask, Message, Question};
use remit_core::{
    audit::{self, ShardView},
    id::{PartitionNo, Seq, ShardNo, TransferId},
    transfer::Start,
};

use super::Town;
use crate::checker::{Violation, violation};

/// The auditor's gateway.
pub(crate) const GATEWAY: u64 = 1 << 32;

/// An audit as far as it has come.
#[derive(Default)]
pub(crate) struct Auditor {
    tickets: u64,
    step: Step,
    is_full: bool,
    /// By ticket: whose answer is awaited, and the parts that have come.
    waiting: BTreeMap<u64, (Address, BTreeMap<u32, AnswerBody>)>,
    since: BTreeMap<ShardNo, Seq>,
    positions: BTreeMap<PartitionNo, Seq>,
    starts: Vec<Start>,
    unreadable: Vec<TransferId>,
    views: BTreeMap<ShardNo, ShardView>,
    /// Audits that came to their end.
    pub(crate) done: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    Idle,
    Positions,
    Open,
    Shards,
    Begun,
}

impl Auditor {
    /// Begins an audit; what was left of the one before is forgotten.
    pub(crate) fn begin(&mut self, town: &Town, is_full: bool) -> Vec<(Address, Message)> {
        *self = Self { tickets: self.tickets, done: self.done, is_full, ..Self::default() };
        self.take(Step::Positions, town)
    }

    /// Gives the present audit up.
    pub(crate) fn abandon(&mut self) {
        self.step = Step::Idle;
        self.waiting.clear();
    }

    fn take(&mut self, step: Step, town: &Town) -> Vec<(Address, Message)> {
        self.step = step;
        let shards = || town.genesis.shard_numbers().map(Address::Shard);
        let managers = || town.genesis.partition_numbers().map(Address::Manager);
        let whom: Vec<Address> = match step {
            Step::Idle => Vec::new(),
            Step::Positions | Step::Shards => shards().collect(),
            Step::Open | Step::Begun => managers().collect(),
        };
        let mut messages = Vec::new();
        for to in whom {
            let question = match (step, to) {
                (Step::Open, _) => Question::AuditOpen { full: self.is_full },
                (Step::Shards, Address::Shard(no)) => Question::AuditShard {
                    since: self.since.get(&no).copied().unwrap_or_default(),
                    transfers: self.starts.iter().map(|start| start.id).collect(),
                    unreadable: self.unreadable.clone(),
                    full: self.is_full,
                },
                (Step::Begun, Address::Manager(no)) => {
                    Question::AuditBegun { since: self.positions.get(&no).copied().unwrap_or_default() }
                }
                _ => Question::Position,
            };
            self.tickets += 1;
            self.waiting.insert(self.tickets, (to, BTreeMap::new()));
            messages.push((to, Message::Ask(Ask { ticket: self.tickets, from: Address::Gateway(GATEWAY), question })));
        }
        messages
    }

    /// Takes in an answer; what is to be asked next.
    ///
    /// # Errors
    /// Money is not accounted for.
    pub(crate) fn answered(&mut self, answer: &Answer, town: &Town) -> Result<Vec<(Address, Message)>, Violation> {
        let Some((from, parts)) = self.waiting.get_mut(&answer.ticket) else { return Ok(Vec::new()) };
        if let AnswerBody::Unavailable(_) = answer.body {
            self.abandon();
            return Ok(Vec::new());
        }
        parts.insert(answer.part, answer.body.clone());
        if parts.len() < answer.parts as usize {
            return Ok(Vec::new());
        }
        let from = *from;
        let Some((_, parts)) = self.waiting.remove(&answer.ticket) else { return Ok(Vec::new()) };
        for body in parts.into_values() {
            self.note(from, body);
        }
        if !self.waiting.is_empty() {
            return Ok(Vec::new());
        }
        match self.step {
            Step::Idle => Ok(Vec::new()),
            Step::Positions => Ok(self.take(Step::Open, town)),
            Step::Open => Ok(self.take(Step::Shards, town)),
            Step::Shards => Ok(self.take(Step::Begun, town)),
            Step::Begun => {
                self.step = Step::Idle;
                self.done += 1;
                self.conclude().map(|()| Vec::new())
            }
        }
    }

    fn note(&mut self, from: Address, body: AnswerBody) {
        match (from, body) {
            (Address::Shard(no), AnswerBody::Position(position)) => {
                self.since.insert(no, position.seq);
            }
            (Address::Manager(no), AnswerBody::AuditStarts { at, starts, unreadable }) => {
                if self.step == Step::Open {
                    self.positions.insert(no, at);
                    self.unreadable.extend(unreadable);
                }
                self.starts.extend(starts);
            }
            (Address::Shard(no), AnswerBody::AuditShard { view, .. }) => {
                let seen = self.views.entry(no).or_default();
                seen.totals.extend(view.totals);
                seen.legs.extend(view.legs);
                seen.by_rows.extend(view.by_rows);
            }
            _ => {}
        }
    }

    fn conclude(&self) -> Result<(), Violation> {
        for (currency, finding) in audit::compare(&self.starts, &self.views) {
            if !finding.is_conserved() {
                return Err(violation(Vec::new(), format!("an audit while money moves finds {currency} {finding:?}")));
            }
        }
        Ok(())
    }
}
