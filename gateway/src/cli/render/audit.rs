//! What an audit found.

use comfy_table::Cell;
use owo_colors::OwoColorize;
use remit_api::{
    Currencies,
    audit::{Audit, Depth},
    time,
};

use super::{bad, count, good, table, text};

/// How many characters of a hash are shown: enough to compare two by eye; all of it stands in the JSON.
const HASH_CHARS: usize = 16;

/// The finding for each currency and each database, and what it comes to.
pub(in crate::cli) fn findings(audit: &Audit, currencies: &Currencies) -> String {
    let mut money =
        table(["currency", "sum>", "in transit>", "in flight>", "drift>", "held drift>", "incoming drift>"]);
    for finding in &audit.currencies {
        let amount = |units| currencies.format(units, finding.currency);
        let zero = |units| if units == 0 { good(&amount(units)) } else { bad(&amount(units)) };
        money.add_row([
            Cell::new(finding.currency),
            zero(finding.sum),
            Cell::new(amount(finding.in_transit)),
            Cell::new(amount(finding.in_flight)),
            zero(finding.drift),
            zero(finding.held_drift),
            zero(finding.incoming_drift),
        ]);
    }
    let mut shards = table(["shard", "journal rows>", "verified to>", "hash there", "balanced"]);
    for shard in &audit.shards {
        shards.add_row([
            Cell::new(&shard.id),
            Cell::new(count(shard.journal_seq.0)),
            Cell::new(count(shard.verified_to.0)),
            Cell::new(shard.hash.chars().take(HASH_CHARS).collect::<String>()),
            if shard.balanced { good("yes") } else { bad("no") },
        ]);
    }
    format!("{}\n\n{}\n\n{}", text(&money), text(&shards), verdict(audit))
}

/// The outcome in a sentence.
pub(in crate::cli) fn verdict(audit: &Audit) -> String {
    let depth = match audit.depth {
        Depth::Quick => "quick",
        Depth::Full => "full",
    };
    let (databases, at) = (audit.shards.len(), time::format(audit.taken_at));
    let verdict = if audit.ok {
        "ok: no money was made or lost".green().bold().to_string()
    } else {
        "NOT OK".red().bold().to_string()
    };
    format!("{verdict} ({depth} audit of {databases} databases at {at})")
}
