//! `--nodes`: a deployment of several nodes on this machine, each a process of its own, on one private broker.
//!
//! Their life: the broker comes first; then the first node, which makes the deployment; then all others, which join it. When each
//! journal is served and no node has more than its share, they can be measured. [`Nodes::end`] ends all of them, also those that
//! came up half-way; if it is not reached, they are killed when this is dropped.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use remit_api::{
    Client,
    node::{self, State},
    shard::{self, Role},
};
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::{
    broker::{self, Broker},
    cli::error::Error as CliError,
    datadir::DataDir,
    node::Error as NodeError,
    settings::{Origin, Resolved},
};

/// How long a node may take to be ready, and all of them to share the work.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// The pause between two looks at what is awaited.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a node may take to end beyond what it may take to finish what it has begun.
const END_WITHIN: Duration = Duration::from_secs(10);
/// How much is repeated of what a node said before it ended too early.
const SAID_LINES_MAX: usize = 3;

/// Why there are not that many nodes.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum Error {
    /// This program can't be started once more.
    #[error("a node can't be started")]
    Spawn(#[source] std::io::Error),
    /// A node ended by itself.
    #[error("node {name} has ended ({status}); it said: {said}")]
    Ended {
        /// Which.
        name: String,
        /// How.
        status: ExitStatus,
        /// Its last lines.
        said: String,
    },
    /// It takes too long.
    #[error("after {waited_s} s {what}")]
    Late {
        /// How long it took.
        waited_s: u64,
        /// What it is that is not so.
        what: String,
    },
}

/// The nodes, and their broker.
pub(super) struct Nodes {
    folder: DataDir,
    broker: Broker,
    /// What each is told by its environment.
    environment: Vec<(String, String)>,
    drain_within: Duration,
    running: Vec<Running>,
}

struct Running {
    name: String,
    process: Child,
    log: PathBuf,
    ready_file: PathBuf,
}

impl Nodes {
    /// Starts the broker, on a folder under which each node will have one of its own. These settings are what all nodes run with.
    pub(super) async fn begin(folder: &Path, resolved: &Resolved) -> Result<Self, CliError> {
        let folder = DataDir::take(folder).map_err(NodeError::from)?;
        let broker =
            Broker::start(&folder, broker::Options::from(&resolved.settings)).await.map_err(NodeError::from)?;
        let environment = environment(resolved, broker.url());
        let drain_within = Duration::from_millis(resolved.settings.supervision.drain_ms);
        Ok(Self { folder, broker, environment, drain_within, running: Vec::new() })
    }

    /// Brings up so many nodes, and waits until each is ready.
    pub(super) async fn grow(&mut self, number: u16) -> Result<(), Error> {
        self.spawn(1, &["up", "--create"])?;
        self.all_ready().await?;
        for no in 2..=number {
            self.spawn(no, &["node"])?;
        }
        self.all_ready().await
    }

    /// Waits until each journal is served, and no node has more than its share.
    pub(super) async fn share_the_work(&mut self, client: &Client) -> Result<(), CliError> {
        let began = Instant::now();
        loop {
            self.none_has_ended()?;
            let (nodes, shards) = (client.node_list().await?, client.shard_list().await?);
            let Some(what) = unshared(&nodes, &shards, self.running.len()) else { return Ok(()) };
            if began.elapsed() > READY_WITHIN {
                return Err(Error::Late { waited_s: READY_WITHIN.as_secs(), what }.into());
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Where clients reach them.
    pub(super) fn url(&self) -> &str {
        self.broker.url()
    }

    /// The folder with all that they have on the disk.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The processes of the nodes.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.running.iter().filter_map(|node| node.process.id()).collect()
    }

    /// The broker's process.
    pub(super) fn broker_pid(&self) -> Option<u32> {
        self.broker.pid()
    }

    /// Ends the nodes, all at once so that they need not hand over to each other what ends anyway, and then the broker.
    pub(super) async fn end(mut self) {
        for pid in self.pids() {
            // It is none of somebody else's: its number is kept until it has been waited for.
            kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM).ok();
        }
        let until = Instant::now() + self.drain_within + END_WITHIN;
        for Running { name, process, .. } in &mut self.running {
            let left = until.saturating_duration_since(Instant::now());
            if timeout(left, process.wait()).await.is_err() {
                tracing::warn!(node = name, "the node does not end when asked and is killed");
                process.kill().await.ok();
            }
        }
        self.broker.stop().await;
    }

    /// Starts a node by this program itself.
    fn spawn(&mut self, no: u16, words: &[&str]) -> Result<(), Error> {
        let name = format!("n{no}");
        let at = |what: &str| self.folder.path().join(format!("{name}{what}"));
        let (data, log, ready_file) = (at(""), at(".log"), at(".ready"));
        // One of an earlier run on this folder says nothing.
        fs::remove_file(&ready_file).ok();
        let stderr = fs::File::create(&log).map_err(Error::Spawn)?;
        let mut command = Command::new(std::env::current_exe().map_err(Error::Spawn)?);
        command.args(words).args(["--name", &name]).arg("--data").arg(data).arg("--ready-file").arg(&ready_file);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("REMIT__") || name == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        // A group of its own: Ctrl-C in a terminal is for this process, which ends the nodes in order.
        let process = command.process_group(0).kill_on_drop(true).spawn().map_err(Error::Spawn)?;
        self.running.push(Running { name, process, log, ready_file });
        Ok(())
    }

    async fn all_ready(&mut self) -> Result<(), Error> {
        let began = Instant::now();
        loop {
            self.none_has_ended()?;
            let Some(late) = self.running.iter().find(|node| !node.ready_file.exists()) else { return Ok(()) };
            if began.elapsed() > READY_WITHIN {
                let what = format!("node {} is not ready; it said: {}", late.name, said(&late.log));
                return Err(Error::Late { waited_s: READY_WITHIN.as_secs(), what });
            }
            sleep(LOOK_EVERY).await;
        }
    }

    fn none_has_ended(&mut self) -> Result<(), Error> {
        for Running { name, process, log, .. } in &mut self.running {
            if let Ok(Some(status)) = process.try_wait() {
                return Err(Error::Ended { name: name.clone(), status, said: said(log) });
            }
        }
        Ok(())
    }
}

/// Every setting that is not as it comes, for a node that reads nothing else; and the broker.
fn environment(resolved: &Resolved, url: &str) -> Vec<(String, String)> {
    // Each node has its own of these, or none.
    const NOT_SHARED: [&str; 4] = ["node.name", "node.data_dir", "nats.port", "metrics.listen"];
    let mut all: Vec<_> = resolved.shown();
    all.retain(|shown| resolved.origins[&shown.key] != Origin::Default && !NOT_SHARED.contains(&shown.key.as_str()));
    let text = |value: serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let name = |key: &str| format!("REMIT__{}", key.replacen('.', "__", 1));
    let all = all.into_iter().map(|shown| (name(&shown.key), text(shown.value)));
    let quiet = (name("log.level"), resolved.settings.log.level.clone());
    all.chain([quiet, (name("nats.url"), url.to_owned())]).collect()
}

/// What is missing until the work is shared by so many nodes; `None`: nothing.
fn unshared(nodes: &node::List, shards: &shard::List, number: usize) -> Option<String> {
    let live = nodes.nodes.iter().filter(|node| node.state == State::Live).count();
    if live < number {
        return Some(format!("{live} nodes of {number} are heard of"));
    }
    if let Some(shard) = shards.shards.iter().find(|shard| shard.state != "up") {
        return Some(format!("{} is {} (on {:?})", shard.id, shard.state, shard.node));
    }
    for role in [Role::Shard, Role::Manager] {
        let of = |name: &str| shards.shards.iter().filter(|shard| shard.role == role && shard.node == name).count();
        let all = shards.shards.iter().filter(|shard| shard.role == role).count();
        let share = all.div_ceil(number);
        if let Some(node) = nodes.nodes.iter().find(|node| of(&node.name) > share) {
            let (name, role) = (&node.name, role.as_str());
            return Some(format!("{name} serves {} databases of the kind {role}, and its share is {share}", of(name)));
        }
    }
    None
}

/// A node's last lines.
fn said(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(SAID_LINES_MAX)..].join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Flag, Settings};

    #[test]
    fn the_work_is_shared_when_all_is_up_and_nobody_has_more_than_a_share() {
        let nodes = |names: &[&str]| -> node::List {
            let node = |name: &&str| {
                format!(
                    r#"{{"name":"{name}","state":"live","roles":["shard"],"runs":[],"heard_ms":0,"version":"1",
                    "started_at":"2026-11-26T00:00:00Z"}}"#
                )
            };
            let nodes: Vec<String> = names.iter().map(node).collect();
            serde_json::from_str(&format!(r#"{{"nodes":[{}]}}"#, nodes.join(","))).unwrap()
        };
        let shards = |places: &[(&str, &str, &str)]| -> shard::List {
            let shard = |(id, node, state): &(&str, &str, &str)| {
                let role = if id.starts_with('m') { "manager" } else { "shard" };
                format!(
                    r#"{{"id":"{id}","role":"{role}","node":"{node}","epoch":1,"state":"{state}","store":"sqlite",
                    "queue_depth":0,"restarts":0}}"#
                )
            };
            let shards: Vec<String> = places.iter().map(shard).collect();
            serde_json::from_str(&format!(r#"{{"shards":[{}]}}"#, shards.join(","))).unwrap()
        };
        let both = nodes(&["n1", "n2"]);
        let table = [
            (&nodes(&["n1"]), vec![("s0", "n1", "up")], Some("1 nodes of 2")),
            (&both, vec![("s0", "n1", "up"), ("s1", "n2", "starting")], Some("s1 is starting")),
            (&both, vec![("s0", "n1", "up"), ("s1", "n1", "up")], Some("n1 serves 2")),
            (&both, vec![("s0", "n1", "up"), ("m0", "n1", "up"), ("s1", "n2", "up")], None),
            (&both, vec![("s0", "n1", "up"), ("s1", "n1", "up"), ("s2", "n2", "up")], None),
        ];
        for (nodes, places, missing) in table {
            let found = unshared(nodes, &shards(&places), 2);
            let is_it = match (&found, missing) {
                (Some(found), Some(missing)) => found.starts_with(missing),
                (found, missing) => found.is_none() && missing.is_none(),
            };
            assert!(is_it, "{places:?}: {found:?}");
        }
    }

    #[test]
    fn a_node_is_told_what_was_set_and_nothing_that_is_not_for_all() {
        let flags = [
            Flag::new("--shards", "deployment.shards", "4"),
            Flag::new("--data", "node.data_dir", "/x"),
            Flag::new("--hops", "bus.hops", "jetstream"),
        ];
        let resolved = Settings::load(None, [("REMIT__CURRENCIES__GOLD".into(), "3".into())], flags).unwrap();
        let told = environment(&resolved, "nats://127.0.0.1:1");
        let again = Settings::load(None, told.clone(), []).unwrap().settings;
        assert_eq!(again.deployment, resolved.settings.deployment);
        assert_eq!((again.bus, again.currencies), (resolved.settings.bus, resolved.settings.currencies));
        assert_eq!(again.nats.url.to_string(), "nats://127.0.0.1:1");
        assert!(!told.iter().any(|(name, _)| name.contains("data_dir")), "{told:?}");
    }
}
