//! What became of the actors.

use comfy_table::Cell;
use owo_colors::OwoColorize;
use remit_api::{supervision::Event, time};

use super::{bad, between, good, or_dash, table, text};

/// Whether an event is what one wishes for, or a cause of trouble, or neither.
enum Mood {
    Good,
    Between,
    Bad,
    Plain,
}

fn mood(event: &Event) -> Mood {
    match event.event.as_str() {
        "recovered" | "unstuck" | "in_time" => Mood::Good,
        "restarting" | "overdue" => Mood::Between,
        "failed" | "quarantined" | "lease_lost" | "stuck" => Mood::Bad,
        _ => Mood::Plain,
    }
}

/// Events, one line each.
pub(in crate::cli) fn list(events: &[Event]) -> String {
    if events.is_empty() {
        return "no events".to_owned();
    }
    let mut table = table(["at", "node", "actor", "event", "epoch>", "generation>", "what"]);
    for event in events {
        let word = event.event.as_str();
        table.add_row([
            Cell::new(time::format(event.at)),
            Cell::new(&event.node),
            Cell::new(&event.actor),
            match mood(event) {
                Mood::Good => good(word),
                Mood::Between => between(word),
                Mood::Bad => bad(word),
                Mood::Plain => Cell::new(word),
            },
            or_dash(event.epoch.map(|epoch| epoch.0)),
            Cell::new(event.generation),
            Cell::new(what(event)),
        ]);
    }
    text(&table)
}

/// One event as a line by itself.
pub(in crate::cli) fn line(event: &Event) -> String {
    let Event { at, node, actor, .. } = event;
    let word = format!("{:<11}", event.event);
    let word = match mood(event) {
        Mood::Good => word.green().to_string(),
        Mood::Between => word.yellow().to_string(),
        Mood::Bad => word.red().to_string(),
        Mood::Plain => word,
    };
    format!("{}  {node}  {actor:<4}  {word}  {}", time::format(*at), what(event)).trim_end().to_owned()
}

/// What there is to say beside the word, in a few words more.
pub(in crate::cli) fn what(event: &Event) -> String {
    let Event { reason, how: _, transfer, attempt, delay_ms, open, took_ms, turn_ms, overdue, .. } = event;
    let parts = [
        reason.as_ref().map(|reason| reason.lines().collect::<Vec<_>>().join(" ")),
        transfer.as_ref().map(|transfer| format!("over transfer {transfer}")),
        attempt.map(|attempt| format!("attempt {attempt}")),
        delay_ms.map(|ms| format!("in {ms} ms")),
        open.map(|open| format!("{open} open")),
        took_ms.map(|ms| format!("took {ms} ms")),
        turn_ms.map(|ms| format!("for {ms} ms so far")),
        overdue.map(|transfers| format!("{transfers} transfers take too long")),
        event.epoch.filter(|_| event.event == "lease_won").map(|epoch| format!("epoch {}", epoch.0)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
