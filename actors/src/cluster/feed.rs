//! Ledger streams to the projector, wherever their owners are: from the stream, and from its archive where that does not reach back
//! so far.
//!
//! The projector asks for the rows above a position, and asks again when there is silence. Each journal, and each lane in which its
//! rows are asked for, has a task of its own.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::{sync::watch, time::sleep};
use tracing::debug;

use remit_core::id::Seq;

use super::{
    archive::Archive,
    node::Cluster,
    stream::{Cursor, Error, Ledger},
};
use crate::{
    bus::{Delivery, Inlet, Task},
    durable::system_clock,
    ledger::{Pace, frame_of},
    message::{Address, Linked, Message, Question, Rows},
};

/// How often somebody who waits for rows is told that there are none.
const IDLE: Duration = Duration::from_millis(500);
/// The pause after something went wrong.
const PAUSE: Duration = Duration::from_millis(250);

/// Answers who asks for rows. Its tasks end when it is dropped.
pub struct Feed {
    cluster: Cluster,
    to: Arc<dyn Inlet>,
    pace: Arc<Pace>,
    lanes: Mutex<FxHashMap<(Address, u64), Lane>>,
}

struct Lane {
    asks: watch::Sender<Asked>,
    _task: Task,
}

/// What is asked for at present, and how often it was, so that the same again is noticed.
#[derive(Clone, Copy, Debug)]
struct Asked {
    above: Seq,
    times: u64,
}

impl Feed {
    /// What feeds the projector that is behind this inlet: no more than so many rows in a second while processors are scarce; 0:
    /// however many.
    #[must_use]
    pub fn new(cluster: &Cluster, to: Arc<dyn Inlet>, rows_per_second_max: u32) -> Self {
        let pace = Arc::new(Pace::new(rows_per_second_max));
        Self { cluster: cluster.clone(), to, pace, lanes: Mutex::default() }
    }

    fn ask(&self, source: Address, lane: u64, above: Seq) {
        let mut lanes = self.lanes.lock();
        if let Some(lane) = lanes.get(&(source, lane)) {
            return lane.asks.send_modify(|asked| *asked = Asked { above, times: asked.times + 1 });
        }
        let inner = &self.cluster.0;
        let Some(journal) = inner.journal(source) else { return };
        let (asks, asked) = watch::channel(Asked { above, times: 1 });
        let reading = Reading {
            source,
            ledger: inner.ledger(&journal.name),
            archive: inner.archive(&journal.name),
            to: Arc::clone(&self.to),
            pace: Arc::clone(&self.pace),
            asked,
            cursor: None,
        };
        lanes.insert((source, lane), Lane { asks, _task: Task::spawn(&inner.options.runtime, reading.live()) });
    }
}

impl Inlet for Feed {
    fn deliver(&self, delivery: Delivery) {
        for message in delivery.frame.messages {
            if let Message::Ask(ask) = message
                && let Question::RowsAbove(source, above) = ask.question
            {
                self.ask(source, ask.ticket, above);
            }
        }
        if let Some(receipt) = delivery.receipt {
            receipt.acknowledge();
        }
    }
}

/// One lane of one journal's rows.
struct Reading {
    source: Address,
    ledger: Ledger,
    archive: Archive,
    to: Arc<dyn Inlet>,
    pace: Arc<Pace>,
    asked: watch::Receiver<Asked>,
    /// A place in the stream, and the last row that was read there.
    cursor: Option<(Seq, Cursor)>,
}

impl Reading {
    async fn live(mut self) {
        loop {
            let Asked { above, .. } = *self.asked.borrow_and_update();
            let mut asks = self.asked.clone();
            let read = tokio::select! {
                read = self.rows_above(above) => read,
                // Who asks again has heard nothing: the cursor may be one that never says a word any more.
                _ = asks.changed() => {
                    self.cursor = None;
                    continue;
                }
            };
            match read {
                Ok(rows) => {
                    self.pace.wait(rows.last.0.saturating_sub(above.0)).await;
                    self.to.deliver(Delivery { frame: frame_of(rows), receipt: None });
                    if self.asked.changed().await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    debug!(source = ?self.source, %error, "rows can't be read");
                    self.cursor = None;
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn rows_above(&mut self, above: Seq) -> Result<Rows, Error> {
        loop {
            let mut cursor = match self.cursor.take().filter(|(at, _)| *at == above) {
                Some((_, cursor)) => cursor,
                None => self.ledger.from(above, u64::MAX).await?,
            };
            let at = system_clock();
            match cursor.next(IDLE).await? {
                Some(rows) if rows.first > above.next() => {
                    // It begins later: what comes before is in the archive.
                    return self.archive.rows_above(above).await?.ok_or_else(Error::gap);
                }
                Some(rows) if rows.last > above => {
                    self.cursor = Some((rows.last, cursor));
                    return Ok(rows);
                }
                Some(_) => self.cursor = Some((above, cursor)),
                None => {
                    let end = self.ledger.end().await?.linked.seq;
                    if end <= above {
                        self.cursor = Some((above, cursor));
                        return Ok(self.nothing_above(above, end, at));
                    }
                    // There is something, and it did not come: with another cursor.
                }
            }
        }
    }

    /// The word that the journal does not go on above a position.
    fn nothing_above(&self, above: Seq, last: Seq, at: remit_core::id::Time) -> Rows {
        let (source, before) = (self.source, Linked::default());
        Rows { source, first: above.next(), last, before, chunks: Vec::new(), head: last, complete: Some(at) }
    }
}
