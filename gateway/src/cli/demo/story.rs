//! What happens in the demo, told while it happens.

use std::{
    collections::BTreeSet,
    iter,
    path::Path,
    time::{Duration, Instant},
};

use remit_api::{
    Client, Currencies,
    account::{ChangeRequest, OpenRequest},
    audit::{Audit, Depth, RunRequest},
    batch::BatchRequest,
    deployment::Deployment,
    submit::Until,
    transfer::Status,
};
use remit_core::{
    id::{AccountId, default_name},
    protocol::Protocol,
};
use serde::Serialize;

use super::{
    figures::{self, Figures},
    payroll,
};
use crate::cli::{
    error::Error,
    exit::Exit,
    import::{
        accounts,
        fleet::{Fleet, Landed},
        payment::Payment,
        progress,
        summary::Summary,
    },
    output::Output,
    render::{self, count},
};

/// Small batches, so that there are enough of them to measure.
const FLEET: Fleet = Fleet { batch: 100, in_flight: 8, tries: 12 };
/// How long the deposits may take, in milliseconds; they take a few.
const DEPOSITS_WITHIN_MS: u64 = 30_000;
/// The two accounts whose databases a reader is shown.
const LOOK_AT: [&str; 2] = ["acme", "tax-office"];

/// All of it, for programs.
#[derive(Debug, Serialize)]
struct Told<'t> {
    data: &'t Path,
    protocols: &'t [Figures],
    audit: &'t Audit,
}

/// Tells the story; its exit status says whether everything came out as it should.
pub(super) async fn tell(client: &Client, data: &Path, kept: bool, output: Output) -> Result<Exit, Error> {
    let say = |text: &str| if output.is_json() { Ok(()) } else { output.text(text) };
    let deployment = client.deployment_get().await?;
    let currencies = Currencies::iso();
    let Deployment { shards, managers, .. } = &deployment;
    say(&format!(
        "A node is up: {shards} account databases and {managers} transfer databases in {}\n",
        data.display()
    ))?;

    let accounts = payroll::accounts(&currencies)?;
    let opened = accounts::open_all(client, accounts.clone(), FLEET.tries, progress::bar("accounts")).await;
    if let Some((_, error)) = opened.refused.into_iter().next() {
        return Err(error.into());
    }
    let once = payroll::payments(&currencies, Protocol::default())?;
    prepare(client, &accounts, &once).await?;
    let placed: BTreeSet<_> = accounts.iter().map(|account| account.id.hashed_shard(*shards)).collect();
    say(&format!("{} accounts are open in {} databases, and money is in them", count(opened.opened), placed.len()))?;
    say(&format!("A payroll of {} payments, once under each protocol:\n", count(once.len() as u64)))?;

    let mut measured = Vec::new();
    for protocol in Protocol::all() {
        measured.push(pay(client, &currencies, protocol).await?);
    }
    let audit = client.audit_run(&RunRequest { depth: Some(Depth::Full) }).await?;
    if output.is_json() {
        output.json(&Told { data, protocols: &measured, audit: &audit })?;
    } else {
        say(&figures::text(&measured))?;
        let Fleet { batch, in_flight, .. } = FLEET;
        say(&format!(
            "\nA batch is {batch} payments, measured from sending it until all of it had ended; {in_flight} at a time.\n"
        ))?;
        say(&render::audit::findings(&audit, &currencies))?;
        say(&look_yourself(kept.then_some(data), *shards))?;
    }
    let all_well = audit.ok && measured.iter().all(Figures::all_ended);
    Ok(if all_well { Exit::CameTrue } else { Exit::Refused })
}

/// Puts money into the payers' accounts, and makes some payees unable to take any.
async fn prepare(client: &Client, accounts: &[OpenRequest], payments: &[Payment]) -> Result<(), Error> {
    let times = i64::try_from(Protocol::all().count()).unwrap_or(i64::MAX);
    let transfers = payroll::deposits(accounts, payments, times);
    let (wait, wait_ms) = (Some(Until::Settled), Some(DEPOSITS_WITHIN_MS));
    let batch = BatchRequest { transfers, wait, wait_ms, answer: None };
    for result in client.transfer_submit_batch_brief(&batch).await? {
        let deposit = result?;
        if deposit.status != Status::Completed {
            let message = format!("a deposit is {}, not completed", deposit.status.as_str());
            return Err(Error::Answer(remit_api::Error::unavailable(message)));
        }
    }
    let (closed, frozen) = payroll::closed_and_frozen(accounts);
    for id in closed {
        client.account_close(&ChangeRequest::new(id)).await?;
    }
    for id in frozen {
        client.account_freeze(&ChangeRequest::new(id)).await?;
    }
    Ok(())
}

/// Pays all of it under one protocol.
async fn pay(client: &Client, currencies: &Currencies, protocol: Protocol) -> Result<Figures, Error> {
    let payments = payroll::payments(currencies, protocol)?;
    let bar = progress::bar(protocol.as_str());
    bar.set_length(payments.len() as u64);
    let (mut summary, mut batches) = (Summary::default(), Vec::<Duration>::new());
    let began = Instant::now();
    let landed = |Landed { ends, took, .. }: Landed| {
        bar.inc(ends.len() as u64);
        ends.iter().for_each(|end| summary.count(end));
        batches.push(took);
        Ok::<_, Error>(())
    };
    FLEET.fly(client, payments.into_iter(), landed).await?;
    summary.took(began.elapsed());
    bar.finish_and_clear();
    Ok(Figures::new(protocol, &summary, &mut batches))
}

/// The commands with which to read the databases without Remit; in `data`, or if that is removed, in a folder that would stay.
fn look_yourself(data: Option<&Path>, shards: u16) -> String {
    let how = match data {
        Some(_) => "Each database is a plain SQLite file. Look into them yourself:",
        None => {
            "Each database is a plain SQLite file. `remit demo --data remit-demo` keeps them, to look into yourself:"
        }
    };
    let data = data.unwrap_or(Path::new("remit-demo"));
    let balance = |name: &str| {
        let id = AccountId::parse(name).expect("these names are ids");
        let file = format!("{}.db", default_name('s', id.hashed_shard(shards).0));
        let file = quoted(&data.join("shards").join(file));
        format!("  sqlite3 -header {file} \"SELECT * FROM balance WHERE account = '{name}'\"")
    };
    let manager = quoted(&data.join("managers").join("m0.db"));
    let ends = "SELECT status, reason, count(*) FROM transfer GROUP BY status, reason";
    let transfers = format!("  sqlite3 -header {manager} \"{ends}\"");
    let commands: Vec<_> = LOOK_AT.into_iter().map(balance).chain(iter::once(transfers)).collect();
    format!("\n{how}\n{}\n", commands.join("\n"))
}

/// A path as a shell reads it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = text.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c));
    if is_plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_name_the_files_of_two_shards_and_a_manager() {
        let text = look_yourself(Some(Path::new("/tmp/a b")), 16);
        let expected = "
Each database is a plain SQLite file. Look into them yourself:
  sqlite3 -header '/tmp/a b/shards/s12.db' \"SELECT * FROM balance WHERE account = 'acme'\"
  sqlite3 -header '/tmp/a b/shards/s4.db' \"SELECT * FROM balance WHERE account = 'tax-office'\"
  sqlite3 -header '/tmp/a b/managers/m0.db' \"SELECT status, reason, count(*) FROM transfer GROUP BY status, reason\"
";
        assert_eq!(text, expected);
        let text = look_yourself(None, 16);
        assert!(text.contains(" remit-demo/shards/s4.db "), "{text}");
    }
}
