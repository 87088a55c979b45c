//! Nodes that go on after others have taken over what they ran: frozen ones, and ones that were cut off. What they do then must not
//! count, and they must find out (R12, R13).

use std::{thread::sleep, time::Instant};

use crate::{
    bank::{Bank, test},
    deployment::{Deployment, LEASE},
    history,
    probe::Probe,
};

/// Ends between two blows.
const BETWEEN: usize = 60;
/// Rounds, so that it is hit at different points of its work.
const ROUNDS: usize = 2;

#[test]
fn r12_a_node_that_was_frozen_writes_nothing_under_its_old_claims() {
    let mut deployment = Deployment::of(3);
    let bank = Bank::open(&deployment.brokers.url());
    let probe = Probe::start(&bank);
    for _ in 0..ROUNDS {
        bank.works_on(BETWEEN);
        let ran = deployment.runs("n2");
        probe.begins();
        let since = Instant::now();
        deployment.freeze("n2");
        sleep(3 * LEASE);
        taken_over(&deployment, "n2", &ran);
        deployment.thaw("n2");
        bank.serves_again("n2 was frozen", since);
        probe.shows("n2 was frozen", &deployment);
        goes_on(&bank, &deployment);
    }
    bank.close(&deployment);
    deployment.stops();
    history::is_one(&deployment);
}

/// What was on its way to the brokers arrives when the way is open again: appends under claims that are over.
#[test]
fn r12_a_node_that_was_cut_off_writes_nothing_under_its_old_claims() {
    let mut deployment = Deployment::found();
    deployment.joins_behind_proxy("n2");
    deployment.joins("n3");
    deployment.settles();
    let bank = Bank::open(&deployment.brokers.url());
    let probe = Probe::start(&bank);
    for _ in 0..ROUNDS {
        bank.works_on(BETWEEN);
        let ran = deployment.runs("n2");
        probe.begins();
        let since = Instant::now();
        deployment.way("n2").cut();
        sleep(3 * LEASE);
        taken_over(&deployment, "n2", &ran);
        deployment.way("n2").heal();
        bank.serves_again("n2 was cut off", since);
        probe.shows("n2 was cut off", &deployment);
        goes_on(&bank, &deployment);
    }
    bank.close(&deployment);
    deployment.stops();
    history::is_one(&deployment);
}

fn taken_over(deployment: &Deployment, node: &str, ran: &[String]) {
    assert!(!ran.is_empty());
    let others: Vec<String> = deployment.running().into_iter().filter(|name| name != node).collect();
    deployment.settles_on(&others);
}

/// All share the work again, and the databases tell one history also while they are in use.
fn goes_on(bank: &Bank, deployment: &Deployment) {
    deployment.settles();
    bank.works_on(BETWEEN);
    let refused: Vec<_> = deployment.shards().into_iter().map(|shard| (shard.id, shard.node, shard.refused)).collect();
    println!("{}: refused appends: {refused:?}", test());
    history::is_one(deployment);
}
