//! `remit audit`.

use remit_api::audit::{Depth, RunRequest};

use super::{error::Error, exit::Exit, render, session::Session};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The databases go on working meanwhile. The sum over all balances of a currency must be 0, and what the databases say is \
between them must be what the open transfers say: the drift is 0. The exit status is 0 only if it all holds.")]
pub(super) struct Args {
    /// Recompute every balance and the whole hash chain of every journal, in place of running totals and its new part
    #[arg(long)]
    full: bool,
}

pub(super) async fn run(Args { full }: Args, session: &Session) -> Result<Exit, Error> {
    let desk = session.desk();
    let depth = if full { Depth::Full } else { Depth::Quick };
    let audit = desk.client().await?.audit_run(&RunRequest { depth: Some(depth) }).await?;
    let output = session.output();
    if output.is_json() {
        output.json(&audit)?;
    } else {
        let currencies = desk.currencies_to_show(audit.currencies.iter().map(|finding| finding.currency)).await;
        output.text(&render::audit::findings(&audit, &currencies))?;
    }
    Ok(if audit.ok { Exit::CameTrue } else { Exit::Refused })
}
