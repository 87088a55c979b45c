//! The bucket in which nodes tell each other who is there and who runs what: `<deployment>-cluster`.

use std::time::Duration;

use async_nats::jetstream::{
    Context,
    kv::{Config, Entry, Operation, Store, UpdateErrorKind, Watch},
};
use bytes::Bytes;
use serde::Serialize;
use tokio::time::timeout;

use super::member::{Key, to_json};

/// How long the broker may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Why the bucket can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else has written the key.
    #[error("the key {0} has changed")]
    Changed(String),
    /// The broker can't be reached, or can't do it now.
    #[error("the cluster's bucket can't be used: {0}")]
    Broker(String),
}

fn broker(error: impl std::fmt::Display) -> Error {
    Error::Broker(error.to_string())
}

/// The bucket.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    context: Context,
    config: Config,
    /// How long a key may take.
    within: Duration,
}

impl Bucket {
    pub(super) fn new(context: Context, deployment: &str, replicas: usize, lease_ms: u64) -> Self {
        let bucket = format!("{deployment}-cluster");
        // A beat that is lost with a broker must not keep the next one until the lease is over.
        let within = ANSWER_WITHIN.min(Duration::from_millis(lease_ms) / 2);
        Self { context, within, config: Config { bucket, history: 1, num_replicas: replicas, ..Config::default() } }
    }

    /// The bucket, made if it is not there.
    pub(super) async fn store(&self) -> Result<Store, Error> {
        match timeout(self.within, self.context.get_key_value(&self.config.bucket)).await.map_err(broker)? {
            Ok(store) => Ok(store),
            Err(_) => {
                let made = self.context.create_key_value(self.config.clone());
                timeout(ANSWER_WITHIN, made).await.map_err(broker)?.map_err(broker)
            }
        }
    }

    /// When it was made, as the broker writes it: another moment, another bucket.
    pub(super) async fn made_at(store: &Store) -> Result<String, Error> {
        let status = timeout(ANSWER_WITHIN, store.status()).await.map_err(broker)?.map_err(broker)?;
        Ok(status.info.created.to_string())
    }

    /// Everything that is in it, and then everything that changes.
    pub(super) async fn watch(store: &Store) -> Result<Watch, Error> {
        timeout(ANSWER_WITHIN, store.watch_with_history(">")).await.map_err(broker)?.map_err(broker)
    }

    /// Writes a key that has this revision (0: none, or it was deleted), and gives its new one.
    pub(super) async fn write(&self, key: Key<'_>, fact: &impl Serialize, expect: u64) -> Result<u64, Error> {
        match self.update(key, fact, expect).await {
            // A watch may not tell of keys that were deleted before it began, and their revisions stand in the way.
            Err(Error::Changed(name)) if expect == 0 => match self.read(key).await? {
                Some((deleted, None)) => self.update(key, fact, deleted).await,
                _ => Err(Error::Changed(name)),
            },
            written => written,
        }
    }

    async fn update(&self, key: Key<'_>, fact: &impl Serialize, expect: u64) -> Result<u64, Error> {
        let store = self.store().await?;
        let (key, value) = (key.to_string(), Bytes::from(to_json(fact)));
        match timeout(self.within, store.update(&key, value, expect)).await.map_err(broker)? {
            Ok(revision) => Ok(revision),
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Err(Error::Changed(key)),
            Err(error) => Err(broker(error)),
        }
    }

    /// Writes a key whatever it has.
    pub(super) async fn put(&self, key: Key<'_>, fact: &impl Serialize) -> Result<u64, Error> {
        let store = self.store().await?;
        let value = Bytes::from(to_json(fact));
        timeout(self.within, store.put(key.to_string(), value)).await.map_err(broker)?.map_err(broker)
    }

    /// What a key has.
    pub(super) async fn read(&self, key: Key<'_>) -> Result<Option<(u64, Option<Bytes>)>, Error> {
        let store = self.store().await?;
        let entry = timeout(self.within, store.entry(key.to_string())).await.map_err(broker)?.map_err(broker)?;
        Ok(entry.map(|entry| (entry.revision, value_of(&entry).cloned())))
    }

    /// Deletes a key that has this revision.
    pub(super) async fn delete(&self, key: Key<'_>, revision: u64) -> Result<(), Error> {
        let store = self.store().await?;
        let deleted = store.delete_expect_revision(key.to_string(), Some(revision));
        timeout(self.within, deleted).await.map_err(broker)?.map_err(broker)
    }
}

/// The value of an entry, unless it says that there is none any more.
pub(super) fn value_of(entry: &Entry) -> Option<&Bytes> {
    match entry.operation {
        Operation::Put => Some(&entry.value),
        Operation::Delete | Operation::Purge => None,
    }
}
