//! A node is killed with `kill -9`, its private broker lives on, and the next node on the same folder must cope.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    env, fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use remit::{
    broker::{Broker, Options, free_port},
    datadir::{DataDir, Error},
    settings::Settings,
};

/// Set for the process that plays the node; its data folder.
const NODE: &str = "REMIT_TEST_NODE";
/// A bound for what should take well under a second.
const SOON: Duration = Duration::from_secs(30);

fn options(port: u16) -> Options {
    Options { port, ..Options::from(&Settings::load(None, [], []).unwrap().settings) }
}

/// Not a test by itself: the node, which lives until it is killed.
#[tokio::test]
async fn the_node() {
    let Some(folder) = env::var_os(NODE) else { return };
    let dir = DataDir::take(Path::new(&folder)).unwrap();
    let broker = Broker::start(&dir, options(free_port())).await.unwrap();
    let ready = dir.path().join("ready");
    fs::write(ready.with_extension("new"), format!("{} {}", broker.pid().unwrap(), broker.url())).unwrap();
    fs::rename(ready.with_extension("new"), ready).unwrap();
    std::future::pending().await
}

fn start_node(folder: &Path) -> Child {
    let mut node = Command::new(env::current_exe().unwrap());
    node.args(["--exact", "the_node"]).env(NODE, folder).stdout(Stdio::null()).spawn().unwrap()
}

/// The broker that the node left behind; killed at last, should the test fail before it is ended.
struct Left(i32);

impl Left {
    fn lives(&self) -> bool {
        // Gone for a process that is dead and only waits to be waited for, too.
        Path::new("/proc").join(self.0.to_string()).join("exe").read_link().is_ok()
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        if self.lives() {
            kill(Pid::from_raw(self.0), Signal::SIGKILL).ok();
        }
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < SOON, "not so in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_next_node_ends_the_broker_that_was_left_behind_and_keeps_its_port() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = start_node(folder.path());
    let ready = folder.path().join("ready");
    until("the node is ready", || ready.exists()).await;
    let said = fs::read_to_string(&ready).unwrap();
    let (left, url) = said.split_once(' ').unwrap();
    let left = Left(left.parse().unwrap());

    let refused = DataDir::take(folder.path()).unwrap_err();
    assert!(matches!(refused, Error::InUse { pid: Some(pid), .. } if u32::try_from(pid) == Ok(node.id())), "{refused}");

    node.kill().unwrap();
    node.wait().unwrap();
    assert!(left.lives(), "the broker outlives its node: else this test shows nothing");

    let dir = DataDir::take(folder.path()).unwrap();
    let broker = Broker::start(&dir, options(0)).await.unwrap();
    assert_eq!(broker.url(), url);
    assert!(!left.lives(), "the one that was left behind is gone");
    async_nats::connect(broker.url()).await.unwrap();
    broker.stop().await;
}
