//! Whole transfers through the real machines and stores, without threads: every protocol, every store, every crash.
#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use remit_actors::{
    message::{Address, AnswerBody, LegWord, Message, Question, Stands, Status, Submit, Tell},
    store::memory::Crash,
};
use remit_core::{
    account::{Change, Kind, Refusal},
    id::{PartitionNo, ShardNo},
    money::Direction,
    protocol::Protocol,
    reason::Reason,
    transfer::Outcome,
};
use world::{Disks, World, account, transfer_id};

/// Alice has 1,000 in s0; bob and carol have nothing in s1 and s2.
fn funded(mut world: World) -> World {
    world.start();
    for (id, kind) in [
        ("s0:world", Kind::External),
        ("s0:alice", Kind::Customer),
        ("s1:bob", Kind::Customer),
        ("s2:carol", Kind::Customer),
    ] {
        world.open_account(id, kind);
    }
    world.submit(1, Protocol::default(), "s0:world", "s0:alice", 1_000);
    world.settle();
    assert_eq!(world.status(1), Status::Ended(Outcome::Completed));
    world
}

fn posted(world: &mut World) -> [i64; 3] {
    ["s0:alice", "s1:bob", "s2:carol"].map(|id| world.account(id).balances.posted)
}

/// One transfer that completes, one that is refused at the payer, one that is refused at the payee, under each protocol.
fn story(world: &mut World) {
    let mut n = 10;
    for protocol in Protocol::all() {
        let before = posted(world);
        world.submit_legs(
            n,
            protocol,
            &[
                ("s0:alice", Direction::Debit, 100),
                ("s1:bob", Direction::Credit, 60),
                ("s2:carol", Direction::Credit, 40),
            ],
        );
        world.submit(n + 1, protocol, "s1:bob", "s0:alice", 5_000);
        world.submit(n + 2, protocol, "s0:alice", "s1:nobody", 7);
        world.settle();
        world.pass(3_000);
        assert_eq!(world.status(n), Status::Ended(Outcome::Completed), "{protocol}");
        assert_eq!(world.progress(n).legs, [LegWord::Posted; 3], "{protocol}");
        let poor = world.progress(n + 1);
        assert_eq!((poor.status, poor.reason), (Status::Ended(Outcome::Rejected), Some(Reason::InsufficientFunds)));
        let unknown = world.progress(n + 2);
        let end = if protocol.as_str() == "2pc" { Outcome::Rejected } else { Outcome::Compensated };
        assert_eq!((unknown.status, unknown.reason), (Status::Ended(end), Some(Reason::AccountNotFound)), "{protocol}");
        let [alice, bob, carol] = before;
        assert_eq!(posted(world), [alice - 100, bob + 60, carol + 40], "{protocol}");
        world.assert_conserved();
        n += 10;
    }
}

#[test]
fn money_crosses_databases_in_memory() {
    story(&mut funded(World::in_memory(3, 2)));
}

/// Whoever waits for the end alone is told nothing before; but whoever asks again, how the transfer stands.
#[test]
fn a_gateway_is_told_what_it_wants_to_be_told() {
    let mut world = funded(World::in_memory(3, 1));
    let manager = Address::Manager(PartitionNo(0));
    let legs = [("s0:alice", Direction::Debit, 1), ("s1:bob", Direction::Credit, 1)];
    for (n, tell, at_once, in_all) in [(10, Tell::Accepted, 1, 1), (11, Tell::Both, 1, 2), (12, Tell::End, 0, 1)] {
        let submit = Submit { tell, ..world.submission(n, Protocol::default(), &legs) };
        let about =
            |message: &&Message| matches!(message, Message::Standing(standing) if standing.id == transfer_id(n));
        let told = |world: &World| world.told.iter().filter(about).count();
        world.send(manager, Message::Submit(submit.clone()));
        world.turn(manager);
        assert_eq!(told(&world), at_once, "{tell:?}");
        world.settle();
        assert_eq!(told(&world), in_all, "{tell:?}");
        world.send(manager, Message::Submit(submit));
        world.settle();
        assert_eq!(told(&world), in_all + 1, "{tell:?}, once more");
    }
}

#[test]
fn money_crosses_databases_in_files_and_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = funded(World::in_files(folder.path(), 3, 2));
    story(&mut world);
    let before = posted(&mut world);
    world.start();
    assert_eq!(posted(&mut world), before);
    assert_eq!(world.status(10), Status::Ended(Outcome::Completed));
    world.assert_conserved();
}

/// With caches of next to nothing and a bulk write every other row, everything is found in the database.
#[test]
fn memory_is_bounded_and_what_it_forgets_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::in_files(folder.path(), 3, 2);
    world.books.accounts_max = 1;
    world.books.legs_max = 1;
    world.books.flush_rows = 2;
    world.register.ended_max = 1;
    world.register.flush_rows = 2;
    let mut world = funded(world);
    story(&mut world);
    for n in [10, 20, 30] {
        world.submit_legs(
            n,
            Protocol::all().nth(usize::try_from(n / 10 - 1).unwrap()).unwrap(),
            &[
                ("s0:alice", Direction::Debit, 100),
                ("s1:bob", Direction::Credit, 60),
                ("s2:carol", Direction::Credit, 40),
            ],
        );
        world.settle();
        let Some(Stands::Recorded(progress)) = world.standing(n) else { panic!("{:?}", world.standing(n)) };
        assert_eq!(progress.status, Status::Ended(Outcome::Completed));
    }
    world.start();
    world.assert_conserved();
}

/// R2: whatever comes again, to an incarnation that remembers nothing, is answered from the record and moves nothing.
#[test]
fn r2_the_same_id_with_another_body_is_a_conflict() {
    let mut world = funded(World::in_memory(3, 2));
    world.start();
    world.submit(1, Protocol::default(), "s0:world", "s0:alice", 999);
    world.settle();
    assert_eq!(world.standing(1), Some(Stands::Conflict(vec!["legs".into()])));
    world.submit(1, Protocol::default(), "s0:world", "s0:alice", 1_000);
    world.settle();
    assert!(matches!(world.standing(1), Some(Stands::Recorded(_))));
    assert_eq!(posted(&mut world), [1_000, 0, 0]);
}

/// Every database crashes before, or after, every one of its durable writes; everything in memory and on the way to it is
/// lost. Every transfer still ends, and the audit is exact.
#[test]
fn every_crash_at_every_durable_write_loses_nothing() {
    let mut crashes = 0;
    for crash in [Crash::Before, Crash::After] {
        for address in
            [Address::Shard(ShardNo(0)), Address::Shard(ShardNo(1)), Address::Manager(remit_core::id::PartitionNo(0))]
        {
            for writes in 0..8 {
                let mut world = funded(World::in_memory(3, 1));
                match (&world.disks, address) {
                    (Disks::Memory(shards, _), Address::Shard(no)) => shards[&no].crash_at(writes, crash),
                    (Disks::Memory(_, managers), Address::Manager(no)) => managers[&no].crash_at(writes, crash),
                    _ => unreachable!("all is in memory"),
                }
                for (n, protocol) in (0..).zip(Protocol::all()) {
                    let legs = [
                        ("s0:alice", Direction::Debit, 10),
                        ("s2:carol", Direction::Credit, 4),
                        ("s1:bob", Direction::Credit, 6),
                    ];
                    world.submit_legs(10 + n, protocol, &legs);
                    world.submit(20 + n, protocol, "s0:alice", "s1:nobody", 7);
                    world.settle();
                }
                world.pass(40_000);
                crashes += 1;
                // A submit that crashed before its start was recorded was never accepted; the client asks again.
                for (n, protocol) in (0..).zip(Protocol::all()) {
                    let legs = [
                        ("s0:alice", Direction::Debit, 10),
                        ("s2:carol", Direction::Credit, 4),
                        ("s1:bob", Direction::Credit, 6),
                    ];
                    world.submit_legs(10 + n, protocol, &legs);
                    world.submit(20 + n, protocol, "s0:alice", "s1:nobody", 7);
                    world.settle();
                    world.pass(10_000);
                    assert_eq!(
                        world.status(10 + n),
                        Status::Ended(Outcome::Completed),
                        "{crash:?} {address:?} {writes} {protocol}"
                    );
                    assert!(matches!(world.status(20 + n), Status::Ended(_)));
                }
                assert_eq!(posted(&mut world), [970, 18, 12], "{crash:?} {address:?} {writes}");
                world.assert_conserved();
            }
        }
    }
    assert_eq!(crashes, 48);
}

/// R7, R8: a shard that does not answer until the deadline has passed; then it does.
#[test]
fn a_deadline_gives_up_and_a_late_answer_changes_nothing() {
    for (n, protocol) in (10..).zip(Protocol::all()) {
        let mut world = funded(World::in_memory(3, 1));
        world.submit(n, protocol, "s0:alice", "s1:bob", 10);
        let silent = Address::Shard(ShardNo(1));
        for _ in 0..700 {
            world.now = world.now.plus_ms(50);
            for to in [Address::Manager(remit_core::id::PartitionNo(0)), Address::Shard(ShardNo(0))] {
                world.turn(to);
            }
            world.lose(silent);
        }
        assert_eq!(world.waiting(), []);
        world.pass(10_000);
        let progress = world.progress(n);
        let end = if protocol.as_str() == "2pc" { Outcome::Rejected } else { Outcome::Compensated };
        assert_eq!(
            (progress.status, progress.reason),
            (Status::Ended(end), Some(Reason::DeadlinePassed)),
            "{protocol}"
        );
        assert_eq!(posted(&mut world), [1_000, 0, 0]);
        world.assert_conserved();
    }
}

/// R4: an account closes only when it is empty and no manager has an open transfer on it.
#[test]
fn r4_an_account_closes_only_when_nothing_is_in_flight() {
    use remit_actors::message::ChangeAccount;
    let mut world = funded(World::in_memory(3, 2));
    let close = |world: &mut World, id: &str, command: u8| {
        let id = account(id);
        let to = Address::Shard(world.genesis.shard_of(&id).unwrap());
        let change =
            ChangeAccount { account: id, change: Change::BeginClose, command_id: [command; 16], if_version: None };
        let ticket = 1_000_000 + u64::from(command);
        let question = Question::CloseAccount(change, 1_000);
        let ask = remit_actors::message::Ask { ticket, from: world::GATEWAY, question };
        world.send(to, remit_actors::message::Message::Ask(ask));
        world.settle();
        world.pass(2_000);
        world.answer(ticket)
    };
    assert_eq!(close(&mut world, "s0:alice", 1), Some(AnswerBody::Refused(Refusal::NotFree)));
    let closed = close(&mut world, "s2:carol", 2);
    let Some(AnswerBody::Account(Some(carol))) = closed else { panic!("{closed:?}") };
    assert_eq!(carol.status.as_str(), "closed");
    world.submit(10, Protocol::default(), "s0:alice", "s2:carol", 1);
    world.settle();
    world.pass(2_000);
    assert_eq!(world.progress(10).reason, Some(Reason::AccountClosed));

    // Bob's credit is on its way and its shard silent: bob looks empty, but a manager knows better.
    world.submit(11, Protocol::default(), "s0:alice", "s1:bob", 5);
    let bobs = Address::Shard(ShardNo(1));
    for _ in 0..3 {
        for to in world.waiting() {
            if to == bobs {
                world.lose(to);
            } else {
                world.turn(to)
            }
        }
    }
    assert_eq!(close(&mut world, "s1:bob", 3), Some(AnswerBody::Refused(Refusal::NotFree)));
    world.pass(10_000);
    assert!(matches!(world.status(11), Status::Ended(_)));
    world.assert_conserved();
}

/// A statement is exact and walks back along the account's own rows.
#[test]
fn a_statement_has_every_posting_newest_first_with_the_balance_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = funded(World::in_files(folder.path(), 3, 2));
    for n in 10..15 {
        world.submit(n, Protocol::default(), "s0:alice", "s1:bob", 10);
        world.submit(n + 100, Protocol::default(), "s0:alice", "s2:nobody", 1);
    }
    world.settle();
    world.pass(5_000);
    let mut postings = Vec::new();
    let mut before = None;
    loop {
        let question = Question::Statement { account: account("s0:alice"), from: None, to: None, before, limit: 3 };
        let AnswerBody::Statement { postings: page, next, .. } = world.ask(Address::Shard(ShardNo(0)), question) else {
            panic!()
        };
        assert!(page.len() <= 3);
        postings.extend(page);
        before = next;
        if before.is_none() {
            break;
        }
    }
    // The deposit; five payments; five debits of payments to nobody, each given back.
    assert_eq!(postings.len(), 1 + 5 + 10);
    let mut balance = 0;
    for posting in postings.iter().rev() {
        let signed = match posting.direction {
            Direction::Debit => -posting.amount.get(),
            Direction::Credit => posting.amount.get(),
        };
        balance += signed;
        assert_eq!(posting.balance, balance);
    }
    assert_eq!(balance, 950);
    assert_eq!(postings.iter().filter(|posting| posting.memo.is_none()).count(), 0);
}

/// A replay that sends commands again: opening reads the journal and says nothing. What has ended is never asked for again;
/// what is open is, once, and the legs answer from their records.
#[test]
fn also_a_replay_sends_no_command_of_what_has_ended() {
    let mut world = funded(World::in_memory(3, 1));
    story(&mut world);
    let manager = Address::Manager(remit_core::id::PartitionNo(0));
    let [alice, bob, carol] = posted(&mut world);
    world.submit(90, Protocol::default(), "s0:alice", "s1:bob", 10);
    world.turn(manager);
    world.start();
    assert_eq!(world.waiting(), [], "nobody says anything by opening");
    world.now = world.now.plus_ms(20);
    for to in [Address::Shard(ShardNo(0)), Address::Shard(ShardNo(1)), Address::Shard(ShardNo(2)), manager] {
        world.turn(to);
    }
    assert_eq!(world.waiting(), [Address::Shard(ShardNo(0))], "the open one's debit alone");
    world.settle();
    assert_eq!(world.status(90), Status::Ended(Outcome::Completed));
    assert_eq!(posted(&mut world), [alice - 10, bob + 10, carol]);
    world.assert_conserved();
}
