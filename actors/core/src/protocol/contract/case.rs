//! The transfers that every protocol is put through.

use alloc::{string::String, vec::Vec};
use core::fmt::{self, Write as _};

use super::{shard::Shard, world::World};
use crate::{
    account::{Kind, Status},
    id::{AccountId, LegNo, ShardNo, Time, TransferId},
    money::{Amount, Currency, Direction},
    protocol::Protocol,
    reason::Reason,
    transfer::{LegSpec, Start},
};

/// 2 to 4 legs over 1 to 3 shards, each as its shard, direction and amount: `0-70` takes 70 in shard 0.
const SMALL: [&str; 10] = [
    "0-70 0+70",
    "0-70 1+70",
    "1+70 0-70",
    "0-70 1+30 2+40",
    "0-30 1-40 2+70",
    "1+70 0-30 0-40",
    "2+30 0-70 1+40",
    "0-70 1+20 2+35 0+15",
    "0-10 1-25 2-35 0+70",
    "0-70 1+70 1-9USD 0+9USD",
];

/// A transfer under a protocol.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) protocol: Protocol,
    text: String,
}

/// The transfer of a case.
pub(super) const ID: TransferId = TransferId([1; 16]);

impl Case {
    pub(super) fn new(protocol: Protocol, text: &str) -> Self {
        Self { protocol, text: text.into() }
    }

    /// All small transfers under all protocols.
    pub(super) fn small() -> impl Iterator<Item = Self> {
        Protocol::all().flat_map(|protocol| SMALL.iter().map(move |text| Self::new(protocol, text)))
    }

    /// 32 legs under all protocols: half and half, one payer, one receiver.
    pub(super) fn large() -> impl Iterator<Item = Self> {
        let row = |legs: &[(usize, char, i64)]| {
            let mut text = String::new();
            for (count, sign, amount) in legs {
                for at in 0..*count {
                    write!(text, "{}{sign}{amount} ", at % 3).expect("a string takes everything");
                }
            }
            text
        };
        let texts = [
            row(&[(16, '-', 5), (16, '+', 5)]),
            row(&[(1, '-', 93), (31, '+', 3)]),
            row(&[(31, '-', 3), (1, '+', 93)]),
        ];
        Protocol::all().flat_map(move |protocol| texts.clone().map(|text| Self::new(protocol, &text)))
    }

    pub(super) fn is_large(&self) -> bool {
        !SMALL.contains(&self.text.as_str())
    }

    pub(super) fn legs(&self) -> Vec<LegSpec> {
        self.text.split_whitespace().enumerate().map(|(no, text)| leg(no, text)).collect()
    }

    pub(super) fn leg_numbers(&self) -> impl Iterator<Item = LegNo> + use<> {
        self.start().leg_numbers()
    }

    pub(super) fn start(&self) -> Start {
        Start::new(ID, self.protocol, self.legs(), None, Time(0), Time(1)).expect("the case's legs balance")
    }

    /// The shards with the accounts of all legs: payers have what they are to pay and nothing more.
    pub(super) fn world(&self) -> World {
        self.world_where(|shard, _, leg| open(shard, leg))
    }

    /// The same, but leg `leg` will be refused for `reason`; `None` if a leg of its direction never is.
    pub(super) fn world_refusing(&self, leg: LegNo, reason: Reason) -> Option<World> {
        let direction = self.start().leg(leg).direction;
        if direction == Direction::Credit && reason == Reason::InsufficientFunds {
            return None;
        }
        Some(self.world_where(|shard, no, spec| {
            if no == leg {
                open_refusing(shard, spec, reason);
            } else {
                open(shard, spec);
            }
        }))
    }

    fn world_where(&self, mut open: impl FnMut(&mut Shard, LegNo, &LegSpec)) -> World {
        let mut shards: [Shard; 3] = Default::default();
        for (no, leg) in (0..).map(LegNo).zip(self.legs()) {
            open(&mut shards[usize::from(leg.shard.0)], no, &leg);
        }
        World::of(shards)
    }
}

fn money(leg: &LegSpec) -> i64 {
    if leg.direction == Direction::Debit { leg.amount.get() } else { 0 }
}

fn open(shard: &mut Shard, leg: &LegSpec) {
    shard.open(&leg.account, leg.currency, Kind::Customer, money(leg));
}

fn open_refusing(shard: &mut Shard, leg: &LegSpec, reason: Reason) {
    match reason {
        Reason::AccountNotFound => {}
        Reason::CurrencyMismatch => {
            let other = Currency::parse("XTS").expect("a currency");
            shard.open(&leg.account, other, Kind::Customer, money(leg));
        }
        Reason::AccountClosed | Reason::AccountFrozen => {
            open(shard, leg);
            let closed = reason == Reason::AccountClosed;
            shard.account(&leg.account).status = if closed { Status::Closed } else { Status::Frozen };
        }
        Reason::InsufficientFunds => shard.open(&leg.account, leg.currency, Kind::Customer, money(leg) - 1),
        Reason::BalanceOverflow => {
            let most = i64::MAX - leg.amount.get() + 1;
            let money = if leg.direction == Direction::Debit { -most } else { most };
            let bank = AccountId::parse("bank").expect("a valid name");
            shard.open(&leg.account, leg.currency, Kind::External, money);
            shard.open(&bank, leg.currency, Kind::External, -money);
        }
        Reason::DeadlinePassed | Reason::Cancelled => unreachable!("no leg is refused for {reason:?}"),
    }
}

fn leg(no: usize, text: &str) -> LegSpec {
    let (shard, rest) = text.split_at(1);
    let digits = rest[1..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |at| at + 1);
    let currency = if digits == rest.len() { "EUR" } else { &rest[digits..] };
    LegSpec {
        account: AccountId::parse(&alloc::format!("s{shard}:leg{no}")).expect("a valid name"),
        shard: ShardNo(shard.parse().expect("a shard's number")),
        direction: if rest.starts_with('-') { Direction::Debit } else { Direction::Credit },
        amount: rest[1..digits].parse().ok().and_then(Amount::new).expect("an amount"),
        currency: Currency::parse(currency).expect("a currency"),
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.protocol, self.text)
    }
}
