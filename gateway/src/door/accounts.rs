//! Accounts: open, change, get, list, statement.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use remit_actors::message::{Address, AnswerBody, ChangeAccount, Found, Posting, Query, Question, Reading};
use remit_api::{
    Error,
    account::{self, Source},
    batch::{self, Results},
};
use remit_core::{
    account::{Account, Change, Refusal},
    id::{AccountId, Seq, ShardNo},
};
use uuid::Uuid;

use super::{
    Door, answer_of,
    asking::{PATIENCE, misunderstood},
    reading::does_not_fit,
};

/// How long an account may take to come free when it is closed, in milliseconds.
const CLOSE_WITHIN_MS: u64 = 4_000;

/// What an account takes in the answer to a batch, about.
const ANSWER_BYTES: usize = 220;

impl Door {
    pub(super) async fn open_account(&self, request: account::OpenRequest) -> Result<account::Account, Error> {
        let change = request.change(&self.currencies)?;
        self.change(request.id, change, request.command_id, request.if_version).await
    }

    /// Opens accounts, all at the same time; each stands or falls alone.
    pub(super) async fn open_accounts(&self, request: &[u8]) -> Result<Vec<u8>, Error> {
        let open = |read: Result<account::OpenRequest, Error>| async move { self.open_account(read?).await };
        let results = join_all(batch::read_accounts(request)?.into_iter().map(open)).await;
        let bytes = results.len() * ANSWER_BYTES;
        answer_of(&Results { results }, bytes)
    }

    pub(super) async fn set_overdraft(&self, request: account::SetOverdraftRequest) -> Result<account::Account, Error> {
        let change = Change::SetOverdraft { overdraft_limit: request.overdraft_limit };
        self.change(request.id, change, request.command_id, request.if_version).await
    }

    pub(super) async fn freeze(&self, request: account::ChangeRequest) -> Result<account::Account, Error> {
        self.change(request.id, Change::Freeze, request.command_id, request.if_version).await
    }

    pub(super) async fn unfreeze(&self, request: account::ChangeRequest) -> Result<account::Account, Error> {
        self.change(request.id, Change::Unfreeze, request.command_id, request.if_version).await
    }

    pub(super) async fn close(&self, request: account::ChangeRequest) -> Result<account::Account, Error> {
        self.change(request.id, Change::BeginClose, request.command_id, request.if_version).await
    }

    async fn change(
        &self,
        id: AccountId,
        change: Change,
        command_id: Option<Uuid>,
        if_version: Option<u64>,
    ) -> Result<account::Account, Error> {
        let shard = self.shard_of(&id)?;
        self.takes_new()?;
        let command_id = command_id.unwrap_or_else(Uuid::now_v7).into_bytes();
        let command = ChangeAccount { account: id.clone(), change, command_id, if_version };
        let body = if change == Change::BeginClose {
            let patience = PATIENCE + Duration::from_millis(CLOSE_WITHIN_MS);
            let question = Question::CloseAccount(command, CLOSE_WITHIN_MS);
            self.ask_parts(Address::Shard(shard), question, patience).await?.pop()
        } else {
            Some(self.ask(Address::Shard(shard), Question::ChangeAccount(command)).await?)
        };
        match body {
            Some(AnswerBody::Account(Some(account))) => Ok(self.account_of(id, shard, &account)),
            Some(AnswerBody::Refused(refusal)) => Err(refused(&id, refusal)),
            Some(other) => Err(misunderstood(&other)),
            None => Err(Error::unavailable("an actor gave an empty answer")),
        }
    }

    pub(super) async fn account(&self, request: account::GetRequest) -> Result<account::Account, Error> {
        let shard = self.shard_of(&request.id)?;
        match self.ask(Address::Shard(shard), Question::Account(request.id.clone())).await? {
            AnswerBody::Account(Some(account)) => Ok(self.account_of(request.id, shard, &account)),
            AnswerBody::Account(None) => Err(Error::account_not_found(&request.id)),
            other => Err(misunderstood(&other)),
        }
    }

    /// Accounts by shard and id. The cursor names the last account that was listed, with its shard.
    pub(super) async fn accounts(&self, request: account::ListRequest) -> Result<account::List, Error> {
        let limit = request.rows();
        let shards: Vec<ShardNo> = match &request.shard {
            Some(name) => vec![self.shard_named(name)?],
            None => self.genesis.shard_numbers().collect(),
        };
        let wrong = || Error::invalid("cursor", "`cursor` is not one that this list gave");
        let (mut at, mut after) = match &request.cursor {
            None => (0, None),
            Some(cursor) => {
                let (shard, account) = cursor.split_once('/').ok_or_else(wrong)?;
                let shard = shard.parse().map(ShardNo).map_err(|_| wrong())?;
                let at = shards.iter().position(|no| *no == shard).ok_or_else(wrong)?;
                let after =
                    if account.is_empty() { None } else { Some(AccountId::parse(account).map_err(|_| wrong())?) };
                (at, after)
            }
        };
        let mut accounts = Vec::new();
        while let Some(shard) = shards.get(at) {
            let left = limit - accounts.len();
            if left == 0 {
                let cursor = Some(format!("{}/{}", shard.0, after.as_ref().map_or("", AccountId::as_str)));
                return Ok(account::List { accounts, cursor });
            }
            let limit = u32::try_from(left).unwrap_or(1);
            let body = self.ask(Address::Shard(*shard), Question::Accounts { after: after.clone(), limit }).await?;
            let AnswerBody::Accounts(found, more) = body else { return Err(misunderstood(&body)) };
            after = if more { found.last().map(|(id, _)| id.clone()) } else { None };
            accounts.extend(found.into_iter().map(|(id, account)| self.account_of(id, *shard, &account)));
            at += usize::from(!more);
        }
        Ok(account::List { accounts, cursor: None })
    }

    /// Postings of an account, newest first. The cursor is the account's next older row, whoever answers.
    pub(super) async fn statement(&self, request: account::StatementRequest) -> Result<account::Statement, Error> {
        let fresh = request.fresh()?;
        let shard = self.shard_of(&request.id)?;
        let wrong = || Error::invalid("cursor", "`cursor` is not one that this statement gave");
        let before = request.cursor.as_ref().map(|cursor| cursor.parse().map(Seq).map_err(|_| wrong())).transpose()?;
        let (account, from, to) = (request.id.clone(), request.from, request.to);
        let limit = u32::try_from(request.rows()).unwrap_or(1);
        let (is_there, postings, next, as_of) = match request.source() {
            Source::Owner => {
                let question = Question::Statement { account, from, to, before, limit };
                match self.ask(Address::Shard(shard), question).await? {
                    AnswerBody::Statement { account, postings, next } => (account.is_some(), postings, next, None),
                    other => return Err(misunderstood(&other)),
                }
            }
            Source::Projection => {
                let query = Query::Statement { account, shard, from, to, before, limit };
                let Reading { as_of, found } = self.read(query, fresh).await?;
                match found {
                    Found::Statement { is_there, postings, next } => (is_there, postings, next, Some(as_of)),
                    other => return Err(does_not_fit(&other)),
                }
            }
        };
        if !is_there {
            return Err(Error::account_not_found(&request.id));
        }
        let (postings, cursor) = (postings.into_iter().map(posting).collect(), next.map(|seq| seq.0.to_string()));
        Ok(account::Statement { account: request.id, postings, cursor, as_of })
    }

    pub(super) fn shard_of(&self, id: &AccountId) -> Result<ShardNo, Error> {
        self.genesis.shard_of(id).ok_or_else(|| self.no_such_shard(id, "id"))
    }

    fn shard_named(&self, name: &str) -> Result<ShardNo, Error> {
        let at = self.shard_names.iter().position(|shard| **shard == *name);
        at.and_then(|at| u16::try_from(at).ok())
            .map(ShardNo)
            .ok_or_else(|| Error::invalid("shard", format!("there is no shard `{name}`")))
    }

    /// The id names a shard that the deployment does not have.
    pub(super) fn no_such_shard(&self, id: &AccountId, field: impl Into<String>) -> Error {
        let first = self.shard_names.first().map_or("", |name| name);
        let last = self.shard_names.last().map_or("", |name| name);
        Error::invalid(field, format!("`{id}` names a shard that is not there; the shards are {first} to {last}"))
    }

    fn account_of(&self, id: AccountId, shard: ShardNo, account: &Account) -> account::Account {
        account::Account {
            id,
            shard: Arc::clone(&self.shard_names[usize::from(shard.0)]),
            currency: account.currency,
            kind: account.kind,
            status: account.status,
            overdraft_limit: account.overdraft_limit,
            posted: account.balances.posted,
            held: account.balances.held,
            incoming: account.balances.incoming,
            available: account.available(),
            version: account.version,
        }
    }
}

fn posting(posting: Posting) -> account::Posting {
    let Posting { seq, at, transfer, direction, amount, balance, memo } = posting;
    account::Posting { seq, at, transfer, direction, amount, balance, memo }
}

fn refused(id: &AccountId, refusal: Refusal) -> Error {
    let why = match refusal {
        Refusal::NotFound => return Error::account_not_found(id),
        Refusal::VersionDiffers => "has another version than `if_version`",
        Refusal::OpenedWithOtherCurrency => "was opened with another currency",
        Refusal::OpenedWithOtherKind => "was opened as the other kind",
        Refusal::OpenedWithOtherOverdraft => "was opened with another overdraft limit, or has another by now",
        Refusal::ExternalHasNoOverdraft => "is external and has no limit to set",
        Refusal::OverdraftInUse => "uses more than this limit",
        Refusal::IsClosing => "is being closed",
        Refusal::IsClosed => "is closed",
        Refusal::NotFree => "has money posted, held, incoming or in flight",
        Refusal::CommandIdReused => "was not changed: the `command_id` is another command's",
    };
    Error::conflict(format!("the account {id} {why}"), [refusal.field()])
}
