//! `transfer.submit_batch` and `account.open_batch`: up to 8,192 members in one message, each of which stands or falls alone.
//!
//! A batch whose members are all well-formed, as nearly all are, is read in one go. Any other is read again: its members
//! are first only found, as slices of the body, and then read one by one, so that what is wrong with one of them is
//! answered at its place and the others go on.

use remit_core::{id::TransferId, reason::Reason};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeSeq};
use serde_json::value::RawValue;

use crate::{
    account::OpenRequest,
    body,
    currency::Currencies,
    error::{Error, Failure},
    id, number,
    submit::{Draft, SubmitRequest, Until, WAIT_MS_MAX, Wait},
    transfer::Status,
};

/// The most members of a batch. About two megabytes of requests; more would only grow the time until the first answer.
pub const MEMBERS_MAX: usize = 8_192;

/// The body of `account.open_batch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct OpenBatchRequest {
    /// The accounts, each as `account.open` has it.
    #[serde(deserialize_with = "body::list")]
    pub accounts: Vec<OpenRequest>,
}

/// The body of `transfer.submit_batch`, as a client builds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct BatchRequest {
    /// The transfers, without `wait` and `wait_ms` of their own.
    #[serde(deserialize_with = "body::list")]
    pub transfers: Vec<SubmitRequest>,
    /// When to answer; default: when all are accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Until>,
    /// For how long to wait at most, in milliseconds: 0 to 60,000, default 5,000.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number::optional::<_, 0, { WAIT_MS_MAX }>"
    )]
    pub wait_ms: Option<u64>,
    /// How much to answer of each; default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Detail>,
}

/// How much a batch answers of each transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Detail {
    /// As `transfer.get` does.
    #[default]
    Full,
    /// Its id, status and reason.
    Brief,
}

/// The body of `transfer.submit_batch`, as the server reads it.
#[derive(Clone, Debug)]
pub struct Batch {
    /// One for each member, in order: a transfer that can be recorded, or what is wrong with it.
    pub transfers: Vec<Result<Draft, Error>>,
    /// When to answer.
    pub wait: Wait,
    /// How much to answer of each.
    pub answer: Detail,
}

/// The answer: one for each member, in order. `T` is [`crate::transfer::Transfer`], [`Brief`] or [`crate::account::Account`].
///
/// To be read from text or bytes in memory, whose members it borrows while it reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(serialize = "T: Serialize", deserialize = "T: Deserialize<'de>"))]
pub struct Results<T> {
    /// A member as it stands, or why it was not taken.
    #[serde(serialize_with = "write_results", deserialize_with = "read_results")]
    pub results: Vec<Result<T, Error>>,
}

/// A transfer in brief.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brief {
    /// Which.
    #[serde(with = "id::transfer")]
    pub id: TransferId,
    /// How far it is.
    pub status: Status,
    /// Why it did not complete.
    pub reason: Option<Reason>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct Found<'b> {
    #[serde(borrow)]
    transfers: Vec<&'b RawValue>,
    #[serde(default)]
    wait: Option<Until>,
    #[serde(default, deserialize_with = "number::optional::<_, 0, { WAIT_MS_MAX }>")]
    wait_ms: Option<u64>,
    #[serde(default)]
    answer: Option<Detail>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct FoundAccounts<'b> {
    #[serde(borrow)]
    accounts: Vec<&'b RawValue>,
}

/// Reads a batch of accounts to be opened: one for each member, in order, or what is wrong with it.
///
/// # Errors
/// What is wrong with the batch as a whole.
pub fn read_accounts(body: &[u8]) -> Result<Vec<Result<OpenRequest, Error>>, Error> {
    let accounts: Vec<_> = if let Ok(OpenBatchRequest { accounts }) = body::read_at_once(body) {
        accounts.into_iter().map(Ok).collect()
    } else {
        let FoundAccounts { accounts } = body::read(body)?;
        accounts.into_iter().map(|member| body::read(member.get().as_bytes())).collect()
    };
    bounded("accounts", accounts.len())?;
    Ok(accounts)
}

/// Reads a batch of transfers.
///
/// # Errors
/// What is wrong with the batch as a whole; its members' errors stand at their places.
pub fn read(body: &[u8], currencies: &Currencies) -> Result<Batch, Error> {
    let draft = |request| into_draft(request, currencies);
    if let Ok(BatchRequest { transfers, wait, wait_ms, answer }) = body::read_at_once(body) {
        return Batch::new(transfers.into_iter().map(draft), wait, wait_ms, answer);
    }
    let Found { transfers, wait, wait_ms, answer } = body::read(body)?;
    let read_member = |member: &RawValue| body::read(member.get().as_bytes()).and_then(draft);
    Batch::new(transfers.into_iter().map(read_member), wait, wait_ms, answer)
}

impl Batch {
    fn new(
        transfers: impl ExactSizeIterator<Item = Result<Draft, Error>>,
        wait: Option<Until>,
        wait_ms: Option<u64>,
        answer: Option<Detail>,
    ) -> Result<Self, Error> {
        bounded("transfers", transfers.len())?;
        let wait = Wait::new(wait, wait_ms)?;
        Ok(Self { transfers: transfers.collect(), wait, answer: answer.unwrap_or_default() })
    }
}

fn bounded(members: &str, count: usize) -> Result<(), Error> {
    if count > MEMBERS_MAX {
        return Err(Error::invalid(members, format!("a batch has at most {MEMBERS_MAX} {members}, not {count}")));
    }
    Ok(())
}

fn into_draft(request: SubmitRequest, currencies: &Currencies) -> Result<Draft, Error> {
    // To take them and not do as they say would be worse.
    for (field, given) in [("wait", request.wait.is_some()), ("wait_ms", request.wait_ms.is_some())] {
        if given {
            return Err(Error::invalid(field, format!("in a batch `{field}` stands beside `transfers`, once for all")));
        }
    }
    request.into_draft(currencies)
}

fn write_results<T: Serialize, S: Serializer>(results: &[Result<T, Error>], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Refused<'e> {
        error: &'e Error,
    }
    let mut list = serializer.serialize_seq(Some(results.len()))?;
    for result in results {
        match result {
            Ok(transfer) => list.serialize_element(transfer)?,
            Err(error) => list.serialize_element(&Refused { error })?,
        }
    }
    list.end()
}

fn read_results<'de, T, D>(deserializer: D) -> Result<Vec<Result<T, Error>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let read = |result: &'de RawValue| {
        serde_json::from_str(result.get()).map(Ok).or_else(|no_transfer| {
            let failure = serde_json::from_str::<Failure>(result.get());
            failure.map(|failure| Err(failure.error)).map_err(|_| de::Error::custom(no_transfer))
        })
    };
    Vec::<&RawValue>::deserialize(deserializer)?.into_iter().map(read).collect()
}
