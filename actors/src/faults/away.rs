//! Actors that are away.

use crate::message::Address;

/// Who is away: it is at work, but hears nobody, and nobody hears it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Away {
    /// Everybody is there.
    #[default]
    Nobody,
    /// This actor.
    One(Address),
    /// Every transfer's manager.
    Managers,
}

impl Away {
    /// Whether this actor is.
    #[must_use]
    pub fn is(self, address: Address) -> bool {
        match self {
            Self::Nobody => false,
            Self::One(away) => away == address,
            Self::Managers => matches!(address, Address::Manager(_)),
        }
    }
}
