//! A file's promise not to take lower epochs (R15), made beside the actor that may have it open.

use std::{path::Path, time::Duration};

use remit_core::id::Epoch;
use rusqlite::{Connection, OpenFlags};

use super::{BUSY_MS, FORMAT, epoch_of, is_known, linked_of, unsigned, write_epoch};
use crate::store::{Error, replica::Promised};

/// Has a file refuse all epochs below this one, unless it refuses more already; when it returns, that is on disk. A writer of a
/// lower epoch is fenced at its next transaction (R12). Waits for one that is under way, for seconds if it must.
///
/// # Errors
/// The file is missing, another program's, or of a format that this version does not know; a transaction took too long; or SQLite
/// failed.
pub fn promise(path: &Path, epoch: Epoch) -> Result<Promised, Error> {
    if !path.exists() {
        return Err(Error::Foreign { what: format!("{} is missing", path.display()) });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_millis(BUSY_MS))?;
    if !is_known(&connection)? {
        return Err(Error::Foreign { what: format!("{} is no journal of format {FORMAT}", path.display()) });
    }
    connection.pragma_update(None, "synchronous", "full")?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let stored = epoch_of(&connection)?;
    let claimed: i64 = connection.query_row("SELECT ifnull(max(epoch), 0) FROM claim", [], |row| row.get(0))?;
    let promised =
        Promised { epoch: stored.max(epoch), claimed: Epoch(unsigned(claimed)?), linked: linked_of(&connection)? };
    if promised.epoch > stored {
        write_epoch(&connection, epoch)?;
    }
    connection.execute_batch("COMMIT")?;
    // Where a flush failed before, a power failure would take what stands behind that in the log; not what is in the file itself.
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    Ok(promised)
}
