//! Settings: what an operator can change, and where each value came from.
//!
//! `config/default.toml` is compiled in and is the one list of them. A file, the environment and flags lie over it, in that
//! order; [`Settings::load`] checks every value of every layer before it merges them, so a refusal names the place where the
//! value was written. A new setting is a line there, a field in `sections.rs` and a rule in `rules.rs`; tests hold the three
//! together.

mod error;
mod hidden;
mod layers;
mod rules;
mod sections;
mod show;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use self::{
    error::Error,
    hidden::{Secret, ServerUrl},
    sections::{
        Bus, Cluster, Commit, Deployment, Events, Faults, Hops, Ledger, Log, LogFormat, Metrics, Nats, Node,
        Projection, Store, Supervision, Traces, Transfers, Turns,
    },
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
    /// How nodes share the work.
    pub cluster: Cluster,
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

    /// Whether a commit is one only when its journal's ledger stream has it too, so that any node can go on from there.
    #[must_use]
    pub fn is_replicated(&self) -> bool {
        match self.store.commit {
            Commit::AsTheBroker => !self.nats.url.is_empty(),
            Commit::Disk => false,
            Commit::Replicated => true,
        }
    }
}

/// This process's environment, without what is not Unicode: no setting is.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

#[cfg(test)]
mod tests;
