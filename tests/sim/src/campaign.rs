//! Many seeds, side by side.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
};

use parking_lot::Mutex;

use crate::{Counts, Plan, Run, simulate};

/// Which seeds are run, and how.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// The seeds.
    pub seeds: Vec<u64>,
    /// Transfers for each.
    pub transfers: u64,
    /// What is set otherwise than the seeds draw it.
    pub tune: fn(&mut Plan),
    /// How many are run side by side.
    pub threads: usize,
}

/// What many seeds have come to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Seeds that were run.
    pub seeds: u64,
    /// What happened in all of them.
    pub counts: Counts,
    /// The least seed that failed, in the order of the list, with what it came to.
    pub failed: Option<(u64, Run)>,
}

impl Campaign {
    /// Runs them all, or up to the first that fails; `ran` is told after each.
    pub fn run(&self, ran: &(dyn Fn(u64) + Sync)) -> Report {
        let report = Mutex::new((usize::MAX, Report::default()));
        let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let work = || {
            while !stop.load(Relaxed) {
                let Ok(at) = usize::try_from(next.fetch_add(1, Relaxed)) else { return };
                let Some(seed) = self.seeds.get(at) else { return };
                let mut plan = Plan::new(*seed, self.transfers);
                (self.tune)(&mut plan);
                let run = simulate(&plan, false);
                let mut report = report.lock();
                report.1.seeds += 1;
                report.1.counts.add(&run.counts);
                ran(report.1.seeds);
                if run.violation.is_some() && at < report.0 {
                    stop.store(true, Relaxed);
                    report.0 = at;
                    report.1.failed = Some((*seed, run));
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..self.threads.max(1) {
                scope.spawn(work);
            }
            work();
        });
        report.into_inner().1
    }
}
