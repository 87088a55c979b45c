//! What each layer costs by itself, from the pure decision to a turn that is on disk.
//!
//! `disk` is a file in the folder for temporary files, its flushes included; `file` is one where a flush costs nothing, if the
//! system has such a place; `memory` is the machine alone. What differs between them is the disk's, and SQLite's, share.

use std::{hint::black_box, path::Path};

use criterion::{BatchSize, Bencher, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use remit_actors::{
    frame::Frame,
    genesis::Genesis,
    machine::Machine,
    manager::{Manager, ManagerOptions},
    message::{Address, Ask, ChangeAccount, Class, Message, Question, Submit, Tell},
    shard::{Shard, ShardOptions},
    store::{
        books::BooksOptions,
        memory::Disk,
        register::{RegisterOptions, TransferTables},
        row::{ShardEntry, TransferEntry},
        sqlite::Sqlite,
    },
    supervision::Recovery,
};
use remit_core::{
    account::{self, Change, Kind},
    id::{AccountId, LegId, LegNo, PartitionNo, Seq, ShardNo, Time, TransferId},
    ledger::{self, Transit},
    leg::{Answer, Command, Reply, Terms, Verb},
    mark::LowWater,
    money::{Amount, Currency, Direction},
    protocol::Protocol,
    transfer::LegSpec,
};
use tempfile::TempDir;

const NOW: Time = Time(1_000_000);
const SHARD: ShardNo = ShardNo(0);
const PARTITION: PartitionNo = PartitionNo(0);
const ACCOUNTS: u64 = 10_000;
/// Transfers that a partition has open while it is busy; its mark follows so far behind.
const OPEN: u64 = 4_096;
const BATCHES: [u64; 2] = [128, 1_024];

fn genesis() -> Genesis {
    Genesis {
        deployment: "bench".into(),
        id: [1; 16],
        shards: vec!["s0".into()],
        managers: 1,
        currencies: vec![],
        replicated: false,
    }
}

fn eur() -> Currency {
    Currency::parse("EUR").expect("it is a currency")
}

fn name(n: u64) -> AccountId {
    AccountId::parse(&format!("s0:account-{}", n % ACCOUNTS)).expect("it is an id")
}

/// Like a UUIDv7: a time, then what tells apart those of one moment.
fn time_ordered(n: u64) -> TransferId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(0x0190_0000_0000_7000 | (n >> 12 << 16)).to_be_bytes());
    id[8..].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    id[6] |= u8::try_from(n >> 8 & 15).expect("four bits");
    id[7] = u8::try_from(n & 255).expect("eight bits");
    TransferId(id)
}

/// Like a UUIDv4.
fn random(n: u64) -> TransferId {
    let mut id = time_ordered(n).0;
    id[..8].copy_from_slice(&n.wrapping_mul(0xd134_2543_de82_ef95).rotate_left(31).wrapping_mul(n | 1).to_be_bytes());
    TransferId(id)
}

fn debit(id: TransferId, n: u64) -> Command {
    let terms = Terms {
        // Far apart, as payers are.
        account: name(n * 7_919),
        direction: Direction::Debit,
        amount: Amount::new(100).expect("it is an amount"),
        currency: eur(),
        partition: PARTITION,
        begun: Seq(n),
        route: None,
    };
    Command { id: LegId::new(id, LegNo(0)), verb: Verb::Debit, terms, reason: None, memo: None }
}

fn decide(criterion: &mut Criterion) {
    let change = Change::Open { currency: eur(), kind: Kind::External, overdraft_limit: 0 };
    let account = account::decide(None, change, None).expect("it can be opened");
    let command = debit(time_ordered(1), 1);
    criterion.bench_function("ledger/decide a debit", |bencher| {
        bencher.iter(|| ledger::decide(black_box(&command), None, black_box(Some(&account)), &Transit::default()));
    });
}

fn frame(class: Class, messages: Vec<Message>, mark: Option<LowWater>) -> Frame {
    Frame { from: Address::Manager(PARTITION), class, mark, messages, traces: vec![] }
}

/// Places for a file: on the disk, and where flushing costs nothing.
fn places() -> Vec<(&'static str, TempDir)> {
    let memory = Path::new("/dev/shm");
    let mut places = vec![("disk", tempfile::tempdir().expect("a folder"))];
    if memory.is_dir() {
        places.push(("file", tempfile::tempdir_in(memory).expect("a folder")));
    }
    places
}

/// A shard under debits. It lives through all samples of its benchmark, so that bulk writes fall due as they do in life.
struct Debits<M> {
    shard: M,
    id: fn(u64) -> TransferId,
    next: u64,
}

impl<M: Machine> Debits<M> {
    fn new(mut shard: M, id: fn(u64) -> TransferId) -> Self {
        let opens = (0..ACCOUNTS).map(|n| {
            let change = Change::Open { currency: eur(), kind: Kind::External, overdraft_limit: 0 };
            let change = ChangeAccount { account: name(n), change, command_id: time_ordered(n).0, if_version: None };
            Message::Ask(Ask { ticket: n, from: Address::Gateway(1), question: Question::ChangeAccount(change) })
        });
        shard.turn(&[frame(Class::Do, opens.collect(), None)], NOW).expect("a turn");
        Self { shard, id, next: 0 }
    }

    /// Turns of `size` debits each.
    fn measure(&mut self, bencher: &mut Bencher<'_>, size: u64) {
        let Self { shard, id, next } = self;
        let batch = || {
            let mark = LowWater { begun_up_to: Seq(next.saturating_sub(OPEN)), except: vec![] };
            let commands = (*next..*next + size).map(|n| Message::Command(debit(id(n), n))).collect();
            *next += size;
            frame(Class::Do, commands, Some(mark))
        };
        bencher.iter_batched(batch, |frame| shard.turn(&[frame], NOW).expect("a turn"), BatchSize::LargeInput);
    }
}

fn shard(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("shard");
    let options = ShardOptions { books: BooksOptions::default(), partitions: 1, frame_messages_max: 8_192 };
    for size in BATCHES {
        group.throughput(Throughput::Elements(size));
        for (place, folder) in places() {
            for (order, id) in [("time-ordered", time_ordered as fn(u64) -> TransferId), ("random", random)] {
                let path = folder.path().join(format!("{order}.db"));
                let file = Sqlite::<ShardEntry>::open(&path, &genesis(), true, NOW).expect("a file");
                let mut debits = Debits::new(Shard::open(SHARD, file, options, "bench", NOW).expect("a shard"), id);
                let name = BenchmarkId::new(format!("debits, {order} ids, {place}"), size);
                group.bench_function(name, |bencher| debits.measure(bencher, size));
            }
        }
        let tables = Disk::default().open(&genesis(), NOW).expect("tables");
        let mut debits = Debits::new(Shard::open(SHARD, tables, options, "bench", NOW).expect("a shard"), time_ordered);
        let name = BenchmarkId::new("debits, memory", size);
        group.bench_function(name, |bencher| debits.measure(bencher, size));
    }
    group.finish();
}

fn submit(n: u64) -> Message {
    let leg = |n: u64, direction| LegSpec {
        account: name(n),
        shard: SHARD,
        direction,
        amount: Amount::new(100).expect("it is an amount"),
        currency: eur(),
    };
    Message::Submit(Submit {
        id: time_ordered(n),
        protocol: Protocol::default(),
        legs: vec![leg(n * 7_919, Direction::Debit), leg(n * 7_919 + 1, Direction::Credit)],
        memo: None,
        deadline_ms: 30_000,
        gateway: 1,
        ticket: n,
        tell: Tell::End,
    })
}

/// A manager under sagas of two legs.
struct Sagas<M> {
    manager: M,
    next: u64,
}

impl<M: Machine> Sagas<M> {
    /// The whole life of `size` sagas: three turns, for their starts and for the answers of each leg.
    fn measure(&mut self, bencher: &mut Bencher<'_>, size: u64) {
        let Self { manager, next } = self;
        let batches = || {
            let numbers = *next..*next + size;
            *next += size;
            let done = |leg| {
                let reply = |n| Reply { id: LegId::new(time_ordered(n), LegNo(leg)), answer: Answer::Done };
                frame(Class::Reply, numbers.clone().map(|n| Message::Reply(reply(n))).collect(), None)
            };
            [frame(Class::Submit, numbers.clone().map(submit).collect(), None), done(0), done(1)]
        };
        let turns = |frames: [Frame; 3]| frames.map(|frame| manager.turn(&[frame], NOW).expect("a turn"));
        bencher.iter_batched(batches, turns, BatchSize::LargeInput);
    }
}

fn manager(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("manager");
    let options = ManagerOptions {
        register: RegisterOptions::default(),
        open_max: 100_000,
        retry_first_ms: 1_000,
        retry_max_ms: 5_000,
        retries_per_second_max: 1_000,
        overdue_ms: 60_000,
        frame_messages_max: 8_192,
    };
    fn open(tables: impl TransferTables, options: ManagerOptions) -> Sagas<impl Machine> {
        let manager = Manager::open(PARTITION, tables, options, Recovery::default(), "bench", NOW);
        Sagas { manager: manager.expect("a manager"), next: 0 }
    }
    for size in BATCHES {
        group.throughput(Throughput::Elements(size));
        for (place, folder) in places() {
            let file = Sqlite::<TransferEntry>::open(&folder.path().join("m0.db"), &genesis(), true, NOW);
            let mut sagas = open(file.expect("a file"), options);
            let name = BenchmarkId::new(format!("sagas from start to end, {place}"), size);
            group.bench_function(name, |bencher| sagas.measure(bencher, size));
        }
        let mut sagas = open(Disk::default().open(&genesis(), NOW).expect("tables"), options);
        let name = BenchmarkId::new("sagas from start to end, memory", size);
        group.bench_function(name, |bencher| sagas.measure(bencher, size));
    }
    group.finish();
}

criterion_group!(benches, decide, shard, manager);
criterion_main!(benches);
