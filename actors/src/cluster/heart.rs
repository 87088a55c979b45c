//! A node's heartbeat, and what it hears of the others: both in the cluster's bucket.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use futures::StreamExt;
use tokio::time::{Instant, sleep, timeout};
use tracing::{error, warn};

use super::{
    agent::JoinError,
    bucket::{self, Bucket, value_of},
    inner::Inner,
    member::{Key, Member, from_json},
    node::Cluster,
};

/// Beats within one lease.
const BEATS: u32 = 5;
/// How long the bucket is asked for when a node starts.
const ASKED_FOR: Duration = Duration::from_secs(20);
/// The pause after something went wrong.
const PAUSE: Duration = Duration::from_millis(500);

impl Inner {
    /// The bucket is another one, or went back to what it was: all of it is read again.
    fn forget_all(&self) {
        warn!("the cluster's bucket has lost what was in it");
        self.view.lock().lost_all(self.lease.now_ms());
        self.rewatch.notify_one();
    }

    /// Gives up the lease, and the key by which others know this node.
    pub(super) async fn forget_self(&self) {
        self.lease.end();
        let key = Key::Node(&self.options.node);
        if let Ok(Some((revision, _))) = self.bucket.read(key).await {
            // Who still finds it waits for the lease time, no more.
            self.bucket.delete(key, revision).await.ok();
        }
    }

    /// Writes this node's key for the first time; its revision. Brokers that are choosing a leader are asked again for a while.
    pub(super) async fn first_beat(&self) -> Result<u64, JoinError> {
        let until = Instant::now() + ASKED_FOR;
        loop {
            match self.first_beat_once().await {
                Err(JoinError::Bucket(error)) if Instant::now() < until => warn!(%error, "asked again"),
                beaten => return beaten,
            }
            sleep(PAUSE).await;
        }
    }

    async fn first_beat_once(&self) -> Result<u64, JoinError> {
        let key = Key::Node(&self.options.node);
        let mut seen = None;
        loop {
            let (revision, member) = match self.bucket.read(key).await? {
                Some((revision, value)) => (revision, value.and_then(|value| from_json::<Member>(&value).ok())),
                None => (0, None),
            };
            if member.is_some_and(|member| member.id != self.options.id) {
                // Another folder's: dead if it does not change for the lease time.
                let (was, since) = *seen.get_or_insert((revision, Instant::now()));
                if was != revision {
                    return Err(JoinError::Name(self.options.node.clone()));
                }
                if since.elapsed() < Duration::from_millis(self.options.lease_ms) {
                    sleep(PAUSE).await;
                    continue;
                }
            }
            let sent_ms = self.lease.now_ms();
            let member = self.member(0);
            match self.bucket.write(key, &member, revision).await {
                Ok(revision) => {
                    self.lease.renew(sent_ms + self.options.lease_ms);
                    self.heard(key, revision, &member);
                    return Ok(revision);
                }
                Err(bucket::Error::Changed(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Writes this node's key again and again, and so renews its lease.
pub(super) async fn beat(cluster: Cluster, first: u64) {
    let inner = &cluster.0;
    let pause = Duration::from_millis(inner.options.lease_ms) / BEATS;
    let key = Key::Node(&inner.options.node);
    let (mut revision, mut beat) = (first, 0);
    loop {
        // Not only by the clock: whoever leaves says so at once.
        let said = inner.is_leaving.load(Relaxed);
        let until = Instant::now() + pause;
        while Instant::now() < until && inner.is_leaving.load(Relaxed) == said {
            sleep(pause.min(Duration::from_millis(50))).await;
        }
        beat += 1;
        let (sent_ms, member) = (inner.lease.now_ms(), inner.member(beat));
        match inner.bucket.write(key, &member, revision).await {
            Ok(new) => {
                revision = new;
                inner.lease.renew(sent_ms + inner.options.lease_ms);
                inner.heard(key, revision, &member);
            }
            Err(error) => match inner.bucket.read(key).await {
                // Nobody else deletes it: the bucket is a new one, or went back to what it was.
                Ok(None) => {
                    revision = 0;
                    inner.forget_all();
                }
                Ok(Some((new, _))) if new < revision => {
                    revision = new;
                    inner.forget_all();
                }
                // The last beat came true unheard.
                Ok(Some((new, value))) => match value.and_then(|value| from_json::<Member>(&value).ok()) {
                    Some(other) if other.incarnation != inner.incarnation => {
                        error!(node = inner.options.node, "another process beats under this node's name");
                    }
                    _ => revision = new,
                },
                Err(_) => {
                    if inner.lease.is_over() {
                        warn!(%error, "the lease is over: the cluster can't be reached");
                    }
                }
            },
        }
    }
}

/// Follows the bucket. Where it turns out to be another one, all is forgotten.
pub(super) async fn watch(cluster: Cluster) {
    let inner = &cluster.0;
    let mut made_at = None;
    loop {
        if let Err(error) = watch_once(inner, &mut made_at).await {
            warn!(%error, "the cluster's bucket can't be watched");
        }
        inner.view.lock().goes_deaf(inner.lease.now_ms());
        sleep(PAUSE).await;
    }
}

async fn watch_once(inner: &Inner, made_at: &mut Option<String>) -> Result<(), bucket::Error> {
    let store = inner.bucket.store().await?;
    let made = Bucket::made_at(&store).await?;
    if made_at.replace(made.clone()).is_some_and(|before| before != made) {
        inner.forget_all();
    }
    // From here on everything is heard anew.
    timeout(Duration::ZERO, inner.rewatch.notified()).await.ok();
    let mut watch = Bucket::watch(&store).await?;
    // This node's own beats must be heard, or the watch is dead, or the bucket: long before the others seem so.
    let silence = Duration::from_millis(inner.options.lease_ms) / 2;
    loop {
        let next = tokio::select! {
            next = timeout(silence, watch.next()) => next,
            () = inner.rewatch.notified() => return Ok(()),
        };
        match next {
            Ok(Some(Ok(entry))) => {
                let now_ms = inner.lease.now_ms();
                let mut view = inner.view.lock();
                view.hears(now_ms);
                if let Err(error) =
                    view.heard(&entry.key, entry.revision, value_of(&entry).map(|value| &**value), now_ms)
                {
                    warn!(%error, "a key of the cluster is not understood");
                }
                if entry.seen_current {
                    view.heard_all();
                }
                drop(view);
                inner.changed.notify_one();
            }
            Ok(Some(Err(error))) => return Err(bucket::Error::Broker(error.to_string())),
            Ok(None) | Err(_) => return Ok(()),
        }
    }
}
