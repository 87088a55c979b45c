//! The start record of a transfer: all that later incarnations of its manager must not resolve again.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    id::{AccountId, LegNo, ShardNo, Time, TransferId},
    money::{Amount, Currency, Direction},
    protocol::Protocol,
};

/// The most legs of a transfer.
pub const LEGS_MAX: usize = 32;
/// The least legs of a transfer.
pub const LEGS_MIN: usize = 2;

/// The start record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Start {
    /// The client's id.
    pub id: TransferId,
    /// How it is made all-or-nothing.
    pub protocol: Protocol,
    /// Its legs in the order of the request: 2 to 32, a debit and a credit at least.
    pub(super) legs: Vec<LegSpec>,
    /// The last credit: once it is done, the transfer is.
    pub(super) pivot: LegNo,
    /// What the client wrote beside it.
    pub memo: Option<Arc<str>>,
    /// When it was accepted.
    pub accepted_at: Time,
    /// When it is given up if it has not settled.
    pub deadline_at: Time,
}

/// A start record as it was written, which may be anything.
#[derive(Deserialize)]
struct Written {
    id: TransferId,
    protocol: Protocol,
    legs: Vec<LegSpec>,
    pivot: LegNo,
    memo: Option<Arc<str>>,
    accepted_at: Time,
    deadline_at: Time,
}

impl TryFrom<Written> for Start {
    type Error = InvalidLegs;

    fn try_from(written: Written) -> Result<Self, InvalidLegs> {
        let Written { id, protocol, legs, pivot, memo, accepted_at, deadline_at } = written;
        let start = Self::new(id, protocol, legs, memo, accepted_at, deadline_at)?;
        if start.pivot == pivot { Ok(start) } else { Err(InvalidLegs::Pivot) }
    }
}

/// One leg as the request names it, with the shard that it was resolved to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegSpec {
    /// The account.
    pub account: AccountId,
    /// Its shard.
    pub shard: ShardNo,
    /// Out of it or into it.
    pub direction: Direction,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
}

/// Why legs are no transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidLegs {
    /// Fewer than 2 or more than 32.
    Count,
    /// The account of this leg stands in an earlier one too.
    AccountTwice(usize),
    /// Debits and credits of this currency differ.
    Unbalanced(Currency),
    /// The pivot is not the last credit.
    Pivot,
}

impl fmt::Display for InvalidLegs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count => write!(f, "a transfer has {LEGS_MIN} to {LEGS_MAX} legs"),
            Self::AccountTwice(leg) => write!(f, "the account of leg {leg} stands in an earlier one too"),
            Self::Unbalanced(currency) => write!(f, "the debits and the credits in {currency} differ"),
            Self::Pivot => f.write_str("the pivot is the last credit"),
        }
    }
}

/// Checks that legs make a transfer: 2 to 32, each account once, debits and credits of each currency equal.
///
/// # Errors
/// The first of these that does not hold.
pub fn check_legs<'a>(
    legs: impl ExactSizeIterator<Item = (&'a AccountId, Direction, Amount, Currency)> + Clone,
) -> Result<(), InvalidLegs> {
    if !(LEGS_MIN..=LEGS_MAX).contains(&legs.len()) {
        return Err(InvalidLegs::Count);
    }
    for (at, (account, _, _, currency)) in legs.clone().enumerate() {
        if legs.clone().take(at).any(|(earlier, ..)| earlier == account) {
            return Err(InvalidLegs::AccountTwice(at));
        }
        let of_currency = legs.clone().filter(|(_, _, _, other)| *other == currency);
        let sum: i128 = of_currency.map(|(_, direction, amount, _)| signed(direction, amount)).sum();
        if sum != 0 {
            return Err(InvalidLegs::Unbalanced(currency));
        }
    }
    Ok(())
}

fn signed(direction: Direction, amount: Amount) -> i128 {
    match direction {
        Direction::Debit => -i128::from(amount.get()),
        Direction::Credit => i128::from(amount.get()),
    }
}

impl Start {
    /// A start record.
    ///
    /// # Errors
    /// Legs that are no transfer.
    pub fn new(
        id: TransferId,
        protocol: Protocol,
        legs: Vec<LegSpec>,
        memo: Option<Arc<str>>,
        accepted_at: Time,
        deadline_at: Time,
    ) -> Result<Self, InvalidLegs> {
        check_legs(legs.iter().map(|leg| (&leg.account, leg.direction, leg.amount, leg.currency)))?;
        let last_credit = legs.iter().rposition(|leg| leg.direction == Direction::Credit);
        let pivot = last_credit.expect("balanced legs of positive amounts have a credit");
        let pivot = LegNo(u8::try_from(pivot).expect("there are at most 32 legs"));
        Ok(Self { id, protocol, legs, pivot, memo, accepted_at, deadline_at })
    }

    /// A leg.
    #[must_use]
    pub fn leg(&self, leg: LegNo) -> &LegSpec {
        &self.legs[usize::from(leg.0)]
    }

    /// All legs, in the order of the request.
    #[must_use]
    pub fn legs(&self) -> &[LegSpec] {
        &self.legs
    }

    /// The numbers of all legs.
    pub fn leg_numbers(&self) -> impl Iterator<Item = LegNo> + use<> {
        (0..u8::try_from(self.legs.len()).expect("there are at most 32 legs")).map(LegNo)
    }

    /// The last credit.
    #[must_use]
    pub fn pivot(&self) -> LegNo {
        self.pivot
    }

    /// Whether another request with this id asks for the same: legs, currencies, protocol and memo; names what differs.
    /// Deadline and waiting are not compared.
    #[must_use]
    pub fn differing_fields(&self, other: &Self) -> Vec<&'static str> {
        let mut fields = Vec::new();
        if self.legs != other.legs {
            fields.push("legs");
        }
        if self.protocol != other.protocol {
            fields.push("protocol");
        }
        if self.memo != other.memo {
            fields.push("memo");
        }
        fields
    }
}
