//! A state of a small world, and what two of them must have in common to be one.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use remit_core::{
    ledger::Transit,
    protocol::Decision,
    transfer::{End, Transfer},
};

use crate::{laws::Slip, manager::Managed, network::Said, shard::Shard};

/// How many shards a small world has.
pub const SHARDS: usize = 2;

/// Everything there is at one moment.
#[derive(Clone, Debug)]
pub struct State {
    /// The shards' databases.
    pub shards: [Arc<Shard>; SHARDS],
    /// What the manager has of each transfer, on disk and in memory.
    pub managed: Vec<Managed>,
    /// All that was ever said.
    pub said: Said,
    /// Whether the manager may still crash.
    pub may_crash: bool,
    /// A law about steps, and not about states, that was broken on the way.
    pub slip: Option<Slip>,
}

impl State {
    /// Whether every transfer has ended.
    #[must_use]
    pub fn all_ended(&self) -> bool {
        self.managed.iter().all(|managed| managed.end.is_some())
    }
}

/// Two states are one if no law and nothing that can happen tells them apart.
///
/// Starts, routes and terms are left out: they are the world's, and the same in all of its states. Of what an incarnation
/// has asked of each leg only whether it has asked at all is kept, which the events protocol looks at. The rest can only
/// make it say less, and silence, which may come at any moment, makes it say all of that and more, whatever it has asked
/// before; so of two states that differ in nothing else, either one's successors say what the other's do.
impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.said == other.said
            && self.may_crash == other.may_crash
            && self.slip == other.slip
            && self.managed.iter().zip(&other.managed).all(|(one, other)| same_managed(one, other))
            && self.shards.iter().zip(&other.shards).all(|(one, other)| same_shard(one, other))
    }
}

impl Eq for State {}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.said, self.may_crash, self.slip).hash(hasher);
        for managed in &self.managed {
            decision_key(managed.decision).hash(hasher);
            end_key(managed.end).hash(hasher);
            managed.open.is_some().hash(hasher);
            if let Some(transfer) = &managed.open {
                transfer.answers().for_each(|answer| answer.hash(hasher));
                transfer.is_untouched().hash(hasher);
                transfer.given_up().hash(hasher);
                transfer.parked().is_some().hash(hasher);
            }
        }
        for shard in &self.shards {
            shard.legs.len().hash(hasher);
            for (id, leg) in &shard.legs {
                (id, leg.state).hash(hasher);
            }
            let Transit { balance, posted, held, incoming, undecided } = shard.transit;
            (balance, posted, held, incoming, undecided).hash(hasher);
            for account in shard.accounts.values() {
                let money = account.balances;
                (money.posted, money.held, money.incoming, money.undecided).hash(hasher);
                account.version.hash(hasher);
            }
        }
    }
}

fn same_managed(one: &Managed, other: &Managed) -> bool {
    one.decision == other.decision
        && one.end == other.end
        && match (&one.open, &other.open) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other) || same_memory(one, other),
            (one, other) => one.is_some() == other.is_some(),
        }
}

fn same_memory(one: &Transfer, other: &Transfer) -> bool {
    one.answers().eq(other.answers())
        && one.is_untouched() == other.is_untouched()
        && one.given_up() == other.given_up()
        && one.parked() == other.parked()
}

fn same_shard(one: &Arc<Shard>, other: &Arc<Shard>) -> bool {
    Arc::ptr_eq(one, other) || one.accounts == other.accounts && one.transit == other.transit && one.legs == other.legs
}

fn decision_key(decision: Option<Decision>) -> impl Hash {
    decision.map(|decision| match decision {
        Decision::Commit => None,
        Decision::Abort(reason) => Some(reason),
    })
}

fn end_key(end: Option<End>) -> impl Hash {
    end.map(|end| (end.outcome, end.reason))
}
