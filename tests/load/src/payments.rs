//! Which accounts a transfer is between: how many, how often which, and whether they share a database.

use std::{fmt, str::FromStr};

use remit_api::submit::{LegRequest, SubmitRequest};
use remit_core::{
    id::{AccountId, TransferId},
    money::{Amount, Direction},
    transfer::{LEGS_MAX, LEGS_MIN},
};

use crate::{Numbers, account, eur};

/// How often which account.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Skew {
    /// Each as often as any other.
    Uniform,
    /// The n-th most used one 1/n^s as often as the first.
    Zipf(f64),
    /// One account in every transfer; the others as often as each other.
    OneHotAccount,
}

impl FromStr for Skew {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let zipf = |s: &str| s.parse().ok().filter(|s: &f64| (0.0..=10.0).contains(s)).map(Self::Zipf);
        match text {
            "uniform" => Ok(Self::Uniform),
            "one-hot-account" => Ok(Self::OneHotAccount),
            _ => text
                .strip_prefix("zipf:")
                .and_then(zipf)
                .ok_or_else(|| "uniform, zipf:S with S from 0 to 10, or one-hot-account".to_owned()),
        }
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform => f.write_str("uniform"),
            Self::Zipf(s) => write!(f, "zipf:{s:.1}"),
            Self::OneHotAccount => f.write_str("one-hot-account"),
        }
    }
}

/// Draws transfers.
#[derive(Clone, Debug)]
pub struct Payments {
    accounts: u64,
    legs: u64,
    skew: Skew,
    /// Of a hundred transfers, how many are between different shards; `None`: as it comes.
    cross_shard: Option<u64>,
    /// The accounts of each shard, if it matters which shard they are in.
    by_shard: Vec<Vec<u64>>,
    /// The share of the first n accounts, if some are used more than others.
    shares: Vec<f64>,
}

impl Payments {
    /// Transfers of so many legs between so many accounts.
    ///
    /// # Errors
    /// What is out of its range: accounts from `legs` on, legs from 2 to 32, a percentage up to 100.
    pub fn new(accounts: u64, shards: u16, legs: u64, skew: Skew, cross_shard: Option<u64>) -> Result<Self, String> {
        if !(LEGS_MIN as u64..=LEGS_MAX as u64).contains(&legs) {
            return Err(format!("a transfer has {LEGS_MIN} to {LEGS_MAX} legs"));
        }
        if accounts < 2 * legs {
            return Err(format!("transfers of {legs} legs take {} accounts or more", 2 * legs));
        }
        if cross_shard.is_some_and(|percent| percent > 100) {
            return Err("a percentage is 0 to 100".to_owned());
        }
        let mut by_shard = Vec::new();
        if cross_shard.is_some() {
            by_shard.resize(usize::from(shards), Vec::new());
            (0..accounts).for_each(|no| by_shard[usize::from(account(no).hashed_shard(shards).0)].push(no));
        }
        let shares = match skew {
            Skew::Zipf(s) => zipf(accounts, s),
            Skew::Uniform | Skew::OneHotAccount => Vec::new(),
        };
        Ok(Self { accounts, legs, skew, cross_shard, by_shard, shares })
    }

    /// How many accounts there are.
    #[must_use]
    pub fn accounts(&self) -> u64 {
        self.accounts
    }

    /// The next transfer, under this id.
    pub fn draw(&self, id: TransferId, numbers: &mut Numbers) -> SubmitRequest {
        let chosen = self.choose(numbers);
        transfer(id, &chosen, cents(numbers))
    }

    /// Between which accounts the next transfer is, by their numbers: the payer, then the payees.
    pub fn choose(&self, numbers: &mut Numbers) -> Vec<u64> {
        let first = self.pick(numbers);
        // The shard of the first, and whether the others are to be in it too.
        let stays = self.cross_shard.map(|percent| (self.shard_of(first), numbers.below(100) >= percent));
        let mut chosen = vec![first];
        while (chosen.len() as u64) < self.legs {
            let next = match stays {
                Some((shard, true)) if self.by_shard[shard].len() as u64 >= self.legs => {
                    let here = &self.by_shard[shard];
                    here[usize::try_from(numbers.below(here.len() as u64)).unwrap_or(0)]
                }
                _ => self.other(numbers),
            };
            let is_apart = match stays {
                Some((shard, false)) => self.by_shard.len() == 1 || self.shard_of(next) != shard,
                _ => true,
            };
            if is_apart && !chosen.contains(&next) {
                chosen.push(next);
            }
        }
        // Whom the skew prefers pays as often as it is paid.
        if numbers.below(2) == 0 {
            chosen.reverse();
        }
        chosen
    }

    /// The shard that an account is in, by their numbers.
    #[must_use]
    pub fn shard_of(&self, no: u64) -> usize {
        usize::from(account(no).hashed_shard(u16::try_from(self.by_shard.len()).unwrap_or(u16::MAX)).0)
    }

    fn pick(&self, numbers: &mut Numbers) -> u64 {
        if self.skew == Skew::OneHotAccount { 0 } else { self.other(numbers) }
    }

    fn other(&self, numbers: &mut Numbers) -> u64 {
        if self.shares.is_empty() {
            return numbers.below(self.accounts);
        }
        let at = numbers.share();
        self.shares.partition_point(|share| *share < at) as u64
    }
}

/// What a payee of the next transfer receives, in cents.
pub fn cents(numbers: &mut Numbers) -> u64 {
    1 + numbers.below(100)
}

fn transfer(id: TransferId, accounts: &[u64], cents: u64) -> SubmitRequest {
    let amount = |cents: u64| i64::try_from(cents).ok().and_then(Amount::new).expect("a few euros, and not none");
    let (payer, payees) = accounts.split_first().expect("a transfer has two legs or more");
    if let [payee] = payees {
        return SubmitRequest::payment(id, account(*payer), account(*payee), amount(cents), eur());
    }
    let leg = |account: AccountId, direction, cents| LegRequest {
        account,
        direction,
        amount: amount(cents),
        currency: Some(eur()),
    };
    let debit = leg(account(*payer), Direction::Debit, cents * payees.len() as u64);
    let credits = payees.iter().map(|payee| leg(account(*payee), Direction::Credit, cents));
    SubmitRequest::of_legs(id, [debit].into_iter().chain(credits).collect())
}

/// The share of all use that the first n accounts have, for each n.
#[allow(clippy::cast_precision_loss, reason = "a number of accounts is far below 2^52")]
fn zipf(accounts: u64, s: f64) -> Vec<f64> {
    let mut sum = 0.0;
    let mut shares: Vec<f64> = (1..=accounts)
        .map(|n| {
            sum += (n as f64).powf(-s);
            sum
        })
        .collect();
    shares.iter_mut().for_each(|share| *share /= sum);
    // Whatever is drawn below 1 is within.
    if let Some(last) = shares.last_mut() {
        *last = 1.0;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::new_id;

    fn accounts_of(request: &SubmitRequest) -> Vec<AccountId> {
        let named = request.from.iter().chain(&request.to).cloned();
        named.chain(request.legs.iter().flatten().map(|leg| leg.account.clone())).collect()
    }

    #[test]
    fn every_leg_has_an_account_of_its_own() {
        for skew in [Skew::Uniform, Skew::Zipf(1.0), Skew::OneHotAccount] {
            for legs in [2, 5] {
                let payments = Payments::new(20, 4, legs, skew, None).unwrap();
                let mut numbers = Numbers(1);
                for _ in 0..200 {
                    let mut accounts = accounts_of(&payments.draw(new_id(), &mut numbers));
                    assert_eq!(accounts.len() as u64, legs, "{skew}");
                    assert!(skew != Skew::OneHotAccount || accounts.contains(&account(0)));
                    accounts.sort();
                    accounts.dedup();
                    assert_eq!(accounts.len() as u64, legs, "{skew}");
                }
            }
        }
    }

    #[test]
    fn transfers_stay_in_a_shard_or_leave_it_as_asked() {
        for (percent, crossing) in [(0, 0), (100, 300)] {
            let payments = Payments::new(1_000, 4, 2, Skew::Uniform, Some(percent)).unwrap();
            let mut numbers = Numbers(7);
            let crosses = |request: &SubmitRequest| {
                let accounts = accounts_of(request);
                accounts[0].hashed_shard(4) != accounts[1].hashed_shard(4)
            };
            let count = (0..300).filter(|_| crosses(&payments.draw(new_id(), &mut numbers))).count();
            assert_eq!(count, crossing, "{percent} %");
        }
    }

    #[test]
    fn the_first_of_a_zipf_law_is_used_twice_as_often_as_the_second() {
        let payments = Payments::new(1_000, 1, 2, Skew::Zipf(1.0), None).unwrap();
        let mut numbers = Numbers(3);
        let mut counts = [0_u64; 2];
        for _ in 0..100_000 {
            if let Some(count) = usize::try_from(payments.other(&mut numbers)).ok().and_then(|no| counts.get_mut(no)) {
                *count += 1;
            }
        }
        let [first, second] = counts;
        assert!(
            (first..first + first / 5).contains(&(second * 2)) || (second * 2..second * 2 + first / 5).contains(&first)
        );
        assert!(first > 10_000, "{first}");
    }

    #[test]
    fn a_skew_reads_what_it_writes_and_refuses_the_rest() {
        for text in ["uniform", "zipf:1.0", "one-hot-account"] {
            assert_eq!(text.parse::<Skew>().unwrap().to_string(), text);
        }
        for text in ["zipf", "zipf:-1", "zipf:x", "hot"] {
            text.parse::<Skew>().unwrap_err();
        }
    }
}
