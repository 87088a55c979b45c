//! A door before actors that answer by script: what it asks them, and what it makes of what they say.

use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use remit_actors::{
    bus::{Bus, Delivery, Inlet as _},
    frame::Frame,
    genesis::Genesis,
    guardian::{self, Guardian},
    message::{
        Address, Answer, AnswerBody, Class, Find, Found, Listed, Message, Position, Progress, Query, Question, Read,
        Reading, Status,
    },
};
use remit_api::{Code, Endpoint, Error};
use remit_core::{
    account,
    id::{AccountId, PartitionNo, Seq, ShardNo, Time, TransferId},
    money::{Amount, Currency, Direction},
    protocol::Protocol,
    transfer::{LegSpec, Outcome, Start},
};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::{Door, Options, cluster::Alone};
use crate::{space::Space, supervision::Reader};

const RENT: &str = "0199c0de-0000-7000-8000-000000000001";
const AS_OF: Time = Time(1_795_387_800_007);

fn rent() -> TransferId {
    TransferId(uuid::Uuid::parse_str(RENT).unwrap().into_bytes())
}

/// A transfer from `s0:alice` to `s2:bob` that has completed.
fn completed() -> (Start, Progress) {
    let leg = |account, shard, direction| LegSpec {
        account: AccountId::parse(account).unwrap(),
        shard: ShardNo(shard),
        direction,
        amount: Amount::new(1_050).unwrap(),
        currency: Currency::parse("EUR").unwrap(),
    };
    let legs = vec![leg("s0:alice", 0, Direction::Debit), leg("s2:bob", 2, Direction::Credit)];
    let (accepted_at, deadline_at) = (Time(1_000), Time(31_000));
    let start = Start::new(rent(), Protocol::default(), legs, Some("rent".into()), accepted_at, deadline_at).unwrap();
    let progress = Progress {
        status: Status::Ended(Outcome::Completed),
        reason: None,
        legs: Vec::new(),
        accepted_at,
        deadline_at,
        settled_at: Some(Time(1_007)),
        overdue: false,
        parked: None,
    };
    (start, progress)
}

/// What the projector finds.
type Script = Box<dyn Fn(&Query) -> Found + Send + Sync>;

/// The actors. Each manager knows one transfer, and the shards stand at 10, 11 and 12.
struct Actors {
    script: Script,
    door: OnceLock<Weak<Door>>,
    read: Mutex<Vec<Read>>,
}

impl Actors {
    fn answer(&self, of: Address, question: Question) -> AnswerBody {
        match (of, question) {
            (Address::Projector, Question::Read(read)) => {
                let found = (self.script)(&read.query);
                self.read.lock().push(*read);
                AnswerBody::Reading(Box::new(Reading { as_of: AS_OF, found }))
            }
            (Address::Manager(_), Question::Transfer(id)) => {
                AnswerBody::Transfer((id == rent()).then(|| Box::new(completed())))
            }
            (Address::Manager(_), Question::Position) => {
                AnswerBody::Position(Position { seq: Seq(70), ..Position::default() })
            }
            (Address::Shard(no), Question::Position) => {
                AnswerBody::Position(Position { seq: Seq(10 + u64::from(no.0)), ..Position::default() })
            }
            (Address::Manager(no), Question::Transfers(_)) => {
                let (start, progress) = completed();
                let found = if no == PartitionNo(0) { vec![(Seq(5), start, progress)] } else { Vec::new() };
                AnswerBody::Transfers(found, None)
            }
            // Nobody has an account yet.
            (Address::Shard(_), Question::ChangeAccount(change)) => {
                match account::decide(None, change.change, change.if_version) {
                    Ok(account) => AnswerBody::Account(Some(account)),
                    Err(refusal) => AnswerBody::Refused(refusal),
                }
            }
            (of, question) => panic!("{of:?} is asked {question:?}"),
        }
    }
}

impl Bus for Actors {
    fn send(&self, to: Address, frame: Frame) {
        let door = self.door.get().and_then(Weak::upgrade).unwrap();
        let answered = frame.messages.into_iter().map(|message| match message {
            Message::Ask(ask) => {
                let body = self.answer(to, ask.question);
                Message::Answer(Answer { ticket: ask.ticket, part: 0, parts: 1, body })
            }
            other => panic!("{other:?}"),
        });
        let messages = answered.collect();
        let frame = Frame { from: to, class: Class::Reply, mark: None, messages, traces: Vec::new() };
        door.deliver(Delivery { frame, receipt: None });
    }
}

/// A door of a deployment of three shards and two managers, and the actors behind it.
struct Town {
    door: Arc<Door>,
    actors: Arc<Actors>,
    // Its actors are none; the door only wants to know how they are.
    _guardian: guardian::Handle,
}

impl Town {
    async fn new(projection: bool, script: impl Fn(&Query) -> Found + Send + Sync + 'static) -> Self {
        let script = Box::new(script);
        let actors = Arc::new(Actors { script, door: OnceLock::new(), read: Mutex::default() });
        let bus = Arc::clone(&actors) as Arc<dyn Bus>;
        let options = guardian::Options { on_death: Arc::new(|_| {}), ..guardian::Options::new("test") };
        let guardian = Guardian::start(options, Vec::new(), Arc::clone(&bus)).unwrap();
        // There is no broker: nothing here asks for events.
        let nobody = async_nats::ConnectOptions::new().retry_on_initial_connect();
        let nats = nobody.connect("nats://127.0.0.1:9").await.unwrap();
        let genesis = Genesis {
            deployment: "remit".into(),
            id: [7; 16],
            shards: ["s0", "s1", "s2"].map(Into::into).into(),
            managers: 2,
            currencies: Vec::new(),
            replicated: false,
        };
        let options =
            Options { events: Reader::new(nats, "remit"), waiting_max: 1, frame_messages_max: 100, projection };
        let space = Space::watch(Vec::new(), 0).unwrap();
        let cluster = Arc::new(Alone::new(guardian.clone(), "test"));
        let door = Door::open(Arc::new(genesis), 1, bus, cluster, space, &Handle::current(), options).unwrap();
        actors.door.set(Arc::downgrade(&door)).unwrap();
        Self { door, actors, _guardian: guardian }
    }

    async fn ask(&self, endpoint: Endpoint, body: Value) -> Result<Value, Error> {
        let answer = self.door.handle(endpoint, body.to_string().as_bytes(), None).await?;
        Ok(serde_json::from_slice(&answer).unwrap())
    }

    /// What the projector was asked.
    fn asked(&self) -> Vec<Read> {
        self.actors.read.lock().clone()
    }
}

fn listed() -> Found {
    let (start, progress) = completed();
    let listed = Listed { partition: PartitionNo(1), begun: Seq(9), start: Arc::new(start), progress };
    Found::Transfers(vec![listed], vec![Some(Seq(4)), None])
}

#[tokio::test]
async fn a_list_comes_from_the_projection_and_goes_on_where_it_says() {
    let town = Town::new(true, |_| listed()).await;
    let body = json!({"memo": "Rent, march", "until": "2026-11-22T22:50:00.000Z", "limit": 7, "cursor": "n.17"});
    let list = town.ask(Endpoint::TransferList, body).await.unwrap();
    assert_eq!((&list["transfers"][0]["id"], &list["transfers"][0]["legs"][1]["shard"]), (&json!(RENT), &json!("s2")));
    assert_eq!((&list["cursor"], &list["as_of"]), (&json!("4.e"), &json!("2026-11-22T22:50:00.007Z")));
    let find = Find {
        until: Some(Time(1_795_387_800_000)),
        memo: vec!["Rent".into(), "march".into()],
        below: vec![Some(Seq(i64::MAX as u64)), Some(Seq(17))],
        limit: 7,
        ..Find::default()
    };
    assert_eq!(town.asked(), [Read { query: Query::Transfers(find), at_least: Vec::new(), within_ms: 0 }]);
}

#[tokio::test]
async fn at_least_a_transfer_is_as_far_as_all_journals_that_have_something_of_it() {
    let town = Town::new(true, |_| listed()).await;
    town.ask(Endpoint::TransferList, json!({"at_least": RENT, "wait_ms": 300})).await.unwrap();
    let [read] = &town.asked()[..] else { panic!("{:?}", town.asked()) };
    let manager = Address::Manager(rent().partition(2));
    let shard = |no| Address::Shard(ShardNo(no));
    assert_eq!(read.at_least, [(manager, Seq(70)), (shard(0), Seq(10)), (shard(2), Seq(12))]);
    assert!((1..=300).contains(&read.within_ms), "{read:?}");
}

#[tokio::test]
async fn what_does_not_get_far_enough_in_time_is_no_half_answer() {
    let town = Town::new(true, |_| Found::Behind).await;
    let error = town.ask(Endpoint::AccountTotals, json!({"at_least": RENT, "wait_ms": 0})).await.unwrap_err();
    assert_eq!(error.code, Code::Unavailable);
    assert!(error.message.contains("did not get as far") && error.message.contains(RENT), "{}", error.message);
    assert_eq!(town.asked().len(), 1);
}

#[tokio::test]
async fn a_transfer_that_nobody_knows_is_not_waited_for() {
    for projection in [true, false] {
        let town = Town::new(projection, |_| listed()).await;
        let unknown = json!({"at_least": "0199c0de-0000-7000-8000-00000000000f"});
        let error = town.ask(Endpoint::TransferList, unknown).await.unwrap_err();
        assert_eq!(error.code, Code::TransferNotFound);
        assert_eq!(town.asked(), []);
    }
}

#[tokio::test]
async fn until_it_is_built_lists_come_from_the_managers_and_memos_wait() {
    let town = Town::new(true, |_| Found::Building(43, 100)).await;
    let list = town.ask(Endpoint::TransferList, json!({})).await.unwrap();
    assert_eq!((&list["transfers"][0]["id"], &list["cursor"]), (&json!(RENT), &Value::Null));
    assert!(list["as_of"].as_str().is_some_and(|as_of| as_of > "2026"), "{list}");
    let none = town.ask(Endpoint::TransferList, json!({"until": "1970-01-01T00:00:01Z"})).await.unwrap();
    assert_eq!((&none["transfers"], &none["cursor"]), (&json!([]), &Value::Null));
    let building = "the projection is being built: 43 % of the rows are in it";
    for (endpoint, body) in [
        (Endpoint::TransferList, json!({"memo": "rent"})),
        (Endpoint::AccountTotals, json!({})),
        (Endpoint::TransitList, json!({})),
        (Endpoint::AccountStatement, json!({"id": "s0:alice", "source": "projection"})),
    ] {
        let error = town.ask(endpoint, body).await.unwrap_err();
        assert_eq!((error.code, &*error.message), (Code::Unavailable, building), "{endpoint}");
    }
    let status = town.ask(Endpoint::ProjectionStatus, json!({})).await.unwrap();
    assert_eq!(
        (&status["id"], &status["state"], &status["behind_rows"]),
        (&json!("p0"), &json!("building"), &json!(57))
    );
}

#[tokio::test]
async fn without_a_projection_only_lists_are_answered() {
    let town = Town::new(false, |query| panic!("{query:?}")).await;
    assert_eq!(town.ask(Endpoint::TransferList, json!({"at_least": RENT})).await.unwrap()["transfers"][0]["id"], RENT);
    for (endpoint, body) in [
        (Endpoint::TransferList, json!({"memo": "rent"})),
        (Endpoint::AccountTotals, json!({})),
        (Endpoint::TransitList, json!({})),
        (Endpoint::AccountStatement, json!({"id": "s0:alice", "source": "projection"})),
        (Endpoint::ProjectionStatus, json!({})),
        (Endpoint::ProjectionRebuild, json!({})),
    ] {
        let error = town.ask(endpoint, body).await.unwrap_err();
        assert_eq!(&*error.message, "this node has no projection: set projection.enabled", "{endpoint}");
    }
}

#[tokio::test]
async fn a_statement_of_the_projection_says_as_of_when_and_whether_there_is_such_an_account() {
    let found = |is_there| Found::Statement { is_there, postings: Vec::new(), next: Some(Seq(3)) };
    let town = Town::new(true, move |query| match query {
        Query::Statement { account, shard: ShardNo(2), before: Some(Seq(9)), limit: 100, .. } => {
            found(account.as_str() == "s2:bob")
        }
        other => panic!("{other:?}"),
    })
    .await;
    let body = |id: &str| json!({"id": id, "source": "projection", "cursor": "9"});
    let statement = town.ask(Endpoint::AccountStatement, body("s2:bob")).await.unwrap();
    let expected = json!({"account": "s2:bob", "postings": [], "cursor": "3", "as_of": "2026-11-22T22:50:00.007Z"});
    assert_eq!(statement, expected);
    let error = town.ask(Endpoint::AccountStatement, body("s2:nobody")).await.unwrap_err();
    assert_eq!(error.code, Code::AccountNotFound);
}

#[tokio::test]
async fn sums_go_on_after_the_last_of_the_page() {
    let eur = Currency::parse("EUR").unwrap();
    let town = Town::new(true, move |query| match query {
        Query::Totals { account: None, from: 1, to: 3, after: None, limit: 1 } => {
            let account = AccountId::parse("alice").unwrap();
            let total = remit_actors::message::DayTotal {
                day: 1,
                account,
                currency: eur,
                debits: 1,
                debited: 1_050,
                credits: 0,
                credited: 0,
            };
            Found::Totals(vec![total], true)
        }
        Query::Totals { after: Some((1, account)), .. } if account.as_str() == "alice" => {
            Found::Totals(Vec::new(), false)
        }
        Query::InTransit { currency: Some(currency), from: 0, to: 2, limit: 100 } if *currency == eur => {
            let point = remit_actors::message::InTransit { minute: 1, currency: eur, amount: 7 };
            Found::InTransit(vec![point], Some(4))
        }
        Query::InTransit { from: 4, to: i64::MAX, .. } => Found::InTransit(Vec::new(), None),
        other => panic!("{other:?}"),
    })
    .await;
    let days = json!({"from": "1970-01-02", "to": "1970-01-04", "limit": 1});
    let totals = town.ask(Endpoint::AccountTotals, days).await.unwrap();
    assert_eq!((&totals["totals"][0]["day"], &totals["cursor"]), (&json!("1970-01-02"), &json!("1970-01-02/alice")));
    let rest = town.ask(Endpoint::AccountTotals, json!({"cursor": "1970-01-02/alice"})).await.unwrap();
    assert_eq!((&rest["totals"], &rest["cursor"]), (&json!([]), &Value::Null));

    let minutes = json!({"currency": "EUR", "from": "1970-01-01T00:01:00Z", "to": "1970-01-01T00:02:00.001Z"});
    let transit = town.ask(Endpoint::TransitList, minutes).await.unwrap();
    let points = json!([{"at": "1970-01-01T00:02:00.000Z", "currency": "EUR", "amount": 7}]);
    assert_eq!((&transit["points"], &transit["cursor"]), (&points, &json!("4")));
    let rest = town.ask(Endpoint::TransitList, json!({"cursor": "4"})).await.unwrap();
    assert_eq!(rest["cursor"], Value::Null);
    for (endpoint, field, body) in [
        (Endpoint::TransitList, "cursor", json!({"cursor": "soon"})),
        (Endpoint::TransitList, "currency", json!({"currency": "QQQ"})),
        (Endpoint::AccountTotals, "cursor", json!({"cursor": "alice"})),
        (Endpoint::AccountTotals, "id", json!({"id": "s9:alice"})),
        (Endpoint::TransferList, "wait_ms", json!({"wait_ms": 5})),
        (Endpoint::AccountStatement, "at_least", json!({"id": "s0:alice", "at_least": RENT})),
    ] {
        let error = town.ask(endpoint, body).await.unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (Code::InvalidRequest, Some(field)), "{endpoint}");
    }
}

#[tokio::test]
async fn of_accounts_that_are_opened_together_each_stands_or_falls_alone() {
    let town = Town::new(false, |query| panic!("{query:?}")).await;
    let accounts = json!([
        {"id": "s1:alice", "currency": "EUR", "overdraft_limit": 500},
        {"id": "s9:bob", "currency": "EUR"},
        {"id": "carol", "currency": "EUR", "if_version": 3},
        {"id": "dave", "currency": "EUR", "kind": "stranger"},
        {"id": "s0:world", "currency": "EUR", "kind": "external"},
    ]);
    let answer = town.ask(Endpoint::AccountOpenBatch, json!({"accounts": accounts})).await.unwrap();
    let results = answer["results"].as_array().unwrap();
    let opened = |at: usize| (&results[at]["id"], &results[at]["shard"], &results[at]["overdraft_limit"]);
    assert_eq!(opened(0), (&json!("s1:alice"), &json!("s1"), &json!(500)));
    assert_eq!(opened(4), (&json!("s0:world"), &json!("s0"), &json!(0)));
    let codes: Vec<_> = results[1..4].iter().map(|result| result["error"]["code"].as_str()).collect();
    assert_eq!(codes, [Some("invalid_request"), Some("conflict"), Some("invalid_request")], "{answer}");
    assert_eq!((&results[1]["error"]["field"], &results[3]["error"]["field"]), (&json!("id"), &json!("kind")));
    let none = town.ask(Endpoint::AccountOpenBatch, json!({"accounts": []})).await.unwrap();
    assert_eq!(none, json!({"results": []}));
}

#[tokio::test]
async fn a_node_alone_lists_itself_and_gives_nothing_away() {
    let town = Town::new(false, |query| panic!("{query:?}")).await;
    assert_eq!(town.ask(Endpoint::ShardList, json!({})).await.unwrap(), json!({"shards": []}));
    let nodes = town.ask(Endpoint::NodeList, json!({})).await.unwrap();
    let node = &nodes["nodes"][0];
    assert_eq!((&node["name"], &node["state"], &node["heard_ms"]), (&json!("test"), &json!("live"), &json!(0)));
    assert_eq!((&node["roles"], &node["runs"]), (&json!(["gateway"]), &json!([])), "it has no actors");
    for (endpoint, body) in [
        (Endpoint::NodeDrain, json!({"name": "test"})),
        (Endpoint::ShardMove, json!({"id": "s2", "node": "other"})),
        (Endpoint::ShardAdopt, json!({"id": "m1", "why": "gone"})),
    ] {
        let error = town.ask(endpoint, body).await.unwrap_err();
        let why = "this deployment has one node and commits to its disk: all that it has is on `test`";
        assert_eq!((error.code, &*error.message), (Code::Conflict, why), "{endpoint}");
    }
    for (endpoint, field, body) in [
        (Endpoint::ShardMove, "id", json!({"id": "s3", "node": "other"})),
        (Endpoint::ShardMove, "id", json!({"id": "m2", "node": "other"})),
        (Endpoint::ShardAdopt, "id", json!({"id": "p0", "why": "gone"})),
        (Endpoint::ShardAdopt, "why", json!({"id": "s0", "why": " "})),
        (Endpoint::NodeDrain, "name", json!({"name": "Test"})),
    ] {
        let error = town.ask(endpoint, body).await.unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (Code::InvalidRequest, Some(field)), "{endpoint}");
    }
}
