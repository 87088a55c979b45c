//! One `nats-server` process: started, waited for until it can be used, ended.

use std::{
    fs::File,
    path::PathBuf,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};
use tracing::warn;

use super::{Error, Options, configuration::Home};

/// How long a server may take to be usable: it first reads all that it has stored.
const UP_WITHIN: Duration = Duration::from_secs(60);
/// The pause between two looks at a server that is starting; short beside the time that it takes.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long one look may take.
const LOOK_WITHIN: Duration = Duration::from_secs(2);
/// How long a server that was asked to end may take before it is killed.
pub(super) const END_WITHIN: Duration = Duration::from_secs(5);
/// How much memory the server may take on top of what it uses before it looks for what it can give back, in percent. It uses
/// little and makes much garbage: with Go's own 100 it would look all the time.
const GROWTH_PERCENT: &str = "400";
/// Beyond so much it looks for what it can give back, whatever the percentage: of the streams that it writes it keeps in memory what
/// it can, and that would grow by hundreds of megabytes a minute.
const MEMORY_LIMIT: &str = "512MiB";

/// All that is needed to start the server, again and again.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    pub(super) executable: PathBuf,
    pub(super) home: Arc<Home>,
    pub(super) options: Options,
    pub(super) port: u16,
}

impl Launch {
    pub(super) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Starts the server and waits until it can be used. If this future is dropped, the server is killed.
    pub(super) async fn up(&self) -> Result<Child, Error> {
        let mut child = self.spawn()?;
        match self.usable(&mut child).await {
            Ok(()) => Ok(child),
            Err(error) => {
                end(child).await;
                Err(error)
            }
        }
    }

    fn spawn(&self) -> Result<Child, Error> {
        let Self { executable, home, .. } = self;
        home.write(self.port, &self.options)?;
        let write = |source| Error::Write { path: home.stderr.clone(), source };
        let stderr = File::create(&home.stderr).map_err(write)?;
        let stdout = stderr.try_clone().map_err(write)?;
        Command::new(executable)
            .env("GOGC", std::env::var_os("GOGC").unwrap_or_else(|| GROWTH_PERCENT.into()))
            .env("GOMEMLIMIT", std::env::var_os("GOMEMLIMIT").unwrap_or_else(|| MEMORY_LIMIT.into()))
            .arg("-c")
            .arg(&home.configuration)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            // A group of its own: Ctrl-C in a terminal is for the node, which needs its broker until it has drained.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| Error::Spawn { path: executable.clone(), source })
    }

    async fn usable(&self, child: &mut Child) -> Result<(), Error> {
        let began = Instant::now();
        loop {
            if let Ok(Some(status)) = child.try_wait() {
                return Err(Error::Ended { status, said: self.home.said() });
            }
            if timeout(LOOK_WITHIN, self.answers()).await.unwrap_or(false) {
                return Ok(());
            }
            if began.elapsed() > UP_WITHIN {
                let (pid, waited_ms) = (child.id().unwrap_or_default(), began.elapsed().as_millis());
                return Err(Error::Silent { pid, waited_ms, said: self.home.said() });
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Whether our server, not another one on its port, takes a connection and its JetStream answers.
    async fn answers(&self) -> bool {
        let Ok(client) = async_nats::connect(self.url()).await else { return false };
        client.server_info().server_name == self.home.name
            && async_nats::jetstream::new(client).query_account().await.is_ok()
    }
}

/// Ends the server: asks, waits, kills. Returns when it is gone.
pub(super) async fn end(mut child: Child) {
    let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) else { return };
    // It can't be another process by now: its number is ours until it has been waited for.
    kill(Pid::from_raw(pid), Signal::SIGTERM).ok();
    if timeout(END_WITHIN, child.wait()).await.is_err() {
        warn!(pid, "nats-server does not end when asked and is killed");
        if let Err(error) = child.kill().await {
            warn!(pid, %error, "nats-server can't be killed");
        }
    }
}
