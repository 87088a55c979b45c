//! What a node is started with for a trial that ends with its command: quiet, and on a private broker whatever else is set.

use std::path::{Path, PathBuf};

use super::{error::Error, session::Session};
use crate::{
    broker::free_port,
    settings::{Flag, Nats, Origin, Resolved, Secret, ServerUrl},
};

/// What such a node logs unless told otherwise: the command's own output is what is to be read.
const LOG_LEVEL: &str = "warn,async_nats=error";

/// What a node that is measured is made of.
#[derive(Debug, clap::Args)]
pub(super) struct NodeArgs {
    /// Account databases [default: 16]
    #[arg(long, value_name = "N")]
    pub(super) shards: Option<u16>,
    /// Transfer databases [default: 4]
    #[arg(long, value_name = "N")]
    pub(super) managers: Option<u16>,
    /// How messages go within the node: by the broker as between nodes, or by mailbox
    #[arg(long, default_value = "jetstream", value_parser = ["jetstream", "local"])]
    pub(super) hops: String,
    /// When a commit is one: when it is on the disk, or when its ledger stream has it too [default: disk, and with several nodes replicated]
    #[arg(long, value_parser = ["disk", "replicated"])]
    pub(super) commit: Option<String>,
    /// Where its databases live [default: a temporary folder]
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// The private broker's program
    #[arg(long, value_name = "FILE")]
    nats_server: Option<PathBuf>,
}

impl NodeArgs {
    /// When a commit is one.
    pub(super) fn commit(&self) -> &str {
        self.commit.as_deref().unwrap_or("disk")
    }

    /// All settings of such a node, on this folder.
    pub(super) fn settings(&self, data: &Path, session: &Session) -> Result<Resolved, Error> {
        let number = |number: Option<u16>| number.map(|number| number.to_string());
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let flags = [
            ("--shards", "deployment.shards", number(self.shards)),
            ("--managers", "deployment.managers", number(self.managers)),
            ("--hops", "bus.hops", Some(self.hops.clone())),
            ("--commit", "store.commit", Some(self.commit().to_owned())),
            ("--data", "node.data_dir", Some(path(data))),
            ("--nats-server", "nats.server", self.nats_server.as_deref().map(path)),
            // A port of its own: it may run beside a node.
            ("nats.port", "nats.port", Some(free_port().to_string())),
        ];
        settings(session, flags.into_iter().filter_map(|(name, key, value)| Some(Flag::new(name, key, value?))))
    }
}

/// All settings, with these flags of the command's own.
pub(super) fn settings(session: &Session, flags: impl IntoIterator<Item = Flag>) -> Result<Resolved, Error> {
    let mut resolved = session.settings(flags)?;
    if resolved.origins.get("log.level") == Some(&Origin::Default) {
        resolved.settings.log.level = LOG_LEVEL.to_owned();
    }
    let nats = resolved.settings.nats;
    resolved.settings.nats = Nats {
        url: ServerUrl::default(),
        user: String::new(),
        password: Secret::default(),
        token: Secret::default(),
        credentials_file: PathBuf::new(),
        tls: false,
        tls_ca_file: PathBuf::new(),
        tls_cert_file: PathBuf::new(),
        tls_key_file: PathBuf::new(),
        ..nats
    };
    Ok(resolved)
}
