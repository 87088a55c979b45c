//! The streams that carry frames, and the one that keeps dead letters.
//!
//! They are made when the bus starts. The broker may lose them at any time: whoever notices (a publisher without an answer,
//! a subscriber without a consumer) calls for them, and they are made again, empty.
//!
//! A stream may also be there and take nothing: after one write that its disk refused, nats-server stores nothing more in it
//! and answers no publish, also when the disk has room again, until it is restarted or the stream made anew. So a stream that
//! is called for is tried, and deleted if it is dead: what it held is asked for again from state.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::jetstream::{
    Context,
    context::{CreateStreamError, GetStreamError, GetStreamErrorKind},
    stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream},
};
use bytes::Bytes;
use futures::future::join_all;
use tokio::{sync::Notify, time::timeout};
use tracing::{info, warn};

use super::{Connection, Throttle, names::Names};
use crate::bus::{
    Options,
    counters::{Counter, Counters},
};

/// How long a dead letter is kept for a person to look at.
const DEAD_LETTER_AGE: Duration = Duration::from_secs(7 * 24 * 3_600);
/// What all dead letters may take together; whoever floods the subjects with rubbish fills no disk.
const DEAD_LETTERS_BYTES_MAX: i64 = 64 << 20;
/// The pause after streams were made again, so that thousands of failing publishes ask the broker once a second, not
/// thousands of times.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a stream may take to store something until it is looked at more closely. One that is only slow has stored other
/// frames meanwhile.
const STORES_WITHIN: Duration = Duration::from_secs(2);

pub(in crate::bus) struct Streams {
    context: Context,
    names: Names,
    configs: Vec<Config>,
    dead_letters: Config,
    missed: Notify,
    counters: Arc<Counters>,
    throttle: Throttle,
}

impl Streams {
    pub(in crate::bus) fn new(context: Context, names: &Names, options: &Options, counters: Arc<Counters>) -> Self {
        let limits = |name, subjects, max_age, max_bytes| Config {
            name,
            subjects: vec![subjects],
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::Old,
            storage: StorageType::File,
            num_replicas: options.replicas,
            max_age,
            max_bytes,
            ..Config::default()
        };
        let bytes = i64::try_from(options.stream_bytes_max).unwrap_or(i64::MAX);
        let frames = |no| limits(names.stream(no), names.stream_subjects(no), options.stream_age, bytes);
        let dead_letters =
            limits(names.dead_letters(), names.dead_letters_subjects(), DEAD_LETTER_AGE, DEAD_LETTERS_BYTES_MAX);
        let configs = names.all().map(frames).collect();
        Self {
            context,
            names: names.clone(),
            configs,
            dead_letters,
            missed: Notify::new(),
            counters,
            throttle: Throttle::new(),
        }
    }

    /// Makes all streams that are not there, and brings the others to these settings.
    pub(in crate::bus) async fn set_up(&self) -> Result<(), (String, Error)> {
        for config in self.all() {
            let stream = self.make(config).await.map_err(|error| (config.name.clone(), error))?;
            let is = &stream.cached_info().config;
            let same = is.max_age == config.max_age
                && is.max_bytes == config.max_bytes
                && is.num_replicas == config.num_replicas
                && is.subjects == config.subjects;
            if !same && let Err(error) = self.context.update_stream(config).await {
                warn!(stream = config.name, %error, "a stream keeps its old settings");
            }
        }
        Ok(())
    }

    /// The stream of frames with this number, made if it is not there.
    pub(in crate::bus) async fn frames(&self, no: u16) -> Result<Stream, Error> {
        self.make(&self.configs[usize::from(no)]).await
    }

    /// Says that a stream seems to be missing; never waits.
    pub(in crate::bus) fn missed(&self) {
        self.missed.notify_one();
    }

    /// Makes missing streams again whenever one is missed; runs as long as the bus.
    pub(in crate::bus) async fn keep(self: Arc<Self>) {
        loop {
            self.missed.notified().await;
            let connection = Connection::of(&self.context.client());
            join_all(self.all().map(|config| connection.unless_lost(self.look_after(config)))).await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Makes a stream if it is not there, and makes it anew if it is dead.
    async fn look_after(&self, config: &Config) {
        let made = match self.make(config).await {
            Ok(stream) if self.is_dead(config, &stream).await => {
                warn!(stream = config.name, "a stream stores nothing, as after its disk was full; it is made anew");
                // If it can't be deleted, it can't be made either, and that is said.
                self.context.delete_stream(&config.name).await.ok();
                self.make(config).await
            }
            made => made,
        };
        if let Err(error) = made
            && let Some(suppressed) = self.throttle.pass(Instant::now())
        {
            warn!(stream = config.name, %error, suppressed, "a stream can't be made");
        }
    }

    /// Whether a stream of frames neither takes what it is given, nor has taken anything else meanwhile, although the broker
    /// answers questions about it. Dead letters are not worth the loss of those that are stored.
    async fn is_dead(&self, config: &Config, stream: &Stream) -> bool {
        let Some(no) = self.names.all().find(|no| self.names.stream(*no) == config.name) else { return false };
        // Twice, since a broker that wakes up may answer the question below before it stores what it was given.
        for _ in 0..2 {
            let probe = async { self.context.publish(self.names.probe(no), Bytes::new()).await?.await };
            if let Ok(Ok(_)) = timeout(STORES_WITHIN, probe).await {
                return false;
            }
        }
        let before = stream.cached_info().state.last_sequence;
        let now = self.context.get_stream(&config.name).await;
        now.is_ok_and(|stream| stream.cached_info().state.last_sequence == before)
    }

    fn all(&self) -> impl Iterator<Item = &Config> {
        self.configs.iter().chain([&self.dead_letters])
    }

    async fn make(&self, config: &Config) -> Result<Stream, Error> {
        match self.context.get_stream(&config.name).await {
            Ok(stream) => return Ok(stream),
            Err(error) if is_not_found(&error) => {}
            Err(error) => return Err(Error::LookUp(error)),
        }
        match self.context.create_stream(config).await {
            Ok(stream) => {
                info!(stream = config.name, "made a stream");
                self.counters.add(Counter::StreamsMade, 1);
                Ok(stream)
            }
            // Another node may have made it meanwhile, with other settings.
            Err(error) => self.context.get_stream(&config.name).await.map_err(|_| Error::Create(error)),
        }
    }
}

/// Why a stream can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The broker does not say whether it is there: it is away, or has JetStream switched off, or lets us not ask.
    #[error("it can't be looked up")]
    LookUp(#[source] GetStreamError),
    /// It is not there, and the broker does not make it.
    #[error("it can't be made")]
    Create(#[source] CreateStreamError),
}

fn is_not_found(error: &GetStreamError) -> bool {
    matches!(error.kind(), GetStreamErrorKind::JetStream(error) if error.code() == 404)
}
