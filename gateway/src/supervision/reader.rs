//! Reading events from the stream that keeps them.

use std::{
    collections::VecDeque,
    time::{Duration, UNIX_EPOCH},
};

use async_nats::jetstream::{
    Context,
    consumer::{AckPolicy, DeliverPolicy, pull},
    context::{ContextBuilder, GetStreamErrorKind},
    stream::Stream,
};
use futures::StreamExt as _;
use remit_api::{
    Error,
    supervision::{self, Event, List, ListRequest},
};
use tokio::time::timeout;

/// How long the broker may take for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long all of it may take: a full stream is read in a fraction of this.
const READ_WITHIN: Duration = Duration::from_secs(4);
/// How many messages are fetched at once.
const BATCH: usize = 1_000;
/// How much earlier than asked for the stream is read, since its own clock is the broker's, and a node's may differ.
const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(60);
/// When the broker forgets a reader that was cut off.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);

/// Reads a deployment's events.
pub struct Reader {
    context: Context,
    deployment: String,
}

impl Reader {
    /// Over this connection.
    #[must_use]
    pub fn new(client: async_nats::Client, deployment: &str) -> Self {
        let context = ContextBuilder::new().timeout(ANSWER_WITHIN).build(client);
        Self { context, deployment: deployment.to_owned() }
    }

    /// `supervision.list`.
    ///
    /// # Errors
    /// `unavailable` if the broker does not hand them out in time.
    pub async fn list(&self, request: &ListRequest) -> Result<List, Error> {
        let unavailable =
            |why: String| Error::unavailable(format!("supervision events can't be read at present: {why}"));
        match timeout(READ_WITHIN, self.read(request)).await {
            Ok(read) => Ok(List { events: read.map_err(unavailable)? }),
            Err(_) => Err(unavailable(format!("it took more than {} ms", READ_WITHIN.as_millis()))),
        }
    }

    async fn read(&self, request: &ListRequest) -> Result<Vec<Event>, String> {
        let stream = match self.context.get_stream(supervision::stream(&self.deployment)).await {
            Ok(stream) => stream,
            // It is being made, or the broker has lost it: there is nothing to tell of.
            Err(error) if matches!(error.kind(), GetStreamErrorKind::JetStream(error) if error.code() == 404) => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(error.to_string()),
        };
        let filter_subject = match &request.actor {
            Some(actor) => supervision::subject_of_actor(&self.deployment, actor),
            None => supervision::subjects(&self.deployment),
        };
        let config = pull::Config {
            deliver_policy: begin(&stream, request),
            ack_policy: AckPolicy::None,
            filter_subject,
            inactive_threshold: FORGOTTEN_AFTER,
            memory_storage: true,
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await.map_err(|error| error.to_string())?;
        let (name, mut left) = (consumer.cached_info().name.clone(), consumer.cached_info().num_pending);
        let mut newest = VecDeque::new();
        while left > 0 {
            let mut batch = consumer.fetch().max_messages(BATCH).messages().await.map_err(|error| error.to_string())?;
            let mut is_empty = true;
            while let Some(message) = batch.next().await {
                let message = message.map_err(|error| error.to_string())?;
                left = message.info().map_err(|error| error.to_string())?.pending;
                is_empty = false;
                // What can't be read was written by another version, which this one can't show.
                let Ok(event) = serde_json::from_slice::<Event>(&message.payload) else { continue };
                if !request.wants(&event) {
                    continue;
                }
                if newest.len() == request.rows() {
                    newest.pop_front();
                }
                newest.push_back(event);
            }
            // What was counted may have been pushed out since.
            if is_empty {
                break;
            }
        }
        // Left behind it would be forgotten as well, only later.
        stream.delete_consumer(&name).await.ok();
        Ok(newest.into())
    }
}

/// Where reading begins: no later than at the first event that is asked for.
fn begin(stream: &Stream, request: &ListRequest) -> DeliverPolicy {
    if let Some(since) = request.since {
        let since = UNIX_EPOCH + Duration::from_millis(u64::try_from(since.0).unwrap_or(0));
        let start = since.checked_sub(CLOCKS_DIFFER_BY).unwrap_or(UNIX_EPOCH).max(UNIX_EPOCH);
        return DeliverPolicy::ByStartTime { start_time: start.into() };
    }
    if request.actor.is_some() {
        return DeliverPolicy::All;
    }
    let rows = u64::try_from(request.rows()).unwrap_or(u64::MAX);
    match stream.cached_info().state.last_sequence.saturating_sub(rows) {
        0 => DeliverPolicy::All,
        before => DeliverPolicy::ByStartSequence { start_sequence: before + 1 },
    }
}
