//! Ledger streams to the projector, wherever their owners are: from the stream, and from its archive where that does not reach back
//! so far.
//!
//! Each lane in which a journal's rows are asked for holds a cursor of its own.

use std::{sync::Arc, time::Duration};

use remit_core::id::{Seq, Time};

use super::{
    archive::Archive,
    node::Cluster,
    stream::{Cursor, Error, Ledger},
};
use crate::{
    bus::{Delivery, Inlet},
    durable::system_clock,
    ledger::{Lanes, Source},
    message::{Address, Linked, Rows},
};

/// How often somebody who waits for rows is told that there are none.
const IDLE: Duration = Duration::from_millis(500);

/// Answers who asks for rows. Its tasks end when it is dropped.
pub struct Feed {
    cluster: Cluster,
    lanes: Lanes,
}

impl Feed {
    /// What feeds the projector that is behind this inlet: no more than so many rows in a second while processors are scarce; 0:
    /// however many.
    #[must_use]
    pub fn new(cluster: &Cluster, to: Arc<dyn Inlet>, rows_per_second_max: u32) -> Self {
        Self { cluster: cluster.clone(), lanes: Lanes::new(to, rows_per_second_max, &cluster.0.options.runtime) }
    }

    fn reading(&self, source: Address) -> Option<Reading> {
        let inner = &self.cluster.0;
        let name = inner.journal(source)?.name;
        Some(Reading { source, ledger: inner.ledger(&name), archive: inner.archive(&name), cursor: None })
    }
}

impl Inlet for Feed {
    fn deliver(&self, delivery: Delivery) {
        self.lanes.take(delivery, |source| self.reading(source));
    }
}

/// One lane of one journal's rows.
struct Reading {
    source: Address,
    ledger: Ledger,
    archive: Archive,
    /// A place in the stream, and the last row that was read there.
    cursor: Option<(Seq, Cursor)>,
}

impl Source for Reading {
    type Error = Error;

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

    fn forget(&mut self) {
        self.cursor = None;
    }
}

impl Reading {
    /// The word that the journal does not go on above a position.
    fn nothing_above(&self, above: Seq, last: Seq, at: Time) -> Rows {
        let (source, before) = (self.source, Linked::default());
        Rows { source, first: above.next(), last, before, chunks: Vec::new(), head: last, complete: Some(at) }
    }
}
