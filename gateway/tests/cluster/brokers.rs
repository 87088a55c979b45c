//! What happens to the brokers, which are trusted with nothing: killed, and robbed of what they stored, one and all (R14, R17, R18).

use std::time::Instant;

use crate::{bank::Bank, deployment::Deployment, history, probe::Probe};

/// Ends between two blows.
const BETWEEN: usize = 60;

#[test]
fn the_broker_that_leads_most_streams_is_killed_and_comes_back() {
    hit("the busiest broker was killed", |deployment| {
        let busiest = deployment.brokers.busiest();
        deployment.brokers.kill(busiest);
        busiest
    });
}

#[test]
fn a_broker_that_lost_its_storage_gets_it_from_the_others() {
    hit("a broker lost its storage", |deployment| {
        let busiest = deployment.brokers.busiest();
        deployment.brokers.wipe(busiest);
        busiest
    });
}

/// Hits a broker twice, and brings it back each time.
fn hit(what: &str, blow: impl Fn(&mut Deployment) -> usize) {
    let mut deployment = Deployment::of(3);
    let bank = Bank::open(&deployment.brokers.url());
    let probe = Probe::start(&bank);
    for _ in 0..2 {
        bank.works_on(BETWEEN);
        probe.begins();
        let since = Instant::now();
        let broker = blow(&mut deployment);
        bank.serves_again(what, since);
        probe.shows(what, &deployment);
        deployment.brokers.restart(broker);
        deployment.brokers.settled();
        bank.serves_again("it is back", Instant::now());
    }
    ends(bank, deployment);
}

/// While the nodes' files live, nothing is lost.
#[test]
fn r18_all_brokers_lose_their_storage_and_nothing_is_lost() {
    let mut deployment = Deployment::of(3);
    let bank = Bank::open(&deployment.brokers.url());
    let probe = Probe::start(&bank);
    for _ in 0..2 {
        bank.works_on(BETWEEN);
        probe.begins();
        for broker in 0..deployment.brokers.count() {
            deployment.brokers.wipe(broker);
        }
        let since = Instant::now();
        for broker in 0..deployment.brokers.count() {
            deployment.brokers.restart(broker);
        }
        bank.serves_again("all brokers lost their storage", since);
        probe.shows("all brokers lost their storage", &deployment);
        deployment.settles();
    }
    ends(bank, deployment);
}

fn ends(bank: Bank, mut deployment: Deployment) {
    bank.close(&deployment);
    deployment.stops();
    history::is_one(&deployment);
}
