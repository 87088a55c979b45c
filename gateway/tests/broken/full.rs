//! Disks that fill up or turn read-only, and recover.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use remit_tests::nats::NatsServer;

use crate::{
    bank::Bank,
    deployment::{Deployment, JETSTREAM, LOCAL},
    stage::is_running,
};

/// Ends before the blow, so that it hits a node in full swing.
const BETWEEN: usize = 200;
/// How long a disk stays as it was made: longer than an actor is restarted at short pauses.
const BROKEN: Duration = Duration::from_secs(8);
const RESERVE: &str = "REMIT__STORE__RESERVE_BYTES";
const MIB: u64 = 1 << 20;

/// The door refuses what is new before a commit fails; what is under way ends, and all that is known is answered.
#[test]
fn near_a_full_disk_the_door_refuses_what_is_new_and_what_is_under_way_ends() {
    let server = NatsServer::start();
    let deployment = Deployment::new(LOCAL).using(&server).with(RESERVE, 32 * MIB);
    let deployment = deployment.on_disk("data", 256).start();
    let disk = deployment.disk();
    let bank = Bank::open(server.url());
    bank.works_on(BETWEEN);
    disk.fill(24);
    bank.until("what is new is refused", || bank.ledger.book.lock().overloaded.0 >= 50);
    let refusal = bank.ledger.book.lock().overloaded.1.clone();
    assert!(refusal.contains("nearly full") && refusal.contains("nothing was recorded"), "{refusal}");
    let (status, refused) = deployment.up().json(&["account", "open", "late", "--currency", "EUR"]);
    assert_eq!((status, refused["error"]["code"].as_str()), (1, Some("overloaded")), "{refused}");
    bank.sees_the_ends_of_what_is_known();
    disk.free_up();
    let since = Instant::now();
    bank.serves_again("the disk of the databases was nearly full", since);
    let log = deployment.log();
    assert!(log.contains("nothing new is taken") && log.contains("takes what is new"), "{log}");
    assert!(!log.contains("actor failed"), "{log}");
    bank.close(&deployment);
    deployment.stop();
}

/// Without a reserve commits fail: actors are set aside, tried again all the time, and come back by themselves.
#[test]
fn a_disk_that_is_full_to_the_last_byte_takes_the_actors_down_until_it_has_room() {
    let server = NatsServer::start();
    let deployment = Deployment::new(LOCAL).using(&server).with(RESERVE, 0);
    let deployment = deployment.on_disk("data", 192).start();
    let disk = deployment.disk();
    let bank = Bank::open(server.url());
    bank.works_on(BETWEEN);
    disk.full_while(|| {
        bank.until("an actor is set aside", || deployment.log().contains("actor quarantined"));
        sleep(BROKEN);
    });
    disk.free_up();
    let since = Instant::now();
    bank.serves_again("the disk of the databases was full", since);
    bank.close(&deployment);
    deployment.stop();
}

/// One disk for all: databases, the private broker with its log, and the node's own log.
#[test]
fn a_disk_under_everything_fills_up_and_the_process_survives() {
    let deployment = Deployment::new(JETSTREAM)
        .with(RESERVE, 0)
        .with("REMIT__BUS__STREAM_BYTES_MAX", 16 * MIB)
        .with("REMIT__BUS__FRAME_STREAMS", 2);
    let deployment = deployment.on_disk("", 256).start();
    let disk = deployment.disk();
    let bank = Bank::open(deployment.up().url());
    let node = deployment.up().pid().try_into().unwrap();
    bank.works_on(BETWEEN);
    disk.full_while(|| sleep(BROKEN));
    disk.free_up();
    let since = Instant::now();
    bank.serves_again("the disk under everything was full", since);
    assert!(is_running(node), "the process that had no room for its log lives on");
    bank.close(&deployment);
    deployment.stop();
}

/// After a write that its disk refused, nats-server stores nothing more in a stream, also when there is room again.
#[test]
fn the_brokers_disk_fills_up_and_its_streams_are_made_anew() {
    let deployment =
        Deployment::new(JETSTREAM).with("REMIT__BUS__STREAM_BYTES_MAX", 16 * MIB).with("REMIT__BUS__FRAME_STREAMS", 2);
    let deployment = deployment.on_disk("data/nats", 128).start();
    let disk = deployment.disk();
    let bank = Bank::open(deployment.up().url());
    bank.works_on(BETWEEN);
    disk.full_while(|| {
        bank.until("a dead stream is noticed", || deployment.log().contains("a stream stores nothing"));
        sleep(BROKEN / 2);
    });
    disk.free_up();
    let since = Instant::now();
    bank.serves_again("the broker's disk was full", since);
    bank.close(&deployment);
    deployment.stop();
}

/// The kernel turns a disk read-only by itself when it errs. Here it must first fill up, so that the actors let go of it.
#[test]
fn a_disk_that_turns_read_only_and_back_is_used_again() {
    let server = NatsServer::start();
    let deployment = Deployment::new(LOCAL).using(&server).with(RESERVE, 0);
    let deployment = deployment.on_disk("data/shards", 192).start();
    let disk = deployment.disk();
    let bank = Bank::open(server.url());
    bank.works_on(BETWEEN);
    disk.full_while(|| disk.turn_read_only());
    bank.until("what is new is refused", || bank.ledger.book.lock().overloaded.1.contains("read-only"));
    sleep(BROKEN);
    disk.turn_writable();
    disk.free_up();
    let since = Instant::now();
    bank.serves_again("the disk of the shards was read-only", since);
    bank.close(&deployment);
    deployment.stop();
}
