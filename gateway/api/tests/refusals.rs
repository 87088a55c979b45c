//! What the body alone shows to be wrong, and which field the error names.

use remit_api::{
    Code, Currencies, Error,
    account::{self, StatementRequest},
    audit, batch, body, deployment, node, projection, shard,
    submit::{Submit, SubmitRequest, Until, Wait},
    supervision,
    totals::{TotalsRequest, TransitRequest},
    transfer,
};
use remit_core::{money::Direction, protocol::Protocol};
use serde::de::DeserializeOwned;

/// A submit with this put in place of, or beside, the fields of a good one.
fn submit_with(fields: &[(&str, &str)]) -> String {
    let mut all = vec![
        ("id", r#""0199c0de-0000-7000-8000-000000000001""#),
        ("from", r#""alice""#),
        ("to", r#""bob""#),
        ("amount", "1050"),
        ("currency", r#""EUR""#),
    ];
    for (name, value) in fields {
        all.retain(|(field, _)| field != name);
        if !value.is_empty() {
            all.push((name, value));
        }
    }
    let fields: Vec<String> = all.iter().map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
    format!("{{{}}}", fields.join(","))
}

/// A submit of these legs.
fn legs(legs: &str) -> String {
    submit_with(&[("from", ""), ("to", ""), ("amount", ""), ("legs", legs)])
}

fn submit(body: &str) -> Result<Submit, Error> {
    body::read::<SubmitRequest>(body.as_bytes())?.check(&Currencies::iso())
}

/// Legs that balance, `count` of them, each of another account.
fn balanced(count: usize) -> String {
    let amount = |no| if no == 0 { count - 1 } else { 1 };
    let direction = |no| if no == 0 { "debit" } else { "credit" };
    let leg = |no| format!(r#"{{"account":"a{no}","direction":"{}","amount":{}}}"#, direction(no), amount(no));
    format!("[{}]", (0..count).map(leg).collect::<Vec<_>>().join(","))
}

#[test]
fn a_wrong_submit_names_its_field() {
    let leg = |account: &str, rest: &str| format!(r#"{{"account":"{account}",{rest}}}"#);
    let debit = leg("a", r#""direction":"debit","amount":5"#);
    let with = |second: &str| legs(&format!("[{debit},{second}]"));
    let long = format!("\"{}\"", "é".repeat(141));
    let table = [
        ("nonsense".to_owned(), None),
        (r#"{"id":"#.to_owned(), None),
        ("[]".to_owned(), None),
        ("null".to_owned(), None),
        ("{}".to_owned(), Some("id")),
        (submit_with(&[("id", r#""42""#)]), Some("id")),
        (submit_with(&[("id", "42")]), Some("id")),
        (submit_with(&[("from", "")]), Some("from")),
        (submit_with(&[("from", r#""a b""#)]), Some("from")),
        (submit_with(&[("from", r#""S1:a""#)]), Some("from")),
        (submit_with(&[("to", "")]), Some("to")),
        (submit_with(&[("to", r#""alice""#)]), Some("to")),
        (submit_with(&[("amount", "")]), Some("amount")),
        (submit_with(&[("amount", "null")]), Some("amount")),
        (submit_with(&[("amount", "0")]), Some("amount")),
        (submit_with(&[("amount", "-5")]), Some("amount")),
        (submit_with(&[("amount", "10.5")]), Some("amount")),
        (submit_with(&[("amount", r#""10.50""#)]), Some("amount")),
        (submit_with(&[("amount", "9223372036854775808")]), Some("amount")),
        (submit_with(&[("currency", "")]), Some("currency")),
        (submit_with(&[("currency", r#""eur""#)]), Some("currency")),
        (submit_with(&[("currency", r#""QQQ""#)]), Some("currency")),
        (submit_with(&[("protocol", r#""3pc""#)]), Some("protocol")),
        (submit_with(&[("wait", r#""done""#)]), Some("wait")),
        (submit_with(&[("wait_ms", "60001")]), Some("wait_ms")),
        (submit_with(&[("wait_ms", "-1")]), Some("wait_ms")),
        (submit_with(&[("wait_ms", "1.5")]), Some("wait_ms")),
        (submit_with(&[("deadline_ms", "99")]), Some("deadline_ms")),
        (submit_with(&[("deadline_ms", "86400001")]), Some("deadline_ms")),
        (submit_with(&[("memo", &long)]), Some("memo")),
        (submit_with(&[("memo", "7")]), Some("memo")),
        (submit_with(&[("ammount", "1")]), Some("ammount")),
        (submit_with(&[("legs", &balanced(2))]), Some("from")),
        (submit_with(&[("from", ""), ("legs", &balanced(2))]), Some("to")),
        (submit_with(&[("from", ""), ("to", ""), ("legs", &balanced(2))]), Some("amount")),
        (legs("[]"), Some("legs")),
        (legs("{}"), Some("legs")),
        (legs(&format!("[{debit}]")), Some("legs")),
        (legs(&balanced(33)), Some("legs")),
        (with("7"), Some("legs[1]")),
        (with(r#"["b","credit",5]"#), Some("legs[1]")),
        (with(r#"{"direction":"credit","amount":5}"#), Some("legs[1].account")),
        (with(&leg("b:", r#""direction":"credit","amount":5"#)), Some("legs[1].account")),
        (with(&leg("a", r#""direction":"credit","amount":5"#)), Some("legs[1].account")),
        (with(&leg("b", r#""amount":5"#)), Some("legs[1].direction")),
        (with(&leg("b", r#""direction":"up","amount":5"#)), Some("legs[1].direction")),
        (with(&leg("b", r#""direction":"credit""#)), Some("legs[1].amount")),
        (with(&leg("b", r#""direction":"credit","amount":5.0"#)), Some("legs[1].amount")),
        (with(&leg("b", r#""direction":"credit","amount":5,"note":1"#)), Some("legs[1].note")),
        (with(&leg("b", r#""direction":"credit","amount":5,"currency":"QQQ""#)), Some("legs[1].currency")),
        (with(&leg("b", r#""direction":"credit","amount":6"#)), Some("legs")),
        (with(&leg("b", r#""direction":"debit","amount":5"#)), Some("legs")),
        (with(&leg("b", r#""direction":"credit","amount":5,"currency":"USD""#)), Some("legs")),
        (
            with(&leg("b", r#""direction":"credit","amount":5"#)).replace(r#""currency":"EUR","#, ""),
            Some("legs[0].currency"),
        ),
    ];
    for (body, field) in table {
        let error = submit(&body).expect_err(&body);
        assert_eq!((error.code, error.field.as_deref()), (Code::InvalidRequest, field), "{body}\n{error}");
        assert!(error.fields.is_none() && error.retry_after_ms.is_none());
    }
}

#[test]
fn what_is_right_is_made_a_draft_with_defaults() {
    let Submit { draft, wait } = submit(&submit_with(&[])).unwrap();
    assert_eq!(wait, Wait { until: Until::Accepted, ms: 5_000 });
    assert_eq!((draft.protocol, draft.deadline_ms, draft.memo.as_deref()), (Protocol::default(), 30_000, None));
    assert_eq!(draft.protocol.as_str(), "saga");
    let sides: Vec<_> = draft.legs.iter().map(|leg| (leg.account.as_str(), leg.direction, leg.amount.get())).collect();
    assert_eq!(sides, [("alice", Direction::Debit, 1050), ("bob", Direction::Credit, 1050)]);
    assert_eq!(draft.currency().unwrap().as_str(), "EUR");

    let exact = [
        ("amount", r#""9223372036854775807""#),
        ("protocol", r#""2pc""#),
        ("wait", r#""settled""#),
        ("wait_ms", "60000"),
        ("deadline_ms", "100"),
        ("memo", &format!("\"{}\"", "é".repeat(140))),
    ];
    let Submit { draft, wait } = submit(&submit_with(&exact)).unwrap();
    assert_eq!((wait.until, wait.ms, draft.deadline_ms), (Until::Settled, 60_000, 100));
    assert_eq!(draft.legs[0].amount.get(), i64::MAX);

    assert_eq!(submit(&legs(&balanced(32))).unwrap().draft.legs.len(), 32);
}

#[test]
fn legs_of_several_currencies_balance_one_by_one() {
    let sides = r#"[{"account":"a","direction":"debit","amount":100},
                    {"account":"b","direction":"credit","amount":100},
                    {"account":"c","direction":"debit","amount":"9223372036854775807","currency":"JPY"},
                    {"account":"d","direction":"debit","amount":"9223372036854775807","currency":"JPY"},
                    {"account":"e","direction":"credit","amount":"9223372036854775807","currency":"JPY"},
                    {"account":"f","direction":"credit","amount":"9223372036854775807","currency":"JPY"}]"#;
    let draft = submit(&legs(sides)).unwrap().draft;
    assert_eq!((draft.legs.len(), draft.currency()), (6, None));
}

#[test]
fn in_a_batch_each_transfer_stands_or_falls_alone() {
    let good = submit_with(&[]);
    let members = [
        good.clone(),
        submit_with(&[("amount", "10.5")]),
        "7".to_owned(),
        submit_with(&[("to", r#""alice""#)]),
        submit_with(&[("wait", r#""settled""#)]),
        good,
    ];
    let body = format!(r#"{{"transfers":[{}],"answer":"brief"}}"#, members.join(","));
    let batch = batch::read(body.as_bytes(), &Currencies::iso()).unwrap();
    let fields: Vec<_> = batch.transfers.iter().map(|member| member.as_ref().map_err(|e| e.field.as_deref())).collect();
    let ids = [fields[0].unwrap().id, fields[5].unwrap().id];
    assert_eq!(ids[0], ids[1], "the same id twice is the client's right");
    let wrong: Vec<_> = fields[1..5].iter().map(|member| member.unwrap_err()).collect();
    assert_eq!(wrong, [Some("amount"), None, Some("to"), Some("wait")]);
    assert_eq!((batch.answer, batch.wait.ms), (batch::Detail::Brief, 5_000));
}

#[test]
fn in_a_batch_each_account_stands_or_falls_alone() {
    let members =
        [r#"{"id":"alice","currency":"EUR"}"#, r#"{"id":"a b","currency":"EUR"}"#, r#"{"id":"bob"}"#, r#"{"id":"#];
    let read = |members: &[&str]| batch::read_accounts(format!(r#"{{"accounts":[{}]}}"#, members.join(",")).as_bytes());
    let accounts = read(&members[..3]).unwrap();
    let fields: Vec<_> = accounts.iter().map(|member| member.as_ref().map_err(|e| e.field.as_deref())).collect();
    assert_eq!(fields[0].unwrap().id.as_str(), "alice");
    assert_eq!(fields[1..], [Err(Some("id")), Err(Some("currency"))]);
    for (members, field) in [(&members[..], None), (&["7"; batch::MEMBERS_MAX + 1], Some("accounts"))] {
        let error = read(members).expect_err("it is wrong as a whole");
        assert_eq!((error.code, error.field.as_deref()), (Code::InvalidRequest, field), "{error}");
    }
}

#[test]
fn a_wrong_batch_is_refused_as_a_whole() {
    let many = format!(r#"{{"transfers":[{}7]}}"#, "7,".repeat(batch::MEMBERS_MAX));
    let table = [
        ("{}", Some("transfers")),
        (r#"{"transfers":7}"#, Some("transfers")),
        (r#"{"transfers":[],"wait":"soon"}"#, Some("wait")),
        (r#"{"transfers":[],"wait_ms":60001}"#, Some("wait_ms")),
        (r#"{"transfers":[],"answer":"none"}"#, Some("answer")),
        (r#"{"transfers":[],"id":"x"}"#, Some("id")),
        (r#"{"transfers":[{"#, None),
        (&many, Some("transfers")),
    ];
    for (body, field) in table {
        let error = batch::read(body.as_bytes(), &Currencies::iso()).expect_err("it is wrong");
        assert_eq!((error.code, error.field.as_deref()), (Code::InvalidRequest, field), "{error}");
    }
    assert_eq!(batch::read(br#"{"transfers":[]}"#, &Currencies::iso()).unwrap().transfers.len(), 0);
}

/// The field that reading `body` as a `T` names.
fn field<T: DeserializeOwned>(body: &str) -> Option<String> {
    let error = body::read::<T>(body.as_bytes()).err().unwrap_or_else(|| panic!("{body} was taken"));
    assert_eq!(error.code, Code::InvalidRequest);
    error.field
}

#[test]
fn a_wrong_body_of_any_other_verb_names_its_field() {
    use account::{ChangeRequest, OpenRequest, SetOverdraftRequest};
    let table = [
        (field::<OpenRequest>("{}"), "id"),
        (field::<OpenRequest>(r#"{"id":"a"}"#), "currency"),
        (field::<OpenRequest>(r#"{"id":"","currency":"EUR"}"#), "id"),
        (field::<OpenRequest>(r#"{"id":"a","currency":"EUR","kind":"bank"}"#), "kind"),
        (field::<OpenRequest>(r#"{"id":"a","currency":"EUR","overdraft_limit":-1}"#), "overdraft_limit"),
        (field::<OpenRequest>(r#"{"id":"a","currency":"EUR","overdraft_limit":1.0}"#), "overdraft_limit"),
        (field::<OpenRequest>(r#"{"id":"a","currency":"EUR","command_id":"x"}"#), "command_id"),
        (field::<OpenRequest>(r#"{"id":"a","currency":"EUR","if_version":-1}"#), "if_version"),
        (field::<account::GetRequest>(r#"{"id":"a","x":1}"#), "x"),
        (field::<account::ListRequest>(r#"{"shard":"S0"}"#), "shard"),
        (field::<account::ListRequest>(r#"{"limit":0}"#), "limit"),
        (field::<SetOverdraftRequest>(r#"{"id":"a"}"#), "overdraft_limit"),
        (field::<SetOverdraftRequest>(r#"{"id":"a","overdraft_limit":"-1"}"#), "overdraft_limit"),
        (field::<ChangeRequest>("{}"), "id"),
        (field::<StatementRequest>(r#"{"id":"a","from":"today"}"#), "from"),
        (field::<StatementRequest>(r#"{"id":"a","source":"cache"}"#), "source"),
        (field::<StatementRequest>(r#"{"id":"a","at_least":"7"}"#), "at_least"),
        (field::<transfer::GetRequest>(r#"{"id":"a"}"#), "id"),
        (field::<transfer::ListRequest>(r#"{"limit":1001}"#), "limit"),
        (field::<transfer::ListRequest>(r#"{"status":"done"}"#), "status"),
        (field::<transfer::ListRequest>(r#"{"overdue":"yes"}"#), "overdue"),
        (field::<transfer::ListRequest>(r#"{"since":5}"#), "since"),
        (field::<transfer::ListRequest>(r#"{"until":"tomorrow"}"#), "until"),
        (field::<transfer::ListRequest>(r#"{"memo":["rent"]}"#), "memo"),
        (field::<transfer::ListRequest>(r#"{"at_least":7}"#), "at_least"),
        (field::<transfer::ListRequest>(r#"{"wait_ms":60001}"#), "wait_ms"),
        (field::<TotalsRequest>(r#"{"account":"a"}"#), "account"),
        (field::<TotalsRequest>(r#"{"id":""}"#), "id"),
        (field::<TotalsRequest>(r#"{"from":"2026-11-22T22:50:00Z"}"#), "from"),
        (field::<TotalsRequest>(r#"{"to":"2026-02-30"}"#), "to"),
        (field::<TotalsRequest>(r#"{"limit":1001}"#), "limit"),
        (field::<TransitRequest>(r#"{"currency":"eur"}"#), "currency"),
        (field::<TransitRequest>(r#"{"from":"2026-11-22"}"#), "from"),
        (field::<TransitRequest>(r#"{"limit":0}"#), "limit"),
        (field::<TransitRequest>(r#"{"at_least":""}"#), "at_least"),
        (field::<projection::StatusRequest>(r#"{"id":"p0"}"#), "id"),
        (field::<projection::RebuildRequest>(r#"{"wait_ms":1}"#), "wait_ms"),
        (field::<audit::RunRequest>(r#"{"depth":"deep"}"#), "depth"),
        (field::<shard::ListRequest>(r#"{"id":"s0"}"#), "id"),
        (field::<shard::MoveRequest>(r#"{"id":"s0"}"#), "node"),
        (field::<shard::MoveRequest>(r#"{"node":"node-1"}"#), "id"),
        (field::<shard::MoveRequest>(r#"{"id":"S0","node":"node-1"}"#), "id"),
        (field::<shard::MoveRequest>(r#"{"id":"s0","node":"node_1"}"#), "node"),
        (field::<shard::MoveRequest>(r#"{"id":"s0","node":null}"#), "node"),
        (field::<shard::AdoptRequest>(r#"{"id":"s0"}"#), "why"),
        (field::<shard::AdoptRequest>(r#"{"id":"s0","why":["gone"]}"#), "why"),
        (field::<shard::AdoptRequest>(r#"{"id":"s0","why":"gone","by":7}"#), "by"),
        (field::<shard::AdoptRequest>(r#"{"id":"s0","why":"gone","node":"n"}"#), "node"),
        (field::<node::ListRequest>(r#"{"name":"node-1"}"#), "name"),
        (field::<node::DrainRequest>("{}"), "name"),
        (field::<node::DrainRequest>(r#"{"name":""}"#), "name"),
        (field::<node::DrainRequest>(r#"{"name":"node-1","wait_ms":1}"#), "wait_ms"),
        (field::<supervision::ListRequest>(r#"{"limit":0}"#), "limit"),
        (field::<supervision::ListRequest>(r#"{"limit":1001}"#), "limit"),
        (field::<supervision::ListRequest>(r#"{"since":"1h"}"#), "since"),
        (field::<supervision::ListRequest>(r#"{"actor":"*"}"#), "actor"),
        (field::<supervision::ListRequest>(r#"{"node":"n"}"#), "node"),
        (field::<deployment::GetRequest>(r#"{"name":"remit"}"#), "name"),
    ];
    for (named, expected) in table {
        assert_eq!(named.as_deref(), Some(expected));
    }
}

/// The field that a list of transfers names once it is read.
fn list(body: &str) -> Option<String> {
    let request: transfer::ListRequest = body::read(body.as_bytes()).expect("a body that can be read");
    let error = request.words().err().or_else(|| request.fresh().err()).unwrap_or_else(|| panic!("{body} was taken"));
    assert_eq!(error.code, Code::InvalidRequest);
    error.field
}

#[test]
fn a_memo_is_looked_for_by_its_words() {
    let words = |memo: &str| {
        let request = transfer::ListRequest { memo: Some(memo.to_owned()), ..transfer::ListRequest::default() };
        request.words().map_err(|error| error.field)
    };
    let table: [(&str, &[&str]); 5] = [
        ("rent", &["rent"]),
        (" rent  March ", &["rent", "March"]),
        ("no. 17/b", &["no", "17", "b"]),
        ("Gr\u{fc}\u{df}e Gru\u{308}\u{df}e", &["Gr\u{fc}\u{df}e", "Gru\u{308}\u{df}e"]),
        ("\"rent\" OR a*", &["rent", "OR", "a"]),
    ];
    for (memo, expected) in table {
        assert_eq!(
            words(memo).as_deref(),
            Ok(expected.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>().as_slice())
        );
    }
    assert_eq!(words(&"\u{e9}".repeat(140)).map(|words| words.len()), Ok(1));
    for wrong in ["", " ", "-*-", "\u{308}", &"\u{e9}".repeat(141)] {
        assert_eq!(words(wrong), Err(Some("memo".to_owned())), "{wrong}");
    }
    assert_eq!(transfer::ListRequest::default().words(), Ok(Vec::new()));
}

#[test]
fn how_new_an_answer_must_be_is_said_whole() {
    assert_eq!(list(r#"{"wait_ms":5}"#).as_deref(), Some("wait_ms"));
    assert_eq!(list(r#"{"memo":"","wait_ms":5}"#).as_deref(), Some("memo"));
    let fresh = |rest: &str| {
        let body = format!(r#"{{"id":"a"{rest}}}"#);
        let request: StatementRequest = body::read(body.as_bytes()).unwrap();
        request.fresh().map_err(|error| (error.code, error.field.unwrap()))
    };
    let id = r#","at_least":"0199c0de-0000-7000-8000-000000000001""#;
    assert_eq!(fresh(""), Ok(None));
    assert_eq!(fresh(r#","source":"projection""#), Ok(None));
    let waits = |rest: &str| fresh(&format!(r#"{id},"source":"projection"{rest}"#)).unwrap().unwrap().wait_ms;
    assert_eq!((waits(""), waits(r#","wait_ms":0"#), waits(r#","wait_ms":60000"#)), (2_000, 0, 60_000));
    let refused = |field: &str| Err((Code::InvalidRequest, field.to_owned()));
    assert_eq!(fresh(id), refused("at_least"));
    assert_eq!(fresh(r#","source":"owner","wait_ms":1"#), refused("wait_ms"));
    assert_eq!(fresh(r#","source":"projection","wait_ms":1"#), refused("wait_ms"));
}

#[test]
fn an_open_is_checked_for_what_it_means() {
    let open = |body: &str| body::read::<account::OpenRequest>(body.as_bytes()).unwrap().change(&Currencies::iso());
    assert!(open(r#"{"id":"a","currency":"EUR","kind":"external"}"#).is_ok());
    assert!(open(r#"{"id":"a","currency":"EUR","overdraft_limit":"9223372036854775807"}"#).is_ok());
    let unknown = open(r#"{"id":"a","currency":"QQQ"}"#).unwrap_err();
    assert_eq!(unknown.field.as_deref(), Some("currency"));
    let limit = open(r#"{"id":"a","currency":"EUR","kind":"external","overdraft_limit":1}"#).unwrap_err();
    assert_eq!(limit.field.as_deref(), Some("overdraft_limit"));
}

#[test]
fn an_adoption_says_why_and_its_texts_are_bounded() {
    let adopt = |why: &str, by: Option<&str>| {
        let request = shard::AdoptRequest { id: "s0".into(), why: why.into(), by: by.map(Into::into) };
        request.grounds().map(|(by, why)| (by.to_owned(), why.to_owned())).map_err(|error| error.field.unwrap())
    };
    assert_eq!(adopt("gone", None), Ok(("unknown".into(), "gone".into())));
    assert_eq!(adopt("gone", Some("ada")), Ok(("ada".into(), "gone".into())));
    let (long_why, long_by) = ("\u{e4}".repeat(281), "\u{f6}".repeat(65));
    assert!(adopt(&"\u{e4}".repeat(280), Some(&"\u{f6}".repeat(64))).is_ok());
    for (why, by, field) in [
        ("", None, "why"),
        (" ", None, "why"),
        (&*long_why, None, "why"),
        ("gone", Some(" "), "by"),
        ("gone", Some(&*long_by), "by"),
    ] {
        assert_eq!(adopt(why, by), Err(field.to_owned()));
    }
}
