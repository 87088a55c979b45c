//! `remit bench`: a deployment under load, measured from outside.
//!
//! Here: what is run, and what is said of it. The load is [`remit_load`]'s; [`subject`] is what it is put on, [`nodes`] several nodes of
//! this machine; [`footprint`] and [`traffic`] are what it costs, and [`against`] what it is compared with.

mod against;
mod footprint;
mod line;
mod model;
mod nodes;
mod subject;
mod traffic;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use remit_api::{Client, Code, Connect, audit::RunRequest};
use remit_core::protocol::Protocol;
use remit_load::{Load, Payments, Skew};

pub(super) use self::{against::Error as AgainstError, nodes::Error as NodesError};
use self::{
    against::{Against, Cluster, Contest},
    line::{Line, Options},
    model::Model,
    nodes::Nodes,
    subject::Subject,
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

With --nodes N, a private nats-server and N nodes of this machine are brought up, each a process of its own, on temporary folders; their \
commits are replicated. The load begins when they share all databases evenly. --nodes 1 is one such node: beside it, more nodes show \
what it costs and gains to spread the databases. All of them share the processors of this machine, with the broker and the load.

With --model, nothing is measured: it is reckoned what 3, 10 or 100 machines would carry, with --clients on each, from what was measured \
on one. The table says what went in.

Examples:
  remit bench
  remit bench --protocol saga --batch 1 --clients 256
  remit bench --skew zipf:1.0 --json
  remit bench --commit replicated --hops local
  remit bench --nodes 4 --protocol saga --hops local
  remit bench --model 3,10,100 --hops local
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
    /// Nodes, each a process of its own on this machine: 1 to 16 [default: one, within this process]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=16))]
    nodes: Option<u16>,
    #[command(flatten)]
    node: trial::NodeArgs,
    #[command(flatten)]
    against: Against,
    #[command(flatten)]
    model: Model,
}

impl Args {
    /// What clap can't see.
    fn check(&self, session: &Session) -> Result<(), Error> {
        let usage = |text: &str| Err(Error::Usage(text.to_owned()));
        match self.nodes {
            Some(_) if session.names_broker() => usage("--nodes starts a broker of its own: leave --nats out"),
            Some(_) if self.node.commit.as_deref() == Some("disk") => {
                usage("nodes share the work only where commits are replicated: leave --commit disk or --nodes out")
            }
            _ => Ok(()),
        }
    }
}

pub(super) async fn run(mut args: Args, session: &Session) -> Result<Exit, Error> {
    args.check(session)?;
    if args.model.is_given() {
        return model::run(&args, session);
    }
    if args.nodes.is_some() {
        args.node.commit = Some("replicated".to_owned());
    }
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
        let measured = measure(desk.client().await?, args, session, &Subject::Elsewhere, rival);
        return tokio::select! {
            exit = Box::pin(measured) => exit,
            () = stop.asked() => Ok(Exit::NotKnown),
        };
    }
    let temporary = tempfile::Builder::new().prefix("remit-bench-").tempdir();
    let temporary = temporary.map_err(|source| Error::Write { path: std::env::temp_dir(), source })?;
    let data = args.node.data.clone().unwrap_or_else(|| temporary.path().join("data"));
    match args.nodes {
        None => on_a_node(args, session, rival, stop, &data).await,
        Some(number) => on_nodes(args, session, rival, stop, &data, number).await,
    }
}

/// On a node within this process.
async fn on_a_node(
    args: &Args,
    session: &Session,
    rival: Option<&Cluster>,
    stop: &mut Stop,
    data: &Path,
) -> Result<Exit, Error> {
    let resolved = args.node.settings(data, session)?;
    log::start(&resolved.settings.log);
    let node = tokio::select! {
        node = Box::pin(Node::start(&resolved, Start { create: true, ..Start::default() })) => node?,
        () = stop.asked() => return Ok(Exit::NotKnown),
    };
    let connect = Connect { url: node.client_url().to_owned(), ..connection(&resolved.settings) };
    let measured = async {
        let client = Client::connect(&connect).await?;
        Box::pin(measure(&client, args, session, &Subject::Node(&node), rival)).await
    };
    let exit = tokio::select! {
        exit = measured => exit,
        () = stop.asked() => Ok(Exit::NotKnown),
    };
    Box::pin(node.drain()).await;
    exit
}

/// On so many nodes, each a process of its own.
async fn on_nodes(
    args: &Args,
    session: &Session,
    rival: Option<&Cluster>,
    stop: &mut Stop,
    data: &Path,
    number: u16,
) -> Result<Exit, Error> {
    let resolved = args.node.settings(data, session)?;
    log::start(&resolved.settings.log);
    let mut nodes = Box::pin(Nodes::begin(data, &resolved)).await?;
    let connect = Connect { url: nodes.url().to_owned(), ..connection(&resolved.settings) };
    let measured = async {
        nodes.grow(number).await?;
        let client = Client::connect(&connect).await?;
        nodes.share_the_work(&client).await?;
        let subject = Subject::nodes(&nodes, &resolved.settings).await;
        Box::pin(measure(&client, args, session, &subject, rival)).await
    };
    let exit = tokio::select! {
        exit = Box::pin(measured) => exit,
        () = stop.asked() => Ok(Exit::NotKnown),
    };
    nodes.end().await;
    exit
}

async fn measure(
    client: &Client,
    args: &Args,
    session: &Session,
    subject: &Subject<'_>,
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
    // So that shards need not verify the deposits while they are measured.
    audit(client).await?;

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
            let line = one(client, args, *protocol, &payments, subject, deployment.shards).await?;
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

/// How long millions of rows may take to be verified.
const AUDIT_WITHIN: Duration = Duration::from_secs(600);

/// Whether an audit is exact. After millions of rows it takes longer to verify them than one audit waits, and the next goes on.
async fn audit(client: &Client) -> Result<bool, Error> {
    let until = Instant::now() + AUDIT_WITHIN;
    loop {
        match client.audit_run(&RunRequest::default()).await {
            Err(error) if error.code == Code::Unavailable && Instant::now() < until => {}
            audited => return Ok(audited?.ok),
        }
    }
}

async fn one(
    client: &Client,
    args: &Args,
    protocol: Protocol,
    payments: &Arc<Payments>,
    subject: &Subject<'_>,
    shards: u16,
) -> Result<Line, Error> {
    let (warm_up, time) = (Duration::from_secs(args.warm_up), Duration::from_secs(args.seconds));
    let payments = Arc::clone(payments);
    let load = Load { protocol, payments, clients: args.clients, batch: args.batch, warm_up, time };
    let bar = progress::bar(protocol.as_str());
    bar.set_length(args.warm_up + args.seconds);
    let before = subject.used().await;
    let report = remit_load::run(client, &load, &|since| bar.set_position(since.as_secs())).await?;
    let used = subject.used().await.since(before);
    bar.finish_and_clear();
    let audit_ok = audit(client).await?;
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
        hops: subject.is_ours().then(|| args.node.hops.clone()),
        commit: subject.is_ours().then(|| args.node.commit().to_owned()),
        nodes: args.nodes.zip(subject.frame_streams()),
    };
    Ok(Line::new(protocol, report, used, audit_ok, options))
}
