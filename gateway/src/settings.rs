//! Settings: what an operator can change, and where each value came from.
//!
//! `config/default.toml` is compiled in and is the one list of them. A file, the environment and flags lie over it, in that
//! order; [`Settings::load`] checks every value of every layer before it merges them, so a refusal names the place where the
//! value was written. A new setting is a line there, a field here and a rule in `rules.rs`; tests hold the three together.

mod error;
mod hidden;
mod layers;
mod rules;
mod show;

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use remit_actors::faults::{self, Chance};
use serde::{Deserialize, Serialize};

pub use self::{
    error::Error,
    hidden::{Secret, ServerUrl},
    show::Shown,
};

/// All settings, checked. Its sections and their fields are those of `config/default.toml`, which explains each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What the deployment is.
    pub deployment: Deployment,
    /// Currencies beside ISO 4217: code to number of decimals.
    pub currencies: BTreeMap<String, u8>,
    /// This process.
    pub node: Node,
    /// The broker.
    pub nats: Nats,
    /// Frames between actors.
    pub bus: Bus,
    /// The loop of every durable actor.
    #[serde(rename = "loop")]
    pub turns: Turns,
    /// Each shard's and each partition's database.
    pub store: Store,
    /// Transfers at their manager.
    pub transfers: Transfers,
    /// How failed actors come back.
    pub supervision: Supervision,
    /// What was committed, on its way to readers.
    pub ledger: Ledger,
    /// Events of money and of transfers, for whoever listens.
    pub events: Events,
    /// The read model.
    pub projection: Projection,
    /// What goes wrong on purpose.
    pub faults: Faults,
    /// What can be scraped of it.
    pub metrics: Metrics,
    /// Where sampled transfers are traced to.
    pub traces: Traces,
    /// What the node says about itself.
    pub log: Log,
}

/// `[deployment]`: fixed when it is created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// First token of every subject.
    pub name: String,
    /// Account shards.
    pub shards: u16,
    /// Partitions of the transfer manager.
    pub managers: u16,
}

/// `[node]`: this process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its name; empty if it is to be made from the host's: read it by [`Node::name_or_host`].
    pub name: String,
    /// Where its files live.
    pub data_dir: PathBuf,
    /// Threads of the durable actors; 0: one each.
    pub arbiter_threads: u16,
    /// How far the threads of what may lag give way to all others.
    pub background_niceness: u8,
}

/// `[nats]`: the broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nats {
    /// Where it is; empty: a private one.
    pub url: ServerUrl,
    /// User.
    pub user: String,
    /// The user's password.
    pub password: Secret,
    /// A token instead.
    pub token: Secret,
    /// A credentials file instead; empty: none.
    pub credentials_file: PathBuf,
    /// Refuse a connection without TLS.
    pub tls: bool,
    /// Authorities to trust; empty: the system's alone.
    pub tls_ca_file: PathBuf,
    /// This client's certificate; empty: none.
    pub tls_cert_file: PathBuf,
    /// Its key.
    pub tls_key_file: PathBuf,
    /// The private broker's program; empty: searched for.
    pub server: PathBuf,
    /// The private broker's port; 0: a remembered one.
    pub port: u16,
    /// The private broker's largest message, in bytes.
    pub max_payload_bytes: u32,
    /// Whether the private broker flushes before each acknowledgement.
    pub sync_always: bool,
}

/// `[bus]`: frames between actors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bus {
    /// How frames go within a node.
    pub hops: Hops,
    /// The largest frame, in bytes.
    pub frame_bytes_max: u32,
    /// Streams that share the frames.
    pub frame_streams: u16,
    /// What one of them may store, in bytes.
    pub stream_bytes_max: u64,
    /// How long one of them stores a frame, in milliseconds.
    pub stream_age_ms: u64,
}

/// How frames go within a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hops {
    /// By mailbox.
    Local,
    /// By the broker, as between nodes.
    JetStream,
}

/// `[loop]`: the loop of every durable actor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turns {
    /// Messages that one turn takes.
    pub batch_messages_max: u32,
    /// Replies and undos that wait.
    pub lane_replies_max: u32,
    /// Dos that wait.
    pub lane_dos_max: u32,
    /// Submits that wait.
    pub lane_submits_max: u32,
}

/// `[store]`: each database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Accounts in memory.
    pub cache_accounts_max: u32,
    /// Legs in memory.
    pub cache_legs_max: u32,
    /// Ended transfers in memory.
    pub cache_transfers_max: u32,
    /// Journal rows after which balances are written to their table.
    pub flush_rows: u32,
    /// What must be free on the disks under the databases, in bytes; 0: nothing.
    pub reserve_bytes: u64,
}

/// `[transfers]`: transfers at their manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transfers {
    /// Open transfers of one partition.
    pub open_max: u32,
    /// The pause before a silent leg is asked again, in milliseconds.
    pub retry_first_ms: u64,
    /// The same, at most, in milliseconds.
    pub retry_max_ms: u64,
    /// Retries of one partition.
    pub retries_per_second_max: u32,
    /// An open transfer older than this takes too long, in milliseconds.
    pub overdue_ms: u64,
}

/// `[supervision]`: how failed actors come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Supervision {
    /// The pause before the first restart, in milliseconds.
    pub restart_first_ms: u64,
    /// The same, at most, in milliseconds.
    pub restart_max_ms: u64,
    /// Failures that an actor may have within the period.
    pub failures_max: u32,
    /// That period, in milliseconds.
    pub failures_period_ms: u64,
    /// A quarantined actor's wait for its next try, in milliseconds.
    pub quarantine_retry_ms: u64,
    /// The time that a node has for ending in order, in milliseconds.
    pub drain_ms: u64,
    /// What the stream of supervision events may store, in bytes.
    pub events_bytes_max: u64,
    /// How long it stores one, in milliseconds.
    pub events_age_ms: u64,
}

/// `[ledger]`: what was committed, on its way to readers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// Whether the ledger streams are written.
    pub publish: bool,
    /// What each of them may store, in bytes.
    pub stream_bytes_max: u64,
    /// How long it stores a row, in milliseconds.
    pub stream_age_ms: u64,
}

/// `[events]`: events of money and of transfers, for whoever listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// Whether they are published.
    pub publish: bool,
    /// What their stream may store, in bytes.
    pub stream_bytes_max: u64,
    /// How long it stores one, in milliseconds.
    pub stream_age_ms: u64,
}

/// `[projection]`: the read model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Projection {
    /// Whether this node keeps one.
    pub enabled: bool,
    /// Rows of journals that it takes in in a second, at most, while processors are scarce; 0: however many.
    pub rows_per_second_max: u32,
}

/// `[faults]`: what goes wrong on purpose, each so many times in a million.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    /// What all of it is drawn from.
    pub seed: u64,
    /// Frames that never arrive.
    pub frames_lost_per_million: u32,
    /// Frames that arrive twice.
    pub frames_doubled_per_million: u32,
    /// Frames that arrive late.
    pub frames_late_per_million: u32,
    /// How late at most, in milliseconds.
    pub late_ms_max: u64,
    /// Commits that fail.
    pub commits_failed_per_million: u32,
    /// Commits that succeed and are reported as failed.
    pub commits_unheard_per_million: u32,
    /// Commits that take long.
    pub commits_slow_per_million: u32,
    /// How long at most, in milliseconds.
    pub slow_ms_max: u64,
    /// How often some actor dies, in milliseconds; 0: never.
    pub kill_actor_every_ms: u64,
}

impl From<&Faults> for faults::Faults {
    fn from(set: &Faults) -> Self {
        let chance = Chance::per_million;
        Self {
            seed: set.seed,
            frame_lost: chance(set.frames_lost_per_million),
            frame_doubled: chance(set.frames_doubled_per_million),
            frame_late: chance(set.frames_late_per_million),
            late_ms_max: set.late_ms_max,
            commit_fails: chance(set.commits_failed_per_million),
            commit_unheard: chance(set.commits_unheard_per_million),
            commit_slow: chance(set.commits_slow_per_million),
            slow_ms_max: set.slow_ms_max,
            ..Self::default()
        }
    }
}

/// `[metrics]`: what can be scraped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Where they are served; empty: nowhere. Read it by [`Metrics::address`].
    pub listen: String,
}

/// `[traces]`: where sampled transfers are traced to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traces {
    /// The collector's address for traces; empty: nowhere.
    pub endpoint: String,
}

/// `[log]`: what the node says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// A level or a filter.
    pub level: String,
    /// The shape of a line.
    pub format: LogFormat,
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// Text for a person.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the list that is compiled in.
    Default,
    /// In this file.
    File(PathBuf),
    /// In this environment variable.
    Environment(String),
    /// With this flag, dashes and all.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// A setting given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// As it is typed, for messages: `--shards`.
    pub name: String,
    /// The setting that it sets: `deployment.shards`.
    pub key: String,
    /// Its value as text.
    pub value: String,
}

impl Flag {
    /// A flag called `name` that sets `key` to `value`.
    pub fn new(name: impl Into<String>, key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), key: key.into(), value: value.into() }
    }
}

/// Settings, and where each of them came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The values.
    pub settings: Settings,
    /// Key (`deployment.shards`, `currencies.GOLD`) to origin: one for every value.
    pub origins: BTreeMap<String, Origin>,
}

impl Settings {
    /// Puts the layers over each other: the compiled-in list, `file`, `environment` (of which it reads `REMIT__…` and
    /// `RUST_LOG`), `flags`.
    ///
    /// # Errors
    /// A file that can't be read or is not TOML; a key that is no setting, or a value that is not allowed, in any layer, also
    /// where another layer covers it; two settings that contradict each other.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: impl IntoIterator<Item = Flag>,
    ) -> Result<Resolved, Error> {
        let mut layers = vec![layers::compiled_in()?];
        if let Some(path) = file {
            layers.push(layers::file(path)?);
        }
        layers.push(layers::environment(environment)?);
        layers.push(layers::flags(flags)?);
        let resolved = layers::merge(layers)?;
        rules::agree(&resolved)?;
        Ok(resolved)
    }
}

impl Metrics {
    /// Where they are served, if they are.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }
}

impl Node {
    /// The node's name: the one that is set, else the host's with everything but `a-z 0-9 -` turned into `-`, else `node-1`.
    #[must_use]
    pub fn name_or_host(&self) -> String {
        if !self.name.is_empty() {
            return self.name.clone();
        }
        let host = nix::unistd::gethostname().ok().and_then(|host| host.into_string().ok()).unwrap_or_default();
        name_from_host(&host)
    }
}

fn name_from_host(host: &str) -> String {
    let lower = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = host.chars().take(remit_core::id::SHARD_NAME_BYTES_MAX).map(lower).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "node-1".into() } else { name.into() }
}

/// This process's environment, without what is not Unicode: no setting is.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

#[cfg(test)]
mod tests;
