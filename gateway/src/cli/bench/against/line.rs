//! One form's figures: as a line for programs, and as a row of the table for people.

use comfy_table::Cell;
use serde::Serialize;

use super::{load::Measured, two_phase::Form};
use crate::cli::{
    bench::line::rounded,
    render::{self, count},
};

/// What was measured, and how it was run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    against: &'static str,
    pub(super) form: Form,
    pub(super) clients: u64,
    pub(super) transfers_per_s: f64,
    pub(super) p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    completed: u64,
    rejected: u64,
    /// Given up, undone: their accounts were locked each time.
    unknown: u64,
    /// How often a transfer had to be tried again, since others had its accounts locked.
    tried_again: u64,
    pub(super) audit_ok: bool,
    accounts: u64,
    seconds: u64,
    skew: String,
}

impl Line {
    pub(super) fn new(
        form: Form,
        clients: u64,
        measured: &Measured,
        audit_ok: bool,
        bench: &super::super::Args,
    ) -> Self {
        let report = &measured.report;
        Self {
            against: "postgres",
            form,
            clients,
            transfers_per_s: rounded(report.transfers_per_s),
            p50_ms: rounded(report.p50_ms),
            p90_ms: rounded(report.p90_ms),
            p99_ms: rounded(report.p99_ms),
            max_ms: rounded(report.max_ms),
            completed: report.completed,
            rejected: report.rejected,
            unknown: report.unknown,
            tried_again: measured.tried_again,
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
        table.add_row([
            Cell::new(line.form.as_str()),
            Cell::new(count(line.clients)),
            Cell::new(format!("{:.0}", line.transfers_per_s)),
            Cell::new(line.p50_ms),
            Cell::new(line.p90_ms),
            Cell::new(line.p99_ms),
            Cell::new(line.max_ms),
            Cell::new(count(line.completed)),
            Cell::new(count(line.rejected)),
            Cell::new(count(line.tried_again)),
            if line.audit_ok { render::good("exact") } else { render::bad("NOT exact") },
        ]);
    }
    render::text(&table)
}
