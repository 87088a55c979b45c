//! The time that a machine is told: the clock's, but it never goes back and never stands still.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use remit_core::id::Time;

/// Where a moment comes from.
pub type Clock = fn() -> Time;

/// The clock of this machine.
#[must_use]
pub fn system_clock() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Follows a clock; where that is set back, counts on by itself, or every timer would wait for the clock to catch up.
#[derive(Debug)]
pub struct Monotone {
    /// What the clock said when it was last followed, and how long that is after the start.
    followed: (Time, Duration),
    told: Time,
}

impl Monotone {
    /// Begins where the clock is now.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self { followed: (now, Duration::ZERO), told: now }
    }

    /// The time, where the clock reads so and this long has passed since the start.
    pub fn told(&mut self, read: Time, passed: Duration) -> Time {
        if read >= self.told {
            self.followed = (read, passed);
            self.told = read;
        } else {
            let (then, at) = self.followed;
            let since = u64::try_from(passed.saturating_sub(at).as_millis()).unwrap_or(u64::MAX);
            self.told = self.told.max(then.plus_ms(since));
        }
        self.told
    }
}

/// A clock that is followed, with how long ago that began.
#[derive(Debug)]
pub(super) struct Followed {
    clock: Clock,
    began: Instant,
    monotone: Monotone,
}

impl Followed {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, began: Instant::now(), monotone: Monotone::new(clock()) }
    }

    /// Now.
    pub(super) fn now(&mut self) -> Time {
        self.monotone.told((self.clock)(), self.began.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_neither_goes_back_nor_stands_still() {
        let mut clock = Monotone::new(Time(5_000));
        let mut told = |read, passed_ms| clock.told(Time(read), Duration::from_millis(passed_ms)).0;
        assert_eq!(told(5_000, 0), 5_000);
        assert_eq!(told(9_000, 10), 9_000);
        assert_eq!(told(1_000, 10), 9_000);
        assert_eq!(told(1_003, 13), 9_003, "it counts on by itself");
        assert_eq!(told(1_003, 13), 9_003);
        assert_eq!(told(i64::MAX / 2, 14), i64::MAX / 2);
    }
}
