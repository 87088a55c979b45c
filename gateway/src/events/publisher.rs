//! Journals to the stream of events.
//!
//! One task serves all journals of the node, in sessions. A session finds the stream, or makes it; learns how far each journal has
//! got, and begins anew where that is of another stream; then round after round: read what is new, publish it, remember how far it
//! is. Whatever goes wrong, it begins again at the start.
//!
//! Many messages are on their way at once, and each names the number that the last one before it must have got: if one is lost, the
//! broker refuses all that follow, and they come again in their order. That is also why the task is one: only in its sessions is the
//! stream made, so none of its messages is ever written to a stream that lacks those before it.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use async_nats::{
    Client,
    jetstream::{Context, context::ContextBuilder},
};
use futures::future::try_join_all;
use remit_actors::{
    ledger::{Journal, Positions},
    message::Address,
};
use remit_core::id::Seq;
use tokio::{
    runtime::Handle,
    sync::watch,
    task::AbortHandle,
    time::{Instant, sleep, timeout},
};
use tracing::{debug, info, warn};

use super::{
    flight::{Flight, Refused, Waiting, Way, advance, send},
    kept::{self, Kept, Limits},
    outlet::{Batch, Outlet},
    position::{Begin, Position, begin, shares},
};

/// How often it is looked at whether journals have grown: rows that come meanwhile leave together.
const LOOK: Duration = Duration::from_millis(20);
/// How often journals are read though nobody says that they have grown.
const IDLE: Duration = Duration::from_millis(500);
/// How often it is made sure that the stream is still there, while nothing is published.
const CHECK: Duration = Duration::from_secs(2);
/// How often positions are kept while there is always something to publish. A crash doubles about so much.
const SAVE: Duration = Duration::from_millis(250);
/// The pause after something went wrong.
const PAUSE: Duration = Duration::from_millis(250);
/// How long the broker may take for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Messages on their way at once: enough for a round trip of milliseconds at full speed, and soon sent again.
const UNCONFIRMED_MAX: usize = 1_024;
/// What one round reads of all journals together, and of one at most, in bytes. It is in memory, some three times as large.
const ROUND_BYTES: usize = 2 << 20;
const BATCH_BYTES: usize = 256 << 10;

/// Publishes the events of a node's journals; ends when it is dropped.
pub struct Publisher {
    journals: Vec<Journal>,
    published: watch::Receiver<Vec<Seq>>,
    task: AbortHandle,
}

impl Publisher {
    /// Begins, also where the broker is away. `positions` says where actors' journals have got to.
    #[must_use]
    pub fn start(
        client: Client,
        deployment: &str,
        journals: Vec<Journal>,
        limits: Limits,
        positions: Positions,
        runtime: &Handle,
    ) -> Self {
        let context = ContextBuilder::new().timeout(ANSWER_WITHIN).ack_timeout(ANSWER_WITHIN).build(client);
        let (tell, published) = watch::channel(vec![Seq(0); journals.len()]);
        let publishing = Publishing {
            context,
            deployment: deployment.to_owned(),
            limits,
            positions,
            ways: journals.iter().map(|_| Way::default()).collect(),
            outlets: None,
            journals: journals.clone(),
            tell,
            failures: 0,
        };
        let task = runtime.spawn(publishing.live()).abort_handle();
        Self { journals, published, task }
    }

    /// Waits until all that these positions name is published, at most so long; whether it is.
    pub async fn flush(&self, positions: &[(Address, Seq)], within: Duration) -> bool {
        let mut published = self.published.clone();
        let wanted = |at: usize| {
            let source = self.journals[at].source;
            positions.iter().find(|(of, _)| *of == source).map_or(Seq(0), |(_, seq)| *seq)
        };
        let wanted: Vec<Seq> = (0..self.journals.len()).map(wanted).collect();
        let all = |have: &Vec<Seq>| have.iter().zip(&wanted).all(|(have, wanted)| have >= wanted);
        matches!(timeout(within, published.wait_for(all)).await, Ok(Ok(_)))
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The task's own.
struct Publishing {
    context: Context,
    deployment: String,
    limits: Limits,
    positions: Positions,
    journals: Vec<Journal>,
    /// The journals' files; `None` before they are first read.
    outlets: Option<Vec<Outlet>>,
    /// How far each journal has got, in their order.
    ways: Vec<Way>,
    tell: watch::Sender<Vec<Seq>>,
    /// Sessions that failed since something was published.
    failures: u32,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Kept(#[from] kept::Error),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("reading the journals panicked")]
    Panicked,
}

impl Publishing {
    async fn live(mut self) {
        loop {
            let Err(error) = self.session().await;
            self.failures += 1;
            // While a node starts, its broker may still be on its way.
            if self.failures == 8 || self.failures.is_multiple_of(200) {
                warn!(%error, self.failures, "events are not published, and wait in the journals");
            } else {
                debug!(%error, "events are published from the last confirmed one on");
            }
            sleep(PAUSE).await;
        }
    }

    /// Publishes for as long as nothing goes wrong, and nobody else changes the stream.
    async fn session(&mut self) -> Result<Infallible, Error> {
        let kept = Kept::open(&self.context, &self.deployment, self.limits).await?;
        self.ways.iter_mut().for_each(|way| (way.is_settled, way.is_new) = (false, false));
        self.settle(&kept).await?;
        let mut last = kept.found().last;
        let (mut read_all, mut checked, mut saved) = (Instant::now(), Instant::now(), Instant::now());
        loop {
            let reads_all = read_all.elapsed() >= IDLE;
            if reads_all {
                read_all = Instant::now();
                self.settle(&kept).await?;
            }
            let batches = self.read(reads_all).await?;
            let is_idle = batches.is_empty();
            if !is_idle {
                last = self.publish(last, batches).await?;
            }
            if self.ways.iter().any(|way| way.is_settled && !way.is_saved) && (is_idle || saved.elapsed() >= SAVE) {
                self.save(&kept, last).await?;
                (saved, checked) = (Instant::now(), Instant::now());
            }
            if is_idle {
                if checked.elapsed() >= CHECK {
                    kept.is_as_left(last).await?;
                    checked = Instant::now();
                }
                sleep(LOOK).await;
            }
        }
    }

    /// Learns how far the journals have got that this session does not know yet, if their files can be read.
    async fn settle(&mut self, kept: &Kept) -> Result<(), Error> {
        let unsettled: Vec<usize> = (0..self.ways.len()).filter(|at| !self.ways[*at].is_settled).collect();
        if unsettled.is_empty() {
            return Ok(());
        }
        for at in &unsettled {
            if self.ways[*at].position.is_none() {
                let position = kept.position(&self.journals[*at].name).await?;
                let is_saved = position.is_some();
                self.ways[*at] = Way { position, is_saved, ..Way::default() };
            }
        }
        let asked = unsettled.clone();
        let heads = self.off_thread(move |outlets| asked.into_iter().map(|at| outlets[at].head()).collect::<Vec<_>>());
        let heads = heads.await?;
        let mut anew = Vec::new();
        for (at, head) in unsettled.into_iter().zip(heads) {
            let (way, Some(head)) = (&mut self.ways[at], head) else { continue };
            match begin(way.position.as_ref(), kept.found(), head) {
                Begin::Above(_) => way.is_settled = true,
                Begin::Anew(why) => {
                    debug!(journal = self.journals[at].name, ?why, "its events are published anew");
                    anew.push(at);
                }
            }
        }
        self.begin_anew(kept, anew).await
    }

    /// Begins with what fits on an empty stream: what is older would go first. That it does is kept before anything is published,
    /// so that no later session takes what this one is about to write for what was there before.
    async fn begin_anew(&mut self, kept: &Kept, anew: Vec<usize>) -> Result<(), Error> {
        if anew.is_empty() {
            return Ok(());
        }
        let (asked, room) = (anew.clone(), self.limits.bytes_max);
        let starts = self.off_thread(move |outlets| {
            let sizes: Vec<Option<u64>> = asked.iter().map(|at| outlets[*at].bytes(room)).collect();
            let known: Vec<u64> = sizes.iter().map(|size| size.unwrap_or(0)).collect();
            let start = |((at, size), share): ((&usize, Option<u64>), u64)| match size? {
                // By now it may be larger than its share, and its oldest rows must be published all the same.
                size if size <= share => Some(Seq(0)),
                _ => outlets[*at].newest(share),
            };
            asked.iter().zip(sizes).zip(shares(&known, room)).map(start).collect::<Vec<_>>()
        });
        let starts = starts.await?;
        let mut begun = 0;
        for (at, start) in anew.into_iter().zip(starts) {
            let Some(seq) = start else { continue };
            let position = Position { stream: kept.found().stream.clone(), number: 0, seq };
            self.ways[at] = Way { position: Some(position), is_settled: true, ..Way::default() };
            begun += 1;
        }
        info!(journals = begun, "events are published from the journals, as many as their stream may store");
        self.put(kept).await
    }

    /// Reads what is new: of journals that have grown, or of all.
    async fn read(&mut self, of_all: bool) -> Result<Vec<(usize, Batch)>, Error> {
        let grown = (self.positions)();
        let mut due = Vec::new();
        for (at, (way, journal)) in self.ways.iter().zip(&self.journals).enumerate() {
            let Some(position) = way.position.as_ref().filter(|_| way.is_settled) else { continue };
            let has_grown = |(source, seq): &(_, Seq)| *source == journal.source && *seq > position.seq;
            // Actors are in the order of their journals, and others may come after them.
            let is_due = match grown.get(at) {
                Some(actor) if actor.0 == journal.source => has_grown(actor),
                _ => grown.iter().any(has_grown),
            };
            if of_all || is_due {
                due.push((at, position.seq));
            }
        }
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let bytes = BATCH_BYTES.min(ROUND_BYTES / due.len());
        self.off_thread(move |outlets| {
            let batch = |(at, above): (usize, Seq)| Some((at, outlets[at].batch(above, bytes)?));
            due.into_iter().filter_map(batch).collect()
        })
        .await
    }

    /// Publishes what was read behind the last message of the stream, and returns the number of the last one after it.
    async fn publish(&mut self, last: u64, batches: Vec<(usize, Batch)>) -> Result<u64, Error> {
        let mut flight = Flight { last, waiting: VecDeque::new() };
        let ends: Vec<(usize, Seq)> = batches.iter().map(|(at, batch)| (*at, batch.last)).collect();
        for (at, event) in
            batches.into_iter().flat_map(|(at, batch)| batch.events.into_iter().map(move |event| (at, event)))
        {
            // What an earlier session sent may be there without its knowing. The broker knows it again, but gives it no new number:
            // so each is waited for until one is new.
            let is_new = self.ways[at].is_new;
            if !is_new {
                flight.confirm_all(&mut self.ways).await?;
            } else if flight.waiting.len() == UNCONFIRMED_MAX {
                flight.confirm_one(&mut self.ways).await?;
            }
            let expected = flight.last + flight.waiting.len() as u64;
            let confirmed = send(&self.context, &self.deployment, &event, expected).await?;
            flight.waiting.push_back(Waiting { at, seq: event.seq, confirmed });
            if !is_new {
                flight.confirm_all(&mut self.ways).await?;
            }
        }
        flight.confirm_all(&mut self.ways).await?;
        for (at, seq) in ends {
            advance(&mut self.ways[at], seq, None);
        }
        self.failures = 0;
        let published = |way: &Way| way.position.as_ref().map_or(Seq(0), |position| position.seq);
        self.tell.send_replace(self.ways.iter().map(published).collect());
        Ok(flight.last)
    }

    /// Keeps how far the journals have got, if the stream is still the one that they have got so far on.
    async fn save(&mut self, kept: &Kept, last: u64) -> Result<(), Error> {
        kept.is_as_left(last).await?;
        self.put(kept).await
    }

    async fn put(&mut self, kept: &Kept) -> Result<(), Error> {
        let unsaved = self.ways.iter().zip(&self.journals).filter(|(way, _)| way.is_settled && !way.is_saved);
        let saves = unsaved.filter_map(|(way, journal)| Some(kept.save(&journal.name, way.position.as_ref()?)));
        try_join_all(saves).await?;
        self.ways.iter_mut().filter(|way| way.is_settled).for_each(|way| way.is_saved = true);
        Ok(())
    }

    /// Reads files where that may block.
    async fn off_thread<T: Send + 'static>(
        &mut self,
        read: impl FnOnce(&mut [Outlet]) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let mut outlets =
            self.outlets.take().unwrap_or_else(|| self.journals.iter().cloned().map(Outlet::new).collect());
        let reading = tokio::task::spawn_blocking(move || {
            let found = read(&mut outlets);
            (found, outlets)
        });
        match reading.await {
            Ok((found, outlets)) => {
                self.outlets = Some(outlets);
                Ok(found)
            }
            Err(ended) if ended.is_panic() => Err(Error::Panicked),
            // The runtime is shutting down, and this task with it.
            Err(_) => std::future::pending().await,
        }
    }
}
