//! `remit account`: opening, looking at and changing accounts.

mod export;
mod statement;
mod totals;

use std::iter::once;

use clap::{Args, Subcommand};
use remit_api::{
    Code,
    account::{Account, ChangeRequest, GetRequest, ListRequest, OpenRequest, SetOverdraftRequest},
};
use remit_core::{account::Kind, id::AccountId, money::Currency};
use uuid::Uuid;

use super::{
    error::Error,
    exit::Exit,
    page::Page,
    render,
    session::{Desk, Session},
    words,
};

/// What can be done with accounts.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Open an account
    Open(Open),
    /// Show an account
    Get(Which),
    /// List accounts
    List(List),
    /// Set how far below zero an account may go
    SetOverdraft(SetOverdraft),
    /// Let an account take no new debits and credits
    Freeze(Change),
    /// Let it take them again
    Unfreeze(Change),
    /// Close an empty account, for ever
    Close(Change),
    /// Show the postings of an account, newest first, each with the balance after it; or export them
    Statement(statement::Args),
    /// Show what was posted on accounts, day by day
    Totals(totals::Args),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  remit account open alice --currency EUR
  remit account open s2:bob --currency EUR --overdraft-limit 500
  remit account open world --currency EUR --kind external

A name is placed in a shard by its hash; SHARD:NAME says which. An external account is the world outside: it may go below \
zero, so that a deposit is a transfer from it. To open an account again in the same way changes nothing.")]
pub(super) struct Open {
    /// Its id: NAME, or SHARD:NAME
    #[arg(value_parser = words::account)]
    id: AccountId,
    /// The currency of all its money, such as EUR
    #[arg(long, value_parser = words::currency)]
    currency: Currency,
    /// A customer's, or the world outside
    #[arg(long, value_parser = words::kind(), default_value = "customer")]
    kind: Kind,
    /// How far below zero it may go, such as 500 or 99.50 [default: 0]
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
    overdraft_limit: Option<String>,
    #[command(flatten)]
    guard: Guard,
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// Its id: NAME, or SHARD:NAME
    #[arg(value_parser = words::account)]
    id: AccountId,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only those of this shard, such as s0
    #[arg(long)]
    shard: Option<String>,
    #[command(flatten)]
    page: Page,
}

#[derive(Debug, Args)]
pub(super) struct SetOverdraft {
    /// Its id: NAME, or SHARD:NAME
    #[arg(value_parser = words::account)]
    id: AccountId,
    /// How far below zero it may go, in its currency, such as 500 or 99.50
    #[arg(value_name = "AMOUNT", allow_negative_numbers = true)]
    limit: String,
    #[command(flatten)]
    guard: Guard,
}

#[derive(Debug, Args)]
pub(super) struct Change {
    /// Its id: NAME, or SHARD:NAME
    #[arg(value_parser = words::account)]
    id: AccountId,
    #[command(flatten)]
    guard: Guard,
}

/// What makes a change safe to repeat, and safe against others.
#[derive(Debug, Args)]
struct Guard {
    /// The command's own id: a repeat under the same one answers as the first time [default: a new one]
    #[arg(long, value_name = "UUID")]
    command_id: Option<Uuid>,
    /// Only if this is the account's version now
    #[arg(long, value_name = "N")]
    if_version: Option<u64>,
}

pub(super) async fn run(command: Command, session: &Session) -> Result<Exit, Error> {
    let desk = session.desk();
    let account = match command {
        Command::List(list) => return show_list(list, session, &desk).await,
        Command::Statement(args) => return Box::pin(statement::run(args, session, &desk)).await,
        Command::Totals(args) => return totals::run(args, session, &desk).await,
        Command::Get(Which { id }) => desk.client().await?.account_get(&GetRequest { id }).await?,
        Command::Open(open) => open_account(open, &desk).await?,
        Command::SetOverdraft(set) => set_overdraft(set, &desk).await?,
        Command::Freeze(change) => {
            let (request, command_id) = change.request();
            done_or_in_doubt(desk.client().await?.account_freeze(&request).await, command_id)?
        }
        Command::Unfreeze(change) => {
            let (request, command_id) = change.request();
            done_or_in_doubt(desk.client().await?.account_unfreeze(&request).await, command_id)?
        }
        Command::Close(change) => {
            let (request, command_id) = change.request();
            done_or_in_doubt(desk.client().await?.account_close(&request).await, command_id)?
        }
    };
    let output = session.output();
    if output.is_json() {
        output.json(&account)?;
    } else {
        let currencies = desk.currencies_to_show(once(account.currency)).await;
        output.text(&render::account::card(&account, &currencies))?;
    }
    Ok(Exit::CameTrue)
}

async fn open_account(open: Open, desk: &Desk<'_>) -> Result<Account, Error> {
    let Open { id, currency, kind, overdraft_limit, guard } = open;
    let overdraft_limit = match overdraft_limit {
        Some(text) => Some(desk.limit(&text, currency).await?),
        None => None,
    };
    let command_id = guard.command_id();
    let request = OpenRequest {
        id,
        currency,
        kind: Some(kind),
        overdraft_limit,
        command_id: Some(command_id),
        if_version: guard.if_version,
    };
    // What the words alone show to be wrong is wrong usage, and nothing is asked.
    request.change(&desk.currencies(once(currency)).await?).map_err(|error| Error::Usage(error.message))?;
    done_or_in_doubt(desk.client().await?.account_open(&request).await, command_id)
}

async fn set_overdraft(SetOverdraft { id, limit, guard }: SetOverdraft, desk: &Desk<'_>) -> Result<Account, Error> {
    // Only the account says what currency the amount is in.
    let currency = desk.client().await?.account_get(&GetRequest { id: id.clone() }).await?.currency;
    let overdraft_limit = desk.limit(&limit, currency).await?;
    let command_id = guard.command_id();
    let request =
        SetOverdraftRequest { id, overdraft_limit, command_id: Some(command_id), if_version: guard.if_version };
    done_or_in_doubt(desk.client().await?.account_set_overdraft(&request).await, command_id)
}

async fn show_list(List { shard, page }: List, session: &Session, desk: &Desk<'_>) -> Result<Exit, Error> {
    let Page { limit, cursor } = page;
    let list = desk.client().await?.account_list(&ListRequest { shard, limit, cursor }).await?;
    let output = session.output();
    if output.is_json() {
        output.json(&list)?;
    } else {
        let currencies = desk.currencies_to_show(list.accounts.iter().map(|account| account.currency)).await;
        output.text(&render::account::list(&list.accounts, &currencies))?;
        output.more(list.cursor.as_deref());
    }
    Ok(Exit::CameTrue)
}

/// What came of a change; if that is not known, how to find out.
fn done_or_in_doubt(answer: Result<Account, remit_api::Error>, command_id: Uuid) -> Result<Account, Error> {
    answer.map_err(|error| match error.code {
        Code::Unavailable => {
            let advice =
                format!("the same command with `--command-id {command_id}` is done once, however often it is sent");
            Error::InDoubt { error, advice }
        }
        _ => Error::Answer(error),
    })
}

impl Change {
    fn request(self) -> (ChangeRequest, Uuid) {
        let command_id = self.guard.command_id();
        (ChangeRequest { id: self.id, command_id: Some(command_id), if_version: self.guard.if_version }, command_id)
    }
}

impl Guard {
    /// The one that was given, else a new one.
    fn command_id(&self) -> Uuid {
        self.command_id.unwrap_or_else(Uuid::now_v7)
    }
}
