//! What the demo measures: for each protocol, how the payments ended, how many a second, and how long a batch took.

use std::time::Duration;

use comfy_table::Cell;
use remit_core::protocol::Protocol;
use serde::Serialize;

use crate::cli::{
    import::summary::{Outcome, Summary},
    render::{self, count, table},
};

/// The figures of one protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Figures {
    protocol: Protocol,
    completed: u64,
    rejected: u64,
    compensated: u64,
    /// Those with any other outcome: there should be none.
    other: u64,
    transfers_per_s: u64,
    /// Of a batch, from its sending until all of it had ended.
    batch_p50_us: u64,
    batch_p99_us: u64,
}

impl Figures {
    /// From what an import came to, and how long its batches took.
    pub(super) fn new(protocol: Protocol, summary: &Summary, batches: &mut [Duration]) -> Self {
        batches.sort_unstable();
        let [completed, rejected, compensated] =
            [Outcome::Completed, Outcome::Rejected, Outcome::Compensated].map(|outcome| summary.ended(outcome));
        let us = |percent| u64::try_from(percentile(batches, percent).as_micros()).unwrap_or(u64::MAX);
        Self {
            protocol,
            completed,
            rejected,
            compensated,
            other: summary.total() - completed - rejected - compensated,
            transfers_per_s: summary.per_s(),
            batch_p50_us: us(50),
            batch_p99_us: us(99),
        }
    }

    /// Whether every payment has an end.
    pub(super) const fn all_ended(&self) -> bool {
        self.other == 0
    }
}

/// One line for each protocol.
pub(super) fn text(all: &[Figures]) -> String {
    let mut lines = table([
        "protocol",
        "completed>",
        "rejected>",
        "compensated>",
        "transfers/s>",
        "p50 of a batch>",
        "p99 of a batch>",
    ]);
    for figures in all {
        lines.add_row([
            Cell::new(figures.protocol),
            Cell::new(count(figures.completed)),
            Cell::new(count(figures.rejected)),
            Cell::new(count(figures.compensated)),
            Cell::new(count(figures.transfers_per_s)),
            Cell::new(ms(figures.batch_p50_us)),
            Cell::new(ms(figures.batch_p99_us)),
        ]);
    }
    render::text(&lines)
}

/// The least duration that so many percent do not exceed; `sorted`.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

fn ms(us: u64) -> String {
    format!("{}.{} ms", us / 1_000, us % 1_000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_those_measured() {
        let measured: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&measured, 50), Duration::from_millis(100));
        assert_eq!(percentile(&measured, 99), Duration::from_millis(198));
        assert_eq!(percentile(&measured[..1], 99), Duration::from_millis(1));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }

    #[test]
    fn milliseconds_have_one_decimal() {
        assert_eq!([0, 999, 12_345].map(ms), ["0.0 ms", "0.9 ms", "12.3 ms"]);
    }
}
