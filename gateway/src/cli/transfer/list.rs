//! `remit transfer list` and `search`: transfers, newest first, by what one knows of them.

use clap::Args;
use remit_api::transfer::{ListRequest, Status};
use remit_core::id::{AccountId, Time};

use crate::cli::{
    error::Error,
    exit::Exit,
    page::{Fresh, Page},
    render,
    session::Session,
    words,
};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  remit transfer list --account alice --status completed
  remit transfer list --since 2026-11-22 --until 2026-11-23 --memo rent
  remit transfer list --account alice --at-least 0199c0de-0000-7000-8000-000000000001
  remit transfer list --overdue

The list comes from the projection, with all that was on disk a moment ago; which moment, it says. With --at-least, it has that \
transfer as you have seen it.")]
pub(in crate::cli) struct List {
    #[command(flatten)]
    which: Which,
    /// Only those whose memo has these words, or words that begin so
    #[arg(long, value_name = "WORDS")]
    memo: Option<String>,
    #[command(flatten)]
    page: Page,
    #[command(flatten)]
    fresh: Fresh,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  remit transfer search rent march
  remit transfer search invoice 2026 --account alice --since 2026-11-01")]
pub(in crate::cli) struct Search {
    /// Words that the memo has, each of them, or words of it that begin so
    #[arg(value_name = "WORDS", required = true)]
    words: Vec<String>,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    page: Page,
    #[command(flatten)]
    fresh: Fresh,
}

/// Which transfers.
#[derive(Debug, Args)]
struct Which {
    /// Only those that are so far
    #[arg(long, value_parser = words::status())]
    status: Option<Status>,
    /// Only those that move money of this account
    #[arg(long, value_name = "ID", value_parser = words::account)]
    account: Option<AccountId>,
    /// Only those that take longer than they should
    #[arg(long)]
    overdue: bool,
    /// Only those accepted at this moment or later, such as 2026-11-22 or 2026-11-22T22:50:00Z
    #[arg(long, value_name = "TIME", value_parser = words::moment)]
    since: Option<Time>,
    /// Only those accepted before this moment
    #[arg(long, value_name = "TIME", value_parser = words::moment)]
    until: Option<Time>,
}

impl List {
    pub(super) async fn run(self, session: &Session) -> Result<Exit, Error> {
        let Self { which, memo, page, fresh } = self;
        show(request(which, memo, page, fresh), session).await
    }
}

impl Search {
    pub(super) async fn run(self, session: &Session) -> Result<Exit, Error> {
        let Self { words, which, page, fresh } = self;
        show(request(which, Some(words.join(" ")), page, fresh), session).await
    }
}

fn request(which: Which, memo: Option<String>, page: Page, fresh: Fresh) -> ListRequest {
    let Which { status, account, overdue, since, until } = which;
    let (Page { limit, cursor }, Fresh { at_least, wait_ms }) = (page, fresh);
    let overdue = overdue.then_some(true);
    ListRequest { status, account, overdue, since, until, memo, limit, cursor, at_least, wait_ms }
}

async fn show(request: ListRequest, session: &Session) -> Result<Exit, Error> {
    // What the words alone show to be wrong is wrong usage, and nothing is asked.
    request.words().map_err(|error| Error::Usage(error.message))?;
    let desk = session.desk();
    let list = desk.client().await?.transfer_list(&request).await?;
    let output = session.output();
    if output.is_json() {
        output.json(&list)?;
    } else {
        let used = list.transfers.iter().flat_map(|transfer| transfer.legs.iter().map(|leg| leg.currency));
        let currencies = desk.currencies_to_show(used).await;
        output.text(&render::transfer::list(&list.transfers, &currencies))?;
        output.as_of(Some(list.as_of));
        output.more(list.cursor.as_deref());
    }
    Ok(Exit::CameTrue)
}
