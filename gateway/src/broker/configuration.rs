//! The broker's files under the data folder, and the configuration that its server is started on.

use std::{
    fs,
    path::{Path, PathBuf},
};

use uuid::Uuid;

use super::{Error, Options};
use crate::datadir::DataDir;

/// What the server may store: no limit, since each stream has its own. Told nothing, it takes three quarters of what is free
/// when it starts, and on a disk that is small or has filled up it then refuses streams that would hardly store anything.
const STORE_MAX: &str = "1024TB";

/// Where the broker's files are.
#[derive(Debug)]
pub(super) struct Home {
    /// What the server is started on; its path is also how the server is recognised.
    pub(super) configuration: PathBuf,
    /// The port, remembered.
    pub(super) port: PathBuf,
    /// What the server logs.
    pub(super) log: PathBuf,
    /// What it says before it logs, and when it crashes.
    pub(super) stderr: PathBuf,
    /// What JetStream stores.
    storage: PathBuf,
    /// What the server calls itself; so a client can tell it from another one on the same port.
    pub(super) name: String,
}

impl Home {
    /// Makes the folders.
    pub(super) fn make(dir: &DataDir) -> Result<Self, Error> {
        let dir = dir.path();
        let text = dir.to_str().ok_or_else(|| Error::NotUnicode { path: dir.into() })?;
        let (folder, storage) = (dir.join("broker"), dir.join("nats"));
        for path in [&folder, &storage] {
            fs::create_dir_all(path).map_err(|source| Error::Write { path: path.clone(), source })?;
        }
        Ok(Self {
            configuration: folder.join("server.conf"),
            port: folder.join("port"),
            log: folder.join("server.log"),
            stderr: folder.join("stderr"),
            storage,
            name: format!("remit-{}", Uuid::new_v5(&Uuid::NAMESPACE_URL, text.as_bytes()).simple()),
        })
    }

    /// Writes the configuration.
    pub(super) fn write(&self, port: u16, options: &Options) -> Result<(), Error> {
        let path = &self.configuration;
        fs::write(path, self.text(port, options)).map_err(|source| Error::Write { path: path.clone(), source })
    }

    fn text(&self, port: u16, options: &Options) -> String {
        let Options { max_payload_bytes, sync_always, .. } = options;
        let (name, log, storage) = (&self.name, quoted(&self.log), quoted(&self.storage));
        let sync = if *sync_always { "\n  sync_interval: always" } else { "" };
        format!(
            "# Written by remit at every start of its private broker: what is changed here is lost.\n\
             server_name: {name}\n\
             listen: \"127.0.0.1:{port}\"\n\
             max_payload: {max_payload_bytes}\n\
             log_file: {log}\n\
             logfile_size_limit: 16MB\n\
             logfile_max_num: 2\n\
             jetstream {{\n  store_dir: {storage}\n  max_file_store: {STORE_MAX}{sync}\n}}\n"
        )
    }

    /// The last lines that the server said, for an error.
    pub(super) fn said(&self) -> String {
        const LINES: usize = 5;
        let lines = |path: &Path| {
            let text = fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
            let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
            lines[lines.len().saturating_sub(LINES)..].join("\n")
        };
        [&self.stderr, &self.log]
            .map(|path| lines(path))
            .into_iter()
            .find(|said| !said.is_empty())
            .unwrap_or("nothing".into())
    }
}

/// A path as a string of the configuration's syntax.
fn quoted(path: &Path) -> String {
    let text = path.to_str().expect("the data folder's name is Unicode, or `make` had refused it");
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
