//! A journal's archive: its rows once more, in few large messages, so that the ledger stream with its message for each commit can be
//! trimmed (R19).
//!
//! It grows by whole runs of what is new, so a snapshot never costs the history before it. A run is trusted, and the ledger stream
//! trimmed, only when it was read back and is what the file has; and the stream keeps the rows of the last run too.

use std::time::Duration;

use async_nats::jetstream::Context;
use remit_core::id::Seq;
use tokio::runtime::Handle;
use tracing::{debug, info};

use super::stream::{Error, Ledger, NEXT_WITHIN};
use crate::{
    bus::Task,
    codec,
    ledger::{File, Journal, RUN_BYTES, frame_of},
    message::Rows,
    store::{self, sqlite::Tail},
};

/// How often it is looked whether there is enough for another run.
const LOOK: Duration = Duration::from_secs(2);

/// One journal's archive.
#[derive(Clone, Debug)]
pub(super) struct Archive(Ledger);

impl Archive {
    pub(super) fn new(context: Context, deployment: &str, journal: &str, replicas: usize) -> Self {
        Self(Ledger::archive(context, deployment, journal, replicas))
    }

    /// The commits above a position, if they are there.
    pub(super) async fn rows_above(&self, above: Seq) -> Result<Option<Rows>, Error> {
        let end = self.0.end().await?;
        if end.number == 0 || end.linked.seq <= above {
            return Ok(None);
        }
        let mut cursor = self.0.from(above, end.number).await?;
        cursor.next_above(above, NEXT_WITHIN).await
    }
}

/// Writes the archive of a journal that runs here, and trims its ledger stream; until it is dropped.
pub(super) struct Archivist {
    _task: Task,
}

impl Archivist {
    pub(super) fn start(runtime: &Handle, ledger: Ledger, archive: Archive, journal: Journal) -> Self {
        let task = Task::spawn(runtime, async move {
            loop {
                tokio::time::sleep(LOOK).await;
                if let Err(error) = keep(&ledger, &archive, &journal).await {
                    debug!(journal = journal.name, %error, "an archive is not written");
                }
            }
        });
        Self { _task: task }
    }
}

/// Writes all whole runs that there are.
async fn keep(ledger: &Ledger, archive: &Archive, journal: &Journal) -> Result<(), store::Error> {
    let mut file = File::new(journal.clone());
    loop {
        let end = archive.0.end().await?;
        let above = end.linked;
        let next = move |tail: &Tail| {
            let is_ours = above.seq == Seq(0) || tail.link_at(above.seq)? == Some(above.link);
            Ok((is_ours, tail.commits_above(above.seq, RUN_BYTES)?))
        };
        let (is_ours, rows) = file.read(next).await?;
        if !is_ours {
            let what = format!("the archive of {} tells of another history than its file", journal.name);
            return Err(store::Error::Differs { what });
        }
        let is_whole = |rows: &Rows| rows.chunks.iter().map(|chunk| chunk.lines.len()).sum::<usize>() >= RUN_BYTES / 2;
        let Some(rows) = rows.filter(is_whole) else { return Ok(()) };
        let (mut number, last) = (end.number, rows.last);
        for piece in rows.pieces(RUN_BYTES) {
            let payload = codec::encode(&frame_of(piece));
            number = archive.0.append(number, end.claimed, payload.clone(), false).await?;
            if archive.0.at(number).await?.0 != Some(payload) {
                let what = format!("message {number} of an archive is not what was written");
                return Err(store::Error::NotReplicated { what });
            }
        }
        // Up to where the run before this one ended.
        ledger.trim(above.seq).await?;
        info!(journal = journal.name, rows = last.0, "archived");
    }
}
