//! R11: what no rule covers stops one transfer alone, and stays visible; all others go on.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use remit_actors::{
    frame::Frame,
    machine::Machine,
    manager::Manager,
    message::{Address, AnswerBody, Filter, Message, Question, Stands, Status},
    store::{memory::Disk, row::TransferEntry},
    supervision::{InHand, Recovery},
};
use remit_core::{
    account::Kind,
    id::{LegId, LegNo, PartitionNo, ShardNo, TransferId},
    leg::{Answer, Misfit, Reply},
    money::Direction::{Credit, Debit},
    protocol::Protocol,
    transfer::{Outcome, Parked},
};

use serde_json::Value;

use crate::{
    commands::{NOW, ask, frame, turn},
    files,
    hooked::Hooked,
    world::{World, transfer_id},
};

const MANAGER: Address = Address::Manager(PartitionNo(0));

/// Alice has money in s0; the shard of bob, s1, does not answer, so that transfers to him stay open.
fn with_open_transfers(mut world: World, numbers: impl Iterator<Item = u64>) -> World {
    world.start();
    for (id, kind) in [("s0:alice", Kind::External), ("s1:bob", Kind::Customer)] {
        world.open_account(id, kind);
    }
    let protocols: Vec<Protocol> = Protocol::all().collect();
    for (n, protocol) in numbers.zip(protocols.iter().cycle()) {
        world.submit(n, *protocol, "s0:alice", "s1:bob", 1);
    }
    while let Some(address) = world.waiting().first().copied() {
        if address == Address::Shard(ShardNo(1)) {
            world.lose(address);
        } else {
            world.turn(address);
        }
    }
    world
}

fn position(world: &mut World) -> (u64, u64) {
    let AnswerBody::Position(position) = world.ask(MANAGER, Question::Position) else { panic!() };
    (position.open, position.parked)
}

/// One record among a thousand is damaged: the manager comes up all the same.
#[test]
fn r11_a_record_that_cannot_be_read_parks_its_transfer_alone() {
    // Each makes another column of the start record unreadable, or says what was never written.
    let damages: [(usize, Value); 5] = [
        (files::column::<TransferEntry>("legs"), "not legs".into()),
        (files::column::<TransferEntry>("legs"), Value::Null),
        (files::column::<TransferEntry>("protocol"), "carrier pigeon".into()),
        (files::column::<TransferEntry>("transfer"), 7.into()),
        (files::column::<TransferEntry>("epoch"), 3.into()),
    ];
    for (column, damage) in damages {
        let folder = files::scratch();
        let mut world = World::in_files(folder.path(), 2, 1);
        world.register.flush_rows = 100;
        let numbers = 1..=1_000;
        let mut world = with_open_transfers(world, numbers.clone());
        assert_eq!(position(&mut world), (1_000, 0));
        world.stop();
        let file = folder.path().join("m0.db");
        assert_eq!(files::count(&file, "open"), 1_000);
        let start = files::row_where(&file, &format!("transfer = '{}' AND what = 'started'", transfer_id(500)));
        files::edit_row(&file, start, |values| {
            values.resize(values.len().max(column + 1), Value::Null);
            values[column] = damage.clone();
        });

        world.start();
        assert_eq!(position(&mut world), (1_000, 1), "{damage}");
        world.pass(60_000);
        world.settle();
        assert_eq!(position(&mut world), (1, 1), "{damage}: the others have ended");
        for n in numbers.filter(|n| *n != 500) {
            assert_eq!(world.status(n), Status::Ended(Outcome::Completed), "{n}");
        }

        // It is told apart from one that never was, and its id can't begin again.
        let id = transfer_id(500);
        let body = world.ask(MANAGER, Question::Transfer(id));
        assert!(matches!(&body, AnswerBody::Unavailable(why) if why.contains(&id.to_string())), "{body:?}");
        world.submit(500, Protocol::default(), "s0:alice", "s1:bob", 1);
        world.settle();
        let Some(Stands::Recorded(progress)) = world.standing(500) else { panic!("{:?}", world.standing(500)) };
        assert_eq!(progress.status, Status::Parked);
        // A list goes past it.
        let body = world.ask(MANAGER, Question::Transfers(Filter { limit: 1_000, ..Filter::default() }));
        assert!(matches!(&body, AnswerBody::Transfers(found, _) if found.len() == 999), "{damage}");
        // A full audit can't vouch for the chain, and says so instead of taking the manager down.
        let body = world.ask(MANAGER, Question::AuditOpen { full: true });
        assert!(matches!(&body, AnswerBody::Unavailable(why) if why.contains(&id.to_string())), "{body:?}");
        // R5: a quick one takes from the rows of its legs what it can't take from its start, and names it.
        world
            .audit_to(false)
            .into_iter()
            .for_each(|(currency, found)| assert!(found.is_conserved(), "{currency}: {found:?}"));
        let body = world.ask(MANAGER, Question::AuditOpen { full: false });
        assert!(matches!(&body, AnswerBody::AuditStarts { starts, .. } if starts.is_empty()), "{body:?}");
    }
}

/// A damaged record of a transfer that has ended once took its manager down whenever somebody asked for it, or for a list.
#[test]
fn r11_a_damaged_record_of_an_ended_transfer_takes_nobody_down() {
    let folder = files::scratch();
    let mut world = World::in_files(folder.path(), 2, 1);
    world.register.flush_rows = 1;
    let mut world = with_open_transfers(world, 1..=3);
    world.pass(10_000);
    assert_eq!(position(&mut world), (0, 0));
    world.stop();
    let file = folder.path().join("m0.db");
    for what in ["started", "completed"] {
        let row = files::row_where(&file, &format!("transfer = '{}' AND what = '{what}'", transfer_id(2)));
        files::edit_row(&file, row, |values| values[files::column::<TransferEntry>("legs")] = "x".into());
    }
    world.start();
    let body = world.ask(MANAGER, Question::Transfer(transfer_id(2)));
    assert!(matches!(body, AnswerBody::Unavailable(_)), "{body:?}");
    let body = world.ask(MANAGER, Question::Transfers(Filter { limit: 10, ..Filter::default() }));
    assert!(matches!(&body, AnswerBody::Transfers(found, None) if found.len() == 2), "{body:?}");
    world.submit(2, Protocol::default(), "s0:alice", "s1:bob", 1);
    world.settle();
    assert!(matches!(world.standing(2), Some(Stands::Recorded(progress)) if progress.status == Status::Parked));
    assert_eq!([1, 3].map(|n| world.status(n)), [Status::Ended(Outcome::Completed); 2]);
}

/// A parked transfer was counted as parked again with every further answer of its legs: with two more answers than open
/// transfers the number of those in the way of a submit fell below zero, and the manager panicked.
#[test]
fn r11_a_parked_transfer_is_parked_and_counted_once_whatever_else_its_legs_answer() {
    let mut world = World::in_memory(2, 1);
    world.start();
    world.submit_legs(1, Protocol::default(), &[("s0:a", Debit, 2), ("s0:b", Debit, 1), ("s1:c", Credit, 3)]);
    world.turn(MANAGER);
    lose_all(&mut world);
    let reply = |leg, answer| Message::Reply(Reply { id: LegId::new(transfer_id(1), LegNo(leg)), answer });
    world.send(MANAGER, reply(0, Answer::Misfit(Misfit::TermsDiffer)));
    world.send(MANAGER, reply(1, Answer::Done));
    world.send(MANAGER, reply(0, Answer::Done));
    world.send(MANAGER, reply(0, Answer::Misfit(Misfit::VerbAgainstRecord)));
    world.submit(2, Protocol::default(), "s0:a", "s1:c", 1);
    world.turn(MANAGER);
    lose_all(&mut world);
    assert_eq!(position(&mut world), (2, 1));
    assert_eq!(parked(&world), [(transfer_id(1), Parked::Misfit(LegNo(0)))]);
    assert_eq!(world.progress(1).status, Status::Parked);
    world.start();
    assert_eq!(position(&mut world), (2, 1));
    assert_eq!(world.progress(1).status, Status::Parked);
}

/// After a panic open transfers are taken one a turn, each asked for again; then all goes on as ever.
#[test]
fn r11_after_a_panic_open_transfers_are_taken_one_by_one() {
    let mut world = with_open_transfers(World::in_memory(2, 1), 1..=5);
    let recovery = Recovery { one_by_one: true, ..Recovery::default() };
    let mut manager = world.open(MANAGER, recovery).unwrap();
    let mut taken = Vec::new();
    for _ in 0..5 {
        assert_eq!(manager.wake_at(), Some(world.now), "it wants the next turn at once");
        let out = manager.turn(&[], world.now).unwrap();
        let mut ids: Vec<TransferId> = out.iter().flat_map(|(_, frame)| commanded(frame)).collect();
        ids.dedup();
        assert_eq!(ids.len(), 1, "{out:?}");
        taken.append(&mut ids);
    }
    taken.sort();
    assert_eq!(taken, [1, 2, 3, 4, 5].map(transfer_id));
    assert_eq!(manager.turn(&[], world.now).unwrap(), []);
    world.start();
    world.pass(10_000);
    assert_eq!(position(&mut world), (0, 0));
}

/// What comes while open transfers are taken one by one is taken too, each message alone. It was dropped once, submits and
/// questions included, for as many turns as there were open transfers.
#[test]
fn r11_what_comes_while_transfers_are_taken_one_by_one_is_not_dropped() {
    let world = with_open_transfers(World::in_memory(2, 1), 1..=5);
    let recovery = Recovery { one_by_one: true, ..Recovery::default() };
    let mut manager = world.open(MANAGER, recovery).unwrap();
    let submit = world.submission(9, Protocol::default(), &[("s0:alice", Debit, 1), ("s1:bob", Credit, 1)]);
    let batch = frame(vec![Message::Submit(submit), ask(Question::Position)]);
    let out = manager.turn(&[batch], world.now).unwrap();
    let to_gateway = out.iter().filter(|(to, _)| matches!(to, Address::Gateway(_)));
    assert_eq!(to_gateway.map(|(_, frame)| frame.messages.len()).sum::<usize>(), 2, "{out:?}");
}

/// The whole story of a transfer that makes its manager panic: noted twice, then parked, for good.
#[test]
fn r11_a_transfer_that_makes_its_manager_panic_is_parked_for_good_and_the_others_end() {
    let world = World::in_memory(2, 1);
    let (disk, guilty) = (Disk::<TransferEntry>::default(), transfer_id(2));
    let open = |recovery: Recovery| {
        let hook = move |_: &'static str, row: Option<&remit_actors::store::row::Row<TransferEntry>>| {
            let ends = row.is_some_and(|row| matches!(row.entry, TransferEntry::Ended(id, ..) if id == guilty));
            assert!(!ends, "over this one");
        };
        let tables = Hooked::new(disk.open(&world.genesis, NOW).unwrap(), hook);
        Manager::open(PartitionNo(0), tables, world.manager_options(), recovery, "test", NOW).unwrap()
    };
    let submit =
        |n| Message::Submit(world.submission(n, Protocol::default(), &[("s0:a", Debit, 1), ("s1:b", Credit, 1)]));
    let done = |n| {
        (0..2)
            .map(move |leg| Message::Reply(Reply { id: LegId::new(transfer_id(n), LegNo(leg)), answer: Answer::Done }))
    };
    turn(&mut open(Recovery::default()), &[frame((1..=3).map(submit).collect())]);

    let answers = frame((1..=3).flat_map(done).collect());
    let in_hand = Arc::<InHand>::default();
    for _ in 0..2 {
        let recovery = Recovery { one_by_one: true, park: vec![], in_hand: Arc::clone(&in_hand) };
        let mut manager = open(recovery);
        let panicked =
            catch_unwind(AssertUnwindSafe(|| while manager.turn(std::slice::from_ref(&answers), NOW).is_ok() {}));
        panicked.unwrap_err();
        assert_eq!(in_hand.get(), Some(guilty));
    }
    let recovery = Recovery { one_by_one: true, park: vec![guilty], in_hand };
    let mut manager = open(recovery);
    for _ in 0..5 {
        turn(&mut manager, std::slice::from_ref(&answers));
    }
    assert_eq!((manager.position().open, manager.position().parked, manager.position().ended), (1, 1, 2));
    // The next incarnation is not told: it reads so.
    let manager = open(Recovery::default());
    assert_eq!((manager.position().open, manager.position().parked), (1, 1));
    let parked = disk.rows().into_iter().filter(|row| matches!(row.entry, TransferEntry::Parked(..)));
    assert_eq!(parked.count(), 1);
}

fn lose_all(world: &mut World) {
    for address in world.waiting() {
        world.lose(address);
    }
}

fn commanded(frame: &Frame) -> impl Iterator<Item = TransferId> {
    frame.messages.iter().filter_map(|message| match message {
        Message::Command(command) => Some(command.id.transfer),
        _ => None,
    })
}

fn parked(world: &World) -> Vec<(TransferId, Parked)> {
    let crate::world::Disks::Memory(_, managers) = &world.disks else { panic!("not in memory") };
    let rows = managers[&PartitionNo(0)].rows().into_iter();
    rows.filter_map(|row| match row.entry {
        TransferEntry::Parked(id, why) => Some((id, why)),
        _ => None,
    })
    .collect()
}
