//! `remit bench`: a deployment under load, measured from outside.
//!
//! Here: what is run, on what, and what is said of it. The load is [`remit_load`]'s; [`footprint`] is what it costs, and
//! [`against`] what it is compared with.

mod against;
mod footprint;
mod line;

use std::{sync::Arc, time::Duration};

use remit_api::{Client, Connect, audit::RunRequest};
use remit_core::protocol::Protocol;
use remit_load::{Load, Payments, Skew};

pub(super) use self::against::Error as AgainstError;
use self::{
    against::{Against, Cluster, Contest},
    footprint::Footprint,
    line::{Line, Options},
};
use super::{error::Error, exit::Exit, import::progress, session::Session, trial, up::Stop};
use crate::{
    connection::connection,
    log,
    node::{Node, Start},
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Brings up a node with a private nats-server on a temporary folder and loads it; with --nats, loads the deployment that is there. \
Accounts are opened, and funded by transfers; every transfer has a new id and is waited for until its end; only completed ones \
count, and the audit must be exact afterwards. What is counted of the machine (CPU, disk, memory) is of this process, so with the \
load generator, and of the private broker. Flushes are those of the disk that the kernel counts; where it counts none, as of many \
virtual disks, they are the durable commits of all databases.

With --against postgres, what a user would write by hand is measured in turn with it, in each round: two PostgreSQL databases, \
PREPARE TRANSACTION on both at once and COMMIT PREPARED on both at once, with every answer on disk; `fastest` without a record of \
the decision, so that nobody can end what a crashed client has begun, and `recoverable` with one in a third database. Each has as \
many accounts, and each account is used as often, as at Remit; but all transfers are between both databases. Both are measured \
with that number of clients with which they do most, and for p50 with one (with --batch 1: with --clients). Last come the ratios, \
which hold better than single figures do.

Examples:
  remit bench
  remit bench --protocol saga --batch 1 --clients 256
  remit bench --skew zipf:1.0 --json
  remit bench --against postgres --protocol saga --rounds 5
  remit bench --nats nats://broker:4222 --seconds 30")]
pub(super) struct Args {
    /// Under which protocol, one line each
    #[arg(long, default_value = "all", value_parser = ["saga", "2pc", "events", "all"])]
    protocol: String,
    /// Accounts
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(4..=100_000_000))]
    accounts: u64,
    /// Legs of each transfer: 2 to 32
    #[arg(long, value_name = "N", default_value_t = 2)]
    legs: u64,
    /// Clients, each with one request in flight
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    clients: u64,
    /// Transfers in one request; 1: single submits
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=8_192))]
    batch: u64,
    /// How long each protocol is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// How long it runs before it is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=3_600))]
    warm_up: u64,
    /// How often which account: uniform, zipf:S or one-hot-account
    #[arg(long, default_value = "uniform")]
    skew: Skew,
    /// Of a hundred transfers, how many are between different shards [default: as it comes]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u64).range(0..=100))]
    cross_shard: Option<u64>,
    /// Measure so many times, and show each
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    rounds: u64,
    #[command(flatten)]
    node: trial::NodeArgs,
    #[command(flatten)]
    against: Against,
}

pub(super) async fn run(args: Args, session: &Session) -> Result<Exit, Error> {
    let mut stop = Stop::listen()?;
    // Not given up half-way when told to stop: it takes some seconds, and then can be put away in order.
    let rival = Box::pin(against::start(&args)).await?;
    let exit = Box::pin(on_a_deployment(&args, session, rival.as_ref(), &mut stop)).await;
    if let Some(rival) = rival {
        rival.stop().await;
    }
    exit
}

async fn on_a_deployment(
    args: &Args,
    session: &Session,
    rival: Option<&Cluster>,
    stop: &mut Stop,
) -> Result<Exit, Error> {
    if session.names_broker() {
        let desk = session.desk();
        let measured = measure(desk.client().await?, args, session, None, rival);
        return tokio::select! {
            exit = Box::pin(measured) => exit,
            () = stop.asked() => Ok(Exit::NotKnown),
        };
    }
    let temporary = tempfile::Builder::new().prefix("remit-bench-").tempdir();
    let temporary = temporary.map_err(|source| Error::Write { path: std::env::temp_dir(), source })?;
    let data = args.node.data.clone().unwrap_or_else(|| temporary.path().join("data"));
    let resolved = args.node.settings(&data, session)?;
    log::start(&resolved.settings.log);
    let node = tokio::select! {
        node = Box::pin(Node::start(&resolved, Start { create: true, ..Start::default() })) => node?,
        () = stop.asked() => return Ok(Exit::NotKnown),
    };
    let connect = Connect { url: node.client_url().to_owned(), ..connection(&resolved.settings) };
    let measured = async {
        let client = Client::connect(&connect).await?;
        Box::pin(measure(&client, args, session, Some(&node), rival)).await
    };
    let exit = tokio::select! {
        exit = measured => exit,
        () = stop.asked() => Ok(Exit::NotKnown),
    };
    Box::pin(node.drain()).await;
    exit
}

async fn measure(
    client: &Client,
    args: &Args,
    session: &Session,
    node: Option<&Node>,
    rival: Option<&Cluster>,
) -> Result<Exit, Error> {
    let output = session.output();
    let deployment = client.deployment_get().await?;
    let payments = Payments::new(args.accounts, deployment.shards, args.legs, args.skew, args.cross_shard);
    let payments = Arc::new(payments.map_err(Error::Usage)?);
    let bar = progress::bar("accounts");
    bar.set_length(args.accounts);
    remit_load::set_up(client, args.accounts, &|ready| bar.set_position(ready)).await?;
    bar.finish_and_clear();

    let protocols = Protocol::all().filter(|protocol| args.protocol == "all" || protocol.as_str() == args.protocol);
    let protocols: Vec<Protocol> = protocols.collect();
    let mut contest = match rival {
        Some(cluster) => Some(Contest::begin(cluster, args, &protocols, output).await?),
        None => None,
    };
    let mut lines = Vec::new();
    for _ in 0..args.rounds {
        let before = lines.len();
        for protocol in &protocols {
            let line = one(client, args, *protocol, &payments, node, deployment.shards).await?;
            if output.is_json() {
                output.json(&line)?;
            }
            lines.push(line);
        }
        if let Some(contest) = &mut contest {
            contest.round(&lines[before..], output).await?;
        }
    }
    if !output.is_json() {
        output.text(&line::table(&lines))?;
    }
    let is_honest = contest.map_or(Ok(true), |contest| contest.end(output))?;
    Ok(if is_honest && lines.iter().all(|line| line.audit_ok) { Exit::CameTrue } else { Exit::Refused })
}

async fn one(
    client: &Client,
    args: &Args,
    protocol: Protocol,
    payments: &Arc<Payments>,
    node: Option<&Node>,
    shards: u16,
) -> Result<Line, Error> {
    let (warm_up, time) = (Duration::from_secs(args.warm_up), Duration::from_secs(args.seconds));
    let payments = Arc::clone(payments);
    let load = Load { protocol, payments, clients: args.clients, batch: args.batch, warm_up, time };
    let bar = progress::bar(protocol.as_str());
    bar.set_length(args.warm_up + args.seconds);
    let footprint =
        || node.map(|node| Footprint::now(node.nats_pid(), node.data(), node.commits())).unwrap_or_default();
    let before = footprint();
    let report = remit_load::run(client, &load, &|since| bar.set_position(since.as_secs())).await?;
    let used = footprint().since(before);
    bar.finish_and_clear();
    let audit = client.audit_run(&RunRequest::default()).await?;
    let options = Options {
        shards,
        managers: args.node.managers,
        accounts: args.accounts,
        legs: args.legs,
        clients: args.clients,
        batch: args.batch,
        seconds: args.seconds,
        skew: args.skew.to_string(),
        cross_shard: args.cross_shard,
        hops: node.map(|_| args.node.hops.clone()),
    };
    Ok(Line::new(protocol, report, used, audit.ok, options))
}
