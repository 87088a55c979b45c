//! What the guardian tells of its actors, published and kept: a message for each step, in a stream of its own.
//!
//! The guardian's thread hands each event to [`Publisher`], which only puts it into a bounded queue. A task takes the oldest
//! one, publishes it until the broker has confirmed it, and only then goes on to the next: so they are in order, also those of a
//! time when the broker was away, and an id that the broker knows again keeps any of them from being there twice.
//! [`Reader`] answers from the stream. It is best effort: what a node had not yet published when it was killed is in its log
//! alone, and a stream that the broker lost is made again, empty.

mod body;
mod publisher;
mod queue;
mod reader;

use std::time::Duration;

use async_nats::jetstream::{
    Context,
    context::GetStreamErrorKind,
    stream::{Config, DiscardPolicy, RetentionPolicy, StorageType},
};
use remit_api::supervision;

pub use self::{publisher::Publisher, reader::Reader};

/// For how long the broker knows an event again that comes a second time: longer than a publish takes to be tried again, and
/// short, since the broker remembers so much in its memory.
const KNOWN_AGAIN: Duration = Duration::from_secs(3_600);

/// What the stream may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In bytes; the oldest go first.
    pub bytes_max: u64,
    /// How long.
    pub age: Duration,
}

/// Makes the stream if it is not there, and brings it to these limits if it is.
async fn set_up(context: &Context, deployment: &str, limits: Limits) -> Result<(), String> {
    let config = Config {
        name: supervision::stream(deployment),
        subjects: vec![supervision::subjects(deployment)],
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        storage: StorageType::File,
        max_age: limits.age,
        max_bytes: i64::try_from(limits.bytes_max).unwrap_or(i64::MAX),
        duplicate_window: KNOWN_AGAIN.min(limits.age),
        ..Config::default()
    };
    let is = match context.get_stream(&config.name).await {
        Ok(stream) => stream.cached_info().config.clone(),
        Err(error) if matches!(error.kind(), GetStreamErrorKind::JetStream(error) if error.code() == 404) => {
            // Another node may make it at the same time.
            return context.get_or_create_stream(config).await.map(drop).map_err(|error| error.to_string());
        }
        Err(error) => return Err(error.to_string()),
    };
    if (is.max_age, is.max_bytes) == (config.max_age, config.max_bytes) {
        return Ok(());
    }
    // Everything else stays as an operator has set it, such as the number of replicas.
    let config = Config { num_replicas: is.num_replicas, ..config };
    context.update_stream(&config).await.map(drop).map_err(|error| error.to_string())
}
