//! Calling a deployment over NATS: one method for each verb.
//!
//! A client never retries by itself: only its caller knows whether to ask again, and with the same id that is always
//! safe. No answer is `unavailable`, never a no.

use std::{sync::Arc, time::Duration};

use async_nats::Request;
use remit_core::{id::is_shard_name, operator::Action};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    account, answer,
    audit::{self, Depth},
    batch::{BatchRequest, Brief, Detail, OpenBatchRequest, Results},
    connect::{self, Connect},
    deployment,
    endpoint::Endpoint,
    error::Error,
    fresh,
    node::{self, Node},
    projection::{self, Projection},
    shard::{self, Shard},
    story::{ExplainRequest, OrderRequest, Story},
    submit::{SubmitRequest, Until, WAIT_MS_DEFAULT},
    supervision,
    totals::{Totals, TotalsRequest, Transit, TransitRequest},
    transfer::{self, Transfer},
};

/// What closing an account may take on top: its shard asks every manager (R4).
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// What a quick audit may take on top: it waits for every database, the slowest included.
const AUDIT_QUICK_TIMEOUT: Duration = Duration::from_secs(30);
/// What a full audit may take on top: it reads every row of every database.
const AUDIT_FULL_TIMEOUT: Duration = Duration::from_secs(600);
/// What an answer as new as a transfer may take on top: every database that the transfer is in is asked first.
const FRESH_TIMEOUT: Duration = Duration::from_secs(12);
/// What a story, or an order, may take on top: every shard that a leg lives in is asked first.
const ORDER_TIMEOUT: Duration = Duration::from_secs(12);

/// A connection to a deployment. Cheap to clone; many requests may be under way at once.
#[derive(Clone, Debug)]
pub struct Client {
    nats: async_nats::Client,
    deployment: Arc<str>,
    timeout: Duration,
}

impl Client {
    /// Connects to a broker.
    ///
    /// # Errors
    /// `invalid_request` if the settings are wrong, `unauthenticated` if the broker does not accept them, `unavailable`
    /// if there is none.
    pub async fn connect(connect: &Connect) -> Result<Self, Error> {
        check_deployment(&connect.deployment)?;
        let addresses = connect.addresses()?;
        let options = connect::options(connect, "remit client").await?;
        let nats = options.connect(addresses).await.map_err(|error| connect::refused(connect, &error))?;
        Ok(Self::over(nats, &connect.deployment, connect.timeout))
    }

    /// Calls over a connection that exists; `timeout` is for an answer, on top of what the request itself waits for.
    #[must_use]
    pub fn over(nats: async_nats::Client, deployment: &str, timeout: Duration) -> Self {
        Self { nats, deployment: deployment.into(), timeout }
    }

    /// The connection.
    #[must_use]
    pub fn nats(&self) -> &async_nats::Client {
        &self.nats
    }

    /// The deployment's name.
    #[must_use]
    pub fn deployment(&self) -> &str {
        &self.deployment
    }

    /// `account.open`.
    ///
    /// # Errors
    /// What the deployment answers instead, or `unavailable`. So with every verb.
    pub async fn account_open(&self, request: &account::OpenRequest) -> Result<account::Account, Error> {
        self.call(Endpoint::AccountOpen, request, Duration::ZERO).await
    }

    /// `account.open_batch`: one answer for each account, in order.
    ///
    /// # Errors
    /// As [`Self::account_open`], of the batch as a whole; those of single accounts stand at their places.
    pub async fn account_open_batch(
        &self,
        request: &OpenBatchRequest,
    ) -> Result<Vec<Result<account::Account, Error>>, Error> {
        let answered: Results<_> = self.call(Endpoint::AccountOpenBatch, request, Duration::ZERO).await?;
        one_for_each(Endpoint::AccountOpenBatch, request.accounts.len(), answered)
    }

    /// `account.get`.
    ///
    /// # Errors
    /// As [`Self::account_open`].
    pub async fn account_get(&self, request: &account::GetRequest) -> Result<account::Account, Error> {
        self.call(Endpoint::AccountGet, request, Duration::ZERO).await
    }

    /// `account.list`.
    ///
    /// # Errors
    /// As [`Self::account_open`].
    pub async fn account_list(&self, request: &account::ListRequest) -> Result<account::List, Error> {
        self.call(Endpoint::AccountList, request, Duration::ZERO).await
    }

    /// `account.set_overdraft`.
    ///
    /// # Errors
    /// As [`Self::account_open`].
    pub async fn account_set_overdraft(
        &self,
        request: &account::SetOverdraftRequest,
    ) -> Result<account::Account, Error> {
        self.call(Endpoint::AccountSetOverdraft, request, Duration::ZERO).await
    }

    /// `account.freeze`.
    ///
    /// # Errors
    /// As [`Self::account_open`].
    pub async fn account_freeze(&self, request: &account::ChangeRequest) -> Result<account::Account, Error> {
        self.call(Endpoint::AccountFreeze, request, Duration::ZERO).await
    }

    /// `account.unfreeze`.
    ///
    /// # Errors
    /// As [`Self::account_open`].
    pub async fn account_unfreeze(&self, request: &account::ChangeRequest) -> Result<account::Account, Error> {
        self.call(Endpoint::AccountUnfreeze, request, Duration::ZERO).await
    }

    /// `account.close`.
    ///
    /// # Errors
    /// As [`Self::account_open`].
    pub async fn account_close(&self, request: &account::ChangeRequest) -> Result<account::Account, Error> {
        self.call(Endpoint::AccountClose, request, CLOSE_TIMEOUT).await
    }

    /// `account.statement`.
    ///
    /// # Errors
    /// As [`Self::account_open`].
    pub async fn account_statement(&self, request: &account::StatementRequest) -> Result<account::Statement, Error> {
        self.call(Endpoint::AccountStatement, request, freshness(request.at_least.is_some(), request.wait_ms)).await
    }

    /// `account.totals`.
    ///
    /// # Errors
    /// As [`Self::account_open`].
    pub async fn account_totals(&self, request: &TotalsRequest) -> Result<Totals, Error> {
        self.call(Endpoint::AccountTotals, request, freshness(request.at_least.is_some(), request.wait_ms)).await
    }

    /// `transfer.submit`.
    ///
    /// # Errors
    /// As [`Self::account_open`]. After `unavailable` the transfer may or may not be recorded: send the same again.
    pub async fn transfer_submit(&self, request: &SubmitRequest) -> Result<Transfer, Error> {
        self.call(Endpoint::TransferSubmit, request, waits(request.wait_ms)).await
    }

    /// `transfer.submit_batch` with full answers, whatever the request says of `answer`.
    ///
    /// # Errors
    /// As [`Self::transfer_submit`], of the batch as a whole; those of single transfers stand at their places.
    pub async fn transfer_submit_batch(&self, request: &BatchRequest) -> Result<Vec<Result<Transfer, Error>>, Error> {
        self.batch(request, Detail::Full).await
    }

    /// `transfer.submit_batch` with brief answers, whatever the request says of `answer`.
    ///
    /// # Errors
    /// As [`Self::transfer_submit_batch`].
    pub async fn transfer_submit_batch_brief(
        &self,
        request: &BatchRequest,
    ) -> Result<Vec<Result<Brief, Error>>, Error> {
        self.batch(request, Detail::Brief).await
    }

    async fn batch<T: DeserializeOwned>(
        &self,
        BatchRequest { transfers, wait, wait_ms, answer: _ }: &BatchRequest,
        answer: Detail,
    ) -> Result<Vec<Result<T, Error>>, Error> {
        #[derive(Serialize)]
        struct Asked<'r> {
            transfers: &'r [SubmitRequest],
            wait: Option<Until>,
            wait_ms: Option<u64>,
            answer: Detail,
        }
        let asked = Asked { transfers, wait: *wait, wait_ms: *wait_ms, answer };
        let answered: Results<T> = self.call(Endpoint::TransferSubmitBatch, &asked, waits(*wait_ms)).await?;
        one_for_each(Endpoint::TransferSubmitBatch, transfers.len(), answered)
    }

    /// `transfer.get`.
    ///
    /// # Errors
    /// As [`Self::account_open`].
    pub async fn transfer_get(&self, request: &transfer::GetRequest) -> Result<Transfer, Error> {
        self.call(Endpoint::TransferGet, request, Duration::ZERO).await
    }

    /// `transfer.list`.
    ///
    /// # Errors
    /// As [`Self::account_open`].
    pub async fn transfer_list(&self, request: &transfer::ListRequest) -> Result<transfer::List, Error> {
        self.call(Endpoint::TransferList, request, freshness(request.at_least.is_some(), request.wait_ms)).await
    }

    /// `transfer.explain`.
    ///
    /// # Errors
    /// As [`Self::account_open`].
    pub async fn transfer_explain(&self, request: &ExplainRequest) -> Result<Story, Error> {
        self.call(Endpoint::TransferExplain, request, ORDER_TIMEOUT).await
    }

    /// `transfer.retry`, `transfer.cancel` or `transfer.resume`.
    ///
    /// # Errors
    /// As [`Self::account_open`]; `conflict` if it would make or destroy money, or the transfer has ended.
    pub async fn transfer_order(&self, action: Action, request: &OrderRequest) -> Result<Transfer, Error> {
        let endpoint = match action {
            Action::Retry => Endpoint::TransferRetry,
            Action::Cancel => Endpoint::TransferCancel,
            Action::Resume => Endpoint::TransferResume,
        };
        self.call(endpoint, request, ORDER_TIMEOUT).await
    }

    /// `transit.list`.
    ///
    /// # Errors
    /// As [`Self::account_open`].
    pub async fn transit_list(&self, request: &TransitRequest) -> Result<Transit, Error> {
        self.call(Endpoint::TransitList, request, freshness(request.at_least.is_some(), request.wait_ms)).await
    }

    /// `audit.run`.
    ///
    /// # Errors
    /// As [`Self::account_open`].
    pub async fn audit_run(&self, request: &audit::RunRequest) -> Result<audit::Audit, Error> {
        let timeout = match request.depth() {
            Depth::Quick => AUDIT_QUICK_TIMEOUT,
            Depth::Full => AUDIT_FULL_TIMEOUT,
        };
        self.call(Endpoint::AuditRun, request, timeout).await
    }

    /// `shard.list`.
    ///
    /// # Errors
    /// As [`Self::account_open`].
    pub async fn shard_list(&self) -> Result<shard::List, Error> {
        self.call(Endpoint::ShardList, &shard::ListRequest {}, Duration::ZERO).await
    }

    /// `shard.move`: begins it, and does not wait for its end.
    ///
    /// # Errors
    /// As [`Self::account_open`]; `conflict` if it can't be served there.
    pub async fn shard_move(&self, request: &shard::MoveRequest) -> Result<Shard, Error> {
        self.call(Endpoint::ShardMove, request, Duration::ZERO).await
    }

    /// `shard.adopt`.
    ///
    /// # Errors
    /// As [`Self::account_open`]; `conflict` if nothing keeps it from being served without.
    pub async fn shard_adopt(&self, request: &shard::AdoptRequest) -> Result<Shard, Error> {
        self.call(Endpoint::ShardAdopt, request, Duration::ZERO).await
    }

    /// `node.list`.
    ///
    /// # Errors
    /// As [`Self::account_open`].
    pub async fn node_list(&self) -> Result<node::List, Error> {
        self.call(Endpoint::NodeList, &node::ListRequest {}, Duration::ZERO).await
    }

    /// `node.drain`: begins it, and does not wait for its end.
    ///
    /// # Errors
    /// As [`Self::account_open`]; `conflict` if nobody could run what it runs.
    pub async fn node_drain(&self, request: &node::DrainRequest) -> Result<Node, Error> {
        self.call(Endpoint::NodeDrain, request, Duration::ZERO).await
    }

    /// `supervision.list`.
    ///
    /// # Errors
    /// As [`Self::account_open`].
    pub async fn supervision_list(&self, request: &supervision::ListRequest) -> Result<supervision::List, Error> {
        self.call(Endpoint::SupervisionList, request, Duration::ZERO).await
    }

    /// `projection.status`.
    ///
    /// # Errors
    /// As [`Self::account_open`].
    pub async fn projection_status(&self) -> Result<Projection, Error> {
        self.call(Endpoint::ProjectionStatus, &projection::StatusRequest {}, Duration::ZERO).await
    }

    /// `projection.rebuild`: begins it, and does not wait for its end.
    ///
    /// # Errors
    /// As [`Self::account_open`].
    pub async fn projection_rebuild(&self) -> Result<Projection, Error> {
        self.call(Endpoint::ProjectionRebuild, &projection::RebuildRequest {}, Duration::ZERO).await
    }

    /// `deployment.get`.
    ///
    /// # Errors
    /// As [`Self::account_open`].
    pub async fn deployment_get(&self) -> Result<deployment::Deployment, Error> {
        self.call(Endpoint::DeploymentGet, &deployment::GetRequest {}, Duration::ZERO).await
    }

    /// Asks any verb; `wait` is what the request itself waits for.
    async fn call<Q, A>(&self, endpoint: Endpoint, request: &Q, wait: Duration) -> Result<A, Error>
    where
        Q: Serialize + Sync,
        A: DeserializeOwned,
    {
        let body = serde_json::to_vec(request).expect("requests hold nothing that JSON can't");
        let timeout = self.timeout + wait;
        let request = Request::new().payload(body.into()).timeout(Some(timeout));
        let answer = self.nats.send_request(endpoint.subject(&self.deployment), request).await;
        match answer {
            Ok(message) => answer::read(endpoint, message.headers.as_ref(), &message.payload),
            Err(error) => Err(answer::none(endpoint, error.kind(), &self.deployment, timeout, self.nats.max_payload())),
        }
    }
}

fn check_deployment(name: &str) -> Result<(), Error> {
    if is_shard_name(name) {
        return Ok(());
    }
    Err(Error::invalid("deployment", format!("`{name}` can't name a deployment: 1 to 32 of a-z, 0-9 and -")))
}

/// How long a submit waits by itself.
/// The answers to a batch, if there is one for each member.
fn one_for_each<T>(
    endpoint: Endpoint,
    sent: usize,
    Results { results }: Results<T>,
) -> Result<Vec<Result<T, Error>>, Error> {
    if results.len() == sent {
        return Ok(results);
    }
    let answered = results.len();
    let what_to_do = answer::what_to_do(endpoint);
    Err(Error::unavailable(format!("{answered} answers came for a batch of {sent}. {what_to_do}")))
}

fn waits(wait_ms: Option<u64>) -> Duration {
    Duration::from_millis(wait_ms.unwrap_or(WAIT_MS_DEFAULT))
}

/// How long a request waits for the read model by itself.
fn freshness(is_asked_for: bool, wait_ms: Option<u64>) -> Duration {
    if is_asked_for {
        FRESH_TIMEOUT + Duration::from_millis(wait_ms.unwrap_or(fresh::WAIT_MS_DEFAULT))
    } else {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployments_name_can_stand_in_a_subject() {
        assert_eq!(check_deployment("remit-2"), Ok(()));
        for name in ["", "a.b", "a b", "*", ">", "Remit"] {
            assert_eq!(check_deployment(name).unwrap_err().field.as_deref(), Some("deployment"));
        }
    }
}
