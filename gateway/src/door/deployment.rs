//! The deployment as a whole: its facts and totals.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::future::try_join_all;
use remit_actors::{
    message::{Address, AnswerBody, Position, Question},
    store::sqlite::FORMAT,
};
use remit_api::{
    Error,
    currency::Declared,
    deployment::{Deployment, InTransit, Placement, Totals, Versions},
};
use remit_core::money::Currency;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::{Door, asking::misunderstood};

/// Transfers ended in the last second, as far as this node knows.
#[derive(Default)]
pub(super) struct Rate(AtomicU64);

impl Door {
    /// Counts, each second, how many transfers have ended.
    pub(super) fn measure_rate(self: &Arc<Self>, runtime: &Handle) {
        let door: Weak<Self> = Arc::downgrade(self);
        runtime.spawn(async move {
            let mut before = None;
            let mut each_second = tokio::time::interval(Duration::from_secs(1));
            loop {
                each_second.tick().await;
                let Some(door) = door.upgrade() else { return };
                let ended = door.cluster.ended();
                // A restarted actor counts from 0 again.
                door.rate.0.store(before.map_or(0, |before| ended.saturating_sub(before)), Relaxed);
                before = Some(ended);
            }
        });
    }

    pub(super) async fn deployment(&self) -> Result<Deployment, Error> {
        let actors = self.genesis.shard_numbers().map(Address::Shard);
        let actors = actors.chain(self.genesis.partition_numbers().map(Address::Manager));
        let positions = try_join_all(actors.map(|actor| self.position(actor))).await?;
        let mut in_transit: BTreeMap<Currency, i128> = BTreeMap::new();
        for (currency, transit) in positions.iter().flat_map(|position| &position.totals) {
            *in_transit.entry(*currency).or_default() += i128::from(transit.balance);
        }
        let sum = |of: fn(&Position) -> u64| positions.iter().map(of).sum();
        let genesis = &self.genesis;
        let declared = |(code, decimals): &(Currency, u8)| Declared { code: *code, decimals: *decimals };
        Ok(Deployment {
            name: genesis.deployment.clone(),
            id: Uuid::from_bytes(genesis.id),
            shards: genesis.shard_count(),
            managers: genesis.managers,
            placement: Placement::Fnv1a64Folded,
            currencies: genesis.currencies.iter().map(declared).collect(),
            versions: Versions { remit: env!("CARGO_PKG_VERSION").to_owned(), format: FORMAT },
            totals: Totals {
                transfers_per_s: self.rate.0.load(Relaxed),
                open: sum(|position| position.open),
                overdue: sum(|position| position.overdue),
                parked: sum(|position| position.parked),
                in_transit: in_transit.into_iter().map(|(currency, amount)| InTransit { currency, amount }).collect(),
            },
        })
    }

    /// Where an actor's journal stands, and its totals.
    pub(super) async fn position(&self, actor: Address) -> Result<Position, Error> {
        match self.ask(actor, Question::Position).await? {
            AnswerBody::Position(position) => Ok(position),
            other => Err(misunderstood(&other)),
        }
    }
}
