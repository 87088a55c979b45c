//! What a claimant can reach, over NATS: the stream, its archive, and the other members.

use std::time::{Duration, Instant};

use remit_core::id::{Epoch, Seq};
use tracing::info;

use super::{
    appender::{PART_BYTES, wait},
    archive::Archive,
    assembly::Assembly,
    node::Cluster,
    post,
    stream::{self, Cursor, Ledger, NEXT_WITHIN},
    takeover::{Around, Company, End},
    wire::{Claimed, Known, Promised, Request},
};
use crate::{
    codec,
    ledger::frame_of,
    message::{Address, Rows},
    store::Error,
};

/// How often a long restore says how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// The surroundings of one journal.
pub(super) struct Reach {
    pub(super) cluster: Cluster,
    pub(super) journal: Address,
    pub(super) name: String,
    pub(super) ledger: Ledger,
    pub(super) archive: Archive,
    /// All members but this node, each with whether it is alive.
    pub(super) others: Vec<(bool, String)>,
    pub(super) end: End,
    pub(super) cursor: Option<(Seq, Cursor)>,
    pub(super) told: Option<Instant>,
}

impl Reach {
    fn wait<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Result<T, Error> {
        wait(&self.cluster.0.options.runtime, future)
    }
}

impl Around for Reach {
    fn end(&mut self) -> Result<End, Error> {
        let ledger = self.ledger.clone();
        self.end = self.wait(async move { ledger.end().await })??;
        Ok(self.end)
    }

    fn rows_above(&mut self, above: Seq) -> Result<Option<Rows>, Error> {
        let (ledger, archive, until) = (self.ledger.clone(), self.archive.clone(), self.end.number);
        let kept = self.cursor.take().filter(|(at, _)| *at == above).map(|(_, cursor)| cursor);
        let read = async move {
            let mut cursor = match kept {
                Some(cursor) => cursor,
                None => ledger.from(above, until).await?,
            };
            let rows = cursor.run_above(above, NEXT_WITHIN).await?;
            match rows {
                Some(rows) => Ok((Some(rows), Some(cursor))),
                // It begins later: the older ones are in the archive.
                None => Ok::<_, stream::Error>((archive.rows_above(above).await?, None)),
            }
        };
        let (rows, cursor) = self.wait(read)??;
        self.cursor = rows.as_ref().map(|rows| rows.last).zip(cursor);
        Ok(rows)
    }

    fn promises(&mut self, epoch: Epoch) -> Result<Vec<Promised>, Error> {
        let (post, others, journal) = (self.cluster.0.post.clone(), self.others.clone(), self.journal);
        let promises = async move { post.promises(&others, Request::Promise { journal, epoch }).await };
        Ok(self.wait(promises)??)
    }

    fn rows_of(&mut self, member: &str, above: Seq) -> Result<Option<Rows>, Error> {
        let (post, member, journal) = (self.cluster.0.post.clone(), member.to_owned(), self.journal);
        let read = async move {
            let (mut assembly, mut above) = (Assembly::default(), above);
            while let Some(rows) = post.rows(&member, journal, above).await? {
                above = rows.last;
                if let Some(rows) = assembly.push(rows) {
                    return Ok(Some(rows));
                }
            }
            Ok::<_, post::Error>(None)
        };
        Ok(self.wait(read)??)
    }

    fn publish(&mut self, number: u64, rows: &Rows) -> Result<u64, Error> {
        let (ledger, pieces) = (self.ledger.clone(), rows.clone().pieces(PART_BYTES));
        let publish = async move {
            let mut number = number;
            for piece in pieces {
                number = ledger.append(number, Epoch(0), codec::encode(&frame_of(piece)), false).await?;
            }
            Ok::<_, stream::Error>(number)
        };
        Ok(self.wait(publish)??)
    }

    fn company(&mut self) -> Result<Company, Error> {
        let inner = &self.cluster.0;
        let known = inner.registry.claims_of(&self.name)?;
        Ok(Company { node: inner.options.node.clone(), count: self.others.len() + 1, known })
    }

    fn announce(&mut self, epoch: Epoch) -> Result<(), Error> {
        let claim = Claimed { journal: self.name.clone(), epoch, node: self.cluster.0.options.node.clone() };
        self.cluster.make_known(Known { announced: vec![claim], ..Known::default() })
    }

    fn progress(&mut self, rows: Seq, of: Seq) {
        let now = Instant::now();
        if self.told.is_none_or(|told| now >= told + TOLD_EVERY) {
            self.told = Some(now);
            let percent = rows.0.saturating_mul(100) / of.0.max(1);
            info!(journal = self.name, rows = rows.0, of = of.0, percent, "restores a journal");
        }
    }
}

impl From<stream::Error> for Error {
    fn from(error: stream::Error) -> Self {
        Self::NotReplicated { what: format!("the ledger stream can't be used: {error}") }
    }
}

impl From<post::Error> for Error {
    fn from(error: post::Error) -> Self {
        Self::NotReplicated { what: error.to_string() }
    }
}
