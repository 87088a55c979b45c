//! `remit up` as a process, and commands against it.

use std::{
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
}

impl Up {
    /// Starts a node with a private broker on a folder, and waits until it is ready.
    pub(crate) fn start(folder: &Path, more: &[&str]) -> Self {
        let port = folder.join("port");
        if !port.exists() {
            std::fs::write(&port, remit::broker::free_port().to_string()).unwrap();
        }
        let port = std::fs::read_to_string(port).unwrap();
        Self::start_with(folder, &[&["--nats-port", &port], more].concat())
    }

    /// Starts a node as the arguments say.
    pub(crate) fn start_with(folder: &Path, more: &[&str]) -> Self {
        Self::start_secured(folder, more, &[])
    }

    /// Starts a node as the arguments and the environment say.
    pub(crate) fn start_secured(folder: &Path, more: &[&str], settings: &[(&str, &str)]) -> Self {
        let (data, ready) = (folder.join("data"), folder.join("ready.json"));
        std::fs::remove_file(&ready).ok();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
        let mut command = remit();
        command
            .envs(settings.iter().copied())
            .arg("up")
            .arg("--data")
            .arg(&data)
            .arg("--ready-file")
            .arg(&ready)
            .args(more);
        let mut process = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let until = Instant::now() + SOON;
        loop {
            if let Ok(text) = std::fs::read_to_string(&ready) {
                return Self { process, ready: serde_json::from_str(&text).unwrap() };
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

    pub(crate) fn nats_pid(&self) -> Option<i32> {
        self.ready["nats_pid"].as_i64().and_then(|pid| pid.try_into().ok())
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
        self.ready["nats_pid"] = Value::Null;
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
        if let Some(pid) = self.nats_pid() {
            kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
        }
    }
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

pub(crate) fn log_of(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}

pub(crate) fn is_running(pid: i32) -> bool {
    // A process that is dead and waits to be waited for has no executable any more.
    Path::new("/proc").join(pid.to_string()).join("exe").read_link().is_ok()
}
