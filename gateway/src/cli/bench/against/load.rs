//! The load on the two banks: as many clients as asked for, each with one transfer after the other, as [`remit_load`] puts it on
//! a deployment.

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use remit_load::{Numbers, Payments, Report};
use tokio::time::sleep;

use super::{
    cluster::Cluster,
    error::Error,
    two_phase::{Form, Outcome, Transfer, TwoPhase},
};

/// How often a transfer is tried: some seconds of waiting for locks.
const TRIES: u64 = 20;
/// Before the next try, at most: two that met must not do so again.
const PAUSE_MS_MAX: u64 = 50;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load<'c> {
    pub(super) cluster: &'c Cluster,
    pub(super) payments: &'c Payments,
    pub(super) form: Form,
    pub(super) clients: u64,
    /// How long it goes on before anything is counted.
    pub(super) warm_up: Duration,
    /// For how long it is counted.
    pub(super) time: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    pub(super) report: Report,
    /// How often a transfer had to be tried again, since others had its accounts locked.
    pub(super) tried_again: u64,
    /// Transfers that completed, those of the warm-up included.
    pub(super) completed_in_all: u64,
}

/// What one client saw.
#[derive(Debug, Default)]
struct Seen {
    latencies: Vec<f64>,
    measured: Measured,
}

impl Load<'_> {
    /// Puts it on the banks, and calls `progress` with how long it has lasted.
    pub(super) async fn run(&self, progress: &(dyn Fn(Duration) + Sync)) -> Result<Measured, Error> {
        let clients = (0..self.clients).map(|_| TwoPhase::connect(self.cluster, self.form));
        let clients = try_join_all(clients).await?;
        let begin = Instant::now();
        let worker = |(client, seed)| self.one_client(client, Numbers(seed), begin, progress);
        let seen = try_join_all(clients.iter().zip(1..).map(worker)).await?;
        let took = begin.elapsed().saturating_sub(self.warm_up);
        let sum = |of: fn(&Measured) -> u64| seen.iter().map(|seen| of(&seen.measured)).sum::<u64>();
        let report = Report {
            submitted: sum(|client| client.report.submitted),
            rejected: sum(|client| client.report.rejected),
            unknown: sum(|client| client.report.unknown),
            ..Report::new(
                seen.iter().flat_map(|seen| seen.latencies.iter().copied()).collect(),
                sum(|client| client.report.completed),
                took,
            )
        };
        let (tried_again, completed_in_all) = (sum(|client| client.tried_again), sum(|client| client.completed_in_all));
        Ok(Measured { report, tried_again, completed_in_all })
    }

    async fn one_client(
        &self,
        client: &TwoPhase,
        mut numbers: Numbers,
        begin: Instant,
        progress: &(dyn Fn(Duration) + Sync),
    ) -> Result<Seen, Error> {
        let mut seen = Seen::default();
        loop {
            let since = begin.elapsed();
            progress(since);
            if since >= self.warm_up + self.time {
                return Ok(seen);
            }
            let transfer = Transfer::draw(self.payments, &mut numbers);
            let sent = Instant::now();
            let mut outcome = client.run(&transfer).await?;
            let mut tries = 1;
            while outcome == Outcome::Locked && tries < TRIES {
                sleep(Duration::from_millis(numbers.below(PAUSE_MS_MAX))).await;
                outcome = client.run(&transfer).await?;
                tries += 1;
            }
            let measured = &mut seen.measured;
            measured.report.submitted += 1;
            measured.completed_in_all += u64::from(outcome == Outcome::Completed);
            if since >= self.warm_up {
                measured.tried_again += tries - 1;
                seen.latencies.push(sent.elapsed().as_secs_f64() * 1_000.0);
                *match outcome {
                    Outcome::Completed => &mut measured.report.completed,
                    Outcome::Refused => &mut measured.report.rejected,
                    Outcome::Locked => &mut measured.report.unknown,
                } += 1;
            }
        }
    }
}
