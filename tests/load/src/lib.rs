//! The load generator behind `remit bench` and `remit compare`. It knows the doors only: what it measures is what a client sees.
//!
//! It is honest: accounts are funded by transfers, every id is new, a transfer counts when its end is known, and only if it
//! completed.

mod crowd;
mod offered;
mod payments;
pub mod scale;
mod timeline;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use futures::future::try_join_all;
use remit_api::{
    Client, Error,
    account::OpenRequest,
    batch::{BatchRequest, Detail, OpenBatchRequest},
    submit::{SubmitRequest, Until},
    transfer::Status,
};
use remit_core::{
    account::Kind,
    id::{AccountId, TransferId},
    money::{Amount, Currency},
    protocol::Protocol,
};
use serde::Serialize;
use uuid::{Builder, Uuid};

pub use crowd::{Crowd, Drawn};
pub use offered::{Offered, offer};
pub use payments::{Payments, Skew, cents};
pub use timeline::{Life, Timeline};

/// What to do to a deployment.
#[derive(Clone, Debug)]
pub struct Load {
    /// How each transfer is made all-or-nothing.
    pub protocol: Protocol,
    /// Between whom. The accounts must be set up.
    pub payments: Arc<Payments>,
    /// How many clients submit at the same time, each one request after the other.
    pub clients: u64,
    /// Transfers in one request: 1 to 8,192; 1 is `transfer.submit`.
    pub batch: u64,
    /// How long it goes on before anything is counted.
    pub warm_up: Duration,
    /// For how long it is counted.
    pub time: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Completed transfers in a second, warm-up not counted.
    pub transfers_per_s: f64,
    /// The time from request to answer, by share of the requests.
    pub p50_ms: f64,
    /// As above.
    pub p90_ms: f64,
    /// As above.
    pub p99_ms: f64,
    /// As above.
    pub max_ms: f64,
    /// How many transfers were submitted, those of the warm-up included.
    pub submitted: u64,
    /// How many transfers completed.
    pub completed: u64,
    /// How many were rejected.
    pub rejected: u64,
    /// How many were compensated.
    pub compensated: u64,
    /// How many were not settled in time, or refused at the door.
    pub unknown: u64,
}

impl Report {
    /// Of requests that took so many milliseconds each, in any order, and in all so long, in which so many transfers completed.
    #[must_use]
    pub fn new(mut latencies: Vec<f64>, completed: u64, took: Duration) -> Self {
        latencies.sort_by(f64::total_cmp);
        Self {
            transfers_per_s: as_f64(completed) / took.as_secs_f64(),
            p50_ms: share(&latencies, 50),
            p90_ms: share(&latencies, 90),
            p99_ms: share(&latencies, 99),
            max_ms: latencies.last().copied().unwrap_or_default(),
            completed,
            ..Self::default()
        }
    }
}

/// What each account begins with, in cents.
pub const FUNDS: i64 = 1_000_000_000;
/// How long a request waits for its transfers.
const WAIT_MS: u64 = 60_000;
/// Accounts that are opened, and then funded, with one request.
const SET_UP_TOGETHER: u64 = 2_000;
/// Such requests in flight.
const SETTING_UP: usize = 4;

/// An account of the load, by its number.
///
/// # Panics
/// Never: the name is within the rules.
#[must_use]
pub fn account(no: u64) -> AccountId {
    AccountId::parse(&format!("load-{no}")).expect("a short plain name is an id")
}

/// Where deposits come from.
fn world() -> AccountId {
    AccountId::parse("load-world").expect("a short plain name is an id")
}

fn eur() -> Currency {
    Currency::parse("EUR").expect("EUR is a currency")
}

/// A new time-ordered transfer id.
#[must_use]
pub fn new_id() -> TransferId {
    TransferId(Uuid::now_v7().into_bytes())
}

/// New time-ordered transfer ids for one client, who asks the system for randomness only once: a system call for each id would be
/// a good part of what is measured.
struct Ids(Numbers);

impl Ids {
    fn new() -> Self {
        Self(Numbers(Uuid::new_v4().as_u64_pair().1))
    }

    fn next(&mut self) -> TransferId {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.0.mixed().to_le_bytes());
        random[8..].copy_from_slice(&self.0.mixed().to_le_bytes()[..2]);
        let ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        TransferId(Builder::from_unix_timestamp_millis(ms, &random).into_uuid().into_bytes())
    }
}

/// Opens and funds the accounts of a load. Calls `progress` with how many are ready.
///
/// # Errors
/// The deployment does not take an account, or a deposit.
pub async fn set_up(client: &Client, accounts: u64, progress: &(dyn Fn(u64) + Sync)) -> Result<(), Error> {
    let world = world();
    let external = OpenRequest { kind: Some(Kind::External), ..OpenRequest::new(world.clone(), eur()) };
    client.account_open(&external).await?;
    let amount = Amount::new(FUNDS).expect("it is more than 0");
    let (ready, next) = (AtomicU64::new(0), AtomicU64::new(0));
    let worker = || async {
        loop {
            let first = next.fetch_add(SET_UP_TOGETHER, Relaxed);
            let some = first..accounts.min(first + SET_UP_TOGETHER);
            if some.is_empty() {
                return Ok::<_, Error>(());
            }
            let accounts = some.clone().map(|no| OpenRequest::new(account(no), eur())).collect();
            for opened in client.account_open_batch(&OpenBatchRequest { accounts }).await? {
                opened?;
            }
            let deposit = |no| SubmitRequest::payment(new_id(), world.clone(), account(no), amount, eur());
            pay_in(client, some.clone().map(deposit).collect()).await?;
            let count = some.end - some.start;
            progress(ready.fetch_add(count, Relaxed) + count);
        }
    };
    try_join_all((0..SETTING_UP).map(|_| worker())).await?;
    Ok(())
}

/// Makes deposits, up to 8,192 of them, each of which must complete.
async fn pay_in(client: &Client, deposits: Vec<SubmitRequest>) -> Result<(), Error> {
    for result in client.transfer_submit_batch_brief(&batch(deposits)).await? {
        let deposited = result?;
        if deposited.status != Status::Completed {
            return Err(Error::unavailable(format!("the deposit {} is {:?}", deposited.id, deposited.status)));
        }
    }
    Ok(())
}

/// Puts the load on a deployment whose accounts are set up. Calls `progress` with how long it has lasted. What is asked for
/// after the warm-up counts, and so does its time until the last of it is answered.
///
/// # Errors
/// A request failed as a whole.
pub async fn run(client: &Client, load: &Load, progress: &(dyn Fn(Duration) + Sync)) -> Result<Report, Error> {
    let counts = Arc::new(Counts::default());
    let begin = Instant::now();
    let worker = |seed| one_client(client, load, Numbers(seed), begin, &counts, progress);
    let latencies = try_join_all((1..=load.clients).map(worker)).await?;
    let took = begin.elapsed().saturating_sub(load.warm_up);
    let latencies = latencies.into_iter().flatten().collect();
    Ok(Report {
        submitted: counts.submitted.load(Relaxed),
        rejected: counts.rejected.load(Relaxed),
        compensated: counts.compensated.load(Relaxed),
        unknown: counts.unknown.load(Relaxed),
        ..Report::new(latencies, counts.completed.load(Relaxed), took)
    })
}

#[derive(Default)]
struct Counts {
    submitted: AtomicU64,
    completed: AtomicU64,
    rejected: AtomicU64,
    compensated: AtomicU64,
    unknown: AtomicU64,
}

impl Counts {
    fn count(&self, status: Option<Status>) {
        let counter = match status {
            Some(Status::Completed) => &self.completed,
            Some(Status::Rejected) => &self.rejected,
            Some(Status::Compensated) => &self.compensated,
            _ => &self.unknown,
        };
        counter.fetch_add(1, Relaxed);
    }
}

async fn one_client(
    client: &Client,
    load: &Load,
    mut numbers: Numbers,
    begin: Instant,
    counts: &Counts,
    progress: &(dyn Fn(Duration) + Sync),
) -> Result<Vec<f64>, Error> {
    let (mut latencies, mut ids) = (Vec::new(), Ids::new());
    loop {
        let since = begin.elapsed();
        progress(since);
        if since >= load.warm_up + load.time {
            return Ok(latencies);
        }
        let counted = since >= load.warm_up;
        let mut draw =
            |_| SubmitRequest { protocol: Some(load.protocol), ..load.payments.draw(ids.next(), &mut numbers) };
        let transfers: Vec<SubmitRequest> = (0..load.batch).map(&mut draw).collect();
        let count = |status| {
            if counted {
                counts.count(status)
            }
        };
        counts.submitted.fetch_add(load.batch, Relaxed);
        let sent = Instant::now();
        if load.batch == 1 {
            for mut transfer in transfers {
                (transfer.wait, transfer.wait_ms) = (Some(Until::Settled), Some(WAIT_MS));
                count(client.transfer_submit(&transfer).await.ok().map(|transfer| transfer.status));
            }
        } else {
            for result in client.transfer_submit_batch_brief(&batch(transfers)).await? {
                count(result.ok().map(|transfer| transfer.status));
            }
        }
        if counted {
            latencies.push(sent.elapsed().as_secs_f64() * 1_000.0);
        }
    }
}

fn batch(transfers: Vec<SubmitRequest>) -> BatchRequest {
    BatchRequest { transfers, wait: Some(Until::Settled), wait_ms: Some(WAIT_MS), answer: Some(Detail::Brief) }
}

/// Numbers that look random and, from the same seed, are the same in every run (SplitMix64).
#[derive(Clone, Debug)]
pub struct Numbers(pub u64);

impl Numbers {
    /// The next one, below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.mixed() % bound.max(1)
    }

    /// The next one, from 0 to below 1.
    #[allow(clippy::cast_precision_loss, reason = "53 bits are what a share has")]
    pub fn share(&mut self) -> f64 {
        (self.mixed() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn mixed(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn share(sorted: &[f64], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

#[allow(clippy::cast_precision_loss, reason = "a count of transfers is far below 2^52")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_s_ids_are_all_different_and_in_the_order_of_time() {
        let (mut ids, mut others) = (Ids::new(), Ids::new());
        let mut made: Vec<TransferId> = (0..1_000).flat_map(|_| [ids.next(), others.next()]).collect();
        let ms = |id: &TransferId| Uuid::from_bytes(id.0).get_timestamp().map(|at| at.to_unix());
        assert!(made.is_sorted_by_key(ms) && made.iter().all(|id| Uuid::from_bytes(id.0).get_version_num() == 7));
        made.sort();
        made.dedup();
        assert_eq!(made.len(), 2_000);
    }

    #[test]
    fn a_share_of_the_latencies_is_one_of_them() {
        let sorted: Vec<f64> = (1..=100_u8).map(f64::from).collect();
        assert_eq!([50, 90, 99].map(|percent| share(&sorted, percent)), [51.0, 91.0, 100.0]);
        assert_eq!(share(&[], 50), 0.0);
    }
}
