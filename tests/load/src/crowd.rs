//! Payments as a bank has them: most go through, some must be refused, and some are made by people who can only pass on what
//! they are paid.

use futures::future::try_join_all;
use remit_api::{
    Client, Error,
    account::{ChangeRequest, OpenRequest},
    submit::SubmitRequest,
};
use remit_core::{
    id::{AccountId, ShardNo},
    money::Amount,
};

use crate::{Numbers, Payments, eur, new_id, pay_in, set_up, world};

/// Of a hundred payments, those that a payer without money makes; so many again go to an account that is frozen.
const REFUSED_PERCENT: u64 = 1;
/// Of a hundred payments, those within rings.
const RINGS_PERCENT: u64 = 10;
/// Accounts without money, and accounts that are frozen: several, so that they are in several databases.
const REFUSED_ACCOUNTS: u64 = 8;
/// Accounts of a ring.
const RING: u64 = 4;
/// Each ring makes a payment so many times in a second: seldom enough that the one before has ended, if nothing is wrong.
const RING_RATE: u64 = 4;
/// What goes round a ring, in cents.
const NOTE: i64 = 100;

/// Draws payments; the same ones from the same seed.
///
/// A ring is four accounts of which each, in turn, pays the next one the same amount, all day long; there is that much money in
/// the ring, and no more. A payment of it is refused only if the one before has not brought the money on in time.
#[derive(Clone, Debug)]
pub struct Crowd {
    payments: Payments,
    shards: u16,
    rings: u64,
    numbers: Numbers,
    /// Payments within rings that were drawn so far.
    passed_on: u64,
}

/// A payment to be made.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The request, under a new id.
    pub request: SubmitRequest,
    /// The databases that it touches.
    pub shards: Vec<ShardNo>,
    /// Whether it is within a ring.
    pub is_in_ring: bool,
}

impl Crowd {
    /// A crowd that makes so many payments in a second, in a deployment of so many shards.
    #[must_use]
    pub fn new(payments: Payments, shards: u16, per_second: u64, seed: u64) -> Self {
        let rings = (per_second * RINGS_PERCENT / 100 / RING_RATE).max(1);
        Self { payments, shards, rings, numbers: Numbers(seed), passed_on: 0 }
    }

    /// Opens its accounts, and pays in what they have. Calls `progress` with how many of the ordinary ones are ready.
    ///
    /// # Errors
    /// The deployment does not take an account, or a deposit.
    pub async fn set_up(&self, client: &Client, progress: &(dyn Fn(u64) + Sync)) -> Result<(), Error> {
        set_up(client, self.payments.accounts(), progress).await?;
        let rings = (0..self.rings).flat_map(|ring| (0..RING).map(move |member| in_ring(ring, member)));
        let refused = (0..REFUSED_ACCOUNTS).flat_map(|no| [poor(no), frozen(no)]);
        let open = |id| async move { client.account_open(&OpenRequest::new(id, eur())).await };
        try_join_all(rings.chain(refused).map(open)).await?;
        let freeze = |no| async move { client.account_freeze(&ChangeRequest::new(frozen(no))).await };
        try_join_all((0..REFUSED_ACCOUNTS).map(freeze)).await?;
        let note = |ring| SubmitRequest::payment(new_id(), world(), in_ring(ring, 0), amount(NOTE), eur());
        pay_in(client, (0..self.rings).map(note).collect()).await
    }

    /// The next payment.
    pub fn draw(&mut self) -> Drawn {
        let percent = self.numbers.below(100);
        if percent < RINGS_PERCENT {
            return self.pass_on();
        }
        let mut request = self.payments.draw(new_id(), &mut self.numbers);
        let no = self.numbers.below(REFUSED_ACCOUNTS);
        let percent = percent - RINGS_PERCENT;
        if percent < REFUSED_PERCENT {
            replace_payer(&mut request, poor(no));
        } else if percent < 2 * REFUSED_PERCENT {
            replace_payee(&mut request, frozen(no));
        }
        self.drawn(request, false)
    }

    /// The next ring passes its note on.
    fn pass_on(&mut self) -> Drawn {
        let (ring, turn) = (self.passed_on % self.rings, self.passed_on / self.rings);
        self.passed_on += 1;
        let [from, to] = [turn, turn + 1].map(|turn| in_ring(ring, turn % RING));
        self.drawn(SubmitRequest::payment(new_id(), from, to, amount(NOTE), eur()), true)
    }

    fn drawn(&self, request: SubmitRequest, is_in_ring: bool) -> Drawn {
        let sides = request.from.iter().chain(&request.to);
        let accounts = sides.chain(request.legs.iter().flatten().map(|leg| &leg.account));
        let mut shards: Vec<ShardNo> = accounts.map(|account| account.hashed_shard(self.shards)).collect();
        shards.sort_unstable();
        shards.dedup();
        Drawn { request, shards, is_in_ring }
    }
}

/// The debit is the first of the legs, the last of them a credit.
fn replace_payer(request: &mut SubmitRequest, by: AccountId) {
    match &mut request.legs {
        None => request.from = Some(by),
        Some(legs) => legs.iter_mut().take(1).for_each(|leg| leg.account = by.clone()),
    }
}

fn replace_payee(request: &mut SubmitRequest, by: AccountId) {
    match &mut request.legs {
        None => request.to = Some(by),
        Some(legs) => legs.iter_mut().rev().take(1).for_each(|leg| leg.account = by.clone()),
    }
}

fn named(name: &str) -> AccountId {
    AccountId::parse(name).expect("a short plain name is an id")
}

fn in_ring(ring: u64, member: u64) -> AccountId {
    named(&format!("ring-{ring}-{member}"))
}

fn poor(no: u64) -> AccountId {
    named(&format!("poor-{no}"))
}

fn frozen(no: u64) -> AccountId {
    named(&format!("frozen-{no}"))
}

fn amount(cents: i64) -> Amount {
    Amount::new(cents).expect("it is more than 0")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::Skew;

    fn crowd(legs: u64, seed: u64) -> Crowd {
        Crowd::new(Payments::new(100, 4, legs, Skew::Uniform, None).unwrap(), 4, 1_000, seed)
    }

    #[test]
    fn the_same_seed_draws_the_same_payments_under_other_ids() {
        let draw = |seed| {
            let mut crowd = crowd(3, seed);
            let same = |drawn: Drawn| (drawn.request.from, drawn.request.to, drawn.request.legs, drawn.shards);
            (0..500).map(|_| same(crowd.draw())).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn a_ring_has_always_the_money_for_its_next_payment() {
        let mut crowd = crowd(2, 1);
        let mut has: HashMap<AccountId, i64> = (0..crowd.rings).map(|ring| (in_ring(ring, 0), 1)).collect();
        let mut drawn = 0;
        for request in (0..20_000).map(|_| crowd.draw()).filter(|drawn| drawn.is_in_ring).map(|drawn| drawn.request) {
            let from = has.entry(request.from.unwrap()).or_default();
            *from -= 1;
            assert_eq!(*from, 0);
            *has.entry(request.to.unwrap()).or_default() += 1;
            drawn += 1;
        }
        assert!((1_800..2_200).contains(&drawn), "{drawn}");
    }

    #[test]
    fn some_payers_have_no_money_and_some_payees_can_take_none() {
        for legs in [2, 3] {
            let mut crowd = crowd(legs, 3);
            let (mut poor, mut frozen) = (0, 0);
            for Drawn { request, shards, .. } in (0..10_000).map(|_| crowd.draw()) {
                let debits = request.legs.iter().flatten().take(1).map(|leg| &leg.account);
                poor += request.from.iter().chain(debits).filter(|id| id.to_string().starts_with("poor")).count();
                let credits = request.legs.iter().flatten().skip(1).map(|leg| &leg.account);
                frozen += request.to.iter().chain(credits).filter(|id| id.to_string().starts_with("frozen")).count();
                assert!((1..=usize::try_from(legs).unwrap()).contains(&shards.len()));
            }
            assert!((60..150).contains(&poor) && (60..150).contains(&frozen), "{poor} {frozen}");
        }
    }
}
