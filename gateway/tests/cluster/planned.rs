//! What operators plan: nodes join, are started anew one by one, and are drained. Nobody's request fails.

use crate::{
    bank::{Bank, test},
    deployment::Deployment,
    history,
    probe::Probe,
};

/// Ends between two steps, so that each hits a deployment in full swing.
const BETWEEN: usize = 60;

/// Shards move one by one, and requests wait rather than fail.
#[test]
fn nodes_that_join_take_their_share_and_no_request_fails() {
    let mut deployment = Deployment::found();
    let bank = Bank::open(&deployment.brokers.url());
    let probe = Probe::start(&bank);
    bank.works_on(BETWEEN);
    for node in ["n2", "n3"] {
        probe.begins();
        deployment.joins(node);
        deployment.settles();
        bank.works_on(BETWEEN);
        probe.shows(&format!("{node} joined"), &deployment);
        unfailing(&bank);
    }
    ends(bank, deployment);
}

#[test]
fn nodes_that_are_started_anew_one_by_one_fail_no_request() {
    let mut deployment = Deployment::of(3);
    let bank = Bank::open(&deployment.brokers.url());
    let probe = Probe::start(&bank);
    for node in ["n1", "n2", "n3"] {
        bank.works_on(BETWEEN);
        probe.begins();
        deployment.stop(node);
        bank.works_on(BETWEEN);
        deployment.starts(node);
        deployment.settles();
        probe.shows(&format!("{node} was started anew"), &deployment);
        unfailing(&bank);
    }
    ends(bank, deployment);
}

#[test]
fn nodes_are_added_and_drained_and_no_request_fails() {
    let mut deployment = Deployment::of(3);
    let bank = Bank::open(&deployment.brokers.url());
    let probe = Probe::start(&bank);
    bank.works_on(BETWEEN);
    probe.begins();
    deployment.joins("n4");
    deployment.joins("n5");
    deployment.settles();
    bank.works_on(BETWEEN);
    probe.shows("n4 and n5 joined", &deployment);
    unfailing(&bank);
    for node in ["n1", "n4"] {
        probe.begins();
        let (status, drained) = deployment.json(&["node", "drain", node]);
        assert_eq!(status, 0, "{drained}");
        assert_eq!(deployment.runs(node), Vec::<String>::new());
        bank.works_on(BETWEEN);
        probe.shows(&format!("{node} was drained"), &deployment);
        unfailing(&bank);
    }
    let stay = ["n2", "n3", "n5"].map(str::to_owned);
    deployment.settles_on(&stay);
    for node in ["n1", "n4"] {
        deployment.stop(node);
    }
    bank.works_on(BETWEEN);
    unfailing(&bank);
    ends(bank, deployment);
}

/// No client was refused or left without an answer.
fn unfailing(bank: &Bank) {
    bank.complain();
    let failed = bank.ledger.book.lock().failed.clone();
    assert!(failed.is_empty(), "{}: {failed}; {}", test(), bank.ledger.told());
}

fn ends(bank: Bank, mut deployment: Deployment) {
    bank.close(&deployment);
    deployment.stops();
    history::is_one(&deployment);
}
