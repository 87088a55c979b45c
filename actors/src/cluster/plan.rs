//! What this node should do now about the difference between what is and what should be.
//!
//! A node takes what belongs to it and nobody alive runs, asks for what another one runs, and lets go of what is no longer its
//! own. It never gives anything away unasked: the node on which a journal is placed knows best when it can take it, and a
//! journal that nobody wants stays where it is.

use std::collections::BTreeMap;

use super::{member::Role, view::View};
use crate::message::Address;

/// What this node knows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Me {
    /// Its name.
    pub node: String,
    /// Drawn when its process started.
    pub incarnation: u64,
    /// Until when its lease is good: the lease time after the moment *before* its last heartbeat that succeeded was sent, so
    /// that it ends here before anybody else thinks so. 0 if none has.
    pub lease_until_ms: u64,
}

/// How far this node is with a journal. What it has nothing to do with has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hosting {
    /// It was asked for, or is being taken: from before the owner is asked until the actor runs.
    Coming {
        /// The revision under which this node wrote the own key, once it has.
        term: Option<u64>,
    },
    /// Its actor runs here.
    Running {
        /// The revision under which this node wrote the own key.
        term: u64,
    },
    /// It is being drained, for another node or because of [`Act::LetGo`].
    Going,
    /// It did not come: its owner refused or was silent, or another was quicker, or it could not be opened.
    Refused {
        /// Left alone until then, so that nodes that disagree for a while don't do so several times a second.
        not_before_ms: u64,
    },
}

/// Something for this node to do about a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// It belongs here, and nobody alive runs it: write its own key by compare-and-set, then run it.
    Take {
        /// Which.
        journal: Address,
        /// The revision that its own key must still have; none if there must be no such key.
        expect: Option<u64>,
    },
    /// It belongs here, and another node runs it: ask that one to drain it, then take it.
    Ask {
        /// Which.
        journal: Address,
        /// Who runs it.
        from: String,
        /// The revision of its own key: its owner gives it away only under the term that is meant.
        term: u64,
    },
    /// Its own key is somebody else's: stop running it.
    LetGo {
        /// Which.
        journal: Address,
    },
    /// It runs here and has no own key, since the bucket was lost: write it again, if there still is none (R18). To be done
    /// before the next plan is made.
    Rewrite {
        /// Which.
        journal: Address,
    },
}

/// What to do now: first about what runs here, then about what should, each in the order of the journals, and at most one
/// [`Act::Ask`], at the end. Made anew whenever the view, `me` or `hosting` has changed, and after [`wait_ms`]; no more once the
/// node stops its actors to end.
#[must_use]
pub fn next(view: &View, me: &Me, hosting: &BTreeMap<Address, Hosting>, now_ms: u64) -> Vec<Act> {
    let mut acts = Vec::new();
    // A view that is not filled yet, and a node that the others may think dead, know too little to want anything.
    let may_write = view.is_complete() && now_ms < me.lease_until_ms;

    for (&journal, hosted) in hosting {
        let (Hosting::Running { term } | Hosting::Coming { term: Some(term) }) = *hosted else { continue };
        match view.own_revision(journal) {
            None if may_write => acts.push(Act::Rewrite { journal }),
            None => {}
            Some(_) if is_mine(view, me, journal, term, now_ms) => {}
            Some(_) => acts.push(Act::LetGo { journal }),
        }
    }

    let myself = view.member(&me.node).filter(|member| member.incarnation == me.incarnation);
    let Some(myself) = myself.filter(|_| may_write && view.is_settled(now_ms)) else { return acts };
    let mut ask = None;
    let mut is_busy = hosting.values().any(|hosted| matches!(hosted, Hosting::Coming { .. }));
    let placement = view.placement(now_ms);
    for &(journal, _) in view.journals() {
        if hosting.get(&journal).is_some_and(|hosted| hosted.is_in_the_way(now_ms)) {
            continue;
        }
        let owner = view.owner(journal, now_ms).filter(|owned| owned.is_live);
        let is_owned_here = owner.is_some_and(|owned| owned.node == me.node);
        let belongs_here = match placement.get(&journal) {
            Some(node) => *node == me.node,
            // All that could run it are draining. Whoever has it keeps it, also if it was drained for a node that is no more;
            // and rather than nobody, any of them takes it: the key decides which.
            None => is_owned_here || owner.is_none() && Role::of(journal).is_some_and(|role| myself.roles.has(role)),
        };
        match owner {
            _ if !belongs_here => {}
            Some(owned) if !is_owned_here => {
                ask.get_or_insert(Act::Ask { journal, from: owned.node.to_owned(), term: owned.term });
            }
            // This node's own by the key, and not here: it was drained for a node that did not take it.
            Some(_) | None => {
                acts.push(Act::Take { journal, expect: view.own_revision(journal) });
                is_busy = true;
            }
        }
    }
    // One at a time: each is a pause for the transfers that touch it, and the next may find a different cluster.
    acts.extend(ask.filter(|_| !is_busy));
    acts
}

/// How long until [`next`] may say something else although nothing was heard and nothing here has changed, in milliseconds, at
/// least 1. None: for ever.
#[must_use]
pub fn wait_ms(view: &View, hosting: &BTreeMap<Address, Hosting>, now_ms: u64) -> Option<u64> {
    let refused = hosting.values().filter_map(|hosted| match hosted {
        Hosting::Refused { not_before_ms } => not_before_ms.checked_sub(now_ms).filter(|ms| *ms > 0),
        Hosting::Coming { .. } | Hosting::Running { .. } | Hosting::Going => None,
    });
    refused.chain(view.wait_ms(now_ms)).min()
}

impl Hosting {
    /// Whether this journal is neither to be taken nor to be asked for.
    fn is_in_the_way(self, now_ms: u64) -> bool {
        match self {
            Self::Coming { .. } | Self::Running { .. } | Self::Going => true,
            Self::Refused { not_before_ms } => now_ms < not_before_ms,
        }
    }
}

/// Whether the own key is the very one that this node wrote.
fn is_mine(view: &View, me: &Me, journal: Address, term: u64, now_ms: u64) -> bool {
    view.owner(journal, now_ms)
        .is_some_and(|owned| owned.term == term && owned.node == me.node && owned.incarnation == me.incarnation)
}

#[cfg(test)]
mod tests {
    use std::slice;

    use remit_core::id::{ShardNo, Time};

    use super::*;
    use crate::cluster::member::{Key, Member, Owner, Roles, to_json};

    const S0: Address = Address::Shard(ShardNo(0));
    const S1: Address = Address::Shard(ShardNo(1));

    /// What node `a` sees of a deployment of two shards, both pinned to it: so that what it does is about nothing else.
    struct Scene {
        view: View,
        me: Me,
        hosting: BTreeMap<Address, Hosting>,
        revision: u64,
    }

    impl Scene {
        fn new() -> Self {
            let mut view = View::new(vec![(S0, "s0".to_owned()), (S1, "s1".to_owned())], 1_000, 0);
            view.heard_all();
            let me = Me { node: "a".to_owned(), incarnation: 1, lease_until_ms: 1_000 };
            let mut scene = Self { view, me, hosting: BTreeMap::new(), revision: 0 };
            scene.pinned();
            scene.beats("a", 1);
            scene.beats("b", 1);
            scene
        }

        fn write(&mut self, key: Key<'_>, value: &[u8]) -> u64 {
            self.revision += 1;
            self.view.heard(&key.to_string(), self.revision, Some(value), 0).unwrap();
            self.revision
        }

        fn pinned(&mut self) {
            self.write(Key::Pin("s0"), br#""a""#);
            self.write(Key::Pin("s1"), br#""a""#);
        }

        fn beats(&mut self, node: &str, incarnation: u64) {
            let (id, at, beat) = (node.to_owned(), Time(0), self.revision);
            let member = Member {
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
            };
            self.write(Key::Node(node), &to_json(&member));
        }

        fn owned(&mut self, journal: &str, node: &str, incarnation: u64) -> u64 {
            self.write(Key::Own(journal), &to_json(&Owner { node: node.to_owned(), incarnation }))
        }

        fn next(&self, now_ms: u64) -> Vec<Act> {
            next(&self.view, &self.me, &self.hosting, now_ms)
        }
    }

    fn take(journal: Address, expect: Option<u64>) -> Act {
        Act::Take { journal, expect }
    }

    fn ask(journal: Address, term: u64) -> Act {
        Act::Ask { journal, from: "b".to_owned(), term }
    }

    #[test]
    fn what_nobody_alive_runs_is_taken_all_at_once() {
        let mut scene = Scene::new();
        assert_eq!(scene.next(0), [take(S0, None), take(S1, None)]);
        let by_a_former_process = scene.owned("s0", "b", 9);
        let alive = scene.owned("s1", "b", 1);
        // The other waits for its turn.
        assert_eq!(scene.next(0), [take(S0, Some(by_a_former_process))]);
        scene.beats("a", 1);
        scene.me.lease_until_ms = 2_000;
        scene.view.heard("node.b", 99, None, 500).unwrap();
        assert_eq!(scene.next(500), [take(S0, Some(by_a_former_process)), take(S1, Some(alive))]);
    }

    #[test]
    fn what_another_runs_is_asked_for_one_by_one() {
        let mut scene = Scene::new();
        let first = ask(S0, scene.owned("s0", "b", 1));
        let second = ask(S1, scene.owned("s1", "b", 1));
        assert_eq!(scene.next(0), slice::from_ref(&first));
        for coming in [None, Some(50)] {
            scene.hosting.insert(S0, Hosting::Coming { term: coming });
            assert!(!scene.next(0).contains(&second));
        }
        // The one that was refused does not keep the others from coming, and its turn comes again.
        scene.hosting.insert(S0, Hosting::Refused { not_before_ms: 300 });
        assert_eq!(scene.next(0), slice::from_ref(&second));
        assert_eq!((scene.next(299), scene.next(300)), (vec![second.clone()], vec![first]));
        assert_eq!(wait_ms(&scene.view, &scene.hosting, 100), Some(200));
        assert_eq!(wait_ms(&scene.view, &scene.hosting, 400), Some(600));
        let term = scene.owned("s0", "a", 1);
        scene.hosting.insert(S0, Hosting::Running { term });
        assert_eq!(scene.next(400), [second]);
    }

    #[test]
    fn what_runs_here_by_the_key_stays_wherever_it_belongs() {
        let mut scene = Scene::new();
        let (running, coming) = (scene.owned("s0", "a", 1), scene.owned("s1", "a", 1));
        scene.hosting.insert(S0, Hosting::Running { term: running });
        scene.hosting.insert(S1, Hosting::Coming { term: Some(coming) });
        assert_eq!(scene.next(0), []);
        scene.write(Key::Pin("s0"), br#""b""#);
        scene.write(Key::Drain("a"), b"1");
        assert_eq!(scene.next(0), []);
    }

    #[test]
    fn what_is_anothers_by_the_key_is_let_go() {
        let let_go = Act::LetGo { journal: S0 };
        for (node, incarnation, is_mine) in [("a", 1, true), ("a", 2, false), ("b", 1, false)] {
            let mut scene = Scene::new();
            let term = scene.owned("s0", node, incarnation);
            for hosted in [Hosting::Running { term }, Hosting::Coming { term: Some(term) }] {
                scene.hosting.insert(S0, hosted);
                assert_eq!(scene.next(0).contains(&let_go), !is_mine, "{node} {incarnation}");
            }
            // Under another term it is not what this process wrote. Whether the lease is good does not matter here.
            scene.hosting.insert(S0, Hosting::Running { term: term - 1 });
            assert!(scene.next(0).contains(&let_go));
            scene.me.lease_until_ms = 0;
            assert_eq!(scene.next(0), slice::from_ref(&let_go));
            scene.hosting.insert(S0, Hosting::Going);
            assert_eq!(scene.next(0), []);
        }
    }

    #[test]
    fn a_lost_bucket_is_written_again_by_those_who_run_things() {
        let mut scene = Scene::new();
        scene.hosting.insert(S0, Hosting::Running { term: 7 });
        scene.view.lost_all(0);
        // Nothing is known of what the new bucket has.
        assert_eq!(scene.next(0), []);
        scene.view.heard_all();
        let rewrite = Act::Rewrite { journal: S0 };
        assert_eq!(scene.next(0), slice::from_ref(&rewrite));
        scene.pinned();
        scene.beats("a", 1);
        // Others have their time to do the same, so s1 is neither taken nor asked for.
        assert_eq!(scene.next(999), slice::from_ref(&rewrite));
        scene.owned("s1", "b", 1);
        assert_eq!(scene.next(999), slice::from_ref(&rewrite));
        scene.view.heard("node.a", 99, Some(&to_json(scene.view.member("a").unwrap())), 999).unwrap();
        scene.me.lease_until_ms = 1_900;
        assert_eq!(scene.next(1_000), [rewrite, take(S1, scene.view.own_revision(S1))]);
    }

    #[test]
    fn a_node_that_may_be_thought_dead_wants_nothing() {
        let mut scene = Scene::new();
        scene.me.lease_until_ms = 500;
        assert_eq!((scene.next(499).len(), scene.next(500).len()), (2, 0));
        scene.me.lease_until_ms = 1_000;
        scene.beats("a", 2);
        assert_eq!(scene.next(0), [], "another process has this node's name");
    }

    #[test]
    fn what_was_given_away_and_not_taken_comes_back() {
        let mut scene = Scene::new();
        let term = scene.owned("s0", "a", 1);
        scene.hosting.insert(S1, Hosting::Going);
        assert_eq!(scene.next(0), [take(S0, Some(term))]);
    }

    #[test]
    fn where_all_are_drained_journals_stay_and_none_is_left_alone() {
        let mut scene = Scene::new();
        let (mine, others) = (scene.owned("s0", "a", 1), scene.owned("s1", "b", 1));
        scene.hosting.insert(S0, Hosting::Running { term: mine });
        scene.write(Key::Drain("a"), b"1");
        scene.write(Key::Drain("b"), b"1");
        assert_eq!(scene.view.placement(0), BTreeMap::new());
        assert_eq!(scene.next(0), []);
        // It was drained for a third, which then died.
        scene.hosting.clear();
        assert_eq!(scene.next(0), [take(S0, Some(mine))]);
        // Who ran it died.
        scene.view.heard("node.b", 90, None, 0).unwrap();
        assert_eq!(scene.next(0), [take(S0, Some(mine)), take(S1, Some(others))]);
    }
}
