//! Requests from one node to another.

use std::time::Duration;

use async_nats::Client;
use bytes::Bytes;
use futures::future::join_all;
use remit_core::id::Seq;
use serde::de::DeserializeOwned;

use super::{
    member::Owner,
    wire::{Given, Known, Promised, Request, Status},
};
use crate::{
    codec,
    message::{Address, Message, Rows},
};

/// How long a node may take to answer what its disk knows.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// The same for one that is held to be dead, and may only be slow.
const DEAD_ANSWER_WITHIN: Duration = Duration::from_millis(300);

/// Why a node did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Nobody of that name listens, or it does not answer.
    #[error("the node {node} can't be reached")]
    Unreachable {
        /// The node.
        node: String,
    },
    /// It can't do that.
    #[error("the node {node} can't: {why}")]
    Unable {
        /// The node.
        node: String,
        /// What it says.
        why: String,
    },
}

/// Sends requests.
#[derive(Clone, Debug)]
pub(super) struct Post {
    client: Client,
    deployment: String,
}

impl Post {
    pub(super) fn new(client: Client, deployment: &str) -> Self {
        Self { client, deployment: deployment.to_owned() }
    }

    /// Where a node is asked.
    pub(super) fn subject(deployment: &str, node: &str) -> String {
        format!("{deployment}.node.{node}")
    }

    async fn ask(&self, node: &str, request: &Request, within: Duration) -> Result<Bytes, Error> {
        let unable = |why: String| Error::Unable { node: node.to_owned(), why };
        let body = serde_json::to_vec(request).map_err(|error| unable(error.to_string()))?;
        let request = async_nats::Request::new().payload(body.into()).timeout(Some(within));
        let answer = self.client.send_request(Self::subject(&self.deployment, node), request).await;
        let answer = answer.map_err(|_| Error::Unreachable { node: node.to_owned() })?;
        match answer.headers.as_ref().and_then(|headers| headers.get(REFUSED)) {
            Some(why) => Err(unable(why.as_str().to_owned())),
            None => Ok(answer.payload),
        }
    }

    async fn ask_for<T: DeserializeOwned>(&self, node: &str, request: &Request, within: Duration) -> Result<T, Error> {
        let answer = self.ask(node, request, within).await?;
        let read = serde_json::from_slice(&answer);
        read.map_err(|error| Error::Unable { node: node.to_owned(), why: format!("its answer can't be read: {error}") })
    }

    /// The promises of these nodes, each with whether it is alive; those that can't be reached are left out.
    pub(super) async fn promises(&self, nodes: &[(bool, String)], request: Request) -> Result<Vec<Promised>, Error> {
        let asked = nodes.iter().map(|(is_live, node)| {
            let within = if *is_live { ANSWER_WITHIN } else { DEAD_ANSWER_WITHIN };
            self.ask_for::<Promised>(node, &request, within)
        });
        let mut promised = Vec::new();
        for answer in join_all(asked).await {
            match answer {
                Ok(promise) => promised.push(promise),
                Err(Error::Unreachable { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(promised)
    }

    pub(super) async fn rows(&self, node: &str, journal: Address, above: Seq) -> Result<Option<Rows>, Error> {
        let answer = self.ask(node, &Request::Rows { journal, above }, ANSWER_WITHIN).await?;
        if answer.is_empty() {
            return Ok(None);
        }
        let unable = |why: String| Error::Unable { node: node.to_owned(), why };
        let frame = codec::decode(&answer).map_err(|error| unable(error.to_string()))?;
        match <[Message; 1]>::try_from(frame.messages) {
            Ok([Message::Rows(rows)]) => Ok(Some(rows)),
            _ => Err(unable("its answer is no run of rows".to_owned())),
        }
    }

    pub(super) async fn learn(&self, node: &str, known: Known) -> Result<(), Error> {
        self.ask(node, &Request::Learn(known), ANSWER_WITHIN).await.map(|_| ())
    }

    pub(super) async fn tell(&self, node: &str) -> Result<Known, Error> {
        self.ask_for(node, &Request::Tell, ANSWER_WITHIN).await
    }

    pub(super) async fn give_away(
        &self,
        node: &str,
        (journal, term): (Address, u64),
        to: Owner,
        within: Duration,
    ) -> Result<Given, Error> {
        self.ask_for(node, &Request::GiveAway { journal, term, to }, within).await
    }

    pub(super) async fn status(&self, node: &str) -> Result<Vec<Status>, Error> {
        self.ask_for(node, &Request::Status, ANSWER_WITHIN).await
    }
}

/// The header of an answer that says why it is none.
pub(super) const REFUSED: &str = "Remit-Refused";
