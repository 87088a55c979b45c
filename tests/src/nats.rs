//! A real `nats-server` for one test: its own process, port and temporary folder, all gone when the test ends, also by a
//! panic. It can be killed, wiped and started again at the same address.

mod cluster;

use std::{
    collections::hash_map::RandomState,
    env, fs,
    hash::BuildHasher,
    io::{BufRead, BufReader},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

pub use self::cluster::NatsCluster;

/// How long a server may take until it answers. Generous: other tests use the machine too.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Another process may take a free port before the server does.
const PORTS_TRIED: usize = 5;
/// The first port that is used, and how many there are.
const PORTS: (u16, u64) = (10_000, 10_000);
/// The oldest version that will do; distributions still ship 2.9.
const LEAST: (u32, u32) = (2, 11);
/// How deep below the folder of tools the server is looked for.
const TOOLS_DEPTH: usize = 6;

/// How a server is set up.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether it has JetStream.
    pub jetstream: bool,
    /// Whether it flushes each message to the disk before it confirms it.
    pub sync_always: bool,
    /// The largest payload that it takes, in bytes.
    pub max_payload: usize,
    /// Who may come in, in the words of its configuration; empty: anyone.
    pub authorization: &'static str,
}

impl Default for Options {
    fn default() -> Self {
        Self { jetstream: true, sync_always: false, max_payload: 1 << 20, authorization: "" }
    }
}

/// A running server, or one that was killed and can be started again.
#[derive(Debug)]
pub struct NatsServer {
    options: Options,
    program: PathBuf,
    folder: TempDir,
    port: u16,
    url: String,
    /// What its configuration says of the others, if it is one of several.
    routes: String,
    running: Option<(Child, Pid)>,
}

impl NatsServer {
    /// Starts a server with JetStream.
    ///
    /// # Panics
    /// If there is no `nats-server`, or it does not come up.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(Options::default())
    }

    /// Starts a server that is set up so.
    ///
    /// # Panics
    /// If there is no `nats-server`, or it does not come up.
    #[must_use]
    pub fn start_with(options: Options) -> Self {
        let mut said = String::new();
        for _ in 0..PORTS_TRIED {
            let mut server = Self::new(options, free_port());
            if server.spawn() {
                return server;
            }
            said = server.log();
        }
        panic!("nats-server does not start:\n{said}");
    }

    /// One that is not started yet.
    fn new(options: Options, port: u16) -> Self {
        let folder = tempfile::Builder::new().prefix("remit-nats-").tempdir().expect("a temporary folder can be made");
        let url = format!("nats://127.0.0.1:{port}");
        Self { options, program: program(), folder, port, url, routes: String::new(), running: None }
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process; `None` while it is down.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.running.as_ref().map(|(_, pid)| pid.as_raw())
    }

    /// Where it stores its streams.
    #[must_use]
    pub fn storage(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Kills it as a power failure would, and waits until it is gone. What it stored stays.
    pub fn kill(&mut self) {
        let Some((mut child, pid)) = self.running.take() else { return };
        // The process may be the child of a script; it ends with it.
        kill(pid, Signal::SIGKILL).ok();
        child.wait().ok();
    }

    /// Stops it in its tracks: connections stay open, and nobody answers.
    ///
    /// # Panics
    /// If it goes on all the same.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
        // The signal reaches one thread after the other, and what is sent at once would still be answered.
        let until = Instant::now() + READY_WITHIN;
        while !self.pid().is_none_or(stands_still) {
            assert!(Instant::now() < until, "nats-server does not stand still");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets it go on after [`freeze`](Self::freeze).
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some((_, pid)) = self.running {
            kill(pid, signal).ok();
        }
    }

    /// Starts it again at the same address; kills it first if it runs.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn restart(&mut self) {
        self.kill();
        assert!(self.spawn(), "nats-server does not start again:\n{}", self.log());
    }

    /// Kills it if it runs, and takes away all that it stored.
    ///
    /// # Panics
    /// If the folder can't be emptied.
    pub fn wipe(&mut self) {
        self.kill();
        let store = self.storage();
        if store.exists() {
            fs::remove_dir_all(store).expect("what the server stored can be removed");
        }
    }

    /// Whether it came up; not if it ended at once, as when its port is taken.
    fn spawn(&mut self) -> bool {
        let folder = self.folder.path();
        let (configuration, pid_file) = (folder.join("nats.conf"), folder.join("pid"));
        fs::write(&configuration, self.configuration(&pid_file)).expect("the temporary folder can be written");
        if pid_file.exists() {
            fs::remove_file(&pid_file).expect("the temporary folder can be written");
        }
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(configuration).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        let deadline = Instant::now() + READY_WITHIN;
        while Instant::now() < deadline {
            if child.try_wait().expect("a child can be waited for").is_some() {
                return false;
            }
            if let Some(pid) = read_pid(&pid_file)
                && self.answers()
            {
                self.running = Some((child, pid));
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        child.kill().ok();
        child.wait().ok();
        false
    }

    fn configuration(&self, pid_file: &Path) -> String {
        let (folder, store) = (self.folder.path().display(), self.storage());
        let mut text = format!(
            "server_name: {}\nhost: 127.0.0.1\nport: {}\nmax_payload: {}\npid_file: \"{}\"\nlog_file: \"{folder}/log\"\n",
            self.name(),
            self.port,
            self.options.max_payload,
            pid_file.display()
        );
        if self.options.jetstream {
            let sync = if self.options.sync_always { "\n  sync_interval: always" } else { "" };
            text += &format!("jetstream {{\n  store_dir: \"{}\"\n  max_file_store: 8GB{sync}\n}}\n", store.display());
        }
        if !self.options.authorization.is_empty() {
            text += &format!("authorization {{ {} }}\n", self.options.authorization);
        }
        text + &self.routes
    }

    /// What it calls itself: its folder's name, which nobody else has.
    fn name(&self) -> String {
        self.folder.path().file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Whether this server, not another one on its port, greets a client, with JetStream if it should have it.
    fn answers(&self) -> bool {
        let Ok(stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let mut greeting = String::new();
        let read = stream
            .set_read_timeout(Some(Duration::from_secs(1)))
            .and_then(|()| BufReader::new(stream).read_line(&mut greeting));
        read.is_ok()
            && greeting.starts_with("INFO")
            && greeting.contains(&format!("\"server_name\":\"{}\"", self.name()))
            && (!self.options.jetstream || greeting.contains(r#""jetstream":true"#))
    }

    /// The last lines of its log.
    fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("the end of the log of nats-server:\n{}", self.log());
        }
    }
}

fn read_pid(file: &Path) -> Option<Pid> {
    fs::read_to_string(file).ok()?.trim().parse().ok().map(Pid::from_raw)
}

/// A port that nobody has. Below those that the kernel hands out by itself: a server that is down must find its own free
/// when it comes back, and not be mistaken for another test's.
fn free_port() -> u16 {
    let (first, count) = PORTS;
    let mut random = (0..1_000).map(|_| first + u16::try_from(RandomState::new().hash_one(()) % count).unwrap_or(0));
    let free = random.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.expect("a machine does not use thousands of ports")
}

/// Whether every thread of a process is stopped.
fn stands_still(pid: i32) -> bool {
    let is_stopped = |stat: String| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'));
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return true };
    // A thread that has ended meanwhile has no state.
    threads.flatten().all(|thread| fs::read_to_string(thread.path().join("stat")).map_or(true, is_stopped))
}

/// The server's program: the one that `REMIT_NATS_SERVER` names, else the first on `PATH` that is new enough, else where the
/// set-up script puts tools.
///
/// # Panics
/// If there is none: a test that needs a server must not seem to pass without.
#[must_use]
pub fn program() -> PathBuf {
    static FOUND: LazyLock<PathBuf> = LazyLock::new(find);
    FOUND.clone()
}

fn find() -> PathBuf {
    const NAME: &str = "nats-server";
    if let Some(named) = env::var_os("REMIT_NATS_SERVER").filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        assert!(is_program(&named), "REMIT_NATS_SERVER names no program: {}", named.display());
        return named;
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let mut on_path = env::split_paths(&path).map(|folder| folder.join(NAME)).filter(|program| is_program(program));
    let on_path = on_path.find(|program| is_current(program));
    on_path.or_else(|| find_below(&tools(), NAME, TOOLS_DEPTH)).unwrap_or_else(|| {
        panic!("there is no nats-server: run `bash docker/setup.sh`, or name one by REMIT_NATS_SERVER")
    })
}

fn tools() -> PathBuf {
    let workspace =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package is in a folder of the workspace");
    let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    workspace.join(target).join("tools")
}

fn find_below(folder: &Path, name: &str, depth: usize) -> Option<PathBuf> {
    let here = folder.join(name);
    if is_program(&here) {
        return Some(here);
    }
    let folders = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    let mut folders: Vec<_> = if depth > 0 { folders.collect() } else { vec![] };
    folders.sort();
    folders.iter().find_map(|folder| find_below(folder, name, depth - 1))
}

/// Whether it is no older than [`LEAST`].
fn is_current(program: &Path) -> bool {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    output.is_ok_and(|output| version(&String::from_utf8_lossy(&output.stdout)).is_some_and(|version| version >= LEAST))
}

/// Reads `nats-server: v2.15.1`.
fn version(said: &str) -> Option<(u32, u32)> {
    let (_, numbers) = said.trim().split_once(": v")?;
    let mut numbers = numbers.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lives_dies_and_comes_back_at_the_same_address() {
        let mut server = NatsServer::start();
        let (url, first) = (server.url().to_owned(), server.pid().unwrap());
        server.kill();
        assert_eq!(server.pid(), None);
        assert!(!server.answers());
        server.restart();
        assert_eq!(server.url(), url);
        let second = server.pid().unwrap();
        assert_ne!(first, second);
        server.wipe();
        server.restart();
        let folder = server.folder.path().to_owned();
        drop(server);
        assert!(!folder.exists(), "nothing is left behind");
    }

    #[test]
    fn a_version_is_read_from_what_the_server_says() {
        assert_eq!(version("nats-server: v2.15.1\n"), Some((2, 15)));
        assert_eq!(version("nats-server: v3.0-RC.1"), None);
        assert_eq!(version("no server"), None);
    }

    #[test]
    fn the_program_is_found_below_the_tools() {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("python/lib/bin");
        fs::create_dir_all(&bin).unwrap();
        fs::write(folder.path().join("nats-server"), "a file, but no program").unwrap();
        assert_eq!(find_below(folder.path(), "nats-server", 6), None);
        fs::write(bin.join("nats-server"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(bin.join("nats-server"), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find_below(folder.path(), "nats-server", 6), Some(bin.join("nats-server")));
        assert_eq!(find_below(folder.path(), "nats-server", 2), None, "it does not look for ever");
    }
}
