//! Asking, once a second.

use std::time::Duration;

use remit_api::{Client, Code, supervision::ListRequest};
use tokio::{sync::mpsc::Sender, time::MissedTickBehavior};

use super::view::{Question, Update};
use crate::cli::{error::Error, session::Session};

/// How often is asked.
const EACH: Duration = Duration::from_secs(1);
/// How many events are asked for: those shown, and those that tell why an actor failed last.
const EVENTS: u64 = 200;

/// Asks until nobody wants to know any more. Each question by itself, so that one that waits for an actor holds up no other.
///
/// # Errors
/// What no waiting helps against, such as a password that is wrong.
pub(super) async fn follow(session: &Session, updates: Sender<Update>) -> Result<(), Error> {
    let desk = session.desk();
    let client = loop {
        match desk.client().await {
            Ok(client) => break client,
            Err(Error::Answer(error)) if error.code == Code::Unavailable => {
                if updates.send(Update::Unanswered(Question::Broker, error.message)).await.is_err() {
                    return Ok(());
                }
                tokio::time::sleep(EACH).await;
            }
            Err(error) => return Err(error),
        }
    };
    let request = ListRequest { limit: Some(EVENTS), ..ListRequest::default() };
    let (deployment, shards, events) = (updates.clone(), updates.clone(), updates);
    tokio::join!(
        each_second(Question::Deployment, client, deployment, async |client| client
            .deployment_get()
            .await
            .map(Update::Deployment)),
        each_second(Question::Shards, client, shards, async |client| client.shard_list().await.map(Update::Shards)),
        each_second(Question::Events, client, events, async |client| client
            .supervision_list(&request)
            .await
            .map(Update::Events)),
    );
    Ok(())
}

async fn each_second(
    question: Question,
    client: &Client,
    updates: Sender<Update>,
    ask: impl AsyncFn(&Client) -> Result<Update, remit_api::Error>,
) {
    let mut ticks = tokio::time::interval(EACH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let update = ask(client).await.unwrap_or_else(|error| Update::Unanswered(question, error.message));
        if updates.send(update).await.is_err() {
            return;
        }
    }
}
