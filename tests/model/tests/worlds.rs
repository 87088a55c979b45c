//! Every small world under every protocol: all laws hold in all of its states.
//!
//! Nothing is cut short: each search goes on until it knows every state. What bounds the worlds is in their plans (one or
//! two transfers, two shards, one crash of the manager); messages, retries, deadlines and the crashes of shards are not
//! bounded. Each world prints a line: how many states it has, the longest way that the search took to one (which differs a
//! little from run to run), and the time.

use remit_core::protocol::Protocol;
use remit_model::{check::check, plan::Plan};

fn every_world_of(protocol: &str) {
    let protocol = Protocol::parse(protocol).expect("a protocol");
    let findings = Plan::ALL.map(|plan| check(plan, protocol));
    let broken: Vec<_> = findings.iter().filter(|findings| !findings.is_clean()).map(ToString::to_string).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_state_of_sagas() {
    every_world_of("saga");
}

#[test]
fn every_state_of_two_phase_commits() {
    every_world_of("2pc");
}

#[test]
fn every_state_of_events() {
    every_world_of("events");
}
