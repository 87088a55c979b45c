//! `remit transfer`: submitting, and looking at what became of it.

mod legs;
mod submit;

use clap::{Args, Subcommand};
use remit_api::{
    story::{ExplainRequest, OrderRequest},
    transfer::{GetRequest, ListRequest, Status, Transfer},
};
use remit_core::{
    id::{AccountId, Time, TransferId},
    operator::Action,
};

use self::submit::Submit;
use super::{
    account::Page,
    error::Error,
    exit::Exit,
    render,
    session::{Desk, Session},
    words,
};

/// What can be done with transfers.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Move money, and wait for the end
    Submit(Submit),
    /// Show a transfer as it stands
    Get(Get),
    /// List transfers
    List(List),
    /// Tell a transfer's whole story: what happened, when, where, and what it waits for
    Explain(Get),
    /// Ask the silent legs of a transfer now, instead of at the next try
    Retry(Order),
    /// Give a transfer up, as its deadline would
    Cancel(Order),
    /// Let a parked transfer go on from its records
    Resume(Order),
}

#[derive(Debug, Args)]
pub(super) struct Order {
    /// The transfer's id, a UUID
    id: TransferId,
    /// Why, for those who read its story later
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

#[derive(Debug, Args)]
pub(super) struct Get {
    /// Its id, a UUID
    id: TransferId,
}

#[derive(Debug, Args)]
pub(super) struct List {
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
    #[command(flatten)]
    page: Page,
}

pub(super) async fn run(command: Command, session: &Session) -> Result<Exit, Error> {
    match command {
        Command::Submit(submit) => Box::pin(submit::run(submit, session)).await,
        Command::Get(Get { id }) => {
            let desk = session.desk();
            let transfer = desk.client().await?.transfer_get(&GetRequest { id }).await?;
            show(&transfer, session, &desk).await?;
            Ok(Exit::CameTrue)
        }
        Command::List(list) => show_list(list, session).await,
        Command::Explain(Get { id }) => explain(id, session).await,
        Command::Retry(order) => give(Action::Retry, order, session).await,
        Command::Cancel(order) => give(Action::Cancel, order, session).await,
        Command::Resume(order) => give(Action::Resume, order, session).await,
    }
}

async fn explain(id: TransferId, session: &Session) -> Result<Exit, Error> {
    let desk = session.desk();
    let story = desk.client().await?.transfer_explain(&ExplainRequest { id }).await?;
    let output = session.output();
    if output.is_json() {
        output.json(&story)?;
    } else {
        let currencies = desk.currencies_to_show(story.transfer.legs.iter().map(|leg| leg.currency)).await;
        output.text(&render::story::timeline(&story, &currencies))?;
    }
    Ok(Exit::CameTrue)
}

async fn give(action: Action, Order { id, why, by }: Order, session: &Session) -> Result<Exit, Error> {
    let desk = session.desk();
    let request = OrderRequest { id, why: why.into(), by: Some(by.into()) };
    let transfer = desk.client().await?.transfer_order(action, &request).await?;
    show(&transfer, session, &desk).await?;
    Ok(Exit::CameTrue)
}

/// Prints a transfer.
async fn show(transfer: &Transfer, session: &Session, desk: &Desk<'_>) -> Result<(), Error> {
    let output = session.output();
    if output.is_json() {
        return output.json(transfer);
    }
    let currencies = desk.currencies_to_show(transfer.legs.iter().map(|leg| leg.currency)).await;
    output.text(&render::transfer::card(transfer, &currencies))
}

async fn show_list(list: List, session: &Session) -> Result<Exit, Error> {
    let List { status, account, overdue, since, page: Page { limit, cursor } } = list;
    let desk = session.desk();
    let request = ListRequest { status, account, overdue: overdue.then_some(true), since, limit, cursor };
    let list = desk.client().await?.transfer_list(&request).await?;
    let output = session.output();
    if output.is_json() {
        output.json(&list)?;
    } else {
        let used = list.transfers.iter().flat_map(|transfer| transfer.legs.iter().map(|leg| leg.currency));
        let currencies = desk.currencies_to_show(used).await;
        output.text(&render::transfer::list(&list.transfers, &currencies))?;
        output.more(list.cursor.as_deref());
    }
    Ok(Exit::CameTrue)
}
