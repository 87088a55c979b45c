//! Log lines at a bounded rate: a broker that is away fails thousands of frames a second.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Lets one event pass in a while.
#[derive(Debug)]
pub(in crate::bus) struct Throttle {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    passed_at: Option<Instant>,
    suppressed: u64,
}

impl Throttle {
    /// One line a second tells all that a person can use.
    const EVERY: Duration = Duration::from_secs(1);

    pub(in crate::bus) fn new() -> Self {
        Self { state: Mutex::default() }
    }

    /// Whether this event passes; if so, with the number of those that did not since the last one that did.
    pub(in crate::bus) fn pass(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock();
        if state.passed_at.is_some_and(|at| now.duration_since(at) < Self::EVERY) {
            state.suppressed += 1;
            return None;
        }
        state.passed_at = Some(now);
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_passes_in_a_while_and_tells_how_many_did_not() {
        let throttle = Throttle::new();
        let start = Instant::now();
        let at = |ms| throttle.pass(start + Duration::from_millis(ms));
        assert_eq!([0, 1, 999, 1_000, 1_500, 2_000].map(at), [Some(0), None, None, Some(2), None, Some(1)]);
    }
}
