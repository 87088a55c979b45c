//! A deployment of several nodes on a cluster of brokers, each of which can be killed, frozen, cut off and started again.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};
use remit_api::shard::{List, Role, Shard};
use remit_tests::nats::NatsCluster;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    bank::PATIENCE,
    proxy::Proxy,
    stage::{Up, log_of, said},
};

pub(crate) const SHARDS: u16 = 8;
pub(crate) const MANAGERS: u16 = 2;
/// Clients that submit at the same time, and how often each does at most: some 100 transfers in a second. All nodes and brokers share
/// one machine.
pub(crate) const CLIENTS: u64 = 4;
pub(crate) const PACE: Duration = Duration::from_millis(40);
/// After so long a node that is not heard of is dead. As short as is allowed with some room for a busy machine.
pub(crate) const LEASE: Duration = Duration::from_secs(2);
/// How many lines of a log are shown when a test fails.
const SHOWN: usize = 80;

/// One deployment at a time: each is a dozen processes.
static TURN: Mutex<()> = Mutex::new(());

/// Some nodes, and the brokers below them. Nodes end first.
pub(crate) struct Deployment {
    nodes: Vec<Node>,
    pub(crate) brokers: NatsCluster,
    _turn: MutexGuard<'static, ()>,
}

/// A node, running or not.
struct Node {
    name: String,
    folder: TempDir,
    /// How it reaches the brokers.
    url: String,
    up: Option<Up>,
    way: Option<Proxy>,
    /// Whether it makes the deployment.
    founds: bool,
}

impl Deployment {
    /// The first node, which makes the deployment.
    pub(crate) fn found() -> Self {
        let turn = TURN.lock();
        let mut deployment = Self { nodes: vec![], brokers: NatsCluster::start(3), _turn: turn };
        deployment.add("n1", None, true);
        deployment
    }

    /// Nodes `n1` up to so many, each with its share.
    pub(crate) fn of(count: usize) -> Self {
        let mut deployment = Self::found();
        for no in 2..=count {
            deployment.joins(&format!("n{no}"));
        }
        deployment.settles();
        deployment
    }

    /// Another node joins.
    pub(crate) fn joins(&mut self, name: &str) {
        self.add(name, None, false);
    }

    /// Another node joins, whose way to the brokers can be cut.
    pub(crate) fn joins_behind_proxy(&mut self, name: &str) {
        let way = Proxy::to(&self.brokers.addresses());
        self.add(name, Some(way), false);
    }

    fn add(&mut self, name: &str, way: Option<Proxy>, founds: bool) {
        let folder = tempfile::Builder::new().prefix(&format!("remit-{name}-")).tempdir().unwrap();
        let url = way.as_ref().map_or_else(|| self.brokers.url(), Proxy::url);
        self.nodes.push(Node { name: name.to_owned(), folder, url, up: None, way, founds });
        self.starts(name);
    }

    /// Starts a node, again if it has ended, and waits until it is ready.
    pub(crate) fn starts(&mut self, name: &str) {
        let (shards, managers, lease) = (SHARDS.to_string(), MANAGERS.to_string(), LEASE.as_millis().to_string());
        let settings = [("REMIT__NATS__REPLICAS", "3"), ("REMIT__CLUSTER__LEASE_MS", &lease)];
        let node = self.node_mut(name);
        let own = ["--nats", &node.url, "--name", &node.name];
        let up = match node.founds {
            true => {
                let shape = ["--shards", &shards, "--managers", &managers, "--create"];
                Up::start_secured(node.folder.path(), &[&own[..], &shape].concat(), &settings)
            }
            false => Up::join(node.folder.path(), &own, &settings),
        };
        node.up = Some(up);
    }

    pub(crate) fn kill(&mut self, name: &str) {
        self.node_mut(name).up.take().unwrap().kill();
    }

    /// Ends a node in order: it must still be able to.
    pub(crate) fn stop(&mut self, name: &str) {
        self.node_mut(name).up.take().unwrap().stop();
    }

    pub(crate) fn freeze(&self, name: &str) {
        self.node(name).up.as_ref().unwrap().freeze();
    }

    pub(crate) fn thaw(&self, name: &str) {
        self.node(name).up.as_ref().unwrap().thaw();
    }

    /// The way of a node to the brokers.
    pub(crate) fn way(&self, name: &str) -> &Proxy {
        self.node(name).way.as_ref().unwrap()
    }

    /// Ends all that run, in order. Nothing has panicked in any of them.
    pub(crate) fn stops(&mut self) {
        for name in self.running() {
            self.stop(&name);
        }
        for Node { name, folder, .. } in &self.nodes {
            let log = log_of(folder.path());
            let panic = log.lines().find(|line| line.contains(" panicked at "));
            assert_eq!(panic, None, "{name}");
        }
    }

    /// The nodes that run.
    pub(crate) fn running(&self) -> Vec<String> {
        self.nodes.iter().filter(|node| node.up.is_some()).map(|node| node.name.clone()).collect()
    }

    /// Runs a command against it; its exit status and the JSON that it prints.
    pub(crate) fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let url = self.brokers.url();
        let output = crate::stage::remit().args(["--nats", &url, "--json"]).args(arguments).output().unwrap();
        let read = serde_json::from_slice(&output.stdout);
        (output.status.code().unwrap(), read.unwrap_or_else(|_| Value::String(said(&output))))
    }

    /// Every shard and partition, as somebody of the cluster sees it; none if nobody answers.
    pub(crate) fn shards(&self) -> Vec<Shard> {
        let list: Option<List> = serde_json::from_value(self.json(&["shard", "list"]).1).ok();
        let shards = list.map(|list| list.shards).unwrap_or_default();
        shards.into_iter().filter(|shard| shard.role != Role::Projector).collect()
    }

    /// Which node serves what.
    pub(crate) fn owners(&self) -> BTreeMap<String, String> {
        self.shards().into_iter().map(|shard| (shard.id, shard.node)).collect()
    }

    /// What a node serves.
    pub(crate) fn runs(&self, name: &str) -> Vec<String> {
        self.owners().into_iter().filter(|(_, node)| node == name).map(|(id, _)| id).collect()
    }

    /// Waits until the running nodes share all the work.
    pub(crate) fn settles(&self) {
        self.settles_on(&self.running());
    }

    /// Waits until these nodes share all the work.
    pub(crate) fn settles_on(&self, nodes: &[String]) {
        let began = Instant::now();
        loop {
            let shards = self.shards();
            let share = |role, of: u16| {
                let most = usize::from(of).div_ceil(nodes.len());
                let its: Vec<&Shard> =
                    shards.iter().filter(|shard| shard.role == role && shard.state == "up").collect();
                let runs = |node: &String| its.iter().filter(|shard| shard.node == **node).count();
                let counts: Vec<usize> = nodes.iter().map(runs).collect();
                counts.iter().sum::<usize>() == usize::from(of) && counts.iter().all(|count| *count <= most)
            };
            if share(Role::Shard, SHARDS) && share(Role::Manager, MANAGERS) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{nodes:?} do not share the work: {shards:#?}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Where each node has its databases.
    pub(crate) fn folders(&self) -> Vec<(String, PathBuf)> {
        self.nodes.iter().map(|node| (node.name.clone(), node.folder.path().join("data"))).collect()
    }

    fn node(&self, name: &str) -> &Node {
        self.nodes.iter().find(|node| node.name == name).unwrap()
    }

    fn node_mut(&mut self, name: &str) -> &mut Node {
        self.nodes.iter_mut().find(|node| node.name == name).unwrap()
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        // For whoever wants to look into logs and databases.
        let keeps = std::env::var_os("REMIT_TESTS_KEEP").is_some();
        for Node { name, folder, .. } in &mut self.nodes {
            if thread::panicking() {
                let log = log_of(folder.path());
                let lines: Vec<_> = log.lines().collect();
                eprintln!("the end of the log of {name}:\n{}", lines[lines.len().saturating_sub(SHOWN)..].join("\n"));
            }
            if keeps {
                folder.disable_cleanup(true);
                eprintln!("{name} is kept in {}", folder.path().display());
            }
        }
    }
}
