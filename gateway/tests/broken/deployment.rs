//! A deployment that a test breaks: a node on a folder, which can be killed and started again.

use std::{path::PathBuf, time::Duration};

use remit_tests::nats::NatsServer;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    disk::Disk,
    stage::{Up, log_of},
};

pub(crate) const SHARDS: u16 = 4;
pub(crate) const MANAGERS: u16 = 2;
/// Clients that submit at the same time, and how often each does at most: some 300 transfers in a second.
pub(crate) const CLIENTS: u64 = 10;
pub(crate) const PACE: Duration = Duration::from_millis(33);

/// How frames go within the node: what breaks the broker only matters where they take it.
pub(crate) const LOCAL: &str = "local";
pub(crate) const JETSTREAM: &str = "jetstream";

/// A node, and how to start it again.
pub(crate) struct Deployment {
    up: Option<Up>,
    arguments: Vec<String>,
    settings: Vec<(&'static str, String)>,
    /// Gone before the folder that it is mounted in.
    disk: Option<Disk>,
    folder: TempDir,
}

impl Deployment {
    /// A folder for a node that is not started yet.
    pub(crate) fn new(hops: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("remit-broken-").tempdir().unwrap();
        let shape = ["--shards", &SHARDS.to_string(), "--managers", &MANAGERS.to_string(), "--hops", hops];
        let arguments = shape.map(str::to_owned).to_vec();
        Self { up: None, arguments, settings: vec![], disk: None, folder }
    }

    /// A running node with a private broker.
    pub(crate) fn private(hops: &str) -> Self {
        Self::new(hops).start()
    }

    /// A running node on a broker of the test's own.
    pub(crate) fn on(server: &NatsServer, hops: &str) -> Self {
        Self::new(hops).using(server).start()
    }

    /// The same, on this broker.
    pub(crate) fn using(mut self, server: &NatsServer) -> Self {
        self.arguments.extend(["--nats", server.url(), "--create"].map(str::to_owned));
        self
    }

    /// The same, with a disk of so many MiB on a folder of it.
    pub(crate) fn on_disk(mut self, folder: &str, mib: u64) -> Self {
        self.disk = Some(Disk::mount(&self.folder.path().join(folder), mib));
        self
    }

    /// The same, with a setting.
    pub(crate) fn with(mut self, variable: &'static str, value: impl ToString) -> Self {
        self.settings.push((variable, value.to_string()));
        self
    }

    /// The same, running.
    pub(crate) fn start(mut self) -> Self {
        self.starts();
        self
    }

    /// Starts it, again if it was killed, and waits until it is ready.
    pub(crate) fn starts(&mut self) {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let settings: Vec<(&str, &str)> = self.settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.up = Some(Up::start_as(self.folder.path(), &arguments, &settings));
    }

    /// Starts it again as it would be without the settings that were put on it.
    pub(crate) fn starts_without_settings(&mut self) {
        self.settings.clear();
        self.starts();
    }

    pub(crate) fn up(&self) -> &Up {
        self.up.as_ref().unwrap()
    }

    /// Runs a command against it; its exit status and the JSON that it prints.
    pub(crate) fn json(&self, arguments: &[&str]) -> (i32, Value) {
        self.up().json(arguments)
    }

    pub(crate) fn disk(&self) -> &Disk {
        self.disk.as_ref().unwrap()
    }

    /// Kills the node; a private broker lives on.
    pub(crate) fn kill(&mut self) {
        self.up.take().unwrap().kill();
    }

    /// Ends it in order: it must still be able to.
    pub(crate) fn stop(mut self) {
        self.up.take().unwrap().stop();
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn log(&self) -> String {
        log_of(self.folder.path())
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("the end of the node's log:\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
    }
}
