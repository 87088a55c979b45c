//! Ledger streams to the projector.
//!
//! The projector asks for the rows of a journal above a position, and asks again when there is silence ([`lanes`](super::lanes)). Each lane
//! holds a cursor on the stream, so that what is asked for next is mostly what comes next. It is found by halving otherwise.
//!
//! What the stream does not have any more, since it stores no more than it may, is read from the journal itself. And where there
//! is nothing new, it is told now and then how long that has been so.

use std::{cmp::Ordering, sync::Arc, time::Duration};

use async_nats::{
    Client,
    jetstream::{
        Context,
        consumer::{
            AckPolicy, DeliverPolicy,
            pull::{Config, Stream as Runs},
        },
        context::ContextBuilder,
        stream::Stream,
    },
};
use futures::StreamExt;
use remit_core::id::Seq;
use tokio::{runtime::Handle, time::sleep};

use super::{
    Heads, Journal,
    file::File,
    lanes::{Lanes, Source},
    streams::{self, RUN_BYTES},
};
use crate::{
    bus::{Delivery, Inlet},
    message::{Address, Linked, Rows},
    store,
    store::sqlite::Tail,
};

/// How long the broker may take to answer a question about streams.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How often somebody who waits for rows is told that there are none.
const IDLE: Duration = Duration::from_millis(500);
/// After so long without a reader the broker forgets a cursor.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);
/// Runs that are asked for in advance.
const RUNS_AHEAD: usize = 2;
/// How long one request for them stands, and how often the broker must say a word meanwhile.
const EXPIRES: Duration = Duration::from_secs(20);
const HEARTBEAT: Duration = Duration::from_secs(2);

/// Answers who asks for rows. Its tasks end when it is dropped.
pub struct Reader {
    context: Context,
    deployment: String,
    journals: Vec<Journal>,
    heads: Heads,
    lanes: Lanes,
}

impl Reader {
    /// A reader of these journals' streams, whose answers go in here: no more than so many rows in a second while processors are
    /// scarce; 0: however many.
    #[must_use]
    pub fn new(
        client: &Client,
        deployment: &str,
        journals: Vec<Journal>,
        heads: Heads,
        to: Arc<dyn Inlet>,
        rows_per_second_max: u32,
        runtime: &Handle,
    ) -> Self {
        let context = ContextBuilder::new().timeout(ANSWER_WITHIN).build(client.clone());
        let lanes = Lanes::new(to, rows_per_second_max, runtime);
        Self { context, deployment: deployment.to_owned(), journals, heads, lanes }
    }

    fn feed(&self, source: Address) -> Option<Feed> {
        let journal = self.journals.iter().find(|journal| journal.source == source)?;
        Some(Feed {
            context: self.context.clone(),
            deployment: self.deployment.clone(),
            source,
            name: journal.name.clone(),
            file: File::new(journal.clone()),
            heads: self.heads.clone(),
            cursor: None,
            begins: None,
        })
    }
}

impl Inlet for Reader {
    fn deliver(&self, delivery: Delivery) {
        self.lanes.take(delivery, |source| self.feed(source));
    }
}

/// One lane of one journal's rows.
struct Feed {
    context: Context,
    deployment: String,
    source: Address,
    name: String,
    file: File,
    heads: Heads,
    cursor: Option<Box<Cursor>>,
    /// The first row that was found on the stream when it was last looked for, so that what comes before is not looked for there.
    begins: Option<Seq>,
}

/// A place in the stream.
struct Cursor {
    runs: Runs,
    /// The last row that was read.
    at: Seq,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the journal's file can't be read")]
    Journal(#[from] store::Error),
    #[error("the stream can't be used")]
    Stream(#[from] streams::Error),
}

impl Source for Feed {
    type Error = Error;

    async fn rows_above(&mut self, above: Seq) -> Result<Rows, Error> {
        let rows = self.read_above(above).await?;
        let head = self.heads.get(rows.source).map_or(rows.last, |head| head.seq.max(rows.last));
        Ok(Rows { head, ..rows })
    }

    fn forget(&mut self) {
        self.cursor = None;
        self.file.close();
    }
}

impl Feed {
    async fn read_above(&mut self, above: Seq) -> Result<Rows, Error> {
        if self.begins.is_some_and(|begins| above.next() < begins) {
            return self.rows_of_journal(above).await;
        }
        if self.cursor.as_ref().is_none_or(|cursor| cursor.at != above) {
            self.cursor = None;
            match self.find(above).await? {
                Found::Cursor(cursor) => {
                    self.file.close();
                    self.cursor = Some(cursor);
                }
                Found::Before(begins) => {
                    self.begins = Some(begins);
                    return self.rows_of_journal(above).await;
                }
            }
        }
        loop {
            let Some(cursor) = &mut self.cursor else {
                return Err(streams::Error::broker("there is no cursor").into());
            };
            let next = tokio::select! {
                next = cursor.runs.next() => next,
                () = sleep(IDLE) => {
                    if let Some(rows) = self.nothing_above(above).await? {
                        return Ok(rows);
                    }
                    continue;
                }
            };
            let message = next.ok_or_else(|| streams::Error::broker("it ended"))?.map_err(streams::Error::broker)?;
            let number = message.info().map_err(streams::Error::broker)?.stream_sequence;
            let rows = streams::rows(number, &message.payload)?;
            if rows.first > above.next() {
                // Rows have gone from the stream faster than they were asked for.
                self.begins = Some(rows.first);
                self.cursor = None;
                return self.rows_of_journal(above).await;
            }
            if rows.last > above {
                cursor.at = rows.last;
                return Ok(rows);
            }
        }
    }

    /// The word on where the journal ends, if it does not go on above a position.
    async fn nothing_above(&mut self, above: Seq) -> Result<Option<Rows>, Error> {
        let Some(head) = self.heads.get(self.source) else { return Ok(None) };
        let last = match head.seq.cmp(&above) {
            Ordering::Greater => return Ok(None),
            Ordering::Equal => above,
            // Either that is not the newest word, or the journal has lost rows that were read before.
            Ordering::Less => match self.file.read(Tail::head).await? {
                last if last < above => last,
                _ => return Ok(None),
            },
        };
        let (source, before, complete) = (self.source, Linked::default(), Some(head.at));
        Ok(Some(Rows { source, first: above.next(), last, before, chunks: Vec::new(), head: head.seq, complete }))
    }

    /// Looks in the stream for the run that the row after this one is in, or will be.
    async fn find(&mut self, above: Seq) -> Result<Found, Error> {
        let name = streams::name(&self.deployment, &self.name);
        let stream: Stream = self.context.get_stream(&name).await.map_err(streams::Error::broker)?;
        let state = &stream.cached_info().state;
        let ends = (state.first_sequence, state.last_sequence);
        let start_sequence = match state.messages {
            0 => ends.1 + 1,
            _ => match streams::first_above(&stream, ends, above).await? {
                None => ends.1 + 1,
                Some(number) => {
                    let rows = streams::at(&stream, number).await?;
                    if let Some(rows) = rows.filter(|rows| rows.first > above.next()) {
                        return Ok(Found::Before(rows.first));
                    }
                    number
                }
            },
        };
        let consumer = stream.create_consumer(Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence },
            ack_policy: AckPolicy::None,
            memory_storage: true,
            num_replicas: 1,
            inactive_threshold: FORGOTTEN_AFTER,
            ..Config::default()
        });
        let consumer = consumer.await.map_err(streams::Error::broker)?;
        let runs = consumer.stream().max_messages_per_batch(RUNS_AHEAD).heartbeat(HEARTBEAT).expires(EXPIRES);
        let runs = runs.messages().await.map_err(streams::Error::broker)?;
        Ok(Found::Cursor(Box::new(Cursor { runs, at: above })))
    }

    /// The same rows from the journal's file.
    async fn rows_of_journal(&mut self, above: Seq) -> Result<Rows, Error> {
        let rows = self.file.read(move |tail| tail.rows_above(above, RUN_BYTES)).await?;
        if rows.is_none() {
            self.begins = None;
        }
        rows.ok_or_else(|| streams::Error::broker("it begins above the journal's end").into())
    }
}

enum Found {
    Cursor(Box<Cursor>),
    /// The first row of the stream comes later.
    Before(Seq),
}
