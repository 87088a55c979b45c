//! R3 through the machine: what a compensation may still give back keeps room for itself, until the partition's mark says
//! that the transfer has ended; over restarts too.

use remit_actors::{
    message::Question,
    shard::Shard,
    store::{
        books::BooksOptions,
        memory::{Disk, Memory},
        row::ShardEntry,
    },
};
use remit_core::{
    account::Kind,
    id::ShardNo,
    leg::{Answer, Verb},
    reason::Reason,
};

use crate::{
    commands::{NOW, answer, command, frame, mark, open_account, shard_options, turn},
    world::{World, account, eur, transfer_id},
};

type Desk = Shard<Memory<ShardEntry>>;

/// Opens the shard anew, and with it forgets all that is only in memory.
fn open(disk: &Disk<ShardEntry>, flush_rows: u64) -> Desk {
    let genesis = World::in_memory(1, 1).genesis;
    let books = BooksOptions { flush_rows, ..BooksOptions::default() };
    Shard::open(ShardNo(0), disk.open(&genesis, NOW).unwrap(), shard_options(books), "test", NOW).unwrap()
}

fn opened(desk: &mut Desk, ids: &[&str]) {
    let opens = ids.iter().zip(1..).map(|(id, n)| open_account(id, Kind::External, n)).collect();
    turn(desk, &[frame(opens)]);
}

fn act(desk: &mut Desk, n: u64, verb: Verb, id: &str, amount: i64) -> Answer {
    answer(desk, command(transfer_id(n), n, verb, id, amount))
}

/// What is undecided on an account, by the machine's own word, and in the whole shard.
fn undecided(desk: &mut Desk, id: &str) -> (i64, i128) {
    let body = crate::commands::body(desk, Question::Account(account(id)));
    let remit_actors::message::AnswerBody::Account(Some(account)) = body else { panic!("{body:?}") };
    (account.balances.undecided, desk.books().transit(eur()).undecided)
}

/// Before the bulk write the journal alone knows of them, after it the table; either way they are there again.
#[test]
fn r3_undecided_debits_survive_restarts_until_their_partition_says_that_they_ended() {
    for flush_rows in [1, 3, 1_000] {
        let disk = Disk::default();
        let mut desk = open(&disk, flush_rows);
        opened(&mut desk, &["s0:a"]);
        for n in [5, 6, 7, 8] {
            assert_eq!(act(&mut desk, n, Verb::Debit, "s0:a", 10), Answer::Done);
        }
        assert_eq!(act(&mut desk, 8, Verb::Compensate, "s0:a", 10), Answer::Undone);
        assert_eq!(undecided(&mut desk, "s0:a"), (30, 30));
        let mut desk = open(&disk, flush_rows);
        assert_eq!(undecided(&mut desk, "s0:a"), (30, 30), "flush_rows {flush_rows}");

        // Marks are true for ever: they may come late, twice, and in any order.
        for (begun_up_to, except, left) in
            [(4, &[][..], 30), (7, &[6], 10), (5, &[], 10), (7, &[6], 10), (6, &[6], 10), (3, &[], 10)]
        {
            turn(&mut desk, &[mark(begun_up_to, except)]);
            assert_eq!(undecided(&mut desk, "s0:a"), (left, left.into()), "{begun_up_to} except {except:?}");
        }
        // What a mark says is not in the journal: after a restart the next one says it again.
        let mut desk = open(&disk, flush_rows);
        turn(&mut desk, &[mark(7, &[6]), mark(9, &[])]);
        assert_eq!(undecided(&mut desk, "s0:a"), (0, 0));
        // A late repeat of a debit that is known to have ended changes nothing.
        assert_eq!(act(&mut desk, 6, Verb::Debit, "s0:a", 10), Answer::Done);
        assert_eq!(undecided(&mut desk, "s0:a"), (0, 0));
        assert!(desk.books().recompute().unwrap());
    }
}

/// The mark comes in the frame of some other transfer's command, and counts before it.
#[test]
fn r3_a_mark_counts_before_the_commands_of_its_own_frame() {
    let mut desk = open(&Disk::default(), 1_000);
    opened(&mut desk, &["s0:a", "s0:b"]);
    assert_eq!(act(&mut desk, 1, Verb::Credit, "s0:a", i64::MAX), Answer::Done);
    assert_eq!(act(&mut desk, 2, Verb::Debit, "s0:a", 10), Answer::Done);
    let credit = |n| command(transfer_id(n), n, Verb::Credit, "s0:a", 10);
    assert_eq!(answer(&mut desk, credit(3)), Answer::Refused(Reason::BalanceOverflow));
    let with_mark = remit_actors::frame::Frame { messages: vec![credit(4)], ..mark(2, &[]) };
    let replies = turn(&mut desk, &[with_mark]);
    let remit_actors::message::Message::Reply(reply) = &replies[0] else { panic!("{replies:?}") };
    assert_eq!(reply.answer, Answer::Done);
}

/// An account that is full but for a debit that may come back takes no credit, and can take the compensation.
#[test]
fn r3_an_account_keeps_room_for_what_a_compensation_may_give_back() {
    let disk = Disk::default();
    let mut desk = open(&disk, 1);
    opened(&mut desk, &["s0:a"]);
    assert_eq!(act(&mut desk, 1, Verb::Credit, "s0:a", i64::MAX), Answer::Done);
    assert_eq!(act(&mut desk, 2, Verb::Debit, "s0:a", 10), Answer::Done);
    let mut desk = open(&disk, 1);
    assert_eq!(act(&mut desk, 3, Verb::Credit, "s0:a", 10), Answer::Refused(Reason::BalanceOverflow));
    assert_eq!(act(&mut desk, 2, Verb::Compensate, "s0:a", 10), Answer::Undone);
    assert_eq!(undecided(&mut desk, "s0:a"), (0, 0));
}

/// The in-transit account is bounded as every other is: here compensations may still take from it what credits have left.
#[test]
fn r3_the_in_transit_account_keeps_room_for_every_undo() {
    let disk = Disk::default();
    let mut desk = open(&disk, 2);
    opened(&mut desk, &["s0:a", "s0:b", "s0:c"]);
    assert_eq!(act(&mut desk, 1, Verb::Debit, "s0:a", 10), Answer::Done);
    assert_eq!(act(&mut desk, 2, Verb::Credit, "s0:b", i64::MAX), Answer::Done);
    assert_eq!(desk.books().transit(eur()).balance, 10 - i64::MAX);
    let mut desk = open(&disk, 2);
    // There are 10 left now, and none once the debit is undone.
    assert_eq!(act(&mut desk, 3, Verb::Credit, "s0:c", 5), Answer::Refused(Reason::BalanceOverflow));
    turn(&mut desk, &[mark(1, &[1])]);
    assert_eq!(act(&mut desk, 4, Verb::Credit, "s0:c", 5), Answer::Refused(Reason::BalanceOverflow));
    turn(&mut desk, &[mark(1, &[])]);
    assert_eq!(act(&mut desk, 5, Verb::Credit, "s0:c", 5), Answer::Done);
    assert_eq!(desk.books().transit(eur()).balance, 5 - i64::MAX);
    assert!(desk.books().recompute().unwrap());
}

/// A shard that could not be opened again. Debits whose transfers have ended are forgotten by marks, which only memory has:
/// after a restart all of them since the last bulk write are undecided once more, and of huge ones the sum left 63 bits. The
/// opening panicked, again and again. (Found by the simulator, with amounts of 2^61.)
#[test]
fn r3_a_restart_that_remembers_more_undecided_than_63_bits_hold_still_opens() {
    let disk = Disk::default();
    let mut desk = open(&disk, 1_000);
    opened(&mut desk, &["s0:a"]);
    let half = 1 << 62;
    for n in 1..=6 {
        // A debit, whose transfer ends; and a credit, so that the balance stays where it is.
        assert_eq!(act(&mut desk, 2 * n, Verb::Debit, "s0:a", half), Answer::Done);
        turn(&mut desk, &[mark(2 * n, &[])]);
        assert_eq!(act(&mut desk, 2 * n + 1, Verb::Credit, "s0:a", half), Answer::Done);
    }
    // From the journal alone; then from the tables, which are written with the first row after the opening.
    for (n, flush_rows) in (2..).zip([1_000, 1_000, 1, 1]) {
        desk = open(&disk, flush_rows);
        assert_eq!(undecided(&mut desk, "s0:a"), (i64::MAX, 6 * i128::from(half)), "flush_rows {flush_rows}");
        let open = open_account(&format!("s0:b{n}"), Kind::External, n);
        turn(&mut desk, &[frame(vec![open])]);
        let (since, transfers, unreadable) = (remit_core::id::Seq(0), vec![], vec![]);
        let question = Question::AuditShard { since, transfers, unreadable, full: true };
        let body = crate::commands::body(&mut desk, question);
        let remit_actors::message::AnswerBody::AuditShard { journal, .. } = body else { panic!("{body:?}") };
        assert!(journal.balanced, "flush_rows {flush_rows}");
    }
    // Until the marks come again nothing is admitted that, with all of that undone, would not fit.
    assert_eq!(act(&mut desk, 14, Verb::Debit, "s0:a", 1), Answer::Refused(Reason::BalanceOverflow));
    turn(&mut desk, &[mark(6, &[])]);
    assert_eq!(undecided(&mut desk, "s0:a"), (i64::MAX, 3 * i128::from(half)));
    turn(&mut desk, &[mark(13, &[])]);
    assert_eq!(undecided(&mut desk, "s0:a"), (0, 0));
    assert_eq!(act(&mut desk, 15, Verb::Debit, "s0:a", 1), Answer::Done);
}
