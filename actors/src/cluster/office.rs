//! Where a node answers the requests of others.

use async_nats::{HeaderMap, Message as Letter};
use bytes::Bytes;
use futures::StreamExt;
use remit_core::id::{Epoch, Seq};
use serde::Serialize;
use tracing::warn;

use super::{
    node::Cluster,
    post::{Post, REFUSED},
    wire::{Held, Promised, Request},
};
use crate::{
    codec,
    ledger::{Journal, RUN_BYTES, frame_of},
    message::Address,
    store::{
        Error,
        sqlite::{self, Tail},
    },
    supervision::whole,
};

/// Answers requests until the node leaves, and then those that have come by then: whoever has just been given a journal asks this node
/// too, and would wait for an answer in vain. Who asks later hears at once that nobody is there.
pub(super) async fn serve(cluster: Cluster) {
    let inner = &cluster.0;
    let subject = Post::subject(&inner.options.deployment, &inner.options.node);
    let mut closes = false;
    while !closes {
        match inner.client.subscribe(subject.clone()).await {
            Ok(mut letters) => loop {
                let next = tokio::select! {
                    next = letters.next() => next,
                    () = inner.closes.notified(), if !closes => {
                        closes = true;
                        // Without a broker nobody asks.
                        letters.drain().await.ok();
                        continue;
                    }
                };
                let Some(letter) = next else { break };
                let cluster = cluster.clone();
                // Each by itself: one may wait for an actor, or for a disk.
                inner.options.runtime.spawn(async move { cluster.answer(letter).await });
            },
            Err(error) => warn!(%error, "requests of other nodes can't be heard"),
        }
        if !closes {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    }
}

impl Cluster {
    async fn answer(&self, letter: Letter) {
        let Some(to) = letter.reply else { return };
        let answer = match serde_json::from_slice(&letter.payload) {
            Ok(request) => self.handle(request).await,
            Err(error) => Err(format!("the request can't be read: {error}")),
        };
        let client = &self.0.client;
        // Who hears nothing asks again.
        match answer {
            Ok(body) => client.publish(to, body).await.ok(),
            Err(why) => {
                let mut headers = HeaderMap::new();
                headers.insert(REFUSED, why.replace(['\r', '\n'], " "));
                client.publish_with_headers(to, headers, Bytes::new()).await.ok()
            }
        };
    }

    async fn handle(&self, request: Request) -> Result<Bytes, String> {
        let inner = &self.0;
        match request {
            Request::Promise { journal, epoch } => {
                let known = inner.registry.claims_of(&inner.name_of(journal)).map_err(said)?;
                let file = inner.journal(journal);
                let held = on_disk(move || match file {
                    Some(file) if file.path.exists() => promise(&file, epoch).map(Some),
                    _ => Ok(None),
                });
                let held = held.await?;
                json(&Promised { node: inner.options.node.clone(), held, known })
            }
            Request::Rows { journal, above } => {
                let file = inner.journal(journal);
                let rows = on_disk(move || match file {
                    Some(file) if file.path.exists() => rows_above(&file, above),
                    _ => Ok(Bytes::new()),
                });
                rows.await
            }
            Request::Learn(known) => {
                let registry = std::sync::Arc::clone(&inner.registry);
                on_disk(move || registry.learn(&known)).await?;
                Ok(Bytes::new())
            }
            Request::Tell => {
                let registry = std::sync::Arc::clone(&inner.registry);
                json(&on_disk(move || registry.known()).await?)
            }
            Request::GiveAway { journal, term, to } => json(&self.give_away(journal, term, to).await),
            Request::Status => json(&inner.status()),
        }
    }
}

impl super::inner::Inner {
    /// A journal, with its file on this node.
    pub(super) fn journal(&self, journal: Address) -> Option<Journal> {
        self.options.journals.iter().find(|known| known.source == journal).cloned()
    }
}

fn promise(file: &Journal, epoch: Epoch) -> Result<Held, Error> {
    let promised = sqlite::promise(&file.path, epoch)?;
    Ok(Held { epoch: promised.epoch, claimed: promised.claimed, linked: promised.linked })
}

fn rows_above(file: &Journal, above: Seq) -> Result<Bytes, Error> {
    let rows = Tail::open(&file.path, file.source)?.rows_above(above, RUN_BYTES)?;
    Ok(rows.map(|rows| codec::encode(&frame_of(rows))).unwrap_or_default())
}

async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(said)?.map_err(said)
}

fn json(body: &impl Serialize) -> Result<Bytes, String> {
    serde_json::to_vec(body).map(Bytes::from).map_err(said)
}

fn said(error: impl std::error::Error) -> String {
    whole(&error)
}
