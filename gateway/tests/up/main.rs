//! `remit up` and the command line, as processes with a real broker.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod ledger;
#[path = "../stage/mod.rs"]
#[allow(dead_code, reason = "two groups of tests share it, and each uses a part")]
mod stage;
mod stories;
mod traces;

use std::{env, path::Path, process::Command};

use remit_tests::nats::{NatsServer, Options};
use stage::{Up, is_running, log_of, remit, said};

/// The README's first minutes, then a drain, then a second start that goes on.
#[test]
fn a_node_serves_drains_and_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(folder.path(), &["--shards", "3", "--managers", "2"]);
    up.person(&["account", "open", "world", "--currency", "EUR", "--kind", "external"]);
    up.person(&["account", "open", "alice", "--currency", "EUR"]);
    up.person(&["account", "open", "s1:bob", "--currency", "EUR"]);
    let pay = |from, to, amount, protocol| {
        let sides = ["transfer", "submit", "--from", from, "--to", to, "--amount", amount, "--currency", "EUR"];
        up.json(&[sides.as_slice(), ["--protocol", protocol, "--memo", "rent"].as_slice()].concat())
    };
    let (status, deposit) = pay("world", "alice", "100.00", "saga");
    assert_eq!((status, deposit["status"].as_str()), (0, Some("completed")), "{deposit}");
    let mut last = String::new();
    for protocol in ["saga", "2pc", "events"] {
        let (status, transfer) = pay("alice", "s1:bob", "10.50", protocol);
        assert_eq!((status, transfer["status"].as_str()), (0, Some("completed")), "{transfer}");
        assert_eq!(transfer["legs"][1]["shard"], "s1");
        let (status, refused) = pay("s1:bob", "alice", "1000.00", protocol);
        assert_eq!((status, refused["reason"].as_str()), (1, Some("insufficient_funds")), "{refused}");
        last = refused["id"].as_str().unwrap().to_owned();
    }
    assert_eq!(up.json(&["account", "get", "s1:bob"]).1["posted"], 3_150);
    let (_, statement) = up.json(&["account", "statement", "alice"]);
    assert_eq!(statement["postings"].as_array().unwrap().len(), 4, "{statement}");
    assert_eq!(statement["postings"][0]["balance"], 10_000 - 3_150);
    let (_, list) = up.json(&["transfer", "list", "--account", "s1:bob", "--at-least", &last, "--wait-ms", "30000"]);
    assert_eq!(list["transfers"].as_array().unwrap().len(), 6);
    assert_eq!(up.json(&["audit", "--full"]).1["ok"], true);
    assert_eq!(up.json(&["shard", "list"]).1["shards"].as_array().unwrap().len(), 6);
    assert!(up.person(&["account", "get", "s1:bob"]).contains("31.50"));

    let broker = up.nats_pid().unwrap();
    up.stop();
    assert!(!is_running(broker), "the private broker ends with its node");

    let up = Up::start(folder.path(), &[]);
    assert_eq!(up.json(&["account", "get", "s1:bob"]).1["posted"], 3_150);
    let id = list["transfers"][0]["id"].as_str().unwrap();
    assert_eq!(up.json(&["transfer", "get", id]).1, list["transfers"][0], "a transfer is told the same for ever");
    assert_eq!(up.json(&["audit"]).1["ok"], true);
    up.stop();
}

#[test]
fn a_second_process_on_the_same_folder_is_refused_and_the_first_one_named() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(folder.path(), &["--shards", "1", "--managers", "1"]);
    let second = remit().arg("up").arg("--data").arg(up.data()).output().unwrap();
    assert!(!second.status.success());
    assert!(said(&second).contains(&format!("the process {}", up.pid())), "{}", said(&second));
    up.stop();
}

#[test]
fn a_setting_that_contradicts_the_deployment_is_refused_with_the_difference() {
    let folder = tempfile::tempdir().unwrap();
    Up::start(folder.path(), &["--shards", "2", "--managers", "1"]).stop();
    let other = remit().args(["up", "--shards", "3", "--data"]).arg(folder.path().join("data")).output().unwrap();
    assert!(!other.status.success());
    assert!(said(&other).contains("deployment.shards = 2"), "{}", said(&other));
}

/// R16: with a broker of its own a node makes a deployment only when told to, and never a second one of that name.
#[test]
fn r16_a_deployment_is_made_by_an_explicit_act() {
    let server = NatsServer::start();
    let (mine, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let url = ["--nats", server.url()];
    let refused = remit().args(["up", "--data"]).arg(mine.path().join("data")).args(url).output().unwrap();
    assert!(!refused.status.success() && said(&refused).contains("--create"), "{}", said(&refused));

    let small = ["--shards", "1", "--managers", "1"];
    let create = [url.as_slice(), &["--create"], &small].concat();
    let up = Up::start_with(mine.path(), &create);
    up.person(&["account", "open", "alice", "--currency", "EUR"]);
    // A second folder makes no second one: it would join, if not under the name of the node that is there.
    let refused = remit().args(["up", "--data"]).arg(other.path().join("data")).args(&create).output().unwrap();
    assert!(!refused.status.success() && said(&refused).contains("is running already"), "{}", said(&refused));
    up.stop();

    // Harmless where the folder already belongs to the deployment; and not needed.
    Up::start_with(mine.path(), &create).stop();
    let up = Up::start_with(mine.path(), &url);
    assert_eq!(up.json(&["account", "get", "alice"]).0, 0);
    up.stop();
}

/// A secured broker is a matter of settings, for the node and for the command line alike.
#[test]
fn a_broker_that_wants_a_password_or_a_token_gets_it_from_settings() {
    let secured = [
        ("user: ann, password: \"s3cret\"", vec![("REMIT__NATS__USER", "ann"), ("REMIT__NATS__PASSWORD", "s3cret")]),
        ("token: \"t0ken\"", vec![("REMIT__NATS__TOKEN", "t0ken")]),
    ];
    for (authorization, settings) in secured {
        let server = NatsServer::start_with(Options { authorization, ..Options::default() });
        let folder = tempfile::tempdir().unwrap();
        let create = ["--nats", server.url(), "--create", "--shards", "1", "--managers", "1"];
        let data = folder.path().join("data");
        let refused = remit().args(["up", "--data"]).arg(&data).args(create).output().unwrap();
        assert!(!refused.status.success(), "{}", said(&refused));
        assert!(said(&refused).contains(server.url()), "the message names the broker: {}", said(&refused));

        let up = Up::start_secured(folder.path(), &create, &settings);
        let open = ["--nats", server.url(), "account", "open", "alice", "--currency", "EUR"];
        let opened = remit().args(open).envs(settings).output().unwrap();
        assert!(opened.status.success(), "{}", said(&opened));
        up.stop();
    }
}

/// A missing database is money that is gone: the node does not make a new one in its place.
#[test]
fn r16_a_database_that_is_missing_is_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(folder.path(), &["--shards", "2", "--managers", "1"]);
    let data = up.data();
    up.stop();
    std::fs::remove_file(data.join("shards/s1.db")).unwrap();
    let refused = remit().args(["up", "--data"]).arg(&data).output().unwrap();
    assert!(!refused.status.success() && said(&refused).contains("s1.db is missing"), "{}", said(&refused));
}

#[test]
fn exit_statuses_tell_refused_from_wrong_usage_from_not_known() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(folder.path(), &["--shards", "1", "--managers", "1"]);
    let (status, error) = up.json(&["account", "get", "nobody"]);
    assert_eq!((status, error["error"]["code"].as_str()), (1, Some("account_not_found")), "{error}");
    assert_eq!(up.json(&["account", "open", "alice", "--colour", "red"]).0, 2);
    let url = up.url().to_owned();
    up.stop();
    let nobody = remit().args(["--nats", &url, "account", "get", "alice"]).output().unwrap();
    assert_eq!(nobody.status.code(), Some(3), "{}", said(&nobody));
}

/// A node that was killed leaves its broker behind; the next one copes, and every account is there.
#[test]
fn a_node_that_was_killed_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(folder.path(), &["--shards", "2", "--managers", "1"]);
    up.person(&["account", "open", "alice", "--currency", "EUR"]);
    up.kill();
    let up = Up::start(folder.path(), &[]);
    assert_eq!(up.json(&["account", "get", "alice"]).0, 0, "{}", log_of(folder.path()));
    up.stop();
}

/// A payroll file, imported twice: the second time moves nothing.
#[test]
fn an_import_that_is_run_again_moves_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(folder.path(), &["--shards", "2", "--managers", "1"]);
    let (accounts, payments) = (folder.path().join("accounts.csv"), folder.path().join("payments.csv"));
    std::fs::write(&accounts, "id,currency,kind\nworld,EUR,external\nalice,EUR,customer\nbob,EUR,customer\n").unwrap();
    let lines = "reference,from,to,amount,currency,memo\n\
                 d1,world,alice,100.00,EUR,deposit\np1,world,nobody,1.00,EUR,who\np2,world,bob,2.50,EUR,\n";
    std::fs::write(&payments, lines).unwrap();
    for _ in 0..2 {
        let import = ["import", payments.to_str().unwrap(), "--accounts", accounts.to_str().unwrap()];
        let (status, summary) = up.json(&import);
        assert_eq!(status, 1, "one of them is refused: {summary}");
        assert_eq!(up.json(&["account", "get", "alice"]).1["posted"], 10_000);
        assert_eq!(up.json(&["account", "get", "bob"]).1["posted"], 250);
    }
    let refused = std::fs::read_to_string(folder.path().join("payments.csv.refused.csv")).unwrap();
    assert!(refused.contains("account_not_found") && refused.lines().count() == 2, "{refused}");
    up.stop();
}

/// An official client, a SIGKILL in the middle, and the sums of the SQLite files: tests/python/new_user.py.
#[test]
fn a_new_users_afternoon_with_an_official_python_client() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/python/new_user.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_remit"))
        .args(["--transfers", "4000", "--accounts", "10"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    println!("{}", said(&output));
}
