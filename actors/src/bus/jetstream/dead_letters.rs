//! What is no frame: kept for a person to look at, with the reason, and out of everyone's way.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::{HeaderMap, Subject, jetstream::Context};
use bytes::Bytes;
use tokio::{runtime::Handle, sync::mpsc};
use tracing::warn;

use super::{
    Task, Throttle,
    acknowledger::Acknowledger,
    names::{Names, Recipient},
    streams::Streams,
};
use crate::{
    bus::{
        counters::{Counter, Counters},
        header,
    },
    codec,
};

/// Dead letters that wait to be stored. They are rare; a flood of them is stopped here, and told by a counter.
const QUEUE_MAX: usize = 256;
/// What is kept of a payload: enough to tell what it is, and never too large for the broker with its headers.
const PAYLOAD_BYTES_MAX: usize = 64 << 10;
/// The pause before another try at a stream that could not take a letter.
const PAUSE: Duration = Duration::from_millis(500);
/// How often that is tried. Then the letter is given up, so that the ones behind it have their turn.
const TRIES: usize = 4;

/// Something that came by a stream of frames and is none.
#[derive(Debug)]
pub(in crate::bus) struct DeadLetter {
    pub(in crate::bus) to: Recipient,
    pub(in crate::bus) reason: codec::Error,
    pub(in crate::bus) subject: Subject,
    pub(in crate::bus) stream: String,
    pub(in crate::bus) sequence: u64,
    pub(in crate::bus) payload: Bytes,
    /// Where the broker waits for an acknowledgement, if it does.
    pub(in crate::bus) receipt: Option<Subject>,
}

/// Stores dead letters; clones share one task.
#[derive(Clone)]
pub(in crate::bus) struct DeadLetters {
    queue: mpsc::Sender<DeadLetter>,
    shared: Arc<Shared>,
}

struct Shared {
    counters: Arc<Counters>,
    throttle: Throttle,
    acknowledger: Acknowledger,
    _task: Task,
}

impl DeadLetters {
    pub(in crate::bus) fn start(
        context: Context,
        names: Names,
        runtime: &Handle,
        streams: Arc<Streams>,
        acknowledger: Acknowledger,
        counters: Arc<Counters>,
    ) -> Self {
        let (queue, letters) = mpsc::channel(QUEUE_MAX);
        let keeper = Keeper { context, names, streams, acknowledger: acknowledger.clone(), counters: counters.clone() };
        let task = Task::spawn(runtime, keeper.run(letters));
        Self { queue, shared: Arc::new(Shared { counters, throttle: Throttle::new(), acknowledger, _task: task }) }
    }

    /// Takes a letter; never waits. Without room it is lost, so that frames behind it need not wait.
    pub(in crate::bus) fn put(&self, letter: DeadLetter) {
        if let Some(suppressed) = self.shared.throttle.pass(Instant::now()) {
            let (to, reason, subject, sequence) = (&letter.to, &letter.reason, &letter.subject, letter.sequence);
            warn!(?to, %reason, %subject, sequence, suppressed, "what arrived is no frame");
        }
        if let Err(refused) = self.queue.try_send(letter) {
            self.shared.counters.add(Counter::DeadLettersLost, 1);
            if let Some(receipt) = refused.into_inner().receipt {
                self.shared.acknowledger.terminate(receipt);
            }
        }
    }
}

struct Keeper {
    context: Context,
    names: Names,
    streams: Arc<Streams>,
    acknowledger: Acknowledger,
    counters: Arc<Counters>,
}

impl Keeper {
    async fn run(self, mut letters: mpsc::Receiver<DeadLetter>) {
        while let Some(letter) = letters.recv().await {
            let counter = if self.store(&letter).await { Counter::DeadLetters } else { Counter::DeadLettersLost };
            self.counters.add(counter, 1);
            if let Some(receipt) = letter.receipt {
                self.acknowledger.terminate(receipt);
            }
        }
    }

    async fn store(&self, letter: &DeadLetter) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::REASON, one_line(&letter.reason.to_string()));
        headers.insert(header::SUBJECT, letter.subject.as_str());
        headers.insert(header::STREAM, letter.stream.as_str());
        headers.insert(header::SEQUENCE, letter.sequence.to_string());
        let size = letter.payload.len();
        if size > PAYLOAD_BYTES_MAX {
            headers.insert(header::SIZE, size.to_string());
        }
        let payload = letter.payload.slice(..size.min(PAYLOAD_BYTES_MAX));
        for attempt in 1..=TRIES {
            let sent =
                self.context.publish_with_headers(self.names.dead_letter(&letter.to), headers.clone(), payload.clone());
            let stored = match sent.await {
                Ok(confirmation) => confirmation.await,
                Err(error) => Err(error),
            };
            let Err(error) = stored else { return true };
            warn!(%error, attempt, "a dead letter was not stored");
            self.streams.missed();
            tokio::time::sleep(PAUSE).await;
        }
        false
    }
}

/// A header is one line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
