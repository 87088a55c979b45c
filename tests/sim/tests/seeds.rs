//! Seeds, fixed and fresh.
#![allow(clippy::unwrap_used, reason = "tests")]

use remit_sim::{Plan, simulate};

#[test]
fn try_some() {
    let from: u64 = std::env::var("FROM").map_or(0, |text| text.parse().unwrap());
    let count: u64 = std::env::var("COUNT").map_or(20, |text| text.parse().unwrap());
    let transfers: u64 = std::env::var("TRANSFERS").map_or(300, |text| text.parse().unwrap());
    let began = std::time::Instant::now();
    let mut sum = remit_sim::Counts::default();
    for seed in from..from + count {
        let outcome = simulate(&Plan::new(seed, transfers), false);
        sum.add(&outcome.counts);
        if let Some(violation) = &outcome.violation {
            println!("{}", Plan::new(seed, transfers));
            println!("{violation}");
            if count < 3 {
                for line in simulate(&Plan::new(seed, transfers), true).story {
                    println!("{line}");
                }
            }
        }
    }
    println!("{sum:?} {} ms", began.elapsed().as_millis());
}
