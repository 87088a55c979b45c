//! Events that wait for the broker.

use std::collections::VecDeque;

use parking_lot::Mutex;
use remit_api::supervision::Event;
use tokio::sync::Notify;

/// The most events that wait. A node's actors fail at most a few times a second, since the pauses between their restarts grow:
/// so much is a broker's absence of many minutes, and some hundred kilobytes.
const EVENTS_MAX: usize = 4_096;

/// A bounded queue, in which the newest find room at the cost of the oldest.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    events: VecDeque<(u64, Event)>,
    next: u64,
    /// Those that were pushed out since this was last asked for.
    lost: u64,
}

impl Queue {
    /// Puts one in; never waits. True if it is the first one for which another had to go.
    pub(super) fn push(&self, event: Event) -> bool {
        let mut state = self.state.lock();
        let full = state.events.len() == EVENTS_MAX;
        if full {
            state.events.pop_front();
            state.lost += 1;
        }
        let number = state.next;
        state.next += 1;
        state.events.push_back((number, event));
        let first = full && state.lost == 1;
        drop(state);
        self.changed.notify_waiters();
        first
    }

    /// The oldest one with its number, once there is one. It stays until it is [`done`](Self::done).
    pub(super) async fn oldest(&self) -> (u64, Event) {
        loop {
            // Begun before the look, so that what comes between is not missed.
            let changed = self.changed.notified();
            if let Some(oldest) = self.state.lock().events.front() {
                return oldest.clone();
            }
            changed.await;
        }
    }

    /// The one of this number need not be kept any longer.
    pub(super) fn done(&self, number: u64) {
        let mut state = self.state.lock();
        if state.events.front().is_some_and(|(oldest, _)| *oldest == number) {
            state.events.pop_front();
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// How many were lost for want of room since this was last asked.
    pub(super) fn take_lost(&self) -> u64 {
        std::mem::take(&mut self.state.lock().lost)
    }

    /// Waits until none waits.
    pub(super) async fn empty(&self) {
        loop {
            let changed = self.changed.notified();
            if self.state.lock().events.is_empty() {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(generation: u64) -> Event {
        Event { generation, ..Event::default() }
    }

    #[tokio::test]
    async fn the_oldest_goes_first_and_stays_until_it_is_done() {
        let queue = Queue::default();
        assert!(!queue.push(event(1)) && !queue.push(event(2)));
        assert_eq!((queue.oldest().await.1, queue.oldest().await.1), (event(1), event(1)));
        queue.done(queue.oldest().await.0);
        assert_eq!(queue.oldest().await.1, event(2));
        queue.done(queue.oldest().await.0);
        queue.empty().await;
    }

    #[tokio::test]
    async fn when_it_is_full_the_oldest_is_lost_and_counted_and_said_once() {
        let queue = Queue::default();
        let said: Vec<bool> = (0..EVENTS_MAX as u64 + 3).map(|no| queue.push(event(no))).collect();
        assert_eq!(said.iter().filter(|said| **said).count(), 1);
        assert_eq!(queue.oldest().await.1, event(3));
        queue.done(2);
        assert_eq!(queue.oldest().await.1, event(3), "one that is gone takes no other with it");
        assert_eq!((queue.take_lost(), queue.take_lost()), (3, 0));
    }
}
