//! How fast rows are handed on while processors are scarce: whoever takes them in lags then, rather than slow a transfer.

use std::{fs, time::Duration};

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

/// What may be handed on at once after a quiet time: so much of a second's.
const BURST: Duration = Duration::from_millis(250);
/// How often it is looked whether processors are scarce.
const LOOK: Duration = Duration::from_millis(200);
/// Where Linux says for how long, in microseconds, some thread has had to wait for a processor.
const PRESSURE: &str = "/proc/pressure/cpu";
/// Processors are scarce while some thread waits for one for more than so much of the time.
const SCARCE_PERCENT: u128 = 60;

/// A bound on rows in a second while processors are scarce, of all lanes together.
pub(crate) struct Pace {
    /// 0: no bound.
    rows_per_second_max: u32,
    state: Mutex<State>,
}

struct State {
    /// When the next row is due, if there is a bound.
    next: Instant,
    /// When it was last looked, and what the waiting came to by then.
    looked: Instant,
    waited_us: Option<u64>,
    is_scarce: bool,
}

impl Pace {
    pub(crate) fn new(rows_per_second_max: u32) -> Self {
        let now = Instant::now();
        let state = State { next: now, looked: now, waited_us: waited_us(), is_scarce: false };
        Self { rows_per_second_max, state: Mutex::new(state) }
    }

    /// Waits until so many rows are due.
    pub(crate) async fn wait(&self, rows: u64) {
        let now = Instant::now();
        let begins = {
            let mut state = self.state.lock();
            if now >= state.looked + LOOK {
                state.look(now, waited_us());
            }
            state.take(rows, now, self.rows_per_second_max)
        };
        if let Some(at) = begins {
            sleep_until(at).await;
        }
    }
}

impl State {
    /// Looks whether processors are scarce. Where nobody says so, they never are.
    fn look(&mut self, now: Instant, waited_us: Option<u64>) {
        let waited = waited_us.zip(self.waited_us).map_or(0, |(now, before)| now.saturating_sub(before));
        let passed = now.duration_since(self.looked).as_micros().max(1);
        self.is_scarce = u128::from(waited) * 100 > passed * SCARCE_PERCENT;
        (self.looked, self.waited_us) = (now, waited_us);
    }

    /// Takes the time of so many rows; when that begins, if there is a bound.
    fn take(&mut self, rows: u64, now: Instant, rows_per_second_max: u32) -> Option<Instant> {
        if rows_per_second_max == 0 || !self.is_scarce {
            return None;
        }
        let rows = f64::from(u32::try_from(rows).unwrap_or(u32::MAX));
        let begins = self.next.max(now.checked_sub(BURST).unwrap_or(now));
        self.next = begins + Duration::from_secs_f64(rows / f64::from(rows_per_second_max));
        Some(begins)
    }
}

fn waited_us() -> Option<u64> {
    let text = fs::read_to_string(PRESSURE).ok()?;
    let some = text.lines().find(|line| line.starts_with("some "))?;
    some.split_once("total=")?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(now: Instant, is_scarce: bool) -> State {
        State { next: now, looked: now, waited_us: Some(0), is_scarce }
    }

    #[test]
    fn while_processors_are_scarce_a_burst_goes_at_once_and_no_more_than_the_bound_in_the_long_run() {
        let start = Instant::now();
        let now = start + Duration::from_secs(10);
        let mut scarce = state(start, true);
        let begins: Vec<Duration> = [100, 200, 100, 500, 1]
            .map(|rows| scarce.take(rows, now, 1_000).unwrap().saturating_duration_since(now))
            .into();
        let ms = Duration::from_millis;
        assert_eq!(begins, [ms(0), ms(0), ms(50), ms(150), ms(650)]);
        let later = now + ms(5_000);
        assert_eq!(scarce.take(1, later, 1_000), Some(later - BURST), "what was not used is not owed");
        assert_eq!((scarce.take(1, now, 0), state(start, false).take(1, now, 1_000)), (None, None));
    }

    #[test]
    fn processors_are_scarce_while_somebody_waits_most_of_the_time() {
        let now = Instant::now();
        for (waited_us, is_scarce) in [(Some(500_000), false), (Some(700_000), true), (None, false)] {
            let mut state = state(now, !is_scarce);
            state.look(now + Duration::from_secs(1), waited_us);
            assert_eq!(state.is_scarce, is_scarce, "{waited_us:?}");
        }
    }
}
