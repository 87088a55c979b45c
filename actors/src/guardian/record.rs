//! What the guardian remembers of a child's ends, and what it concludes from them. Pure: time and chance are arguments.
//!
//! A child that fails too often is quarantined: who asks it is told `unavailable` at once. For how long depends on whose fault
//! it is. What its environment does to it (a full or read-only disk) ends without notice, so it is tried again at the longest
//! pause between restarts, for as long as that takes; what it needs of others (a broker, a lease, another node's rows) comes back within
//! seconds, and is tried again every second. A bug or a broken invariant is still there a moment later, and each try
//! costs the others something: it waits long.

use std::collections::VecDeque;

use remit_core::id::TransferId;

use crate::{machine::Failure, store::Error, supervision::Ended};

/// How often a transfer that is alone in hand may bring its actor down until it is parked (R11).
const PANICS_ALONE_MAX: u32 = 2;
/// The longest pause for want of others, in milliseconds. They are asked with a bound of their own, so this is no busy loop.
const ABSENT_MS_MAX: u64 = 1_000;
/// Transfers under suspicion at once. Each has cost a panic, and so many of those in a row end in quarantine long before.
const SUSPECTS_MAX: usize = 64;

/// When a child is restarted, and when set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The pause before the first restart, in milliseconds; it doubles with each further failure within the period.
    pub restart_first_ms: u64,
    /// The same, at most.
    pub restart_max_ms: u64,
    /// Failures of one fault that a child may have within the period; at one more it is quarantined.
    pub failures_max: usize,
    /// That period, in milliseconds.
    pub failures_period_ms: u64,
    /// How long a quarantined child waits for its next try, in milliseconds; if its database failed, `restart_max_ms`.
    pub quarantine_retry_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            restart_first_ms: 200,
            restart_max_ms: 5_000,
            failures_max: 5,
            failures_period_ms: 60_000,
            quarantine_retry_ms: 60_000,
        }
    }
}

/// What is to be done about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A fresh one, after a pause.
    Restart { attempt: u32, delay_ms: u64 },
    /// None for a while, which is no secret.
    Quarantine { retry_ms: u64 },
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The database could not be read or written: the disk is full, read-only, gone.
    Environment,
    /// What it needs of others is not there: brokers choose a leader, the lease is over, another node writes for now.
    Absent,
    /// Its own.
    Own,
}

impl Fault {
    fn of(ended: &Ended) -> Self {
        match ended {
            Ended::Failed(Failure::Store(Error::NotReplicated { .. }))
            | Ended::LeaseLost(Failure::Fenced(Error::LeaseExpired)) => Self::Absent,
            Ended::Failed(Failure::Store(_)) => Self::Environment,
            _ => Self::Own,
        }
    }

    /// The longest pause before another try, in milliseconds.
    fn pause_ms_max(self, limits: &Limits) -> u64 {
        match self {
            Self::Absent => limits.restart_max_ms.min(ABSENT_MS_MAX),
            Self::Environment | Self::Own => limits.restart_max_ms,
        }
    }
}

/// A child's failures so far.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// When it failed, within the period, and whose fault it was.
    failures: VecDeque<(u64, Fault)>,
    started_ms: u64,
    /// It comes from a quarantine of its own fault, and has not yet been up for a whole period.
    on_probation: bool,
    one_by_one: bool,
    /// How often it panicked over which transfer alone.
    suspects: Vec<(TransferId, u32)>,
}

impl Record {
    /// Notes that it starts, and says what its machine must be told: whether to go one by one, and what to park.
    pub(super) fn starts(&mut self, now_ms: u64) -> (bool, Vec<TransferId>) {
        self.started_ms = now_ms;
        let guilty = self.suspects.iter().filter(|(_, panics)| *panics >= PANICS_ALONE_MAX);
        (self.one_by_one, guilty.map(|(transfer, _)| *transfer).collect())
    }

    /// Notes a failure after so many good turns, with what was in hand alone, and decides. `dice` spreads restarts, so that
    /// what failed together does not come back together.
    pub(super) fn fails(
        &mut self,
        ended: &Ended,
        turns: u64,
        in_hand: Option<TransferId>,
        now_ms: u64,
        dice: u64,
        limits: &Limits,
    ) -> Verdict {
        self.blame(ended, turns, in_hand);
        let from = now_ms.saturating_sub(limits.failures_period_ms);
        while self.failures.front().is_some_and(|(at, _)| *at < from) {
            self.failures.pop_front();
        }
        let fault = Fault::of(ended);
        self.failures.push_back((now_ms, fault));
        self.on_probation &= self.started_ms >= from;
        let too_many = self.failures.iter().filter(|(_, other)| *other == fault).count() > limits.failures_max;
        let spread = |pause: u64| pause - dice % (pause / 4 + 1);
        match fault {
            // Its failures stay counted: while the cause lasts, no pause grows short again.
            Fault::Environment | Fault::Absent if too_many => {
                return Verdict::Quarantine { retry_ms: spread(fault.pause_ms_max(limits)) };
            }
            Fault::Own if too_many || self.on_probation || matches!(ended, Ended::InvariantBroken(_)) => {
                self.on_probation = true;
                self.failures.clear();
                return Verdict::Quarantine { retry_ms: limits.quarantine_retry_ms };
            }
            Fault::Environment | Fault::Absent | Fault::Own => {}
        }
        let attempt = u32::try_from(self.failures.len()).unwrap_or(u32::MAX);
        let doubled = limits.restart_first_ms.saturating_mul(1_u64.checked_shl(attempt - 1).unwrap_or(u64::MAX));
        Verdict::Restart { attempt, delay_ms: spread(doubled.min(fault.pause_ms_max(limits))) }
    }

    /// R11. An incarnation that ended a turn has parked what it was told to, and the one that follows an end without panic
    /// after that has nothing to fear.
    fn blame(&mut self, ended: &Ended, turns: u64, in_hand: Option<TransferId>) {
        if turns > 0 {
            self.suspects.retain(|(_, panics)| *panics < PANICS_ALONE_MAX);
        }
        let Ended::Panicked(_) = ended else {
            self.one_by_one &= turns == 0;
            return;
        };
        self.one_by_one = true;
        let Some(transfer) = in_hand else { return };
        if let Some((_, panics)) = self.suspects.iter_mut().find(|(suspect, _)| *suspect == transfer) {
            *panics += 1;
            return;
        }
        if self.suspects.len() == SUSPECTS_MAX {
            self.suspects.remove(0);
        }
        self.suspects.push((transfer, 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store;

    const LIMITS: Limits = Limits {
        restart_first_ms: 200,
        restart_max_ms: 1_000,
        failures_max: 5,
        failures_period_ms: 60_000,
        quarantine_retry_ms: 60_000,
    };
    const QUARANTINE: Verdict = Verdict::Quarantine { retry_ms: 60_000 };

    fn vanishes(record: &mut Record, now_ms: u64, dice: u64) -> Verdict {
        record.fails(&Ended::Vanished, 0, None, now_ms, dice, &LIMITS)
    }

    fn disk_full(record: &mut Record, now_ms: u64) -> Verdict {
        let full = store::Error::Foreign { what: "the disk is full".into() };
        record.fails(&Ended::from(Failure::from(full)), 0, None, now_ms, 0, &LIMITS)
    }

    fn panics(record: &mut Record, turns: u64, over: Option<u8>) {
        let over = over.map(|id| TransferId([id; 16]));
        record.fails(&Ended::Panicked(String::new()), turns, over, 0, 0, &Limits { failures_max: 100, ..LIMITS });
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_one_failure_too_many_is_quarantine() {
        let mut record = Record::default();
        for (attempt, delay_ms) in [(1, 200), (2, 400), (3, 800), (4, 1_000), (5, 1_000)] {
            assert_eq!(vanishes(&mut record, 0, 0), Verdict::Restart { attempt, delay_ms });
        }
        assert_eq!(vanishes(&mut record, 60_000, 0), QUARANTINE);
    }

    #[test]
    fn failures_older_than_the_period_are_forgotten() {
        let mut record = Record::default();
        for _ in 0..5 {
            vanishes(&mut record, 0, 0);
        }
        assert_eq!(vanishes(&mut record, 60_001, 0), Verdict::Restart { attempt: 1, delay_ms: 200 });
    }

    #[test]
    fn chance_shortens_a_pause_by_a_quarter_at_most() {
        let delays = [0, 1, 50, 51].map(|dice| match vanishes(&mut Record::default(), 0, dice) {
            Verdict::Restart { delay_ms, .. } => delay_ms,
            Verdict::Quarantine { .. } => unreachable!(),
        });
        assert_eq!(delays, [200, 199, 150, 200]);
    }

    #[test]
    fn a_broken_invariant_is_quarantine_at_once() {
        let broken = Ended::InvariantBroken("the chain".into());
        assert_eq!(Record::default().fails(&broken, 9, None, 0, 0, &LIMITS), QUARANTINE);
    }

    #[test]
    fn who_fails_again_soon_after_quarantine_goes_back_and_who_holds_out_starts_afresh() {
        let mut record = Record::default();
        record.fails(&Ended::InvariantBroken(String::new()), 0, None, 0, 0, &LIMITS);
        record.starts(60_000);
        assert_eq!(vanishes(&mut record, 60_500, 0), QUARANTINE);
        record.starts(120_500);
        assert_eq!(vanishes(&mut record, 180_501, 0), Verdict::Restart { attempt: 1, delay_ms: 200 });
    }

    #[test]
    fn who_fails_for_want_of_a_disk_is_tried_at_the_longest_pause_for_as_long_as_it_lasts() {
        let mut record = Record::default();
        for (attempt, delay_ms) in [(1, 200), (2, 400), (3, 800), (4, 1_000), (5, 1_000)] {
            assert_eq!(disk_full(&mut record, 0), Verdict::Restart { attempt, delay_ms });
        }
        for now_ms in (0..600_000).step_by(1_000) {
            assert_eq!(disk_full(&mut record, now_ms), Verdict::Quarantine { retry_ms: 1_000 });
        }
        // All is well for a whole period, and then no more.
        assert_eq!(disk_full(&mut record, 660_001), Verdict::Restart { attempt: 1, delay_ms: 200 });
    }

    /// Brokers that choose another leader cost a node's actors their lease, and each tries again several times until they have one.
    #[test]
    fn who_fails_for_want_of_others_is_tried_every_second_for_as_long_as_it_lasts() {
        let limits = Limits { restart_max_ms: 5_000, ..LIMITS };
        for absent in [Error::LeaseExpired, Error::NotReplicated { what: "no leader".into() }] {
            let ended = Ended::from(Failure::from(absent));
            let mut record = Record::default();
            let mut fails = |now_ms| record.fails(&ended, 0, None, now_ms, 0, &limits);
            for (attempt, delay_ms) in [(1, 200), (2, 400), (3, 800), (4, 1_000), (5, 1_000)] {
                assert_eq!(fails(0), Verdict::Restart { attempt, delay_ms });
            }
            for now_ms in (0..600_000).step_by(1_000) {
                assert_eq!(fails(now_ms), Verdict::Quarantine { retry_ms: 1_000 });
            }
        }
    }

    #[test]
    fn a_panic_after_the_disk_was_full_is_not_yet_one_too_many() {
        let mut record = Record::default();
        for _ in 0..100 {
            disk_full(&mut record, 0);
        }
        for _ in 0..5 {
            assert!(matches!(vanishes(&mut record, 0, 0), Verdict::Restart { delay_ms: 1_000, .. }));
        }
        assert_eq!(vanishes(&mut record, 0, 0), QUARANTINE);
    }

    #[test]
    fn r11_after_a_panic_one_by_one_until_an_incarnation_has_worked_and_not_panicked() {
        let mut record = Record::default();
        assert_eq!(record.starts(0), (false, vec![]));
        panics(&mut record, 7, None);
        assert_eq!(record.starts(0), (true, vec![]));
        vanishes(&mut record, 0, 0);
        assert_eq!(record.starts(0), (true, vec![]), "it had not worked");
        record.fails(&Ended::Vanished, 1, None, 0, 0, &LIMITS);
        assert_eq!(record.starts(0), (false, vec![]));
    }

    #[test]
    fn r11_two_panics_over_one_transfer_alone_park_it() {
        let (mut record, guilty) = (Record::default(), TransferId([1; 16]));
        panics(&mut record, 0, Some(1));
        panics(&mut record, 0, Some(2));
        assert_eq!(record.starts(0), (true, vec![]), "each only once");
        panics(&mut record, 0, Some(1));
        assert_eq!(record.starts(0), (true, vec![guilty]));
        vanishes(&mut record, 0, 0);
        assert_eq!(record.starts(0), (true, vec![guilty]), "it had not worked: told again");
        panics(&mut record, 1, Some(2));
        assert_eq!(record.starts(0), (true, vec![TransferId([2; 16])]), "the first one is parked by now");
    }
}
