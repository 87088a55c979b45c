//! Metrics, scraped from a running node.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use remit::{
    broker::free_port,
    node::{Node, Start},
    settings::{Flag, Resolved, Settings},
};
use remit_actors::durable::Kill;

/// A bound for what should take a second or two.
const SOON: Duration = Duration::from_secs(60);

fn settings(folder: &Path, listen: &str) -> Resolved {
    let flags = [
        ("node.data_dir", folder.to_string_lossy().into_owned()),
        ("nats.port", free_port().to_string()),
        ("deployment.shards", "2".to_owned()),
        ("deployment.managers", "1".to_owned()),
        ("metrics.listen", listen.to_owned()),
    ];
    Settings::load(None, [], flags.map(|(key, value)| Flag::new("--test", key, value))).unwrap()
}

fn scrape(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    text
}

async fn until(address: &str, wanted: &[&str]) -> String {
    let began = Instant::now();
    loop {
        let asked = address.to_owned();
        let text = tokio::task::spawn_blocking(move || scrape(&asked)).await.unwrap();
        let missing: Vec<_> = wanted.iter().filter(|wanted| !text.lines().any(|line| line == **wanted)).collect();
        if missing.is_empty() {
            return text;
        }
        assert!(began.elapsed() < SOON, "{missing:?} are not in {text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_told_where_serves_metrics() {
    let (folder, listen) = (tempfile::tempdir().unwrap(), format!("127.0.0.1:{}", free_port()));
    let node = Box::pin(Node::start(&settings(folder.path(), &listen), Start::default())).await.unwrap();
    let up =
        ["remit_actor_up{actor=\"s0\"} 1", "remit_actor_up{actor=\"m0\"} 1", "remit_transfers_open{manager=\"m0\"} 0"];
    let text = until(&listen, &up).await;
    assert!(text.contains("# HELP remit_actor_up 1 if an actor takes turns, else 0."), "{text}");
    assert!(text.contains("# TYPE remit_supervision_steps_total counter"), "{text}");
    assert!(text.contains("remit_bus_total{what=\"frames_local\"} "), "{text}");

    assert!(node.kill("s1", Kill::Vanish));
    until(
        &listen,
        &[
            "remit_supervision_steps_total{actor=\"s1\",step=\"failed\"} 1",
            "remit_supervision_steps_total{actor=\"s1\",step=\"recovered\"} 2",
            "remit_actor_restarts_total{actor=\"s1\"} 1",
            "remit_actor_up{actor=\"s1\"} 1",
        ],
    )
    .await;
    Box::pin(node.drain()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_refused_with_the_setting_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (folder, listen) = (tempfile::tempdir().unwrap(), taken.local_addr().unwrap().to_string());
    let started = Box::pin(Node::start(&settings(folder.path(), &listen), Start::default())).await;
    let error = started.err().unwrap().to_string();
    assert!(error.contains("`metrics.listen`") && error.contains(&listen) && error.contains("in use"), "{error}");
}
