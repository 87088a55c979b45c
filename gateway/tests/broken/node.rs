//! What happens to the node.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use remit_tests::nats::NatsServer;

use crate::{
    bank::Bank,
    deployment::{Deployment, JETSTREAM, LOCAL},
};

/// How often it is killed.
const KILLS: usize = 4;
/// Ends between two blows, so that each hits a node in full swing.
const BETWEEN: usize = 150;
/// How long it stands still.
const FROZEN: Duration = Duration::from_secs(5);

fn killed_again_and_again(mut deployment: Deployment) {
    let bank = Bank::open(deployment.up().url());
    for _ in 0..KILLS {
        bank.works_on(BETWEEN);
        deployment.kill();
        let since = Instant::now();
        deployment.starts();
        bank.serves_again("the node was killed", since);
    }
    bank.close(&deployment);
    deployment.stop();
}

#[test]
fn a_node_that_is_killed_again_and_again_loses_nothing() {
    killed_again_and_again(Deployment::private(LOCAL));
}

#[test]
fn a_node_on_an_external_broker_that_is_killed_again_and_again_loses_nothing() {
    let server = NatsServer::start();
    killed_again_and_again(Deployment::on(&server, JETSTREAM));
}

#[test]
fn a_node_that_was_frozen_goes_on() {
    let deployment = Deployment::private(JETSTREAM);
    let bank = Bank::open(deployment.up().url());
    for _ in 0..2 {
        bank.works_on(BETWEEN);
        deployment.up().freeze();
        sleep(FROZEN);
        deployment.up().thaw();
        let since = Instant::now();
        bank.serves_again("the node was frozen", since);
    }
    bank.close(&deployment);
    deployment.stop();
}
