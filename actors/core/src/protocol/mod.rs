//! The three ways to make a transfer all-or-nothing. A fourth is one new file and one line in `Protocol::TABLE`.
//!
//! A protocol is asked one question: *what does the state of this transfer call for now?* It answers from the start
//! record and from what the legs have answered, never from what was sent. So whatever is lost, doubled, late, or
//! forgotten in a crash, asking again gives the same commands again: the state is the outbox.

pub mod events;
mod giving_up;
pub mod route;
pub mod saga;
pub mod two_phase;

#[cfg(test)]
mod contract;

use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    id::LegNo,
    leg::Verb,
    money::Direction,
    reason::Reason,
    transfer::{End, Start, Transfer},
};

/// The rules of one protocol.
pub trait Rules: Sync {
    /// Its word in the contract.
    fn name(&self) -> &'static str;

    /// The do of a leg.
    fn do_verb(&self, start: &Start, leg: LegNo) -> Verb;

    /// What the transfer's state calls for. Names to `ask` each leg and the verb that is due there now; `silent` says
    /// that nobody has answered in time, so that what others should have sent is asked for too.
    fn next(&self, transfer: &Transfer, silent: bool, ask: &mut dyn FnMut(LegNo, Verb)) -> Next;

    /// Whether giving up is a decision that is recorded before anyone is told (R8), or the legs' to decide (R7).
    fn records_decision(&self) -> bool {
        false
    }

    /// Whether shards pass the baton among themselves along a route (R10).
    fn has_route(&self) -> bool {
        false
    }
}

/// What comes after asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Wait for answers.
    Wait,
    /// Record this decision, then ask again what is next.
    Decide(Decision),
    /// Record this end (R9).
    End(End),
}

/// The recorded decision of a two-phase commit; never replaced (R8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// Every leg holds: post them all.
    Commit,
    /// Given up: release them all.
    Abort(Reason),
}

/// A protocol, chosen for each transfer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Protocol(u8);

impl Protocol {
    /// All protocols; the first is the default. The order is stored nowhere: names are.
    const TABLE: [&'static dyn Rules; 3] = [&saga::Saga, &two_phase::TwoPhase, &events::Events];

    /// All protocols, the default first.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::TABLE.len()).filter_map(|no| u8::try_from(no).ok().map(Self))
    }

    /// The protocol of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::all().find(|protocol| protocol.as_str() == name)
    }

    /// Its word in the contract: `saga`, `2pc` or `events`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.rules().name()
    }

    /// Its rules.
    #[must_use]
    pub fn rules(self) -> &'static dyn Rules {
        Self::TABLE[usize::from(self.0)]
    }
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Protocol;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a protocol: saga, 2pc or events")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Protocol, E> {
                Protocol::parse(name).ok_or_else(|| E::invalid_value(de::Unexpected::Str(name), &self))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// The do of a leg where the pivot is a plain credit: the saga's, and the events protocol's along its route.
fn do_verb_with_pivot(start: &Start, leg: LegNo) -> Verb {
    match start.leg(leg).direction {
        Direction::Debit => Verb::Debit,
        Direction::Credit if leg == start.pivot() => Verb::Credit,
        Direction::Credit => Verb::PlaceHold,
    }
}
