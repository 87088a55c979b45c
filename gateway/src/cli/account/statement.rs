//! `remit account statement`: a page of postings for a person, or all of them as an export.
//!
//! An export reads page after page and prints each as it comes, so that it takes no more room than a page does. If it breaks
//! off, what is printed is right, and the error says where to go on.

use std::{
    io::{IsTerminal, stdout},
    iter::once,
};

use remit_api::{
    Client, Currencies,
    account::{GetRequest, Source, Statement, StatementRequest},
    page::LIMIT_MAX,
    totals::TotalsRequest,
};
use remit_core::{
    id::{AccountId, Time},
    money::Currency,
};

use super::export::{Export, Form};
use crate::cli::{
    error::Error,
    exit::Exit,
    import::progress,
    output::Output,
    page::{Fresh, Page},
    render,
    session::{Desk, Session},
    words,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  remit account statement alice
  remit account statement alice --from 2026-11-01 --to 2026-12-01 --all
  remit account statement alice --from 2026-11-01 --to 2026-12-01 --format csv > alice.csv
  remit account statement alice --source projection

With --format csv or json it is an export: all postings of the time that is asked for, the newest first. Amounts stand in the CSV \
twice, in minor units and as people write them. The JSON is one body as in the contract, with all postings in it.

The owner of the account answers exactly. The projection answers also while the owner is away, with all that was on disk a \
moment ago; which moment, it says.")]
pub(in crate::cli) struct Args {
    /// Its id: NAME, or SHARD:NAME
    #[arg(value_parser = words::account)]
    id: AccountId,
    /// Only from this moment on, such as 2026-11-22 or 2026-11-22T22:50:00Z
    #[arg(long, value_name = "TIME", value_parser = words::moment)]
    from: Option<Time>,
    /// Only before this moment
    #[arg(long, value_name = "TIME", value_parser = words::moment)]
    to: Option<Time>,
    /// Who answers
    #[arg(long, value_parser = words::source(), default_value = "owner")]
    source: Source,
    /// How it is printed; as csv or json, all of it
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// All of it, not only a page
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    #[command(flatten)]
    page: Page,
    #[command(flatten)]
    fresh: Fresh,
}

/// How a statement is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A table for people
    Table,
    /// Comma-separated values, for spreadsheets
    Csv,
    /// One body as in the contract
    Json,
}

impl Format {
    /// The form of an export; `None` of a table.
    const fn of_export(self) -> Option<Form> {
        match self {
            Self::Table => None,
            Self::Csv => Some(Form::Csv),
            Self::Json => Some(Form::Json),
        }
    }
}

pub(super) async fn run(args: Args, session: &Session, desk: &Desk<'_>) -> Result<Exit, Error> {
    let output = session.output();
    let Args { id, from, to, source, format, all, page: Page { limit, cursor }, fresh: Fresh { at_least, wait_ms } } =
        args;
    let form = format.of_export();
    let is_whole = all || form.is_some();
    if is_whole && output.is_json() {
        return Err(Error::Usage(
            "--json prints a page as the contract has it; for all of it, take --format json".into(),
        ));
    }
    if form.is_some() && limit.is_some() {
        return Err(Error::Usage("--format csv and json print all there is: leave --limit out".into()));
    }
    let limit = if is_whole { Some(LIMIT_MAX) } else { limit };
    let request = StatementRequest { id, from, to, limit, cursor, source: Some(source), at_least, wait_ms };
    // What the words alone show to be wrong is wrong usage, and nothing is asked.
    request.fresh().map_err(|error| Error::Usage(error.message))?;
    match form {
        Some(form) => export(form, request, output, desk).await,
        None if all => show_all(request, output, desk).await,
        None => show(request, output, desk).await,
    }
}

/// One page.
async fn show(request: StatementRequest, output: Output, desk: &Desk<'_>) -> Result<Exit, Error> {
    let statement = desk.client().await?.account_statement(&request).await?;
    if output.is_json() {
        output.json(&statement)?;
    } else {
        print_table(&statement, request.source(), output, desk).await?;
        output.more(statement.cursor.as_deref());
    }
    Ok(Exit::CameTrue)
}

/// All of it, as one table.
async fn show_all(request: StatementRequest, output: Output, desk: &Desk<'_>) -> Result<Exit, Error> {
    let (source, bar) = (request.source(), progress::counter("postings"));
    let mut pages = Pages::new(desk.client().await?, request);
    let mut whole: Option<Statement> = None;
    while let Some(page) = pages.next().await? {
        bar.inc(page.postings.len() as u64);
        match &mut whole {
            // All that was on disk when the first page was read is in it, and the later pages are of older rows.
            Some(whole) => whole.postings.extend(page.postings),
            None => whole = Some(page),
        }
    }
    bar.finish_and_clear();
    if let Some(whole) = whole {
        print_table(&whole, source, output, desk).await?;
    }
    Ok(Exit::CameTrue)
}

async fn print_table(statement: &Statement, source: Source, output: Output, desk: &Desk<'_>) -> Result<(), Error> {
    let money = match statement.postings.is_empty() {
        true => None,
        false => Some(money(desk, &statement.account, source).await?),
    };
    output.text(&render::account::statement(statement, money.as_ref().map(|(currency, known)| (*currency, known))))?;
    output.as_of(statement.as_of);
    Ok(())
}

async fn export(form: Form, request: StatementRequest, output: Output, desk: &Desk<'_>) -> Result<Exit, Error> {
    let source = request.source();
    let bar = if stdout().is_terminal() { progress::nothing() } else { progress::counter("postings") };
    let mut pages = Pages::new(desk.client().await?, request);
    let mut export = Export::new(form);
    let mut known = None;
    while let Some(page) = pages.next().await? {
        if known.is_none() && !page.postings.is_empty() {
            known = Some(money(desk, &page.account, source).await?);
        }
        let text = export.page(&page, known.as_ref().map(|(currency, currencies)| (*currency, currencies)))?;
        if !output.bytes(&text)? {
            return Ok(Exit::CameTrue);
        }
        bar.inc(page.postings.len() as u64);
    }
    bar.finish_and_clear();
    output.bytes(&export.end()?)?;
    Ok(Exit::CameTrue)
}

/// The currency of an account's money, and how it is written.
async fn money(desk: &Desk<'_>, id: &AccountId, source: Source) -> Result<(Currency, Currencies), Error> {
    let client = desk.client().await?;
    let currency = match source {
        Source::Owner => client.account_get(&GetRequest { id: id.clone() }).await?.currency,
        // The owner may be away.
        Source::Projection => {
            let request = TotalsRequest { id: Some(id.clone()), limit: Some(1), ..TotalsRequest::default() };
            match client.account_totals(&request).await?.totals.first() {
                Some(total) => total.currency,
                None => client.account_get(&GetRequest { id: id.clone() }).await?.currency,
            }
        }
    };
    Ok((currency, desk.currencies_to_show(once(currency)).await))
}

/// A statement, page after page.
struct Pages<'c> {
    client: &'c Client,
    request: StatementRequest,
    is_over: bool,
}

impl<'c> Pages<'c> {
    fn new(client: &'c Client, request: StatementRequest) -> Self {
        Self { client, request, is_over: false }
    }

    /// The next one; `None` after the last.
    async fn next(&mut self) -> Result<Option<Statement>, Error> {
        if self.is_over {
            return Ok(None);
        }
        let page = self.client.account_statement(&self.request).await.map_err(|error| self.broken_off(error))?;
        self.is_over = page.cursor.is_none();
        self.request.cursor.clone_from(&page.cursor);
        // The first page was new enough, and the others are of older rows.
        (self.request.at_least, self.request.wait_ms) = (None, None);
        Ok(Some(page))
    }

    fn broken_off(&self, error: remit_api::Error) -> Error {
        match &self.request.cursor {
            Some(cursor) => Error::InDoubt { error, advice: format!("It goes on with `--cursor {cursor}`.") },
            None => Error::Answer(error),
        }
    }
}
