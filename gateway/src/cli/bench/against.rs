//! `--against postgres`: beside Remit, in turn with it, what a user would write by hand on two PostgreSQL databases.
//!
//! A private PostgreSQL ([`cluster`], of the [`programs`] that are found) has two banks ([`books`]), between which transfers are
//! made by [`two_phase`] commit, in two forms. The [`load`] is drawn as Remit's is, from as many accounts, each as often; but
//! every transfer is between the two banks, since within one there would be nothing to compare. With how many clients most is
//! done is tried out first. [`line`] has the figures, [`ratio`] what Remit's are beside them.

mod books;
mod cluster;
mod error;
mod line;
mod load;
mod programs;
mod ratio;
mod two_phase;

#[cfg(test)]
mod tests;

use std::{path::PathBuf, time::Duration};

use remit_core::protocol::Protocol;
use remit_load::Payments;

pub(super) use self::cluster::Cluster;
pub(in crate::cli) use self::error::Error;
use self::{
    books::Told,
    line::Line,
    load::{Load, Measured},
    programs::Places,
    ratio::{Comparison, Verdict},
    two_phase::Form,
};
use super::line::Line as RemitLine;
use crate::cli::{self, bench, import::progress, output::Output};

/// The numbers of clients that are tried out: the most transfers in a second are somewhere among them.
const CLIENTS: [u64; 5] = [1, 8, 16, 32, 64];
/// With each client a connection to three databases, and each connection a process.
const CLIENTS_MAX: u64 = 256;
/// How long each number of clients is tried, at most.
const TRIED_FOR: Duration = Duration::from_secs(2);

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Against {
    /// Measure a two-phase commit by hand as well, on a private PostgreSQL, and compare
    #[arg(long, value_enum, value_name = "WHAT")]
    against: Option<Rival>,
    /// PostgreSQL's number of clients: 1 to 256 [default: whichever of 1, 8, 16, 32, 64 does most]
    #[arg(long, value_name = "N", requires = "against", value_parser = clap::value_parser!(u64).range(1..=CLIENTS_MAX))]
    pg_clients: Option<u64>,
    /// The folder of PostgreSQL's programs [default: REMIT_PG_BIN, else on PATH, else the newest in /usr/lib/postgresql]
    #[arg(long, value_name = "DIR", requires = "against")]
    pg_bin: Option<PathBuf>,
}

/// What Remit is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Rival {
    Postgres,
}

/// Starts what Remit is compared with, if it is to be.
pub(super) async fn start(bench: &bench::Args) -> Result<Option<Cluster>, cli::error::Error> {
    let Against { against: Some(Rival::Postgres), pg_clients, pg_bin } = &bench.against else { return Ok(None) };
    let usage = |text: String| Err(cli::error::Error::Usage(text));
    if bench.legs != 2 {
        return usage(format!("--against postgres compares transfers of 2 legs, and --legs is {}", bench.legs));
    }
    let alone = p50_clients(bench);
    if alone > CLIENTS_MAX {
        return usage(format!(
            "--against postgres takes up to {CLIENTS_MAX} clients with --batch 1, and --clients is {alone}"
        ));
    }
    let programs = programs::find(pg_bin.as_deref(), &Places::of_this_process()).await?;
    // On the disk that Remit's databases are on.
    let beside =
        bench.node.data.as_deref().and_then(|data| std::path::absolute(data).ok()?.parent().map(PathBuf::from));
    let clients = alone.max(pg_clients.unwrap_or(CLIENTS[CLIENTS.len() - 1]));
    Ok(Some(Cluster::start(&programs, &beside.unwrap_or_else(std::env::temp_dir), clients).await?))
}

/// With how many clients the time of one transfer is compared: as many as Remit has if each of its requests is one transfer.
fn p50_clients(bench: &bench::Args) -> u64 {
    if bench.batch == 1 { bench.clients } else { 1 }
}

/// The comparison, as far as it has come.
#[derive(Debug)]
pub(super) struct Contest<'c> {
    cluster: &'c Cluster,
    bench: &'c bench::Args,
    payments: Payments,
    told: Told,
    /// With how many clients each form does most.
    best: Vec<(Form, u64)>,
    lines: Vec<Line>,
    /// Of each form with each of Remit's protocols.
    comparisons: Vec<Comparison>,
}

impl<'c> Contest<'c> {
    /// Founds the banks, and finds out with how many clients each form does most.
    pub(super) async fn begin(
        cluster: &'c Cluster,
        bench: &'c bench::Args,
        protocols: &[Protocol],
        output: Output,
    ) -> Result<Self, cli::error::Error> {
        let payments = Payments::new(bench.accounts, 2, 2, bench.skew, Some(100)).map_err(cli::error::Error::Usage)?;
        let bar = progress::bar("PostgreSQL");
        bar.set_length(bench.accounts);
        books::found(cluster, &payments, &|ready| bar.set_position(ready)).await?;
        bar.finish_and_clear();
        let told = Told { accounts: bench.accounts, ..Told::default() };
        let (best, lines, comparisons) = (Vec::new(), Vec::new(), Vec::new());
        let mut contest = Self { cluster, bench, payments, told, best, lines, comparisons };
        for form in Form::ALL {
            let clients = match bench.against.pg_clients {
                Some(clients) => clients,
                None => contest.most(form, output).await?,
            };
            contest.best.push((form, clients));
            let beside = |protocol: &Protocol| Comparison::new(*protocol, form, clients, p50_clients(bench));
            contest.comparisons.extend(protocols.iter().map(beside));
        }
        Ok(contest)
    }

    /// PostgreSQL's turn in a round in which Remit has been measured.
    pub(super) async fn round(&mut self, remit: &[RemitLine], output: Output) -> Result<(), cli::error::Error> {
        let p50_clients = p50_clients(self.bench);
        for (form, clients) in self.best.clone() {
            let most = self.measure(form, clients, output).await?.report;
            let p50_ms = if p50_clients == clients {
                most.p50_ms
            } else {
                self.measure(form, p50_clients, output).await?.report.p50_ms
            };
            for comparison in self.comparisons.iter_mut().filter(|comparison| comparison.form == form) {
                for line in remit.iter().filter(|line| line.protocol == comparison.protocol) {
                    comparison.transfers_per_s.push(line.transfers_per_s, most.transfers_per_s);
                    comparison.p50_ms.push(line.p50_ms, p50_ms);
                }
            }
        }
        Ok(())
    }

    /// Says what came of it, and whether PostgreSQL's books were always right.
    pub(super) fn end(self, output: Output) -> Result<bool, cli::error::Error> {
        if output.is_json() {
            output.json(&Verdict::new(self.bench.rounds, &self.comparisons))?;
        } else {
            let (lines, ratios) = (line::table(&self.lines), ratio::table(&self.comparisons, self.bench.batch));
            output.text(&format!("\n{lines}\n\n{ratios}"))?;
        }
        Ok(self.lines.iter().all(|line| line.audit_ok))
    }

    /// The number of clients with which a form does most.
    async fn most(&mut self, form: Form, output: Output) -> Result<u64, Error> {
        let time = TRIED_FOR.min(Duration::from_secs(self.bench.seconds));
        let (mut best, mut tried) = ((0.0, CLIENTS[0]), Vec::new());
        for clients in CLIENTS {
            let speed = self.load(form, clients, time / 4, time).await?.report.transfers_per_s;
            tried.push(format!("{clients}: {speed:.0}"));
            if speed > best.0 {
                best = (speed, clients);
            }
        }
        let (form, tried) = (form.as_str(), tried.join(", "));
        output.note(&format!("PostgreSQL {form}, transfers/s by clients: {tried}; it is measured with {}", best.1));
        Ok(best.1)
    }

    async fn measure(&mut self, form: Form, clients: u64, output: Output) -> Result<Line, cli::error::Error> {
        let (warm_up, time) = (Duration::from_secs(self.bench.warm_up), Duration::from_secs(self.bench.seconds));
        let measured = self.load(form, clients, warm_up, time).await?;
        let wrong = books::audit(self.cluster, self.told).await?;
        if !wrong.is_empty() {
            output.note(&format!("PostgreSQL's books are wrong: {}", wrong.join("; ")));
        }
        let line = Line::new(form, clients, measured, wrong.is_empty(), self.bench);
        if output.is_json() {
            output.json(&line)?;
        }
        self.lines.push(line.clone());
        Ok(line)
    }

    async fn load(&mut self, form: Form, clients: u64, warm_up: Duration, time: Duration) -> Result<Measured, Error> {
        let load = Load { cluster: self.cluster, payments: &self.payments, form, clients, warm_up, time };
        let bar = progress::bar(form.as_str());
        bar.set_length((warm_up + time).as_secs());
        let measured = load.run(&|since| bar.set_position(since.as_secs())).await?;
        bar.finish_and_clear();
        self.told.completed += measured.completed_in_all;
        if form == Form::Recoverable {
            self.told.decided += measured.completed_in_all;
        }
        Ok(measured)
    }
}
