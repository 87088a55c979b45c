//! The planted bugs of the core that a small world can come across: each breaks a law of the model.
//!
//! `cargo test -p remit-model --features mutants --test mutants`. For each it prints the shortest way to where it shows. The
//! other planted bugs are in what surrounds the core's functions, which the model does not have.
//!
//! Without the feature there is nothing here. The manifest does not say so, since `--test '*'` would fail on it.
#![cfg(feature = "mutants")]

use remit_core::{
    mutant::{Mutant, plant},
    protocol::Protocol,
};
use remit_model::{
    check::{check, tell},
    plan::{CHAIN, EDGE, PAIR, Plan, RIVALS, SPLIT},
};

/// Nothing but messages, lost or doubled or late, and retries.
const fn kind(plan: Plan) -> Plan {
    Plan { crash: false, deadline: false, freezes: None, ..plan }
}

/// The same, and a deadline.
const fn late(plan: Plan) -> Plan {
    Plan { deadline: true, ..kind(plan) }
}

/// Each planted bug with the smallest world that shows it, and the law that it breaks there.
const PLANTED: [(Mutant, Plan, &str, &str); 11] = [
    (Mutant::NoTombstone, late(PAIR), "saga", "an end fits every leg"),
    (Mutant::RefusalNotRecorded, late(RIVALS), "saga", "an end fits every leg"),
    (Mutant::NoRoomKept, kind(EDGE), "2pc", "room is kept for every undo and post"),
    (Mutant::FrozenRefusesUndos, Plan { crash: false, ..PAIR }, "saga", "an end fits every leg"),
    (Mutant::IncomingIsAvailable, kind(CHAIN), "2pc", "no customer is below zero, holds included"),
    (Mutant::SilenceIsANo, late(PAIR), "saga", "an end fits every leg"),
    (Mutant::PivotNotCancelled, late(PAIR), "saga", "an end fits every leg"),
    (Mutant::LateSuccessIgnored, late(PAIR), "saga", "an end fits every leg"),
    (Mutant::AbortNotRecorded, Plan { crash: true, ..late(PAIR) }, "2pc", "a decision fits every leg"),
    (Mutant::EndBeforePosts, kind(SPLIT), "saga", "an end fits every leg"),
    (Mutant::PokedTooFar, kind(PAIR), "events", "an end fits every leg"),
];

/// One test, since a planted bug is the whole process's.
#[test]
fn every_planted_bug_breaks_a_law() {
    let mut wrong = Vec::new();
    for (mutant, plan, protocol, law) in PLANTED {
        let protocol = Protocol::parse(protocol).unwrap();
        plant(None);
        let findings = check(plan, protocol);
        if !findings.is_clean() {
            wrong.push(format!("without a planted bug: {findings}"));
        }
        plant(Some(mutant));
        tell(&format!("with {mutant:?}, which breaks: {law}"));
        let findings = check(plan, protocol);
        if !findings.broken.iter().any(|(broken, _)| *broken == law) {
            wrong.push(format!("{mutant:?} should break {law:?}: {findings}"));
        }
    }
    plant(None);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
