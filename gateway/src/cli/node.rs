//! `remit node`: a node that joins a deployment; and what is asked of nodes.

use remit_api::{
    Client,
    node::{DrainRequest, Node, State},
};

use super::{
    error::Error,
    exit::Exit,
    import::progress,
    patience::Patience,
    render,
    session::Session,
    up::{self, Own},
    words,
};
use crate::{node::Start, settings::Settings};

/// What it takes: a node's own settings, or an order about nodes that are there.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  remit node --nats nats://broker:4222 --data /var/lib/remit --name node-2
  remit node --config node.toml --roles gateway
  remit node list
  remit node drain node-2

Without a word more it starts a node that joins the deployment on that broker, and never makes one: that is done once, by \
`remit up --create`. What the node runs is agreed among all nodes; it brings its own copy of each journal that it is given up \
to date before it serves it. A folder is one node's: no two start on the same.

SIGTERM or Ctrl-C ends it in order. `remit node drain` first, and others have taken over all that it ran before it ends.")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    own: Own,
}

/// What can be asked about nodes.
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Every node: how it is, and what it runs
    #[command(after_help = "\
Examples:
  remit node list
  remit node list --json")]
    List,
    /// Have all that a node runs go on elsewhere, and wait until it runs nothing
    Drain(Drain),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  remit node drain node-2
  remit node drain node-2 --wait-ms 300000
  remit node drain node-2 --no-wait

Transfers pause for a moment, one database after the other, and none fails. The node takes nothing new from then on, until it is \
started again. To order it again while it is under way changes nothing.

The exit status is 0 if the node runs nothing any more (with --no-wait: if the order was taken), 1 if that can't be, 3 if it still runs \
something: the drain goes on.")]
struct Drain {
    /// Which node
    #[arg(value_name = "NODE", value_parser = words::node)]
    name: String,
    #[command(flatten)]
    patience: Patience,
}

pub(super) async fn run(Args { command, own }: Args, session: &Session) -> Result<Exit, Error> {
    // Clap's own way to refuse this would refuse `--nats` and `--json` before the word too.
    if command.is_some() && own.is_given() {
        let message =
            "--data, --name, --roles and --ready-file are for a node that starts, not for a question about nodes";
        return Err(Error::Usage(message.to_owned()));
    }
    match command {
        None => join(&own, session).await,
        Some(Command::List) => list(session).await,
        Some(Command::Drain(args)) => drain(args, session).await,
    }
}

/// A node that joins, until it is told to end.
async fn join(own: &Own, session: &Session) -> Result<Exit, Error> {
    let resolved = session.settings(own.flags())?;
    can_join(&resolved.settings)?;
    Box::pin(up::serve(&resolved, Start::default(), own.ready_file(), session)).await
}

/// Refuses what would be a deployment of its own.
fn can_join(settings: &Settings) -> Result<(), Error> {
    if settings.nats.url.is_empty() {
        return Err(Error::Usage(
            "a node joins a deployment by its broker: add --nats nats://HOST:4222, or set nats.url; `remit up` runs a node with a \
             broker of its own"
                .to_owned(),
        ));
    }
    if !settings.is_replicated() {
        return Err(Error::Usage(
            "a node joins others whose commits are replicated, and store.commit says `disk`: leave it empty; a deployment that \
             commits to its disk is one node, which `remit up` runs"
                .to_owned(),
        ));
    }
    Ok(())
}

async fn list(session: &Session) -> Result<Exit, Error> {
    let list = session.desk().client().await?.node_list().await?;
    let output = session.output();
    if output.is_json() {
        output.json(&list)?;
    } else {
        output.text(&render::node::list(&list.nodes))?;
    }
    Ok(Exit::CameTrue)
}

async fn drain(Drain { name, patience }: Drain, session: &Session) -> Result<Exit, Error> {
    let desk = session.desk();
    let client = desk.client().await?;
    let begun = client.node_drain(&DrainRequest { name }).await?;
    let bar = progress::bar("drained");
    bar.set_length(count(&begun));
    let look = async || {
        let seen = look(client, &begun).await?;
        bar.set_position(count(&begun).saturating_sub(count(&seen)));
        Ok(seen)
    };
    let (node, exit) = patience.watch(begun.clone(), |node| node.runs.is_empty(), look).await?;
    bar.finish_and_clear();
    let output = session.output();
    if output.is_json() {
        output.json(&node)?;
    } else {
        output.text(&render::node::list(std::slice::from_ref(&node)))?;
    }
    if exit == Exit::NotKnown {
        output.note("It still runs something: the drain goes on, and `remit node list` shows how far it is.");
    }
    Ok(exit)
}

fn count(node: &Node) -> u64 {
    u64::try_from(node.runs.len()).unwrap_or(u64::MAX)
}

/// How a node stands that is drained.
async fn look(client: &Client, node: &Node) -> Result<Node, remit_api::Error> {
    let listed = client.node_list().await?.nodes.into_iter().find(|listed| listed.name == node.name);
    Ok(listed.unwrap_or_else(|| gone(node.clone())))
}

/// One that has left the list runs nothing.
fn gone(node: Node) -> Node {
    Node { state: State::Silent, runs: Vec::new(), ..node }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{
        cli::{self, Cli},
        settings::Flag,
    };

    #[tokio::test]
    async fn a_question_about_nodes_starts_none() {
        for words in ["node --data d list", "node --nats nats://h:1 --ready-file r drain node-2"] {
            let words = ["remit"].into_iter().chain(words.split(' '));
            let Cli { global, command: cli::Command::Node(args) } = Cli::try_parse_from(words).unwrap() else {
                panic!("it is another command")
            };
            assert_eq!(run(args, &Session::new(global)).await.unwrap_err().exit(), Exit::WrongUsage);
        }
    }

    #[test]
    fn a_node_joins_a_broker_where_commits_are_replicated() {
        let table = [
            (&[][..], Some("--nats nats://HOST:4222")),
            (&[("store.commit", "replicated")], Some("--nats nats://HOST:4222")),
            (&[("nats.url", "nats://h:1")], None),
            (&[("nats.url", "nats://h:1"), ("store.commit", "replicated")], None),
            (&[("nats.url", "nats://h:1"), ("store.commit", "disk")], Some("`remit up`")),
        ];
        for (set, advice) in table {
            let flags = set.iter().map(|(key, value)| Flag::new("--x", *key, *value));
            let settings = Settings::load(None, [], flags).unwrap().settings;
            match (can_join(&settings), advice) {
                (Ok(()), None) => {}
                (Err(error), Some(advice)) => {
                    assert!(error.to_string().contains(advice), "{error}");
                    assert_eq!(error.exit(), Exit::WrongUsage);
                }
                (other, _) => panic!("{set:?}: {other:?}"),
            }
        }
    }
}
