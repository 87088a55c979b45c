//! What stands in the golden files: how it was written, and every value of it.

use std::path::Path;

use remit_actors::{
    genesis::Genesis,
    message::{Address, AnswerBody, Filter, LegWord, Message, Posting, Progress, Question},
};
use remit_core::{
    account::{Account, Change, Kind},
    id::{LegId, LegNo, PartitionNo, Seq, ShardNo, Time},
    ledger::Transit,
    leg::{Command, Terms, Verb},
    money::{
        Amount, Currency,
        Direction::{self, Credit, Debit},
    },
    protocol::Protocol,
    transfer::Start,
};

use crate::world::{Disks, World, account, eur, transfer_id};

const MANAGER: Address = Address::Manager(PartitionNo(0));
const FAR: Address = Address::Shard(ShardNo(1));

/// When the files go on, in time for what is open to be done.
pub(crate) const STOPPED_AT: Time = Time(1_200_000);
/// The transfers that are open.
pub(crate) const OPEN: [u64; 5] = [100, 101, 102, 103, 104];
/// The transfer that is parked.
pub(crate) const PARKED: u64 = 110;

pub(crate) fn genesis() -> Genesis {
    let shards = vec!["s0".into(), "s1".into()];
    let currencies = vec![(gold(), 3)];
    Genesis {
        deployment: "golden".into(),
        id: *b"golden, format 3",
        shards,
        managers: 1,
        currencies,
        replicated: false,
    }
}

fn gold() -> Currency {
    Currency::parse("GOLD").unwrap()
}

/// Writes the files: two shards and a manager, with something of everything, below and above the last bulk write.
pub(crate) fn write(folder: &Path) {
    let mut world = World::on(genesis(), Disks::Files(folder.to_owned()));
    (world.books.flush_rows, world.register.flush_rows) = (40, 30);
    world.start();
    open_accounts(&mut world);
    for (n, protocol) in (1..).zip(Protocol::all()) {
        write_ended(&mut world, 10 * n, protocol);
    }
    assert!(world.now < Time(1_190_000));
    world.now = Time(1_190_000);
    write_open(&mut world);
    write_parked(&mut world);
    world.stop();
}

fn open(world: &mut World, id: &str, currency: Currency, kind: Kind, overdraft_limit: i64, command: u64) {
    world.change(id, Change::Open { currency, kind, overdraft_limit }, command);
}

fn open_accounts(world: &mut World) {
    open(world, "s0:world", eur(), Kind::External, 0, 1);
    open(world, "s0:alice", eur(), Kind::Customer, 0, 2);
    open(world, "s0:frozen", eur(), Kind::Customer, 0, 3);
    open(world, "s0:closed", eur(), Kind::Customer, 0, 4);
    open(world, "s0:limit", eur(), Kind::Customer, 500, 5);
    open(world, "s0:mint", gold(), Kind::External, 0, 6);
    open(world, "s1:bob", eur(), Kind::Customer, 0, 7);
    open(world, "s1:carol", eur(), Kind::Customer, 0, 8);
    open(world, "s1:vault", gold(), Kind::Customer, 0, 9);
    world.submit(1, Protocol::default(), "s0:world", "s0:alice", 1_000);
    world.submit(2, Protocol::default(), "s0:world", "s0:frozen", 25);
    let mut of_gold =
        world.submission(3, Protocol::default(), &[("s0:mint", Debit, 50_000), ("s1:vault", Credit, 50_000)]);
    of_gold.legs.iter_mut().for_each(|leg| leg.currency = gold());
    of_gold.memo = None;
    world.send(MANAGER, Message::Submit(of_gold));
    world.settle();
    world.change("s0:frozen", Change::Freeze, 20);
    world.change("s0:limit", Change::SetOverdraft { overdraft_limit: 700 }, 21);
    world.change("s0:nobody", Change::Freeze, 22);
    world.close("s0:closed", 23);
}

/// Every kind of end.
fn write_ended(world: &mut World, n: u64, protocol: Protocol) {
    let three = [("s0:alice", Debit, 100), ("s1:bob", Credit, 60), ("s1:carol", Credit, 40)];
    world.submit_legs(n, protocol, &three);
    world.submit(n + 1, protocol, "s1:bob", "s0:alice", 5_000);
    world.submit(n + 2, protocol, "s0:alice", "s1:nobody", 7);
    world.submit(n + 3, protocol, "s0:alice", "s0:frozen", 8);
    world.submit(n + 4, protocol, "s0:limit", "s1:carol", 50);
    world.settle();
    // Nobody hears of this one until its deadline has passed: its legs are tombstones.
    world.submit(n + 5, protocol, "s1:carol", "s0:alice", 1);
    world.turn(MANAGER);
    lose_all(world);
    world.now = world.now.plus_ms(30_000);
    world.pass(10_000);
}

/// Open ones, each stopped elsewhere.
fn write_open(world: &mut World) {
    let [saga, two_phase, events] = [0, 1, 2].map(|no| Protocol::all().nth(no).unwrap());
    let near = Address::Shard(ShardNo(0));
    // Begun, and nothing more.
    world.submit(OPEN[0], saga, "s0:alice", "s1:bob", 3);
    stop_after(world, &[MANAGER]);
    // One of two has voted.
    world.submit(OPEN[1], two_phase, "s0:alice", "s1:bob", 4);
    stop_after(world, &[MANAGER, near]);
    // The baton is lost.
    world.submit(OPEN[2], events, "s0:alice", "s1:bob", 5);
    stop_after(world, &[MANAGER, near]);
    // Committed, and not yet posted.
    world.submit(OPEN[3], two_phase, "s0:alice", "s1:carol", 6);
    stop_after(world, &[MANAGER, near, FAR, MANAGER]);
    // Past its pivot, with a hold that is not yet posted.
    let three = [("s0:alice", Debit, 9), ("s1:bob", Credit, 4), ("s1:carol", Credit, 5)];
    world.submit_legs(OPEN[4], saga, &three);
    stop_after(world, &[MANAGER, near, FAR, MANAGER, FAR, MANAGER]);
}

/// One whose second leg was recorded on other terms, by whatever went wrong.
fn write_parked(world: &mut World) {
    let terms = Terms {
        account: account("s1:nobody"),
        direction: Credit,
        amount: Amount::new(1).unwrap(),
        currency: eur(),
        partition: PartitionNo(0),
        begun: Seq(1),
        route: None,
    };
    let id = LegId::new(transfer_id(PARKED), LegNo(1));
    world.send(FAR, Message::Command(Command { id, verb: Verb::PlaceHold, terms, reason: None, memo: None }));
    world.turn(FAR);
    lose_all(world);
    let three = [("s0:alice", Debit, 8), ("s1:bob", Credit, 3), ("s1:carol", Credit, 5)];
    world.submit_legs(PARKED, Protocol::default(), &three);
    world.settle();
}

fn stop_after(world: &mut World, turns: &[Address]) {
    for address in turns {
        world.turn(*address);
    }
    lose_all(world);
}

fn lose_all(world: &mut World) {
    for address in world.waiting() {
        world.lose(address);
    }
}

/// What a client may send again, in the words of then.
pub(crate) fn submit_again(world: &mut World) {
    world.submit(1, Protocol::default(), "s0:world", "s0:alice", 1_000);
    world.settle();
    open(world, "s0:alice", eur(), Kind::Customer, 0, 2);
    open(world, "s0:limit", eur(), Kind::Customer, 500, 5);
}

/// Every value that can be asked for, a line each.
pub(crate) fn describe(world: &mut World) -> String {
    let mut lines = Vec::new();
    for no in [ShardNo(0), ShardNo(1)] {
        let body = world.ask(Address::Shard(no), Question::Accounts { after: None, limit: 1_000 });
        let AnswerBody::Accounts(accounts, false) = body else { panic!("{body:?}") };
        lines.extend(accounts.iter().map(|(id, account)| format!("account {id}: {}", summary(account))));
        let body = world.ask(Address::Shard(no), Question::Position);
        let AnswerBody::Position(position) = body else { panic!("{body:?}") };
        for (currency, Transit { balance, posted, held, incoming, undecided }) in position.totals {
            lines.push(format!(
                "in transit at s{} in {currency}: {balance}, against posted {posted} held {held} incoming {incoming} \
                 undecided {undecided}",
                no.0
            ));
        }
    }
    let body = world.ask(MANAGER, Question::Transfers(Filter { limit: 1_000, ..Filter::default() }));
    let AnswerBody::Transfers(transfers, None) = body else { panic!("{body:?}") };
    lines.extend(
        transfers.iter().rev().map(|(seq, start, progress)| format!("transfer {}: {}", seq.0, line(start, progress))),
    );
    for (no, id) in [(0, "s0:alice"), (0, "s0:limit"), (1, "s1:bob"), (1, "s1:vault")] {
        let question = Question::Statement { account: account(id), from: None, to: None, before: None, limit: 1_000 };
        let body = world.ask(Address::Shard(ShardNo(no)), question);
        let AnswerBody::Statement { postings, next: None, .. } = body else { panic!("{body:?}") };
        lines.extend(postings.iter().rev().map(|posted| format!("statement of {id}: {}", posting(posted))));
    }
    lines.join("\n") + "\n"
}

/// An account in one line.
fn summary(account: &Account) -> String {
    let Account { currency, kind, status, overdraft_limit, version, balances } = account;
    format!(
        "{} {currency} {} limit {overdraft_limit} version {version}, posted {} held {} incoming {} undecided {}",
        kind.as_str(),
        status.as_str(),
        balances.posted,
        balances.held,
        balances.incoming,
        balances.undecided
    )
}

/// A transfer in one line.
fn line(start: &Start, progress: &Progress) -> String {
    let words: Vec<&str> = progress.legs.iter().map(|word: &LegWord| word.as_str()).collect();
    let legs = start.legs().iter().enumerate().map(|(no, leg)| {
        let word = words.get(no).map(|word| format!(" {word}")).unwrap_or_default();
        format!("{}{}{} {}{word}", leg.account, sign(leg.direction), leg.amount.get(), leg.currency)
    });
    let reason = progress.reason.map(|reason| format!(" {}", reason.as_str())).unwrap_or_default();
    let settled = progress.settled_at.map(|at| at.0.to_string()).unwrap_or_default();
    format!(
        "{} {}{reason} {}..{settled} [{}] {}",
        start.protocol,
        progress.status.as_str(),
        start.accepted_at.0,
        legs.collect::<Vec<_>>().join(", "),
        start.memo.as_deref().unwrap_or("-")
    )
}

/// A posting in one line.
fn posting(posting: &Posting) -> String {
    let Posting { seq, at, direction, amount, balance, memo, .. } = posting;
    let memo = memo.as_deref().unwrap_or("-");
    format!("{} at {}: {}{} is {balance}, {memo}", seq.0, at.0, sign(*direction), amount.get())
}

fn sign(direction: Direction) -> char {
    match direction {
        Debit => '-',
        Credit => '+',
    }
}
