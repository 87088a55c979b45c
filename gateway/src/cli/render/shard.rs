//! Databases and how they are.

use comfy_table::Cell;
use remit_api::shard::List;

use super::{between, count, good, table, text};

/// All of them, one line each.
pub(in crate::cli) fn list(list: &List) -> String {
    let mut table = table(["shard", "role", "node", "state", "epoch>", "store", "queue>", "restarts>"]);
    for shard in &list.shards {
        table.add_row([
            Cell::new(&shard.id),
            Cell::new(shard.role.as_str()),
            Cell::new(&shard.node),
            if shard.state == "up" { good(&shard.state) } else { between(&shard.state) },
            Cell::new(shard.epoch.0),
            Cell::new(&shard.store),
            Cell::new(count(shard.queue_depth)),
            Cell::new(count(shard.restarts)),
        ]);
    }
    text(&table)
}
