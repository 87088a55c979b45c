//! `remit supervision`: what became of the actors, looked up and followed.

use remit_api::{
    Code, page,
    supervision::{Event, ListRequest},
};
use remit_core::id::Time;

use super::{error::Error, exit::Exit, output::Output, render, session::Session, up::Stop, words};

/// What can be asked about supervision.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// What became of the actors: started, failed and why, restarted, recovered
    List(List),
    /// The same as it happens, until Ctrl-C
    Watch(Watch),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  remit supervision list --since 1h
  remit supervision list --actor s3 --limit 20

The newest events are shown, the very newest last. They are kept for a week, and 16 MiB of them at most, unless the settings \
supervision.events_age_ms and supervision.events_bytes_max say otherwise.")]
pub(super) struct List {
    /// Only those since then: so long ago, as 30s, 5m, 1h, 2d, or a time, as 2026-11-22T22:50:00Z
    #[arg(long, value_name = "TIME", value_parser = words::since)]
    since: Option<Time>,
    /// Only those of this actor, such as s3 or m0
    #[arg(long)]
    actor: Option<String>,
    /// How many at most: 1 to 1000 [default: 100]
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u64).range(1..=page::LIMIT_MAX))]
    limit: Option<u64>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  remit supervision watch
  remit supervision watch --since 5m --actor s3

With --json it prints one object a line. While the broker is away it waits, and then goes on with what has happened \
meanwhile.")]
pub(super) struct Watch {
    /// Begin with those since then: so long ago, as 30s, 5m, 1h, 2d, or a time, as 2026-11-22T22:50:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = words::since)]
    since: Option<Time>,
    /// Only those of this actor, such as s3 or m0
    #[arg(long)]
    actor: Option<String>,
}

pub(super) async fn run(command: Command, session: &Session) -> Result<Exit, Error> {
    match command {
        Command::List(args) => list(args, session).await,
        Command::Watch(args) => watch(args, session).await,
    }
}

async fn list(List { since, actor, limit }: List, session: &Session) -> Result<Exit, Error> {
    let request = ListRequest { since, actor, limit };
    let list = session.desk().client().await?.supervision_list(&request).await?;
    let output = session.output();
    if output.is_json() {
        output.json(&list)?;
    } else {
        output.text(&render::supervision::list(&list.events))?;
    }
    Ok(Exit::CameTrue)
}

async fn watch(Watch { since, actor }: Watch, session: &Session) -> Result<Exit, Error> {
    let (mut stop, output) = (Stop::listen()?, session.output());
    let asked = ListRequest { since, actor, limit: None };
    let desk = session.desk();
    let mut events = desk.client().await?.supervision_follow(since.unwrap_or_else(words::now));
    let mut is_waiting = false;
    loop {
        let next = tokio::select! {
            next = events.next() => next,
            () = stop.asked() => return Ok(Exit::CameTrue),
        };
        match next {
            Ok(event) if asked.wants(&event) => {
                is_waiting = false;
                if !print(&event, output)? {
                    return Ok(Exit::CameTrue);
                }
            }
            Ok(_) => is_waiting = false,
            Err(error) if error.code == Code::Unavailable => {
                if !std::mem::replace(&mut is_waiting, true) {
                    output.note(&format!("waiting: {}", error.message));
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Prints one; whether anybody still reads.
fn print(event: &Event, output: Output) -> Result<bool, Error> {
    if output.is_json() { output.json_line(event) } else { output.line(&render::supervision::line(event)) }
}
