//! A small disk that a test fills up or makes read-only.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use nix::sys::statvfs::statvfs;

/// How long it may take until nobody has a file of the disk open for writing.
const READ_ONLY_WITHIN: Duration = Duration::from_secs(60);
const MIB: u64 = 1 << 20;

/// A file system of its own on a folder, gone when dropped.
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// Mounts a disk of so many MiB on a folder, which is made if it is not there.
    pub(crate) fn mount(folder: &Path, mib: u64) -> Self {
        fs::create_dir_all(folder).unwrap();
        if let Err(said) = mount(&["-t", "tmpfs", "-o", &format!("size={mib}m"), "remit-broken"], folder) {
            panic!(
                "{said}: this test mounts file systems; run it as root, or as `unshare --map-root-user --mount cargo test …`"
            );
        }
        Self(folder.to_owned())
    }

    /// Fills it up until only so many MiB are free; to the last byte, if none.
    pub(crate) fn fill(&self, leave_mib: u64) {
        // One that has turned read-only is as full as can be.
        let Ok(mut filler) = OpenOptions::new().create(true).append(true).open(self.filler()) else { return };
        while self.free() > leave_mib * MIB {
            let some = (self.free() - leave_mib * MIB).clamp(1, MIB);
            // What the test is about: the last write finds no room.
            if filler.write(&vec![7; usize::try_from(some).unwrap()]).is_err() {
                break;
            }
        }
    }

    /// Keeps it full to the last byte while something is done, whatever is deleted on it meanwhile.
    pub(crate) fn full_while(&self, something: impl FnOnce()) {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    self.fill(0);
                    thread::sleep(Duration::from_millis(10));
                }
            });
            let _over = Over(&over);
            something();
        });
    }

    /// Frees what was filled.
    pub(crate) fn free_up(&self) {
        File::create(self.filler()).unwrap();
    }

    /// Turns it read-only. The kernel does that only while nobody has a file of it open for writing, so it is tried until then.
    pub(crate) fn turn_read_only(&self) {
        let began = Instant::now();
        while let Err(said) = mount(&["-o", "remount,ro"], &self.0) {
            assert!(said.contains("busy") && began.elapsed() < READ_ONLY_WITHIN, "{said}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Turns it back.
    pub(crate) fn turn_writable(&self) {
        mount(&["-o", "remount,rw"], &self.0).unwrap();
    }

    fn free(&self) -> u64 {
        let told = statvfs(&self.0).unwrap();
        told.blocks_available() * told.fragment_size()
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process that the test has just killed may not have let go of it.
        let done = Command::new("umount").arg("--lazy").arg(&self.0).status();
        assert!(done.is_ok_and(|status| status.success()) || thread::panicking(), "{} stays mounted", self.0.display());
    }
}

/// Says that it is over, also by a panic: else the thread that waits for it would never end.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn mount(arguments: &[&str], folder: &Path) -> Result<(), String> {
    let done = Command::new("mount").args(arguments).arg(folder).output().unwrap();
    if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into_owned()) }
}
