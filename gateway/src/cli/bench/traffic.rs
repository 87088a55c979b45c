//! What a load makes the broker of several nodes store: commits of journals, and frames between actors.

use async_nats::jetstream::{self, stream};
use futures::TryStreamExt;

/// What its streams have taken since they were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    /// Messages of ledger streams: a commit of a journal is one, or the proof that it is still its owner's.
    pub(super) appends: u64,
    /// Messages of the streams of frames: parcels, and frames that travel alone.
    pub(super) parcels: u64,
}

impl Traffic {
    /// As the broker has it now; nothing is known if it does not tell.
    pub(super) async fn now(client: &async_nats::Client, deployment: &str) -> Option<Self> {
        let context = jetstream::new(client.clone());
        let all: Vec<stream::Info> = context.streams().try_collect().await.ok()?;
        let sum = |kind: &str| {
            let prefix = format!("{deployment}-{kind}-");
            all.iter().filter(|info| info.config.name.starts_with(&prefix)).map(|info| info.state.last_sequence).sum()
        };
        Some(Self { appends: sum("ledger"), parcels: sum("frames") })
    }

    /// What was taken since an earlier moment.
    pub(super) const fn since(self, before: Self) -> Self {
        Self {
            appends: self.appends.saturating_sub(before.appends),
            parcels: self.parcels.saturating_sub(before.parcels),
        }
    }
}
