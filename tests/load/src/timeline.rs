//! What became of each transfer of a load, and when: what a fault did is read from that afterwards.

use std::time::Duration;

use remit_api::transfer::Status;
use remit_core::{id::ShardNo, reason::Reason};

use crate::{as_f64, share};

/// Who was hit by no fault, and yet had to wait for longer than this, was held up by others.
const PATIENCE: Duration = Duration::from_secs(1);

/// A transfer, as its client saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct Life {
    /// When it was due to be asked for, since the load began.
    pub asked: Duration,
    /// When its client was told what became of it.
    pub ended: Duration,
    /// What that was; `None`: the client was not told.
    pub status: Option<Status>,
    /// Why it did not complete.
    pub reason: Option<Reason>,
    /// What was to be paid, in cents.
    pub amount: i64,
    /// The databases that it touches.
    pub shards: Vec<ShardNo>,
    /// Whether it is within a ring (see [`Crowd`](crate::Crowd)).
    pub is_in_ring: bool,
}

impl Life {
    fn is_completed(&self) -> bool {
        self.status == Some(Status::Completed)
    }
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// In no order.
    pub lives: Vec<Life>,
}

impl Timeline {
    /// How many there are with this status; `None`: all whose end is not known.
    #[must_use]
    pub fn count(&self, status: Option<Status>) -> u64 {
        let ends = [Status::Completed, Status::Rejected, Status::Compensated];
        let end = |life: &Life| life.status.filter(|status| ends.contains(status));
        self.lives.iter().filter(|life| end(life) == status).count() as u64
    }

    /// The share of those that did not complete.
    #[must_use]
    pub fn aborted(&self) -> f64 {
        let all = self.lives.len() as u64;
        as_f64(all - self.count(Some(Status::Completed))) / as_f64(all.max(1))
    }

    /// How much money arrived, in cents.
    #[must_use]
    pub fn moved(&self) -> i64 {
        self.lives.iter().filter(|life| life.is_completed()).map(|life| life.amount).sum()
    }

    /// How many completed in each second between two moments.
    #[must_use]
    pub fn completed_per_s(&self, from: Duration, to: Duration) -> f64 {
        let ended = |life: &&Life| life.is_completed() && (from..to).contains(&life.ended);
        as_f64(self.lives.iter().filter(ended).count() as u64) / (to - from).as_secs_f64()
    }

    /// The time from request to end that so many percent of all transfers did not exceed, each in milliseconds.
    #[must_use]
    pub fn latencies_ms<const N: usize>(&self, percents: [usize; N]) -> [f64; N] {
        let latency = |life: &Life| life.ended.saturating_sub(life.asked).as_secs_f64() * 1_000.0;
        let mut latencies: Vec<f64> = self.lives.iter().map(latency).collect();
        latencies.sort_by(f64::total_cmp);
        percents.map(|percent| share(&latencies, percent))
    }

    /// How long it took, from the end of a fault on, until every transfer that was open then had ended.
    #[must_use]
    pub fn recovery(&self, over: Duration) -> Duration {
        let was_open = self.lives.iter().filter(|life| life.asked <= over && life.ended > over);
        was_open.map(|life| life.ended - over).max().unwrap_or_default()
    }

    /// How many were blocked behind others: those within rings that were refused, since the one before had not brought the
    /// money on in time; and those that no fault hit, and that took longer than a second all the same.
    #[must_use]
    pub fn blocked(&self, is_hit: impl Fn(&Life) -> bool) -> u64 {
        let is_refused = |life: &Life| life.is_in_ring && life.reason == Some(Reason::InsufficientFunds);
        let is_late = |life: &Life| life.ended.saturating_sub(life.asked) > PATIENCE && !is_hit(life);
        self.lives.iter().filter(|life| is_refused(life) || is_late(life)).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn life(asked: u64, ended: u64, status: Option<Status>) -> Life {
        let (asked, ended) = (ms(asked), ms(ended));
        Life { asked, ended, status, reason: None, amount: 10, shards: vec![ShardNo(0)], is_in_ring: false }
    }

    fn completed(asked: u64, ended: u64) -> Life {
        life(asked, ended, Some(Status::Completed))
    }

    #[test]
    fn every_transfer_is_counted_once() {
        let statuses = [Status::Completed, Status::Completed, Status::Rejected, Status::Compensated];
        let unknown = [None, Some(Status::InProgress), Some(Status::Accepted)];
        let all = statuses.into_iter().map(Some).chain(unknown);
        let timeline = Timeline { lives: all.map(|status| life(0, 1, status)).collect() };
        let count = |status| timeline.count(status);
        let ended = [Status::Completed, Status::Rejected, Status::Compensated].map(|status| count(Some(status)));
        assert_eq!((ended, count(None)), ([2, 1, 1], 3));
        assert_eq!((timeline.aborted(), timeline.moved()), (5.0 / 7.0, 20));
        assert_eq!(Timeline::default().aborted(), 0.0);
    }

    #[test]
    fn the_rate_is_of_those_that_completed_within_the_time() {
        let lives = vec![completed(0, 999), completed(0, 1_000), completed(0, 2_999), completed(2_000, 3_000)];
        let timeline = Timeline { lives: [lives, vec![life(0, 1_500, Some(Status::Rejected))]].concat() };
        assert_eq!(timeline.completed_per_s(ms(1_000), ms(3_000)), 1.0);
    }

    #[test]
    fn a_latency_counts_whatever_the_end() {
        let timeline = Timeline { lives: vec![completed(5, 10), life(0, 60_000, None)] };
        assert_eq!(timeline.latencies_ms([0, 99]), [5.0, 60_000.0]);
    }

    #[test]
    fn recovery_lasts_until_the_last_that_was_open_has_ended() {
        let timeline = Timeline { lives: vec![completed(0, 500), completed(900, 1_700), completed(1_100, 9_000)] };
        assert_eq!(timeline.recovery(ms(1_000)), ms(700), "what was asked for later does not count");
        assert_eq!(timeline.recovery(ms(600)), ms(0), "nothing was open");
    }

    #[test]
    fn blocked_is_who_lacks_money_that_is_on_its_way_and_who_waits_though_not_hit() {
        let in_ring = Life { is_in_ring: true, ..life(0, 10, Some(Status::Rejected)) };
        let refused = Life { reason: Some(Reason::InsufficientFunds), ..in_ring.clone() };
        let poor = Life { is_in_ring: false, ..refused.clone() };
        let elsewhere = Life { shards: vec![ShardNo(1)], ..completed(0, 2_000) };
        let lives = vec![in_ring, refused, poor, completed(0, 2_000), elsewhere, completed(0, 1_000)];
        let timeline = Timeline { lives };
        assert_eq!(timeline.blocked(|life| life.shards.contains(&ShardNo(0))), 2);
        assert_eq!(timeline.blocked(|_| true), 1);
    }
}
