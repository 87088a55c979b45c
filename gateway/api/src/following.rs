//! Following supervision events as they come.
//!
//! They are read from the stream that keeps them, in its order, from some moment on: so none is missed while the connection
//! is lost, and none comes twice. A broker that lost the stream is followed again when a node has made it anew.

use std::{
    collections::VecDeque,
    fmt,
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
    messages: Option<Ordered>,
    seen: VecDeque<Event>,
}

impl Client {
    /// Follows the supervision events of this moment and later.
    #[must_use]
    pub fn supervision_follow(&self, since: Time) -> Following {
        Following { client: self.clone(), since, messages: None, seen: VecDeque::new() }
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
            let messages = match &mut self.messages {
                Some(messages) => messages,
                none => match begin(&self.client, self.since).await {
                    Ok(messages) => none.insert(messages),
                    Err(why) => {
                        tokio::time::sleep(PAUSE).await;
                        return Err(Error::unavailable(format!(
                            "supervision events can't be followed at present: {why}"
                        )));
                    }
                },
            };
            let Some(Ok(message)) = messages.next().await else {
                self.messages = None;
                tokio::time::sleep(PAUSE).await;
                continue;
            };
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

async fn begin(client: &Client, since: Time) -> Result<Ordered, String> {
    let context = async_nats::jetstream::new(client.nats().clone());
    let stream =
        context.get_stream(supervision::stream(client.deployment())).await.map_err(|error| error.to_string())?;
    let since = UNIX_EPOCH + Duration::from_millis(u64::try_from(since.0).unwrap_or(0));
    let start = since.checked_sub(CLOCKS_DIFFER_BY).unwrap_or(SystemTime::UNIX_EPOCH);
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
