//! Everything at once, at random: several transfers of all protocols over the same few accounts, whose messages are lost,
//! doubled and out of order, while accounts change and managers die.
//!
//! A walk is a list of choices, so that a failing one is shrunk to the shortest that still fails.

use alloc::vec::Vec;

use proptest::{collection, prelude::*, sample};

use super::{
    shard::Shard,
    world::{Message, Who, World},
};
use crate::{
    account::{self, Change, Kind},
    id::{AccountId, ShardNo, Time, TransferId},
    money::{Amount, Currency, Direction},
    protocol::Protocol,
    reason::Reason,
    transfer::{LegSpec, Start},
};

const SHARDS: u16 = 3;
const CUSTOMERS: [&str; 3] = ["ann", "ben", "cleo"];
/// What each customer has at first: enough for some transfers and not for all.
const MONEY: i64 = 60;

/// More than the longest way of anything that is said, there and back, through four legs.
const HOPS_MAX: usize = 100;

/// One choice; numbers choose among whatever is there, wrapping around.
#[derive(Clone, Debug)]
enum Choice {
    Submit(Plan),
    /// A message arrives; perhaps it will again.
    Deliver {
        message: usize,
        again: bool,
    },
    /// A reply arrives at an incarnation that was thought dead.
    Overhear {
        message: usize,
    },
    Lose {
        message: usize,
    },
    Silence {
        stale: bool,
    },
    GiveUp {
        transfer: usize,
        reason: Reason,
        stale: bool,
    },
    Crash {
        goes_on: bool,
    },
    ChangeAccount {
        account: usize,
        change: Change,
    },
    /// A mark as of now is sent to all shards.
    SendMarks,
}

/// A transfer between some of the customers, who all have the same currency.
#[derive(Clone, Debug)]
struct Plan {
    protocol: usize,
    /// Distinct accounts: the payers, then the receivers.
    accounts: Vec<usize>,
    /// What each payer gives: at least as much as there may be receivers. There is one payer at least and one receiver.
    amounts: Vec<i64>,
    /// By how many places the legs are turned round, so that the pivot may be any of them.
    turned: usize,
}

fn plan() -> impl Strategy<Value = Plan> {
    let all: Vec<usize> = (0..usize::from(SHARDS) * CUSTOMERS.len()).collect();
    (0..3_usize, sample::subsequence(all, 2..=4).prop_shuffle(), collection::vec(3..40_i64, 3), 0..4_usize)
        .prop_map(|(protocol, accounts, amounts, turned)| Plan { protocol, accounts, amounts, turned })
}

fn choice() -> impl Strategy<Value = Choice> {
    let change = prop_oneof![
        (0..50_i64).prop_map(|overdraft_limit| Change::SetOverdraft { overdraft_limit }),
        Just(Change::Freeze),
        Just(Change::Unfreeze),
        Just(Change::BeginClose),
        Just(Change::FinishClose),
        Just(Change::AbandonClose),
    ];
    let reason = prop_oneof![Just(Reason::DeadlinePassed), Just(Reason::Cancelled)];
    let number = 0..1000_usize;
    prop_oneof![
        3 => plan().prop_map(Choice::Submit),
        30 => (number.clone(), any::<bool>()).prop_map(|(message, again)| Choice::Deliver { message, again }),
        3 => number.clone().prop_map(|message| Choice::Overhear { message }),
        2 => number.clone().prop_map(|message| Choice::Lose { message }),
        2 => any::<bool>().prop_map(|stale| Choice::Silence { stale }),
        2 => (number.clone(), reason, any::<bool>())
            .prop_map(|(transfer, reason, stale)| Choice::GiveUp { transfer, reason, stale }),
        1 => any::<bool>().prop_map(|goes_on| Choice::Crash { goes_on }),
        2 => (number, change).prop_map(|(account, change)| Choice::ChangeAccount { account, change }),
        1 => Just(Choice::SendMarks),
    ]
}

/// The world with what is under way in it.
struct Walk {
    world: World,
    flight: Vec<Message>,
}

fn eur() -> Currency {
    Currency::parse("EUR").expect("a currency")
}

/// The shard and id of customer `no`, counted through all shards.
fn customer(no: usize) -> (ShardNo, AccountId) {
    let shard = u16::try_from(no / CUSTOMERS.len()).expect("few") % SHARDS;
    let name = CUSTOMERS[no % CUSTOMERS.len()];
    (ShardNo(shard), AccountId::parse(&alloc::format!("s{shard}:{name}")).expect("a valid name"))
}

impl Walk {
    fn begin() -> Self {
        let mut shards: [Shard; SHARDS as usize] = Default::default();
        for no in 0..usize::from(SHARDS) * CUSTOMERS.len() {
            let (shard, id) = customer(no);
            shards[usize::from(shard.0)].open(&id, eur(), Kind::Customer, MONEY);
        }
        Self { world: World::of(shards), flight: Vec::new() }
    }

    fn take(&mut self, choice: Choice) {
        match choice {
            Choice::Submit(plan) => self.world.submit(self.start(plan)),
            Choice::Deliver { message, again } => {
                if let Some(message) = self.pick(message, again) {
                    self.world.deliver(&message);
                }
            }
            Choice::Overhear { message } => {
                if let Some(Message::Reply(reply)) = self.pick(message, true) {
                    self.world.hear(Who::Stale, reply);
                }
            }
            Choice::Lose { message } => drop(self.pick(message, false)),
            Choice::Silence { stale } => self.world.silence(who(stale)),
            Choice::GiveUp { transfer, reason, stale } => {
                let ids: Vec<TransferId> = self.world.rows.keys().copied().collect();
                if !ids.is_empty() {
                    self.world.give_up(who(stale), ids[transfer % ids.len()], reason);
                }
            }
            Choice::Crash { goes_on } => self.world.crash(goes_on),
            Choice::ChangeAccount { account, change } => self.change(account, change),
            Choice::SendMarks => {
                let mark = self.world.mark();
                self.flight.extend((0..SHARDS).map(|shard| Message::Mark(ShardNo(shard), mark.clone())));
            }
        }
        self.flight.append(&mut self.world.sent);
        self.world.check();
    }

    fn pick(&mut self, message: usize, stays: bool) -> Option<Message> {
        let at = message.checked_rem(self.flight.len())?;
        Some(if stays { self.flight[at].clone() } else { self.flight.swap_remove(at) })
    }

    fn start(&self, plan: Plan) -> Start {
        let payers = plan.amounts.len().min(plan.accounts.len() - 1);
        let receivers = plan.accounts.len() - payers;
        let sum: i64 = plan.amounts[..payers].iter().sum();
        let rest = sum - i64::try_from(receivers).expect("few") + 1;
        let amounts = plan.amounts[..payers].iter().copied().chain([rest]).chain(core::iter::repeat(1));
        let leg = |(at, (account, amount)): (usize, (&usize, i64))| {
            let (shard, account) = customer(*account);
            let direction = if at < payers { Direction::Debit } else { Direction::Credit };
            LegSpec { account, shard, direction, amount: Amount::new(amount).expect("positive"), currency: eur() }
        };
        let mut legs: Vec<LegSpec> = plan.accounts.iter().zip(amounts).enumerate().map(leg).collect();
        let turned = plan.turned % legs.len();
        legs.rotate_left(turned);
        let protocol = Protocol::all().nth(plan.protocol).expect("there are three");
        let no = u8::try_from(self.world.rows.len()).expect("few");
        Start::new(TransferId([no; 16]), protocol, legs, None, Time(0), Time(1)).expect("the plan balances")
    }

    fn change(&mut self, account: usize, change: Change) {
        let (shard, id) = customer(account);
        let shard = self.world.shard(shard);
        let before = shard.account(&id).clone();
        if let Ok(after) = account::decide(Some(&before), change, None) {
            assert_eq!(after.balances, before.balances, "{change:?} moves no money");
            shard.accounts.insert(id, after);
        }
    }

    /// The network is kind from now on: every transfer ends, and when the shards know, nothing is undecided.
    fn come_to_an_end(&mut self) {
        for _ in 0..8 {
            self.world.silence(Who::Live);
            self.flight.append(&mut self.world.sent);
            for hops in 0.. {
                if self.flight.is_empty() {
                    break;
                }
                assert!(hops < HOPS_MAX, "they never stop talking");
                for message in core::mem::take(&mut self.flight) {
                    self.world.deliver(&message);
                    self.flight.append(&mut self.world.sent);
                }
                self.world.check();
            }
        }
        for (id, row) in &self.world.rows {
            assert_eq!(row.parked, None, "{id}");
            assert!(row.end.is_some(), "{id} has no end");
        }
        self.take(Choice::SendMarks);
        for mark in core::mem::take(&mut self.flight) {
            self.world.deliver(&mark);
        }
        self.world.check();
        for transit in self.world.shards.iter().flat_map(|shard| shard.transit.values()) {
            assert_eq!((transit.held, transit.incoming, transit.undecided), (0, 0, 0));
        }
        let between: i64 = self.world.shards.iter().flat_map(|shard| shard.transit.values()).map(|t| t.balance).sum();
        assert_eq!(between, 0, "all money has arrived");
    }
}

fn who(stale: bool) -> Who {
    if stale { Who::Stale } else { Who::Live }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_laws_hold_on_every_walk(choices in collection::vec(choice(), 1..160)) {
        let mut walk = Walk::begin();
        for choice in choices {
            walk.take(choice);
        }
        walk.come_to_an_end();
    }
}
