//! Those who use the deployment: clients that submit, ask again and change accounts, an operator, and an
//! auditor.

mod accounts;
mod auditor;
mod operator;
mod submits;

use std::collections::VecDeque;

use remit_actors::{
    faults::Dice,
    frame::{Frame, Outbox},
    genesis::Genesis,
    message::{Address, Message},
};
use remit_core::{
    id::{AccountId, TransferId},
    money::Currency,
};
use rustc_hash::FxHashMap;

pub(crate) use accounts::Commands;
pub(crate) use auditor::{Auditor, GATEWAY as AUDITOR};
pub(crate) use operator::{GATEWAY as OPERATOR, Operator};
pub(crate) use submits::Asked;

use crate::plan::Plan;

/// The throws of the first client; the others follow.
const PURPOSE: u64 = 100;

/// A client, behind a gateway of its own.
pub(crate) struct Client {
    pub(crate) no: usize,
    dice: Dice,
    asked: FxHashMap<TransferId, Asked>,
    /// What is asked again, in the order of when; one that has ended meanwhile is passed over.
    again: VecDeque<(i64, TransferId)>,
    order: Vec<TransferId>,
    commands: Commands,
    tickets: u64,
    has_funded: bool,
}

/// What all clients know.
pub(crate) struct Town {
    pub(crate) genesis: Genesis,
    pub(crate) currency: Currency,
    pub(crate) accounts: Vec<AccountId>,
    /// The worlds outside, one for each shard.
    pub(crate) worlds: Vec<AccountId>,
}

impl Town {
    pub(crate) fn new(plan: &Plan) -> Self {
        let shards: Vec<String> = (0..plan.shards).map(|no| format!("s{no}")).collect();
        let account = |shard: &String, name: String| {
            AccountId::parse(&format!("{shard}:{name}")).expect("letters and digits are a name")
        };
        let accounts =
            shards.iter().flat_map(|shard| (0..plan.accounts).map(move |no| account(shard, format!("a{no}"))));
        let worlds = shards.iter().map(|shard| account(shard, "world".into()));
        let (accounts, worlds) = (accounts.collect(), worlds.collect());
        let managers = plan.managers;
        let genesis =
            Genesis { deployment: "sim".into(), id: [7; 16], shards, managers, currencies: vec![], replicated: false };
        Self { genesis, currency: Currency::parse("EUR").expect("a currency"), accounts, worlds }
    }

    /// The shard that an account lives in.
    pub(crate) fn shard_of(&self, account: &AccountId) -> Address {
        Address::Shard(self.genesis.shard_of(account).expect("every account names its shard"))
    }

    pub(crate) fn manager_of(&self, transfer: &TransferId) -> Address {
        Address::Manager(self.genesis.partition_of(transfer))
    }
}

impl Client {
    pub(crate) fn new(no: usize, seed: u64) -> Self {
        Self {
            no,
            dice: Dice::new(seed, PURPOSE + no as u64),
            asked: FxHashMap::default(),
            again: VecDeque::new(),
            order: Vec::new(),
            commands: Commands::default(),
            tickets: (no as u64) << 48,
            has_funded: false,
        }
    }

    fn address(&self) -> Address {
        Address::Gateway(self.no as u64)
    }

    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }
}

/// Messages as frames, one for each destination and class.
pub(crate) fn frames(from: Address, messages: Vec<(Address, Message)>) -> Vec<(Address, Frame)> {
    let mut outbox = Outbox::new(from, 10_000);
    for (to, message) in messages {
        outbox.push(to, message, None);
    }
    outbox.into_frames(None)
}
