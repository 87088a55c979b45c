//! With the real server. Each test has a folder and a port of its own.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use async_nats::jetstream::{self, stream};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use super::*;

/// A bound for what should take well under a second.
const SOON: Duration = Duration::from_secs(30);

fn options() -> Options {
    Options {
        port: free_port(),
        restart_first_ms: 10,
        ..Options::from(&Settings::load(None, [], []).unwrap().settings)
    }
}

fn folder() -> (TempDir, DataDir) {
    let folder = tempfile::tempdir().unwrap();
    let dir = DataDir::take(folder.path()).unwrap();
    (folder, dir)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < SOON, "not so in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
}

fn lives(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

async fn streams(url: &str) -> jetstream::Context {
    jetstream::new(async_nats::connect(url).await.unwrap())
}

#[tokio::test]
async fn it_listens_on_loopback_takes_large_messages_and_is_gone_after_its_stop() {
    let (_folder, dir) = folder();
    let options = options();
    let broker = Broker::start(&dir, options.clone()).await.unwrap();
    assert_eq!(broker.url(), format!("nats://127.0.0.1:{}", options.port));

    let client = async_nats::connect(broker.url()).await.unwrap();
    assert_eq!(client.server_info().max_payload, 8 << 20);
    assert_eq!(client.server_info().host, "127.0.0.1");
    assert!(dir.path().join("nats/jetstream").is_dir());

    let pid = broker.pid().unwrap();
    assert_eq!(orphan::running_on(&dir.path().join("broker/server.conf")), [i32::try_from(pid).unwrap()]);
    broker.stop().await;
    assert!(!lives(pid));
}

#[tokio::test]
async fn one_that_is_killed_is_started_again_on_its_port_with_what_it_had_stored() {
    let (_folder, dir) = folder();
    let broker = Broker::start(&dir, options()).await.unwrap();
    streams(broker.url()).await.create_stream("kept").await.unwrap();
    for _ in 0..3 {
        let pid = broker.pid().unwrap();
        signal(pid, Signal::SIGKILL);
        until("another process", || broker.pid().is_some_and(|other| other != pid)).await;
        assert!(!lives(pid));
        streams(broker.url()).await.get_stream("kept").await.unwrap();
    }
    broker.stop().await;
}

#[tokio::test]
async fn one_that_does_not_end_when_asked_is_killed() {
    let (_folder, dir) = folder();
    let broker = Broker::start(&dir, options()).await.unwrap();
    let pid = broker.pid().unwrap();
    // A stopped process takes SIGTERM only when it is continued.
    signal(pid, Signal::SIGSTOP);
    broker.stop().await;
    assert!(!lives(pid));
}

#[tokio::test]
async fn dropping_it_ends_the_server_too() {
    let (_folder, dir) = folder();
    let broker = Broker::start(&dir, options()).await.unwrap();
    let pid = broker.pid().unwrap();
    drop(broker);
    until("the server is gone", || !lives(pid)).await;
}

#[tokio::test]
async fn one_that_a_killed_node_left_behind_is_ended_and_its_storage_goes_on() {
    let (_folder, dir) = folder();
    let options = options();
    let broker = Broker::start(&dir, options.clone()).await.unwrap();
    streams(broker.url()).await.create_stream("kept").await.unwrap();
    broker.stop().await;

    let configuration = dir.path().join("broker/server.conf");
    let program = executable::find(None, &executable::Places::of_this_process()).await.unwrap();
    let mut left = Command::new(program).arg("-c").arg(&configuration).stderr(Stdio::null()).spawn().unwrap();
    until("it holds the port", || !port::is_free(options.port)).await;

    let broker = Broker::start(&dir, options).await.unwrap();
    assert!(left.try_wait().unwrap().is_some(), "the one that was left behind has ended");
    streams(broker.url()).await.get_stream("kept").await.unwrap();
    broker.stop().await;
}

#[tokio::test]
async fn a_folder_remembers_its_port_until_another_is_asked_for() {
    let (_folder, dir) = folder();
    let [first, second] = [options(), options()];
    let remembered = Options { port: 0, ..first.clone() };
    for (options, port) in
        [(&first, first.port), (&remembered, first.port), (&second, second.port), (&remembered, second.port)]
    {
        let broker = Broker::start(&dir, options.clone()).await.unwrap();
        assert_eq!(broker.url(), format!("nats://127.0.0.1:{port}"));
        broker.stop().await;
    }

    let _other = std::net::TcpListener::bind(("127.0.0.1", second.port)).unwrap();
    let refused = Broker::start(&dir, remembered).await.unwrap_err().to_string();
    let port = second.port;
    assert_eq!(
        refused,
        format!(
            "port {port}, which this data folder remembers, is taken by another program; --nats-port P chooses another, \
             which is then remembered"
        )
    );
    assert_eq!(port::remembered(&dir.path().join("broker/port")), Some(port));
}

#[tokio::test]
async fn at_first_it_takes_the_usual_port_or_another_that_is_free() {
    let (_folder, dir) = folder();
    let broker = Broker::start(&dir, Options { port: 0, ..options() }).await.unwrap();
    let port = port::remembered(&dir.path().join("broker/port")).unwrap();
    assert_eq!(broker.url(), format!("nats://127.0.0.1:{port}"));
    assert!(port == 4222 || (20_000..30_000).contains(&port), "{port}");
    broker.stop().await;
}

#[tokio::test]
async fn two_brokers_that_start_at_once_get_two_ports() {
    let ((_a, a), (_b, b)) = (folder(), folder());
    let options = Options { port: 0, ..options() };
    let (a, b) = tokio::join!(Broker::start(&a, options.clone()), Broker::start(&b, options));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_ne!(a.url(), b.url());
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_setting_makes_it_flush_before_each_acknowledgement() {
    let (_folder, dir) = folder();
    let broker = Broker::start(&dir, Options { sync_always: true, ..options() }).await.unwrap();
    let text = fs::read_to_string(dir.path().join("broker/server.conf")).unwrap();
    assert!(text.contains("sync_interval: always"), "{text}");
    let context = streams(broker.url()).await;
    let config = stream::Config { name: "s".into(), subjects: vec!["s.>".into()], ..stream::Config::default() };
    context.create_stream(config).await.unwrap();
    context.publish("s.x", "x".into()).await.unwrap().await.unwrap();
    broker.stop().await;
}

#[tokio::test]
async fn the_folder_may_have_any_unicode_name() {
    let folder = tempfile::tempdir().unwrap();
    let dir = DataDir::take(&folder.path().join(r#"é "quoted" \n $HOME # {x}"#)).unwrap();
    let broker = Broker::start(&dir, options()).await.unwrap();
    assert!(dir.path().join("nats/jetstream").is_dir());
    broker.stop().await;
}

#[tokio::test]
async fn one_that_ends_at_its_start_is_quoted() {
    let (_folder, dir) = folder();
    let refused = Broker::start(&dir, Options { max_payload_bytes: u32::MAX, ..options() }).await.unwrap_err();
    assert!(matches!(&refused, Error::Ended { said, .. } if said.contains("max_payload")), "{refused}");
}

#[tokio::test]
async fn storage_that_is_deleted_while_it_is_down_costs_neither_port_nor_start() {
    let (_folder, dir) = folder();
    let options = options();
    let broker = Broker::start(&dir, options.clone()).await.unwrap();
    streams(broker.url()).await.create_stream("kept").await.unwrap();
    broker.stop().await;
    fs::remove_dir_all(dir.path().join("nats")).unwrap();
    let broker = Broker::start(&dir, Options { port: 0, ..options.clone() }).await.unwrap();
    assert_eq!(broker.url(), format!("nats://127.0.0.1:{}", options.port));
    assert!(streams(broker.url()).await.get_stream("kept").await.is_err());
    broker.stop().await;
}
