//! What was measured of one script under one protocol: as a line for programs, and as a row of the table for people.

use comfy_table::Cell;
use remit_api::transfer::Status;
use remit_core::protocol::Protocol;
use serde::Serialize;

use super::{Args, measure::Measured, script::Script};
use crate::cli::render::{self, as_f64, count, hundredths};

/// The figures, and how they were come by.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    script: &'static str,
    protocol: Protocol,
    peak_transfers_per_s: Option<f64>,
    transfers_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    messages_per_transfer: f64,
    frames_per_transfer: f64,
    flushes_per_transfer: f64,
    /// The share that did not complete: 0 to 1.
    abort_rate: f64,
    held_or_in_transit_s: f64,
    blocked: u64,
    /// `None`: nobody was away.
    recovery_s: Option<f64>,
    completed: u64,
    rejected: u64,
    compensated: u64,
    /// Not settled in time, or refused at the door.
    unknown: u64,
    /// What the script did, the time before the load included.
    frames_lost: u64,
    frames_doubled: u64,
    pub(super) audit_ok: bool,
    #[serde(flatten)]
    options: Options,
}

/// How it was run.
#[derive(Clone, Debug, Serialize)]
struct Options {
    shards: u16,
    managers: u16,
    accounts: u64,
    legs: u64,
    rate: u64,
    seconds: u64,
    away_seconds: u64,
    deadline_ms: u64,
    clients: u64,
    batch: u64,
    hops: String,
    commit: String,
    seed: u64,
}

impl Line {
    pub(super) fn new(script: Script, protocol: Protocol, measured: &Measured, args: &Args) -> Self {
        let Measured { timeline, window, .. } = measured;
        let each = |total: u64| hundredths(as_f64(total) / as_f64(timeline.lives.len().max(1) as u64));
        let [p50_ms, p99_ms] = timeline.latencies_ms([50, 99]).map(hundredths);
        Self {
            script: script.as_str(),
            protocol,
            peak_transfers_per_s: measured.peak_per_s.map(hundredths),
            transfers_per_s: hundredths(timeline.completed_per_s(window.from, window.to)),
            p50_ms,
            p99_ms,
            messages_per_transfer: each(measured.messages),
            frames_per_transfer: each(measured.frames),
            flushes_per_transfer: each(measured.commits),
            abort_rate: fine(timeline.aborted()),
            held_or_in_transit_s: fine(measured.tied.seconds_of(timeline.moved())),
            blocked: timeline.blocked(|life| script.hits(life)),
            recovery_s: script.has_window().then(|| hundredths(timeline.recovery(window.to).as_secs_f64())),
            completed: timeline.count(Some(Status::Completed)),
            rejected: timeline.count(Some(Status::Rejected)),
            compensated: timeline.count(Some(Status::Compensated)),
            unknown: timeline.count(None),
            frames_lost: measured.frames_lost,
            frames_doubled: measured.frames_doubled,
            audit_ok: measured.audit_ok,
            options: Options {
                shards: measured.shards,
                managers: measured.managers,
                accounts: args.accounts,
                legs: args.legs,
                rate: args.rate,
                seconds: args.seconds,
                away_seconds: args.away_seconds,
                deadline_ms: args.deadline_ms,
                clients: args.clients,
                batch: args.batch,
                hops: args.node.hops.clone(),
                commit: args.node.commit().to_owned(),
                seed: args.seed,
            },
        }
    }
}

/// One row for each.
pub(super) fn table(lines: &[Line]) -> String {
    let mut table = render::table([
        "script",
        "protocol",
        "peak/s>",
        "transfers/s>",
        "p50 ms>",
        "p99 ms>",
        "messages>",
        "flushes>",
        "aborted %>",
        "held s>",
        "blocked>",
        "recovery s>",
        "audit",
    ]);
    let whole = |number: f64| format!("{number:.0}");
    for line in lines {
        let audit = if line.audit_ok { render::good("exact") } else { render::bad("NOT exact") };
        table.add_row([
            Cell::new(line.script),
            Cell::new(line.protocol),
            render::or_dash(line.peak_transfers_per_s.map(whole)),
            Cell::new(whole(line.transfers_per_s)),
            Cell::new(format!("{:.1}", line.p50_ms)),
            Cell::new(format!("{:.1}", line.p99_ms)),
            Cell::new(format!("{:.1}", line.messages_per_transfer)),
            Cell::new(format!("{:.2}", line.flushes_per_transfer)),
            Cell::new(format!("{:.1}", line.abort_rate * 100.0)),
            Cell::new(format!("{:.4}", line.held_or_in_transit_s)),
            Cell::new(count(line.blocked)),
            render::or_dash(line.recovery_s.map(|seconds| format!("{seconds:.1}"))),
            audit,
        ]);
    }
    render::text(&table)
}

/// To a ten-thousandth: for what is a small part of one.
fn fine(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}
