//! Stories that the real machines have recorded, told as `remit transfer explain` tells them: the texts in `tests/stories`.
//!
//! After a change of the wording, write them anew with `REMIT_WRITE_STORIES=1 cargo test -p remit --lib stories`, and read them.

#[path = "../../../../../actors/tests/world/mod.rs"]
mod world;

use std::{fs, path::Path, sync::Arc};

use anstream::adapter::strip_str;
use remit_actors::message::{Address, AnswerBody, Message, Operate, Operated, Question};
use remit_api::{Currencies, Error};
use remit_core::{
    account::Kind,
    id::{LegId, LegNo, PartitionNo, Seq, ShardNo},
    leg::{Command, Terms, Verb},
    money::{Amount, Direction},
    operator::{Action, Forbidden, Order},
    protocol::Protocol,
};
use world::{World, account, eur, transfer_id};

use super::timeline;
use crate::door::{stories::assemble, transfers::transfer_of};

const MANAGER: Address = Address::Manager(PartitionNo(0));
const NEAR: Address = Address::Shard(ShardNo(0));
const FAR: Address = Address::Shard(ShardNo(1));
/// The transfer whose story is told.
const RENT: u64 = 7;

fn name(actor: Address) -> Arc<str> {
    match actor {
        Address::Shard(no) => format!("s{}", no.0),
        Address::Manager(no) => format!("m{}", no.0),
        Address::Gateway(_) => "gateway".into(),
        Address::Projector | Address::Ledger => "p0".into(),
    }
    .into()
}

/// Two shards, alice with 1,000 in the first, bob and carol in the second.
fn town() -> World {
    let mut world = World::in_memory(2, 1);
    world.start();
    world.open_account("s0:world", Kind::External);
    for id in ["s0:alice", "s1:bob", "s1:carol"] {
        world.open_account(id, Kind::Customer);
    }
    world.submit(1, Protocol::default(), "s0:world", "s0:alice", 1_000);
    world.settle();
    assert_eq!(world.account("s0:alice").balances.posted, 1_000);
    world.now = world.now.plus_ms(5_000);
    world
}

/// Alice pays bob and carol.
fn submit(world: &mut World, protocol: &str) {
    let protocol = Protocol::parse(protocol).unwrap();
    let legs =
        [("s0:alice", Direction::Debit, 700), ("s1:bob", Direction::Credit, 300), ("s1:carol", Direction::Credit, 400)];
    world.submit_legs(RENT, protocol, &legs);
}

/// A turn of each of these, with some milliseconds between them.
fn turns(world: &mut World, turns: &[Address]) {
    for actor in turns {
        world.now = world.now.plus_ms(3);
        world.turn(*actor);
    }
}

fn settle(world: &mut World) {
    while let Some(next) = world.waiting().into_iter().find(|address| !matches!(address, Address::Gateway(_))) {
        turns(world, &[next]);
    }
}

/// So long the frames to these are lost, and everybody looks at the clock.
fn goes_by(world: &mut World, ms: u64, lost: &[Address]) {
    for _ in 0..ms / 250 {
        world.now = world.now.plus_ms(250);
        world.turn(MANAGER);
        for actor in [NEAR, FAR, MANAGER] {
            if lost.contains(&actor) {
                world.lose(actor);
            } else if world.waiting().contains(&actor) {
                world.turn(actor);
            }
        }
    }
}

fn order(world: &mut World, action: Action) -> Operated {
    let order = Order { action, by: "ada".into(), why: "the landlord has sold the house".into() };
    let operate = Operate { id: transfer_id(RENT), order, legs: Vec::new(), number: 1 };
    match world.ask(MANAGER, Question::Operate(operate)) {
        AnswerBody::Operated(operated) => operated,
        other => panic!("{other:?}"),
    }
}

fn told_by(world: &mut World, actor: Address) -> remit_actors::message::Story {
    match world.ask(actor, Question::Story(transfer_id(RENT))) {
        AnswerBody::Story(story) => *story,
        other => panic!("{other:?}"),
    }
}

/// Compares the story with the text that it should be, and the audit with nothing missing.
#[track_caller]
fn tells(world: &mut World, scene: &str, silent: Option<Address>) {
    let told = told_by(world, MANAGER);
    let (start, progress) = told.transfer.clone().unwrap();
    let names = [name(NEAR), name(FAR)];
    let transfer = transfer_of(&names, start.id, start.protocol, start.memo.clone(), start.legs(), &progress);
    let parts = [NEAR, FAR].map(|shard| match silent == Some(shard) {
        true => (shard, Err(Error::unavailable("s1 is quarantined: the disk is full"))),
        false => (shard, Ok(told_by(world, shard))),
    });
    let story = assemble(&name, transfer, (MANAGER, told), parts.into());
    let text = format!("{}\n", strip_str(&timeline(&story, &Currencies::iso())));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/stories/{scene}.txt"));
    if std::env::var_os("REMIT_WRITE_STORIES").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(&path).unwrap(), "{scene}");
    world.assert_conserved();
}

#[test]
fn stories_of_each_protocol() {
    for protocol in ["saga", "2pc", "events"] {
        let mut world = town();
        submit(&mut world, protocol);
        settle(&mut world);
        tells(&mut world, protocol, None);
    }
}

#[test]
fn stories_of_a_refusal() {
    let mut world = town();
    world.change("s1:carol", remit_core::account::Change::Freeze, 40);
    submit(&mut world, "saga");
    settle(&mut world);
    tells(&mut world, "refused", None);
}

/// The frames to a shard are lost; while it is away, part of the story is missing; then all is asked again.
#[test]
fn stories_of_a_shard_that_was_away() {
    let mut world = town();
    submit(&mut world, "saga");
    turns(&mut world, &[MANAGER, NEAR, MANAGER]);
    goes_by(&mut world, 4_000, &[FAR]);
    tells(&mut world, "away", Some(FAR));
    // It is back, and its answers are lost: so it hears the same commands twice. And the client asks again.
    submit(&mut world, "saga");
    goes_by(&mut world, 6_000, &[MANAGER]);
    tells(&mut world, "unheard", None);
    world.pass(6_000);
    settle(&mut world);
    tells(&mut world, "back", None);
}

#[test]
fn stories_of_a_manager_that_was_restarted() {
    let mut world = town();
    submit(&mut world, "2pc");
    turns(&mut world, &[MANAGER, NEAR, FAR, MANAGER]);
    world.now = world.now.plus_ms(1_500);
    world.start();
    world.pass(3_000);
    settle(&mut world);
    tells(&mut world, "restarted", None);
}

/// Somebody's bug recorded another leg under the transfer's number.
#[test]
fn stories_of_one_that_is_parked() {
    let mut world = town();
    let (direction, currency, partition) = (Direction::Credit, eur(), PartitionNo(0));
    let (account, amount) = (account("s1:nobody"), Amount::new(1).unwrap());
    let terms = Terms { account, direction, amount, currency, partition, begun: Seq(1), route: None };
    let id = LegId::new(transfer_id(RENT), LegNo(1));
    world.send(FAR, Message::Command(Command { id, verb: Verb::PlaceHold, terms, reason: None, memo: None }));
    turns(&mut world, &[FAR]);
    world.lose(MANAGER);
    submit(&mut world, "saga");
    settle(&mut world);
    assert!(matches!(order(&mut world, Action::Retry), Operated::Forbidden(Forbidden::Parked)));
    // Whoever resumes it without a look at the legs sees it parked again.
    assert!(matches!(order(&mut world, Action::Resume), Operated::Done(_)));
    settle(&mut world);
    tells(&mut world, "parked", None);
}

#[test]
fn stories_of_one_that_an_operator_gave_up() {
    let mut world = town();
    submit(&mut world, "events");
    turns(&mut world, &[MANAGER, NEAR]);
    goes_by(&mut world, 2_000, &[FAR]);
    assert!(matches!(order(&mut world, Action::Cancel), Operated::Done(_)));
    settle(&mut world);
    tells(&mut world, "given_up", None);
    assert!(matches!(order(&mut world, Action::Cancel), Operated::Ended(_)));
}
