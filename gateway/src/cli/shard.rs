//! `remit shard`: the databases, and where they are served.

use remit_api::shard::{AdoptRequest, List, MoveRequest, Shard};

use super::{error::Error, exit::Exit, patience::Patience, render, session::Session, words};

/// What can be asked about shards.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Every database: what it keeps, which node serves it, and how it is
    List,
    /// Have a database served by another node, and wait until it is
    Move(Move),
    /// Have a database served from what can be reached, though something newer may exist on a machine that is gone
    Adopt(Adopt),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  remit shard move s3 node-2
  remit shard move m0 node-1 --no-wait

What the database is doing is finished first, so its transfers pause for a moment, and none fails. If the move takes longer than \
cluster.move_within_ms allows, the database is served where it was.

The exit status is 0 if it is served there (with --no-wait: if the order was taken), 1 if that can't be, 3 if it is not there yet.")]
pub(super) struct Move {
    /// Which database, such as s3 or m0
    #[arg(value_parser = words::shard)]
    shard: String,
    /// Where to
    #[arg(value_parser = words::node)]
    node: String,
    #[command(flatten)]
    patience: Patience,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  remit shard adopt s3 --why broken

A database that nobody serves waits for a machine which may have something newer of it. Order this only if that machine never comes \
back: what it alone has is lost then, and when it does come back it is set aside. Who ordered it, and why, is recorded.")]
pub(super) struct Adopt {
    /// Which database, such as s3 or m0
    #[arg(value_parser = words::shard)]
    shard: String,
    /// Why, for those who look later
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// Who you are [default: your user's name]
    #[arg(
        long,
        value_name = "NAME",
        env = "USER",
        hide_env = true,
        default_value = "unknown",
        hide_default_value = true
    )]
    by: String,
}

pub(super) async fn run(command: Command, session: &Session) -> Result<Exit, Error> {
    match command {
        Command::List => list(session).await,
        Command::Move(args) => move_to(args, session).await,
        Command::Adopt(args) => adopt(args, session).await,
    }
}

async fn list(session: &Session) -> Result<Exit, Error> {
    let list = session.desk().client().await?.shard_list().await?;
    let output = session.output();
    if output.is_json() {
        output.json(&list)?;
    } else {
        output.text(&render::shard::list(&list.shards))?;
    }
    Ok(Exit::CameTrue)
}

async fn move_to(Move { shard: id, node, patience }: Move, session: &Session) -> Result<Exit, Error> {
    let desk = session.desk();
    let client = desk.client().await?;
    let begun = client.shard_move(&MoveRequest { id: id.clone(), node: node.clone() }).await?;
    let look = async || find(client.shard_list().await?, &id);
    let (shard, exit) = patience.watch(begun, |shard| is_served_by(shard, &node), look).await?;
    show(&shard, session)?;
    if exit == Exit::NotKnown {
        session.output().note("It is not served there yet: `remit shard list` shows where it is.");
    }
    Ok(exit)
}

fn is_served_by(shard: &Shard, node: &str) -> bool {
    shard.node == node && shard.state == "up"
}

/// One of the list.
fn find(list: List, id: &str) -> Result<Shard, remit_api::Error> {
    let found = list.shards.into_iter().find(|shard| shard.id == id);
    found.ok_or_else(|| remit_api::Error::unavailable(format!("`{id}` is not in the list of shards")))
}

async fn adopt(Adopt { shard: id, why, by }: Adopt, session: &Session) -> Result<Exit, Error> {
    let request = AdoptRequest { id, why, by: Some(by) };
    request.grounds().map_err(|error| Error::Usage(error.message))?;
    let shard = session.desk().client().await?.shard_adopt(&request).await?;
    show(&shard, session)?;
    Ok(Exit::CameTrue)
}

/// Prints one.
fn show(shard: &Shard, session: &Session) -> Result<(), Error> {
    let output = session.output();
    if output.is_json() { output.json(shard) } else { output.text(&render::shard::list(std::slice::from_ref(shard))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_there_when_it_is_up_there() {
        let shard = |node: &str, state: &str| -> Shard {
            let text = format!(
                r#"{{"id":"s0","role":"shard","node":"{node}","epoch":3,"state":"{state}","store":"sqlite","queue_depth":0,
                "restarts":0}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        let table = [("a", "up", false), ("", Shard::NOWHERE, false), ("b", "starting", false), ("b", "up", true)];
        for (node, state, is_there) in table {
            assert_eq!(is_served_by(&shard(node, state), "b"), is_there, "{node} {state}");
        }
        let list = List { shards: vec![shard("a", "up")] };
        assert_eq!(find(list.clone(), "s0").unwrap().node, "a");
        assert!(find(list, "s1").is_err());
    }
}
