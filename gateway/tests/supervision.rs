//! Supervision, as who runs a node sees it: an actor dies, and what became of it can be looked up, also after a restart.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use remit::{
    broker::free_port,
    node::{Node, Start},
    settings::{Flag, Resolved, Settings},
    supervision::{Limits, Publisher, Reader},
};
use remit_actors::{
    durable::Kill,
    supervision::{self as steps, How, Step},
};
use remit_api::{
    Client, Connect,
    supervision::{Event, ListRequest},
};
use remit_core::id::Time;
use remit_tests::nats::NatsServer;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use uuid::Uuid;

/// A bound for what should take a second or two.
const SOON: Duration = Duration::from_secs(60);

fn settings(folder: &Path, port: u16) -> Resolved {
    settings_with(folder, port, &[])
}

fn settings_with(folder: &Path, port: u16, more: &[(&str, &str)]) -> Resolved {
    let own = [
        ("node.data_dir", folder.to_string_lossy().into_owned()),
        ("node.name", "here".to_owned()),
        ("nats.port", port.to_string()),
        ("deployment.shards", "2".to_owned()),
        ("deployment.managers", "1".to_owned()),
    ];
    let own = own.into_iter().map(|(key, value)| Flag::new("--test", key, value));
    let more = more.iter().map(|(key, value)| Flag::new("--test", *key, *value));
    Settings::load(None, [], own.chain(more)).unwrap()
}

async fn client(node: &Node) -> Client {
    let connect = Connect { url: node.client_url().to_owned(), ..Connect::default() };
    Client::connect(&connect).await.unwrap()
}

/// The events of `s0`, once they are as wanted.
async fn events(client: &Client, wanted: &[&str]) -> Vec<Event> {
    let request = ListRequest { actor: Some("s0".to_owned()), ..ListRequest::default() };
    let began = Instant::now();
    loop {
        let events = client.supervision_list(&request).await.unwrap().events;
        let words: Vec<&str> = events.iter().map(|event| event.event.as_str()).collect();
        if words == wanted {
            return events;
        }
        assert!(began.elapsed() < SOON, "{words:?} are not {wanted:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn remit(node: &Node, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_remit"));
    command.args(["--nats", node.client_url()]).args(arguments).stdin(Stdio::null()).env_remove("RUST_LOG");
    command
}

const UP: [&str; 3] = ["started", "lease_won", "recovered"];

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_dies_is_told_of_step_by_step_also_after_the_node_was_restarted() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let node = Box::pin(Node::start(&settings(folder.path(), port), Start::default())).await.unwrap();
    let asking = client(&node).await;
    events(&asking, &UP).await;

    // Somebody watches meanwhile, from the beginning on.
    let mut watch = remit(&node, &["supervision", "watch", "--since", "1h", "--actor", "s0", "--json"]);
    let mut watch = watch.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();

    assert!(node.kill("s0", Kill::Vanish));
    let died = [UP.as_slice(), &["failed", "restarting"], &UP].concat();
    let told = events(&asking, &died).await;
    let (first, failed, restarting, again) = (&told[2], &told[3], &told[4], &told[7]);
    assert_eq!((failed.how.as_deref(), failed.reason.as_deref()), (Some("vanished"), Some("vanished")));
    assert_eq!((restarting.attempt, restarting.generation), (Some(1), 1));
    assert!(restarting.delay_ms.is_some() && again.open == Some(0) && again.took_ms.is_some());
    assert_eq!((first.generation, again.generation), (0, 1));
    assert!(first.epoch < again.epoch, "each start takes a greater epoch: {told:?}");
    assert!(told.iter().all(|event| event.node == "here" && event.actor == "s0"));
    assert!(told.is_sorted_by_key(|event| event.at));

    let since = ListRequest { since: Some(failed.at), actor: Some("s0".to_owned()), limit: Some(2) };
    assert_eq!(asking.supervision_list(&since).await.unwrap().events, told[6..], "the newest of them, the newest last");
    let refused = asking.nats().request("remit.v1.supervision.list", r#"{"limit":0}"#.into()).await.unwrap();
    let refused: Value = serde_json::from_slice(&refused.payload).unwrap();
    assert_eq!((&refused["error"]["code"], &refused["error"]["field"]), (&"invalid_request".into(), &"limit".into()));

    let watched: Vec<Event> =
        (0..died.len()).map(|_| serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap()).collect();
    assert_eq!(watched, told);
    watch.kill().unwrap();
    watch.wait().unwrap();

    drop(asking);
    Box::pin(node.drain()).await;
    let node = Box::pin(Node::start(&settings(folder.path(), port), Start::default())).await.unwrap();
    let all = events(&client(&node).await, &[died.as_slice(), &["drained"], &UP].concat()).await;
    assert_eq!(all[..told.len()], told);
    let list = remit(&node, &["supervision", "list", "--json", "--since", "1h", "--actor", "s0"]).output().unwrap();
    let list: remit_api::supervision::List = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!(list.events, all);
    let table = remit(&node, &["supervision", "list"]).output().unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("restarting") && table.contains("m0"), "{table}");
    Box::pin(node.drain()).await;
}

fn step(no: i64) -> steps::Event {
    steps::Event {
        at: Time(no),
        node: "here".to_owned(),
        actor: "s0".to_owned(),
        generation: 0,
        epoch: None,
        step: Step::Failed { how: How::Vanished, why: "a test".to_owned(), in_hand: None },
    }
}

/// A broker that stands still, and then is away, confirms nothing; what was published twice for that is there once, and what
/// happened meanwhile is there in its order. One that has lost the stream gets it again. Who follows misses none, and is told none
/// twice.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_broker_is_away_events_wait_and_then_each_comes_once() {
    let mut server = NatsServer::start();
    let connection = async_nats::ConnectOptions::new().max_reconnects(None).connect(server.url()).await.unwrap();
    let limits = Limits { bytes_max: 1 << 20, age: Duration::from_secs(3_600) };
    let publisher = Publisher::start(connection.clone(), "remit", limits, &Handle::current());
    let (reader, tell) = (Reader::new(connection.clone(), "remit"), publisher.sink());
    let following = Client::over(connection, "remit", SOON);
    let followed = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&followed);
    tokio::spawn(async move {
        let mut events = following.supervision_follow(Time(0));
        loop {
            // Now and then it is told that there is nothing to follow at present.
            let event = events.next().await;
            into.lock().unwrap().extend(event.ok().map(|event| event.at.0));
        }
    });
    let has_followed = async |wanted: &[i64]| {
        let began = Instant::now();
        while *followed.lock().unwrap() != wanted {
            assert!(began.elapsed() < SOON, "{:?} are not {wanted:?}", followed.lock().unwrap());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let kept = async || {
        let list = reader.list(&ListRequest::default()).await.unwrap();
        list.events.iter().map(|event| event.at.0).collect::<Vec<_>>()
    };
    tell(&step(0));
    assert!(publisher.flush(SOON).await);

    server.freeze();
    tell(&step(1));
    assert!(!publisher.flush(Duration::from_secs(5)).await, "nobody confirms it, also when it is sent again");
    server.thaw();
    assert!(publisher.flush(SOON).await);
    assert_eq!(kept().await, [0, 1]);

    server.kill();
    (2..5).for_each(|no| tell(&step(no)));
    assert!(!publisher.flush(Duration::from_millis(10)).await);
    server.restart();
    assert!(publisher.flush(SOON).await);
    assert_eq!(kept().await, [0, 1, 2, 3, 4]);
    has_followed(&[0, 1, 2, 3, 4]).await;

    server.kill();
    server.wipe();
    server.restart();
    tell(&step(5));
    assert!(publisher.flush(SOON).await);
    assert_eq!(kept().await, [5]);
    has_followed(&[0, 1, 2, 3, 4, 5]).await;
}

/// Actors die all the time, by panics and without a word, commits fail, frames get lost: every payment ends, and no cent is made
/// or lost.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_node_full_of_chaos_every_payment_ends_and_the_audit_is_exact() {
    let folder = tempfile::tempdir().unwrap();
    let chaos = [
        ("faults.kill_actor_every_ms", "200"),
        ("faults.commits_failed_per_million", "20000"),
        ("faults.commits_slow_per_million", "20000"),
        ("faults.slow_ms_max", "20"),
        ("faults.frames_lost_per_million", "10000"),
        ("supervision.restart_first_ms", "5"),
        ("supervision.restart_max_ms", "20"),
        ("supervision.failures_max", "1000"),
        ("transfers.retry_first_ms", "20"),
    ];
    let node =
        Box::pin(Node::start(&settings_with(folder.path(), free_port(), &chaos), Start::default())).await.unwrap();
    let asking = client(&node).await;
    let ask = async |verb: &str, body: Value| {
        let began = Instant::now();
        loop {
            let request = async_nats::Request::new().payload(body.to_string().into()).timeout(Some(SOON));
            let answer = asking.nats().send_request(format!("remit.v1.{verb}"), request).await.unwrap();
            let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
            let code = answer["error"]["code"].as_str();
            if !matches!(code, Some("unavailable" | "overloaded")) {
                return answer;
            }
            assert!(began.elapsed() < SOON, "{verb}: {answer}");
        }
    };
    for (id, kind) in [("s0:world", "external"), ("s1:alice", "customer")] {
        let opened = ask("account.open", json!({"id": id, "currency": "EUR", "kind": kind})).await;
        assert_eq!(opened["status"], "open", "{opened}");
    }
    let is_enough = |events: &[Event]| {
        let died = |how| events.iter().filter(|event| event.how.as_deref() == Some(how)).count();
        died("panicked") > 2 && died("vanished") > 2 && died("failed") > 0
    };
    let (began, mut paid) = (Instant::now(), 0);
    let asked = ListRequest { limit: Some(1_000), ..ListRequest::default() };
    while paid < 50 || !is_enough(&asking.supervision_list(&asked).await.unwrap().events) {
        assert!(began.elapsed() < SOON, "chaos is not as it should be");
        let id = Uuid::now_v7().to_string();
        let body = json!({"id": id, "from": "s0:world", "to": "s1:alice", "amount": 1, "currency": "EUR",
                          "wait": "settled", "wait_ms": 60_000});
        let transfer = ask("transfer.submit", body).await;
        assert_eq!(transfer["status"], "completed", "{transfer}");
        paid += 1;
    }
    assert_eq!(ask("account.get", json!({"id": "s1:alice"})).await["posted"], paid);
    let audit = ask("audit.run", json!({})).await;
    assert_eq!(audit["ok"], true, "{audit}");
    Box::pin(node.drain()).await;
}
