//! A transfer's story as a timeline.

use std::fmt::Write as _;

use comfy_table::Cell;
use remit_api::{
    Currencies,
    story::{Next, Step, Story, Then, WaitingFor, Whom},
    time,
};
use remit_core::{id::Time, money::Direction};

use super::{bad, between, good, table, text, transfer};

/// The transfer, what happened to it, and what it waits for.
pub(in crate::cli) fn timeline(story: &Story, currencies: &Currencies) -> String {
    let mut steps = table(["at", "after>", "actor", "node", "epoch>", "what"]);
    for step in &story.steps {
        steps.add_row([
            Cell::new(time::format(step.at)),
            Cell::new(after(story.transfer.accepted_at, step.at)),
            Cell::new(&step.actor),
            Cell::new(&step.node),
            Cell::new(step.epoch.0),
            what(step, currencies),
        ]);
    }
    let mut told = format!("{}\n\n{}", transfer::card(&story.transfer, currencies), text(&steps));
    for untold in &story.untold {
        write!(told, "\n\nnot told by {untold}").expect("memory takes all text");
    }
    if let Some(waiting) = &story.waiting_for {
        write!(told, "\n\n{}", waits(waiting)).expect("memory takes all text");
    }
    if let Some(next) = story.next {
        write!(told, "\n{}", then(next)).expect("memory takes all text");
    }
    told
}

/// Since it was accepted. Clocks of nodes differ, so it may be negative.
fn after(accepted: Time, at: Time) -> String {
    let ms = at.0.saturating_sub(accepted.0);
    let sign = if ms < 0 { '-' } else { '+' };
    format!("{sign}{}.{:03} s", ms.unsigned_abs() / 1_000, ms.unsigned_abs() % 1_000)
}

fn what(step: &Step, currencies: &Currencies) -> Cell {
    let mut said = match step.leg {
        Some(leg) => format!("leg {leg} {}", step.what),
        None => sentence(step),
    };
    let mut add = |text: String| write!(said, "{text}").expect("memory takes all text");
    if let (Some(account), Some(amount), Some(currency)) = (&step.account, step.amount, step.currency) {
        let sign = if step.direction == Some(Direction::Debit) { "-" } else { "+" };
        add(format!(": {account} {sign}{} {currency}", currencies.format(amount.get().into(), currency)));
        if let Some(balance) = step.balance {
            add(format!(", balance {}", currencies.format(balance.into(), currency)));
        }
    }
    if let Some(reason) = step.reason {
        add(format!(" ({})", reason.as_str()));
    }
    if let (Some(by), Some(why)) = (&step.by, &step.why) {
        add(format!(" by {by}: {why}"));
    } else if let Some(why) = &step.why {
        add(format!(": {why}"));
    }
    for (count, one, many) in [
        (step.repeats, "repeat changed nothing", "repeats changed nothing"),
        (step.retries, "retry", "retries"),
        (step.late, "late answer", "late answers"),
    ] {
        if count > 0 {
            add(format!("; at least {count} {}", if count == 1 { one } else { many }));
        }
    }
    match (&*step.what, step.leg) {
        ("completed", None) => good(&said),
        ("rejected" | "compensated" | "aborted" | "retry" | "cancel" | "resume", None) | ("refused", _) => {
            between(&said)
        }
        ("parked", _) => bad(&said),
        _ => Cell::new(said),
    }
}

/// What happened to the whole transfer.
fn sentence(step: &Step) -> String {
    match &*step.what {
        "taken_up" => "taken up by another incarnation, from its records".to_owned(),
        "committed" => "decided: commit".to_owned(),
        "aborted" => "decided: abort".to_owned(),
        "retry" => "asked again by order".to_owned(),
        "cancel" => "given up by order".to_owned(),
        "resume" => "resumed by order".to_owned(),
        other => other.to_owned(),
    }
}

fn waits(waiting: &WaitingFor) -> String {
    let since = time::format(waiting.since);
    if waiting.whom == Whom::Operator {
        let why = waiting.why.as_deref().unwrap_or("nobody knows why");
        return format!(
            "waits for an operator since {since}: {why}\nlook at the legs above, then `remit transfer resume`"
        );
    }
    let legs =
        waiting.legs.iter().map(|leg| format!("{} to {} leg {} ({})", leg.shard, leg.asked, leg.leg, leg.account));
    let legs = legs.collect::<Vec<_>>().join(", ");
    let mut said = format!("waits for {} since {since}", if legs.is_empty() { "its shards" } else { &legs });
    if waiting.retries > 0 {
        let times = if waiting.retries == 1 { "once".to_owned() } else { format!("{} times", waiting.retries) };
        write!(said, ", asked again {times}").expect("memory takes all text");
    }
    if let Some(reason) = waiting.reason {
        write!(said, ", being given up ({})", reason.as_str()).expect("memory takes all text");
    }
    said
}

fn then(next: Next) -> String {
    let at = time::format(next.at);
    match next.what {
        Then::AskAgain => format!("then, at {at}, they are asked again"),
        Then::GiveUp => format!("then, at {at}, its deadline passes and it is given up"),
    }
}

#[cfg(test)]
mod tests;
