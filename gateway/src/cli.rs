//! The command line: one program that runs a node and asks a deployment.
//!
//! - here: what commands there are, and how one runs from its words to its exit status;
//! - `exit` and `error`: what the shell is told, and what the person;
//! - `session`: settings, the connection, and the currencies that amounts are written in; `words`: reading arguments;
//! - `output` and `render`: tables for people, bodies as JSON for programs;
//! - `up`: a node, `node`: one that joins others, and `chaos`: what is to go wrong on one; `import`: a file of payments; `demo`: all of it at once; `bench`: how
//!   fast; `compare`: which protocol; `simulate`: all of it going wrong; `supervision`: what became of
//!   the actors; `top`: all of it on a full screen; the rest asks one thing each, `page` says how much of it, and `patience` how long its end is waited for; `trial`: what those that
//!   bring up a node of their own start it with.

mod account;
mod audit;
mod bench;
mod chaos;
mod compare;
mod completions;
mod config;
mod demo;
mod deployment;
mod error;
mod exit;
mod import;
mod node;
mod output;
mod page;
mod patience;
mod projection;
mod ready_file;
mod render;
mod session;
mod shard;
mod simulate;
mod supervision;
mod top;
mod transfer;
mod transit;
mod trial;
mod up;
mod words;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, CommandFactory, Parser, Subcommand};

use self::{error::Error, exit::Exit, session::Session};

/// How long a command that has ended waits for threads of its own that still run.
const LEFT_OVERS_WITHIN: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  remit demo                                    see it work, on an empty temporary folder
  remit up                                      run a node; its data is in ./remit-data
  remit account open world --currency EUR --kind external
  remit account open alice --currency EUR
  remit transfer submit --from world --to alice --amount 100 --currency EUR
  remit account statement alice
  remit audit                                   prove that no money was made or lost

Exit status: 0 it came true, 1 it was refused, 2 wrong usage, 3 not known (ask again).";

/// Moves money between accounts that live in different databases, all or nothing.
#[derive(Debug, Parser)]
#[command(name = "remit", version, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "For every command")]
struct Global {
    /// A file of settings, over the defaults; `remit config show` lists them all
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The broker [default: REMIT__NATS__URL, else nats://127.0.0.1:4222]
    #[arg(long, global = true, value_name = "URL")]
    nats: Option<String>,
    /// The deployment that is meant [default: remit]
    #[arg(long, global = true, value_name = "NAME")]
    deployment: Option<String>,
    /// Answer with JSON, for programs
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node: account shards, transfer managers, the doors
    Up(up::Args),
    /// Start a node that joins a deployment; list the nodes, drain one
    Node(node::Args),
    /// See it work: a payroll over many databases, once under each protocol
    Demo(demo::Args),
    /// Open an account, look at it, change it
    #[command(subcommand)]
    Account(account::Command),
    /// Move money
    #[command(subcommand)]
    Transfer(transfer::Command),
    /// Money between databases, minute by minute
    #[command(subcommand)]
    Transit(transit::Command),
    /// Submit a file of payments
    Import(import::Args),
    /// Prove that no money was made or lost, across all databases
    Audit(audit::Args),
    /// The databases: how each of them is, and where it is served
    #[command(subcommand)]
    Shard(shard::Command),
    /// The read model: how far it is, and building it anew
    #[command(subcommand)]
    Projection(projection::Command),
    /// What became of the actors: failures, restarts, recoveries
    #[command(subcommand)]
    Supervision(supervision::Command),
    /// Watch the deployment at work, on a full screen
    Top,
    /// The deployment's fixed facts, and what it is doing
    Deployment,
    /// Measure a deployment under load
    Bench(bench::Args),
    /// Measure the protocols against each other, while all is well and while something is wrong
    Compare(compare::Args),
    /// Break a simulated deployment in every way there is, and see that money is safe
    Simulate(simulate::Args),
    /// Settings
    #[command(subcommand)]
    Config(config::Command),
    /// Print a script that completes commands in a shell
    Completions(completions::Args),
}

/// Runs the command that this process was started with, prints what comes of it, and tells how it ended.
#[must_use]
pub fn main() -> ExitCode {
    let Cli { global, command } = Cli::parse();
    let session = Session::new(global);
    let ended = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Runtime);
    let ended = ended.and_then(|runtime| {
        let ended = runtime.block_on(run(command, &session));
        // What still runs, runs in vain: whoever had to be waited for has been.
        runtime.shutdown_timeout(LEFT_OVERS_WITHIN);
        ended
    });
    match ended {
        Ok(exit) => exit.into(),
        Err(error) => {
            session.output().error(&error);
            error.exit().into()
        }
    }
}

async fn run(command: Command, session: &Session) -> Result<Exit, Error> {
    match command {
        Command::Up(args) => Box::pin(up::run(args, session)).await,
        Command::Node(args) => Box::pin(node::run(args, session)).await,
        Command::Demo(args) => Box::pin(demo::run(args, session)).await,
        Command::Account(command) => Box::pin(account::run(command, session)).await,
        Command::Transfer(command) => Box::pin(transfer::run(command, session)).await,
        Command::Transit(command) => transit::run(command, session).await,
        Command::Import(args) => Box::pin(import::run(args, session)).await,
        Command::Audit(args) => audit::run(args, session).await,
        Command::Shard(command) => Box::pin(shard::run(command, session)).await,
        Command::Projection(command) => projection::run(command, session).await,
        Command::Supervision(command) => Box::pin(supervision::run(command, session)).await,
        Command::Top => Box::pin(top::run(session)).await,
        Command::Deployment => deployment::run(session).await,
        Command::Bench(args) => Box::pin(bench::run(args, session)).await,
        Command::Compare(args) => Box::pin(compare::run(args, session)).await,
        Command::Simulate(args) => simulate::run(&args, session),
        Command::Config(config::Command::Show) => config::show(session),
        Command::Completions(args) => completions::run(&args, Cli::command(), session),
    }
}

#[cfg(test)]
mod tests;
