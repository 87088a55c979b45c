//! Memory is bounded by configuration, not by how many accounts and transfers there are or ever were.

use std::{path::Path, sync::Arc};

use remit_actors::{
    machine::Machine,
    message::{AnswerBody, LegWord, Message, Question},
    shard::Shard,
    store::{
        books::BooksOptions,
        register::{Register, RegisterOptions},
        row::{Counts, ShardEntry, TransferEntry},
        sqlite::Sqlite,
    },
};
use remit_core::{
    account::Kind,
    id::{ShardNo, TransferId},
    leg::{Answer, Reply, Verb},
    money::{Amount, Direction},
    protocol::Protocol,
    transfer::{End, LegSpec, Start},
};

use crate::{
    commands::{NOW, ask, body, command, frame, open_account, shard_options, turn},
    files,
    world::{World, account, eur, transfer_id},
};

const ACCOUNTS: u64 = 20_000;
const A_BATCH: u64 = 500;
const BOUNDS: BooksOptions = BooksOptions { accounts_max: 500, legs_max: 1_000, flush_rows: 2_000 };

type Desk = Shard<Sqlite<ShardEntry>>;

fn open(folder: &Path) -> Desk {
    let genesis = World::in_memory(1, 1).genesis;
    let file = Sqlite::open(&folder.join("s0.db"), &genesis, true, NOW).unwrap();
    Shard::open(ShardNo(0), file, shard_options(BOUNDS), "test", NOW).unwrap()
}

fn assert_bounded(desk: &mut Desk) {
    let (accounts, changed) = desk.books().accounts_in_memory();
    assert!(accounts - changed <= BOUNDS.accounts_max, "{accounts} accounts, {changed} of them changed");
    assert!(changed <= usize::try_from(BOUNDS.flush_rows + A_BATCH).unwrap(), "{changed} changed accounts");
    assert!(desk.books().legs_in_memory() <= BOUNDS.legs_max);
}

/// Sends one message for each number, in batches; all that is answered, in order.
fn each(desk: &mut Desk, numbers: impl Iterator<Item = u64>, message: impl Fn(u64) -> Message) -> Vec<Message> {
    let mut answers = Vec::new();
    let mut numbers = numbers.peekable();
    while numbers.peek().is_some() {
        let batch = numbers.by_ref().take(A_BATCH.try_into().unwrap()).map(&message).collect();
        answers.extend(turn(desk, &[frame(batch)]));
        assert_bounded(desk);
    }
    answers
}

fn name(n: u64) -> String {
    format!("s0:a{n}")
}

/// Every other id is ordered by time, as UUIDv7 are, and every other is random, as UUIDv4 are.
fn id(n: u64) -> TransferId {
    let TransferId(mut bytes) = transfer_id(n);
    if n % 2 == 1 {
        let spread = |seed: u64| (n ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).to_be_bytes();
        bytes[..8].copy_from_slice(&spread(0x5bd1_e995));
        bytes[8..].copy_from_slice(&spread(n << 17));
    }
    TransferId(bytes)
}

/// A leg that puts money into each account, another amount into each.
fn credit(n: u64) -> Message {
    command(id(n), n + 1, Verb::Credit, &name(n), i64::try_from(n + 1).unwrap())
}

/// R2: far more accounts and legs than memory holds: each is found again, and each old duplicate, by the index alone.
#[test]
fn r2_a_shard_with_far_more_accounts_than_fit_into_memory_forgets_none() {
    let folder = files::scratch();
    let mut desk = open(folder.path());
    each(&mut desk, 0..ACCOUNTS, |n| open_account(&name(n), Kind::Customer, n));
    let done = each(&mut desk, 0..ACCOUNTS, credit);
    assert_eq!(done.len(), 20_000);

    // Reading alone must not fill memory either, in whatever order: 7,919 is coprime to the number of accounts.
    let strides = (0..ACCOUNTS).map(|n| n * 7_919 % ACCOUNTS);
    let read = each(&mut desk, strides.clone(), |n| crate::commands::ask(Question::Account(account(&name(n)))));
    for (n, message) in strides.zip(read) {
        let Message::Answer(answer) = message else { panic!("{message:?}") };
        let AnswerBody::Account(Some(account)) = answer.body else { panic!("{answer:?}") };
        assert_eq!(account.balances.posted, i64::try_from(n + 1).unwrap());
    }

    let rows = desk.position().seq;
    for n in [0, 1, ACCOUNTS - 1] {
        let reply = turn(&mut desk, &[frame(vec![credit(n)])]);
        assert!(matches!(reply.as_slice(), [Message::Reply(Reply { answer: Answer::Done, .. })]), "{reply:?}");
    }
    let again = each(&mut desk, (0..ACCOUNTS).rev().step_by(3), credit);
    assert!(again.iter().eq(done.iter().rev().step_by(3)), "a duplicate is answered as the first time");
    each(&mut desk, (0..ACCOUNTS).step_by(7), |n| open_account(&name(n), Kind::Customer, n));
    assert_eq!(desk.position().seq, rows, "and writes nothing");

    let (mut after, mut listed) = (None, 0);
    loop {
        let AnswerBody::Accounts(page, more) = body(&mut desk, Question::Accounts { after, limit: 1_000 }) else {
            panic!()
        };
        assert_bounded(&mut desk);
        listed += page.len();
        after = page.last().map(|(id, _)| id.clone());
        if !more {
            break;
        }
    }
    assert_eq!(listed, 20_000);

    assert!(desk.books().recompute().unwrap());
    assert_bounded(&mut desk);
    drop(desk);
    let mut desk = open(folder.path());
    assert_bounded(&mut desk);
    assert!(desk.books().recompute().unwrap());
}

fn start(n: u64) -> Arc<Start> {
    let leg = |name: &str, direction| LegSpec {
        account: account(name),
        shard: ShardNo(0),
        direction,
        amount: Amount::new(i64::try_from(n + 1).unwrap()).unwrap(),
        currency: eur(),
    };
    let legs = vec![leg("s0:payer", Direction::Debit), leg("s0:payee", Direction::Credit)];
    Arc::new(Start::new(id(n), Protocol::default(), legs, None, NOW, NOW.plus_ms(1_000)).unwrap())
}

/// R2: the same for a manager's register of transfers that have ended.
#[test]
fn r2_a_register_with_far_more_transfers_than_fit_into_memory_forgets_none() {
    const TRANSFERS: u64 = 10_000;
    let folder = files::scratch();
    let genesis = World::in_memory(1, 1).genesis;
    let options = RegisterOptions { ended_max: 300, flush_rows: 1_000 };
    let open = || {
        let file = Sqlite::<TransferEntry>::open(&folder.path().join("m0.db"), &genesis, true, NOW).unwrap();
        Register::open(file, options, "test", NOW).unwrap()
    };
    let (mut register, _) = open();
    let ended = || vec![LegWord::Posted; 2];
    for n in 0..TRANSFERS {
        let begun = register.start(&start(n)).unwrap().unwrap();
        // Every hundredth stays open.
        if n % 100 != 0 {
            register.end(NOW, (start(n), begun, None), End::completed(), ended(), Counts::default()).unwrap();
        }
        if n % A_BATCH == 0 {
            register.commit().unwrap();
        }
        assert!(register.ended_in_memory() <= options.ended_max);
    }
    register.commit().unwrap();
    drop(register);

    let (mut register, open) = open();
    assert_eq!(open.len(), 100);
    let head = register.head();
    for n in (0..TRANSFERS).rev() {
        assert_eq!(register.start(&start(n)).unwrap(), None, "its id is taken for ever");
        let found = register.find(id(n)).unwrap().unwrap();
        assert_eq!(found.start, Some(start(n)));
        assert_eq!(found.end.is_none(), n % 100 == 0);
        assert!(register.ended_in_memory() <= options.ended_max);
    }
    register.commit().unwrap();
    assert_eq!(register.head(), head);
    register.verify().unwrap();
}

/// R5: a quick audit verifies what has been written since the last one. After a long history that is done in steps, between which
/// others have their turn; whoever audits is answered as soon as there is nothing left to verify.
#[test]
fn r5_an_audit_of_a_long_history_does_not_keep_others_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = open(folder.path());
    each(&mut desk, 0..5 * ACCOUNTS, |n| open_account(&format!("a{n}"), Kind::Customer, n));
    let last = desk.position().seq;
    let quick = || Question::AuditShard { since: last, transfers: vec![], unreadable: vec![], full: false };

    assert_eq!(turn(&mut desk, &[frame(vec![ask(quick())])]), [], "silence: the door asks again");
    assert_eq!(desk.wake_at(), Some(NOW), "it goes on by itself");
    let read = body(&mut desk, Question::Account(account("a7")));
    assert!(matches!(read, AnswerBody::Account(Some(_))), "{read:?}");
    let mut turns = 0;
    while desk.wake_at().is_some() {
        assert_eq!(turn(&mut desk, &[]), []);
        turns += 1;
    }
    assert!((1..10).contains(&turns), "{turns} turns");
    match body(&mut desk, quick()) {
        AnswerBody::AuditShard { journal, .. } => assert_eq!((journal.seq, journal.verified_to), (last, last)),
        other => panic!("{other:?}"),
    }
}
