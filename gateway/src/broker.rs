//! The private broker: a `nats-server` that a node starts for itself when it is given no other.
//!
//! Its life: the program is found; a server that a killed node left behind on the same folder is ended; the port is chosen or
//! remembered; a configuration is written and the server started on it; when it accepts connections and JetStream answers,
//! [`Broker::start`] returns. From then on a task keeps it: a server that dies is started again, with back-off, on the same
//! port. [`Broker::stop`] ends it, first by asking.
//!
//! It listens on loopback only, so it asks for no password. Under the data folder, `nats/` is its storage and nothing else,
//! which may be deleted at any time, and `broker/` has the rest: `server.conf`, `port`, `server.log`, `stderr`.
//!
//! Decided here:
//! - A server that was left behind is ended rather than taken over: a child can be waited for, and the new one runs on the
//!   settings of today. It is recognised by its command line, which names our configuration file.
//! - The remembered port is kept even if something else has it now: that is an error, not a reason to move. Clients
//!   have the address, and would go on with whoever answers there. `--nats-port` moves it, and the new one is remembered.

mod configuration;
mod executable;
mod keeper;
mod orphan;
mod port;
mod process;

use std::{io, path::PathBuf, process::ExitStatus, sync::Arc};

use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};
use tracing::info;

pub use self::port::free_port;
use self::{configuration::Home, process::Launch};
use crate::{datadir::DataDir, settings::Settings};

/// A running private broker. Dropped without [`Broker::stop`], its server is ended too, but nobody waits for that.
#[derive(Debug)]
pub struct Broker {
    url: String,
    pid: watch::Receiver<Option<u32>>,
    stop: oneshot::Sender<()>,
    keeper: JoinHandle<()>,
}

/// How a private broker is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The program; if `None`, it is searched for.
    pub server: Option<PathBuf>,
    /// The port on loopback; 0: the one that the data folder remembers, or at first 4222 if nobody has it, else a free one.
    pub port: u16,
    /// The largest message, in bytes.
    pub max_payload_bytes: u32,
    /// Whether each acknowledgement waits for the disk.
    pub sync_always: bool,
    /// The pause before the first restart, in milliseconds; it doubles with each that follows.
    pub restart_first_ms: u64,
    /// The same, at most, in milliseconds.
    pub restart_max_ms: u64,
}

impl From<&Settings> for Options {
    fn from(settings: &Settings) -> Self {
        let Settings { nats, supervision, .. } = settings;
        Self {
            server: Some(nats.server.clone()).filter(|path| !path.as_os_str().is_empty()),
            port: nats.port,
            max_payload_bytes: nats.max_payload_bytes,
            sync_always: nats.sync_always,
            restart_first_ms: supervision.restart_first_ms,
            restart_max_ms: supervision.restart_max_ms,
        }
    }
}

/// Why there is no private broker.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No `nats-server` that would do.
    #[error(
        "no nats-server found; `bash docker/setup.sh` gets one, or name one by --nats-server or REMIT_NATS_SERVER \
         (looked at: {looked_at})"
    )]
    NotFound {
        /// Every place that was looked at, and what was wrong with it.
        looked_at: String,
    },
    /// The program that was named is of no use.
    #[error("{} can't be the broker: {why}; `bash docker/setup.sh` gets a current nats-server", path.display())]
    Unusable {
        /// The program.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file of the broker's can't be written.
    #[error("{} can't be written", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder's name can't stand in the broker's configuration.
    #[error("{} can't hold a private broker: its name is not Unicode", path.display())]
    NotUnicode {
        /// The data folder.
        path: PathBuf,
    },
    /// Something else listens on the port.
    #[error(
        "port {port}, {whose}, is taken by another program; --nats-port P chooses another, which is then remembered"
    )]
    PortTaken {
        /// The port.
        port: u16,
        /// Why it must be this one.
        whose: &'static str,
    },
    /// The server could not be started.
    #[error("{} can't be started", path.display())]
    Spawn {
        /// The program.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The server ended while it started.
    #[error("nats-server ended at its start ({status}); it said: {said}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// Its last lines.
        said: String,
    },
    /// The server did not answer in time.
    #[error("nats-server (pid {pid}) did not answer within {waited_ms} ms; it said: {said}")]
    Silent {
        /// Its process.
        pid: u32,
        /// How long it was waited for.
        waited_ms: u128,
        /// Its last lines.
        said: String,
    },
    /// A server that a killed node left behind can't be ended.
    #[error("nats-server (pid {pid}), left behind by a killed node, can't be ended; end it by hand")]
    LeftBehind {
        /// Its process.
        pid: i32,
    },
}

impl Broker {
    /// Starts the broker of a data folder, and returns when clients can use it. Hold on to the folder until
    /// [`Broker::stop`] has returned: who takes it next ends any broker that still runs on it.
    ///
    /// # Errors
    /// There is no usable `nats-server`, its port is taken, its files can't be written, or it does not come up in time.
    pub async fn start(dir: &DataDir, options: Options) -> Result<Self, Error> {
        let executable = executable::find(options.server.as_deref(), &executable::Places::of_this_process()).await?;
        let home = Home::make(dir)?;
        orphan::end_all(&home.configuration).await?;
        let (launch, child) = first_launch(executable, home, options).await?;

        let (said_pid, pid) = watch::channel(child.id());
        info!(pid = child.id(), url = launch.url(), "nats-server is up");
        let url = launch.url();
        let (stop, stopped) = oneshot::channel();
        let keeper = tokio::spawn(keeper::keep(launch, child, said_pid, stopped));
        Ok(Self { url, pid, stop, keeper })
    }

    /// Where clients find it: `nats://127.0.0.1:PORT`. It stays so while the broker lives.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The server's process; `None` while it is being started again.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        *self.pid.borrow()
    }

    /// Ends the server: asks it to, waits some seconds, then kills it. Returns when it is gone.
    pub async fn stop(self) {
        // An error means that the keeper is gone already, and so is its server.
        self.stop.send(()).ok();
        self.keeper.await.ok();
    }
}

/// Starts the server on the port that it must have; or, if this is the folder's first time, on the first that can be had.
async fn first_launch(
    executable: PathBuf,
    home: Home,
    options: Options,
) -> Result<(Launch, tokio::process::Child), Error> {
    let home = Arc::new(home);
    let (ports, whose) = match (options.port, port::remembered(&home.port)) {
        (0, None) => (port::candidates(), None),
        (0, Some(port)) => (vec![port], Some("which this data folder remembers")),
        (port, _) => (vec![port], Some("which was asked for")),
    };
    let mut taken = None;
    for port in ports {
        let launch = Launch { executable: executable.clone(), home: Arc::clone(&home), options: options.clone(), port };
        if port::is_free(port) {
            match launch.up().await {
                Ok(child) => {
                    port::remember(&home.port, port)?;
                    return Ok((launch, child));
                }
                // Somebody was quicker.
                Err(Error::Ended { .. }) if !port::is_free(port) => {}
                Err(error) => return Err(error),
            }
        }
        taken = Some(Error::PortTaken { port, whose: whose.unwrap_or("the last of many that were tried") });
    }
    Err(taken.expect("there is at least one port to try"))
}

#[cfg(test)]
mod tests;
