//! The files that earlier versions of Remit wrote, in `golden/format-N`: this version opens them, reads every value in them,
//! goes on where they stopped, and the audit is exact.
//!
//! A format's files are written once, by the version that introduced it, and never again:
//! `cargo test -p remit-tests --test golden -- --ignored` does so for the format of the day, if its folder is not there yet.
//! If a test here fails, this version can't open what its users have: undo the change, or give the new format a number of
//! its own and teach this version to read the old one. (Format 1 had a row of SQLite's for each row of the journal, and
//! format 2 told less of a transfer's story. Both were given up before the first release, so nobody has such files, and they are
//! refused.)
#![allow(clippy::unwrap_used, reason = "tests")]

mod story;
#[path = "../../../actors/tests/world/mod.rs"]
mod world;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use remit_actors::{
    genesis::Genesis,
    message::{Address, AnswerBody, Question, Status},
    store::{Error, row::ShardEntry, sqlite::Sqlite},
};
use remit_core::{
    id::{ShardNo, Time},
    money::Currency,
    transfer::Outcome,
};
use world::{Disks, World};

const FILES: [&str; 3] = ["s0.db", "s1.db", "m0.db"];

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/format-3")
}

/// A copy of the files, since opening one writes to it.
fn copy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in FILES {
        fs::copy(golden().join(name), folder.path().join(name)).unwrap();
    }
    folder
}

fn open(folder: &Path) -> World {
    let mut world = World::on(story::genesis(), Disks::Files(folder.to_owned()));
    world.now = story::STOPPED_AT;
    world.start();
    world
}

#[test]
#[ignore = "writes the files of a new format; run it once for each"]
fn writes_the_files_of_this_format() {
    assert!(!golden().exists(), "the files of a format are written once");
    fs::create_dir_all(golden()).unwrap();
    story::write(&golden());
    let folder = copy();
    fs::write(golden().join("contents.txt"), story::describe(&mut open(folder.path()))).unwrap();
    let left = fs::read_dir(golden()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let left: BTreeSet<String> = left.collect();
    assert_eq!(left, FILES.iter().chain(&["contents.txt"]).map(|name| (*name).to_owned()).collect(), "no log is left");
}

#[test]
fn every_value_is_as_it_was_written() {
    let folder = copy();
    let written = fs::read_to_string(golden().join("contents.txt")).unwrap();
    assert_eq!(story::describe(&mut open(folder.path())), written);
}

/// The commands that it takes to end what was open are those that these files call for.
#[test]
fn what_was_open_goes_on_to_its_end_and_the_audit_is_exact() {
    let folder = copy();
    let mut world = open(folder.path());
    let written = story::describe(&mut world);
    world.assert_conserved();
    world.pass(20_000);
    let told = |line: &&str| line.starts_with("transfer ") && !["accepted", "parked"].iter().any(|w| line.contains(w));
    let ended: Vec<String> = written.lines().filter(told).map(str::to_owned).collect();
    let now = story::describe(&mut world);
    assert!(ended.iter().all(|line| now.lines().any(|now| now == line)), "an end never changes: {now}");
    assert_eq!(ended.len(), 21);
    for n in story::OPEN {
        assert_eq!(world.status(n), Status::Ended(Outcome::Completed), "{n}");
    }
    assert_eq!(world.status(story::PARKED), Status::Parked);
    world.assert_conserved();
    // A repeat is still known by its id, and an account command by its own.
    let rows = |world: &mut World| {
        let AnswerBody::Position(position) = world.ask(Address::Shard(ShardNo(0)), Question::Position) else {
            panic!()
        };
        position.seq
    };
    let before = rows(&mut world);
    story::submit_again(&mut world);
    assert_eq!(rows(&mut world), before);
    world.start();
    world.assert_conserved();
}

#[test]
fn a_file_of_another_format_is_refused_and_left_as_it_is() {
    let folder = copy();
    let path = folder.path().join("s0.db");
    for format in [2, 4] {
        rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", format).unwrap();
        let before = fs::read(&path).unwrap();
        let refused = Sqlite::<ShardEntry>::open(&path, &story::genesis(), true, Time(0)).err().unwrap();
        assert_eq!(
            refused.to_string(),
            format!("the database can't be used: {} has format {format}, this version knows 3", path.display())
        );
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[test]
fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s0.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    let before = fs::read(&path).unwrap();
    let refused = Sqlite::<ShardEntry>::open(&path, &story::genesis(), true, Time(0)).err().unwrap();
    assert!(refused.to_string().ends_with("is a database of another program"), "{refused}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_of_another_deployment_is_refused_and_says_what_differs() {
    let own = story::genesis();
    let others = [
        Genesis { deployment: "other".into(), ..own.clone() },
        Genesis { id: [9; 16], ..own.clone() },
        Genesis { shards: vec!["s0".into(), "s1".into(), "s2".into()], ..own.clone() },
        Genesis { managers: 2, ..own.clone() },
        Genesis { currencies: vec![(Currency::parse("GOLD").unwrap(), 4)], ..own.clone() },
    ];
    let folder = copy();
    for other in others {
        let path = folder.path().join("s0.db");
        let refused = Sqlite::<ShardEntry>::open(&path, &other, true, Time(0)).err().unwrap();
        let Error::Foreign { what } = &refused else { panic!("{refused:?}") };
        assert_eq!(*what, format!("it belongs to '{own} database=s0', not to '{other} database=s0'"));
    }
    // One of this deployment's own, under another's name: it would be another's money.
    let swapped = folder.path().join("s5.db");
    fs::copy(golden().join("s0.db"), &swapped).unwrap();
    let refused = Sqlite::<ShardEntry>::open(&swapped, &own, true, Time(0)).err().unwrap();
    assert!(refused.to_string().contains("database=s0', not to"), "{refused}");
    let missing = folder.path().join("s7.db");
    let refused = Sqlite::<ShardEntry>::open(&missing, &own, false, Time(0)).err().unwrap();
    assert!(refused.to_string().ends_with("s7.db is missing"), "{refused}");
}
