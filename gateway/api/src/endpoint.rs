//! Every verb behind the doors, and the NATS subject on which it is asked.

use std::fmt;

/// A verb, as `noun.verb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// [`crate::account::OpenRequest`], answered by an [`crate::account::Account`].
    AccountOpen,
    /// [`crate::batch::OpenBatchRequest`], answered by [`crate::batch::Results`].
    AccountOpenBatch,
    /// [`crate::account::GetRequest`], answered by an [`crate::account::Account`].
    AccountGet,
    /// [`crate::account::ListRequest`], answered by an [`crate::account::List`].
    AccountList,
    /// [`crate::account::SetOverdraftRequest`], answered by an [`crate::account::Account`].
    AccountSetOverdraft,
    /// [`crate::account::ChangeRequest`], answered by an [`crate::account::Account`].
    AccountFreeze,
    /// [`crate::account::ChangeRequest`], answered by an [`crate::account::Account`].
    AccountUnfreeze,
    /// [`crate::account::ChangeRequest`], answered by an [`crate::account::Account`].
    AccountClose,
    /// [`crate::account::StatementRequest`], answered by an [`crate::account::Statement`].
    AccountStatement,
    /// [`crate::totals::TotalsRequest`], answered by [`crate::totals::Totals`].
    AccountTotals,
    /// [`crate::submit::SubmitRequest`], answered by a [`crate::transfer::Transfer`].
    TransferSubmit,
    /// [`crate::batch::BatchRequest`], answered by [`crate::batch::Results`].
    TransferSubmitBatch,
    /// [`crate::transfer::GetRequest`], answered by a [`crate::transfer::Transfer`].
    TransferGet,
    /// [`crate::transfer::ListRequest`], answered by a [`crate::transfer::List`].
    TransferList,
    /// [`crate::story::ExplainRequest`], answered by a [`crate::story::Story`].
    TransferExplain,
    /// [`crate::story::OrderRequest`], answered by a [`crate::transfer::Transfer`].
    TransferRetry,
    /// [`crate::story::OrderRequest`], answered by a [`crate::transfer::Transfer`].
    TransferCancel,
    /// [`crate::story::OrderRequest`], answered by a [`crate::transfer::Transfer`].
    TransferResume,
    /// [`crate::totals::TransitRequest`], answered by a [`crate::totals::Transit`].
    TransitList,
    /// [`crate::audit::RunRequest`], answered by an [`crate::audit::Audit`].
    AuditRun,
    /// [`crate::shard::ListRequest`], answered by a [`crate::shard::List`].
    ShardList,
    /// [`crate::shard::MoveRequest`], answered by a [`crate::shard::Shard`].
    ShardMove,
    /// [`crate::shard::AdoptRequest`], answered by a [`crate::shard::Shard`].
    ShardAdopt,
    /// [`crate::node::ListRequest`], answered by a [`crate::node::List`].
    NodeList,
    /// [`crate::node::DrainRequest`], answered by a [`crate::node::Node`].
    NodeDrain,
    /// [`crate::supervision::ListRequest`], answered by a [`crate::supervision::List`].
    SupervisionList,
    /// [`crate::projection::StatusRequest`], answered by a [`crate::projection::Projection`].
    ProjectionStatus,
    /// [`crate::projection::RebuildRequest`], answered by a [`crate::projection::Projection`].
    ProjectionRebuild,
    /// [`crate::deployment::GetRequest`], answered by a [`crate::deployment::Deployment`].
    DeploymentGet,
}

/// What an unanswered request leaves behind, and so what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing, or what is harmless to repeat: ask again.
    Reads,
    /// Perhaps a change of an account: the same command again is harmless.
    ChangesAccount,
    /// Perhaps a transfer: the same id again is harmless.
    Submits,
    /// Perhaps an order about a transfer: the same once more is harmless.
    Orders,
    /// Perhaps an order about where something is served: the same once more is harmless.
    Places,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 29] = [
        Self::AccountOpen,
        Self::AccountOpenBatch,
        Self::AccountGet,
        Self::AccountList,
        Self::AccountSetOverdraft,
        Self::AccountFreeze,
        Self::AccountUnfreeze,
        Self::AccountClose,
        Self::AccountStatement,
        Self::AccountTotals,
        Self::TransferSubmit,
        Self::TransferSubmitBatch,
        Self::TransferGet,
        Self::TransferList,
        Self::TransferExplain,
        Self::TransferRetry,
        Self::TransferCancel,
        Self::TransferResume,
        Self::TransitList,
        Self::AuditRun,
        Self::ShardList,
        Self::ShardMove,
        Self::ShardAdopt,
        Self::NodeList,
        Self::NodeDrain,
        Self::SupervisionList,
        Self::ProjectionStatus,
        Self::ProjectionRebuild,
        Self::DeploymentGet,
    ];

    /// Its name, as `noun.verb`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccountOpen => "account.open",
            Self::AccountOpenBatch => "account.open_batch",
            Self::AccountGet => "account.get",
            Self::AccountList => "account.list",
            Self::AccountSetOverdraft => "account.set_overdraft",
            Self::AccountFreeze => "account.freeze",
            Self::AccountUnfreeze => "account.unfreeze",
            Self::AccountClose => "account.close",
            Self::AccountStatement => "account.statement",
            Self::AccountTotals => "account.totals",
            Self::TransferSubmit => "transfer.submit",
            Self::TransferSubmitBatch => "transfer.submit_batch",
            Self::TransferGet => "transfer.get",
            Self::TransferList => "transfer.list",
            Self::TransferExplain => "transfer.explain",
            Self::TransferRetry => "transfer.retry",
            Self::TransferCancel => "transfer.cancel",
            Self::TransferResume => "transfer.resume",
            Self::TransitList => "transit.list",
            Self::AuditRun => "audit.run",
            Self::ShardList => "shard.list",
            Self::ShardMove => "shard.move",
            Self::ShardAdopt => "shard.adopt",
            Self::NodeList => "node.list",
            Self::NodeDrain => "node.drain",
            Self::SupervisionList => "supervision.list",
            Self::ProjectionStatus => "projection.status",
            Self::ProjectionRebuild => "projection.rebuild",
            Self::DeploymentGet => "deployment.get",
        }
    }

    /// Reads `noun.verb`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.as_str() == name)
    }

    /// The subject on which a deployment is asked.
    #[must_use]
    pub fn subject(self, deployment: &str) -> String {
        format!("{deployment}.v1.{self}")
    }

    /// What it may leave behind.
    #[must_use]
    pub const fn effect(self) -> Effect {
        match self {
            Self::AccountOpen
            | Self::AccountOpenBatch
            | Self::AccountSetOverdraft
            | Self::AccountFreeze
            | Self::AccountUnfreeze
            | Self::AccountClose => Effect::ChangesAccount,
            Self::TransferSubmit | Self::TransferSubmitBatch => Effect::Submits,
            Self::TransferRetry | Self::TransferCancel | Self::TransferResume => Effect::Orders,
            Self::ShardMove | Self::ShardAdopt | Self::NodeDrain => Effect::Places,
            Self::AccountGet
            | Self::AccountList
            | Self::AccountStatement
            | Self::AccountTotals
            | Self::TransferGet
            | Self::TransferList
            | Self::TransferExplain
            | Self::TransitList
            | Self::AuditRun
            | Self::ShardList
            | Self::NodeList
            | Self::SupervisionList
            | Self::ProjectionStatus
            | Self::ProjectionRebuild
            | Self::DeploymentGet => Effect::Reads,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_begins_with_the_deployment_and_the_version() {
        assert_eq!(Endpoint::TransferSubmit.subject("remit"), "remit.v1.transfer.submit");
        for endpoint in Endpoint::ALL {
            assert_eq!(Endpoint::parse(endpoint.as_str()), Some(endpoint));
        }
        assert_eq!(Endpoint::parse("transfer"), None);
    }
}
