//! Bodies about accounts.

use std::sync::Arc;

use remit_core::{
    account::{Change, Kind, Status},
    id::{AccountId, Seq, Time, TransferId},
    money::{Amount, Currency, Direction},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    currency::Currencies,
    error::Error,
    fresh::{self, AtLeast},
    id, number, page, time, units,
};

/// An account, as `account.get` and all that change one answer it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// As the client wrote it.
    pub id: AccountId,
    /// The shard where it lives.
    pub shard: Arc<str>,
    /// The currency of all its money.
    pub currency: Currency,
    /// A customer's, or the world outside.
    pub kind: Kind,
    /// Whether it takes new work.
    pub status: Status,
    /// How far below zero it may go, in minor units.
    #[serde(with = "units")]
    pub overdraft_limit: i64,
    /// What the journal says, in minor units.
    #[serde(with = "units")]
    pub posted: i64,
    /// What outgoing holds reserve.
    #[serde(with = "units")]
    pub held: i64,
    /// What accepted but unposted credits will add.
    #[serde(with = "units")]
    pub incoming: i64,
    /// What may be spent; `None` for an external account, which has no limit.
    #[serde(with = "units::optional")]
    pub available: Option<i128>,
    /// 1 when opened, and one more with every change by an account command.
    pub version: u64,
}

/// `account.open`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct OpenRequest {
    /// Where it is to live and what it is called there.
    pub id: AccountId,
    /// The currency of all its money.
    pub currency: Currency,
    /// Default: a customer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// How far below zero it may go, in minor units; default 0.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "units::optional::serialize",
        deserialize_with = "units::optional::deserialize_limit"
    )]
    pub overdraft_limit: Option<i64>,
    /// The command's own id; the door makes one if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<Uuid>,
    /// Only if the account has this version now; 0 means that it is not yet open.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number::optional::<_, 0, { u64::MAX }>"
    )]
    pub if_version: Option<u64>,
}

/// `account.get`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct GetRequest {
    /// Which account.
    pub id: AccountId,
}

/// `account.freeze`, `account.unfreeze` and `account.close`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct ChangeRequest {
    /// Which account.
    pub id: AccountId,
    /// The command's own id; the door makes one if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<Uuid>,
    /// Only if the account has this version now.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number::optional::<_, 0, { u64::MAX }>"
    )]
    pub if_version: Option<u64>,
}

/// `account.set_overdraft`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct SetOverdraftRequest {
    /// Which account.
    pub id: AccountId,
    /// How far below zero it may go, in minor units: 0 to 2^63 - 1.
    #[serde(serialize_with = "units::serialize", deserialize_with = "units::deserialize_limit")]
    pub overdraft_limit: i64,
    /// The command's own id; the door makes one if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<Uuid>,
    /// Only if the account has this version now.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number::optional::<_, 0, { u64::MAX }>"
    )]
    pub if_version: Option<u64>,
}

/// `account.list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct ListRequest {
    /// Only those of this shard.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "id::shard")]
    pub shard: Option<String>,
    /// How many rows at most: 1 to 1,000.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number::optional::<_, 1, { page::LIMIT_MAX }>"
    )]
    pub limit: Option<u64>,
    /// Where the page before ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A page of accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// The accounts.
    pub accounts: Vec<Account>,
    /// Where the next page begins; `None` after the last.
    pub cursor: Option<String>,
}

/// `account.statement`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct StatementRequest {
    /// Which account.
    pub id: AccountId,
    /// From this moment on.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::optional")]
    pub from: Option<Time>,
    /// Before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::optional")]
    pub to: Option<Time>,
    /// How many rows at most: 1 to 1,000.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number::optional::<_, 1, { page::LIMIT_MAX }>"
    )]
    pub limit: Option<u64>,
    /// Where the page before ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Who answers; default: the account's owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// At least as new as this transfer, which the caller has seen settled; only from the projection.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "id::transfer::optional")]
    pub at_least: Option<TransferId>,
    /// For how long to wait for that at most, in milliseconds: 0 to 60,000, default 2,000; only beside `at_least`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number::optional::<_, 0, { fresh::WAIT_MS_MAX }>"
    )]
    pub wait_ms: Option<u64>,
}

/// Who answers a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The account's owner: exact.
    #[default]
    Owner,
    /// The read model: also while the owner is away, and as of a moment ago.
    Projection,
}

/// A page of an account's postings, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Whose.
    pub account: AccountId,
    /// The postings.
    pub postings: Vec<Posting>,
    /// Where the next, older page begins; `None` after the last.
    pub cursor: Option<String>,
    /// All that was on disk by then is in it; `None` from the owner, which has all.
    #[serde(default, with = "time::optional")]
    pub as_of: Option<Time>,
}

/// One side of an entry, with the balance after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// Its row in the shard's journal.
    pub seq: Seq,
    /// When it was committed.
    #[serde(with = "time")]
    pub at: Time,
    /// The transfer that it belongs to.
    #[serde(with = "id::transfer")]
    pub transfer: TransferId,
    /// Out of the account or into it.
    pub direction: Direction,
    /// How much, in minor units.
    #[serde(with = "units")]
    pub amount: Amount,
    /// What was posted in all, after it.
    #[serde(with = "units")]
    pub balance: i64,
    /// What the client wrote beside the transfer.
    pub memo: Option<Arc<str>>,
}

impl OpenRequest {
    /// A customer's account without overdraft.
    #[must_use]
    pub fn new(id: AccountId, currency: Currency) -> Self {
        Self { id, currency, kind: None, overdraft_limit: None, command_id: None, if_version: None }
    }

    /// The command that it stands for, defaults applied.
    ///
    /// # Errors
    /// A currency that the deployment does not know, or an overdraft limit where none applies.
    pub fn change(&self, currencies: &Currencies) -> Result<Change, Error> {
        currencies.check(self.currency, "currency")?;
        let kind = self.kind.unwrap_or(Kind::Customer);
        let overdraft_limit = self.overdraft_limit.unwrap_or(0);
        if kind == Kind::External && overdraft_limit != 0 {
            return Err(Error::invalid(
                "overdraft_limit",
                "an external account has no limit: leave `overdraft_limit` out",
            ));
        }
        Ok(Change::Open { currency: self.currency, kind, overdraft_limit })
    }
}

impl Source {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Owner, Self::Projection];

    /// Its word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Projection => "projection",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == word)
    }
}

impl ChangeRequest {
    /// Whatever the account's version.
    #[must_use]
    pub fn new(id: AccountId) -> Self {
        Self { id, command_id: None, if_version: None }
    }
}

impl StatementRequest {
    /// The newest page.
    #[must_use]
    pub fn new(id: AccountId) -> Self {
        Self { id, from: None, to: None, limit: None, cursor: None, source: None, at_least: None, wait_ms: None }
    }

    /// Who answers, default applied.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source.unwrap_or_default()
    }

    /// How new the answer must be.
    ///
    /// # Errors
    /// As [`AtLeast::new`]; and of the owner nothing needs to be said.
    pub fn fresh(&self) -> Result<Option<AtLeast>, Error> {
        let fields = [("at_least", self.at_least.is_some()), ("wait_ms", self.wait_ms.is_some())];
        match fields.into_iter().find(|(_, given)| *given) {
            Some((field, _)) if self.source() == Source::Owner => {
                let message =
                    format!("the owner has all there is: leave `{field}` out, or ask for `source` `projection`");
                Err(Error::invalid(field, message))
            }
            _ => AtLeast::new(self.at_least, self.wait_ms),
        }
    }

    /// How many rows at most, default applied.
    #[must_use]
    pub fn rows(&self) -> usize {
        page::rows(self.limit)
    }
}

impl ListRequest {
    /// How many rows at most, default applied.
    #[must_use]
    pub fn rows(&self) -> usize {
        page::rows(self.limit)
    }
}
