//! How the read model is.

use comfy_table::Cell;
use remit_api::{
    projection::{Projection, Rebuild, State},
    time,
};

use super::{between, count, good, or_dash, table, text};

/// How it is as a whole, and below it how far it is in each journal.
pub(in crate::cli) fn status(projection: &Projection) -> String {
    let state = projection.state.as_str();
    let card = super::card([
        ("projection", Cell::new(&projection.id)),
        ("state", if projection.state == State::Ready { good(state) } else { between(state) }),
        ("as of", or_dash(projection.as_of.map(time::format))),
        ("lag", or_dash(projection.lag_ms.map(|ms| format!("{} ms", count(ms))))),
        ("rows behind", Cell::new(count(projection.behind_rows))),
        ("transfers", Cell::new(count(projection.transfers))),
        ("size", Cell::new(format!("{} bytes", count(projection.bytes)))),
        ("rebuilt", Cell::new(count(projection.rebuilt))),
        ("rebuild", or_dash(projection.rebuild.map(rebuild))),
    ]);
    if projection.sources.is_empty() {
        return card;
    }
    let mut sources = table(["journal", "row>", "of>", "behind>", "committed"]);
    for source in &projection.sources {
        sources.add_row([
            Cell::new(&source.id),
            Cell::new(count(source.seq.0)),
            Cell::new(count(source.head.0)),
            Cell::new(count(source.behind)),
            or_dash(source.at.map(time::format)),
        ]);
    }
    format!("{card}\n\n{}", text(&sources))
}

fn rebuild(Rebuild { behind_rows, rows }: Rebuild) -> String {
    format!("{} rows, {} behind", count(rows), count(behind_rows))
}
