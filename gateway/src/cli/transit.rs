//! `remit transit`: money between databases.

use remit_api::totals::TransitRequest;
use remit_core::{id::Time, money::Currency};

use super::{
    error::Error,
    exit::Exit,
    page::{Fresh, Page},
    render,
    session::Session,
    words,
};

/// What can be asked about money between databases.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// How much it was at the end of each minute in which it changed
    List(List),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  remit transit list --from 1h
  remit transit list --currency EUR --from 2026-11-22T22:50:00Z --to 2026-11-22T23:50:00Z

It is what has left one database and not yet come into another: what the in-transit accounts of all shards hold together. How \
much it is now, `remit deployment` says. A page has --limit minutes, each with all its currencies.")]
pub(super) struct List {
    /// Only of this currency, such as EUR
    #[arg(long, value_parser = words::currency)]
    currency: Option<Currency>,
    /// Only since then: so long ago, as 30s, 5m, 1h, 2d, or a time, as 2026-11-22T22:50:00Z
    #[arg(long, value_name = "TIME", value_parser = words::since)]
    from: Option<Time>,
    /// Only before then
    #[arg(long, value_name = "TIME", value_parser = words::since)]
    to: Option<Time>,
    #[command(flatten)]
    page: Page,
    #[command(flatten)]
    fresh: Fresh,
}

pub(super) async fn run(Command::List(list): Command, session: &Session) -> Result<Exit, Error> {
    let List { currency, from, to, page: Page { limit, cursor }, fresh: Fresh { at_least, wait_ms } } = list;
    let request = TransitRequest { currency, from, to, limit, cursor, at_least, wait_ms };
    let desk = session.desk();
    let transit = desk.client().await?.transit_list(&request).await?;
    let output = session.output();
    if output.is_json() {
        output.json(&transit)?;
    } else {
        let currencies = desk.currencies_to_show(transit.points.iter().map(|point| point.currency)).await;
        output.text(&render::totals::in_transit(&transit.points, &currencies))?;
        output.as_of(Some(transit.as_of));
        output.more(transit.cursor.as_deref());
    }
    Ok(Exit::CameTrue)
}
