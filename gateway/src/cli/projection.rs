//! `remit projection`: how far the read model is, and building it anew.

use std::time::Duration;

use indicatif::ProgressBar;
use remit_api::{
    Client,
    projection::{Projection, State},
};
use tokio::time::sleep;

use super::{error::Error, exit::Exit, import::progress, render, session::Session};

/// How often a rebuild is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How many looks in a row may find no rebuild, after one was ordered, before it counts as lost.
const LOOKS_IN_VAIN_MAX: u32 = 10;

/// What can be done with the projection.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// How far it is in the journal of each database, and how old what it answers
    #[command(after_help = "\
Examples:
  remit projection status
  remit projection status --json")]
    Status,
    /// Build it anew from the journals, beside the present one, which answers until the new one is as far
    Rebuild(Rebuild),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  remit projection rebuild
  remit projection rebuild --wait

No money depends on it, and nothing waits for it. To order it again while it is under way changes nothing.")]
pub(super) struct Rebuild {
    /// Wait until the new one has taken the place of the present one
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(command: Command, session: &Session) -> Result<Exit, Error> {
    let desk = session.desk();
    let client = desk.client().await?;
    let (projection, exit) = match command {
        Command::Status => (client.projection_status().await?, Exit::CameTrue),
        Command::Rebuild(Rebuild { wait: false }) => (client.projection_rebuild().await?, Exit::CameTrue),
        Command::Rebuild(Rebuild { wait: true }) => rebuild_and_wait(client).await?,
    };
    let output = session.output();
    if output.is_json() {
        output.json(&projection)?;
    } else {
        output.text(&render::projection::status(&projection))?;
    }
    if exit == Exit::NotKnown {
        output.note("The rebuild got lost, as when the projector was restarted: order it again.");
    }
    Ok(exit)
}

async fn rebuild_and_wait(client: &Client) -> Result<(Projection, Exit), Error> {
    let before = client.projection_status().await?;
    let bar = progress::bar("rows");
    let (mut now, mut in_vain) = (client.projection_rebuild().await?, 0);
    let exit = loop {
        match look(&before, &now) {
            Look::Done => break Exit::CameTrue,
            Look::Under { rows, of } => {
                in_vain = 0;
                show(&bar, rows, of);
            }
            Look::Nothing if in_vain == LOOKS_IN_VAIN_MAX => break Exit::NotKnown,
            Look::Nothing => in_vain += 1,
        }
        sleep(LOOK_EVERY).await;
        now = client.projection_status().await?;
    };
    bar.finish_and_clear();
    Ok((now, exit))
}

fn show(bar: &ProgressBar, rows: u64, of: u64) {
    bar.set_length(of);
    bar.set_position(rows);
}

/// What is seen of a rebuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// It has taken the place of the one before.
    Done,
    /// It has so many of so many rows.
    Under { rows: u64, of: u64 },
    /// There is none: not yet, or no more.
    Nothing,
}

/// What is seen of one that was ordered when it stood as `before`.
fn look(before: &Projection, now: &Projection) -> Look {
    // The first one of all is as new as one made anew, and takes nobody's place.
    let was_first = before.state == State::Building;
    match (now.state, now.rebuild) {
        (State::Building, _) => {
            let rows: u64 = now.sources.iter().map(|source| source.seq.0).sum();
            Look::Under { rows, of: rows.saturating_add(now.behind_rows) }
        }
        (_, Some(rebuild)) => Look::Under { rows: rebuild.rows, of: rebuild.rows.saturating_add(rebuild.behind_rows) },
        (_, None) if was_first || now.rebuilt > before.rebuilt => Look::Done,
        (_, None) => Look::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn projection(state: &str, rebuilt: u64, rebuild: &str) -> Projection {
        let body = format!(
            r#"{{"id":"p0","state":"{state}","as_of":null,"lag_ms":null,"behind_rows":3,"transfers":0,"bytes":0,
            "rebuilt":{rebuilt},"sources":[{{"id":"s0","seq":7,"head":10,"behind":3,"at":null}}],"rebuild":{rebuild}}}"#
        );
        serde_json::from_str(&body).unwrap()
    }

    #[test]
    fn a_rebuild_is_done_when_one_more_has_been_made() {
        let before = projection("ready", 2, "null");
        assert_eq!(look(&before, &before), Look::Nothing, "not yet");
        let under = projection("rebuilding", 2, r#"{"behind_rows":10,"rows":5}"#);
        assert_eq!(look(&before, &under), Look::Under { rows: 5, of: 15 });
        assert_eq!(look(&before, &projection("ready", 3, "null")), Look::Done);
        assert_eq!(look(&before, &projection("ready", 0, "null")), Look::Nothing, "its actor was restarted");
    }

    #[test]
    fn one_that_is_built_for_the_first_time_is_waited_for() {
        let first = projection("building", 0, "null");
        assert_eq!(look(&first, &first), Look::Under { rows: 7, of: 10 });
        assert_eq!(look(&first, &projection("ready", 0, "null")), Look::Done);
    }
}
