//! The small worlds: who has how much, who pays whom, and what may go wrong.

/// A small world, before a protocol is chosen for it.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What it is called.
    pub name: &'static str,
    /// Each customer, named with its shard, and what it has. Who stands in a transfer and not here has no account.
    pub accounts: &'static [(&'static str, i64)],
    /// Each transfer's legs: from whom it takes, to whom it gives.
    pub transfers: &'static [&'static [(&'static str, i64)]],
    /// Whether the actors may crash: the manager once at any moment, the shards always.
    pub crash: bool,
    /// Whether a deadline may pass, for each transfer and each incarnation of the manager at any moment of its own.
    pub deadline: bool,
    /// Whose account may be frozen, at any moment.
    pub freezes: Option<&'static str>,
}

impl Plan {
    /// All of them, the smallest first.
    pub const ALL: [Self; 9] = [PAIR, SPLIT, COLLECT, EDGE, CHAIN, RIVALS, GHOST, SPLIT_RIVALS, SPLIT_CHAIN];
}

/// One transfer, and the payer may be frozen.
pub const PAIR: Plan = Plan {
    name: "pair",
    accounts: &[("s0:alice", 70), ("s1:bob", 0)],
    transfers: &[&[("s0:alice", -70), ("s1:bob", 70)]],
    crash: true,
    deadline: true,
    freezes: Some("s0:alice"),
};

/// One transfer of three legs, so that a credit is held and then posted; its payee may be frozen.
pub const SPLIT: Plan = Plan {
    name: "split",
    accounts: &[("s0:alice", 70), ("s1:bob", 0), ("s0:carol", 0)],
    transfers: &[&[("s0:alice", -70), ("s1:bob", 30), ("s0:carol", 40)]],
    freezes: Some("s1:bob"),
    ..PAIR
};

/// Two payers and one payee, who comes first in the request; the second payer may be frozen.
pub const COLLECT: Plan = Plan {
    name: "collect",
    accounts: &[("s0:alice", 30), ("s1:bob", 0), ("s1:carol", 40)],
    transfers: &[&[("s1:bob", 70), ("s0:alice", -30), ("s1:carol", -40)]],
    freezes: Some("s1:carol"),
    ..PAIR
};

/// An account as full as can be: what comes in while money is going out leaves no room to give that back (R3).
pub const EDGE: Plan = Plan {
    name: "edge",
    accounts: &[("s0:alice", i64::MAX), ("s1:bob", 0), ("s1:carol", 70)],
    transfers: &[&[("s0:alice", -70), ("s1:bob", 70)], &[("s1:carol", -70), ("s0:alice", 70)]],
    freezes: None,
    ..PAIR
};

/// The second transfer pays with what the first one brings; its payee comes first in the request.
pub const CHAIN: Plan = Plan {
    name: "chain",
    accounts: &[("s0:alice", 70), ("s1:bob", 0), ("s0:carol", 0)],
    transfers: &[&[("s0:alice", -70), ("s1:bob", 70)], &[("s0:carol", 70), ("s1:bob", -70)]],
    freezes: None,
    ..PAIR
};

/// Money for one of two transfers only: one of them is refused, unless the other is undone in time.
pub const RIVALS: Plan = Plan {
    name: "rivals",
    accounts: &[("s0:alice", 70), ("s1:bob", 0), ("s1:carol", 0)],
    transfers: &[&[("s0:alice", -70), ("s1:bob", 70)], &[("s0:alice", -70), ("s1:carol", 70)]],
    freezes: None,
    ..PAIR
};

/// The same, and one of the two payees has no account: its transfer takes the money from the other, and gives it back.
pub const GHOST: Plan = Plan {
    name: "ghost",
    accounts: &[("s0:alice", 70), ("s1:bob", 0)],
    transfers: &[&[("s0:alice", -70), ("s1:bob", 70)], &[("s0:alice", -70), ("s1:ghost", 70)]],
    ..RIVALS
};

/// Three legs and two, with money for one of the transfers only.
pub const SPLIT_RIVALS: Plan = Plan {
    name: "split rivals",
    accounts: &[("s0:alice", 70), ("s1:bob", 0), ("s0:carol", 0)],
    transfers: &[&[("s0:alice", -70), ("s1:bob", 30), ("s0:carol", 40)], &[("s0:alice", -70), ("s1:bob", 70)]],
    ..RIVALS
};

/// Three legs and two: the second transfer pays with the credit that is held for its payer, and pays the first one's payer.
pub const SPLIT_CHAIN: Plan = Plan {
    name: "split chain",
    accounts: &[("s0:alice", 70), ("s1:bob", 0), ("s0:carol", 0)],
    transfers: &[&[("s0:alice", -70), ("s1:bob", 30), ("s0:carol", 40)], &[("s1:bob", -30), ("s0:alice", 30)]],
    ..RIVALS
};
