//! Each body as it stands on the wire, read and written again. A change here is a change of the contract.

use std::fmt::Debug;

use remit_api::{
    Error, account, audit,
    batch::{BatchRequest, Brief, OpenBatchRequest, Results},
    deployment,
    error::Failure,
    event, node, projection, shard, story, submit, supervision, totals,
    transfer::{self, Transfer},
};
use serde::{Serialize, de::DeserializeOwned};

/// Reads the text, writes it again, and finds it unchanged but for the spaces that make it legible.
fn golden<T: Serialize + DeserializeOwned + PartialEq + Debug>(text: &str) -> T {
    let body: T = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"));
    let packed: String = text.lines().map(str::trim).collect();
    assert_eq!(serde_json::to_string(&body).expect("a body can be written"), packed);
    body
}

#[test]
fn account_bodies() {
    golden::<account::Account>(
        r#"{"id":"alice","shard":"s0","currency":"EUR","kind":"customer","status":"open","overdraft_limit":0,
            "posted":1050,"held":0,"incoming":0,"available":1050,"version":7}"#,
    );
    golden::<account::Account>(
        r#"{"id":"s2:world","shard":"s2","currency":"JPY","kind":"external","status":"frozen","overdraft_limit":0,
            "posted":"-9223372036854775808","held":0,"incoming":9007199254740991,"available":null,"version":1}"#,
    );
    golden::<account::Account>(
        r#"{"id":"rich","shard":"s1","currency":"EUR","kind":"customer","status":"closing",
            "overdraft_limit":"9223372036854775807","posted":"9223372036854775807","held":0,"incoming":0,
            "available":"18446744073709551614","version":1}"#,
    );
    golden::<account::OpenRequest>(r#"{"id":"alice","currency":"EUR"}"#);
    golden::<account::OpenRequest>(
        r#"{"id":"eu-1:alice","currency":"POINTS","kind":"customer","overdraft_limit":"9007199254740992",
            "command_id":"0199c0de-0000-7000-8000-000000000001","if_version":0}"#,
    );
    golden::<account::GetRequest>(r#"{"id":"alice"}"#);
    golden::<account::ListRequest>("{}");
    golden::<account::ListRequest>(r#"{"shard":"s0","limit":1000,"cursor":"next"}"#);
    golden::<account::List>(r#"{"accounts":[],"cursor":null}"#);
    golden::<account::SetOverdraftRequest>(r#"{"id":"alice","overdraft_limit":500,"if_version":3}"#);
    golden::<account::ChangeRequest>(r#"{"id":"alice","command_id":"0199c0de-0000-7000-8000-000000000002"}"#);
    golden::<account::StatementRequest>(
        r#"{"id":"alice","from":"2026-11-01T00:00:00.000Z","to":"2026-12-01T00:00:00.000Z","limit":20,"cursor":"9"}"#,
    );
    golden::<account::StatementRequest>(r#"{"id":"alice","source":"owner"}"#);
    golden::<account::StatementRequest>(
        r#"{"id":"alice","source":"projection","at_least":"0199c0de-0000-7000-8000-000000000003","wait_ms":60000}"#,
    );
    golden::<account::Statement>(
        r#"{"account":"alice","postings":[
            {"seq":12,"at":"2026-11-22T22:50:00.123Z","transfer":"0199c0de-0000-7000-8000-000000000003",
            "direction":"debit","amount":1050,"balance":-50,"memo":"rent"},
            {"seq":3,"at":"2026-11-22T22:49:59.000Z","transfer":"0199c0de-0000-7000-8000-000000000004",
            "direction":"credit","amount":1000,"balance":1000,"memo":null}
            ],"cursor":"3","as_of":null}"#,
    );
    golden::<account::Statement>(
        r#"{"account":"alice","postings":[],"cursor":null,"as_of":"2026-11-22T22:50:00.123Z"}"#,
    );
}

#[test]
fn transfer_bodies() {
    golden::<submit::SubmitRequest>(
        r#"{"id":"0199c0de-0000-7000-8000-000000000001","from":"alice","to":"bob","amount":1050,"currency":"EUR",
            "protocol":"saga","wait":"settled","wait_ms":5000,"deadline_ms":30000,"memo":"rent"}"#,
    );
    golden::<submit::SubmitRequest>(
        r#"{"id":"0199c0de-0000-7000-8000-000000000001","currency":"EUR","legs":[
            {"account":"alice","direction":"debit","amount":1050},
            {"account":"bob","direction":"credit","amount":1050,"currency":"EUR"}
            ],"protocol":"2pc"}"#,
    );
    golden::<Transfer>(
        r#"{"id":"0199c0de-0000-7000-8000-000000000001","status":"completed","protocol":"saga","reason":null,
            "currency":"EUR","memo":"rent","legs":[
            {"account":"alice","shard":"s0","direction":"debit","amount":1050,"currency":"EUR","state":"posted"},
            {"account":"bob","shard":"s1","direction":"credit","amount":1050,"currency":"EUR","state":"posted"}
            ],"accepted_at":"2026-11-22T22:50:00.000Z","deadline_at":"2026-11-22T22:50:30.000Z",
            "settled_at":"2026-11-22T22:50:00.007Z","overdue":false}"#,
    );
    golden::<Transfer>(
        r#"{"id":"0199c0de-0000-7000-8000-000000000002","status":"parked","protocol":"events","reason":null,
            "currency":null,"memo":null,"legs":[],"accepted_at":"2026-11-22T22:50:00.000Z",
            "deadline_at":"2026-11-22T22:50:30.000Z","settled_at":null,"overdue":true}"#,
    );
    golden::<transfer::GetRequest>(r#"{"id":"0199c0de-0000-7000-8000-000000000001"}"#);
    golden::<transfer::ListRequest>("{}");
    golden::<transfer::ListRequest>(
        r#"{"status":"in_progress","account":"s2:alice","overdue":true,"since":"2026-11-22T22:50:00.000Z",
            "limit":1,"cursor":"x"}"#,
    );
    golden::<transfer::ListRequest>(
        r#"{"until":"2026-11-22T22:51:00.000Z","memo":"rent march","at_least":"0199c0de-0000-7000-8000-000000000001",
            "wait_ms":0}"#,
    );
    golden::<transfer::List>(r#"{"transfers":[],"cursor":"y","as_of":"2026-11-22T22:50:00.007Z"}"#);
}

#[test]
fn bodies_about_totals() {
    golden::<totals::TotalsRequest>("{}");
    golden::<totals::TotalsRequest>(
        r#"{"id":"s2:alice","from":"2026-11-01","to":"2026-12-01","limit":1000,"cursor":"x",
            "at_least":"0199c0de-0000-7000-8000-000000000001","wait_ms":2000}"#,
    );
    golden::<totals::Totals>(
        r#"{"totals":[
            {"account":"alice","day":"2026-11-26","currency":"EUR","debits":2,"debited":2100,"credits":0,"credited":0},
            {"account":"world","day":"2026-11-26","currency":"JPY","debits":3,"debited":"27670116110564327421",
            "credits":1,"credited":9007199254740991}
            ],"cursor":"2026-11-26/world","as_of":"2026-11-26T10:00:00.007Z"}"#,
    );
    golden::<totals::TransitRequest>("{}");
    golden::<totals::TransitRequest>(
        r#"{"currency":"EUR","from":"2026-11-22T22:50:00.000Z","to":"2026-11-22T22:51:00.000Z","limit":1,"cursor":"x",
            "at_least":"0199c0de-0000-7000-8000-000000000001"}"#,
    );
    golden::<totals::Transit>(
        r#"{"points":[{"at":"2026-11-22T22:51:00.000Z","currency":"EUR","amount":1050},
            {"at":"2026-11-22T22:52:00.000Z","currency":"EUR","amount":"9007199254740992"}
            ],"cursor":null,"as_of":"2026-11-22T22:51:30.007Z"}"#,
    );
}

#[test]
fn bodies_about_the_projection() {
    golden::<projection::StatusRequest>("{}");
    golden::<projection::RebuildRequest>("{}");
    golden::<projection::Projection>(
        r#"{"id":"p0","state":"rebuilding","as_of":"2026-11-22T22:50:00.007Z","lag_ms":12,"behind_rows":3,
            "transfers":1200,"bytes":4096,"rebuilt":1,"sources":[
            {"id":"s0","seq":12,"head":15,"behind":3,"at":"2026-11-22T22:50:00.000Z"},
            {"id":"m0","seq":0,"head":0,"behind":0,"at":null}
            ],"rebuild":{"behind_rows":10,"rows":5}}"#,
    );
    golden::<projection::Projection>(
        r#"{"id":"p0","state":"building","as_of":null,"lag_ms":null,"behind_rows":57,"transfers":0,"bytes":0,
            "rebuilt":0,"sources":[],"rebuild":null}"#,
    );
}

#[test]
fn bodies_about_a_story() {
    golden::<story::ExplainRequest>(r#"{"id":"0199c0de-0000-7000-8000-000000000001"}"#);
    golden::<story::OrderRequest>(r#"{"id":"0199c0de-0000-7000-8000-000000000001","why":"the bank rang","by":"ada"}"#);
    golden::<story::OrderRequest>(r#"{"id":"0199c0de-0000-7000-8000-000000000001","why":"the bank rang"}"#);
    golden::<story::Step>(
        r#"{"at":"2026-11-22T22:50:00.000Z","actor":"m0","node":"node-1","epoch":4,"seq":17,"what":"completed",
            "repeats":1,"retries":2,"late":3}"#,
    );
    golden::<story::Step>(
        r#"{"at":"2026-11-22T22:50:00.000Z","actor":"m0","node":"node-1","epoch":4,"seq":16,"what":"cancel",
            "by":"ada","why":"the bank rang"}"#,
    );
    golden::<story::Step>(
        r#"{"at":"2026-11-22T22:50:00.000Z","actor":"s3","node":"node-1","epoch":4,"seq":9,"what":"debited","leg":0,
            "account":"alice","direction":"debit","amount":1050,"currency":"EUR","balance":-1050}"#,
    );
    golden::<story::Step>(
        r#"{"at":"2026-11-22T22:50:00.000Z","actor":"s3","node":"node-1","epoch":4,"seq":9,"what":"refused","leg":0,
            "account":"alice","direction":"debit","amount":1050,"currency":"EUR","reason":"insufficient_funds"}"#,
    );
    golden::<story::WaitingFor>(
        r#"{"whom":"legs","since":"2026-11-22T22:50:00.000Z","legs":[{"leg":1,"shard":"s3","account":"bob",
            "asked":"credit"}],"retries":2,"reason":"deadline_passed","why":null}"#,
    );
    golden::<story::WaitingFor>(
        r#"{"whom":"operator","since":"2026-11-22T22:50:00.000Z","legs":[],"retries":0,"reason":null,
            "why":"misfit at leg 1"}"#,
    );
    golden::<story::Next>(r#"{"at":"2026-11-22T22:50:00.000Z","what":"ask_again"}"#);
    golden::<story::Next>(r#"{"at":"2026-11-22T22:50:00.000Z","what":"give_up"}"#);
}

#[test]
fn batch_bodies() {
    golden::<BatchRequest>(
        r#"{"transfers":[{"id":"0199c0de-0000-7000-8000-000000000001","from":"alice","to":"bob","amount":1,
            "currency":"EUR"}],"wait":"accepted","wait_ms":0,"answer":"brief"}"#,
    );
    golden::<OpenBatchRequest>(
        r#"{"accounts":[{"id":"alice","currency":"EUR"},{"id":"s1:world","currency":"EUR","kind":"external"}]}"#,
    );
    let results = golden::<Results<Brief>>(
        r#"{"results":[
            {"id":"0199c0de-0000-7000-8000-000000000001","status":"completed","reason":null},
            {"error":{"code":"conflict","message":"another body is recorded","field":null,"fields":["legs"],
            "retry_after_ms":null}},
            {"id":"0199c0de-0000-7000-8000-000000000001","status":"rejected","reason":"insufficient_funds"}
            ]}"#,
    );
    assert_eq!(results.results[1], Err(Error::conflict("another body is recorded", ["legs"])));
    golden::<Results<Transfer>>(
        r#"{"results":[{"id":"0199c0de-0000-7000-8000-000000000002","status":"accepted","protocol":"2pc",
            "reason":null,"currency":"EUR","memo":null,"legs":[],"accepted_at":"2026-11-22T22:50:00.000Z",
            "deadline_at":"2026-11-22T22:50:30.000Z","settled_at":null,"overdue":false}]}"#,
    );
}

#[test]
fn bodies_about_the_deployment() {
    golden::<audit::RunRequest>("{}");
    golden::<audit::RunRequest>(r#"{"depth":"full"}"#);
    golden::<audit::Audit>(
        r#"{"ok":true,"depth":"quick","currencies":[
            {"currency":"EUR","sum":0,"in_transit":1050,"in_flight":1050,"drift":0,"held_drift":0,"incoming_drift":0}
            ],"shards":[{"id":"s0","journal_seq":12,"verified_to":12,"hash":"5f70bf18","balanced":true}],
            "unreadable":["0199c0de-0000-7000-8000-000000000007"],"taken_at":"2026-11-22T22:50:00.000Z"}"#,
    );
    golden::<shard::ListRequest>("{}");
    golden::<shard::List>(
        r#"{"shards":[
            {"id":"s0","role":"shard","node":"n1","epoch":3,"state":"running","store":"sqlite","queue_depth":0,"restarts":1,
            "refused":2},
            {"id":"m0","role":"manager","node":"","epoch":1,"state":"nowhere","store":"memory","queue_depth":9,"restarts":0,
            "refused":0}
            ]}"#,
    );
    golden::<shard::MoveRequest>(r#"{"id":"s3","node":"node-2"}"#);
    golden::<shard::AdoptRequest>(r#"{"id":"s3","why":"its machine burnt down"}"#);
    golden::<shard::AdoptRequest>(r#"{"id":"s3","why":"its machine burnt down","by":"ada"}"#);
    golden::<node::ListRequest>("{}");
    golden::<node::DrainRequest>(r#"{"name":"node-2"}"#);
    golden::<node::List>(
        r#"{"nodes":[
            {"name":"n1","state":"live","roles":["gateway","manager","shard","projector"],"runs":["s0","m0","p0"],
            "heard_ms":0,"version":"0.1.0","started_at":"2026-11-22T22:50:00.000Z"},
            {"name":"n2","state":"drained","roles":["shard"],"runs":[],"heard_ms":312,"version":"0.1.0",
            "started_at":"2026-11-22T22:49:59.007Z"}
            ]}"#,
    );
    golden::<deployment::GetRequest>("{}");
    golden::<deployment::Deployment>(
        r#"{"name":"remit","id":"0199c0de-0000-7000-8000-00000000000d","shards":16,"managers":4,"placement":"fnv1a64-folded",
            "currencies":[{"code":"POINTS","decimals":0}],"versions":{"remit":"0.1.0","format":1},
            "totals":{"transfers_per_s":0,"open":0,"overdue":0,"parked":0,"in_transit":[{"currency":"EUR","amount":0}]}}"#,
    );
}

/// A node of an earlier version says nothing of what it refused.
#[test]
fn a_shard_without_what_was_added_is_read() {
    let text = r#"{"id":"s0","role":"shard","node":"n1","epoch":3,"state":"up","store":"sqlite","queue_depth":0,"restarts":1}"#;
    let shard: shard::Shard = serde_json::from_str(text).unwrap();
    assert_eq!(shard.refused, 0);
}

#[test]
fn bodies_about_supervision() {
    golden::<supervision::ListRequest>("{}");
    golden::<supervision::ListRequest>(r#"{"since":"2026-11-22T22:50:00.000Z","actor":"s3","limit":1000}"#);
    golden::<supervision::List>(
        r#"{"events":[
            {"at":"2026-11-22T22:50:00.000Z","event":"started","node":"node-1","actor":"m0","epoch":null,"generation":0,
            "reason":null},
            {"at":"2026-11-22T22:50:00.007Z","event":"recovered","node":"node-1","actor":"m0","epoch":4,"generation":0,
            "reason":null,"open":12,"took_ms":7},
            {"at":"2026-11-22T22:50:01.000Z","event":"failed","node":"node-1","actor":"m0","epoch":4,"generation":0,
            "reason":"panicked: killed","how":"panicked","transfer":"0199c0de-0000-7000-8000-000000000001"},
            {"at":"2026-11-22T22:50:01.000Z","event":"restarting","node":"node-1","actor":"m0","epoch":4,"generation":1,
            "reason":null,"attempt":1,"delay_ms":180}
            ]}"#,
    );
}

#[test]
fn an_error_body() {
    golden::<Failure>(
        r#"{"error":{"code":"overloaded","message":"no room","field":null,"fields":null,"retry_after_ms":20}}"#,
    );
}

#[test]
fn words_are_the_same_in_json_and_in_code() {
    for status in transfer::Status::ALL {
        assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
    }
    use transfer::LegState::{Cancelled, Compensated, Held, Pending, Posted, Refused, Released};
    for state in [Pending, Held, Posted, Refused, Cancelled, Released, Compensated] {
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
    }
    for source in account::Source::ALL {
        assert_eq!(serde_json::to_value(source).unwrap(), source.as_str());
    }
    for role in node::Role::ALL {
        assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        assert_eq!(node::Role::parse(role.as_str()), Some(role));
    }
    use node::State::{Drained, Draining, Live, Silent};
    for state in [Live, Draining, Drained, Silent] {
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
    }
    use projection::State::{Building, Ready, Rebuilding};
    for state in [Ready, Building, Rebuilding] {
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
    }
}

#[test]
fn events_of_money_and_transfers() {
    golden::<event::Event>(
        r#"{"event":"money.debited","at":"2026-11-22T22:50:00.123Z","shard":"s0","seq":12,
            "transfer":"0199c0de-0000-7000-8000-000000000003","leg":0,"account":"alice","direction":"debit","amount":1050,
            "currency":"EUR","balance":"-9007199254740992","memo":"rent"}"#,
    );
    golden::<event::Event>(
        r#"{"event":"transfer.rejected","at":"2026-11-22T22:50:00.123Z","shard":"m0","seq":9,
            "transfer":"0199c0de-0000-7000-8000-000000000003","reason":"insufficient_funds"}"#,
    );
    golden::<event::Event>(
        r#"{"event":"transfer.parked","at":"2026-11-22T22:50:00.123Z","shard":"m0","seq":10,
            "transfer":"0199c0de-0000-7000-8000-000000000003","parked":"misfit at leg 1"}"#,
    );
}
