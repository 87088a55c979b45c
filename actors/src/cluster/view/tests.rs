//! What is heard, late, twice, or not at all, and who is alive by that.

use remit_core::id::{ShardNo, Time};

use super::*;
use crate::cluster::member::{Roles, to_json};

const LEASE_MS: u64 = 1_000;
const S0: Address = Address::Shard(ShardNo(0));

fn view(now_ms: u64) -> View {
    View::new(vec![(S0, "s0".to_owned())], LEASE_MS, now_ms)
}

fn member(incarnation: u64, beat: u64) -> Vec<u8> {
    let (id, at) = ("folder".to_owned(), Time(0));
    to_json(&Member {
        id,
        incarnation,
        roles: Roles::ALL,
        draining: false,
        door: 1,
        version: 1,
        program: String::new(),
        started_at: Time(0),
        at,
        beat,
    })
}

fn owner(node: &str, incarnation: u64) -> Vec<u8> {
    to_json(&Owner { node: node.to_owned(), incarnation })
}

#[test]
fn a_node_is_alive_while_its_revision_changes() {
    let mut view = view(5_000);
    view.heard("node.a", 7, Some(&member(1, 1)), 5_000).unwrap();
    assert!(view.is_live("a", 5_999));
    assert!(!view.is_live("a", 6_000));
    // The same again, as after a reconnection, is no sign of life; nor is something older.
    view.heard("node.a", 7, Some(&member(1, 1)), 5_900).unwrap();
    view.heard("node.a", 6, Some(&member(1, 0)), 5_900).unwrap();
    assert!(!view.is_live("a", 6_000));
    // It was only slow.
    view.heard("node.a", 8, Some(&member(1, 2)), 7_000).unwrap();
    assert!(view.is_live("a", 7_999));
    let known: Vec<_> = view.members(7_250).map(|known| (known.name, known.heard_ms_ago, known.is_live)).collect();
    assert_eq!(known, [("a", 250, true)]);
    // One that leaves is gone at once, and what it said before does not bring it back.
    view.heard("node.a", 9, None, 7_300).unwrap();
    view.heard("node.a", 8, Some(&member(1, 2)), 7_300).unwrap();
    assert!(!view.is_live("a", 7_300));
    assert_eq!(view.members(7_300).count(), 0);
}

/// A broker dies, and another one leads the bucket some seconds later: each node would have thought all others dead, and the first
/// to beat again would have taken over everything.
#[test]
fn silence_of_the_bucket_itself_is_nobodys_death() {
    let mut view = view(0);
    view.heard("node.dead", 1, Some(&member(1, 1)), 0).unwrap();
    view.heard("node.a", 2, Some(&member(1, 1)), 600).unwrap();
    view.goes_deaf(1_100);
    view.goes_deaf(9_000);
    assert!(view.is_live("a", 9_000) && !view.is_live("dead", 9_000));
    // What this node writes itself comes true first, and is not said by the watch.
    view.heard("node.me", 3, Some(&member(1, 1)), 9_100).unwrap();
    assert!(view.is_live("a", 9_200));
    view.hears(9_200);
    assert!(view.is_live("a", 10_199) && !view.is_live("a", 10_200));
    assert!(!view.is_live("dead", 9_200));
    view.hears(10_100);
    assert!(!view.is_live("a", 10_200));
}

#[test]
fn what_a_node_would_run_if_its_owner_died_is_its_to_follow() {
    let journals = (0..8).map(|no| (Address::Shard(ShardNo(no)), format!("s{no}"))).collect();
    let mut view = View::new(journals, LEASE_MS, 0);
    for (at, name) in ["a", "b", "c"].into_iter().enumerate() {
        view.heard(&format!("node.{name}"), at as u64 + 1, Some(&member(1, 1)), 0).unwrap();
    }
    let placed: Vec<(Address, String)> =
        view.placement(0).into_iter().map(|(journal, node)| (journal, node.to_owned())).collect();
    for (at, (journal, node)) in placed.iter().enumerate() {
        let Address::Shard(no) = journal else { panic!("{journal:?}") };
        view.heard(&format!("own.s{}", no.0), at as u64 + 10, Some(&owner(node, 1)), 0).unwrap();
    }
    let followed: Vec<Vec<Address>> = ["a", "b", "c"].into_iter().map(|node| view.standbys(node, 0)).collect();
    for ((name, followed), no) in ["a", "b", "c"].into_iter().zip(&followed).zip(20..) {
        assert!(placed.iter().all(|(journal, node)| node != name || !followed.contains(journal)), "not its own");
        // One of the others dies, and that is what comes.
        let mut view = View::new(view.journals().to_vec(), LEASE_MS, 0);
        let dies = if name == "a" { "b" } else { "a" };
        for (at, other) in ["a", "b", "c"].into_iter().filter(|other| *other != dies).enumerate() {
            view.heard(&format!("node.{other}"), no + at as u64, Some(&member(1, 1)), 0).unwrap();
        }
        let after = view.placement(0);
        for (journal, _) in placed.iter().filter(|(_, node)| node == dies) {
            assert_eq!(followed.contains(journal), after.get(journal) == Some(&name), "{name} {journal:?}");
        }
    }
    assert_eq!(followed.iter().map(Vec::len).sum::<usize>(), 8, "one for each");
}

#[test]
fn an_owner_that_is_never_heard_of_has_the_lease_time() {
    let mut view = view(5_000);
    assert_eq!(view.owner(S0, 5_000), None);
    view.heard("own.s0", 3, Some(&owner("a", 1)), 5_500).unwrap();
    assert!(view.owner(S0, 5_999).unwrap().is_live);
    let dead = Owned { node: "a", incarnation: 1, term: 3, is_live: false };
    assert_eq!(view.owner(S0, 6_000), Some(dead));
}

#[test]
fn an_owner_whose_process_was_replaced_is_dead_at_once() {
    let mut view = view(0);
    view.heard("node.a", 1, Some(&member(1, 1)), 0).unwrap();
    view.heard("own.s0", 2, Some(&owner("a", 1)), 0).unwrap();
    assert!(view.owner(S0, 10).unwrap().is_live);
    view.heard("node.a", 3, Some(&member(2, 1)), 10).unwrap();
    assert!(view.is_live("a", 10));
    assert!(!view.owner(S0, 10).unwrap().is_live);
}

#[test]
fn a_lost_bucket_starts_the_clocks_again() {
    let mut view = view(0);
    view.heard("node.a", 90, Some(&member(1, 9)), 0).unwrap();
    view.heard("own.s0", 80, Some(&owner("a", 1)), 0).unwrap();
    view.heard_all();
    assert!(view.is_settled(0));

    view.lost_all(50_000);
    assert!(!view.is_complete());
    assert_eq!((view.owner(S0, 50_000), view.own_revision(S0), view.member("a")), (None, None, None));
    assert!(view.is_live("a", 50_999) && !view.is_live("a", 51_000));
    assert!(!view.is_settled(50_999) && view.is_settled(51_000));
    assert_eq!(view.wait_ms(50_400), Some(600));
    // Revisions begin anew too.
    view.heard("own.s0", 1, Some(&owner("a", 1)), 50_000).unwrap();
    assert_eq!(view.own_revision(S0), Some(1));
}

#[test]
fn a_drain_is_for_one_incarnation_and_a_pin_until_it_is_deleted() {
    let mut view = view(0);
    view.heard("node.a", 1, Some(&member(1, 1)), 0).unwrap();
    view.heard("node.b", 2, Some(&member(1, 1)), 0).unwrap();
    view.heard("pin.s0", 3, Some(br#""a""#), 0).unwrap();
    assert_eq!(view.placement(0)[&S0], "a");
    view.heard("drain.a", 4, Some(b"1"), 0).unwrap();
    assert_eq!(view.placement(0)[&S0], "b");
    view.heard("node.a", 5, Some(&member(2, 1)), 0).unwrap();
    assert_eq!(view.placement(0)[&S0], "a");
    view.heard("pin.s0", 6, Some(br#""b""#), 0).unwrap();
    assert_eq!(view.placement(0)[&S0], "b");
    view.heard("pin.s0", 7, None, 0).unwrap();
    assert_eq!(view.pin(S0), None);
}

#[test]
fn what_is_not_understood_counts_as_if_it_were_not_there() {
    let mut view = view(0);
    for (key, told) in [
        ("lease.s0", "the key lease.s0 is of no known kind"),
        ("own.s9", "the key own.s9 is about a journal that this deployment does not have"),
        ("pin.s9", "the key pin.s9 is about a journal that this deployment does not have"),
        ("node.a", "the value of node.a can't be read"),
    ] {
        assert_eq!(view.heard(key, 1, Some(b"?"), 0).unwrap_err().to_string(), told);
    }
    view.heard("own.s0", 2, Some(&owner("a", 1)), 0).unwrap();
    view.heard("own.s0", 3, Some(b"{}"), 0).unwrap_err();
    // But whoever takes the journal must name what it replaces.
    assert_eq!((view.owner(S0, 0), view.own_revision(S0)), (None, Some(3)));
    view.heard("own.s0", 4, None, 0).unwrap();
    assert_eq!(view.own_revision(S0), None);
}

#[test]
fn the_next_look_is_when_the_first_node_may_expire() {
    let mut view = view(0);
    assert_eq!((view.wait_ms(0), view.wait_ms(1_000)), (Some(1_000), None));
    view.heard("node.a", 1, Some(&member(1, 1)), 2_000).unwrap();
    view.heard("node.b", 2, Some(&member(1, 1)), 2_300).unwrap();
    assert_eq!(view.wait_ms(2_400), Some(600));
    assert_eq!(view.wait_ms(3_000), Some(300));
    assert_eq!(view.wait_ms(3_300), None);
}
