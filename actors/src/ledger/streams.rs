//! The ledger streams: what they are called, how they are made, and what stands in them.

use std::time::Duration;

use async_nats::jetstream::{
    Context,
    stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream},
};
use remit_core::id::Seq;

use crate::{
    codec,
    frame::Frame,
    message::{Class, Message, Rows},
};

/// About what one run takes: large enough to cost little for each row, small enough for any broker's largest message.
pub(crate) const RUN_BYTES: usize = 384 << 10;

/// What a stream may hold: the oldest rows go first, and are read from the journal by whoever needs them.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The bytes of one stream.
    pub bytes_max: u64,
    /// How long it stores a row.
    pub age: Duration,
    /// Copies of it: 1 to 5.
    pub replicas: usize,
}

/// Why a ledger stream can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The broker does not give us the stream, or does not take what is written to it.
    #[error("the broker refuses: {0}")]
    Broker(String),
    /// What stands in it is no run of rows.
    #[error("message {seq} of the stream is no run of rows: {what}")]
    Foreign {
        /// Its number.
        seq: u64,
        /// What is wrong with it.
        what: String,
    },
}

impl Error {
    pub(super) fn broker(error: impl std::fmt::Display) -> Self {
        Self::Broker(error.to_string())
    }
}

/// A ledger stream's name.
pub(crate) fn name(deployment: &str, journal: &str) -> String {
    format!("{deployment}-ledger-{journal}")
}

/// Its one subject.
pub(crate) fn subject(deployment: &str, journal: &str) -> String {
    format!("{deployment}.ledger.{journal}")
}

/// The stream of this name, made if it is not there.
pub(super) async fn make(context: &Context, deployment: &str, journal: &str, limits: &Limits) -> Result<Stream, Error> {
    let config = Config {
        name: name(deployment, journal),
        subjects: vec![subject(deployment, journal)],
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        storage: StorageType::File,
        num_replicas: limits.replicas,
        max_age: limits.age,
        max_bytes: i64::try_from(limits.bytes_max).unwrap_or(i64::MAX),
        allow_direct: true,
        ..Config::default()
    };
    let stream = context.get_or_create_stream(config.clone()).await.map_err(Error::broker)?;
    let is = &stream.cached_info().config;
    if is.max_bytes != config.max_bytes || is.max_age != config.max_age || is.num_replicas != config.num_replicas {
        context.update_stream(&config).await.map_err(Error::broker)?;
    }
    Ok(stream)
}

/// A run of rows as the one message of a frame.
pub(crate) fn frame(rows: Rows) -> Frame {
    let from = rows.source;
    Frame { from, class: Class::Reply, mark: None, messages: vec![Message::Rows(rows)], traces: Vec::new() }
}

/// The run of rows that a message of the stream is; of none, where it is a proof. Else what is wrong with it.
pub(crate) fn run(payload: &[u8]) -> Result<Rows, String> {
    let frame = codec::decode(payload).map_err(|error| error.to_string())?;
    match <[Message; 1]>::try_from(frame.messages) {
        Ok([Message::Rows(rows)]) => Ok(rows),
        _ => Err("it has other messages".into()),
    }
}

/// The same, where nobody writes proofs.
pub(super) fn rows(seq: u64, payload: &[u8]) -> Result<Rows, Error> {
    let foreign = |what| Error::Foreign { seq, what };
    let rows = run(payload).map_err(foreign)?;
    if rows.chunks.is_empty() { Err(foreign("it has no rows".into())) } else { Ok(rows) }
}

/// The run of rows with this number, if it is still there.
pub(super) async fn at(stream: &Stream, seq: u64) -> Result<Option<Rows>, Error> {
    match stream.direct_get(seq).await {
        Ok(message) => rows(seq, &message.payload).map(Some),
        Err(error) => match error.kind() {
            async_nats::jetstream::stream::DirectGetErrorKind::NotFound => Ok(None),
            _ => Err(Error::broker(error)),
        },
    }
}

/// The number of the first run of rows that ends above a position, by halving: runs are in order, without a gap. `None` if all
/// end at it or below.
pub(super) async fn first_above(stream: &Stream, (first, last): (u64, u64), above: Seq) -> Result<Option<u64>, Error> {
    let (mut from, mut to) = (first, last + 1);
    while from < to {
        let middle = from + (to - from) / 2;
        match at(stream, middle).await? {
            Some(rows) if rows.last > above => to = middle,
            // One that has gone meanwhile is older than all that are there.
            _ => from = middle + 1,
        }
    }
    Ok((from <= last).then_some(from))
}
