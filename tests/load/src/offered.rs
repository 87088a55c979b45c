//! A load that does not wait for the deployment: so many transfers in each second, whatever becomes of those before. So a client
//! that has to wait keeps nobody else from asking, and what a fault does to all of them is seen.

use std::time::Duration;

use remit_api::{
    Client,
    submit::{SubmitRequest, Until},
};
use remit_core::protocol::Protocol;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{Crowd, Life, Timeline, WAIT_MS, crowd::Drawn};

/// How late a timer goes off by itself: that much is not the deployment's time.
const TIMER: Duration = Duration::from_millis(2);

/// What to offer to a deployment.
#[derive(Clone, Debug)]
pub struct Offered {
    /// How each transfer is made all-or-nothing.
    pub protocol: Protocol,
    /// Who pays whom. Its accounts must be set up.
    pub crowd: Crowd,
    /// Transfers in a second: 1 or more.
    pub per_second: u64,
    /// For how long they are asked for.
    pub time: Duration,
    /// When each of them is given up, in milliseconds from acceptance: 100 to 86,400,000.
    pub deadline_ms: u64,
}

/// Asks for transfers from `begin` on, each by itself, and waits until every one has an end, a minute at most. Calls `progress`
/// with how long it has lasted.
pub async fn offer(
    client: &Client,
    offered: Offered,
    begin: Instant,
    progress: &(dyn Fn(Duration) + Sync),
) -> Timeline {
    let Offered { protocol, mut crowd, per_second, time, deadline_ms } = offered;
    let mut waited_for = JoinSet::new();
    for no in 0.. {
        let due = Duration::from_nanos(no * 1_000_000_000 / per_second.max(1));
        if due >= time {
            break;
        }
        sleep_until(begin + due).await;
        progress(due);
        let Drawn { request, shards, is_in_ring } = crowd.draw();
        let (wait, wait_ms) = (Some(Until::Settled), Some(WAIT_MS));
        let request =
            SubmitRequest { protocol: Some(protocol), deadline_ms: Some(deadline_ms), wait, wait_ms, ..request };
        let asked = begin.elapsed().min(due + TIMER);
        let client = client.clone();
        waited_for.spawn(async move {
            let answer = client.transfer_submit(&request).await.ok();
            let (status, reason) = (answer.as_ref().map(|end| end.status), answer.and_then(|end| end.reason));
            Life { asked, ended: begin.elapsed(), status, reason, amount: paid(&request), shards, is_in_ring }
        });
    }
    Timeline { lives: waited_for.join_all().await }
}

/// What a request moves, in cents.
fn paid(request: &SubmitRequest) -> i64 {
    let debit = request.legs.iter().flatten().next().map(|leg| leg.amount);
    request.amount.or(debit).map_or(0, |amount| amount.get())
}
