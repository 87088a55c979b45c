//! Where each journal belongs.
//!
//! Rendezvous hashing: every pair of a journal and a node has a rank, which depends on their two names alone. The best pairs come
//! first; a node takes no more than its share. So whoever knows the same members comes to the same answer, and a node that joins
//! or leaves moves little more than a share.
//!
//! Of whole pairs, not journal by journal: which journal finds a node full then depends on ranks alone, and not on its number,
//! and fewer of them move.

use std::{cmp::Reverse, collections::BTreeMap};

use sha2::{Digest, Sha256};

use super::member::{Role, Roles};
use crate::message::Address;

/// Places each of `journals` (with their names) on one of `nodes` that has its role. Those for which there is none are missing
/// from the answer.
///
/// `nodes` are those that may be given work: alive, and not draining. No node gets more than the journals of a role, divided by
/// the nodes that have it, rounded up; except by `pins`, which win over all that and count against it. A pin to a node that is
/// not there, or lacks the role, is as if it were not.
#[must_use]
pub fn place<'a>(
    journals: &[(Address, String)],
    nodes: &BTreeMap<&'a str, Roles>,
    pins: &BTreeMap<Address, &str>,
) -> BTreeMap<Address, &'a str> {
    let mut placed = BTreeMap::new();
    for role in Role::ALL {
        let journals: Vec<_> = journals.iter().filter(|(journal, _)| Role::of(*journal) == Some(role)).collect();
        let nodes: Vec<&'a str> = nodes.iter().filter(|(_, roles)| roles.has(role)).map(|(node, _)| *node).collect();
        if nodes.is_empty() {
            continue;
        }
        let share = journals.len().div_ceil(nodes.len());
        let mut room: BTreeMap<&str, usize> = nodes.iter().map(|node| (*node, share)).collect();
        let mut pairs = Vec::with_capacity(journals.len() * nodes.len());
        for (journal, name) in journals {
            let pinned = pins.get(journal).and_then(|pin| nodes.iter().find(|node| *node == pin));
            if let Some(node) = pinned {
                give(&mut placed, &mut room, *journal, node);
            } else {
                pairs.extend(nodes.iter().map(|node| (Reverse(rank(name, node)), *journal, *node)));
            }
        }
        pairs.sort_unstable();
        for (_, journal, node) in pairs {
            if room[node] > 0 && !placed.contains_key(&journal) {
                give(&mut placed, &mut room, journal, node);
            }
        }
    }
    placed
}

fn give<'a>(
    placed: &mut BTreeMap<Address, &'a str>,
    room: &mut BTreeMap<&'a str, usize>,
    journal: Address,
    node: &'a str,
) {
    placed.insert(journal, node);
    if let Some(left) = room.get_mut(node) {
        *left = left.saturating_sub(1);
    }
}

/// How well the two go together: the first eight bytes of the SHA-256 of `journal`, a zero byte, `node`. All nodes of all
/// versions must agree on it.
fn rank(journal: &str, node: &str) -> u64 {
    let hash = Sha256::new().chain_update(journal).chain_update([0]).chain_update(node).finalize();
    hash.iter().take(8).fold(0, |rank, byte| rank << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use remit_core::id::{PartitionNo, ShardNo, default_name};

    use super::*;

    fn shards(count: u16) -> Vec<(Address, String)> {
        (0..count).map(|no| (Address::Shard(ShardNo(no)), default_name('s', no))).collect()
    }

    /// All journals of a deployment.
    fn all(shards_count: u16, partitions: u16) -> Vec<(Address, String)> {
        let managers = (0..partitions).map(|no| (Address::Manager(PartitionNo(no)), default_name('m', no)));
        shards(shards_count).into_iter().chain(managers).chain([(Address::Projector, "p0".to_owned())]).collect()
    }

    fn nodes<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeMap<&'a str, Roles> {
        names.into_iter().map(|name| (name, Roles::ALL)).collect()
    }

    fn held(placed: &BTreeMap<Address, &str>, role: Role, node: &str) -> usize {
        placed.iter().filter(|(journal, at)| Role::of(**journal) == Some(role) && **at == node).count()
    }

    #[test]
    fn the_placement_is_the_same_on_all_nodes_and_in_all_versions() {
        // Worked out by another program. They may never change.
        assert_eq!(rank("s0", "eu-1"), 11_766_560_626_563_800_146);
        let journals = all(6, 2);
        let placed = place(&journals, &nodes(["eu-1", "eu-2", "us-1"]), &BTreeMap::new());
        let told: Vec<_> = journals.iter().map(|(journal, name)| format!("{name} {}", placed[journal])).collect();
        assert_eq!(told.join(", "), "s0 eu-2, s1 eu-1, s2 us-1, s3 us-1, s4 eu-2, s5 eu-1, m0 eu-1, m1 eu-2, p0 eu-1");
    }

    #[test]
    fn a_node_gets_only_what_it_has_the_role_for() {
        let journals = all(8, 4);
        let roles = BTreeMap::from([
            ("door", Roles { gateway: true, ..Roles::default() }),
            ("left", Roles { shard: true, ..Roles::default() }),
            ("right", Roles { shard: true, manager: true, ..Roles::default() }),
        ]);
        let placed = place(&journals, &roles, &BTreeMap::new());
        assert_eq!((held(&placed, Role::Shard, "left"), held(&placed, Role::Shard, "right")), (4, 4));
        assert_eq!((held(&placed, Role::Manager, "left"), held(&placed, Role::Manager, "right")), (0, 4));
        // Nobody has the projector's role.
        assert_eq!((placed.len(), placed.get(&Address::Projector)), (12, None));
        assert!(place(&journals, &BTreeMap::new(), &BTreeMap::new()).is_empty());
    }

    #[test]
    fn a_pin_wins_over_rank_and_share_but_not_over_roles() {
        let journals = all(4, 1);
        let mut members = nodes(["a", "b"]);
        members.insert("door", Roles { gateway: true, ..Roles::default() });
        let pins = (0..3).map(|no| (Address::Shard(ShardNo(no)), "a")).collect();
        let placed = place(&journals, &members, &pins);
        assert_eq!((held(&placed, Role::Shard, "a"), held(&placed, Role::Shard, "b")), (3, 1));

        for nobody in ["door", "gone"] {
            let pins = (0..4).map(|no| (Address::Shard(ShardNo(no)), nobody)).collect();
            assert_eq!(place(&journals, &members, &pins), place(&journals, &members, &BTreeMap::new()));
        }
    }

    #[test]
    fn a_node_that_joins_or_leaves_moves_little_more_than_a_share() {
        // The same two placements, read forwards for a join and backwards for a leave.
        for (count, members) in [(16, 2), (16, 3), (16, 4), (16, 8), (32, 4), (64, 8)] {
            let journals = shards(count);
            let share = usize::from(count).div_ceil(members + 1);
            let mut moved_in_all = 0;
            for world in 0..50 {
                let names: Vec<_> = (0..=members).map(|no| format!("n{world}-{no}")).collect();
                let with = place(&journals, &nodes(names.iter().map(String::as_str)), &BTreeMap::new());
                let without = place(&journals, &nodes(names[1..].iter().map(String::as_str)), &BTreeMap::new());
                let moved = with.iter().filter(|(journal, node)| without[journal] != **node).count();
                // Beyond the share is what the smaller, or greater, share of the others pushes on.
                assert!(moved <= 2 * share + 4, "{count} shards, {members} members and {}: {moved} moved", names[0]);
                moved_in_all += moved;
            }
            assert!(moved_in_all <= 50 * share * 3 / 2, "{count} shards, {members} members: {moved_in_all}");
        }
    }

    proptest! {
        #[test]
        fn every_journal_has_one_node_and_no_node_more_than_its_share(
            counts in (1_u16..40, 1_u16..10),
            names in proptest::collection::btree_set("[a-z0-9-]{1,8}", 1..10),
            seed in any::<prop::sample::Index>(),
        ) {
            let mut journals = all(counts.0, counts.1);
            let nodes = nodes(names.iter().map(String::as_str));
            let placed = place(&journals, &nodes, &BTreeMap::new());
            prop_assert_eq!(placed.len(), journals.len());
            for role in Role::ALL {
                let share = journals.iter().filter(|(journal, _)| Role::of(*journal) == Some(role)).count().div_ceil(nodes.len());
                for node in nodes.keys() {
                    prop_assert!(held(&placed, role, node) <= share);
                }
            }
            // Whatever the order in which they are named.
            let middle = seed.index(journals.len());
            journals.rotate_left(middle);
            prop_assert_eq!(&place(&journals, &nodes, &BTreeMap::new()), &placed);
            journals.reverse();
            prop_assert_eq!(place(&journals, &nodes, &BTreeMap::new()), placed);
        }

        #[test]
        fn pins_never_leave_a_journal_without_a_node(
            names in proptest::collection::btree_set("[a-z]{1,4}", 1..6),
            pinned in proptest::collection::btree_map(0_u16..12, any::<prop::sample::Index>(), 0..12),
        ) {
            let journals = shards(12);
            let nodes = nodes(names.iter().map(String::as_str));
            let names: Vec<_> = nodes.keys().copied().collect();
            let pins: BTreeMap<_, _> =
                pinned.iter().map(|(no, at)| (Address::Shard(ShardNo(*no)), *at.get(&names))).collect();
            let placed = place(&journals, &nodes, &pins);
            prop_assert_eq!(placed.len(), journals.len());
            for (journal, node) in &pins {
                prop_assert_eq!(placed[journal], *node);
            }
            let share = journals.len().div_ceil(names.len());
            for node in names {
                let by_pins = pins.values().filter(|at| **at == node).count();
                prop_assert!(held(&placed, Role::Shard, node) <= share.max(by_pins));
            }
        }
    }
}
