//! Noticing that the connection was lost and made again.
//!
//! The NATS client reconnects by itself, but whoever waited for an answer on the old connection waits until its time is up.
//! Here it is told at once.

use std::{sync::atomic::Ordering, time::Duration};

use async_nats::Client;

/// How often the connection is looked at while someone waits.
pub(in crate::bus) const LOOK: Duration = Duration::from_millis(100);

/// A connection as it is at some moment: the how many-th.
#[derive(Clone)]
pub(in crate::bus) struct Connection {
    client: Client,
    no: u64,
}

impl Connection {
    /// The one that there is now.
    pub(in crate::bus) fn of(client: &Client) -> Self {
        Self { client: client.clone(), no: count(client) }
    }

    /// Whether another one has taken its place.
    pub(in crate::bus) fn is_lost(&self) -> bool {
        count(&self.client) != self.no
    }

    /// Waits until another one has taken its place.
    pub(in crate::bus) async fn lost(&self) {
        while !self.is_lost() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What comes of this; `None` if the connection is lost before.
    pub(in crate::bus) async fn unless_lost<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = future => Some(done),
            () = self.lost() => None,
        }
    }
}

fn count(client: &Client) -> u64 {
    client.statistics().connects.load(Ordering::Relaxed)
}
