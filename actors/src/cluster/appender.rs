//! The writer of a ledger stream: each commit of the journal is there before it is on this disk, and before anything leaves (R13).
//!
//! The actor's thread waits meanwhile. Its commits are batches, so what the wait costs is shared; and what comes during it is the
//! next batch.
//!
//! An append whose outcome is not known is made again, with the same bytes and the same expectation, until what stands at that number
//! decides (R14): these bytes, then it has come true; others, then somebody else has taken the journal over. Each claim is a row, and
//! each row is in the hash chain, so two owners never write the same bytes at the same number.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use remit_core::id::{Epoch, Seq};
use tokio::runtime::Handle;

use super::{
    Lease,
    fence::{Verdict, verdict},
    lease,
    parts::{parts, proof},
    stream::{self, Ledger},
    takeover::{Leveled, announced},
};
use crate::{
    codec,
    durable::system_clock,
    ledger::frame_of,
    message::{Address, Linked},
    store::{
        Error,
        journal::Head,
        replica::{Commit, Replica},
    },
};

/// What one message takes at most of a commit's lines, unless one line alone is longer; room is left for what is around them.
pub(super) const PART_BYTES: usize = 512 << 10;
/// How long an append is tried. Longer than brokers take to choose another leader.
const TRIED_FOR: Duration = Duration::from_secs(10);
/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// Appends the commits of one journal.
pub(super) struct Appender {
    ledger: Ledger,
    runtime: Handle,
    journal: Address,
    lease: Lease,
    /// What was announced, and is claimed: no other may be.
    epoch: Epoch,
    /// The number of the last message, and its last row.
    number: u64,
    last: Seq,
    refused: Arc<AtomicU64>,
}

impl Appender {
    /// An appender behind this end, for a claim of this epoch.
    pub(super) fn new(
        ledger: Ledger,
        runtime: Handle,
        journal: Address,
        lease: Lease,
        Leveled { end, epoch }: Leveled,
        refused: Arc<AtomicU64>,
    ) -> Self {
        Self { ledger, runtime, journal, lease, epoch, number: end.number, last: end.linked.seq, refused }
    }

    /// Appends one message, and waits until it is known to be there.
    fn put(&mut self, payload: Bytes, is_proof: bool) -> Result<(), Error> {
        let (ledger, lease, after, epoch) = (self.ledger.clone(), self.lease.clone(), self.number, self.epoch);
        let decided =
            wait(&self.runtime, async move { decide(&ledger, &lease, after, epoch, payload, is_proof).await })?;
        match decided {
            Decided::Stored(number) => {
                self.number = number;
                Ok(())
            }
            Decided::Taken(stored) => {
                self.refused.fetch_add(1, Relaxed);
                Err(Error::Fenced { own: (epoch, self.last), stored })
            }
            Decided::Unknown(what) => Err(Error::NotReplicated { what }),
        }
    }
}

impl Replica for Appender {
    fn may_write(&mut self) -> Result<(), Error> {
        lease::may_write(self.lease.now_ms(), self.lease.until_ms()).inspect_err(|_| {
            self.refused.fetch_add(1, Relaxed);
        })
    }

    fn append(&mut self, commit: &Commit<'_>) -> Result<(), Error> {
        announced(commit, self.epoch)?;
        for (part, is_last) in parts(self.journal, commit, PART_BYTES) {
            let mut rows = part;
            if is_last {
                rows.complete = Some(system_clock());
            }
            self.put(codec::encode(&frame_of(rows)), false)?;
        }
        self.last = commit.last;
        Ok(())
    }

    fn prove(&mut self, head: Head) -> Result<(), Error> {
        let before = Linked { seq: head.seq, link: head.hash };
        self.put(codec::encode(&frame_of(proof(self.journal, before))), true)
    }
}

/// What became of an append.
enum Decided {
    Stored(u64),
    /// Somebody else's append stands there: its epoch and last row.
    Taken((Epoch, Seq)),
    Unknown(String),
}

/// Makes an append until it is decided (R14).
async fn decide(ledger: &Ledger, lease: &Lease, after: u64, epoch: Epoch, payload: Bytes, is_proof: bool) -> Decided {
    let until = Instant::now() + TRIED_FOR;
    loop {
        let why = match ledger.append(after, epoch, payload.clone(), is_proof).await {
            Ok(number) => return Decided::Stored(number),
            Err(stream::Error::Elsewhere) => match ledger.at(after + 1).await {
                Ok((stands, end)) => match verdict(&payload, stands.as_ref(), after, &end) {
                    Verdict::Stored => return Decided::Stored(after + 1),
                    Verdict::Taken => return Decided::Taken((end.claimed, end.linked.seq)),
                    Verdict::Lost => return Decided::Unknown("its stream has lost messages".to_owned()),
                },
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        if Instant::now() >= until || lease.is_over() {
            return Decided::Unknown(why);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits on a thread that may block for what the runtime does.
pub(super) fn wait<T: Send + 'static>(
    runtime: &Handle,
    future: impl Future<Output = T> + Send + 'static,
) -> Result<T, Error> {
    let (tell, told) = mpsc::sync_channel(1);
    runtime.spawn(async move {
        // Nobody listens any more only where the process ends.
        tell.send(future.await).ok();
    });
    told.recv().map_err(|_| Error::NotReplicated { what: "this node is ending".to_owned() })
}
