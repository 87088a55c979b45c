//! `remit simulate`: a deployment in which everything goes wrong, from one seed; or many of them.

use std::{num::NonZero, thread, time::Instant};

use remit_sim::{Campaign, Plan, Report, Run, simulate};
use serde::Serialize;
use uuid::Uuid;

use super::{error::Error, exit::Exit, import::progress, output::Output, session::Session};

/// The lines of a failing seed's story that are shown, at most.
const STORY_LINES_MAX: usize = 200;

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
No node, no broker and no file is involved: the product's own machines and stores run over simulated tables, networks and \
clocks, with everything that can go wrong drawn from the seed. First money must be safe while faults last, then every \
transfer must end once they stop. A seed that fails is printed with its plan and its story, and fails the same way again.

Examples:
  remit simulate                      a hundred fresh seeds
  remit simulate --seeds 5000         more of them
  remit simulate --seed 42            one seed: its plan, what happened, and the number of its trace
  remit simulate --seed 42 --story    the same, with every line of what happened

Exit status: 0 nothing was found, 1 something was.")]
pub(super) struct Args {
    /// Run this seed alone
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Tell everything that happened, and not only what led to a failure
    #[arg(long, requires = "seed")]
    story: bool,
    /// How many seeds
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    seeds: u64,
    /// The first seed; the others follow [default: drawn]
    #[arg(long, value_name = "SEED")]
    from: Option<u64>,
    /// Transfers for each seed
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    transfers: u64,
    /// How many seeds are run side by side [default: one for each processor]
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<Exit, Error> {
    // What panics is part of what is found: it is said once, in the story.
    std::panic::set_hook(Box::new(|_| ()));
    let output = session.output();
    match args.seed {
        Some(seed) => one(seed, args, output),
        None => many(args, output),
    }
}

fn one(seed: u64, args: &Args, output: Output) -> Result<Exit, Error> {
    let plan = Plan::new(seed, args.transfers);
    output.note(&plan.to_string());
    let mut run = simulate(&plan, args.story);
    if run.violation.is_some() && !args.story {
        run = simulate(&plan, true);
    }
    if output.is_json() {
        output.json(&Found::new(seed, args.transfers, &run))?;
    } else {
        if args.story || run.violation.is_some() {
            story(&run, if args.story { usize::MAX } else { STORY_LINES_MAX }, output)?;
        }
        let counts = run.counts.events.list().into_iter().chain(run.counts.situations.list());
        for (name, number) in counts.filter(|(_, number)| *number > 0) {
            output.text(&format!("{:<28} {number:>12}", name.replace('_', " ")))?;
        }
        output.text(&format!("{:<28} {:>12x}", "trace", run.trace))?;
    }
    conclude(seed, args.transfers, &run, output)
}

fn many(args: &Args, output: Output) -> Result<Exit, Error> {
    let from = args.from.unwrap_or_else(|| Uuid::new_v4().as_u64_pair().0 >> 16);
    let seeds: Vec<u64> = (from..from.saturating_add(args.seeds)).collect();
    let threads = args.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let transfers = args.transfers;
    output.note(&format!("{} seeds from {from} on, {transfers} transfers each, {threads} side by side", seeds.len()));
    let bar = progress::bar("seeds");
    bar.set_length(args.seeds);
    let began = Instant::now();
    let report = Campaign { seeds, transfers, tune: |_| (), threads }.run(&|ran| bar.set_position(ran));
    bar.finish_and_clear();
    let seconds = began.elapsed().as_secs_f64();
    if let Some((seed, _)) = report.failed {
        let plan = Plan::new(seed, transfers);
        output.note(&plan.to_string());
        let run = simulate(&plan, true);
        if output.is_json() {
            output.json(&Found::new(seed, transfers, &run))?;
        } else {
            story(&run, STORY_LINES_MAX, output)?;
        }
        return conclude(seed, transfers, &run, output);
    }
    if output.is_json() {
        output.json(&Summary::new(from, &report, seconds))?;
    } else {
        output.text(&summary(&report, seconds))?;
    }
    Ok(Exit::CameTrue)
}

fn story(run: &Run, lines_max: usize, output: Output) -> Result<(), Error> {
    let cut = run.story.len().saturating_sub(lines_max);
    for line in &run.story[cut..] {
        output.text(line)?;
    }
    Ok(())
}

/// Says what was found, and how to see it again.
fn conclude(seed: u64, transfers: u64, run: &Run, output: Output) -> Result<Exit, Error> {
    let Some(violation) = &run.violation else { return Ok(Exit::CameTrue) };
    output.note(&format!("\nseed {seed} fails: {violation}"));
    output.note(&format!("again: remit simulate --seed {seed} --transfers {transfers}"));
    Ok(Exit::Refused)
}

fn summary(report: &Report, seconds: f64) -> String {
    let (events, situations) = (&report.counts.events, report.counts.situations.list());
    let mut text = format!(
        "{} seeds hold: {} transfers ({} completed, {} compensated), {} rows, {} audits, {:.1} hours simulated in {seconds:.1} s\n",
        report.seeds,
        events.transfers,
        events.completed,
        events.compensated,
        events.rows,
        events.audits,
        per(events.simulated_ms, 3_600_000.0),
    );
    let (faults, starts) = (events.faults, events.starts);
    text += &format!(
        "{:.0} transfers/s; {faults} faults beside those of frames, {starts} starts",
        per(events.transfers, seconds)
    );
    for (name, number) in situations {
        text += &format!("\n  {:<28} {number:>12}", name.replace('_', " "));
    }
    text
}

#[allow(clippy::cast_precision_loss, reason = "a figure for a person")]
fn per(number: u64, unit: f64) -> f64 {
    number as f64 / unit
}

/// One seed, for programs.
#[derive(Serialize)]
struct Found<'a> {
    seed: u64,
    transfers: u64,
    ok: bool,
    trace: String,
    violation: Option<String>,
    story: &'a [String],
    counts: std::collections::BTreeMap<&'static str, u64>,
}

impl<'a> Found<'a> {
    fn new(seed: u64, transfers: u64, run: &'a Run) -> Self {
        let violation = run.violation.as_ref().map(ToString::to_string);
        let counts = run.counts.events.list().into_iter().chain(run.counts.situations.list()).collect();
        let trace = format!("{:016x}", run.trace);
        Self { seed, transfers, ok: violation.is_none(), trace, violation, story: &run.story, counts }
    }
}

/// Many seeds, for programs.
#[derive(Serialize)]
struct Summary {
    from: u64,
    seeds: u64,
    ok: bool,
    seconds: f64,
    transfers_per_s: f64,
    counts: std::collections::BTreeMap<&'static str, u64>,
}

impl Summary {
    fn new(from: u64, report: &Report, seconds: f64) -> Self {
        let counts = report.counts.events.list().into_iter().chain(report.counts.situations.list()).collect();
        let transfers_per_s = per(report.counts.events.transfers, seconds);
        Self { from, seeds: report.seeds, ok: true, seconds, transfers_per_s, counts }
    }
}
