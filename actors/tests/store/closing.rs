//! R4 over restarts: a closing that nobody waits for any more is given up, and words about an earlier one do not count.

use remit_actors::{
    message::{Address, Answer, AnswerBody, Ask, ChangeAccount, Message, Question},
    store::row::ShardEntry,
};
use remit_core::{
    account::{Change, Kind, Refusal, Status},
    id::{PartitionNo, Seq, ShardNo},
};

use crate::world::{Disks, GATEWAY, World, account, transfer_id};

const SHARD: Address = Address::Shard(ShardNo(0));
const TICKET: u64 = 1_000;

fn world() -> World {
    let mut world = World::in_memory(1, 2);
    world.start();
    world.open_account("s0:carol", Kind::Customer);
    world
}

/// Asks for the account to be closed, within a second; the managers do not hear of it.
fn begin(world: &mut World, command: u64) {
    let (account, command_id) = (account("s0:carol"), transfer_id(command).0);
    let change = ChangeAccount { account, change: Change::BeginClose, command_id, if_version: None };
    let question = Question::CloseAccount(change, 1_000);
    world.send(SHARD, Message::Ask(Ask { ticket: TICKET + command, from: GATEWAY, question }));
    world.turn(SHARD);
    for address in world.waiting() {
        world.lose(address);
    }
    assert_eq!(world.account("s0:carol").status, Status::Closing);
}

/// What the managers would say of the closing at this row.
fn say_free(world: &mut World, closing: Seq) {
    for partition in [PartitionNo(0), PartitionNo(1)] {
        let body = AnswerBody::OpenOn { account: account("s0:carol"), closing, partition, open: 0 };
        world.send(SHARD, Message::Answer(Answer { ticket: closing.0, part: 0, parts: 1, body }));
    }
    world.turn(SHARD);
}

/// The rows of steps of closings, in order.
fn steps(world: &World) -> Vec<(Seq, String)> {
    let Disks::Memory(shards, _) = &world.disks else { panic!("not in memory") };
    let rows = shards[&ShardNo(0)].rows().into_iter();
    rows.filter_map(|row| match row.entry {
        ShardEntry::Account(entry) if entry.what.contains("close") => Some((row.seq, entry.what.to_string())),
        _ => None,
    })
    .collect()
}

#[test]
fn r4_a_closing_that_a_restart_interrupted_returns_to_open_and_can_be_asked_for_again() {
    let mut world = world();
    begin(&mut world, 1);
    world.restart(SHARD);
    world.pass(10);
    let carol = world.account("s0:carol");
    assert_eq!((carol.status, carol.version), (Status::Open, 3));
    assert_eq!(world.answer(TICKET + 1), None, "nobody was told anything");
    // The client does not know, and asks the same again.
    let AnswerBody::Account(Some(closed)) = world.close("s0:carol", 1) else { panic!("not closed") };
    assert_eq!(closed.status, Status::Closed);
    let AnswerBody::Account(Some(again)) = world.close("s0:carol", 1) else { panic!("not closed") };
    assert_eq!(again, closed);
    let what: Vec<String> = steps(&world).into_iter().map(|(_, what)| what).collect();
    assert_eq!(what, ["begin_close", "abandon_close", "begin_close", "close"]);
}

#[test]
fn r4_an_answer_about_an_earlier_closing_does_not_count() {
    let mut world = world();
    begin(&mut world, 1);
    let first = steps(&world)[0].0;
    world.restart(SHARD);
    world.pass(10);
    begin(&mut world, 2);
    say_free(&mut world, first);
    assert_eq!(world.account("s0:carol").status, Status::Closing, "the answers were about the row before");
    let second = steps(&world).last().expect("a step").0;
    say_free(&mut world, second);
    assert_eq!(world.account("s0:carol").status, Status::Closed);
    assert!(matches!(world.answer(TICKET + 2), Some(AnswerBody::Account(Some(_)))));
}

#[test]
fn r4_a_closing_that_does_not_come_free_in_time_is_a_conflict() {
    let mut world = world();
    begin(&mut world, 1);
    for _ in 0..1_100 {
        world.now = world.now.plus_ms(1);
        world.turn(SHARD);
        for address in world.waiting() {
            world.lose(address);
        }
    }
    assert_eq!(world.account("s0:carol").status, Status::Open);
    assert_eq!(world.answer(TICKET + 1), Some(AnswerBody::Refused(Refusal::NotFree)));
}
