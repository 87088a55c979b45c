//! The door: requests in, answers out, whatever they came through.
//!
//! A request is read strictly, resolved to shards and partitions, sent to the actors as messages, and answered from what
//! they say. The door keeps nothing that matters: what it waits for it asks again, and a client that it forgot in a crash
//! sends the same id again.

mod accounts;
mod asking;
mod audit;
pub mod cluster;
mod deployment;
mod lists;
pub mod nats;
mod outgoing;
mod places;
mod projection;
mod reading;
mod refusing;
pub(crate) mod stories;
mod sums;
pub(crate) mod transfers;
mod waiting;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use remit_actors::{
    bus::{Bus, Delivery, Inlet},
    genesis::Genesis,
    message::{Address, Message, TraceContext},
};
use remit_api::{Currencies, Endpoint, Error, body, currency::Declared};
use remit_core::operator::Action;
use tokio::{runtime::Handle, sync::watch};

use crate::{space::Space, supervision};

use self::{asking::Asking, cluster::Cluster, outgoing::Outgoing, waiting::Waiting};

/// A gateway's door.
pub struct Door {
    genesis: Arc<Genesis>,
    currencies: Currencies,
    /// The names of the shards, shared by all answers.
    shard_names: Vec<Arc<str>>,
    number: u64,
    outgoing: Outgoing,
    asking: Asking,
    waiting: Arc<Waiting>,
    cluster: Arc<dyn Cluster>,
    space: Arc<Space>,
    events: supervision::Reader,
    rate: deployment::Rate,
    has_projection: bool,
    is_closing: watch::Sender<bool>,
}

/// How a door is set up.
pub struct Options {
    /// What answers about supervision.
    pub events: supervision::Reader,
    /// The most transfers that clients may wait for at once; more are refused as `overloaded`.
    pub waiting_max: usize,
    /// The most messages in one frame that it sends.
    pub frame_messages_max: usize,
    /// Whether a projector keeps a read model that can be asked.
    pub projection: bool,
}

/// The deployment's facts name a currency that can't be.
#[derive(Debug, thiserror::Error)]
#[error("the deployment's currencies can't be used")]
pub struct InvalidCurrencies(#[from] remit_api::currency::InvalidDeclaration);

impl Door {
    /// Opens a door for this node's gateway, under the number that it drew.
    ///
    /// # Errors
    /// The deployment declares currencies that can't be.
    pub fn open(
        genesis: Arc<Genesis>,
        number: u64,
        bus: Arc<dyn Bus>,
        cluster: Arc<dyn Cluster>,
        space: Arc<Space>,
        runtime: &Handle,
        options: Options,
    ) -> Result<Arc<Self>, InvalidCurrencies> {
        let declared = genesis.currencies.iter().map(|(code, decimals)| Declared { code: *code, decimals: *decimals });
        let door = Arc::new(Self {
            currencies: Currencies::with(declared)?,
            shard_names: genesis.shards.iter().map(|name| name.as_str().into()).collect(),
            genesis,
            number,
            outgoing: Outgoing::start(Address::Gateway(number), bus, options.frame_messages_max, runtime),
            asking: Asking::default(),
            waiting: Arc::new(Waiting::new(options.waiting_max)),
            cluster,
            space,
            events: options.events,
            rate: deployment::Rate::default(),
            has_projection: options.projection,
            is_closing: watch::Sender::new(false),
        });
        door.measure_rate(runtime);
        Ok(door)
    }

    /// From now on whoever waits for the end of a transfer is answered with how it stands.
    pub fn say_farewell(&self) {
        self.is_closing.send_replace(true);
    }

    /// Waits until the door closes.
    async fn closing(&self) {
        // The sender is this door's own, so it is there.
        self.is_closing.subscribe().wait_for(|is_closing| *is_closing).await.ok();
    }

    /// Answers one request: the body of its answer, or the error that is answered instead.
    ///
    /// # Errors
    /// What the contract says for this endpoint.
    pub async fn handle(
        &self,
        endpoint: Endpoint,
        request: &[u8],
        trace: Option<TraceContext>,
    ) -> Result<Vec<u8>, Error> {
        match endpoint {
            Endpoint::AccountOpen => answer(&self.open_account(body::read(request)?).await?),
            Endpoint::AccountOpenBatch => self.open_accounts(request).await,
            Endpoint::AccountGet => answer(&self.account(body::read(request)?).await?),
            Endpoint::AccountList => answer(&self.accounts(body::read(request)?).await?),
            Endpoint::AccountSetOverdraft => answer(&self.set_overdraft(body::read(request)?).await?),
            Endpoint::AccountFreeze => answer(&self.freeze(body::read(request)?).await?),
            Endpoint::AccountUnfreeze => answer(&self.unfreeze(body::read(request)?).await?),
            Endpoint::AccountClose => answer(&self.close(body::read(request)?).await?),
            Endpoint::AccountStatement => answer(&self.statement(body::read(request)?).await?),
            Endpoint::AccountTotals => answer(&self.totals(body::read(request)?).await?),
            Endpoint::TransferSubmit => answer(&self.submit(body::read(request)?, trace).await?),
            Endpoint::TransferSubmitBatch => self.submit_batch(request, trace).await,
            Endpoint::TransferGet => answer(&self.transfer(body::read(request)?).await?),
            Endpoint::TransferList => answer(&self.transfers(body::read(request)?).await?),
            Endpoint::TransferExplain => answer(&self.story(body::read(request)?).await?),
            Endpoint::TransferRetry => answer(&self.order(Action::Retry, &body::read(request)?).await?),
            Endpoint::TransferCancel => answer(&self.order(Action::Cancel, &body::read(request)?).await?),
            Endpoint::TransferResume => answer(&self.order(Action::Resume, &body::read(request)?).await?),
            Endpoint::TransitList => answer(&self.transit(body::read(request)?).await?),
            Endpoint::AuditRun => answer(&self.audit(body::read(request)?).await?),
            Endpoint::ShardList => {
                let remit_api::shard::ListRequest {} = body::read(request)?;
                answer(&self.cluster.shards().await?)
            }
            Endpoint::ShardMove => answer(&self.move_shard(body::read(request)?).await?),
            Endpoint::ShardAdopt => answer(&self.adopt_shard(body::read(request)?).await?),
            Endpoint::NodeList => {
                let remit_api::node::ListRequest {} = body::read(request)?;
                answer(&self.cluster.nodes().await?)
            }
            Endpoint::NodeDrain => {
                let remit_api::node::DrainRequest { name } = body::read(request)?;
                answer(&self.cluster.drain(&name).await?)
            }
            Endpoint::SupervisionList => answer(&self.events.list(&body::read(request)?).await?),
            Endpoint::ProjectionStatus => {
                let remit_api::projection::StatusRequest {} = body::read(request)?;
                answer(&self.projection_status().await?)
            }
            Endpoint::ProjectionRebuild => {
                let remit_api::projection::RebuildRequest {} = body::read(request)?;
                answer(&self.rebuild_projection().await?)
            }
            Endpoint::DeploymentGet => {
                let remit_api::deployment::GetRequest {} = body::read(request)?;
                answer(&self.deployment().await?)
            }
        }
    }
}

impl Inlet for Door {
    fn deliver(&self, delivery: Delivery) {
        self.waiting.hear(delivery.frame.messages.into_iter().filter_map(|message| match message {
            Message::Standing(standing) => Some(standing),
            Message::Answer(answer) => {
                self.asking.hear(answer);
                None
            }
            Message::Submit(_) | Message::Command(_) | Message::Reply(_) | Message::Ask(_) | Message::Rows(_) => None,
        }));
        if let Some(receipt) = delivery.receipt {
            receipt.acknowledge();
        }
    }
}

fn answer<T: serde::Serialize>(body: &T) -> Result<Vec<u8>, Error> {
    answer_of(body, 512)
}

/// An answer of about so many bytes.
fn answer_of<T: serde::Serialize>(body: &T, bytes: usize) -> Result<Vec<u8>, Error> {
    let mut text = Vec::with_capacity(bytes);
    serde_json::to_writer(&mut text, body)
        .map_err(|error| Error::unavailable(format!("the answer can't be written: {error}")))?;
    Ok(text)
}
