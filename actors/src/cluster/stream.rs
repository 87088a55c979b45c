//! A journal's ledger stream where that is the fence: a message for each commit, in order, each appended behind the last one.
//!
//! Two subjects share the stream. On the one are the commits. On the other is the newest proof, of a commit without rows: it takes a
//! number like any other message, so whoever was not the last one to append is refused, and it takes the place of the proof before.
//!
//! Each message names the epoch of its writer. No message id is used: that a broker calls something a duplicate proves nothing (R14).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::{
    HeaderMap,
    jetstream::{
        Context, ErrorCode,
        consumer::{
            AckPolicy, DeliverPolicy,
            pull::{Config as PullConfig, Stream as Pull},
        },
        context::{GetStreamErrorKind, PublishErrorKind},
        message::PublishMessage,
        stream::{Config, DiscardPolicy, RawMessageErrorKind, RetentionPolicy, StorageType, Stream},
    },
};
use bytes::Bytes;
use futures::StreamExt;
use remit_core::id::{Epoch, Seq};
use tokio::time::timeout;

use super::{assembly::Assembly, fence::expected, takeover::End};
use crate::{
    ledger::{RUN_BYTES, name, run_of, subject},
    message::Rows,
};

/// Who wrote a message.
const EPOCH: &str = "Remit-Epoch";
/// How long the broker may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long the next of some messages that are there may be on their way.
pub(super) const NEXT_WITHIN: Duration = Duration::from_secs(5);
/// After so long without a reader the broker forgets a cursor.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);
/// How often the end of a stream is looked for that is written meanwhile.
const LOOKS: usize = 20;
/// How long the next of some messages may be on its way that are taken in together.
const TOGETHER_WITHIN: Duration = Duration::from_millis(5);
/// Messages that are asked for in advance.
const AHEAD: usize = 64;

/// Why a stream can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The broker can't be reached, or can't do it now.
    #[error("the broker does not answer for it: {0}")]
    Broker(String),
    /// Somebody else has appended: the end is not where it was expected.
    #[error("it ends elsewhere")]
    Elsewhere,
    /// What stands in it is nothing that a node wrote.
    #[error("message {number} is no commit: {what}")]
    Foreign {
        /// Its number.
        number: u64,
        /// What is wrong with it.
        what: String,
    },
}

impl Error {
    pub(super) fn gap() -> Self {
        Self::Broker("neither it nor its archive has the next row".to_owned())
    }
}

fn broker(error: impl std::fmt::Display) -> Error {
    Error::Broker(error.to_string())
}

/// One journal's stream.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    context: Context,
    name: String,
    /// The subject of its commits.
    commits: String,
    replicas: usize,
}

impl Ledger {
    pub(super) fn new(context: Context, deployment: &str, journal: &str, replicas: usize) -> Self {
        Self { context, name: name(deployment, journal), commits: subject(deployment, journal), replicas }
    }

    /// The journal's archive, which is written in the same way.
    pub(super) fn archive(context: Context, deployment: &str, journal: &str, replicas: usize) -> Self {
        let (name, commits) = (format!("{deployment}-archive-{journal}"), format!("{deployment}.archive.{journal}"));
        Self { context, name, commits, replicas }
    }

    fn proofs(&self) -> String {
        format!("{}.proof", self.commits)
    }

    /// The stream, made if it is not there.
    async fn made(&self) -> Result<Stream, Error> {
        match self.context.get_stream(&self.name).await {
            Ok(stream) => return Ok(stream),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {}
                _ => return Err(broker(error)),
            },
        }
        let config = Config {
            name: self.name.clone(),
            subjects: vec![self.commits.clone(), self.proofs()],
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::Old,
            storage: StorageType::File,
            num_replicas: self.replicas,
            allow_direct: true,
            allow_rollup: true,
            // A stream that is made anew never comes to a number that the one before had: an owner who knows nothing of the loss, and
            // expects such a number, is refused.
            first_sequence: micros(),
            ..Config::default()
        };
        match self.context.create_stream(config).await {
            Ok(stream) => Ok(stream),
            // Somebody else was faster, and began at another number.
            Err(_) => self.context.get_stream(&self.name).await.map_err(broker),
        }
    }

    /// Where it ends.
    pub(super) async fn end(&self) -> Result<End, Error> {
        let stream = self.made().await?;
        let mut state = stream.cached_info().state.clone();
        for _ in 0..LOOKS {
            let number = state.last_sequence;
            if state.messages == 0 {
                return Ok(End { number, ..End::default() });
            }
            // While its owner is at work, a proof may have taken the place of the one that was last.
            if let Some((epoch, payload)) = message(&stream, number).await? {
                let rows = run_of(&payload).map_err(|what| Error::Foreign { number, what })?;
                return Ok(End { number, linked: rows.linked(), claimed: epoch });
            }
            state = stream.get_info().await.map_err(broker)?.state;
        }
        Err(broker("its last message goes while it is asked for"))
    }

    /// Appends one message behind the one of this number; its own number.
    pub(super) async fn append(&self, after: u64, epoch: Epoch, payload: Bytes, is_proof: bool) -> Result<u64, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(EPOCH, epoch.0.to_string());
        if is_proof {
            headers.insert("Nats-Rollup", "sub");
        }
        let subject = if is_proof { self.proofs() } else { self.commits.clone() };
        let mut message = PublishMessage::build().payload(payload).headers(headers);
        if let Some(last) = expected(after) {
            message = message.expected_last_sequence(last);
        }
        let sent = async { self.context.send_publish(subject, message).await?.await };
        match timeout(ANSWER_WITHIN, sent).await {
            Ok(Ok(stored)) => Ok(stored.sequence),
            Ok(Err(error)) if error.kind() == PublishErrorKind::WrongLastSequence => Err(Error::Elsewhere),
            Ok(Err(error)) => Err(broker(error)),
            Err(_) => Err(broker("it takes too long")),
        }
    }

    /// What stands at a number, as the stream's leader has it; and where the stream ends.
    pub(super) async fn at(&self, number: u64) -> Result<(Option<Bytes>, End), Error> {
        let stands = message(&self.made().await?, number).await?.map(|(_, payload)| payload);
        Ok((stands, self.end().await?))
    }

    /// The commits above a position, up to the message of this number.
    pub(super) async fn from(&self, above: Seq, until: u64) -> Result<Cursor, Error> {
        let stream = self.made().await?;
        let state = &stream.cached_info().state;
        // Who wants what is still to come looks no further than the end for where that begins.
        let ends = (state.first_sequence, until.min(state.last_sequence));
        let start = first_above(&stream, &self.commits, ends, above).await?;
        let config = PullConfig {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: start.max(1) },
            filter_subject: self.commits.clone(),
            ack_policy: AckPolicy::None,
            memory_storage: true,
            num_replicas: 1,
            inactive_threshold: FORGOTTEN_AFTER,
            ..PullConfig::default()
        };
        let consumer = stream.create_consumer(config).await.map_err(broker)?;
        let pull = consumer.stream().max_messages_per_batch(AHEAD).messages().await.map_err(broker)?;
        Ok(Cursor { pull, until, number: 0, assembly: Assembly::default() })
    }

    /// Drops all commits up to a position.
    pub(super) async fn trim(&self, up_to: Seq) -> Result<(), Error> {
        let stream = self.made().await?;
        let state = &stream.cached_info().state;
        let ends = (state.first_sequence, state.last_sequence);
        let first = first_above(&stream, &self.commits, ends, up_to).await?;
        if first > state.first_sequence {
            stream.purge().sequence(first).await.map_err(broker)?;
        }
        Ok(())
    }
}

/// A place in a stream, on the way to its end.
pub(super) struct Cursor {
    pull: Pull,
    until: u64,
    number: u64,
    assembly: Assembly,
}

impl Cursor {
    /// The next whole commits that go on from a position, which may begin before it; `None` if what comes does not.
    pub(super) async fn next_above(&mut self, above: Seq, within: Duration) -> Result<Option<Rows>, Error> {
        while let Some(rows) = self.next(within).await? {
            if rows.last > above {
                return Ok(Some(rows).filter(|rows| rows.first <= above.next()));
            }
        }
        Ok(None)
    }

    /// The same, and with them all that are right behind: whoever takes them in pays for one flush, not for one each.
    pub(super) async fn run_above(&mut self, above: Seq, within: Duration) -> Result<Option<Rows>, Error> {
        let Some(mut run) = self.next_above(above, within).await? else { return Ok(None) };
        let bytes = |rows: &Rows| rows.chunks.iter().map(|chunk| chunk.lines.len()).sum::<usize>();
        let mut size = bytes(&run);
        while size < RUN_BYTES {
            let Some(next) = self.next(TOGETHER_WITHIN).await? else { break };
            size += bytes(&next);
            let Rows { last, head, complete, chunks, .. } = next;
            run.chunks.extend(chunks);
            run = Rows { last, head, complete, ..run };
        }
        Ok(Some(run))
    }

    /// The next whole commits; `None` at the end, or if none came for so long.
    pub(super) async fn next(&mut self, within: Duration) -> Result<Option<Rows>, Error> {
        while self.number < self.until {
            // What is left up to the end may be a proof alone, which is not among them.
            let Ok(next) = timeout(within, self.pull.next()).await else { return Ok(None) };
            let message = next.ok_or_else(|| broker("the cursor ended"))?.map_err(broker)?;
            let info = message.info().map_err(broker)?;
            self.number = info.stream_sequence;
            let number = self.number;
            let run = run_of(&message.payload).map_err(|what| Error::Foreign { number, what })?;
            if let Some(rows) = self.assembly.push(run) {
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }
}

/// Microseconds since 1970: more than the messages that any stream takes meanwhile, and exact in JSON.
fn micros() -> Option<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_micros()).ok()
}

/// The message at a number, and its writer's epoch.
async fn message(stream: &Stream, number: u64) -> Result<Option<(Epoch, Bytes)>, Error> {
    match stream.get_raw_message(number).await {
        Ok(message) => {
            let epoch = message.headers.get(EPOCH).and_then(|epoch| epoch.as_str().parse().ok());
            Ok(Some((Epoch(epoch.unwrap_or(0)), message.payload)))
        }
        Err(error) => match error.kind() {
            RawMessageErrorKind::NoMessageFound => Ok(None),
            _ => Err(broker(error)),
        },
    }
}

/// The number of the first message that has a row above this position; one beyond the last if there is none. Commits that were
/// published again stand together in one message, so it may begin far below.
///
/// By halving: commits are in order, but for parts of one that was never ended, after which some that end earlier may come. Then it is
/// that part, or the first after them.
async fn first_above(stream: &Stream, commits: &str, (first, last): (u64, u64), above: Seq) -> Result<u64, Error> {
    let (mut from, mut to) = (first, last.saturating_add(1));
    while from < to {
        let middle = from + (to - from) / 2;
        match stream.raw_message_builder().sequence(middle).next_by_subject(commits).send().await {
            Ok(message) => {
                let number = message.sequence;
                let rows = run_of(&message.payload).map_err(|what| Error::Foreign { number, what })?;
                if rows.last > above { to = middle } else { from = number + 1 }
            }
            Err(error) if matches!(error.kind(), RawMessageErrorKind::NoMessageFound) => to = middle,
            Err(error) => return Err(broker(error)),
        }
    }
    Ok(from)
}
