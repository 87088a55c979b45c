//! Every kind of body: what right ones look like, and what holds of each value that is read as one.

use remit_api::{
    Currencies, Error, account, audit, body,
    currency::Declared,
    deployment,
    fresh::{AtLeast, WAIT_MS_MAX},
    node, page, projection, shard, story,
    submit::SubmitRequest,
    supervision,
    totals::{TotalsRequest, TransitRequest},
    transfer,
};
use remit_core::{
    account::{Change, Kind as AccountKind},
    id::is_shard_name,
    money::Currency,
    operator::Action,
};

use crate::{
    batches::{self, SUBMIT_FIELDS},
    read::{self, refused},
};

/// A kind of body.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Bodies that edits begin with.
    pub(crate) seeds: &'static [&'static str],
    /// Reads a body as one, and panics if anything about it is wrong.
    pub(crate) check: fn(&[u8]),
    /// Whether a body is read as one.
    pub(crate) is_right: fn(&[u8]) -> bool,
}

/// The type of a kind of body.
pub(crate) trait Body: read::Value {
    const NAME: &'static str;
    const SEEDS: &'static [&'static str];
    /// The fields that the contract has for it.
    const FIELDS: &'static [&'static str];

    /// What holds of every value, beside what holds of all kinds.
    fn check(self) {}
}

const fn kind<T: Body>() -> Kind {
    Kind {
        name: T::NAME,
        seeds: T::SEEDS,
        check: |bytes| {
            if let Some(value) = read::check::<T>(bytes, T::FIELDS) {
                value.check();
            }
        },
        is_right: |bytes| body::read::<T>(bytes).is_ok(),
    }
}

pub(crate) const KINDS: [Kind; 25] = [
    kind::<account::OpenRequest>(),
    Kind {
        name: "account-open-batch",
        seeds: batches::OPENINGS,
        check: batches::check_openings,
        is_right: |bytes| remit_api::batch::read_accounts(bytes).is_ok(),
    },
    kind::<account::GetRequest>(),
    kind::<account::ChangeRequest>(),
    kind::<account::SetOverdraftRequest>(),
    kind::<account::ListRequest>(),
    kind::<account::StatementRequest>(),
    kind::<SubmitRequest>(),
    Kind {
        name: "submit-batch",
        seeds: batches::SEEDS,
        check: batches::check,
        is_right: |bytes| remit_api::batch::read(bytes, &currencies()).is_ok(),
    },
    kind::<transfer::GetRequest>(),
    kind::<transfer::ListRequest>(),
    kind::<story::ExplainRequest>(),
    kind::<story::OrderRequest>(),
    kind::<audit::RunRequest>(),
    kind::<shard::ListRequest>(),
    kind::<supervision::ListRequest>(),
    kind::<deployment::GetRequest>(),
    kind::<TotalsRequest>(),
    kind::<TransitRequest>(),
    kind::<projection::StatusRequest>(),
    kind::<projection::RebuildRequest>(),
    kind::<shard::MoveRequest>(),
    kind::<shard::AdoptRequest>(),
    kind::<node::ListRequest>(),
    kind::<node::DrainRequest>(),
];

/// The currencies of a deployment: those of ISO 4217, and two with as few and as many decimals as there can be.
pub(crate) fn currencies() -> Currencies {
    let declared = [("POINTS", 0), ("WEI", 18)].map(|(code, decimals)| Declared { code: code_of(code), decimals });
    Currencies::with(declared).unwrap()
}

pub(crate) fn code_of(code: &str) -> Currency {
    Currency::parse(code).unwrap()
}

fn check_limit(limit: Option<u64>, rows: usize) {
    assert!(limit.is_none_or(|limit| (1..=page::LIMIT_MAX).contains(&limit)));
    assert_eq!(rows, limit.map_or(page::LIMIT_DEFAULT, |limit| usize::try_from(limit).unwrap()));
}

fn check_fresh(fresh: Result<Option<AtLeast>, Error>, fields: &'static [&'static str]) {
    match fresh {
        Ok(at_least) => assert!(at_least.is_none_or(|at_least| at_least.wait_ms <= WAIT_MS_MAX)),
        Err(error) => refused(&error, b"", fields),
    }
}

impl Body for account::OpenRequest {
    const NAME: &'static str = "account-open";
    const SEEDS: &'static [&'static str] = &[
        r#"{"id":"s0:alice","currency":"EUR","kind":"customer","overdraft_limit":"9223372036854775807",
            "command_id":"0199c0de-0000-7000-8000-000000000001","if_version":18446744073709551615}"#,
        r#"{"id":"a","currency":"POINTS","kind":"external"}"#,
    ];
    const FIELDS: &'static [&'static str] = &["id", "currency", "kind", "overdraft_limit", "command_id", "if_version"];

    fn check(self) {
        let limit = self.overdraft_limit.unwrap_or(0);
        assert!(limit >= 0);
        match self.change(&currencies()) {
            Ok(Change::Open { kind, overdraft_limit, .. }) => {
                assert!(overdraft_limit == limit && (kind == AccountKind::Customer || limit == 0));
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => refused(&error, b"", Self::FIELDS),
        }
    }
}

impl Body for account::GetRequest {
    const NAME: &'static str = "account-get";
    const SEEDS: &'static [&'static str] = &[r#"{"id":"eu-1:a.b_c-D"}"#];
    const FIELDS: &'static [&'static str] = &["id"];
}

impl Body for account::ChangeRequest {
    const NAME: &'static str = "account-change";
    const SEEDS: &'static [&'static str] =
        &[r#"{"id":"alice","command_id":"0199c0de-0000-7000-8000-000000000001","if_version":3}"#];
    const FIELDS: &'static [&'static str] = &["id", "command_id", "if_version"];
}

impl Body for account::SetOverdraftRequest {
    const NAME: &'static str = "account-overdraft";
    const SEEDS: &'static [&'static str] =
        &[r#"{"id":"alice","overdraft_limit":500,"command_id":null,"if_version":0}"#];
    const FIELDS: &'static [&'static str] = &["id", "overdraft_limit", "command_id", "if_version"];

    fn check(self) {
        assert!(self.overdraft_limit >= 0);
    }
}

impl Body for account::ListRequest {
    const NAME: &'static str = "account-list";
    const SEEDS: &'static [&'static str] = &[r#"{"shard":"s0","limit":1000,"cursor":"0/alice"}"#, "{}", ""];
    const FIELDS: &'static [&'static str] = &["shard", "limit", "cursor"];

    fn check(self) {
        check_limit(self.limit, self.rows());
    }
}

impl Body for account::StatementRequest {
    const NAME: &'static str = "account-statement";
    const SEEDS: &'static [&'static str] = &[
        r#"{"id":"bob","from":"2026-11-22T22:50:00.000Z","to":"2026-11-23T00:50:00+02:00","limit":1,"cursor":"17"}"#,
        r#"{"id":"bob","source":"projection","at_least":"0199c0de-0000-7000-8000-000000000001","wait_ms":60000}"#,
        r#"{"id":"bob","from":"-009999-01-02T01:59:59Z","to":"9999-12-30T22:00:00.999999999Z"}"#,
    ];
    const FIELDS: &'static [&'static str] = &["id", "from", "to", "limit", "cursor", "source", "at_least", "wait_ms"];

    fn check(self) {
        check_limit(self.limit, self.rows());
        check_fresh(self.fresh(), Self::FIELDS);
    }
}

impl Body for SubmitRequest {
    const NAME: &'static str = "submit";
    const SEEDS: &'static [&'static str] = batches::SUBMITS;
    const FIELDS: &'static [&'static str] = SUBMIT_FIELDS;

    fn check(self) {
        batches::check_submit(self);
    }
}

impl Body for transfer::GetRequest {
    const NAME: &'static str = "transfer-get";
    const SEEDS: &'static [&'static str] = &[r#"{"id":"0199C0DE-0000-7000-8000-00000000000A"}"#];
    const FIELDS: &'static [&'static str] = &["id"];
}

impl Body for story::ExplainRequest {
    const NAME: &'static str = "transfer-explain";
    const SEEDS: &'static [&'static str] = &[r#"{"id":"0199C0DE-0000-7000-8000-00000000000A"}"#];
    const FIELDS: &'static [&'static str] = &["id"];
}

impl Body for story::OrderRequest {
    const NAME: &'static str = "transfer-order";
    const SEEDS: &'static [&'static str] =
        &[r#"{"id":"0199C0DE-0000-7000-8000-00000000000A","why":"asked to","by":"ada"}"#];
    const FIELDS: &'static [&'static str] = &["id", "why", "by"];

    fn check(self) {
        if let Ok(order) = self.order(Action::Cancel) {
            assert!((1..=280).contains(&order.why.chars().count()) && (1..=64).contains(&order.by.chars().count()));
        }
    }
}

impl Body for transfer::ListRequest {
    const NAME: &'static str = "transfer-list";
    const SEEDS: &'static [&'static str] =
        &[r#"{"status":"in_progress","account":"s1:bob","overdue":true,"since":"1969-12-31T23:59:59.999Z","limit":50,
            "cursor":"e.17","until":"2026-11-22T22:50:00.000Z","memo":"rent m\u00e4rz 7","wait_ms":0,
            "at_least":"0199c0de-0000-7000-8000-000000000001"}"#];
    const FIELDS: &'static [&'static str] =
        &["status", "account", "overdue", "since", "limit", "cursor", "until", "memo", "at_least", "wait_ms"];

    fn check(self) {
        check_limit(self.limit, self.rows());
        check_fresh(self.fresh(), Self::FIELDS);
        match self.words() {
            Ok(words) => assert!(words.iter().all(|word| !word.is_empty() && !word.contains(['"', '*', ' ']))),
            Err(error) => refused(&error, b"", Self::FIELDS),
        }
    }
}

impl Body for audit::RunRequest {
    const NAME: &'static str = "audit-run";
    const SEEDS: &'static [&'static str] = &[r#"{"depth":"full"}"#, "{}"];
    const FIELDS: &'static [&'static str] = &["depth"];
}

impl Body for shard::ListRequest {
    const NAME: &'static str = "shard-list";
    const SEEDS: &'static [&'static str] = &["{}", " "];
    const FIELDS: &'static [&'static str] = &[];
}

impl Body for shard::MoveRequest {
    const NAME: &'static str = "shard-move";
    const SEEDS: &'static [&'static str] = &[r#"{"id":"s0","node":"node-1"}"#];
    const FIELDS: &'static [&'static str] = &["id", "node"];

    fn check(self) {
        assert!(is_shard_name(&self.id) && is_shard_name(&self.node));
    }
}

impl Body for shard::AdoptRequest {
    const NAME: &'static str = "shard-adopt";
    const SEEDS: &'static [&'static str] = &[r#"{"id":"eu-1","why":"its machine burnt down","by":"ada"}"#];
    const FIELDS: &'static [&'static str] = &["id", "why", "by"];

    fn check(self) {
        assert!(is_shard_name(&self.id));
        match self.grounds() {
            Ok((by, why)) => {
                assert!((1..=64).contains(&by.chars().count()) && (1..=280).contains(&why.chars().count()));
            }
            Err(error) => refused(&error, b"", Self::FIELDS),
        }
    }
}

impl Body for node::ListRequest {
    const NAME: &'static str = "node-list";
    const SEEDS: &'static [&'static str] = &["{}"];
    const FIELDS: &'static [&'static str] = &[];
}

impl Body for node::DrainRequest {
    const NAME: &'static str = "node-drain";
    const SEEDS: &'static [&'static str] = &[r#"{"name":"node-1"}"#];
    const FIELDS: &'static [&'static str] = &["name"];

    fn check(self) {
        assert!(is_shard_name(&self.name));
    }
}

impl Body for supervision::ListRequest {
    const NAME: &'static str = "supervision-list";
    const SEEDS: &'static [&'static str] = &[r#"{"since":"2026-11-22T22:50:00.000Z","actor":"s3","limit":10}"#, "{}"];
    const FIELDS: &'static [&'static str] = &["since", "actor", "limit"];

    fn check(self) {
        check_limit(self.limit, self.rows());
    }
}

impl Body for TotalsRequest {
    const NAME: &'static str = "account-totals";
    const SEEDS: &'static [&'static str] = &[
        r#"{"id":"s1:bob","from":"0000-01-01","to":"9999-12-30","limit":7,"cursor":"2026-11-26/s1:bob",
            "at_least":"0199c0de-0000-7000-8000-000000000001","wait_ms":1}"#,
        "{}",
    ];
    const FIELDS: &'static [&'static str] = &["id", "from", "to", "limit", "cursor", "at_least", "wait_ms"];

    fn check(self) {
        check_limit(self.limit, self.rows());
        check_fresh(self.fresh(), Self::FIELDS);
    }
}

impl Body for TransitRequest {
    const NAME: &'static str = "transit-list";
    const SEEDS: &'static [&'static str] = &[
        r#"{"currency":"EUR","from":"-009999-01-02T01:59:59Z","to":"2026-11-22T22:50:00.000Z","limit":7,
            "cursor":"29846570","at_least":"0199c0de-0000-7000-8000-000000000001","wait_ms":1}"#,
        "{}",
    ];
    const FIELDS: &'static [&'static str] = &["currency", "from", "to", "limit", "cursor", "at_least", "wait_ms"];

    fn check(self) {
        check_limit(self.limit, self.rows());
        check_fresh(self.fresh(), Self::FIELDS);
    }
}

impl Body for projection::StatusRequest {
    const NAME: &'static str = "projection-status";
    const SEEDS: &'static [&'static str] = &["{}"];
    const FIELDS: &'static [&'static str] = &[];
}

impl Body for projection::RebuildRequest {
    const NAME: &'static str = "projection-rebuild";
    const SEEDS: &'static [&'static str] = &["{}"];
    const FIELDS: &'static [&'static str] = &[];
}

impl Body for deployment::GetRequest {
    const NAME: &'static str = "deployment-get";
    const SEEDS: &'static [&'static str] = &["{}"];
    const FIELDS: &'static [&'static str] = &[];
}
