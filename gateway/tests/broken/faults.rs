//! Faults that the node puts in itself, by setting: a slow disk, commits that fail or are not heard of, and frames that are
//! lost, doubled and late, all at once and all the time.

use std::time::Instant;

use crate::{
    bank::Bank,
    deployment::{Deployment, JETSTREAM, LOCAL},
};

/// Ends that are waited for while it goes wrong.
const ENDS: usize = 400;

fn works_through(mut deployment: Deployment) {
    let bank = Bank::open(deployment.up().url());
    bank.works_on(ENDS);
    assert!(deployment.log().contains("things go wrong here on purpose"), "{}", deployment.log());
    // The proof asks for answers, and some of these would be lost as well: the trial ends first.
    deployment.kill();
    let since = Instant::now();
    deployment.starts_without_settings();
    bank.serves_again("the trial is over", since);
    bank.close(&deployment);
    deployment.stop();
}

#[test]
fn a_slow_disk_costs_time_alone() {
    let slow = Deployment::new(LOCAL)
        .with("REMIT__FAULTS__COMMITS_SLOW_PER_MILLION", 50_000)
        .with("REMIT__FAULTS__SLOW_MS_MAX", 400);
    works_through(slow.start());
}

#[test]
fn frames_and_commits_that_fail_all_the_time_cost_time_alone() {
    let faulty = Deployment::new(JETSTREAM)
        .with("REMIT__FAULTS__SEED", 7)
        .with("REMIT__FAULTS__FRAMES_LOST_PER_MILLION", 20_000)
        .with("REMIT__FAULTS__FRAMES_DOUBLED_PER_MILLION", 50_000)
        .with("REMIT__FAULTS__FRAMES_LATE_PER_MILLION", 100_000)
        .with("REMIT__FAULTS__LATE_MS_MAX", 500)
        .with("REMIT__FAULTS__COMMITS_FAILED_PER_MILLION", 300)
        .with("REMIT__FAULTS__COMMITS_UNHEARD_PER_MILLION", 300);
    works_through(faulty.start());
}
