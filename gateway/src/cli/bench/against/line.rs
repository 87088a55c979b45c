//! One form's figures: as a line for programs, and as a row of the table for people.

use comfy_table::Cell;
use remit_load::Report;
use serde::Serialize;

use super::{load::Measured, two_phase::Form};
use crate::cli::{
    bench,
    render::{self, count, hundredths},
};

/// What was measured, and how it was run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    against: &'static str,
    pub(super) form: Form,
    clients: u64,
    #[serde(flatten)]
    pub(super) report: Report,
    /// How often a transfer had to be tried again, since others had its accounts locked.
    tried_again: u64,
    pub(super) audit_ok: bool,
    accounts: u64,
    seconds: u64,
    skew: String,
}

impl Line {
    pub(super) fn new(form: Form, clients: u64, measured: Measured, audit_ok: bool, bench: &bench::Args) -> Self {
        let Measured { report, tried_again, .. } = measured;
        Self {
            against: "postgres",
            form,
            clients,
            report: Report {
                transfers_per_s: hundredths(report.transfers_per_s),
                p50_ms: hundredths(report.p50_ms),
                p90_ms: hundredths(report.p90_ms),
                p99_ms: hundredths(report.p99_ms),
                max_ms: hundredths(report.max_ms),
                ..report
            },
            tried_again,
            audit_ok,
            accounts: bench.accounts,
            seconds: bench.seconds,
            skew: bench.skew.to_string(),
        }
    }
}

/// One row for each.
pub(super) fn table(lines: &[Line]) -> String {
    let mut table = render::table([
        "PostgreSQL",
        "clients>",
        "transfers/s>",
        "p50 ms>",
        "p90 ms>",
        "p99 ms>",
        "max ms>",
        "completed>",
        "rejected>",
        "tried again>",
        "audit",
    ]);
    for line in lines {
        let report = &line.report;
        table.add_row([
            Cell::new(line.form.as_str()),
            Cell::new(count(line.clients)),
            Cell::new(format!("{:.0}", report.transfers_per_s)),
            Cell::new(report.p50_ms),
            Cell::new(report.p90_ms),
            Cell::new(report.p99_ms),
            Cell::new(report.max_ms),
            Cell::new(count(report.completed)),
            Cell::new(count(report.rejected)),
            Cell::new(count(line.tried_again)),
            if line.audit_ok { render::good("exact") } else { render::bad("NOT exact") },
        ]);
    }
    render::text(&table)
}
