//! Messages that no machine sends: whoever does, the machine that gets them neither panics nor is set aside over them, and its
//! database opens again. Each is a story that fuzzing told.

use remit_actors::{
    machine::{Failure, Machine as _},
    message::{Address, AnswerBody, Filter, Message, Question},
    shard::Shard,
    store::{
        books::{BooksOptions, ShardTables},
        memory::Disk,
        row::ShardEntry,
        sqlite::Sqlite,
    },
};
use remit_core::{
    account::Kind,
    id::{AccountId, Seq, ShardNo},
    leg::{Answer, Command, Misfit, Verb},
    money::Direction,
    protocol::route::Route,
};

use crate::{
    commands::{NOW, PARTITION, answer, command, frame, mark, open_account, shard_options, turn},
    files,
    hooked::Hooked,
    world::{World, transfer_id},
};

fn open<T: ShardTables>(tables: T) -> Shard<T> {
    let books = BooksOptions { legs_max: 1, ..BooksOptions::default() };
    Shard::open(ShardNo(0), tables, shard_options(books), "test", NOW).unwrap()
}

fn opened<T: ShardTables>(tables: T) -> Shard<T> {
    let mut desk = open(tables);
    let accounts = [("s0:a", 1), ("s0:b", 2)].map(|(id, no)| open_account(id, Kind::External, no));
    turn(&mut desk, &[frame(accounts.into())]);
    desk
}

/// The same command with something else in it.
fn with(message: Message, change: impl FnOnce(&mut Command)) -> Message {
    let Message::Command(mut command) = message else { panic!("{message:?}") };
    change(&mut command);
    Message::Command(command)
}

/// A row was written of each of these, which nobody could read again: the database was lost.
#[test]
fn a_command_that_no_manager_would_send_leaves_no_row() {
    let (folder, genesis) = (files::scratch(), World::in_memory(1, 1).genesis);
    let file = || Sqlite::<ShardEntry>::open(&folder.path().join("s0.db"), &genesis, true, NOW);
    let mut desk = opened(file().unwrap());
    let debit = || command(transfer_id(1), 1, Verb::Debit, "s0:a", 5);
    let before = desk.position().seq;
    for lie in [
        with(debit(), |command| command.terms.begun = Seq(1 << 63)),
        with(debit(), |command| command.terms.route = Some(Route::from_stops(vec![]))),
        with(debit(), |command| command.terms.direction = Direction::Credit),
    ] {
        assert_eq!(turn(&mut desk, &[frame(vec![lie.clone()])]), [], "{lie:?}");
    }
    assert_eq!(desk.position().seq, before);
    drop(desk);
    assert_eq!(answer(&mut open(file().unwrap()), debit()), Answer::Done);
}

/// The debit was compensated, and stayed one of those that may still come back.
#[test]
fn an_undo_that_names_another_position_is_of_the_same_debit() {
    let genesis = World::in_memory(1, 1).genesis;
    let mut desk = opened(Disk::default().open(&genesis, NOW).unwrap());
    assert_eq!(answer(&mut desk, command(transfer_id(1), 1, Verb::Debit, "s0:a", 5)), Answer::Done);
    assert_eq!(answer(&mut desk, command(transfer_id(1), 2, Verb::Compensate, "s0:a", 5)), Answer::Undone);
    assert!(desk.books().recompute().unwrap());
}

/// The mark covered a debit whose transfer was open. So no room was kept for it, and giving it back was a panic.
#[test]
fn r3_an_undo_that_a_lying_mark_left_no_room_for_parks_its_transfer() {
    let genesis = World::in_memory(1, 1).genesis;
    let mut desk = opened(Disk::default().open(&genesis, NOW).unwrap());
    let mut act = |no, verb| answer(&mut desk, command(transfer_id(no), no, verb, "s0:a", i64::MAX));
    assert_eq!(act(1, Verb::Debit), Answer::Done);
    turn(&mut desk, &[mark(1, &[])]);
    let mut act = |no, verb| answer(&mut desk, command(transfer_id(no), no, verb, "s0:a", i64::MAX));
    assert_eq!([act(2, Verb::Credit), act(3, Verb::Credit)], [Answer::Done; 2]);
    assert_eq!(act(1, Verb::Compensate), Answer::Misfit(Misfit::VerbAgainstRecord));
    assert!(desk.books().recompute().unwrap());
}

/// Any client could send these, in a cursor; the shard, or the manager, was set aside as corrupt.
#[test]
fn a_position_beyond_63_bits_is_above_every_row() {
    let folder = files::scratch();
    let mut world = World::in_files(folder.path(), 1, 1);
    world.start();
    world.open_account("s0:a", Kind::External);
    let (shard, manager) = (Address::Shard(ShardNo(0)), Address::Manager(PARTITION));
    let before = Some(Seq(u64::MAX));
    let account = AccountId::parse("s0:a").unwrap();
    let statement = Question::Statement { account, from: None, to: None, before, limit: 10 };
    assert!(matches!(world.ask(shard, statement), AnswerBody::Statement { account: Some(_), next: None, .. }));
    let list = Question::Transfers(Filter { before, limit: 10, ..Filter::default() });
    assert_eq!(world.ask(manager, list), AnswerBody::Transfers(vec![], None));
    let since = Seq(u64::MAX);
    let legs = Question::AuditShard { since, transfers: vec![], unreadable: vec![], full: false };
    assert!(matches!(world.ask(shard, legs), AnswerBody::AuditShard { .. }));
    assert!(matches!(world.ask(manager, Question::AuditBegun { since }), AnswerBody::AuditStarts { .. }));
}

/// A broken index: the row was there, so that none was written, and was not found, so that it was looked for again, for ever.
#[test]
fn r2_a_record_that_is_there_and_not_found_is_corrupt() {
    let (disk, genesis) = (Disk::default(), World::in_memory(1, 1).genesis);
    let debit = |no| command(transfer_id(no), no, Verb::Debit, "s0:a", 5);
    let mut desk = opened(disk.open(&genesis, NOW).unwrap());
    assert_eq!([answer(&mut desk, debit(1)), answer(&mut desk, debit(2))], [Answer::Done; 2]);
    let mut desk = open(Hooked::new(disk.open(&genesis, NOW).unwrap(), |_, _| ()).without_legs());
    let refused = desk.turn(&[frame(vec![debit(1)])], NOW);
    assert!(matches!(refused, Err(Failure::Invariant(_))), "{refused:?}");
}
