//! `remit account totals`: what was posted, day by day.

use remit_api::{day::Day, totals::TotalsRequest};
use remit_core::id::AccountId;

use crate::cli::{
    error::Error,
    exit::Exit,
    page::{Fresh, Page},
    render,
    session::{Desk, Session},
    words,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  remit account totals
  remit account totals alice --from 2026-11-01 --to 2026-12-01

Days are of UTC, by the clock of the shard where the account lives. A posting that puts a debit back counts as a credit.")]
pub(in crate::cli) struct Args {
    /// Only of this account: NAME, or SHARD:NAME
    #[arg(value_name = "ACCOUNT", value_parser = words::account)]
    id: Option<AccountId>,
    /// Only from this day on, such as 2026-11-26
    #[arg(long, value_name = "DAY", value_parser = words::day)]
    from: Option<Day>,
    /// Only before this day
    #[arg(long, value_name = "DAY", value_parser = words::day)]
    to: Option<Day>,
    #[command(flatten)]
    page: Page,
    #[command(flatten)]
    fresh: Fresh,
}

pub(super) async fn run(args: Args, session: &Session, desk: &Desk<'_>) -> Result<Exit, Error> {
    let Args { id, from, to, page: Page { limit, cursor }, fresh: Fresh { at_least, wait_ms } } = args;
    let request = TotalsRequest { id, from, to, limit, cursor, at_least, wait_ms };
    let totals = desk.client().await?.account_totals(&request).await?;
    let output = session.output();
    if output.is_json() {
        output.json(&totals)?;
    } else {
        let currencies = desk.currencies_to_show(totals.totals.iter().map(|total| total.currency)).await;
        output.text(&render::totals::by_day(&totals.totals, &currencies))?;
        output.as_of(Some(totals.as_of));
        output.more(totals.cursor.as_deref());
    }
    Ok(Exit::CameTrue)
}
