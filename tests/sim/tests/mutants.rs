//! Planted bugs, each of which must be caught.
#![cfg(feature = "mutants")]
#![allow(clippy::unwrap_used, reason = "tests")]

use remit_core::mutant::{Mutant, plant};
use remit_sim::Campaign;

#[test]
fn try_all() {
    std::panic::set_hook(Box::new(|_| {}));
    let only = std::env::var("MUTANT").ok();
    for mutant in Mutant::ALL {
        if only.as_ref().is_some_and(|only| *only != format!("{mutant:?}")) {
            continue;
        }
        plant(Some(mutant));
        let campaign = Campaign { seeds: (0..300).collect(), transfers: 300, threads: 2 };
        let began = std::time::Instant::now();
        let report = campaign.run(&|_| ());
        let ms = began.elapsed().as_millis();
        match report.failed {
            Some((seed, outcome)) => println!("{mutant:?}: seed {seed}, {ms} ms: {}", outcome.violation.unwrap()),
            None => println!("{mutant:?}: NOT CAUGHT in {} seeds, {ms} ms", report.seeds),
        }
    }
}
