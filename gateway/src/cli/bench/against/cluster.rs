//! A private PostgreSQL: made in a folder of its own, reached by a socket in that folder, ended and removed.

use std::{
    fs::{self, File},
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, User, geteuid},
};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};
use tokio_postgres::{Client, Config, NoTls};
use tracing::warn;

use super::error::Error;

/// How long each of its programs may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// The pause between two looks at a server that is starting.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long it may take to end when asked: it writes all that it has in memory.
const END_WITHIN: Duration = Duration::from_secs(60);
/// Connections for whoever looks at it while it is measured.
const SPARE_CONNECTIONS: u64 = 16;
/// Its one user, who may do everything; the folder lets nobody else in.
const USER: &str = "remit";

/// What is set, beside what its size needs. Every answer waits for the disk, as Remit's do; all else is PostgreSQL at its best,
/// with nothing beside it that a measurement of some seconds could do without: room in memory for all that is used, no
/// checkpoint and no vacuum meanwhile, no copies of the log for other servers.
const SETTINGS: [&str; 18] = [
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "listen_addresses=",
    "shared_buffers=1GB",
    "work_mem=64MB",
    "wal_level=minimal",
    "max_wal_senders=0",
    "wal_buffers=64MB",
    "min_wal_size=1GB",
    "max_wal_size=16GB",
    "checkpoint_timeout=1h",
    "autovacuum=off",
    "jit=off",
    "plan_cache_mode=force_generic_plan",
    "max_parallel_workers=0",
    "update_process_title=off",
    "logging_collector=off",
];

/// A running PostgreSQL. Dropped without [`Cluster::stop`], it is killed and removed too, but nobody waits for its end.
#[derive(Debug)]
pub(in crate::cli::bench) struct Cluster {
    // Before its folder, so that it is gone before that.
    postgres: Child,
    folder: TempDir,
}

impl Cluster {
    /// Makes one with these programs, below a folder, for so many clients, each with a connection to three databases and a
    /// transaction prepared in two.
    pub(super) async fn start(programs: &Path, below: &Path, clients: u64) -> Result<Self, Error> {
        let wrong = |source| Error::Folder { path: below.into(), source };
        let folder = tempfile::Builder::new().prefix("remit-bench-postgres-").tempdir_in(below).map_err(wrong)?;
        let user = user()?;
        if let Some(user) = &user {
            chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).map_err(wrong)?;
        }
        make(programs, folder.path(), user.as_ref()).await?;
        // Twice, since those of one measurement may still be closing when the next one opens its own.
        let connections = 2 * 3 * clients + SPARE_CONNECTIONS;
        let sizes = [format!("max_connections={connections}"), format!("max_prepared_transactions={}", 2 * clients)];
        let (program, log) = (programs.join("postgres"), folder.path().join("log"));
        let output = || File::create(&log).map_err(wrong);
        let (stdout, stderr) = (output()?, output()?);
        let mut command = as_user(&program, folder.path(), user.as_ref());
        command.arg("-D").arg(data(folder.path())).arg("-k").arg(folder.path());
        for setting in SETTINGS.into_iter().chain(sizes.iter().map(String::as_str)) {
            command.args(["-c", setting]);
        }
        let postgres = command.stdout(stdout).stderr(stderr).spawn();
        let postgres =
            postgres.map_err(|source| Error::Spawn { path: program, folder: folder.path().into(), source })?;
        let mut cluster = Self { postgres, folder };
        match cluster.usable().await {
            Ok(()) => Ok(cluster),
            Err(error) => {
                cluster.stop().await;
                Err(error)
            }
        }
    }

    /// A connection to one of its databases.
    pub(super) async fn connect(&self, database: &str) -> Result<Client, Error> {
        let mut config = Config::new();
        let (client, connection) =
            config.host_path(self.folder.path()).user(USER).dbname(database).connect(NoTls).await?;
        // It ends with its client; what goes wrong with it, whoever asks by it is told.
        tokio::spawn(async { connection.await.ok() });
        Ok(client)
    }

    /// Waits until it takes connections.
    async fn usable(&mut self) -> Result<(), Error> {
        let began = Instant::now();
        loop {
            if let Ok(Some(status)) = self.postgres.try_wait() {
                return Err(Error::Ended { program: "postgres", status, said: self.said() });
            }
            if self.connect("postgres").await.is_ok() {
                return Ok(());
            }
            if began.elapsed() > READY_WITHIN {
                let waited_ms = began.elapsed().as_millis();
                return Err(Error::Silent { program: "postgres", waited_ms, said: self.said() });
            }
            sleep(LOOK_EVERY).await;
        }
    }

    fn said(&self) -> String {
        last_lines(&fs::read(self.folder.path().join("log")).unwrap_or_default())
    }

    /// Ends it: asks, waits, kills. Returns when it and its folder are gone.
    pub(in crate::cli::bench) async fn stop(mut self) {
        if let Some(pid) = self.postgres.id().and_then(|pid| i32::try_from(pid).ok()) {
            // Its "fast" end: connections are closed, and not waited for.
            kill(Pid::from_raw(pid), Signal::SIGINT).ok();
            if timeout(END_WITHIN, self.postgres.wait()).await.is_err() {
                warn!(pid, "postgres does not end when asked and is killed");
                self.postgres.kill().await.ok();
            }
        }
        let path = self.folder.path().to_owned();
        if let Err(error) = self.folder.close() {
            warn!(path = %path.display(), %error, "the folder of the private PostgreSQL can't be removed");
        }
    }
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// Makes the files of a cluster.
async fn make(programs: &Path, folder: &Path, user: Option<&User>) -> Result<(), Error> {
    let path = programs.join("initdb");
    let mut command = as_user(&path, folder, user);
    command.arg("-D").arg(data(folder)).args(["-U", USER, "--auth=trust", "--no-locale", "--encoding=UTF8"]);
    let began = Instant::now();
    let output = match timeout(READY_WITHIN, command.output()).await {
        Ok(output) => output.map_err(|source| Error::Spawn { path, folder: folder.into(), source })?,
        Err(_) => {
            let (waited_ms, said) = (began.elapsed().as_millis(), "nothing".to_owned());
            return Err(Error::Silent { program: "initdb", waited_ms, said });
        }
    };
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Ended { program: "initdb", status: output.status, said: last_lines(&output.stderr) })
}

/// One of its programs, which runs as this user, if not as ours.
fn as_user(program: &Path, folder: &Path, user: Option<&User>) -> Command {
    let mut command = Command::new(program);
    // The current folder may be one that this user can't enter. A group of its own: Ctrl-C in a terminal is for the bench, which
    // needs it until it has stopped asking.
    command.current_dir(folder).stdin(Stdio::null()).process_group(0).kill_on_drop(true);
    if let Some(user) = user {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}

/// Whom it runs as; `None`: as we do. It refuses to be root.
fn user() -> Result<Option<User>, Error> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let known = |name| User::from_name(name).ok().flatten();
    ["postgres", "nobody"].into_iter().find_map(known).map(Some).ok_or(Error::NoUser)
}

/// The last lines that a program said, for an error.
fn last_lines(said: &[u8]) -> String {
    const LINES: usize = 5;
    let said = String::from_utf8_lossy(said);
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(LINES)..].join("\n");
    if last.is_empty() { "nothing".to_owned() } else { last }
}
