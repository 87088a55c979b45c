//! The file that `remit up` writes when it is ready, for whoever started it and waits: it is there whole, or not at all.

use std::{fs, io, path::Path};

use serde::Serialize;

use super::error::Error;

/// How to reach a node that is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Ready<'n> {
    /// Where clients find it.
    pub(super) nats_url: &'n str,
    /// This process.
    pub(super) pid: u32,
    /// The private broker's, if there is one.
    pub(super) nats_pid: Option<u32>,
    /// The data folder, absolute.
    pub(super) data: &'n Path,
}

impl Ready<'_> {
    /// Writes it beside its place, and moves it there.
    pub(super) fn write(&self, path: &Path) -> Result<(), Error> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}.new", self.pid));
        let json = serde_json::to_vec(self).map_err(io::Error::from);
        json.and_then(|json| fs::write(&beside, json))
            .and_then(|()| fs::rename(&beside, path))
            .map_err(|source| Error::Write { path: path.into(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_whole_over_an_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ready.json");
        fs::write(&path, "of an earlier start").unwrap();
        let ready = Ready { nats_url: "nats://127.0.0.1:4222", pid: 7, nats_pid: None, data: Path::new("/data") };
        ready.write(&path).unwrap();
        let expected = r#"{"nats_url":"nats://127.0.0.1:4222","pid":7,"nats_pid":null,"data":"/data"}"#;
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}
