//! Copies beforehand: a node follows the streams of those journals that it would run if their owners died, so that it has little to
//! restore when they do.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::sleep;
use tracing::debug;

use super::{inner::Inner, node::Cluster};
use crate::{message::Address, store::Error};

/// How far, at most, a copy lags behind what the stream has.
const EVERY: Duration = Duration::from_secs(2);

/// A file is brought up to date by one at a time, and by nobody while its actor runs here.
#[derive(Debug, Default)]
pub(super) struct Copying(Mutex<BTreeMap<Address, Arc<tokio::sync::Mutex<()>>>>);

impl Copying {
    /// Waits until nobody copies this journal, and keeps others from it until what is returned is dropped.
    pub(super) async fn alone(&self, journal: Address) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = Arc::clone(self.0.lock().entry(journal).or_default());
        lock.lock_owned().await
    }
}

impl Inner {
    /// Brings this node's copy of a journal near to the end of its stream, as long as this holds.
    pub(super) async fn prepare(&self, journal: Address, holds: impl FnOnce() -> bool) -> Result<(), Error> {
        let Some(joined) = self.joined.get() else { return Ok(()) };
        let prepare = Arc::clone(&joined.prepare);
        let alone = self.copying.alone(journal).await;
        if !holds() {
            return Ok(());
        }
        let prepared = tokio::task::spawn_blocking(move || {
            let _alone = alone;
            prepare(journal)
        });
        // One that panicked has said so, and left a copy that is no worse than none.
        prepared.await.unwrap_or(Ok(()))
    }
}

/// Follows what is this node's to follow.
pub(super) async fn follow(cluster: Cluster) {
    let inner = &cluster.0;
    loop {
        sleep(EVERY).await;
        let mine = inner.view.lock().standbys(&inner.options.node, inner.lease.now_ms());
        for journal in mine {
            // It may come here at any moment.
            let is_elsewhere = || !inner.hosting.lock().contains_key(&journal);
            if let Err(error) = inner.prepare(journal, is_elsewhere).await {
                let error: &dyn std::error::Error = &error;
                debug!(journal = inner.name_of(journal), error, "a copy is not brought up to date");
            }
        }
    }
}
