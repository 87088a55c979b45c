//! What a low-water mark covers, and what a shard forgets at one.

use alloc::{vec, vec::Vec};

use super::*;
use crate::{
    id::{LegNo, TransferId},
    money::Direction,
};

fn mark(begun_up_to: u64, except: &[u64]) -> LowWater {
    LowWater { begun_up_to: Seq(begun_up_to), except: except.iter().copied().map(Seq).collect() }
}

/// The debit of leg `leg` of a transfer begun at `begun` of `partition`.
fn debit(partition: u16, begun: u64, leg: u8) -> OpenDebit {
    let terms = Terms {
        account: AccountId::parse("alice").unwrap(),
        direction: Direction::Debit,
        amount: Amount::new(5).unwrap(),
        currency: Currency::parse("EUR").unwrap(),
        partition: PartitionNo(partition),
        begun: Seq(begun),
        route: None,
    };
    OpenDebit::of(LegId::new(TransferId([u8::try_from(begun).unwrap(); 16]), LegNo(leg)), &terms)
}

/// Partition 0 with debits of transfers begun at 1 to 6 (two of the third), and one of partition 1.
fn open() -> OpenDebits {
    let mut open = OpenDebits::default();
    for (begun, leg) in [(4, 0), (1, 0), (3, 1), (3, 0), (6, 0), (2, 0), (5, 0)] {
        open.add(debit(0, begun, leg));
    }
    open.add(debit(1, 1, 0));
    open
}

fn begun(debits: &[OpenDebit]) -> Vec<(u64, u8)> {
    let mut begun: Vec<_> = debits.iter().map(|debit| (debit.begun.0, debit.id.leg.0)).collect();
    begun.sort_unstable();
    begun
}

#[test]
fn r3_a_mark_covers_what_began_up_to_it_but_its_exceptions() {
    let mark = mark(4, &[1, 3]);
    let covered: Vec<u64> = (0..7).filter(|begun| mark.covers(Seq(*begun))).collect();
    assert_eq!(covered, [0, 2, 4]);
    assert!(!LowWater::default().covers(Seq(1)), "a new partition's mark covers no row");
}

#[test]
fn r3_a_shard_forgets_exactly_what_a_mark_covers() {
    for (mark, ended) in [
        (mark(0, &[]), vec![]),
        (mark(3, &[]), vec![(1, 0), (2, 0), (3, 0), (3, 1)]),
        (mark(3, &[1]), vec![(2, 0), (3, 0), (3, 1)]),
        (mark(4, &[2, 3]), vec![(1, 0), (4, 0)]),
        (mark(5, &[1, 2, 3, 4, 5]), vec![]),
        (mark(100, &[6]), vec![(1, 0), (2, 0), (3, 0), (3, 1), (4, 0), (5, 0)]),
    ] {
        let mut open = open();
        let before = open.iter().count();
        assert_eq!(begun(&open.take_ended(PartitionNo(0), &mark)), ended, "{mark:?}");
        assert_eq!(open.iter().count(), before - ended.len(), "{mark:?}");
        assert!(open.iter().all(|debit| debit.partition == PartitionNo(1) || !mark.covers(debit.begun)), "{mark:?}");
        assert_eq!(open.take_ended(PartitionNo(0), &mark), [], "{mark:?} again");
    }
    assert_eq!(open().take_ended(PartitionNo(7), &mark(100, &[])), [], "a partition without debits here");
}

/// A mark is true for ever once said, so an old one that comes late takes nothing away from a newer one.
#[test]
fn r3_marks_may_come_in_any_order() {
    let (old, new) = (mark(3, &[1, 2]), mark(5, &[4]));
    let left = |marks: [&LowWater; 2]| {
        let mut open = open();
        for mark in marks {
            open.take_ended(PartitionNo(0), mark);
        }
        open
    };
    assert_eq!(left([&old, &new]), left([&new, &old]));
    assert_eq!(left([&old, &new]).iter().count(), 3);
}

#[test]
fn a_compensated_debit_is_forgotten_once() {
    let mut open = open();
    let two = debit(0, 3, 1);
    assert_eq!(open.remove(two.id, PartitionNo(1), two.begun), None, "another partition's");
    assert_eq!(open.remove(two.id, PartitionNo(0), Seq(4)), None, "begun elsewhere");
    assert_eq!(open.remove(two.id, PartitionNo(0), two.begun), Some(two.clone()));
    assert_eq!(open.remove(two.id, PartitionNo(0), two.begun), None, "already forgotten");
    assert_eq!(begun(&open.take_ended(PartitionNo(0), &mark(3, &[]))), [(1, 0), (2, 0), (3, 0)]);
}
