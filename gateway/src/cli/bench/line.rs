//! One protocol's figures: as a line for programs, and as a row of the table for people.

use std::time::Duration;

use comfy_table::Cell;
use remit_core::protocol::Protocol;
use remit_load::Report;
use serde::Serialize;

use super::subject::Used;
use crate::cli::render::{self, as_f64, count, hundredths};

/// What was measured, and how it was run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    pub(super) protocol: Protocol,
    pub(super) transfers_per_s: f64,
    pub(super) p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    completed: u64,
    rejected: u64,
    compensated: u64,
    /// Not settled in time, or refused at the door.
    unknown: u64,
    cpu_us_per_transfer: Option<f64>,
    disk_bytes_per_transfer: Option<f64>,
    flushes_per_transfer: Option<f64>,
    peak_memory_bytes: Option<u64>,
    pub(super) audit_ok: bool,
    #[serde(flatten)]
    options: Options,
    /// Of several nodes.
    #[serde(flatten)]
    shared: Option<Shared>,
}

/// What several nodes are, and what of the costs is whose; of each transfer.
#[derive(Clone, Debug, Serialize)]
struct Shared {
    nodes: u16,
    /// The streams that frames between actors are spread over.
    frame_streams: u16,
    load_cpu_us_per_transfer: Option<f64>,
    broker_cpu_us_per_transfer: Option<f64>,
    /// Messages of ledger streams.
    appends_per_transfer: Option<f64>,
    /// Messages of the streams of frames: parcels, and frames that travel alone.
    parcels_per_transfer: Option<f64>,
}

/// How it was run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Options {
    pub(super) shards: u16,
    pub(super) managers: Option<u16>,
    pub(super) accounts: u64,
    pub(super) legs: u64,
    pub(super) clients: u64,
    pub(super) batch: u64,
    pub(super) seconds: u64,
    pub(super) skew: String,
    pub(super) cross_shard: Option<u64>,
    /// How many nodes, each a process of its own, and over how many streams their frames go.
    #[serde(skip)]
    pub(super) nodes: Option<(u16, u16)>,
    /// `None`: the deployment was there, and has its own way.
    pub(super) hops: Option<String>,
    /// As `hops`.
    pub(super) commit: Option<String>,
}

impl Line {
    /// The machine's share is divided by all transfers that were submitted, those of the warm-up too: all of them cost something.
    pub(super) fn new(protocol: Protocol, report: Report, used: Used, audit_ok: bool, options: Options) -> Self {
        let Used { footprint: used, traffic } = used;
        let submitted = report.submitted.max(1);
        let each = |total: u64| as_f64(total) / as_f64(submitted);
        let fine = |total: u64| (each(total) * 1e6).round() / 1e6;
        let us = |cpu: Option<Duration>| cpu.map(|cpu| hundredths(cpu.as_secs_f64() * 1e6 / as_f64(submitted)));
        let shared = options.nodes.map(|(nodes, frame_streams)| Shared {
            nodes,
            frame_streams,
            load_cpu_us_per_transfer: us(used.own_cpu),
            broker_cpu_us_per_transfer: us(used.broker_cpu),
            appends_per_transfer: traffic.map(|traffic| fine(traffic.appends)),
            parcels_per_transfer: traffic.map(|traffic| fine(traffic.parcels)),
        });
        Self {
            protocol,
            transfers_per_s: hundredths(report.transfers_per_s),
            p50_ms: hundredths(report.p50_ms),
            p90_ms: hundredths(report.p90_ms),
            p99_ms: hundredths(report.p99_ms),
            max_ms: hundredths(report.max_ms),
            completed: report.completed,
            rejected: report.rejected,
            compensated: report.compensated,
            unknown: report.unknown,
            cpu_us_per_transfer: us(used.cpu),
            disk_bytes_per_transfer: used.disk_bytes.map(|bytes| hundredths(each(bytes))),
            flushes_per_transfer: used.flushes.map(fine),
            peak_memory_bytes: used.peak_memory_bytes,
            audit_ok,
            options,
            shared,
        }
    }
}

/// One row for each.
pub(super) fn table(lines: &[Line]) -> String {
    let mut table = render::table([
        "protocol",
        "transfers/s>",
        "p50 ms>",
        "p90 ms>",
        "p99 ms>",
        "max ms>",
        "completed>",
        "rejected>",
        "compensated>",
        "CPU us>",
        "disk B>",
        "flushes>",
        "memory MiB>",
        "audit",
    ]);
    for line in lines {
        let audit = if line.audit_ok { render::good("exact") } else { render::bad("NOT exact") };
        let memory = line.peak_memory_bytes.map_or_else(|| "-".to_owned(), |bytes| count(bytes >> 20));
        table.add_row([
            Cell::new(line.protocol),
            Cell::new(format!("{:.0}", line.transfers_per_s)),
            Cell::new(line.p50_ms),
            Cell::new(line.p90_ms),
            Cell::new(line.p99_ms),
            Cell::new(line.max_ms),
            Cell::new(count(line.completed)),
            Cell::new(count(line.rejected)),
            Cell::new(count(line.compensated)),
            Cell::new(maybe(line.cpu_us_per_transfer)),
            Cell::new(maybe(line.disk_bytes_per_transfer)),
            Cell::new(maybe(line.flushes_per_transfer)),
            Cell::new(memory),
            audit,
        ]);
    }
    let mut text = render::text(&table);
    text.push_str("\n(CPU, disk and flushes for each transfer, load generator and broker included)");
    for line in lines {
        text.extend(line.shared.iter().map(|shared| format!("\n({}: {})", line.protocol, shared.sentence())));
    }
    text
}

fn maybe(number: Option<f64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| format!("{number}"))
}

impl Shared {
    /// For a person.
    fn sentence(&self) -> String {
        let Self { nodes, frame_streams, .. } = self;
        format!(
            "{nodes} nodes; frames over {frame_streams} streams; for each transfer {} parcels of them, {} appends to ledger streams, CPU us {} of the \
             broker's and {} of the load generator's",
            maybe(self.parcels_per_transfer),
            maybe(self.appends_per_transfer),
            maybe(self.broker_cpu_us_per_transfer),
            maybe(self.load_cpu_us_per_transfer),
        )
    }
}
