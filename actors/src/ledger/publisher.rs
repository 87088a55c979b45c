//! Journals to ledger streams.
//!
//! A writer's life, one for each journal: it makes its stream if that is not there, reads the stream's last run of rows to learn
//! how far it has got, and compares that with the journal. Then run after run: read from the file what is new, write it behind the
//! last one with the expected sequence, wait for the word that it is there. Whatever goes wrong, it begins again at the start.
//!
//! A stream that tells of rows that the journal does not have, as after an older copy of the file was put back, is emptied: in
//! this mode the database is the truth.

use std::{sync::Arc, time::Duration};

use async_nats::{
    Client,
    jetstream::{Context, context::ContextBuilder, message::PublishMessage, stream::Stream},
};
use remit_core::id::Seq;
use tokio::{runtime::Handle, sync::watch, time::timeout};
use tracing::{info, warn};

use super::{
    Head, Heads, Journal, Limits,
    file::File,
    streams::{self, RUN_BYTES},
};
use crate::{
    bus::Task,
    codec,
    durable::system_clock,
    message::{Address, Rows},
    store,
    store::sqlite::Tail,
};

/// How often it is looked at whether journals have grown: rows that come meanwhile leave in one run.
const LOOK: Duration = Duration::from_millis(20);
/// How long rows gather for the next run, once all that was there has left: a run costs much the same however small it is.
const GATHER: Duration = Duration::from_millis(50);
/// How often an idle journal is read for where it ends, so that readers learn how complete their copy is.
const IDLE: Duration = Duration::from_millis(500);
/// After so many idle looks it is made sure that the stream is still there.
const LOOKS_A_CHECK: u32 = 6;
/// The pause after something went wrong.
const PAUSE: Duration = Duration::from_millis(500);
/// How long the broker may take to store a run.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The writers of all journals of this node. They end when it is dropped.
pub struct Publisher {
    heads: Heads,
    _tasks: Vec<Task>,
}

/// Where actors' journals have got to, without asking them.
pub type Positions = Arc<dyn Fn() -> Vec<(Address, Seq)> + Send + Sync>;

impl Publisher {
    /// Starts a writer for each journal.
    #[must_use]
    pub fn start(
        client: &Client,
        deployment: &str,
        journals: &[Journal],
        limits: Limits,
        positions: Positions,
        runtime: &Handle,
    ) -> Self {
        let context = ContextBuilder::new().timeout(ANSWER_WITHIN).ack_timeout(ANSWER_WITHIN).build(client.clone());
        let heads = Heads::default();
        let mut tasks = Vec::new();
        let mut grown = Vec::new();
        for journal in journals {
            let (tell, told) = watch::channel(Seq(0));
            grown.push((journal.source, tell));
            let writer = Writer {
                context: context.clone(),
                deployment: deployment.to_owned(),
                source: journal.source,
                name: journal.name.clone(),
                file: File::new(journal.clone()),
                limits,
                heads: heads.clone(),
                grown: told,
            };
            tasks.push(Task::spawn(runtime, writer.live()));
        }
        tasks.push(Task::spawn(runtime, look(positions, grown)));
        Self { heads, _tasks: tasks }
    }

    /// How far each journal is.
    #[must_use]
    pub fn heads(&self) -> Heads {
        self.heads.clone()
    }

    /// Waits until all that these positions name is on its stream, at most so long; whether it is.
    pub async fn flush(&self, positions: &[(Address, Seq)], within: Duration) -> bool {
        let is_there =
            |(source, seq): &(Address, Seq)| self.heads.get(*source).is_some_and(|head| head.published >= *seq);
        let flushed = async {
            while !positions.iter().all(is_there) {
                tokio::time::sleep(LOOK).await;
            }
        };
        timeout(within, flushed).await.is_ok()
    }
}

/// Wakes the writers of journals that have grown.
async fn look(positions: Positions, writers: Vec<(Address, watch::Sender<Seq>)>) {
    loop {
        tokio::time::sleep(LOOK).await;
        for ((source, seq), (of, tell)) in positions().into_iter().zip(&writers) {
            debug_assert_eq!(source, *of, "journals are in the order of the actors");
            tell.send_if_modified(|told| {
                let has_grown = *told != seq;
                *told = seq;
                has_grown
            });
        }
    }
}

struct Writer {
    context: Context,
    deployment: String,
    source: Address,
    name: String,
    file: File,
    limits: Limits,
    heads: Heads,
    grown: watch::Receiver<Seq>,
}

/// The end of a stream.
#[derive(Clone, Copy)]
struct End {
    /// The number of its last message.
    stream: u64,
    /// The last row in it.
    journal: Seq,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("its file can't be read")]
    Journal(#[from] store::Error),
    #[error("its stream can't be used")]
    Stream(#[from] streams::Error),
}

impl Writer {
    async fn live(mut self) {
        let mut failures = 0_u32;
        loop {
            match self.session().await {
                Ok(()) => failures = 0,
                Err(error) => {
                    // While a node starts, its broker and its databases are still on their way.
                    failures += 1;
                    if failures == 4 || failures.is_multiple_of(100) {
                        let error = &error as &dyn std::error::Error;
                        warn!(journal = self.name, error, failures, "a ledger stream is not written");
                    }
                }
            }
            self.file.close();
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Writes for as long as nothing goes wrong, and nobody else changes the stream.
    async fn session(&mut self) -> Result<(), Error> {
        let stream = streams::make(&self.context, &self.deployment, &self.name, &self.limits).await?;
        let mut end = self.end_of(&stream).await?;
        let subject = streams::subject(&self.deployment, &self.name);
        let mut idle_looks = 0;
        loop {
            let at = system_clock();
            let above = end.journal;
            let Some((mut rows, head)) = self.file.read(move |tail| next(tail, above)).await? else {
                self.heads.set(self.source, Head { seq: end.journal, published: end.journal, at });
                self.file.close();
                idle_looks += 1;
                if idle_looks % LOOKS_A_CHECK == 0 && !is_as_left(&stream, end).await? {
                    return Ok(());
                }
                timeout(IDLE, self.grown.changed()).await.ok();
                continue;
            };
            idle_looks = 0;
            if rows.last == head {
                rows.complete = Some(at);
            }
            let last = rows.last;
            let is_all = last == head;
            self.heads.set(self.source, Head { seq: head, published: end.journal, at });
            let payload = codec::encode(&streams::frame(rows));
            let message = PublishMessage::build().payload(payload).expected_last_sequence(end.stream);
            let sent = self.context.send_publish(subject.clone(), message).await.map_err(streams::Error::broker)?;
            let stored = sent.await.map_err(streams::Error::broker)?;
            end = End { stream: stored.sequence, journal: last };
            if is_all {
                // The next rows leave together with those that follow.
                tokio::time::sleep(GATHER).await;
            }
        }
    }

    /// How far the stream is. One that tells of another history than the journal's is emptied first.
    async fn end_of(&mut self, stream: &Stream) -> Result<End, Error> {
        let state = stream.get_info().await.map_err(streams::Error::broker)?.state;
        let number = state.last_sequence;
        if state.messages > 0 {
            let last = match streams::at(stream, number).await {
                Err(streams::Error::Foreign { .. }) => None,
                rows => rows?,
            };
            if let Some(journal) = self.end_if_ours(last).await? {
                return Ok(End { stream: number, journal });
            }
            warn!(journal = self.name, "its ledger stream tells of another history, and is filled again");
            stream.purge().await.map_err(streams::Error::broker)?;
        }
        // What would not fit is left out, since it would go first.
        let room = self.limits.bytes_max / 2;
        let journal = self.file.read(move |tail| tail.newest(room)).await?;
        info!(journal = self.name, above = journal.0, "fills its ledger stream");
        Ok(End { stream: number, journal })
    }

    /// The last row of a stream whose last run this is, if the journal has that run too.
    async fn end_if_ours(&mut self, last: Option<Rows>) -> Result<Option<Seq>, Error> {
        let Some(rows) = last else { return Ok(None) };
        let (linked, last) = (rows.linked(), rows.last);
        let is_ours = move |tail: &Tail| {
            let is_same = linked.seq == Seq(0) || tail.link_at(linked.seq)? == Some(linked.link);
            Ok(is_same && last <= tail.head()?)
        };
        Ok(self.file.read(is_ours).await?.then_some(last))
    }
}

/// The run above a position, and where the journal ends.
fn next(tail: &Tail, above: Seq) -> Result<Option<(Rows, Seq)>, store::Error> {
    let Some(rows) = tail.rows_above(above, RUN_BYTES)? else { return Ok(None) };
    Ok(Some((rows, tail.head()?)))
}

/// Whether nobody has touched the stream since.
async fn is_as_left(stream: &Stream, end: End) -> Result<bool, Error> {
    let state = stream.get_info().await.map_err(streams::Error::broker)?.state;
    Ok(state.last_sequence == end.stream && (state.messages > 0 || end.stream == 0))
}
