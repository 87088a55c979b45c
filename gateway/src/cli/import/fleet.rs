//! Several batches under way at once, each a [`Flight`] over a [`Door`].

use std::{
    future::ready,
    time::{Duration, Instant},
};

use clap::value_parser;
use futures::{StreamExt, TryStreamExt, stream};
use remit_api::{
    batch::{BatchRequest, MEMBERS_MAX},
    submit::Until,
};

use super::{
    door::Door,
    flight::{End, Flight, Next},
    payment::Payment,
};

/// For how long the deployment is asked to wait for the ends of a batch, in milliseconds. Then the same is asked again, so
/// it bounds only how late a lost answer is noticed.
const WAIT_MS: u64 = 5_000;

/// How many, and how large.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(in crate::cli) struct Fleet {
    /// Payments in one batch: 1 to 8192
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = value_parser!(u16).range(1..=MEMBERS_MAX as i64))]
    pub(in crate::cli) batch: u16,
    /// Batches under way at once: 1 to 64
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = value_parser!(u8).range(1..=64))]
    pub(in crate::cli) in_flight: u8,
    /// How often a batch is sent in vain, one time after the other, until it is given up
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = value_parser!(u32).range(1..=1_000))]
    pub(in crate::cli) tries: u32,
}

/// A batch that has landed.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Landed {
    /// Its payments.
    pub(in crate::cli) payments: Vec<Payment>,
    /// How each of them ended, in the same order.
    pub(in crate::cli) ends: Vec<End>,
    /// From its first sending until the last of them had ended.
    pub(in crate::cli) took: Duration,
}

impl Fleet {
    /// Flies all payments; what lands is handed over batch by batch, in the order of the payments.
    ///
    /// # Errors
    /// The first that `landed` answers.
    pub(in crate::cli) async fn fly<D, P, E>(
        self,
        door: &D,
        payments: P,
        mut landed: impl FnMut(Landed) -> Result<(), E>,
    ) -> Result<(), E>
    where
        D: Door,
        P: Iterator<Item = Payment>,
    {
        let batches = stream::iter(payments).chunks(self.batch.into());
        let flights = batches.map(|payments| self.fly_one(door, payments)).buffered(self.in_flight.into());
        flights.map(Ok).try_for_each(|batch| ready(landed(batch))).await
    }

    async fn fly_one<D: Door>(self, door: &D, payments: Vec<Payment>) -> Landed {
        let began = Instant::now();
        let mut flight = Flight::new(payments.len(), self.tries);
        loop {
            let transfers = flight.due().map(|at| payments[at].request.clone()).collect();
            let batch = BatchRequest { transfers, wait: Some(Until::Settled), wait_ms: Some(WAIT_MS), answer: None };
            match flight.handle_answer(door.submit(&batch).await) {
                Next::Send { after_ms: 0 } => {}
                Next::Send { after_ms } => door.pause(after_ms).await,
                Next::Landed => return Landed { ends: flight.into_ends(), took: began.elapsed(), payments },
            }
        }
    }
}
