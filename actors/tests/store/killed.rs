//! SQLite under `kill -9`: a process that writes as fast as it can is killed at random moments, again and again. What it told
//! of is there, SQLite finds its files whole, the view `balance` is exact, and so is the audit.

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use remit_actors::message::{Message, Standing, Stands};
use remit_core::{
    account::Kind,
    money::Direction::{Credit, Debit},
    protocol::Protocol,
};

use crate::{files, world::World};

/// Where the writer writes; set for the process that is to be killed.
const FOLDER: &str = "REMIT_TEST_KILLED_FOLDER";
/// The number of its first transfer.
const FIRST: &str = "REMIT_TEST_KILLED_FIRST";
const ROUNDS: u64 = 10;
const ACCOUNTS: [&str; 7] = ["s0:world", "s0:a", "s0:b", "s1:c", "s1:d", "s2:e", "s2:f"];

fn world(folder: &Path) -> World {
    let mut world = World::in_files(folder, 3, 2);
    // Bulk writes as often as not, and little in memory, so that a kill finds the files in every state.
    (world.books.flush_rows, world.books.accounts_max, world.books.legs_max) = (20, 2, 10);
    (world.register.flush_rows, world.register.ended_max) = (15, 10);
    world
}

/// The newest word of the writer about each transfer.
type Told = BTreeMap<u64, String>;

#[test]
fn a_killed_process_has_lost_nothing_that_it_told_of() {
    let folder = files::scratch();
    let mut opened = world(folder.path());
    opened.start();
    for id in ACCOUNTS {
        opened.open_account(id, if id == "s0:world" { Kind::External } else { Kind::Customer });
    }
    drop(opened);
    let mut told = Told::new();
    for round in 0..ROUNDS {
        let first = told.keys().last().map_or(1, |n| n + 1_000);
        // The reader is no faster than the writer, so where the writer is by then is anyone's guess.
        let words = 30 + 37 * round;
        let heard = write_until_killed(folder.path(), first, words);
        assert!(!heard.is_empty(), "the writer said nothing");
        told.extend(heard);
        check(folder.path(), &told);
    }
}

/// Starts a writer, and kills it once it has said so many words; what it said until then, or a moment later.
fn write_until_killed(folder: &Path, first: u64, words: u64) -> Told {
    let mut writer = Command::new(env::current_exe().unwrap())
        .args(["killed::writes_until_it_is_killed", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(writer.stdout.take().unwrap());
    let (mut told, mut count, mut line) = (Told::new(), 0, String::new());
    while said.read_line(&mut line).unwrap() > 0 {
        if let Some(word) = line.strip_prefix("told ").and_then(|word| word.strip_suffix('\n')) {
            let (n, status) = word.split_once(' ').unwrap();
            told.insert(n.parse().unwrap(), status.to_owned());
            count += 1;
            if count == words {
                writer.kill().unwrap();
            }
        }
        line.clear();
    }
    assert!(!writer.wait().unwrap().success(), "it ended by itself");
    told
}

/// Not a test of its own: what the test above starts, and kills.
#[test]
#[ignore = "the writer that another test starts and kills"]
fn writes_until_it_is_killed() {
    let (Ok(folder), Ok(first)) = (env::var(FOLDER), env::var(FIRST)) else { return };
    let mut world = world(Path::new(&folder));
    world.start();
    let mut n: u64 = first.parse().unwrap();
    loop {
        for protocol in Protocol::all() {
            world.submit(n, protocol, "s0:world", "s0:a", 100);
            world.submit_legs(n + 1, protocol, &[("s0:a", Debit, 9), ("s1:c", Credit, 4), ("s2:e", Credit, 5)]);
            world.submit(n + 2, protocol, "s1:c", "s2:f", 3);
            world.submit(n + 3, protocol, "s0:a", "s1:nobody", 7);
            // The same again, and what can't be paid.
            world.submit(n, protocol, "s0:world", "s0:a", 100);
            world.submit(n + 4, protocol, "s1:d", "s0:b", 1);
            n += 5;
        }
        while let Some(address) = world.waiting().first().copied() {
            world.turn(address);
            let mut out = std::io::stdout().lock();
            for message in world.told.drain(..) {
                let Message::Standing(Standing { ticket, stands: Stands::Recorded(progress), .. }) = message else {
                    continue;
                };
                writeln!(out, "told {ticket} {}", progress.status.as_str()).unwrap();
            }
        }
        // As a backup or a person with `sqlite3` may do at any time.
        let checkpointed = files::databases(Path::new(&folder));
        files::execute(
            &checkpointed[usize::try_from(n).unwrap() % checkpointed.len()],
            "PRAGMA wal_checkpoint(TRUNCATE)",
        );
    }
}

fn check(folder: &Path, told: &Told) {
    let mut seen = BTreeMap::new();
    for path in files::databases(folder) {
        assert_eq!(files::integrity(&path), "ok", "{}", path.display());
        if files::is_shard(&path) {
            let balances = files::balances(&path);
            let sum: i64 = balances.values().map(|[posted, ..]| posted).sum();
            assert_eq!(sum, 0, "{}: {balances:?}", path.display());
            seen.extend(balances.into_iter().filter(|((_, kind), _)| kind != "in_transit"));
            command_line_agrees(&path);
        }
    }

    let mut world = world(folder);
    world.start();
    for id in ACCOUNTS {
        let account = world.account(id);
        let balances = account.balances;
        let view = seen.remove(&(id.to_owned(), account.kind.as_str().to_owned()));
        assert_eq!(view, Some([balances.posted, balances.held, balances.incoming]), "{id}");
    }
    assert_eq!(seen, BTreeMap::new());
    world.assert_conserved();
    world.pass(60_000);
    for (n, word) in told {
        let status = world.status(*n).as_str();
        if ["accepted", "in_progress"].contains(&word.as_str()) {
            assert!(["completed", "rejected", "compensated"].contains(&status), "{n} is {status}");
        } else {
            assert_eq!(status, word, "{n}");
        }
    }
    world.assert_conserved();
}

/// What a person sees, where `sqlite3` is installed.
fn command_line_agrees(path: &Path) {
    let sql = "PRAGMA integrity_check; SELECT sum(posted) FROM balance GROUP BY currency;";
    let Ok(output) = Command::new("sqlite3").arg(path).arg(sql).output() else { return };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n0\n", "{output:?}");
}
