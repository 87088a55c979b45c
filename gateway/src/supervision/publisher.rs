//! Publishing events, one after the other.

use std::{sync::Arc, time::Duration};

use async_nats::{
    HeaderMap,
    header::NATS_MESSAGE_ID,
    jetstream::{Context, context::ContextBuilder},
};
use remit_actors::supervision::Sink;
use remit_api::supervision::{self, Event};
use tokio::{runtime::Handle, task::AbortHandle, time::timeout};
use tracing::{info, warn};
use uuid::Uuid;

use super::{Limits, body, queue::Queue, set_up};

/// How long the broker may take to confirm an event until it is sent again.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(2);
/// The pause before a broker that refused is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// Publishes a node's events; ends when it is dropped.
pub struct Publisher {
    queue: Arc<Queue>,
    task: AbortHandle,
}

impl Publisher {
    /// Begins, also where the broker is away.
    #[must_use]
    pub fn start(client: async_nats::Client, deployment: &str, limits: Limits, runtime: &Handle) -> Self {
        let queue = Arc::new(Queue::default());
        let context = ContextBuilder::new().timeout(CONFIRMED_WITHIN).ack_timeout(CONFIRMED_WITHIN).build(client);
        let publishing = Publishing {
            context,
            deployment: deployment.to_owned(),
            limits,
            // Numbers begin at 0 with every process.
            process: Uuid::new_v4(),
            is_away: false,
        };
        let task = runtime.spawn(publishing.run(Arc::clone(&queue))).abort_handle();
        Self { queue, task }
    }

    /// What the guardian tells its events to: neither waits nor panics.
    #[must_use]
    pub fn sink(&self) -> Sink {
        let queue = Arc::clone(&self.queue);
        Arc::new(move |event| {
            if queue.push(body::of(event)) {
                warn!("the broker has been away for long: the oldest supervision events are in the log alone");
            }
        })
    }

    /// Waits until all are published, at most `within`; whether they were.
    pub async fn flush(&self, within: Duration) -> bool {
        timeout(within, self.queue.empty()).await.is_ok()
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The task's own.
struct Publishing {
    context: Context,
    deployment: String,
    limits: Limits,
    process: Uuid,
    /// Whether it was said that the broker takes nothing.
    is_away: bool,
}

impl Publishing {
    async fn run(mut self, queue: Arc<Queue>) {
        while let Err(why) = set_up(&self.context, &self.deployment, self.limits).await {
            self.is_away(&why);
            tokio::time::sleep(PAUSE).await;
        }
        loop {
            let (number, event) = queue.oldest().await;
            match self.publish(number, &event).await {
                Ok(()) => {
                    queue.done(number);
                    self.is_back(&queue);
                }
                Err(why) => {
                    self.is_away(&why);
                    // The broker may have lost the stream, which it does not always say.
                    if let Err(why) = set_up(&self.context, &self.deployment, self.limits).await {
                        tracing::debug!(why, "the stream of supervision events can't be made");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn publish(&self, number: u64, event: &Event) -> Result<(), String> {
        let payload = serde_json::to_vec(event).map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, format!("{}-{number}", self.process).as_str());
        let subject = supervision::subject(&self.deployment, &event.node, &event.actor);
        let sent = self.context.publish_with_headers(subject, headers, payload.into()).await;
        let confirmed = match sent {
            Ok(sent) => sent.await,
            Err(error) => Err(error),
        };
        confirmed.map(drop).map_err(|error| error.to_string())
    }

    fn is_away(&mut self, why: &str) {
        if !std::mem::replace(&mut self.is_away, true) {
            warn!(why, "supervision events can't be published, and wait");
        }
    }

    fn is_back(&mut self, queue: &Queue) {
        if std::mem::replace(&mut self.is_away, false) {
            info!(lost = queue.take_lost(), "supervision events are published again");
        }
    }
}
