use std::sync::Arc;

use remit_core::{
    account::{Account, Balances, Kind, Refusal, Status},
    id::{AccountId, LegId, LegNo, PartitionNo, ShardNo, TransferId},
    leg::{State, Terms, Verb},
    money::{Amount, Currency, Direction},
    operator::{Action, Order},
    protocol::{
        Decision, Protocol,
        route::{Route, Stop},
    },
    reason::Reason,
    transfer::{End, LegSpec, Outcome, Parked, Start},
};

use super::*;
use crate::{
    message::LegWord,
    store::{
        line,
        row::{AccountEntry, After, Common, Counts, LegEntry, ShardEntry, TransferEntry},
    },
};

const NOW: Time = Time(1_000);

fn genesis() -> Genesis {
    Genesis {
        deployment: "test".into(),
        id: [7; 16],
        shards: vec!["s0".into()],
        managers: 1,
        currencies: vec![],
        replicated: false,
    }
}

fn open<E: Record>(folder: &tempfile::TempDir) -> Sqlite<E> {
    Sqlite::open(&folder.path().join("x.db"), &genesis(), true, NOW).unwrap()
}

/// No test that kills a process can show that a power failure takes nothing: the settings are what promises it.
#[test]
fn every_commit_is_flushed_to_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let file = open::<ShardEntry>(&folder);
    let pragma =
        |name| file.connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0)).unwrap();
    assert_eq!(pragma("journal_mode"), "wal".to_owned().into());
    assert_eq!(pragma("synchronous"), 2.into(), "full");
}

/// What can be read is on the disk, also where a flush of the log failed before: nothing is appended behind what is not.
#[test]
fn what_a_crash_left_in_the_log_is_in_the_file_before_anything_is_appended() {
    let (folder, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut file = open::<ShardEntry>(&folder);
    file.begin(Epoch(0), Seq(1)).unwrap();
    file.set_epoch(Epoch(1)).unwrap();
    file.commit().unwrap();
    for name in ["x.db", "x.db-wal"] {
        std::fs::copy(folder.path().join(name), crashed.path().join(name)).unwrap();
    }
    let log = |folder: &tempfile::TempDir| std::fs::metadata(folder.path().join("x.db-wal")).unwrap().len();
    assert!(log(&crashed) > 0, "else this test shows nothing");
    let mut file = open::<ShardEntry>(&crashed);
    assert_eq!((file.head().unwrap().epoch, log(&crashed)), (Epoch(1), 0));
}

/// Appends rows, and reads them back from the file as it is after a restart.
fn round<E: Record + PartialEq + std::fmt::Debug>(entries: Vec<E>) {
    let folder = tempfile::tempdir().unwrap();
    let mut file = open::<E>(&folder);
    let rows: Vec<Row<E>> = (2..).zip(entries).map(|(seq, entry)| Row { seq: Seq(seq), at: Time(-5), entry }).collect();
    file.begin(Epoch(0), Seq(1)).unwrap();
    let mut lines = Vec::new();
    for row in &rows {
        assert_eq!(file.append(row).unwrap(), Appended::New, "{row:?}");
        line::append(row, &mut lines);
        // It is found before it is in the file, too.
        assert_eq!(file.rows_above(Seq(row.seq.0 - 1), 10).unwrap(), std::slice::from_ref(row));
    }
    // What has a key is there once; a record that may recur has another key at another position.
    let again = |row: &Row<E>| Row { seq: Seq(1_000 + row.seq.0), ..row.clone() };
    for row in rows
        .iter()
        .filter(|row| row.entry.key(row.seq).is_some_and(|key| again(row).entry.key(again(row).seq) == Some(key)))
    {
        assert_eq!(file.append(&again(row)).unwrap(), Appended::Exists, "{row:?}");
    }
    file.link(Seq(rows.len() as u64 + 1), [1; 32], &lines).unwrap();
    file.commit().unwrap();
    drop(file);
    let mut file = open::<E>(&folder);
    assert_eq!(file.rows_above(Seq(1), 1_000).unwrap(), rows);
    let back = file.rows_below(Seq(u64::MAX >> 1), 1_000).unwrap();
    assert!(back.iter().rev().skip(1).filter_map(|(_, row)| row.as_ref()).eq(&rows));
    // And still known to be there.
    file.begin(Epoch(0), Seq(rows.len() as u64 + 1)).unwrap();
    let keyed = rows.iter().filter_map(|row| row.entry.key(row.seq));
    for key in keyed {
        assert!(!file.keys.note(&file.connection, key, Seq(1_000)).unwrap(), "{key:?}");
    }
}

#[test]
fn every_row_of_a_shard_reads_as_it_was_written() {
    let account = AccountId::parse("s0:alice").unwrap();
    let (amount, currency) = (Amount::MAX, Currency::parse("GOLD2024").unwrap());
    let stop = |leg, direction| Stop {
        leg: LegNo(leg),
        shard: ShardNo(9),
        account: account.clone(),
        direction,
        amount,
        currency,
    };
    let states = [
        State::Debited,
        State::Credited,
        State::Held,
        State::Posted,
        State::Released,
        State::Compensated,
        State::Tombstone(Verb::Cancel, None),
    ];
    let refused = Reason::ALL.map(State::Refused);
    let buried = Verb::ALL.map(|verb| State::Tombstone(verb, Some(Reason::DeadlinePassed)));
    let mut entries: Vec<ShardEntry> = Vec::new();
    for (no, state) in (0..).zip(states.into_iter().chain(refused).chain(buried)) {
        let is_money = !matches!(state, State::Refused(_) | State::Tombstone(..));
        let after = After {
            posted: i64::MIN + 1,
            held: 0,
            incoming: i64::MAX,
            in_transit: -1,
            previous: (no > 1).then_some(Seq(7)),
        };
        let route =
            (no % 2 == 0).then(|| Route::from_stops(vec![stop(0, Direction::Debit), stop(31, Direction::Credit)]));
        let direction = if no % 3 == 0 { Direction::Debit } else { Direction::Credit };
        let terms = Terms {
            account: account.clone(),
            direction,
            amount,
            currency,
            partition: PartitionNo(u16::MAX),
            begun: Seq(u64::MAX >> 1),
            route,
        };
        let memo = (no % 2 == 1).then(|| Arc::from("a memo; with 'quotes' and ünïcode"));
        let id = LegId::new(TransferId([no; 16]), LegNo(no));
        let (after, repeats) = (is_money.then_some(after), if no % 5 == 0 { u32::MAX } else { 0 });
        entries.push(ShardEntry::Leg(LegEntry { id, state, terms, memo, after, repeats }));
    }
    for (no, kind, status) in [
        (0, Kind::Customer, Status::Open),
        (1, Kind::External, Status::Frozen),
        (2, Kind::Customer, Status::Closing),
        (3, Kind::Customer, Status::Closed),
    ] {
        let balances = Balances { posted: -3, held: 2, incoming: 1, undecided: 0 };
        let outcome = Ok(Account { currency, kind, status, overdraft_limit: i64::MAX, version: 12, balances });
        let (command_id, previous) = ((no > 0).then_some([no; 16]), (no > 1).then_some(Seq(3)));
        let what = "set_overdraft".into();
        entries.push(ShardEntry::Account(AccountEntry {
            account: account.clone(),
            what,
            command_id,
            outcome,
            previous,
        }));
    }
    for (no, refusal) in (100..).zip(Refusal::ALL) {
        let (command_id, outcome, previous) = (Some([no; 16]), Err(refusal), Some(Seq(4)));
        let what = "close".into();
        entries.push(ShardEntry::Account(AccountEntry {
            account: account.clone(),
            what,
            command_id,
            outcome,
            previous,
        }));
    }
    entries.push(Common::Claimed(Epoch(77), "node one".into()).into());
    round(entries);
}

#[test]
fn every_row_of_a_manager_reads_as_it_was_written() {
    let leg = |n: usize, direction| LegSpec {
        account: AccountId::parse(&format!("eu-1:account.{n}")).unwrap(),
        shard: ShardNo(1_023),
        direction,
        amount: Amount::new(1).unwrap(),
        currency: Currency::parse("EUR").unwrap(),
    };
    let mut entries: Vec<TransferEntry> = Vec::new();
    for (no, protocol) in (0..).zip(Protocol::all()) {
        let legs = (0..32).map(|n| leg(n, if n % 2 == 0 { Direction::Debit } else { Direction::Credit })).collect();
        let memo = (no > 0).then(|| Arc::from("0@0 not a leg"));
        let start = Start::new(TransferId([no; 16]), protocol, legs, memo, Time(i64::MAX), Time(0)).unwrap();
        entries.push(TransferEntry::Started(Arc::new(start)));
    }
    let id = |no| TransferId([no; 16]);
    entries.push(TransferEntry::Decided(id(0), Decision::Commit));
    for (no, reason) in (1..).zip(Reason::ALL) {
        entries.push(TransferEntry::Decided(id(no), Decision::Abort(reason)));
        entries.push(TransferEntry::Ended(
            id(no),
            End { outcome: Outcome::Rejected, reason: Some(reason) },
            LegWord::ALL.to_vec(),
            Counts { retries: 0, repeats: no.into(), late: 0 },
        ));
    }
    entries.push(TransferEntry::Ended(id(50), End::completed(), vec![LegWord::Posted; 32], Counts::default()));
    let compensated = End { outcome: Outcome::Compensated, reason: Some(Reason::Cancelled) };
    let counts = Counts { retries: u32::MAX, repeats: 0, late: 1 };
    entries.push(TransferEntry::Ended(id(51), compensated, vec![LegWord::Compensated, LegWord::Cancelled], counts));
    for parked in [Parked::Misfit(LegNo(31)), Parked::Contradiction(LegNo(0)), Parked::Unreadable, Parked::Panicked] {
        entries.push(TransferEntry::Parked(id(60), parked));
    }
    for action in Action::ALL {
        let order = Order { action, by: "ops \"night\"".into(), why: "the bank's line\nwas cut".into() };
        entries.push(TransferEntry::Ordered(id(61), order));
    }
    entries.push(Common::Claimed(Epoch(78), "".into()).into());
    round(entries);
}
