//! Databases and how they are.

use comfy_table::{Cell, ColumnConstraint};
use remit_api::shard::Shard;

use super::{bad, between, count, good, or_dash, table, text};

/// Where what was refused stands.
const REFUSED: usize = 8;

/// Some of them, one line each. What was refused is shown where something was.
pub(in crate::cli) fn list(shards: &[Shard]) -> String {
    let mut table = table(["shard", "role", "node", "state", "epoch>", "store", "queue>", "restarts>", "refused>"]);
    for shard in shards {
        table.add_row([
            Cell::new(&shard.id),
            Cell::new(shard.role.as_str()),
            or_dash(Some(&shard.node).filter(|node| !node.is_empty())),
            match shard.state.as_str() {
                "up" => good(&shard.state),
                Shard::NOWHERE => bad(&shard.state),
                _ => between(&shard.state),
            },
            Cell::new(shard.epoch.0),
            Cell::new(&shard.store),
            Cell::new(count(shard.queue_depth)),
            Cell::new(count(shard.restarts)),
            Cell::new(count(shard.refused)),
        ]);
    }
    if shards.iter().all(|shard| shard.refused == 0)
        && let Some(column) = table.column_mut(REFUSED)
    {
        column.set_constraint(ColumnConstraint::Hidden);
    }
    text(&table)
}
