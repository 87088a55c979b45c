//! A crash at every durable write of every database, bulk writes included, with every frame delivered twice: every transfer
//! still ends, once and rightly, and the audit is exact.

use remit_actors::{
    message::{Address, Status},
    store::memory::Crash,
};
use remit_core::{
    account::Kind,
    id::{PartitionNo, ShardNo},
    money::Direction::{Credit, Debit},
    protocol::Protocol,
    transfer::Outcome,
};

use crate::world::{Disks, World};

/// Before the story: alice has 1,000 in s0 and bob 500 in s1; carol in s2 and dora in s0 have nothing, nor has poor in s1.
const ACCOUNTS: [&str; 5] = ["s0:alice", "s1:bob", "s2:carol", "s0:dora", "s1:poor"];

fn world(flush_rows: u64) -> World {
    let mut world = World::in_memory(3, 1);
    world.books.flush_rows = flush_rows;
    world.register.flush_rows = flush_rows;
    // So little memory that nearly everything is found in the tables and by the index.
    (world.books.accounts_max, world.books.legs_max, world.register.ended_max) = (1, 1, 1);
    world.start();
    world.open_account("s2:world", Kind::External);
    for id in ACCOUNTS {
        world.open_account(id, Kind::Customer);
    }
    world.submit(1, Protocol::default(), "s2:world", "s0:alice", 1_000);
    world.submit(2, Protocol::default(), "s2:world", "s1:bob", 500);
    world.settle();
    world.echo = true;
    world
}

/// Under each protocol: two that complete, with three and four legs, one that is refused at its pivot, one at a debit. All
/// together share their commits; one after the other, each step has a commit of its own.
fn submit_all(world: &mut World, together: bool) {
    for (n, protocol) in (1..).zip(Protocol::all()) {
        let four = [("s0:alice", Debit, 30), ("s2:carol", Credit, 40), ("s1:bob", Debit, 20), ("s0:dora", Credit, 10)];
        let three = [("s0:alice", Debit, 10), ("s2:carol", Credit, 4), ("s1:bob", Credit, 6)];
        let nobody = [("s0:alice", Debit, 7), ("s2:carol", Credit, 3), ("s1:nobody", Credit, 4)];
        let poor = [("s1:poor", Debit, 50), ("s0:alice", Debit, 5), ("s0:dora", Credit, 15), ("s2:carol", Credit, 40)];
        for (n, legs) in (10 * n..).zip([&four[..], &three, &nobody, &poor]) {
            world.submit_legs(n, protocol, legs);
            if !together {
                world.settle();
            }
        }
    }
    world.settle();
}

fn assert_ended(world: &mut World) {
    for (n, protocol) in (1..).zip(Protocol::all()) {
        let n = 10 * n;
        for completed in [n, n + 1] {
            assert_eq!(world.status(completed), Status::Ended(Outcome::Completed), "{protocol} {completed}");
        }
        for failed in [n + 2, n + 3] {
            let status = world.status(failed);
            assert!(matches!(status, Status::Ended(Outcome::Rejected | Outcome::Compensated)), "{failed}: {status:?}");
        }
    }
    let posted = ACCOUNTS.map(|id| world.account(id).balances.posted);
    assert_eq!(posted, [1_000 - 3 * 40, 500 - 3 * 20 + 3 * 6, 3 * 44, 3 * 10, 0]);
    for id in ACCOUNTS {
        let balances = world.account(id).balances;
        assert_eq!((balances.held, balances.incoming), (0, 0), "{id}");
    }
    world.assert_conserved();
}

fn crash_at(world: &World, address: Address, writes: u64, crash: Crash) {
    match (&world.disks, address) {
        (Disks::Memory(shards, _), Address::Shard(no)) => shards[&no].crash_at(writes, crash),
        (Disks::Memory(_, managers), Address::Manager(no)) => managers[&no].crash_at(writes, crash),
        _ => unreachable!("all is in memory"),
    }
}

fn will_crash(world: &World, address: Address) -> bool {
    match (&world.disks, address) {
        (Disks::Memory(shards, _), Address::Shard(no)) => shards[&no].will_crash(),
        (Disks::Memory(_, managers), Address::Manager(no)) => managers[&no].will_crash(),
        _ => unreachable!("all is in memory"),
    }
}

/// Crashes one database at each of its writes in turn, until the story has no further one; how many it had.
fn crash_everywhere(address: Address, together: bool, crash: Crash) -> u64 {
    for writes in 0.. {
        let mut world = world(1 + writes % 4);
        crash_at(&world, address, writes, crash);
        submit_all(&mut world, together);
        world.pass(10_000);
        let crashed = !will_crash(&world, address);
        // One that crashed before its start was recorded was never accepted; the client asks again.
        submit_all(&mut world, together);
        world.pass(40_000);
        assert_ended(&mut world);
        if !crashed {
            return writes;
        }
        world.start();
        assert_ended(&mut world);
    }
    unreachable!("the story ends")
}

fn every_crash_of(address: Address) {
    for crash in [Crash::Before, Crash::After] {
        let (shared, single) = (crash_everywhere(address, true, crash), crash_everywhere(address, false, crash));
        assert!(shared >= 3 && single >= 14, "{address:?} wrote only {shared} and {single} times");
    }
}

#[test]
fn a_crash_at_every_write_of_the_first_shard_loses_nothing() {
    every_crash_of(Address::Shard(ShardNo(0)));
}

#[test]
fn a_crash_at_every_write_of_a_further_shard_loses_nothing() {
    every_crash_of(Address::Shard(ShardNo(1)));
}

#[test]
fn a_crash_at_every_write_of_the_pivots_shard_loses_nothing() {
    every_crash_of(Address::Shard(ShardNo(2)));
}

#[test]
fn a_crash_at_every_write_of_the_manager_loses_nothing() {
    every_crash_of(Address::Manager(PartitionNo(0)));
}

/// All databases crash again and again, each at a write of its own, while the story goes on.
#[test]
fn crashes_all_over_the_place_lose_nothing() {
    let addresses: Vec<Address> =
        (0..3).map(|no| Address::Shard(ShardNo(no))).chain([Address::Manager(PartitionNo(0))]).collect();
    for round in 0..40 {
        let mut world = world(1 + round % 5);
        for again in 0..6 {
            for (place, address) in (0..).zip(&addresses) {
                // Coprime strides: no two rounds crash at the same writes everywhere.
                let writes = (round * (2 * place + 3) + again * (place + 1)) % 7;
                crash_at(&world, *address, writes, if (round + place) % 2 == 0 { Crash::Before } else { Crash::After });
            }
            submit_all(&mut world, again % 2 == 0);
            world.pass(1_500);
        }
        world.pass(60_000);
        submit_all(&mut world, true);
        world.pass(60_000);
        assert_ended(&mut world);
    }
}
