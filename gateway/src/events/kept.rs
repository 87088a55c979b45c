//! The stream that keeps the events, and the bucket that keeps how far they have got.

use std::time::Duration;

use async_nats::jetstream::{
    Context,
    context::GetStreamErrorKind,
    kv::{self, Store},
    stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType, Stream},
};
use remit_api::event;
use tracing::warn;

use super::position::{Found, Position};

/// For how long the broker knows an event again that comes a second time: longer than a node takes to come back from a crash.
const KNOWN_AGAIN: Duration = Duration::from_secs(120);

/// What the stream may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In bytes; the oldest go first.
    pub bytes_max: u64,
    /// How long.
    pub age: Duration,
}

/// The broker does not do what is asked of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// It refuses, or is away.
    #[error("the broker refuses: {0}")]
    Broker(String),
    /// The stream is not the one that it was, or somebody else has written to it.
    #[error("the stream of events has changed")]
    Changed,
}

impl Error {
    pub(super) fn broker(error: impl std::fmt::Display) -> Self {
        Self::Broker(error.to_string())
    }
}

/// Both, as they were when they were opened.
pub(super) struct Kept {
    stream: Stream,
    positions: Store,
    found: Found,
}

impl Kept {
    /// Finds both, makes what is not there, and brings the stream to these limits.
    pub(super) async fn open(context: &Context, deployment: &str, limits: Limits) -> Result<Self, Error> {
        let stream = open_stream(context, deployment, limits).await?;
        let bucket =
            kv::Config { bucket: format!("{deployment}-event-positions"), history: 1, ..kv::Config::default() };
        let positions = context.create_or_update_key_value(bucket).await.map_err(Error::broker)?;
        let info = stream.get_info().await.map_err(Error::broker)?;
        Ok(Self { stream, positions, found: found(&info) })
    }

    /// The stream as it was found.
    pub(super) fn found(&self) -> &Found {
        &self.found
    }

    /// What is kept of a journal. What can't be read is as if nothing were.
    pub(super) async fn position(&self, journal: &str) -> Result<Option<Position>, Error> {
        let Some(value) = self.positions.get(journal).await.map_err(Error::broker)? else { return Ok(None) };
        match serde_json::from_slice(&value) {
            Ok(position) => Ok(Some(position)),
            Err(error) => {
                warn!(journal, %error, "how far its events have got can't be read");
                Ok(None)
            }
        }
    }

    /// Keeps how far a journal has got.
    pub(super) async fn save(&self, journal: &str, position: &Position) -> Result<(), Error> {
        let value = serde_json::to_vec(position).map_err(Error::broker)?;
        self.positions.put(journal, value.into()).await.map(drop).map_err(Error::broker)
    }

    /// Makes sure that it is still the same stream, and that nobody else has written to it.
    pub(super) async fn is_as_left(&self, last: u64) -> Result<(), Error> {
        let info = self.stream.get_info().await.map_err(Error::broker)?;
        let is_same = found(&info) == Found { last, ..self.found.clone() };
        if is_same { Ok(()) } else { Err(Error::Changed) }
    }
}

fn found(info: &Info) -> Found {
    Found { stream: info.created.unix_timestamp_nanos().to_string(), last: info.state.last_sequence }
}

async fn open_stream(context: &Context, deployment: &str, limits: Limits) -> Result<Stream, Error> {
    let config = Config {
        name: event::stream(deployment),
        subjects: event::subjects(deployment),
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        storage: StorageType::File,
        max_age: limits.age,
        max_bytes: i64::try_from(limits.bytes_max).unwrap_or(i64::MAX),
        duplicate_window: KNOWN_AGAIN.min(limits.age),
        ..Config::default()
    };
    let stream = match context.get_stream(&config.name).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), GetStreamErrorKind::JetStream(error) if error.code() == 404) => {
            return context.create_stream(config).await.map_err(Error::broker);
        }
        Err(error) => return Err(Error::broker(error)),
    };
    let is = stream.cached_info().config.clone();
    if (is.max_age, is.max_bytes) != (config.max_age, config.max_bytes) {
        // Everything else stays as an operator has set it, such as the number of replicas.
        let (max_age, max_bytes, duplicate_window) = (config.max_age, config.max_bytes, config.duplicate_window);
        let config = Config { max_age, max_bytes, duplicate_window, ..is };
        context.update_stream(config).await.map_err(Error::broker)?;
    }
    Ok(stream)
}
