//! The proof, across all databases and without stopping them, that no money was made or lost (R5).
//!
//! Every database balances by itself, so all that could be wrong is between them: money in transit, held or incoming that
//! no open transfer accounts for. What an open transfer accounts for is what its *start record* says each leg is worth in
//! the state that its shard reports, never the amounts in the rows: a leg posted twice would cancel itself out there. Only a transfer whose start can't be read is taken from its
//! rows, and named.

use alloc::{collections::BTreeMap, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    id::{LegId, ShardNo, TransferId},
    ledger::{Entry, Transit},
    leg::State,
    money::{Amount, Currency, Direction},
    transfer::Start,
};

/// What a shard says at one position of its journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardView {
    /// Its in-transit accounts and sums.
    pub totals: Vec<(Currency, Transit)>,
    /// Its legs of the transfers asked for, and of all rows since the audit began.
    pub legs: Vec<(LegId, State)>,
    /// Its legs of transfers whose start can't be read, as its own rows have them.
    pub by_rows: Vec<RowLeg>,
}

/// A leg as its shard's rows have it, for want of a start record (R11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowLeg {
    /// Which leg.
    pub id: LegId,
    /// Where it stands.
    pub state: State,
    /// Out of its account or into it.
    pub direction: Direction,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
}

/// The audit's finding for one currency, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// All balances, in-transit accounts included: 0.
    pub sum: i128,
    /// What the databases say is between them.
    pub in_transit: i128,
    /// What the open transfers say is between them.
    pub in_flight: i128,
    /// Outgoing holds that no open transfer accounts for: 0.
    pub held_drift: i128,
    /// Incoming holds that no open transfer accounts for: 0.
    pub incoming_drift: i128,
}

impl Finding {
    /// What the databases say less what the open transfers say: 0 at every consistent cut.
    #[must_use]
    pub fn drift(&self) -> i128 {
        self.in_transit - self.in_flight
    }

    /// Accounts for a leg of an open transfer.
    fn subtract(&mut self, worth: &Transit) {
        self.in_flight += i128::from(worth.balance);
        self.held_drift -= worth.held;
        self.incoming_drift -= worth.incoming;
    }

    /// Whether all is accounted for.
    #[must_use]
    pub fn is_conserved(&self) -> bool {
        self.sum == 0 && self.drift() == 0 && self.held_drift == 0 && self.incoming_drift == 0
    }
}

/// Compares what the shards report with what the start records of exactly the transfers open, or begun meanwhile, account
/// for.
#[must_use]
pub fn compare<'a>(
    starts: impl IntoIterator<Item = &'a Start>,
    shards: &BTreeMap<ShardNo, ShardView>,
) -> BTreeMap<Currency, Finding> {
    let mut findings: BTreeMap<Currency, Finding> = BTreeMap::new();
    for (currency, transit) in shards.values().flat_map(|view| &view.totals) {
        let finding = findings.entry(*currency).or_default();
        finding.sum += transit.posted + i128::from(transit.balance);
        finding.in_transit += i128::from(transit.balance);
        finding.held_drift += transit.held;
        finding.incoming_drift += transit.incoming;
    }
    let states: BTreeMap<(ShardNo, LegId), State> =
        shards.iter().flat_map(|(shard, view)| view.legs.iter().map(|(leg, state)| ((*shard, *leg), *state))).collect();
    // A transfer may be named both as open and as begun meanwhile; it counts once.
    let starts: BTreeMap<TransferId, &Start> = starts.into_iter().map(|start| (start.id, start)).collect();
    for start in starts.values() {
        for leg in start.leg_numbers() {
            let spec = start.leg(leg);
            let Some(state) = states.get(&(spec.shard, LegId::new(start.id, leg))) else { continue };
            let worth = Transit::worth(*state, spec.direction, spec.amount);
            findings.entry(spec.currency).or_default().subtract(&worth);
        }
    }
    for leg in shards.values().flat_map(|view| &view.by_rows) {
        let worth = Transit::worth(leg.state, leg.direction, leg.amount);
        findings.entry(leg.currency).or_default().subtract(&worth);
    }
    findings
}

impl Transit {
    /// What a leg in a state contributes to its shard's in-transit account and sums, all its records taken together.
    fn worth(state: State, direction: Direction, amount: Amount) -> Self {
        let before = match state {
            State::Posted | State::Released => Some(State::Held),
            State::Compensated => Some(State::Debited),
            _ => None,
        };
        [before, Some(state)].into_iter().flatten().fold(Self::default(), |sum, state| {
            Entry::of(state, direction, amount).on_transit(&sum).expect("one leg's amount fits into 63 bits")
        })
    }
}

#[cfg(test)]
mod tests;
