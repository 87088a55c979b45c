//! What a transfer's story says while a shard is stuck, and after; and what operators may do meanwhile.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use serde_json::Value;

use crate::stage::{Up, remit, said};

/// A bound for what should take a few seconds.
const BOUND: Duration = Duration::from_secs(60);

/// A node with an account in each of two shards, and whoever holds the second shard's database: none of its turns comes to an end.
fn held(folder: &Path) -> (Up, Connection) {
    let up = Up::start(folder, &["--shards", "2", "--managers", "1"]);
    for (id, kind) in [("s0:world", "external"), ("s1:bob", "customer")] {
        up.person(&["account", "open", id, "--currency", "EUR", "--kind", kind]);
    }
    let holder = Connection::open(up.data().join("shards/s1.db")).unwrap();
    holder.busy_timeout(BOUND).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    (up, holder)
}

fn story(up: &Up, id: &str) -> Value {
    let (status, story) = up.json(&["transfer", "explain", id]);
    assert_eq!(status, 0, "{story}");
    story
}

fn words(story: &Value) -> Vec<&str> {
    story["steps"].as_array().unwrap().iter().map(|step| step["what"].as_str().unwrap()).collect()
}

#[test]
fn a_transfer_that_is_stuck_says_for_whom_it_waits_and_what_was_done_about_it_is_told_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let (up, holder) = held(folder.path());
    let id = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
    let submit = ["transfer", "submit", "--id", id, "--from", "s0:world", "--to", "s1:bob", "--amount", "10.50"];
    let (_, transfer) =
        up.json(&[submit.as_slice(), &["--currency", "EUR", "--deadline-ms", "600000", "--wait-ms", "1000"]].concat());
    assert_eq!(transfer["id"], id, "{transfer}");

    let until = Instant::now() + BOUND;
    let stuck = loop {
        let stuck = story(&up, id);
        if stuck["waiting_for"]["legs"][0]["asked"] == "credit" || Instant::now() > until {
            break stuck;
        }
    };
    assert_eq!(words(&stuck), ["accepted", "debited"], "{stuck}");
    assert_eq!(stuck["waiting_for"]["legs"][0]["shard"], "s1", "{stuck}");
    assert_eq!(stuck["next"]["what"], "ask_again", "{stuck}");
    assert!(stuck["untold"][0].as_str().unwrap().starts_with("s1: "), "{stuck}");
    let told = up.person(&["transfer", "explain", id]);
    assert!(told.contains("waits for s1 to credit leg 1 (s1:bob)"), "{told}");

    // To give it up one must know whether the pivot has happened, and who knows does not answer.
    let because = ["--why", "the customer rang", "--by", "ada"];
    let (status, error) = up.json(&[["transfer", "cancel", id].as_slice(), &because].concat());
    assert_eq!((status, error["error"]["code"].as_str()), (3, Some("unavailable")), "{error}");
    let (status, transfer) = up.json(&[["transfer", "retry", id].as_slice(), &because].concat());
    assert_eq!((status, transfer["status"].as_str()), (0, Some("in_progress")), "{transfer}");
    let (status, error) = up.json(&[["transfer", "resume", id].as_slice(), &because].concat());
    assert_eq!((status, error["error"]["code"].as_str()), (3, Some("unavailable")), "{error}");
    let unexplained = remit().args(["--nats", up.url(), "transfer", "retry", id]).output().unwrap();
    assert_eq!(unexplained.status.code(), Some(2));
    assert!(said(&unexplained).contains("--why"), "{}", said(&unexplained));

    drop(holder);
    let until = Instant::now() + BOUND;
    let ended = loop {
        let ended = story(&up, id);
        if ended["transfer"]["status"] == "completed" || Instant::now() > until {
            break ended;
        }
    };
    let of_whom = |story: &Value| {
        words(story).into_iter().filter(|word| *word != "taken_up").map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of_whom(&ended), ["accepted", "debited", "retry", "credited", "completed"], "{ended}");
    let order = ended["steps"].as_array().unwrap().iter().find(|step| step["what"] == "retry").unwrap();
    assert_eq!((order["by"].as_str(), order["why"].as_str()), (Some("ada"), Some("the customer rang")));
    assert_eq!((&ended["waiting_for"], &ended["next"]), (&Value::Null, &Value::Null));
    for (action, why) in [("cancel", "has ended as completed"), ("retry", "has ended"), ("resume", "has ended")] {
        let (status, error) = up.json(&[["transfer", action, id].as_slice(), &because].concat());
        assert_eq!((status, error["error"]["code"].as_str()), (1, Some("conflict")), "{error}");
        assert!(error["error"]["message"].as_str().unwrap().contains(why), "{error}");
    }
    let (status, error) = up.json(&["transfer", "explain", "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"]);
    assert_eq!((status, error["error"]["code"].as_str()), (1, Some("transfer_not_found")), "{error}");
    assert_eq!(up.json(&["audit", "--full"]).1["ok"], true);
    up.stop();

    let up = Up::start(folder.path(), &[]);
    assert_eq!(story(&up, id), ended, "a story is told the same for ever");
    up.stop();
}

#[test]
fn a_node_that_is_told_to_end_answers_whoever_waits_with_how_their_transfer_stands() {
    let folder = tempfile::tempdir().unwrap();
    let (up, holder) = held(folder.path());
    let id = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5d";
    let mut submit = remit();
    let submit = submit.args(["--nats", up.url(), "--json", "transfer", "submit", "--id", id, "--from", "s0:world"]);
    let submit = submit.args(["--to", "s1:bob", "--amount", "1", "--currency", "EUR", "--wait-ms", "60000"]);
    let waiting = submit.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let until = Instant::now() + BOUND;
    while up.json(&["transfer", "get", id]).1["status"] != "in_progress" {
        assert!(Instant::now() < until, "it does not get on its way");
    }
    up.stop();
    let answered = waiting.wait_with_output().unwrap();
    let transfer: Value = serde_json::from_slice(&answered.stdout).unwrap_or_else(|_| panic!("{}", said(&answered)));
    assert_eq!((&transfer["status"], &transfer["id"]), (&"in_progress".into(), &id.into()), "{}", said(&answered));

    drop(holder);
    let up = Up::start(folder.path(), &[]);
    let until = Instant::now() + BOUND;
    while up.json(&["transfer", "get", id]).1["status"] != "completed" {
        assert!(Instant::now() < until, "it goes on by itself");
    }
    up.stop();
}
