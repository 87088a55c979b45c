//! Following supervision events as they come.
//!
//! They are read from the stream that keeps them, in its order, from some moment on: so none is missed while the connection
//! is lost, and none comes twice. A broker that lost the stream is followed again when a node has made it anew. The NATS client
//! would notice by itself, after some heartbeats that were missed: too late for who watches.

use std::{
    collections::VecDeque,
    fmt,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_nats::jetstream::consumer::{
    DeliverPolicy,
    pull::{Ordered, OrderedConfig},
};
use futures::StreamExt as _;
use remit_core::id::Time;

use crate::{
    client::Client,
    error::Error,
    supervision::{self, Event},
};

/// How often it is looked whether the connection is another one.
const LOOK: Duration = Duration::from_millis(200);
/// The pause before a stream that could not be read is tried again.
const PAUSE: Duration = Duration::from_millis(500);
/// How much earlier than asked for the stream is read, since its own clock is the broker's.
const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(60);
/// How many of the last events are remembered, so that none comes twice when the stream is read again from a little before.
const REMEMBERED: usize = 4_096;

/// Supervision events, one by one, for ever.
pub struct Following {
    client: Client,
    since: Time,
    /// From where the stream is read, should it have to be read again: nothing kept before this is still to come.
    reached: SystemTime,
    /// The messages, and the how many-th connection they are read over.
    messages: Option<(u64, Ordered)>,
    seen: VecDeque<Event>,
}

impl Client {
    /// Follows the supervision events of this moment and later.
    #[must_use]
    pub fn supervision_follow(&self, since: Time) -> Following {
        let reached = UNIX_EPOCH + Duration::from_millis(u64::try_from(since.0).unwrap_or(0));
        Following { client: self.clone(), since, reached, messages: None, seen: VecDeque::new() }
    }
}

impl Following {
    /// The next event. Waits for it as long as it takes; can be dropped while it waits.
    ///
    /// # Errors
    /// `unavailable` if the broker can't be asked at present, or has no such stream; ask for the next one all the same, which
    /// tries again after a pause.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            let (connection, messages) = match &mut self.messages {
                Some((connection, messages)) => (*connection, messages),
                none => {
                    let connection = connects(self.client.nats());
                    match begin(&self.client, self.reached).await {
                        Ok(messages) => (connection, &mut none.insert((connection, messages)).1),
                        Err(why) => {
                            tokio::time::sleep(PAUSE).await;
                            let message = format!("supervision events can't be followed at present: {why}");
                            return Err(Error::unavailable(message));
                        }
                    }
                }
            };
            let message = tokio::select! {
                message = messages.next() => message,
                () = another(self.client.nats(), connection) => {
                    self.messages = None;
                    continue;
                }
            };
            let Some(Ok(message)) = message else {
                self.messages = None;
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            // What is kept has been for a while; what comes now is as new as it can be.
            if message.info().is_ok_and(|info| info.pending == 0) {
                self.reached = SystemTime::now();
            }
            // What can't be read was written by another version, which this one can't show.
            let Ok(event) = serde_json::from_slice::<Event>(&message.payload) else { continue };
            if event.at < self.since || self.seen.contains(&event) {
                continue;
            }
            if self.seen.len() == REMEMBERED {
                self.seen.pop_front();
            }
            self.seen.push_back(event.clone());
            return Ok(event);
        }
    }
}

/// Waits until another connection has taken this one's place.
async fn another(client: &async_nats::Client, connection: u64) {
    while connects(client) == connection {
        tokio::time::sleep(LOOK).await;
    }
}

fn connects(client: &async_nats::Client) -> u64 {
    client.statistics().connects.load(Relaxed)
}

async fn begin(client: &Client, from: SystemTime) -> Result<Ordered, String> {
    let context = async_nats::jetstream::new(client.nats().clone());
    let stream =
        context.get_stream(supervision::stream(client.deployment())).await.map_err(|error| error.to_string())?;
    let start = from.checked_sub(CLOCKS_DIFFER_BY).unwrap_or(UNIX_EPOCH).max(UNIX_EPOCH);
    let config = OrderedConfig {
        deliver_policy: DeliverPolicy::ByStartTime { start_time: start.into() },
        ..OrderedConfig::default()
    };
    let consumer = stream.create_consumer(config).await.map_err(|error| error.to_string())?;
    consumer.messages().await.map_err(|error| error.to_string())
}

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following").field("since", &self.since).finish_non_exhaustive()
    }
}
