//! `remit up` as a process, what may happen to it, and commands against it.

use std::{
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

/// A bound for what should take a second or two.
const SOON: Duration = Duration::from_secs(60);

pub(crate) fn remit() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_remit"));
    command.stdin(Stdio::null()).env_remove("RUST_LOG");
    command
}

/// A running node; killed, with its broker, when dropped.
pub(crate) struct Up {
    process: Child,
    ready: Value,
    /// Whether its private broker is for the next node to find.
    leaves_broker: bool,
}

impl Up {
    /// Starts a node with a private broker on a folder, and waits until it is ready.
    pub(crate) fn start(folder: &Path, more: &[&str]) -> Self {
        Self::start_as(folder, more, &[])
    }

    /// Starts a node with a private broker, unless the arguments name another, as they and the environment say.
    pub(crate) fn start_as(folder: &Path, more: &[&str], settings: &[(&str, &str)]) -> Self {
        let port = folder.join("port");
        if !port.exists() {
            fs::write(&port, remit::broker::free_port().to_string()).unwrap();
        }
        let port = fs::read_to_string(port).unwrap();
        Self::start_secured(folder, &[&["--nats-port", &port], more].concat(), settings)
    }

    /// Starts a node as the arguments say.
    pub(crate) fn start_with(folder: &Path, more: &[&str]) -> Self {
        Self::start_secured(folder, more, &[])
    }

    /// Starts a node as the arguments and the environment say.
    pub(crate) fn start_secured(folder: &Path, more: &[&str], settings: &[(&str, &str)]) -> Self {
        Self::launch("up", folder, more, settings)
    }

    /// Starts a node that joins others, as the arguments and the environment say.
    pub(crate) fn join(folder: &Path, more: &[&str], settings: &[(&str, &str)]) -> Self {
        Self::launch("node", folder, more, settings)
    }

    fn launch(word: &str, folder: &Path, more: &[&str], settings: &[(&str, &str)]) -> Self {
        let (data, ready) = (folder.join("data"), folder.join("ready.json"));
        fs::remove_file(&ready).ok();
        let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
        let mut command = remit();
        command
            .envs(settings.iter().copied())
            .arg(word)
            .arg("--data")
            .arg(&data)
            .arg("--ready-file")
            .arg(&ready)
            .args(more);
        let mut process = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let until = Instant::now() + SOON;
        loop {
            if let Ok(text) = fs::read_to_string(&ready) {
                let ready = serde_json::from_str(&text).unwrap();
                return Self { process, ready, leaves_broker: false };
            }
            let ended = process.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < until, "{ended:?}: {}", log_of(folder));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn url(&self) -> &str {
        self.ready["nats_url"].as_str().unwrap()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.ready["data"].as_str().unwrap().into()
    }

    /// The private broker that it has at this moment: not the first one, if that has died.
    pub(crate) fn nats_pid(&self) -> Option<i32> {
        brokers_of(&self.data()).first().copied()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Ends it by SIGTERM; it must drain and exit with 0.
    pub(crate) fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.process.wait().unwrap();
        assert!(status.success(), "{status}");
    }

    /// Ends it by SIGKILL; its broker lives on.
    pub(crate) fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        self.process.wait().unwrap();
        self.leaves_broker = true;
    }

    /// Stops it in its tracks: nothing of it runs, and all that it holds stays held.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on after [`freeze`](Self::freeze).
    pub(crate) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id().try_into().unwrap()), signal).unwrap();
    }

    /// Runs a command against it; its exit status and the JSON that it prints.
    pub(crate) fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let output = remit().args(["--nats", self.url(), "--json"]).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Runs a command against it that must succeed, as a person would.
    pub(crate) fn person(&self, arguments: &[&str]) -> String {
        let output = remit().args(["--nats", self.url()]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        for pid in if self.leaves_broker { vec![] } else { brokers_of(&self.data()) } {
            kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
        }
    }
}

/// The private brokers that run on a data folder; as the product, it recognises them by their command line.
pub(crate) fn brokers_of(data: &Path) -> Vec<i32> {
    let configuration = data.join("broker/server.conf");
    let runs_on = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == configuration.as_os_str().as_bytes())
    };
    let processes = fs::read_dir("/proc").unwrap();
    processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter(runs_on).collect()
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

pub(crate) fn log_of(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}

pub(crate) fn is_running(pid: i32) -> bool {
    // A process that is dead and waits to be waited for has no executable any more.
    Path::new("/proc").join(pid.to_string()).join("exe").read_link().is_ok()
}
