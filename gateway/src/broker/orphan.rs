//! Servers that a killed node left behind: found by their command line, and ended.
//!
//! The data folder's lock is held, so no living node owns a server that runs on this folder's configuration. `/proc` is asked
//! rather than a file with a process id: it also knows a server whose node was killed before that file was written, and a
//! number that belongs to another process by now. Where there is no `/proc`, such a server shows as a port that is taken.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::sleep;
use tracing::warn;

use super::{Error, process::END_WITHIN};

/// How long the kernel may take to remove a killed process.
const KILL_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Ends every server that runs on this configuration, and returns when they are gone.
pub(super) async fn end_all(configuration: &Path) -> Result<(), Error> {
    for pid in running_on(configuration) {
        warn!(pid, "a killed node left its nats-server behind; it is ended");
        for (signal, within) in [(Signal::SIGTERM, END_WITHIN), (Signal::SIGKILL, KILL_WITHIN)] {
            kill(Pid::from_raw(pid), signal).ok();
            let began = Instant::now();
            while runs_on(pid, configuration) && began.elapsed() < within {
                sleep(LOOK_EVERY).await;
            }
            if !runs_on(pid, configuration) {
                break;
            }
        }
        if runs_on(pid, configuration) {
            return Err(Error::LeftBehind { pid });
        }
    }
    Ok(())
}

/// The processes that were started with `-c` and this configuration.
pub(super) fn running_on(configuration: &Path) -> Vec<i32> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| runs_on(*pid, configuration)).collect()
}

/// Whether this process is such a server. A dead one that nobody has waited for has no command line any more.
fn runs_on(pid: i32, configuration: &Path) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> = line.split(|byte| *byte == 0).collect();
    let configuration = configuration.as_os_str().as_encoded_bytes();
    words.windows(2).any(|pair| pair[0] == b"-c" && pair[1] == configuration)
}
