//! R12, one writer: whoever opens a database takes it, and an older incarnation that wakes up can neither write nor read.

use remit_actors::{
    frame::Frame,
    genesis::Genesis,
    machine::{Failure, Machine},
    manager::Manager,
    message::{Address, Message, Question},
    shard::Shard,
    store::{
        Error,
        books::BooksOptions,
        journal::{Head, Journal},
        memory::Disk,
        row::ShardEntry,
        sqlite::Sqlite,
    },
    supervision::Recovery,
};
use remit_core::{
    account::Kind,
    id::{Epoch, PartitionNo, Seq, ShardNo},
    leg::{Answer, Verb},
    money::Direction,
    protocol::Protocol,
};

use crate::{
    commands::{NOW, answer, ask, command, frame, open_account, shard_options, turn},
    files,
    hooked::Hooked,
    world::{Disks, World, account, eur, transfer_id},
};

const SHARD: Address = Address::Shard(ShardNo(0));
const MANAGER: Address = Address::Manager(PartitionNo(0));

fn rows(world: &World, address: Address) -> usize {
    match (&world.disks, address) {
        (Disks::Memory(shards, _), Address::Shard(no)) => shards[&no].rows().len(),
        (Disks::Memory(_, managers), Address::Manager(no)) => managers[&no].rows().len(),
        (Disks::Files(folder), Address::Shard(no)) => {
            files::count(&folder.join(format!("s{}.db", no.0)), "journal").try_into().unwrap()
        }
        (Disks::Files(folder), Address::Manager(no)) => {
            files::count(&folder.join(format!("m{}.db", no.0)), "journal").try_into().unwrap()
        }
        _ => unreachable!("a gateway has no rows"),
    }
}

/// A question and a change that a machine would answer if it could.
fn batches(world: &World, address: Address) -> [Vec<Frame>; 3] {
    match address {
        Address::Shard(_) => {
            let read = ask(Question::Account(account("s0:alice")));
            [vec![], vec![frame(vec![read])], vec![frame(vec![open_account("s0:new", Kind::Customer, 77)])]]
        }
        _ => {
            let read = ask(Question::Transfer(transfer_id(1)));
            let legs = [("s0:world", Direction::Debit, 5), ("s0:alice", Direction::Credit, 5)];
            let submit = world.submission(2, Protocol::default(), &legs);
            [vec![], vec![frame(vec![read])], vec![frame(vec![Message::Submit(submit)])]]
        }
    }
}

fn an_older_incarnation_is_shut_out(mut world: World) {
    world.start();
    world.open_account("s0:world", Kind::External);
    world.open_account("s0:alice", Kind::Customer);
    world.submit(1, Protocol::default(), "s0:world", "s0:alice", 100);
    world.settle();
    for address in [SHARD, MANAGER] {
        let mut older = world.open(address, Recovery::default()).unwrap();
        let mut newer = world.open(address, Recovery::default()).unwrap();
        assert!(newer.position().epoch > older.position().epoch);
        let before = rows(&world, address);
        // A stuck thread may wake up more than once.
        for _ in 0..2 {
            for batch in batches(&world, address) {
                let failure = older.turn(&batch, NOW).expect_err("it is fenced");
                assert!(matches!(failure, Failure::Fenced(_)), "{address:?} {batch:?}: {failure:?}");
            }
        }
        assert_eq!(rows(&world, address), before, "{address:?}");
        for batch in batches(&world, address) {
            let out = newer.turn(&batch, NOW).unwrap();
            assert_eq!(out.is_empty(), batch.is_empty(), "{address:?} {out:?}");
        }
        assert_eq!(rows(&world, address), before + 1, "{address:?}");
    }
}

/// R12, R13: not even a read leaves, since what the older one remembers may be no longer so.
#[test]
fn r12_r13_an_older_incarnation_on_memory_is_shut_out() {
    an_older_incarnation_is_shut_out(World::in_memory(1, 1));
}

#[test]
fn r12_r13_an_older_incarnation_on_a_file_is_shut_out() {
    let folder = tempfile::tempdir().unwrap();
    an_older_incarnation_is_shut_out(World::in_files(folder.path(), 1, 1));
}

/// R12: an incarnation that read what was there before it claimed the database lost to one that still wrote. A shard once
/// read the position of its tables; its stuck predecessor woke up, committed and wrote the tables in bulk; the shard then
/// read the balances of *after* that, replayed the rows in between on top of them, found that they did not add up, and put
/// itself into quarantine. The claim comes first now.
#[test]
fn r12_what_an_older_writer_commits_while_a_newer_one_opens_is_read_whole() {
    for moment in ["begin", "flushed", "transits", "open_debits", "links"] {
        let (disk, genesis) = (Disk::default(), World::in_memory(1, 1).genesis);
        let options = shard_options(BooksOptions { flush_rows: 4, ..BooksOptions::default() });
        let mut older = Shard::open(ShardNo(0), disk.open(&genesis, NOW).unwrap(), options, "older", NOW).unwrap();
        let opened = ["s0:world", "s0:alice"].into_iter().zip([1, 2]);
        let opens = opened.map(|(id, n)| open_account(id, Kind::External, n)).collect();
        turn(&mut older, &[frame(opens)]);

        let mut older = Some(older);
        let mut told = Vec::new();
        let (heard, hears) = std::sync::mpsc::channel();
        let hook = move |statement: &'static str, _: Option<&_>| {
            if statement == moment
                && let Some(mut older) = older.take()
            {
                let debits = (10..16).map(|n| command(transfer_id(n), n, Verb::Debit, "s0:world", 1));
                heard.send(older.turn(&[frame(debits.collect())], NOW).is_ok()).unwrap();
            }
        };
        let tables = Hooked::new(disk.open(&genesis, NOW).unwrap(), hook);
        let opened = Shard::open(ShardNo(0), tables, options, "newer", NOW);
        told.extend(hears.try_iter());
        // If the older one came before the claim, its commit counts and the claim fails; if it came after, it is fenced.
        let mut newer = match (moment, opened) {
            ("begin", Err(Failure::Fenced(_))) => {
                assert_eq!(told, [true]);
                Shard::open(ShardNo(0), disk.open(&genesis, NOW).unwrap(), options, "newer", NOW).unwrap()
            }
            (_, Ok(_)) => {
                assert_eq!(told, [false], "{moment}");
                Shard::open(ShardNo(0), disk.open(&genesis, NOW).unwrap(), options, "newest", NOW).unwrap()
            }
            (_, Err(failure)) => panic!("{moment}: {failure:?}"),
        };
        let debits = if moment == "begin" { 6 } else { 0 };
        assert_eq!(newer.books().transit(eur()).balance, debits, "{moment}");
        assert_eq!(newer.books().transit(eur()).undecided, i128::from(debits), "{moment}");
        assert_eq!(answer(&mut newer, command(transfer_id(10), 10, Verb::Debit, "s0:world", 1)), Answer::Done);
        assert!(newer.books().recompute().unwrap());
    }
}

/// R12: a commit names the epoch and the row that it was decided at, and both must be the newest.
#[test]
fn r12_a_commit_that_names_another_epoch_or_another_row_is_refused() {
    fn refuses(mut tables: impl Journal) {
        let Head { epoch, seq, .. } = tables.head().unwrap();
        let (older, newer) = (Epoch(epoch.0 - 1), Epoch(epoch.0 + 1));
        for (epoch, seq) in [(older, seq), (newer, seq), (epoch, Seq(seq.0 - 1)), (epoch, seq.next())] {
            let refused = tables.begin(epoch, seq).unwrap_err();
            assert!(matches!(refused, Error::Fenced { own, .. } if own == (epoch, seq)), "{refused:?}");
        }
        tables.begin(epoch, seq).unwrap();
    }
    let folder = files::scratch();
    for mut world in [World::in_memory(1, 1), World::in_files(folder.path(), 1, 1)] {
        world.start();
        world.stop();
        match &world.disks {
            Disks::Memory(shards, _) => refuses(shards[&ShardNo(0)].open(&world.genesis, NOW).unwrap()),
            Disks::Files(folder) => {
                refuses(Sqlite::<ShardEntry>::open(&folder.join("s0.db"), &world.genesis, false, NOW).unwrap());
            }
        }
    }
}

/// R13: what was read just before somebody else took the database may be no longer so by the time it would leave.
#[test]
fn r13_a_read_does_not_leave_if_the_database_was_taken_while_it_was_read() {
    let mut world = World::in_memory(1, 1);
    world.books.flush_rows = 1;
    world.start();
    world.open_account("s0:alice", Kind::Customer);
    world.submit(1, Protocol::default(), "s0:alice", "s0:bob", 1);
    world.settle();
    let Disks::Memory(shards, managers) = &world.disks else { panic!("not in memory") };
    let (shard, manager) = (shards[&ShardNo(0)].clone(), managers[&PartitionNo(0)].clone());
    let open = |genesis: &Genesis| (shard.open(genesis, NOW).unwrap(), manager.open(genesis, NOW).unwrap());
    let (genesis, options) = (world.genesis.clone(), shard_options(BooksOptions::default()));

    let (tables, _) = open(&genesis);
    let (disk, facts) = (shard.clone(), genesis.clone());
    let hook = move |statement: &'static str, _: Option<&_>| {
        if statement == "account" {
            Shard::open(ShardNo(0), disk.open(&facts, NOW).unwrap(), options, "newer", NOW).unwrap();
        }
    };
    let mut older = Shard::open(ShardNo(0), Hooked::new(tables, hook), options, "older", NOW).unwrap();
    let read = ask(Question::Account(account("s0:alice")));
    assert!(matches!(older.turn(&[frame(vec![read])], NOW), Err(Failure::Fenced(_))));

    let (_, tables) = open(&genesis);
    let (disk, facts, options) = (manager.clone(), genesis.clone(), world.manager_options());
    let hook = move |statement: &'static str, _: Option<&_>| {
        if statement == "rows_of" {
            let tables = disk.open(&facts, NOW).unwrap();
            Manager::open(PartitionNo(0), tables, options, Recovery::default(), "newer", NOW).unwrap();
        }
    };
    let tables = Hooked::new(tables, hook);
    let mut older = Manager::open(PartitionNo(0), tables, options, Recovery::default(), "older", NOW).unwrap();
    let read = ask(Question::Transfer(transfer_id(1)));
    assert!(matches!(older.turn(&[frame(vec![read])], NOW), Err(Failure::Fenced(_))));
}
