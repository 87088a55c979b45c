//! Finding a `nats-server` that is new enough.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{process::Command, time::timeout};
use tracing::debug;

use super::Error;

/// The oldest version that will do: older ones lack what the streams are configured with. Distributions still ship 2.9.
const LEAST: (u32, u32) = (2, 11);
/// How long the program may take to name its version. Generous: it may be a wrapper that starts slowly.
const VERSION_WITHIN: Duration = Duration::from_secs(20);
const PROGRAM: &str = "nats-server";
const VARIABLE: &str = "REMIT_NATS_SERVER";

/// Where this process would look.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    /// What `REMIT_NATS_SERVER` names.
    pub(super) named: Option<PathBuf>,
    /// `PATH`.
    pub(super) path: OsString,
    /// Where `docker/setup.sh` may have put it.
    pub(super) set_up: Vec<PathBuf>,
}

impl Places {
    pub(super) fn of_this_process() -> Self {
        // The script puts it into `tools/bin` of the target folder: that of the current folder, or the one that this program
        // was built into (`target/release/remit`, `target/debug/deps/a_test`).
        let built_into: Vec<_> =
            env::current_exe().iter().flat_map(|exe| exe.ancestors().skip(1).take(3)).map(PathBuf::from).collect();
        let target = env::current_dir().map(|dir| dir.join("target"));
        Self {
            named: env::var_os(VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from),
            path: env::var_os("PATH").unwrap_or_default(),
            set_up: target.into_iter().chain(built_into).map(|folder| folder.join("tools/bin").join(PROGRAM)).collect(),
        }
    }
}

/// The program that was asked for, or that `REMIT_NATS_SERVER` names; else the first on `PATH`, then where it was set up, that
/// is there and new enough.
pub(super) async fn find(asked: Option<&Path>, places: &Places) -> Result<PathBuf, Error> {
    if let Some(path) = asked.or(places.named.as_deref()) {
        return match usable(path).await {
            Ok(()) => Ok(path.into()),
            Err(why) => Err(Error::Unusable { path: path.into(), why }),
        };
    }
    let on_path = env::split_paths(&places.path).map(|folder| folder.join(PROGRAM));
    let mut looked_at = vec![format!("{VARIABLE}: not set"), "PATH".to_owned()];
    for path in on_path.filter(|path| path.is_file()).chain(places.set_up.iter().cloned()) {
        let why = if path.is_file() { usable(&path).await } else { Err("not there".into()) };
        match why {
            Ok(()) => return Ok(path),
            Err(why) => {
                debug!(path = %path.display(), why, "passed over a nats-server");
                looked_at.push(format!("{}: {why}", path.display()));
            }
        }
    }
    looked_at.dedup();
    Err(Error::NotFound { looked_at: looked_at.join(", ") })
}

/// Whether the program is a new enough server; else what is wrong with it.
async fn usable(path: &Path) -> Result<(), String> {
    let output = Command::new(path).arg("--version").stdin(Stdio::null()).kill_on_drop(true).output();
    let output = match timeout(VERSION_WITHIN, output).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err("it does not name its version".into()),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    match version(&said) {
        Some(version) if version >= LEAST => Ok(()),
        Some((major, minor)) => Err(format!("it is {major}.{minor}, older than {}.{}", LEAST.0, LEAST.1)),
        None => Err("it is no nats-server".into()),
    }
}

/// Reads `nats-server: v2.15.1`.
fn version(said: &str) -> Option<(u32, u32)> {
    let (_, numbers) = said.trim().strip_prefix(PROGRAM)?.split_once('v')?;
    let mut numbers = numbers.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program in `folder` that says it is this version. Another process writes it: written by this one, a child that
    /// another test starts meanwhile could hold the file open for a moment, and a file that is being written can't be run.
    fn fake(folder: &Path, version: &str) -> PathBuf {
        let path = folder.join(PROGRAM);
        let script =
            r#"mkdir -p "${1%/*}" && printf '#!/bin/sh\necho "nats-server: v%s"\n' "$2" >"$1" && chmod +x "$1""#;
        let written = std::process::Command::new("sh").args(["-c", script, "sh"]).arg(&path).arg(version).status();
        assert!(written.unwrap().success());
        path
    }

    #[test]
    fn a_version_is_read_from_what_the_server_says() {
        assert_eq!(version("nats-server: v2.15.1\n"), Some((2, 15)));
        assert_eq!(version("nats-server: v2.9.25"), Some((2, 9)));
        assert_eq!(version("nats-server: v3.0-RC.1"), None);
        for said in ["", "nats-server", "redis-server v7.0.1"] {
            assert_eq!(version(said), None, "{said}");
        }
    }

    #[tokio::test]
    async fn it_is_the_one_asked_for_then_the_one_named_then_on_path_then_where_it_was_set_up() {
        let folder = tempfile::tempdir().unwrap();
        let [asked, named, first, second, set_up] =
            ["asked", "named", "first", "second", "set-up"].map(|name| fake(&folder.path().join(name), "2.15.1"));
        let path = env::join_paths([Path::new("/nowhere"), first.parent().unwrap(), second.parent().unwrap()]).unwrap();
        let mut places = Places { named: Some(named.clone()), path, set_up: vec!["/nowhere/x".into(), set_up.clone()] };

        assert_eq!(find(Some(&asked), &places).await.unwrap(), asked);
        assert_eq!(find(None, &places).await.unwrap(), named);
        places.named = None;
        assert_eq!(find(None, &places).await.unwrap(), first);
        fake(first.parent().unwrap(), "2.9.25");
        assert_eq!(find(None, &places).await.unwrap(), second, "an old one is passed over");
        places.path = OsString::new();
        assert_eq!(find(None, &places).await.unwrap(), set_up);
    }

    #[tokio::test]
    async fn without_one_the_error_says_how_to_get_it() {
        let folder = tempfile::tempdir().unwrap();
        let old = fake(folder.path(), "2.9.25");
        let places = Places { path: folder.path().into(), set_up: vec!["/nowhere/x".into()], ..Places::default() };
        assert_eq!(
            find(None, &places).await.unwrap_err().to_string(),
            format!(
                "no nats-server found; `bash docker/setup.sh` gets one, or name one by --nats-server or REMIT_NATS_SERVER \
                 (looked at: REMIT_NATS_SERVER: not set, PATH, {}: it is 2.9, older than 2.11, /nowhere/x: not there)",
                old.display()
            )
        );
    }

    #[tokio::test]
    async fn one_that_is_named_and_of_no_use_is_refused_not_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let good = fake(&folder.path().join("good"), "2.15.1");
        let old = fake(&folder.path().join("old"), "2.9.25");
        let places = Places { path: good.parent().unwrap().into(), ..Places::default() };
        for (path, why) in [
            (old.as_path(), "it is 2.9, older than 2.11"),
            (Path::new("/bin/true"), "it is no nats-server"),
            (Path::new("/nowhere/x"), "No such file or directory (os error 2)"),
        ] {
            let refused = find(Some(path), &places).await.unwrap_err().to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
