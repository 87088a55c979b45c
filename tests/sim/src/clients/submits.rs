//! Submitting, and asking again until the end is known.

use remit_actors::{
    faults::Chance,
    message::{Address, Message, Standing, Stands, Status, Submit, Tell},
};
use remit_core::{
    id::{AccountId, TransferId},
    money::{Amount, Direction},
    protocol::Protocol,
    transfer::{LegSpec, Outcome},
};

use super::{Client, Town};
use crate::{
    checker::{Violation, violation},
    name,
    plan::Plan,
};

/// After so much silence a client asks again, in milliseconds.
const AGAIN_MS: i64 = 1_500;
/// How many it asks for again at once, at most.
const AGAIN_MAX: usize = 64;

/// A transfer that a client has submitted.
pub(crate) struct Asked {
    submit: Submit,
    /// Whether it was told that it is recorded.
    pub(crate) is_accepted: bool,
    /// The end that it was told.
    pub(crate) end: Option<Outcome>,
}

impl Client {
    /// A burst of new transfers.
    pub(crate) fn submit(
        &mut self,
        plan: &Plan,
        town: &Town,
        now: i64,
        numbers: std::ops::Range<u64>,
    ) -> Vec<(Address, Message)> {
        let mut messages = Vec::new();
        for number in numbers {
            let submit = self.draw(plan, town, number);
            messages.push((town.manager_of(&submit.id), Message::Submit(submit.clone())));
            self.again.push_back((now + AGAIN_MS, submit.id));
            self.order.push(submit.id);
            self.asked.insert(submit.id, Asked { submit, is_accepted: false, end: None });
        }
        messages
    }

    pub(crate) fn has_funded(&self) -> bool {
        self.has_funded
    }

    /// Money for every account, before all else: transfers from the worlds outside.
    pub(crate) fn fund(&mut self, plan: &Plan, town: &Town, now: i64) -> Vec<(Address, Message)> {
        self.has_funded = true;
        let mut messages = Vec::new();
        for (place, account) in town.accounts.iter().enumerate() {
            let world = &town.worlds[place % town.worlds.len()];
            let most = if plan.whales { 1 << 62 } else { 5_000 };
            let amount = self.dice.between(1, most);
            let legs = vec![leg(town, world, Direction::Debit, amount), leg(town, account, Direction::Credit, amount)];
            let number = (1 << 40) + place as u64;
            let submit = self.fill(plan, number, plan.protocols[0], legs);
            messages.push((town.manager_of(&submit.id), Message::Submit(submit.clone())));
            self.again.push_back((now + AGAIN_MS, submit.id));
            self.asked.insert(submit.id, Asked { submit, is_accepted: false, end: None });
        }
        messages
    }

    /// An earlier one once more: the same, or under the same id another one.
    pub(crate) fn repeat(&mut self, plan: &Plan, town: &Town) -> Option<(Address, Message)> {
        let id = *self.order.get(usize::try_from(self.dice.below(self.order.len() as u64)).ok()?)?;
        let asked = self.asked.get(&id)?;
        let (mut submit, is_accepted) = (asked.submit.clone(), asked.is_accepted);
        // Before it is recorded, the other one might be, and the first would be the conflict.
        if is_accepted && self.dice.hits(Chance::percent(30)) {
            submit = Submit { id, ..self.draw(plan, town, 0) };
        }
        submit.ticket = self.ticket();
        Some((town.manager_of(&id), Message::Submit(submit)))
    }

    /// What was silent too long is asked for again.
    pub(crate) fn ask_again(&mut self, town: &Town, now: i64) -> Vec<(Address, Message)> {
        let mut messages = Vec::new();
        while messages.len() < AGAIN_MAX
            && let Some((at, id)) = self.again.front().copied()
            && at <= now
        {
            self.again.pop_front();
            let Some(asked) = self.asked.get(&id).filter(|asked| asked.end.is_none()) else { continue };
            messages.push((town.manager_of(&id), Message::Submit(asked.submit.clone())));
            self.again.push_back((now + AGAIN_MS, id));
        }
        messages
    }

    /// What it is told about one of its transfers.
    pub(crate) fn told(&mut self, standing: &Standing) -> Result<(), Violation> {
        let Some(asked) = self.asked.get_mut(&standing.id) else { return Ok(()) };
        let wrong = |what: String| Err(violation(vec![name(standing.id)], format!("{}: {what}", name(standing.id))));
        let is_own = standing.ticket == asked.submit.ticket;
        match &standing.stands {
            Stands::Recorded(progress) => {
                asked.is_accepted = true;
                let Status::Ended(outcome) = progress.status else { return Ok(()) };
                match asked.end.replace(outcome) {
                    Some(before) if before != outcome => {
                        wrong(format!("a client was told {}, then {}", before.as_str(), outcome.as_str()))
                    }
                    _ => Ok(()),
                }
            }
            Stands::Conflict(fields) if is_own => wrong(format!("the same again is a conflict of {fields:?}")),
            Stands::Conflict(_) | Stands::Overloaded(_) | Stands::Unavailable(_) => Ok(()),
        }
    }

    /// The transfers that it still waits for.
    pub(crate) fn waits_for(&self) -> impl Iterator<Item = TransferId> {
        self.asked.iter().filter(|(_, asked)| asked.end.is_none()).map(|(id, _)| *id)
    }

    /// All that it was told: the transfer, whether it is recorded, and its end.
    pub(crate) fn asked(&self) -> impl Iterator<Item = (TransferId, &Asked)> {
        self.asked.iter().map(|(id, asked)| (*id, asked))
    }

    fn draw(&mut self, plan: &Plan, town: &Town, number: u64) -> Submit {
        let protocol = *self.dice.pick(&plan.protocols);
        if self.dice.hits(plan.purses)
            && let Some(purse) = self.draw_purse()
        {
            // Always the same amount, so that nothing is left in it now and then.
            let other = self.dice.pick(&town.accounts).clone();
            let (from, to) = if self.dice.below(2) == 0 { (&purse, &other) } else { (&other, &purse) };
            let legs = vec![leg(town, from, Direction::Debit, 10), leg(town, to, Direction::Credit, 10)];
            return self.fill(plan, number, protocol, legs);
        }
        let legs = usize::try_from(self.dice.between(2, plan.legs_max)).unwrap_or(2).min(town.accounts.len());
        let debits = if legs == 2 { 1 } else { usize::try_from(self.dice.between(1, legs as u64 - 1)).unwrap_or(1) };
        let accounts = self.draw_accounts(town, legs);
        let most = if plan.whales { 1 << 61 } else { 60 };
        // Round amounts, so that balances return to nothing now and then and accounts can be closed.
        let round = if plan.whales { 1 } else { 10 };
        let (debtors, creditors) = accounts.split_at(debits);
        let parts = (debtors.len() * creditors.len()) as u64;
        let unit = self.dice.between(1, most / round / parts + 1) * round;
        let debit = |id| leg(town, id, Direction::Debit, unit * creditors.len() as u64);
        let credit = |id| leg(town, id, Direction::Credit, unit * debtors.len() as u64);
        let legs = debtors.iter().map(debit).chain(creditors.iter().map(credit)).collect();
        self.fill(plan, number, protocol, legs)
    }

    fn fill(&mut self, plan: &Plan, number: u64, protocol: Protocol, legs: Vec<LegSpec>) -> Submit {
        let deadline_ms = self.dice.between(100, plan.deadline_ms_max);
        let ticket = self.ticket();
        Submit {
            id: id(number, self.no as u64),
            protocol,
            legs,
            memo: None,
            deadline_ms,
            gateway: self.no as u64,
            ticket,
            tell: *self.dice.pick(&[Tell::Accepted, Tell::Both, Tell::End]),
        }
    }

    /// Different accounts, the first ones of the town more often than others; now and then one that is not there.
    fn draw_accounts(&mut self, town: &Town, count: usize) -> Vec<AccountId> {
        let mut accounts: Vec<AccountId> = Vec::with_capacity(count);
        while accounts.len() < count {
            let end = if self.dice.hits(Chance::percent(50)) { 3 } else { town.accounts.len() as u64 };
            let at = usize::try_from(self.dice.below(end)).unwrap_or(0);
            let next = match town.accounts.get(at) {
                _ if self.dice.hits(Chance::percent(1)) => AccountId::parse("s0:nobody").expect("a name"),
                _ if self.dice.hits(Chance::percent(5)) => self.dice.pick(&town.worlds).clone(),
                Some(account) => account.clone(),
                None => continue,
            };
            if !accounts.contains(&next) {
                accounts.push(next);
            }
        }
        accounts
    }
}

fn leg(town: &Town, account: &AccountId, direction: Direction, amount: u64) -> LegSpec {
    let amount = i64::try_from(amount).ok().and_then(Amount::new).expect("amounts are drawn within 62 bits");
    let shard = town.genesis.shard_of(account).expect("every account names its shard");
    LegSpec { account: account.clone(), shard, direction, amount, currency: town.currency }
}

/// Ids that a person can tell apart, and that spread over the partitions.
fn id(number: u64, client: u64) -> TransferId {
    let mut bytes = [0; 16];
    bytes[0] = 1;
    bytes[7] = u8::try_from(client).unwrap_or(0);
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    TransferId(bytes)
}
