//! Nodes that fail: what they ran is served elsewhere, and when they come back they take their share again.

use std::time::Instant;

use crate::{bank::Bank, deployment::Deployment, history, probe::Probe};

/// Ends between two blows.
const BETWEEN: usize = 60;

#[test]
fn what_a_killed_node_ran_is_served_elsewhere() {
    let mut deployment = Deployment::of(3);
    let bank = Bank::open(&deployment.brokers.url());
    let probe = Probe::start(&bank);
    for node in ["n2", "n1"] {
        bank.works_on(BETWEEN);
        println!("{node} ran {:?}", deployment.runs(node));
        probe.begins();
        let since = Instant::now();
        deployment.kill(node);
        bank.serves_again(&format!("{node} was killed"), since);
        probe.shows(&format!("{node} was killed"), &deployment);
        deployment.settles();
        deployment.starts(node);
        deployment.settles();
    }
    ends(bank, deployment);
}

/// What the dead ones ran was claimed by them, and the living one has, or gets from the streams, all of it.
#[test]
fn the_last_node_serves_everything_and_the_others_come_back() {
    let mut deployment = Deployment::of(3);
    let bank = Bank::open(&deployment.brokers.url());
    let probe = Probe::start(&bank);
    bank.works_on(BETWEEN);
    probe.begins();
    let since = Instant::now();
    deployment.kill("n1");
    deployment.kill("n2");
    bank.serves_again("all but one were killed", since);
    probe.shows("all but one were killed", &deployment);
    bank.works_on(BETWEEN);
    deployment.starts("n1");
    deployment.starts("n2");
    deployment.settles();
    bank.works_on(BETWEEN);
    ends(bank, deployment);
}

fn ends(bank: Bank, mut deployment: Deployment) {
    bank.close(&deployment);
    deployment.stops();
    history::is_one(&deployment);
}
