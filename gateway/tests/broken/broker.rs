//! What happens to the broker, which is trusted with nothing.

use std::{
    fs,
    path::Path,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use remit_tests::nats::NatsServer;

use crate::{
    bank::{Bank, PATIENCE},
    deployment::{Deployment, JETSTREAM},
};

/// Ends between two blows, so that each hits a broker in full swing.
const BETWEEN: usize = 150;
/// How long it is frozen, or away.
const AWAY: Duration = Duration::from_secs(4);

#[test]
fn a_broker_that_was_frozen_goes_on() {
    let server = NatsServer::start();
    let deployment = Deployment::on(&server, JETSTREAM);
    let bank = Bank::open(server.url());
    for _ in 0..2 {
        bank.works_on(BETWEEN);
        server.freeze();
        sleep(AWAY);
        server.thaw();
        let since = Instant::now();
        bank.serves_again("the broker was frozen", since);
    }
    bank.close(&deployment);
    deployment.stop();
}

#[test]
fn a_broker_that_is_killed_and_comes_back_is_used_again() {
    let mut server = NatsServer::start();
    let deployment = Deployment::on(&server, JETSTREAM);
    let bank = Bank::open(server.url());
    for away in [Duration::ZERO, AWAY, Duration::ZERO] {
        bank.works_on(BETWEEN);
        server.kill();
        sleep(away);
        let since = Instant::now();
        server.restart();
        bank.serves_again("the broker was killed", since);
    }
    bank.close(&deployment);
    deployment.stop();
}

#[test]
fn a_private_broker_that_is_killed_is_brought_back_by_its_node() {
    let deployment = Deployment::private(JETSTREAM);
    let bank = Bank::open(deployment.up().url());
    for _ in 0..3 {
        bank.works_on(BETWEEN);
        let broker = deployment.up().nats_pid().unwrap();
        kill(Pid::from_raw(broker), Signal::SIGKILL).unwrap();
        let since = Instant::now();
        bank.serves_again("the private broker was killed", since);
        assert_ne!(deployment.up().nats_pid(), Some(broker));
    }
    assert_eq!(deployment.log().matches("nats-server died").count(), 3, "{}", deployment.log());
    bank.close(&deployment);
    deployment.stop();
}

#[test]
fn a_broker_whose_storage_is_deleted_under_load_starts_again_empty() {
    let mut server = NatsServer::start();
    let deployment = Deployment::on(&server, JETSTREAM);
    let bank = Bank::open(server.url());
    for _ in 0..2 {
        bank.works_on(BETWEEN);
        delete_tree(&server.storage().join("jetstream"));
        let since = Instant::now();
        server.restart();
        bank.serves_again("the broker's storage was deleted", since);
    }
    bank.close(&deployment);
    deployment.stop();
}

#[test]
fn a_private_broker_whose_storage_is_deleted_under_it_is_used_again() {
    let deployment = Deployment::private(JETSTREAM);
    let bank = Bank::open(deployment.up().url());
    bank.works_on(BETWEEN);
    delete_tree(&deployment.data().join("nats/jetstream"));
    let broker = deployment.up().nats_pid().unwrap();
    kill(Pid::from_raw(broker), Signal::SIGKILL).unwrap();
    let since = Instant::now();
    bank.serves_again("the private broker's storage was deleted", since);
    bank.close(&deployment);
    deployment.stop();
}

/// A restore brings back frames that were acknowledged long ago, and forgets those that came since.
#[test]
fn a_broker_that_is_restored_from_an_older_copy_confuses_nobody() {
    let mut server = NatsServer::start();
    let deployment = Deployment::on(&server, JETSTREAM);
    let bank = Bank::open(server.url());
    bank.works_on(BETWEEN);
    let copy = tempfile::tempdir().unwrap();
    copy_tree(&server.storage(), &copy.path().join("store"));
    bank.works_on(2 * BETWEEN);
    for _ in 0..2 {
        server.wipe();
        copy_tree(&copy.path().join("store"), &server.storage());
        let since = Instant::now();
        server.restart();
        bank.serves_again("the broker was restored from an older copy", since);
        bank.works_on(BETWEEN);
    }
    bank.close(&deployment);
    deployment.stop();
}

/// Deletes a folder in which a server goes on making files.
fn delete_tree(folder: &Path) {
    let began = Instant::now();
    while let Err(error) = fs::remove_dir_all(folder) {
        if !folder.exists() {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{}: {error}", folder.display());
    }
}

/// Copies a folder that is in use, as a hasty operator would: a file that vanishes meanwhile is left out.
fn copy_tree(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-r").arg(from).arg(to).output().unwrap();
    let said = String::from_utf8_lossy(&copied.stderr);
    assert!(said.lines().all(|line| line.contains("No such file")), "{said}");
}
