//! A random load, and what a client knows of it.

use std::collections::BTreeMap;

use remit_actors::message::{LegWord, Progress, Status};
use remit_core::{
    account::{Change, Kind},
    id::TransferId,
    money::Direction,
    protocol::Protocol,
};

use crate::{
    stage::Stage,
    world::{account, transfer_id},
};

/// The accounts of the load; the last one is never opened.
pub(crate) const ACCOUNTS: [&str; 6] = ["s0:world", "s0:alice", "s1:bob", "s2:carol", "s2:dave", "s1:nobody"];

/// What a client knows: each transfer with its legs, and what it was told of its end.
#[derive(Default)]
pub(crate) struct Known(pub(crate) BTreeMap<u64, Vec<(&'static str, Direction, i64)>>);

/// What was posted on an account, as counts and sums: out, in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) debits: u64,
    pub(crate) debited: i128,
    pub(crate) credits: u64,
    pub(crate) credited: i128,
}

/// Opens the accounts.
pub(crate) fn open(stage: &mut Stage) {
    stage.world.start();
    for id in ACCOUNTS {
        match id {
            "s1:nobody" => {}
            "s0:world" => stage.world.open_account(id, Kind::External),
            id => stage.world.open_account(id, Kind::Customer),
        }
    }
    stage.world.settle();
}

impl Known {
    /// Submits some transfers and lets some of what they lead to happen.
    pub(crate) fn go_on(&mut self, stage: &mut Stage) {
        for _ in 0..=stage.throw(4) {
            let n = u64::try_from(self.0.len()).unwrap() + 1;
            let protocols: Vec<Protocol> = Protocol::all().collect();
            let protocol = protocols[usize::try_from(stage.throw(3)).unwrap()];
            let amount = i64::from(1 + stage.throw(300));
            let pick = |stage: &mut Stage, of: u32| ACCOUNTS[usize::try_from(stage.throw(of)).unwrap()];
            let (from, to) = (pick(stage, 5), pick(stage, 6));
            if from == to {
                continue;
            }
            let third = pick(stage, 5);
            let mut legs = vec![(from, Direction::Debit, amount), (to, Direction::Credit, amount)];
            if amount > 1 && third != from && third != to {
                legs = vec![
                    (from, Direction::Debit, amount),
                    (third, Direction::Credit, 1),
                    (to, Direction::Credit, amount - 1),
                ];
            }
            stage.world.submit_legs(n, protocol, &legs);
            self.0.insert(n, legs);
        }
        for _ in 0..stage.throw(12) {
            let Some(address) = stage.world.waiting().into_iter().next() else { break };
            stage.world.turn(address);
        }
        if stage.throw(10) == 0 {
            let change = if stage.throw(2) == 0 { Change::Freeze } else { Change::Unfreeze };
            let command = 1 << 50 | u64::from(stage.throw(u32::MAX));
            stage.world.change("s2:dave", change, command);
        }
        stage.world.now = stage.now().plus_ms(u64::from(stage.throw(40_000)));
    }

    /// Ends the load: every transfer has an end.
    pub(crate) fn settle(&self, stage: &mut Stage) {
        stage.world.settle();
        stage.pass(120_000);
        for n in self.0.keys() {
            assert!(matches!(self.progress(stage, *n).status, Status::Ended(_)), "{n}");
        }
    }

    /// What a client is told of a transfer.
    pub(crate) fn progress(&self, stage: &mut Stage, n: u64) -> Progress {
        stage.world.progress(n)
    }

    /// What the ends of all transfers say was posted on each account.
    pub(crate) fn sums(&self, stage: &mut Stage) -> BTreeMap<&'static str, Sums> {
        let mut sums: BTreeMap<&'static str, Sums> = BTreeMap::new();
        for (n, legs) in &self.0 {
            let words = self.progress(stage, *n).legs;
            for ((account, direction, amount), word) in legs.iter().zip(words) {
                let (posted, put_back) = match word {
                    LegWord::Posted => (true, false),
                    LegWord::Compensated => (true, true),
                    _ => continue,
                };
                let sums = sums.entry(account).or_default();
                let amount = i128::from(*amount);
                if posted && *direction == Direction::Debit {
                    (sums.debits, sums.debited) = (sums.debits + 1, sums.debited + amount);
                }
                if posted && *direction == Direction::Credit || put_back {
                    (sums.credits, sums.credited) = (sums.credits + 1, sums.credited + amount);
                }
            }
        }
        sums
    }

    /// The transfers on an account.
    pub(crate) fn on(&self, id: &str) -> Vec<TransferId> {
        let touches = |legs: &[(&str, Direction, i64)]| legs.iter().any(|(account, ..)| *account == id);
        self.0.iter().filter(|(_, legs)| touches(legs)).map(|(n, _)| transfer_id(*n)).collect()
    }
}

/// All accounts as their ids.
pub(crate) fn ids() -> impl Iterator<Item = (&'static str, remit_core::id::AccountId)> {
    ACCOUNTS.into_iter().map(|id| (id, account(id)))
}
