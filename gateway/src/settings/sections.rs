//! The sections of settings, as types: one for each table of `config/default.toml`, in its order.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf};

use remit_actors::faults::{self, Chance};
use remit_api::node::Role;
use serde::{Deserialize, Serialize};

use super::{Secret, ServerUrl};

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
    /// What it may do, with commas: read it by [`Node::roles`].
    pub roles: String,
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
    /// Copies of each stream and bucket: read it by [`Nats::copies`].
    pub replicas: u8,
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
    /// When a commit is one: read it by [`super::Settings::is_replicated`].
    pub commit: Commit,
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

/// When a commit is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Commit {
    /// As [`Self::Replicated`] on a broker of one's own, as [`Self::Disk`] on a private one.
    #[serde(rename = "")]
    AsTheBroker,
    /// When it is on this node's disk.
    Disk,
    /// When the journal's ledger stream has it too.
    Replicated,
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

/// `[cluster]`: how nodes share the work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// How long a node may not be heard of before what it ran is taken over, in milliseconds.
    pub lease_ms: u64,
    /// How long a planned move of a journal may take, in milliseconds.
    pub move_within_ms: u64,
    /// Whether copies are kept of what would come here if its node died.
    pub standby: bool,
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

impl Metrics {
    /// Where they are served, if they are.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }
}

impl Nats {
    /// Copies of each stream and bucket: 1 on a private broker, which has nowhere to put another.
    #[must_use]
    pub fn copies(&self) -> usize {
        if self.url.is_empty() { 1 } else { usize::from(self.replicas) }
    }
}

impl Node {
    /// What it may do.
    #[must_use]
    pub fn roles(&self) -> BTreeSet<Role> {
        roles(&self.roles).unwrap_or_default()
    }

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

/// Reads a list of roles; `None` if a word is none, or there is no word.
pub(super) fn roles(list: &str) -> Option<BTreeSet<Role>> {
    list.split(',').map(|word| Role::parse(word.trim())).collect()
}

pub(super) fn name_from_host(host: &str) -> String {
    let lower = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = host.chars().take(remit_core::id::SHARD_NAME_BYTES_MAX).map(lower).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "node-1".into() } else { name.into() }
}
