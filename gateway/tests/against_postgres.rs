//! `remit bench --against postgres` as a process, with a real broker and a real PostgreSQL.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

/// A bound for what should take a few seconds.
const SOON: Duration = Duration::from_secs(120);

/// A folder for all that is temporary, in which nothing must be left; PostgreSQL's user gets there, too.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    folder
}

fn bench(folder: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_remit"));
    command.args(["bench", "--against", "postgres", "--rounds", "1", "--accounts", "100"]).args(more);
    command.stdin(Stdio::null()).env_remove("RUST_LOG").env("TMPDIR", folder);
    command
}

fn left_in(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// With so few accounts, transfers lock each other out all the time, which must not cost a cent either.
#[test]
fn both_forms_are_measured_beside_remit_and_their_books_are_right() {
    let folder = folder();
    let output = bench(folder.path(), &["--seconds", "1", "--json"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();

    let protocols: Vec<&Value> = lines.iter().filter(|line| line.get("against").is_none()).collect();
    assert_eq!(protocols.len(), 3, "{lines:?}");
    for form in ["fastest", "recoverable"] {
        let measured: Vec<&Value> = lines.iter().filter(|line| line["form"] == form).collect();
        assert!(measured.iter().any(|line| line["clients"] == 1), "{lines:?}");
        for line in measured {
            assert!(line["completed"].as_u64() > Some(0), "{line}");
            assert_eq!((&line["rejected"], &line["audit_ok"]), (&Value::from(0), &Value::from(true)), "{line}: {said}");
        }
        let tried = format!("PostgreSQL {form}, transfers/s by clients: 1: ");
        assert!(said.contains(&tried), "{said}");
    }

    let ratios = lines.last().unwrap()["ratios"].as_array().unwrap();
    assert_eq!(ratios.len(), 3 * 2, "{ratios:?}");
    for ratio in ratios {
        for figure in ["transfers_per_s", "p50_ms"] {
            let [remit, postgres, ratio] = ["remit", "postgres", "ratio"].map(|of| ratio[figure][of].as_f64().unwrap());
            assert!(remit > 0.0 && postgres > 0.0, "{ratios:?}");
            // Each of the three is rounded to a hundredth.
            assert!((ratio - remit / postgres).abs() < 0.01 + ratio * 0.02 / postgres, "{ratios:?}");
        }
    }
    assert_eq!(left_in(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn told_to_stop_it_leaves_nothing() {
    let folder = folder();
    let options = ["--seconds", "600", "--pg-clients", "4", "--protocol", "saga"];
    let mut process = bench(folder.path(), &options).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let until = Instant::now() + SOON;
    // While Remit is measured, PostgreSQL waits for its turn.
    let server = loop {
        let files = left_in(folder.path()).into_iter().map(|left| left.join("data/postmaster.pid"));
        if let Some(said) = files.filter_map(|file| fs::read_to_string(file).ok()).find(|said| said.contains("ready")) {
            break said.lines().next().unwrap().to_owned();
        }
        assert!(process.try_wait().unwrap().is_none() && Instant::now() < until, "there is no PostgreSQL");
        std::thread::sleep(Duration::from_millis(20));
    };
    kill(Pid::from_raw(process.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(3), "nobody knows how fast it is");
    assert!(!Path::new("/proc").join(server).exists());
    assert_eq!(left_in(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn what_can_not_be_compared_is_refused_before_anything_starts() {
    let folder = folder();
    for (options, status, said) in [
        (vec!["--legs", "3"], 2, "--against postgres compares transfers of 2 legs, and --legs is 3"),
        (vec!["--batch", "1", "--clients", "257"], 2, "--against postgres takes up to 256 clients with --batch 1"),
        (
            vec!["--pg-bin", "/nowhere"],
            1,
            "/nowhere has no PostgreSQL to compare with: it has no initdb; `apt-get install",
        ),
    ] {
        let output = bench(folder.path(), &options).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{text}");
        assert!(text.contains(said), "{text}");
    }
}
