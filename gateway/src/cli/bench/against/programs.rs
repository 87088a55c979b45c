//! Finding PostgreSQL's programs: `initdb` and `postgres`, in one folder.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{process::Command, time::timeout};

use super::error::Error;

/// The oldest major version that will do: older ones lack a setting that is made.
const LEAST: u32 = 12;
/// How long the program may take to name its version.
const VERSION_WITHIN: Duration = Duration::from_secs(20);
const VARIABLE: &str = "REMIT_PG_BIN";
/// What it calls itself, before its version.
const NAME: &str = "postgres (PostgreSQL) ";

/// Where they are looked for.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// What `REMIT_PG_BIN` names.
    pub(super) named: Option<PathBuf>,
    /// `PATH`.
    pub(super) path: OsString,
    /// Where Debian and its like have a folder for each version, out of `PATH`.
    pub(super) versions: PathBuf,
}

impl Places {
    pub(super) fn of_this_process() -> Self {
        Self {
            named: env::var_os(VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from),
            path: env::var_os("PATH").unwrap_or_default(),
            versions: "/usr/lib/postgresql".into(),
        }
    }
}

/// The folder that was asked for, or that `REMIT_PG_BIN` names; else the first on `PATH`, then the newest of the versions, that
/// has them and is new enough.
pub(super) async fn find(asked: Option<&Path>, places: &Places) -> Result<PathBuf, Error> {
    if let Some(path) = asked.or(places.named.as_deref()) {
        return match usable(path).await {
            Ok(()) => Ok(path.into()),
            Err(why) => Err(Error::Unusable { path: path.into(), why }),
        };
    }
    let mut looked_at =
        vec![format!("{VARIABLE}: not set"), "PATH".to_owned(), places.versions.join("*/bin").display().to_string()];
    let on_path = env::split_paths(&places.path).filter(|folder| folder.join("postgres").is_file());
    for folder in on_path.chain(newest_first(&places.versions)) {
        match usable(&folder).await {
            Ok(()) => return Ok(folder),
            Err(why) => looked_at.push(format!("{}: {why}", folder.display())),
        }
    }
    Err(Error::NotFound { looked_at: looked_at.join(", ") })
}

fn newest_first(versions: &Path) -> Vec<PathBuf> {
    let names =
        fs::read_dir(versions).into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut numbers: Vec<u32> = names.filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    numbers.into_iter().map(|number| versions.join(number.to_string()).join("bin")).collect()
}

/// Whether the folder has both programs, new enough; else what is wrong with it.
async fn usable(folder: &Path) -> Result<(), String> {
    if let Some(missing) = ["initdb", "postgres"].into_iter().find(|program| !folder.join(program).is_file()) {
        return Err(format!("it has no {missing}"));
    }
    let postgres = folder.join("postgres");
    let output = Command::new(postgres).arg("--version").stdin(Stdio::null()).kill_on_drop(true).output();
    let output = match timeout(VERSION_WITHIN, output).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err("its postgres does not name its version".into()),
    };
    match version(&String::from_utf8_lossy(&output.stdout)) {
        Some(major) if major >= LEAST => Ok(()),
        Some(major) => Err(format!("it is {major}, older than {LEAST}")),
        None => Err("its postgres is no PostgreSQL".into()),
    }
}

/// Reads the major version of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, and of `… 18beta1`.
fn version(said: &str) -> Option<u32> {
    let number = said.strip_prefix(NAME)?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Programs in `folder` that say they are this version. Another process writes them: written by this one, a child that another
    /// test starts meanwhile could hold them open for a moment, and a file that is being written can't be run.
    fn fake(folder: &Path, version: &str) -> PathBuf {
        let script = r#"mkdir -p "$1" && cd "$1" && printf '#!/bin/sh\necho "postgres (PostgreSQL) %s"\n' "$2" >postgres &&
                        cp postgres initdb && chmod +x postgres initdb"#;
        let written = std::process::Command::new("sh").args(["-c", script, "sh"]).arg(folder).arg(version).status();
        assert!(written.unwrap().success());
        folder.into()
    }

    #[test]
    fn a_version_is_read_from_what_the_program_says() {
        for (said, major) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 18beta1", Some(18)),
            ("postgres (PostgreSQL) 9.6.24", Some(9)),
            ("nats-server: v2.15.1", None),
            ("", None),
        ] {
            assert_eq!(version(said), major, "{said}");
        }
    }

    #[tokio::test]
    async fn it_is_the_one_asked_for_then_the_one_named_then_on_path_then_the_newest_that_is_installed() {
        let folder = tempfile::tempdir().unwrap();
        let [asked, named, old, on_path] = [("asked", "15.1"), ("named", "15.2"), ("old", "9.6"), ("on-path", "14.2")]
            .map(|(name, version)| fake(&folder.path().join(name), version));
        let versions = folder.path().join("versions");
        let [newest, ..] = ["17", "9"].map(|major| fake(&versions.join(major).join("bin"), &format!("{major}.1")));
        let mut places = Places {
            named: Some(named.clone()),
            path: env::join_paths([&old, &on_path]).unwrap(),
            versions: versions.clone(),
        };
        assert_eq!(find(Some(&asked), &places).await.unwrap(), asked);
        assert_eq!(find(None, &places).await.unwrap(), named);
        places.named = None;
        assert_eq!(find(None, &places).await.unwrap(), on_path, "an old one is passed over");
        places.path = OsString::new();
        assert_eq!(find(None, &places).await.unwrap(), newest);
    }

    #[tokio::test]
    async fn without_one_the_error_says_how_to_get_it() {
        let folder = tempfile::tempdir().unwrap();
        let old = fake(&folder.path().join("old"), "9.6.24");
        let places = Places { named: None, path: old.clone().into(), versions: "/nowhere".into() };
        assert_eq!(
            find(None, &places).await.unwrap_err().to_string(),
            format!(
                "no PostgreSQL found; `apt-get install postgresql`, as root, gets one, or name the folder of its programs by \
                 --pg-bin or REMIT_PG_BIN (looked at: REMIT_PG_BIN: not set, PATH, /nowhere/*/bin, {}: it is 9, older than 12)",
                old.display()
            )
        );
        let refused = find(Some(Path::new("/bin")), &places).await.unwrap_err().to_string();
        assert!(refused.starts_with("/bin has no PostgreSQL to compare with: it has no initdb"), "{refused}");
    }
}
