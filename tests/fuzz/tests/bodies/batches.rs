//! Submits, alone and in a batch: a batch reads each of its members as it would be read alone.

use std::collections::{BTreeMap, BTreeSet};

use remit_api::{
    Error,
    account::OpenRequest,
    batch::{self, BatchRequest},
    body,
    submit::{DEADLINE_MS_MAX, DEADLINE_MS_MIN, Draft, MEMO_CHARS_MAX, SubmitRequest, WAIT_MS_MAX},
};
use remit_core::{
    money::Direction,
    transfer::{LEGS_MAX, LEGS_MIN},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    kinds::{Body as _, currencies},
    read::{self, refused},
};

pub(crate) const SUBMITS: &[&str] = &[
    r#"{"id":"0199c0de-0000-7000-8000-000000000001","from":"alice","to":"s1:bob","amount":1050,"currency":"EUR",
        "protocol":"2pc","wait":"settled","wait_ms":60000,"deadline_ms":100,"memo":"rent é"}"#,
    r#"{"id":"0199c0de-0000-7000-8000-000000000001","currency":"EUR","legs":[
        {"account":"a","direction":"debit","amount":"9223372036854775807"},
        {"account":"b","direction":"credit","amount":9223372036854775807},
        {"account":"c","direction":"debit","amount":3,"currency":"POINTS"},
        {"account":"d","direction":"credit","amount":1,"currency":"POINTS"},
        {"account":"e","direction":"credit","amount":2,"currency":"POINTS"}]}"#,
];

pub(crate) const SUBMIT_FIELDS: &[&str] = &[
    "id",
    "from",
    "to",
    "amount",
    "currency",
    "legs",
    "protocol",
    "wait",
    "wait_ms",
    "deadline_ms",
    "memo",
    "account",
    "direction",
];

const BATCH_FIELDS: &[&str] = &["transfers", "wait", "wait_ms", "answer"];

pub(crate) const SEEDS: &[&str] = &[
    r#"{"transfers":[
        {"id":"0199c0de-0000-7000-8000-000000000001","from":"alice","to":"bob","amount":1050,"currency":"EUR"},
        {"id":"0199c0de-0000-7000-8000-000000000002","currency":"POINTS","memo":"x","protocol":"events","legs":[
            {"account":"a","direction":"debit","amount":5},{"account":"b","direction":"credit","amount":5}]}],
        "wait":"accepted","wait_ms":0,"answer":"brief"}"#,
    r#"{"transfers":[7,{"id":"0199c0de-0000-7000-8000-000000000001","wait":"settled"}]}"#,
    r#"{"transfers":[]}"#,
];

/// What holds of a submit once it has been read.
pub(crate) fn check_submit(request: SubmitRequest) {
    let again = request.clone().check(&currencies());
    match request.check(&currencies()) {
        Ok(submit) => {
            assert!(submit.wait.ms <= WAIT_MS_MAX);
            check_draft(&submit.draft);
            assert_eq!(again, Ok(submit));
        }
        Err(error) => refused(&error, b"", SUBMIT_FIELDS),
    }
}

fn check_draft(draft: &Draft) {
    assert!((LEGS_MIN..=LEGS_MAX).contains(&draft.legs.len()));
    assert!((DEADLINE_MS_MIN..=DEADLINE_MS_MAX).contains(&draft.deadline_ms));
    assert!(draft.memo.as_ref().is_none_or(|memo| memo.chars().count() <= MEMO_CHARS_MAX));
    assert_eq!(draft.legs.iter().map(|leg| &leg.account).collect::<BTreeSet<_>>().len(), draft.legs.len());
    let mut sums: BTreeMap<_, i128> = BTreeMap::new();
    for (at, leg) in draft.legs.iter().enumerate() {
        assert!(currencies().knows(leg.currency) && !draft.account_field(at).is_empty());
        let amount = i128::from(leg.amount.get());
        *sums.entry(leg.currency).or_default() += if leg.direction == Direction::Debit { -amount } else { amount };
    }
    assert!(sums.values().all(|sum| *sum == 0), "{sums:?}");
}

/// Batches of accounts to be opened.
pub(crate) const OPENINGS: &[&str] = &[
    r#"{"accounts":[{"id":"s0:alice","currency":"EUR"},{"id":"world","currency":"EUR","kind":"external"}]}"#,
    r#"{"accounts":[{"id":"a","currency":"EUR","overdraft_limit":5},7,{"id":"b"}]}"#,
];

#[derive(Deserialize)]
struct Openings<'b> {
    #[serde(borrow)]
    accounts: Vec<&'b RawValue>,
}

/// What holds of any batch of accounts.
pub(crate) fn check_openings(bytes: &[u8]) {
    let read = match batch::read_accounts(bytes) {
        Ok(read) => read,
        Err(error) => return refused(&error, bytes, &["accounts"]),
    };
    assert!(read.len() <= batch::MEMBERS_MAX);
    let members: Openings<'_> = serde_json::from_slice(bytes).unwrap();
    assert_eq!(members.accounts.len(), read.len());
    for (raw, member) in members.accounts.iter().zip(&read) {
        assert_eq!(&body::read::<OpenRequest>(raw.get().as_bytes()), member, "{raw}");
        if let Err(error) = member {
            refused(error, raw.get().as_bytes(), OpenRequest::FIELDS);
        }
    }
}

#[derive(Deserialize)]
struct Members<'b> {
    #[serde(borrow)]
    transfers: Vec<&'b RawValue>,
}

/// What holds of any batch.
pub(crate) fn check(bytes: &[u8]) {
    let batch = match batch::read(bytes, &currencies()) {
        Ok(batch) => batch,
        Err(error) => return refused(&error, bytes, BATCH_FIELDS),
    };
    assert!(batch.transfers.len() <= batch::MEMBERS_MAX && batch.wait.ms <= WAIT_MS_MAX);
    let members: Members<'_> = serde_json::from_slice(bytes).unwrap();
    assert_eq!(members.transfers.len(), batch.transfers.len());
    for (raw, member) in members.transfers.iter().zip(&batch.transfers) {
        assert_eq!(&alone(raw), member, "{raw}");
        match member {
            Ok(draft) => check_draft(draft),
            Err(error) => refused(error, raw.get().as_bytes(), SUBMIT_FIELDS),
        }
    }
    if let Some(request) = read::check::<BatchRequest>(bytes, &[BATCH_FIELDS, SUBMIT_FIELDS].concat()) {
        let again = batch::read(&serde_json::to_vec(&request).unwrap(), &currencies()).unwrap();
        assert_eq!(again.transfers, batch.transfers);
    }
}

/// A member as it would be read alone; but it may not say how to wait.
fn alone(raw: &RawValue) -> Result<Draft, Error> {
    let request: SubmitRequest = body::read(raw.get().as_bytes())?;
    for (field, given) in [("wait", request.wait.is_some()), ("wait_ms", request.wait_ms.is_some())] {
        if given {
            return Err(Error::invalid(field, format!("in a batch `{field}` stands beside `transfers`, once for all")));
        }
    }
    request.check(&currencies()).map(|submit| submit.draft)
}
