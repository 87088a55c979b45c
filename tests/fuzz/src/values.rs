//! Single values of messages. Names come from a small world, so that messages are about the same things; numbers come from
//! everywhere, edges first.

use std::sync::Arc;

use remit_core::{
    account::{Account, Balances, Change, Kind, Refusal, Status},
    id::{AccountId, LegId, LegNo, PartitionNo, Seq, ShardNo, Time, TransferId},
    ledger::Transit,
    leg::{Answer, Misfit, State, Verb},
    mark::LowWater,
    money::{Amount, Currency, Direction},
    protocol::{Protocol, route::Stop},
    reason::Reason,
    transfer::{LegSpec, Outcome},
};

use crate::choices::Choices;

/// The accounts that messages are about; the last is nowhere.
pub const ACCOUNTS: [&str; 7] = ["s0:world", "s0:alice", "s0:bob", "s0:points", "s1:carol", "s1:world", "s0:nobody"];
/// What transfers are about.
pub const CURRENCIES: [&str; 2] = ["EUR", "POINTS"];
/// How many different transfers messages are about.
const TRANSFERS: usize = 12;

/// The id of an account that stands in the code.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn account_id(id: &str) -> AccountId {
    AccountId::parse(id).expect("an account's id")
}

/// A currency that stands in the code.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn currency_code(code: &str) -> Currency {
    Currency::parse(code).expect("a currency's code")
}

/// The transfer of this number.
#[must_use]
pub fn transfer_id(no: u64) -> TransferId {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&no.to_be_bytes());
    TransferId(id)
}

impl Choices<'_> {
    /// An account, which may be nowhere.
    pub fn account(&mut self) -> AccountId {
        account_id(self.one_of::<&str>(&ACCOUNTS))
    }

    /// A currency, most often the first.
    pub fn currency(&mut self) -> Currency {
        currency_code(CURRENCIES[usize::from(self.once_in(4))])
    }

    /// One of a few transfers.
    pub fn transfer(&mut self) -> TransferId {
        let no = self.below(TRANSFERS);
        transfer_id(u64::try_from(no).unwrap_or_default())
    }

    /// A leg, most often one that there is.
    pub fn leg(&mut self) -> LegId {
        let leg = if self.once_in(8) { self.byte() } else { self.byte() % 3 };
        LegId::new(self.transfer(), LegNo(leg))
    }

    /// An amount, often a very great one.
    pub fn amount(&mut self) -> Amount {
        let units = i64::try_from(self.number() >> 1).unwrap_or(i64::MAX);
        Amount::new(units).unwrap_or(Amount::MAX)
    }

    /// Out of an account, or into it.
    pub fn direction(&mut self) -> Direction {
        *self.one_of(&[Direction::Debit, Direction::Credit])
    }

    /// A position in some journal.
    pub fn seq(&mut self) -> Seq {
        Seq(self.number())
    }

    /// A moment of any time.
    pub fn time(&mut self) -> Time {
        Time(self.number().cast_signed())
    }

    /// A shard; there are two.
    pub fn shard(&mut self) -> ShardNo {
        ShardNo(if self.once_in(8) { self.byte().into() } else { u16::from(self.byte() % 2) })
    }

    /// A partition; there is one.
    pub fn partition(&mut self) -> PartitionNo {
        PartitionNo(if self.once_in(8) { self.byte().into() } else { 0 })
    }

    /// One of the three protocols.
    pub fn protocol(&mut self) -> Protocol {
        let no = self.below(3);
        Protocol::all().nth(no).unwrap_or_default()
    }

    /// A short text, not always of letters.
    pub fn text(&mut self) -> Arc<str> {
        const TEXTS: [&str; 6] = ["rent", "", "ü\u{0}x", "a; b", "'; DROP TABLE journal; --", "\u{202e}"];
        (*self.one_of(&TEXTS)).into()
    }

    /// A reason.
    pub fn reason(&mut self) -> Reason {
        *self.one_of(&Reason::ALL)
    }

    /// A verb.
    pub fn verb(&mut self) -> Verb {
        *self.one_of(&Verb::ALL)
    }

    /// A leg's answer.
    pub fn word(&mut self) -> Answer {
        match self.below(8) {
            0 => Answer::Done,
            1 => Answer::Held,
            2 => Answer::Posted,
            3 => Answer::Undone,
            4 => Answer::NeverWas(self.maybe(Self::reason)),
            5 => Answer::Refused(self.reason()),
            6 => Answer::Misfit(Misfit::TermsDiffer),
            _ => Answer::Misfit(Misfit::VerbAgainstRecord),
        }
    }

    /// A leg's state.
    pub fn state(&mut self) -> State {
        match self.below(8) {
            0 => State::Debited,
            1 => State::Credited,
            2 => State::Held,
            3 => State::Refused(self.reason()),
            4 => State::Tombstone(self.verb(), self.maybe(Self::reason)),
            5 => State::Posted,
            6 => State::Released,
            _ => State::Compensated,
        }
    }

    /// How a transfer ended.
    pub fn outcome(&mut self) -> Outcome {
        *self.one_of(&[Outcome::Completed, Outcome::Rejected, Outcome::Compensated])
    }

    /// A mark; most often one that covers everything, which no manager would say.
    pub fn mark(&mut self) -> LowWater {
        LowWater { begun_up_to: self.seq(), except: self.some(3, Self::seq) }
    }

    /// A leg of a submit, most often of a shard that has its account.
    pub fn spec(&mut self) -> LegSpec {
        let account = self.account();
        let own = if account.shard_name() == Some("s1") { ShardNo(1) } else { ShardNo(0) };
        let shard = if self.once_in(8) { self.shard() } else { own };
        LegSpec { account, shard, direction: self.direction(), amount: self.amount(), currency: self.currency() }
    }

    /// A stop of a route.
    pub fn stop(&mut self) -> Stop {
        let LegSpec { account, shard, direction, amount, currency } = self.spec();
        Stop { leg: LegNo(self.byte() % 4), shard, account, direction, amount, currency }
    }

    /// What is asked of an account.
    pub fn change(&mut self) -> Change {
        let overdraft_limit = self.number().cast_signed();
        match self.below(7) {
            0 => {
                let kind = *self.one_of(&[Kind::Customer, Kind::External]);
                Change::Open { currency: self.currency(), kind, overdraft_limit }
            }
            1 => Change::SetOverdraft { overdraft_limit },
            2 => Change::Freeze,
            3 => Change::Unfreeze,
            4 => Change::BeginClose,
            5 => Change::FinishClose,
            _ => Change::AbandonClose,
        }
    }

    /// An account as a shard tells of it.
    pub fn account_state(&mut self) -> Account {
        let mut number = || self.number().cast_signed();
        let balances = Balances { posted: number(), held: number(), incoming: number(), undecided: number() };
        Account {
            currency: self.currency(),
            kind: *self.one_of(&[Kind::Customer, Kind::External]),
            status: *self.one_of(&[Status::Open, Status::Frozen, Status::Closing, Status::Closed]),
            overdraft_limit: self.number().cast_signed(),
            version: self.number(),
            balances,
        }
    }

    /// The sums of a shard.
    pub fn transit(&mut self) -> Transit {
        let mut wide = || i128::from(self.number().cast_signed()) << 64;
        let (posted, held, incoming, undecided) = (wide(), wide(), wide(), wide());
        Transit { balance: self.number().cast_signed(), posted, held, incoming, undecided }
    }

    /// Why a change of an account was refused.
    pub fn refusal(&mut self) -> Refusal {
        *self.one_of(&Refusal::ALL)
    }
}
