//! `remit compare`: the same payments and the same faults under each protocol, on this machine.
//!
//! Here: what is run, on what. [`script`] is what goes wrong, [`measure`] one script under one protocol, [`tied`] the money that is
//! held or in transit meanwhile, [`line`] what is said of it. The payments are [`remit_load`]'s.

mod line;
mod measure;
mod script;
mod tied;

use std::{fs, path::Path};

use remit_api::submit::{DEADLINE_MS_DEFAULT, DEADLINE_MS_MAX, DEADLINE_MS_MIN};
use remit_core::protocol::Protocol;

use self::{line::Line, measure::measure, script::Script};
use super::{error::Error, exit::Exit, session::Session, trial, up::Stop};
use crate::log;

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each script runs under each protocol on a node of its own, with a private nats-server and empty databases. Payments are asked for \
one by one, so many in each second whatever becomes of those before, the same ones each time: of a hundred, one has a payer \
without money, one a payee that is frozen, and ten are within rings of four accounts that pass the same money on and on.

Scripts: none; manager-away: every transfer's manager hears nobody and nobody hears it, from a quarter of the time on, for \
--away-seconds; shard-away: one account database does so; lossy: of a hundred frames, five are lost and five come twice, all the time.

Columns:
  peak/s        completed in a second when --clients ask for batches as fast as they can; not where somebody is away
  transfers/s   completed in a second of the payments asked for: all the time, or while somebody is away
  p50, p99      from the moment that a payment is due to the word of its end, whatever that is
  messages      that the bus carried between actors and doors, for each payment; those that a fault took away are not among them
  flushes       commits of databases that are flushed to the disk, for each payment
  aborted       of all payments: rejected, compensated, or without an end within a minute
  held          how long a unit of money could be spent neither by its payer nor by its payee, in the mean: what is held or in \
transit, summed up over time, divided by what arrived
  blocked       payments that others held up: refused within a ring, whose money another payment had not brought on in time; or \
longer than a second, though nothing was wrong with any of their own parties
  recovery      from the end of the outage until the last payment that was open then has ended
  audit         whether not one cent was made or lost: a full audit after everything has settled

All of it takes about five minutes.

Examples:
  remit compare
  remit compare --script shard-away --deadline-ms 2000
  remit compare --rate 500 --seconds 30 --away-seconds 10 --json

Exit status: 0 every audit is exact, 1 one is not.")]
pub(super) struct Args {
    /// What goes wrong
    #[arg(long, default_value = "all", value_parser = ["none", "manager-away", "shard-away", "lossy", "all"])]
    script: String,
    /// Under which protocol
    #[arg(long, default_value = "all", value_parser = ["saga", "2pc", "events", "all"])]
    protocol: String,
    /// Payments in a second
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    rate: u64,
    /// How long payments are asked for, under each script and protocol
    #[arg(long, value_name = "SECONDS", default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// For how long of it somebody is away: half of it at most
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1_800))]
    away_seconds: u64,
    /// When a payment is given up, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = DEADLINE_MS_DEFAULT, value_parser = clap::value_parser!(u64).range(DEADLINE_MS_MIN..=DEADLINE_MS_MAX))]
    deadline_ms: u64,
    /// Accounts, beside those without money, those that are frozen, and the rings
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(4..=10_000_000))]
    accounts: u64,
    /// Legs of each payment that is not within a ring: 2 to 32
    #[arg(long, value_name = "N", default_value_t = 2)]
    legs: u64,
    /// For the peak: clients, each with one request in flight
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    clients: u64,
    /// For the peak: transfers in one request
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=8_192))]
    batch: u64,
    /// How long the peak is measured; 0: not at all
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=3_600))]
    peak_seconds: u64,
    /// What the payments and the faults are drawn from
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    node: trial::NodeArgs,
}

pub(super) async fn run(args: Args, session: &Session) -> Result<Exit, Error> {
    check(&args, session)?;
    let mut stop = Stop::listen()?;
    let output = session.output();
    let mut lines = Vec::new();
    for (script, protocol) in rows(&args) {
        let Some(line) = row(&args, script, protocol, session, &mut stop).await? else { return Ok(Exit::NotKnown) };
        if output.is_json() {
            output.json(&line)?;
        }
        lines.push(line);
    }
    if !output.is_json() {
        output.text(&line::table(&lines))?;
    }
    Ok(if lines.iter().all(|line| line.audit_ok) { Exit::CameTrue } else { Exit::Refused })
}

fn rows(args: &Args) -> impl Iterator<Item = (Script, Protocol)> {
    let is_meant = |asked: &str, name: &str| asked == "all" || asked == name;
    let scripts = Script::ALL.into_iter().filter(move |script| is_meant(&args.script, script.as_str()));
    scripts.flat_map(move |script| {
        let protocols = Protocol::all().filter(move |protocol| is_meant(&args.protocol, protocol.as_str()));
        protocols.map(move |protocol| (script, protocol))
    })
}

/// One row of the table, on an empty folder; `None` if it was stopped.
async fn row(
    args: &Args,
    script: Script,
    protocol: Protocol,
    session: &Session,
    stop: &mut Stop,
) -> Result<Option<Line>, Error> {
    let temporary = tempfile::Builder::new().prefix("remit-compare-").tempdir();
    let temporary = temporary.map_err(|source| Error::Write { path: std::env::temp_dir(), source })?;
    let folder = args.node.data.as_deref().unwrap_or(temporary.path());
    let resolved = args.node.settings(&folder.join(format!("{}-{protocol}", script.as_str())), session)?;
    log::start(&resolved.settings.log);
    let measured = Box::pin(measure(args, script, protocol, &resolved, stop)).await?;
    Ok(measured.map(|measured| Line::new(script, protocol, &measured, args)))
}

/// What clap can't see.
fn check(args: &Args, session: &Session) -> Result<(), Error> {
    if session.names_broker() {
        return Err(Error::Usage("a comparison starts brokers of its own: leave --nats out".to_owned()));
    }
    if args.away_seconds * 2 > args.seconds {
        let (away, seconds) = (args.away_seconds, args.seconds);
        let message = format!("--away-seconds is at most half of --seconds, and {away} is more than half of {seconds}");
        return Err(Error::Usage(message));
    }
    let is_empty = |path: &Path| fs::read_dir(path).map_or(!path.exists(), |mut entries| entries.next().is_none());
    match &args.node.data {
        Some(path) if !is_empty(path) => {
            Err(Error::Usage(format!("{} is not an empty folder; every comparison begins anew", path.display())))
        }
        _ => Ok(()),
    }
}
