//! The data folder of a node, and the one process that owns it.
//!
//! The owner holds an exclusive lock on the file `lock` in it for as long as it lives; the kernel takes the lock away when
//! the process ends, however it ends, so a lock never has to be cleaned up. The owner's process id stands in that file, for
//! the message to whoever comes second.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

/// A data folder that this process owns until the value is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: Flock<File>,
}

/// Why a data folder could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process owns it.
    #[error("the data folder {} is in use by {}", path.display(), owner(*pid))]
    InUse {
        /// The folder.
        path: PathBuf,
        /// That process, if it has already said so in the file `lock`.
        pid: Option<i32>,
    },
    /// It can't be made, opened or locked.
    #[error("the data folder {} can't be used", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn owner(pid: Option<i32>) -> String {
    pid.map_or_else(|| "another process".into(), |pid| format!("the process {pid}"))
}

impl DataDir {
    /// Makes the folder if it is not there, and takes it.
    ///
    /// # Errors
    /// Another process, or another value in this one, owns it; or the disk refuses.
    pub fn take(path: &Path) -> Result<Self, Error> {
        let unusable = |source| Error::Unusable { path: path.into(), source };
        fs::create_dir_all(path).map_err(unusable)?;
        // Absolute and without links, so that it is the same text however it is named: a broker that was left behind is
        // recognised by it.
        let path = path.canonicalize().map_err(unusable)?;
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path.join("lock"));
        let mut lock = match Flock::lock(file.map_err(unusable)?, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((file, Errno::EWOULDBLOCK)) => return Err(Error::InUse { path, pid: living_pid(file) }),
            Err((_, errno)) => return Err(unusable(errno.into())),
        };
        write_pid(&mut lock).map_err(unusable)?;
        Ok(Self { path, _lock: lock })
    }

    /// The folder, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

/// The process named in the lock file, if it lives: for a moment after a new owner came, a dead one's id stands there.
fn living_pid(mut file: File) -> Option<i32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    let pid = text.trim().parse().ok().filter(|pid| *pid > 0)?;
    let lives = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None) != Err(Errno::ESRCH);
    lives.then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_refused_and_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/data");
        let first = DataDir::take(&path).unwrap();
        assert_eq!(first.path(), path.canonicalize().unwrap());

        let refused = DataDir::take(&path).unwrap_err().to_string();
        let pid = std::process::id();
        assert_eq!(refused, format!("the data folder {} is in use by the process {pid}", first.path().display()));

        drop(first);
        DataDir::take(&path).unwrap();
    }

    #[test]
    fn an_id_that_a_dead_owner_left_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("lock"), "1234567890 and more, so that a shorter one must cut it off\n").unwrap();
        let owned = DataDir::take(folder.path()).unwrap();
        let text = fs::read_to_string(owned.path().join("lock")).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
    }

    #[test]
    fn a_path_that_is_no_folder_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = DataDir::take(file.path()).unwrap_err();
        assert!(matches!(refused, Error::Unusable { .. }), "{refused}");
    }
}
