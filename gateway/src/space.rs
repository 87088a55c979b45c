//! The room on the disks under the databases, and whether the door may still take what is new.
//!
//! A disk that fills up ends in failed commits, and then nothing ends: neither what was accepted nor what would free money. So
//! a reserve is kept. While less than that is free the door refuses what is new, and transfers in flight end within the
//! reserve. A file system that has turned read-only is the same with no reserve left.
//!
//! The disks are looked at by a thread of their own: one that hangs keeps nobody waiting.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    thread,
    time::Duration,
};

use nix::sys::statvfs::{FsFlags, statvfs};
use parking_lot::RwLock;
use tracing::{info, warn};

/// How often the disks are looked at: seldom enough to cost nothing, and often enough that the reserve lasts until then.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const MIB: u64 = 1 << 20;

/// The room that is left.
#[derive(Debug)]
pub struct Space {
    folders: Vec<PathBuf>,
    reserve_bytes: u64,
    shortage: RwLock<Option<Shortage>>,
}

/// A disk without room for what is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// A folder on it.
    pub folder: PathBuf,
    /// What is wrong with it.
    pub room: Room,
    /// What must be free, in bytes.
    pub reserve_bytes: u64,
}

/// What a disk can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// Nothing.
    ReadOnly,
    /// So many bytes.
    Free(u64),
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.folder.display();
        match self.room {
            Room::ReadOnly => write!(f, "the disk under {folder} is read-only: nothing new is taken"),
            Room::Free(free) => write!(
                f,
                "the disk under {folder} is nearly full ({} MiB free, and {} MiB are kept for what is under way): nothing new \
                 is taken",
                free / MIB,
                self.reserve_bytes / MIB
            ),
        }
    }
}

impl Space {
    /// Watches the disks under these folders until the value is dropped. A reserve of 0 bytes: room unless one is read-only.
    ///
    /// # Errors
    /// A thread could not be started.
    pub fn watch(folders: Vec<PathBuf>, reserve_bytes: u64) -> io::Result<Arc<Self>> {
        let space = Arc::new(Self { folders, reserve_bytes, shortage: RwLock::default() });
        space.look();
        let watched = Arc::downgrade(&space);
        thread::Builder::new().name("space".into()).spawn(move || keep_looking(&watched))?;
        Ok(space)
    }

    /// Why nothing new may be taken; `None` while there is room.
    #[must_use]
    pub fn shortage(&self) -> Option<Shortage> {
        self.shortage.read().clone()
    }

    fn look(&self) {
        let tightest = self.folders.iter().filter_map(|folder| Some((room(folder)?, folder))).min();
        let was = self.shortage();
        let is = tightest
            .filter(|(room, _)| !suffices(*room, self.reserve_bytes, was.is_some()))
            .map(|(room, folder)| Shortage { folder: folder.clone(), room, reserve_bytes: self.reserve_bytes });
        match (&was, &is) {
            (None, Some(shortage)) => warn!("{shortage}"),
            (Some(_), None) => info!("there is room on the disk again: the door takes what is new"),
            _ => {}
        }
        *self.shortage.write() = is;
    }
}

fn keep_looking(watched: &Weak<Space>) {
    while let Some(space) = watched.upgrade() {
        space.look();
        drop(space);
        thread::sleep(LOOK_EVERY);
    }
}

/// What the disk under a folder can take. One that does not tell is no reason to refuse anybody: its databases will tell.
fn room(folder: &Path) -> Option<Room> {
    let told = statvfs(folder).ok()?;
    if told.flags().contains(FsFlags::ST_RDONLY) {
        return Some(Room::ReadOnly);
    }
    Some(Room::Free(told.blocks_available().saturating_mul(told.fragment_size())))
}

/// Whether there is room for what is new. After a shortage an eighth more is asked for, so that the door does not flutter.
fn suffices(room: Room, reserve_bytes: u64, was_short: bool) -> bool {
    let least = if was_short { reserve_bytes.saturating_add(reserve_bytes / 8) } else { reserve_bytes };
    room >= Room::Free(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_begins_below_the_reserve_and_ends_an_eighth_above_it() {
        for (room, was_short, enough) in [
            (Room::Free(800), false, true),
            (Room::Free(799), false, false),
            (Room::Free(899), true, false),
            (Room::Free(900), true, true),
            (Room::ReadOnly, false, false),
            (Room::ReadOnly, true, false),
        ] {
            assert_eq!(suffices(room, 800, was_short), enough, "{room:?}");
        }
    }

    #[test]
    fn a_disk_with_less_than_the_reserve_is_named_and_a_folder_that_is_not_there_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let folders = || vec![folder.path().join("none"), folder.path().to_owned()];
        let short = Space::watch(folders(), u64::MAX).unwrap().shortage().unwrap();
        assert_eq!(short.folder, folder.path());
        assert!(short.to_string().contains("nearly full"), "{short}");
        for reserve_bytes in [0, 1] {
            assert_eq!(Space::watch(folders(), reserve_bytes).unwrap().shortage(), None);
        }
    }

    #[test]
    fn a_shortage_says_what_is_wrong() {
        let shortage = |room| Shortage { folder: "data".into(), room, reserve_bytes: 512 * MIB }.to_string();
        assert_eq!(shortage(Room::ReadOnly), "the disk under data is read-only: nothing new is taken");
        assert_eq!(
            shortage(Room::Free(3 * MIB)),
            "the disk under data is nearly full (3 MiB free, and 512 MiB are kept for what is under way): nothing new is taken"
        );
    }
}
