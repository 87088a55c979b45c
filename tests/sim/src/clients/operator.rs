//! An operator, who gives orders about transfers: mostly after a look at what the shards have recorded, sometimes without.

use remit_actors::{
    faults::{Chance, Dice},
    message::{Address, Ask, Message, Operate, Question},
};
use remit_core::{
    audit::RowLeg,
    id::{LegId, TransferId},
    operator::{Action, Order},
};

use super::Town;
use crate::checker::Checker;

/// The operator's number among the gateways.
pub(crate) const GATEWAY: u64 = u64::MAX - 1;
/// The throws of the operator.
const PURPOSE: u64 = 90;

/// Whoever sits at the buttons.
pub(crate) struct Operator {
    dice: Dice,
    orders: u64,
    last: Option<TransferId>,
}

impl Operator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed, PURPOSE), orders: 0, last: None }
    }

    /// An order about some transfer, if this is the moment; now and then, one that was given before.
    pub(crate) fn order(&mut self, how_likely: Chance, town: &Town, checker: &Checker) -> Option<(Address, Message)> {
        if !how_likely.is_any() || !self.dice.hits(how_likely) {
            return None;
        }
        let id = self.some(checker)?;
        let known = checker.transfers.get(&id)?;
        let start = &known.start;
        let record = |leg| {
            let spec = start.leg(leg);
            let state = known.leg(leg)?.state();
            let (direction, amount, currency) = (spec.direction, spec.amount, spec.currency);
            Some(RowLeg { id: LegId::new(id, leg), state, direction, amount, currency })
        };
        // Whoever does not look must not be able to do harm either.
        let looks = self.dice.hits(Chance::percent(60));
        let legs = if looks { start.leg_numbers().filter_map(record).collect() } else { Vec::new() };
        let action = *self.dice.pick(&Action::ALL);
        let order = Order { action, by: "the operator".into(), why: "to see what comes of it".into() };
        if !self.dice.hits(Chance::percent(20)) {
            self.orders += 1;
        }
        let operate = Operate { id, order, legs, number: self.orders };
        let ask = Ask { ticket: self.orders, from: Address::Gateway(GATEWAY), question: Question::Operate(operate) };
        Some((town.manager_of(&id), Message::Ask(ask)))
    }

    /// One that is open; once in a while, the one before, which may have ended.
    fn some(&mut self, checker: &Checker) -> Option<TransferId> {
        let open: Vec<TransferId> = checker.open().collect();
        if !open.is_empty() && !self.dice.hits(Chance::percent(10)) {
            self.last = Some(*self.dice.pick(&open));
        }
        self.last
    }
}
