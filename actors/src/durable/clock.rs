//! The time that a machine is told: the clock's, but it never goes back and never stands still.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

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
pub(super) struct Monotone {
    clock: Clock,
    /// What the clock said when it was last followed, and the instant of that.
    followed: (Time, Instant),
    told: Time,
}

impl Monotone {
    pub(super) fn new(clock: Clock) -> Self {
        let now = clock();
        Self { clock, followed: (now, Instant::now()), told: now }
    }

    /// Now.
    pub(super) fn now(&mut self) -> Time {
        let (read, instant) = ((self.clock)(), Instant::now());
        if read >= self.told {
            self.followed = (read, instant);
            self.told = read;
        } else {
            let (then, at) = self.followed;
            let passed = u64::try_from(instant.duration_since(at).as_millis()).unwrap_or(u64::MAX);
            self.told = self.told.max(then.plus_ms(passed));
        }
        self.told
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicI64, Ordering::Relaxed},
        time::Duration,
    };

    use super::*;

    static CLOCK: AtomicI64 = AtomicI64::new(5_000);

    #[test]
    fn a_clock_that_is_set_back_neither_goes_back_nor_stands_still() {
        let mut clock = Monotone::new(|| Time(CLOCK.load(Relaxed)));
        assert_eq!(clock.now(), Time(5_000));
        CLOCK.store(9_000, Relaxed);
        assert_eq!(clock.now(), Time(9_000));
        CLOCK.store(1_000, Relaxed);
        assert!(clock.now() >= Time(9_000));
        let waited_until = Instant::now() + Duration::from_secs(10);
        while clock.now() < Time(9_003) {
            assert!(Instant::now() < waited_until, "it stands still");
        }
        CLOCK.store(i64::MAX / 2, Relaxed);
        assert_eq!(clock.now(), Time(i64::MAX / 2));
    }
}
