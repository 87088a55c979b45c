//! `remit compare` as a process: a small one, for what it says and not for how fast it is.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::process::{Child, Command, Stdio};

use serde_json::Value;

const RATE: u64 = 100;
const SECONDS: u64 = 3;

fn compare(script: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_remit"));
    command.args(["compare", "--json", "--script", script, "--away-seconds", "1", "--peak-seconds", "1"]);
    command.args(["--rate", &RATE.to_string(), "--seconds", &SECONDS.to_string(), "--accounts", "100"]);
    command.args(["--shards", "4", "--managers", "2", "--clients", "2", "--batch", "50"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).env_remove("RUST_LOG").spawn().unwrap()
}

/// Every script, under each protocol: it hits what it says and nothing else, every payment has an end, and no cent is lost.
#[test]
fn whatever_goes_wrong_every_payment_ends_and_the_audit_is_exact() {
    let scripts = ["none", "manager-away", "shard-away", "lossy"].map(|script| (script, compare(script)));
    for (script, process) in scripts {
        let output = process.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{script}: {text}");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let protocols: Vec<_> = lines.iter().map(|line| line["protocol"].as_str().unwrap()).collect();
        assert_eq!(protocols, ["saga", "2pc", "events"]);
        for line in &lines {
            let count = |field: &str| line[field].as_u64().unwrap();
            let number = |field: &str| line[field].as_f64().unwrap();
            assert_eq!((line["script"].as_str(), line["audit_ok"].as_bool()), (Some(script), Some(true)), "{line}");
            let ends = ["completed", "rejected", "compensated"].map(count);
            assert_eq!((ends.iter().sum::<u64>(), count("unknown")), (RATE * SECONDS, 0), "{line}");
            assert!(number("abort_rate") > 0.0 && number("abort_rate") < 0.5, "{line}");
            assert!(number("messages_per_transfer") > 5.0 && number("flushes_per_transfer") > 0.0, "{line}");
            assert!(number("held_or_in_transit_s") > 0.0, "{line}");
            assert_eq!(count("frames_lost") > 0, script != "none", "{line}");
            assert_eq!(count("frames_doubled") > 0, script == "lossy", "{line}");
            let somebody_is_away = script.ends_with("-away");
            assert_eq!(line["recovery_s"].is_number(), somebody_is_away, "{line}");
            assert_eq!(line["peak_transfers_per_s"].is_null(), somebody_is_away, "{line}");
        }
    }
}

#[test]
fn an_outage_that_leaves_no_time_before_and_after_it_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_remit")).args(["compare", "--seconds", "9"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--away-seconds is at most half of --seconds"));
}
