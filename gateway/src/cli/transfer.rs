//! `remit transfer`: submitting, and looking at what became of it.

mod legs;
mod list;
mod submit;

use clap::{Args, Subcommand};
use remit_api::{
    story::{ExplainRequest, OrderRequest},
    transfer::{GetRequest, Transfer},
};
use remit_core::{id::TransferId, operator::Action};

use self::submit::Submit;
use super::{
    error::Error,
    exit::Exit,
    render,
    session::{Desk, Session},
};

/// What can be done with transfers.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Move money, and wait for the end
    Submit(Submit),
    /// Show a transfer as it stands
    Get(Get),
    /// List transfers, newest first
    List(list::List),
    /// The same, by words of their memos
    Search(list::Search),
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

pub(super) async fn run(command: Command, session: &Session) -> Result<Exit, Error> {
    match command {
        Command::Submit(submit) => Box::pin(submit::run(submit, session)).await,
        Command::Get(Get { id }) => {
            let desk = session.desk();
            let transfer = desk.client().await?.transfer_get(&GetRequest { id }).await?;
            show(&transfer, session, &desk).await?;
            Ok(Exit::CameTrue)
        }
        Command::List(list) => list.run(session).await,
        Command::Search(search) => search.run(session).await,
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
