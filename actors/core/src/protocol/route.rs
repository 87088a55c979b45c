//! The way of the baton through the shards of a transfer, in the events protocol.

use alloc::{sync::Arc, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    id::{AccountId, LegNo, ShardNo},
    money::{Amount, Currency, Direction},
    transfer::Start,
};

/// The stops in the order of the do's: debits, then credits that are held, then the pivot, each in the request's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route(Arc<[Stop]>);

/// One leg on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// The leg's number in the request.
    pub leg: LegNo,
    /// The shard of its account.
    pub shard: ShardNo,
    /// The account.
    pub account: AccountId,
    /// Out of it or into it.
    pub direction: Direction,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
}

impl Route {
    /// The route that a start record fixes.
    #[must_use]
    pub fn of(start: &Start) -> Self {
        let rank = |leg: LegNo| match start.leg(leg).direction {
            Direction::Debit => 0,
            Direction::Credit if leg != start.pivot() => 1,
            Direction::Credit => 2,
        };
        let mut order: Vec<LegNo> = start.leg_numbers().collect();
        order.sort_by_key(|leg| rank(*leg));
        Self(order.into_iter().map(|leg| Stop::of(start, leg)).collect())
    }

    /// A route of these stops, as a database kept them.
    #[must_use]
    pub fn from_stops(stops: Vec<Stop>) -> Self {
        Self(stops.into())
    }

    /// The stops in order; the last is the pivot.
    #[must_use]
    pub fn stops(&self) -> &[Stop] {
        &self.0
    }

    /// Where on the way a leg is.
    #[must_use]
    pub fn position(&self, leg: LegNo) -> Option<usize> {
        self.0.iter().position(|stop| stop.leg == leg)
    }
}

impl Stop {
    fn of(start: &Start, leg: LegNo) -> Self {
        let spec = start.leg(leg);
        Self {
            leg,
            shard: spec.shard,
            account: spec.account.clone(),
            direction: spec.direction,
            amount: spec.amount,
            currency: spec.currency,
        }
    }
}
