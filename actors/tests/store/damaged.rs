//! Damage to a closed file, whoever did it: found when the file is opened, or by the full audit. Nothing that stands in a
//! file can be changed unnoticed.

use std::{fs, path::Path};

use remit_actors::{
    machine::Failure,
    message::{Address, AnswerBody, Question},
    store::{
        Error,
        line::Columns as _,
        row::{ShardEntry, TransferEntry},
    },
    supervision::Recovery,
};
use remit_core::{
    account::{Change, Kind},
    id::{PartitionNo, ShardNo},
    money::Direction::{Credit, Debit},
    protocol::Protocol,
};
use rusqlite::Connection;
use serde_json::Value;

use crate::{
    commands::{NOW, ask, frame},
    files::{self, execute},
    world::World,
};

const SHARD: Address = Address::Shard(ShardNo(0));
const MANAGER: Address = Address::Manager(PartitionNo(0));

/// Files with every kind of row: below the last bulk write and above it, of open transfers and of ended ones.
fn write_files(folder: &Path) -> World {
    let mut world = World::in_files(folder, 2, 1);
    (world.books.flush_rows, world.register.flush_rows) = (15, 15);
    world.start();
    for (id, kind) in [
        ("s0:world", Kind::External),
        ("s0:alice", Kind::Customer),
        ("s0:ann", Kind::Customer),
        ("s0:empty", Kind::Customer),
        ("s1:bob", Kind::Customer),
    ] {
        world.open_account(id, kind);
    }
    let changes = [
        ("s0:ann", Change::SetOverdraft { overdraft_limit: 500 }),
        ("s0:ann", Change::Freeze),
        ("s0:ann", Change::Unfreeze),
        ("s0:nobody", Change::Freeze),
        ("s0:empty", Change::BeginClose),
        ("s0:empty", Change::AbandonClose),
    ];
    for ((id, change), command) in changes.into_iter().zip(1..) {
        world.change(id, change, command);
    }
    world.submit(1, Protocol::default(), "s0:world", "s0:alice", 1_000);
    world.settle();
    for (n, protocol) in (1..).zip(Protocol::all()) {
        let n = n * 10;
        let three = [("s0:alice", Debit, 10), ("s1:bob", Credit, 4), ("s0:ann", Credit, 6)];
        world.submit_legs(n, protocol, &three);
        world.submit(n + 1, protocol, "s0:alice", "s1:nobody", 7);
        world.submit(n + 2, protocol, "s0:empty", "s1:bob", 7);
        world.settle();
        // These reach their deadline in silence, and are cancelled at legs that they never came to.
        world.submit_legs(n + 3, protocol, &[("s1:bob", Debit, 1), ("s0:ann", Credit, 1)]);
        world.turn(MANAGER);
        for address in world.waiting() {
            world.lose(address);
        }
        world.now = world.now.plus_ms(40_000);
        world.pass(20_000);
    }
    world.assert_conserved();
    // These stay open: a debit that is undecided, a hold, and one that has been asked for nothing yet.
    for (n, protocol) in (100..).zip(Protocol::all()) {
        world.submit(n, protocol, "s0:alice", "s1:bob", 3);
        world.turn(MANAGER);
        world.turn(SHARD);
        for address in world.waiting() {
            world.lose(address);
        }
    }
    // So that a bulk write comes after them, and some rows after that, of a transfer that stays open.
    for n in 110..118 {
        world.submit(n, Protocol::default(), "s0:ann", "s0:alice", 1);
        world.settle();
    }
    world.submit(118, Protocol::default(), "s0:ann", "s1:bob", 1);
    world.turn(MANAGER);
    world.stop();
    world
}

/// Whether damage to the file of `address` is noticed, and by whom; an error of the system is no finding.
fn finding(world: &World, address: Address) -> Option<String> {
    let question = match address {
        SHARD => {
            Question::AuditShard { since: remit_core::id::Seq(0), transfers: vec![], unreadable: vec![], full: true }
        }
        _ => Question::AuditOpen { full: true },
    };
    let answered = world
        .open(address, Recovery::default())
        .and_then(|mut machine| machine.turn(&[frame(vec![ask(question)])], NOW));
    let frames = match answered {
        Err(Failure::Invariant(what) | Failure::Store(Error::Foreign { what })) => return Some(what),
        Err(failure) => panic!("{failure:?}"),
        Ok(frames) => frames,
    };
    let bodies = frames.into_iter().flat_map(|(_, frame)| frame.messages).filter_map(|message| match message {
        remit_actors::message::Message::Answer(answer) => Some(answer.body),
        _ => None,
    });
    bodies.into_iter().find_map(|body| match body {
        AnswerBody::AuditShard { journal, .. } if !journal.balanced => Some("it does not add up".into()),
        AnswerBody::Unavailable(why) => Some(why),
        _ => None,
    })
}

/// A deployment's files, kept as they were, so that one damage after the other can be done to a copy.
struct Ward {
    folder: tempfile::TempDir,
    world: World,
}

impl Ward {
    fn new() -> Self {
        let folder = files::scratch();
        let world = write_files(folder.path());
        let ward = Self { folder, world };
        for address in [SHARD, MANAGER] {
            let path = ward.path(address);
            // Only the file itself: what the write-ahead log still has is copied into it.
            execute(&path, "PRAGMA wal_checkpoint(TRUNCATE)");
            fs::copy(&path, path.with_extension("whole")).unwrap();
            let above = "SELECT max(seq) - (SELECT value FROM meta WHERE key = 'flushed') FROM journal";
            assert!(ward.rows::<i64>(address, above)[0] > 0);
        }
        ward
    }

    fn path(&self, address: Address) -> std::path::PathBuf {
        self.folder.path().join(if address == SHARD { "s0.db" } else { "m0.db" })
    }

    /// What is found once some damage is done to a whole file.
    fn after(&self, address: Address, damage: &str) -> Option<String> {
        let path = self.path(address);
        fs::copy(path.with_extension("whole"), &path).unwrap();
        execute(&path, damage);
        finding(&self.world, address)
    }

    /// What is found once a row of a whole file is edited.
    fn after_editing(&self, address: Address, seq: i64, edit: impl FnOnce(&mut Vec<Value>)) -> Option<String> {
        let path = self.path(address);
        fs::copy(path.with_extension("whole"), &path).unwrap();
        files::edit_row(&path, seq, edit);
        finding(&self.world, address)
    }

    fn rows<T: rusqlite::types::FromSql>(&self, address: Address, sql: &str) -> Vec<T> {
        let connection = Connection::open(self.path(address).with_extension("whole")).unwrap();
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// All columns of a table, each with its declared type.
    fn columns(&self, address: Address, table: &str) -> Vec<(String, String)> {
        let names: Vec<String> = self.rows(address, &format!("SELECT name FROM pragma_table_info('{table}')"));
        names.into_iter().zip(self.rows(address, &format!("SELECT type FROM pragma_table_info('{table}')"))).collect()
    }
}

/// Another value of the column's own type, whatever stands there.
fn another(column: &str, declared: &str) -> String {
    // Far enough for no unique key to be in the way.
    let far = if column == "last" || column == "begun" { 100_000 } else { 9 };
    let fresh = match declared {
        "INTEGER" => "1",
        "BLOB" => "zeroblob(16)",
        _ => "'x'",
    };
    format!(
        "CASE typeof({column}) WHEN 'integer' THEN {column} + {far} WHEN 'text' THEN {column} || 'x'
            WHEN 'blob' THEN randomblob(length({column})) ELSE {fresh} END"
    )
}

#[test]
fn files_that_nobody_damaged_are_whole() {
    let ward = Ward::new();
    assert_eq!(ward.after(SHARD, ""), None);
    assert_eq!(ward.after(MANAGER, ""), None);
}

/// Every column of a row of every kind, the first and the last of its kind: another value where one stands, one where none
/// stands, and none where one stands.
#[test]
fn a_change_of_any_column_of_any_kind_of_journal_row_is_found() {
    let ward = Ward::new();
    let all = [
        (
            SHARD,
            "genesis claimed open set_overdraft freeze unfreeze begin_close abandon_close debited credited held refused tombstone posted released compensated",
            ShardEntry::COLUMNS,
        ),
        (MANAGER, "genesis claimed started committed aborted completed rejected compensated", TransferEntry::COLUMNS),
    ];
    for (address, kinds, columns) in all {
        for what in kinds.split(' ') {
            let rows: Vec<i64> = ward.rows(
                address,
                &format!(
                    "SELECT DISTINCT value FROM (SELECT min(seq) AS value FROM journal WHERE what = '{what}'
                    UNION SELECT max(seq) FROM journal WHERE what = '{what}') WHERE value IS NOT NULL"
                ),
            );
            assert!(!rows.is_empty(), "{address:?} has no row {what}");
            let names = ["at"].iter().chain(columns);
            for (row, (place, column)) in
                rows.iter().flat_map(|row| names.clone().enumerate().map(move |name| (row, name)))
            {
                let change = |to: fn(&Value) -> Value| {
                    ward.after_editing(address, *row, |values| {
                        values.resize(values.len().max(place + 1), Value::Null);
                        values[place] = to(&values[place]);
                    })
                };
                assert_ne!(change(another_value), None, "{address:?} {what}: another {column} in row {row}");
                let stands = format!("SELECT {column} IS NOT NULL FROM journal WHERE seq = {row}");
                if ward.rows::<bool>(address, &stands) == [true] {
                    assert_ne!(change(|_| Value::Null), None, "{address:?} {what}: no {column} in row {row}");
                }
            }
        }
    }
}

/// Another value of the same kind, whatever stands there.
fn another_value(value: &Value) -> Value {
    match value {
        Value::Number(number) => (number.as_i64().unwrap() + 9).into(),
        Value::String(text) => format!("{text}x").into(),
        _ => 1.into(),
    }
}

/// Every column of every other table, in its first row and its last.
#[test]
fn a_change_of_any_column_of_any_other_table_is_found() {
    let ward = Ward::new();
    let all = [
        (SHARD, &["chunk", "key", "account", "in_transit", "open_debit", "meta"][..]),
        (MANAGER, &["chunk", "key", "open", "meta"]),
    ];
    for (address, tables) in all {
        for table in tables {
            assert!(ward.rows::<i64>(address, &format!("SELECT count(*) FROM {table}"))[0] > 0, "{table} is empty");
            for (column, declared) in ward.columns(address, table) {
                for order in ["ASC", "DESC"] {
                    let key = format!("(SELECT {column} FROM {table} ORDER BY {column} {order} LIMIT 1)");
                    let change = format!(
                        "UPDATE {table} SET {column} = {} WHERE {column} IS {key}",
                        another(&column, &declared)
                    );
                    // Epochs may have gaps: a lease can ask for one. So a greater one is no damage; a smaller one is below.
                    if (*table, column.as_str()) != ("meta", "value") {
                        assert_ne!(ward.after(address, &change), None, "{address:?}: {change}");
                    }
                }
            }
        }
    }
}

#[test]
fn rows_that_are_gone_added_or_exchanged_are_found() {
    let ward = Ward::new();
    let everywhere = [
        ("a row is gone", "UPDATE chunk SET rows = substr(rows, instr(rows, char(10)) + 1) WHERE last = (SELECT max(last) FROM chunk WHERE instr(rows, char(10)))"),
        ("two rows are exchanged", "UPDATE chunk SET rows = substr(rows, instr(rows, char(10)) + 1) || ',' || char(10) || substr(rows, 1, instr(rows, char(10)) - 2)
            WHERE last = (SELECT max(last) FROM chunk WHERE instr(rows, char(10)))"),
        ("the last row is one that was never written", "UPDATE chunk SET rows = rows || ',' || char(10) || rows WHERE last = (SELECT max(last) FROM chunk)"),
        ("a row is no text", "UPDATE chunk SET rows = CAST(x'ff' AS TEXT) WHERE last = (SELECT max(last) FROM chunk)"),
        ("some rows in the middle are gone", "DELETE FROM chunk WHERE last = (SELECT last FROM chunk LIMIT 1 OFFSET 5)"),
        ("the first row is gone", "DELETE FROM chunk WHERE last = 1"),
        ("the first rows of a commit are all that is left of it", "UPDATE chunk SET link = NULL WHERE last = (SELECT max(last) FROM chunk)"),
        ("all rows are gone", "DELETE FROM chunk"),
        ("a link in the middle is gone", "UPDATE chunk SET link = NULL WHERE last = (SELECT last FROM chunk LIMIT 1 OFFSET 5)"),
        ("all links are gone", "UPDATE chunk SET link = NULL"),
        ("a link is of another length", "UPDATE chunk SET link = x'00' WHERE last = (SELECT max(last) FROM chunk)"),
        ("two links are exchanged", "CREATE TEMP TABLE two AS SELECT last, link FROM chunk LIMIT 2 OFFSET 5;
            UPDATE chunk SET link = (SELECT link FROM two WHERE two.last != chunk.last) WHERE last IN (SELECT last FROM two)"),
        ("a row without a link is added", "INSERT INTO chunk SELECT max(last) + 1, NULL, rows FROM chunk"),
        ("a row with a link is added", "INSERT INTO chunk SELECT max(last) + 1, zeroblob(32), rows FROM chunk"),
        ("a row is said to be further on", "UPDATE chunk SET last = last + 1 WHERE last = (SELECT max(last) FROM chunk)"),
        ("the last commits are gone, the bulk write remembers them", "DELETE FROM chunk WHERE last >= (SELECT value FROM meta WHERE key = 'flushed')"),
        ("rows are added before the first one", "INSERT INTO chunk SELECT -7, NULL, rows FROM chunk LIMIT 1"),
        ("a key is gone", "DELETE FROM key WHERE seq = (SELECT min(seq) FROM key)"),
        ("a key is added", "INSERT INTO key SELECT zeroblob(18), min(seq) FROM key"),
        ("a key is another's", "UPDATE key SET seq = (SELECT max(seq) FROM key) WHERE seq = (SELECT min(seq) FROM key)"),
        ("all keys are gone", "DELETE FROM key"),
        ("the epoch is one of before", "UPDATE meta SET value = 0 WHERE key = 'epoch'"),
        ("the bulk write is said to be older than it is", "UPDATE meta SET value = 1 WHERE key = 'flushed'"),
        ("the bulk write is said to have never been", "UPDATE meta SET value = 0 WHERE key = 'flushed'"),
        ("the bulk write is said to be newer than it is", "UPDATE meta SET value = (SELECT max(last) FROM chunk) WHERE key = 'flushed'"),
        ("the bulk write is said to be of the future", "UPDATE meta SET value = 100000 WHERE key = 'flushed'"),
        ("the writer's facts are gone", "DELETE FROM meta"),
        ("a claim is gone", "DELETE FROM claim"),
        ("a claim is said to be of another row", "UPDATE claim SET seq = seq + 1"),
        ("a claim is said to be of another node", "UPDATE claim SET node = 'elsewhere'"),
    ];
    let in_the_shard = [
        ("an account is gone", "DELETE FROM account WHERE id = 's0:ann'"),
        (
            "an account is added",
            "INSERT INTO account SELECT 's0:bandit', currency, kind, status, overdraft_limit, version, 0, 0, 0, 0, last FROM account WHERE id = 's0:alice'",
        ),
        (
            "money goes from one account to another",
            "UPDATE account SET posted = posted - 5 WHERE id = 's0:alice'; UPDATE account SET posted = posted + 5 WHERE id = 's0:ann'",
        ),
        // Opening takes it for a closing that was interrupted, and writes that down before anyone can look.
        ("an open account is said to be closing", "UPDATE account SET status = 'closing' WHERE id = 's0:ann'"),
        ("an in-transit account is gone", "DELETE FROM in_transit"),
        ("a sum is as low as can be", "UPDATE in_transit SET posted = '-170141183460469231731687303715884105728'"),
        ("what is undecided is as much as can be", "UPDATE account SET undecided = 9223372036854775807"),
        ("open debits are as great as can be", "UPDATE open_debit SET amount = 9223372036854775807"),
        ("an in-transit account is added", "INSERT INTO in_transit VALUES ('USD', 5, '-5', '0', '0', '0')"),
        ("an open debit is gone", "DELETE FROM open_debit"),
        ("an open debit is there twice", "INSERT INTO open_debit SELECT * FROM open_debit"),
    ];
    let in_the_manager = [
        ("an open transfer is gone", "DELETE FROM open WHERE begun = (SELECT min(begun) FROM open)"),
        ("all open transfers are gone", "DELETE FROM open"),
        ("a transfer that has ended is open", "INSERT INTO open SELECT min(seq) FROM journal WHERE what = 'started'"),
        ("what is no start is open", "INSERT INTO open SELECT max(seq) FROM journal WHERE what = 'completed'"),
        ("a claim is open", "INSERT INTO open VALUES (2)"),
    ];
    for (address, cases) in [(SHARD, &in_the_shard[..]), (MANAGER, &in_the_manager)] {
        for (what, damage) in everywhere.iter().chain(cases) {
            let found = ward.after(address, damage);
            assert_ne!(found, None, "{address:?}: {what}");
        }
    }
}

/// The audit is too late for this: the manager would lead a transfer to its end that has ended.
#[test]
fn what_has_ended_or_never_began_is_not_opened_as_open() {
    let ward = Ward::new();
    for which in ["min(seq) FROM journal WHERE what = 'started'", "max(seq) FROM journal WHERE what = 'completed'", "2"]
    {
        ward.after(MANAGER, &format!("INSERT INTO open SELECT {which}"));
        let opened = ward.world.open(MANAGER, Recovery::default());
        assert!(matches!(opened.err(), Some(Failure::Invariant(_))), "{which}");
    }
}
