//! `remit bench --nodes` as a process: a very small one, for what it says and leaves behind, not for how fast it is.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

/// A bound for what should take a few seconds.
const SOON: Duration = Duration::from_secs(120);

fn bench(folder: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_remit"));
    command.args(["bench", "--accounts", "100", "--shards", "4", "--managers", "2", "--clients", "2", "--batch", "50"]);
    command.args(more).stdin(Stdio::null()).env_remove("RUST_LOG").env("TMPDIR", folder);
    command
}

/// Processes that have something in this folder on their command line: nodes and brokers of a bench.
fn processes_on(folder: &Path) -> Vec<PathBuf> {
    let folder = folder.to_str().unwrap();
    let is_on = |process: &PathBuf| {
        fs::read(process.join("cmdline")).is_ok_and(|words| String::from_utf8_lossy(&words).contains(folder))
    };
    fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path()).filter(is_on).collect()
}

fn is_clean(folder: &Path) {
    assert_eq!(processes_on(folder), Vec::<PathBuf>::new());
    let left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, Vec::<PathBuf>::new());
}

#[test]
fn two_nodes_share_the_load_and_the_audit_over_both_is_exact() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["--nodes", "2", "--seconds", "1", "--warm-up", "0", "--json"];
    let output = bench(folder.path(), &words).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let protocols: Vec<&str> = lines.iter().map(|line| line["protocol"].as_str().unwrap()).collect();
    assert_eq!(protocols, ["saga", "2pc", "events"]);
    for line in &lines {
        assert_eq!((&line["audit_ok"], &line["unknown"]), (&Value::from(true), &Value::from(0)), "{line}: {said}");
        assert!(line["completed"].as_u64() > Some(0), "{line}");
        let (nodes, streams, commit) = (&line["nodes"], &line["frame_streams"], &line["commit"]);
        assert_eq!((nodes, streams, commit), (&2.into(), &4.into(), &"replicated".into()), "{line}");
        for figure in ["cpu_us", "load_cpu_us", "broker_cpu_us", "appends", "parcels"] {
            assert!(line[format!("{figure}_per_transfer")].as_f64() > Some(0.0), "{figure}: {line}");
        }
    }
    is_clean(folder.path());
}

#[test]
fn a_bench_that_is_interrupted_ends_all_of_its_nodes() {
    let folder = tempfile::tempdir().unwrap();
    let mut process =
        bench(folder.path(), &["--nodes", "2", "--seconds", "600"]).stdout(Stdio::null()).spawn().unwrap();
    let until = Instant::now() + SOON;
    // Both nodes and the broker.
    while processes_on(folder.path()).len() < 3 {
        assert!(Instant::now() < until && process.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(10));
    }
    kill(Pid::from_raw(process.id().cast_signed()), Signal::SIGINT).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(3), "nothing is known of how fast it is");
    is_clean(folder.path());
}

#[test]
fn nodes_of_its_own_are_neither_on_a_broker_elsewhere_nor_without_replication() {
    for (words, why) in [
        (["--nodes", "2", "--nats", "nats://127.0.0.1:1"], "leave --nats out"),
        (["--nodes", "2", "--commit", "disk"], "only where commits are replicated"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = bench(folder.path(), &words).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains(why), "{output:?}");
    }
}

/// It measures nothing, so it is the same each time and needs no broker.
#[test]
fn what_more_machines_would_carry_is_reckoned() {
    let folder = tempfile::tempdir().unwrap();
    let reckon = || bench(folder.path(), &["--model", "1,3", "--hops", "local", "--json"]).output().unwrap();
    let (once, again) = (reckon(), reckon());
    assert!(once.status.success() && once.stdout == again.stdout, "{once:?} {again:?}");
    let text = String::from_utf8(once.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| line["machines"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 3]);
    for line in &lines {
        assert!(line["most"]["transfers_per_s"].as_f64() > Some(0.0), "{line}");
    }
    assert_eq!(lines[0]["most"]["parcels_per_transfer"], 0.0, "a machine alone needs none: {text}");
    is_clean(folder.path());
}
