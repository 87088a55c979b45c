//! `remit up`: a node, until it is told to end; it may make a deployment, and have a broker of its own.

use std::{
    path::{Path, PathBuf},
    process,
    time::Duration,
};

use remit_api::node::Role;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

use super::{
    chaos::{self, Chaos},
    error::Error,
    exit::Exit,
    output::Output,
    ready_file::Ready,
    session::Session,
};
use crate::{
    log,
    node::{Node, Start},
    settings::{Flag, Resolved, Settings},
    traces::Traces,
};

/// How long the last traces may take when the node ends.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  remit up
  remit up --data /var/lib/remit --shards 32
  remit up --nats nats://broker:4222 --create
  remit up --commit replicated
  remit up --chaos kill-actor=5s,slow-disk=200ms

Without --nats (and without REMIT__NATS__URL) it starts a private nats-server, found by --nats-server, REMIT_NATS_SERVER or \
PATH, on loopback, which stores under the data folder and ends with it. An empty data folder then makes a new deployment; \
with a broker of your own only --create does. The numbers of shards and managers are fixed when the deployment is made.

A commit is one when it is on this node's disk (disk), or when the broker's ledger stream has it too (replicated), so that other \
nodes, which `remit node` starts, share the work and take it over. With --nats the second is the default, else the first.

SIGTERM or Ctrl-C ends it in order: nothing that was accepted is lost, and the next start on the same folder goes on from \
there. A second one ends it at once, which is as safe, but the next start takes longer.")]
pub(super) struct Args {
    #[command(flatten)]
    own: Own,
    /// Make a new deployment if the broker has none of that name; only with a broker of your own
    #[arg(long)]
    create: bool,
    /// The private broker's port; remembered [default: 4222 if it is free]
    #[arg(long, value_name = "PORT")]
    nats_port: Option<u16>,
    /// The private broker's program
    #[arg(long, value_name = "FILE")]
    nats_server: Option<PathBuf>,
    #[command(flatten)]
    shape: Shape,
    /// When a commit is one [default: replicated with --nats, else disk]
    #[arg(long, value_parser = ["disk", "replicated"])]
    commit: Option<String>,
    /// Let things go wrong, to see it cope: for trials only
    #[arg(long, value_name = "WHAT=HOW-MUCH", value_delimiter = ',', value_parser = Chaos::parse, long_help = chaos_help())]
    chaos: Vec<Chaos>,
}

/// What is a node's own, however it is started.
#[derive(Debug, clap::Args)]
pub(super) struct Own {
    /// Where its databases live [default: ./remit-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Its name among the nodes [default: made from the host's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What it may do: some of gateway, manager, shard and projector, with commas [default: all]
    #[arg(long, value_name = "LIST")]
    roles: Option<String>,
    /// A file to write when it is ready, as JSON: nats_url, pid, nats_pid, data
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

/// What a new deployment is made of, and how its parts speak.
#[derive(Debug, clap::Args)]
pub(super) struct Shape {
    /// Account databases of a new deployment: 1 to 1024 [default: 16]
    #[arg(long, value_name = "N")]
    shards: Option<u16>,
    /// Transfer databases of a new deployment: 1 to 256 [default: 4]
    #[arg(long, value_name = "N")]
    managers: Option<u16>,
    /// How messages go within the node: by mailbox, or by the broker as between nodes [default: local]
    #[arg(long, value_parser = ["local", "jetstream"])]
    hops: Option<String>,
}

impl Args {
    fn flags(&self) -> impl Iterator<Item = Flag> {
        let rest = [
            ("--nats-port", "nats.port", self.nats_port.map(|port| port.to_string())),
            ("--nats-server", "nats.server", text(self.nats_server.as_deref())),
            ("--commit", "store.commit", self.commit.clone()),
        ];
        let rest = rest.into_iter().filter_map(|(name, key, value)| Some(Flag::new(name, key, value?)));
        self.own.flags().chain(rest).chain(self.shape.flags()).chain(self.chaos.iter().flat_map(Chaos::flags))
    }
}

impl Own {
    pub(super) fn flags(&self) -> impl Iterator<Item = Flag> {
        let all = [
            ("--data", "node.data_dir", text(self.data.as_deref())),
            ("--name", "node.name", self.name.clone()),
            ("--roles", "node.roles", self.roles.clone()),
        ];
        all.into_iter().filter_map(|(name, key, value)| Some(Flag::new(name, key, value?)))
    }

    /// Whether anything is said of a node that is to start.
    pub(super) fn is_given(&self) -> bool {
        let Self { data, name, roles, ready_file } = self;
        data.is_some() || name.is_some() || roles.is_some() || ready_file.is_some()
    }

    /// The file to write when it is ready.
    pub(super) fn ready_file(&self) -> Option<&Path> {
        self.ready_file.as_deref()
    }
}

fn text(path: Option<&Path>) -> Option<String> {
    path.map(|path| path.to_string_lossy().into_owned())
}

fn chaos_help() -> String {
    format!("Let things go wrong, to see it cope: for trials only. Several with commas, or again.\n\n{}", chaos::HELP)
}

impl Shape {
    pub(super) fn flags(&self) -> impl Iterator<Item = Flag> {
        let number = |number: Option<u16>| number.map(|number| number.to_string());
        let all = [
            ("--shards", "deployment.shards", number(self.shards)),
            ("--managers", "deployment.managers", number(self.managers)),
            ("--hops", "bus.hops", self.hops.clone()),
        ];
        all.into_iter().filter_map(|(name, key, value)| Some(Flag::new(name, key, value?)))
    }
}

pub(super) async fn run(args: Args, session: &Session) -> Result<Exit, Error> {
    let resolved = session.settings(args.flags())?;
    has_its_roles(&resolved.settings)?;
    let start = Start { create: args.create, ..Start::default() };
    Box::pin(serve(&resolved, start, args.own.ready_file(), session)).await
}

/// A node that shares its work with no other does all of it; only the read model can be done without.
fn has_its_roles(settings: &Settings) -> Result<(), Error> {
    let roles = settings.node.roles();
    let missing = [Role::Gateway, Role::Manager, Role::Shard].into_iter().find(|role| !roles.contains(role));
    match missing {
        Some(role) if !settings.is_replicated() => Err(Error::Usage(format!(
            "a node that commits to its disk shares its work with no other, so its roles (node.roles) need `{}` too; or add --commit \
             replicated",
            role.as_str()
        ))),
        _ => Ok(()),
    }
}

/// Runs a node until it is told to end, and ends it in order.
pub(super) async fn serve(
    resolved: &Resolved,
    start: Start,
    ready_file: Option<&Path>,
    session: &Session,
) -> Result<Exit, Error> {
    let endpoint = &resolved.settings.traces.endpoint;
    let traces = match endpoint.is_empty() {
        true => None,
        false => Some(Traces::start(endpoint, &resolved.settings.node.name_or_host())?),
    };
    log::start_with(&resolved.settings.log, traces.as_ref().map(Traces::layer));
    let mut stop = Stop::listen()?;
    let node = tokio::select! {
        node = Box::pin(Node::start(resolved, start)) => node?,
        // What is half started goes on from its databases at the next start.
        () = stop.asked() => return Ok(Exit::CameTrue),
    };
    let ready = Ready { nats_url: node.client_url(), pid: process::id(), nats_pid: node.nats_pid(), data: node.data() };
    announce(&ready, &resolved.settings, session.output())?;
    if let Some(path) = ready_file {
        ready.write(path)?;
    }
    stop.asked().await;
    tokio::select! {
        drained = Box::pin(node.drain()) => info!("{drained}"),
        () = stop.asked() => info!("told to end at once"),
    }
    if let Some(traces) = traces {
        traces.flush(FLUSH_WITHIN).await;
    }
    Ok(Exit::CameTrue)
}

fn announce(ready: &Ready<'_>, settings: &Settings, output: Output) -> Result<(), Error> {
    if output.is_json() {
        return output.json(ready);
    }
    let broker = ready.nats_pid.map_or_else(String::new, |pid| format!(" (a private nats-server, pid {pid})"));
    let (deployment, node) = (&settings.deployment.name, settings.node.name_or_host());
    let Ready { nats_url, data, .. } = ready;
    output.text(&format!(
        "Remit is ready: deployment `{deployment}`\n  node    {node}\n  broker  {nats_url}{broker}\n  data    {}\n\
         Ctrl-C ends it in order.",
        data.display()
    ))
}

/// The signals that ask a process to end.
pub(super) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// From now on they are asked here, and no longer end the process by themselves.
    pub(super) fn listen() -> Result<Self, Error> {
        let listen = |kind| signal(kind).map_err(Error::Runtime);
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Waits for the next one.
    pub(super) async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_shares_its_work_with_no_other_does_all_of_it() {
        let table = [
            ("gateway,manager,shard,projector", "", true),
            ("gateway,manager,shard", "disk", true),
            ("gateway,manager,projector", "disk", false),
            ("gateway", "", false),
            ("gateway", "replicated", true),
        ];
        for (roles, commit, is_enough) in table {
            let flags = [Flag::new("--roles", "node.roles", roles), Flag::new("--commit", "store.commit", commit)];
            let settings = Settings::load(None, [], flags).unwrap().settings;
            assert_eq!(has_its_roles(&settings).is_ok(), is_enough, "{roles} {commit}");
        }
    }
}
