//! Double entry inside one shard: what a verb does to balances, and what refuses it.
//!
//! Every posting on an account has its other side on the shard's *in-transit* account of that currency, so each database
//! balances by itself at every commit: the sum of all accounts and the in-transit account is zero, and in-transit is
//! exactly the money that is between databases.

use serde::{Deserialize, Serialize};

use crate::{
    account::{Account, Balances, Kind, Status},
    leg::{Answer, Command, Leg, Misfit, State, Terms, Verdict, verdict},
    money::{Amount, Direction},
    planted,
    reason::Reason,
};

/// The in-transit account of one currency, and the sums over the shard's accounts that it stands against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transit {
    /// Its balance: what left accounts here and has not yet arrived, less what arrived here from elsewhere.
    pub balance: i64,
    /// The sum of `posted` over all accounts; always the exact opposite of `balance`.
    pub posted: i128,
    /// The sum of `held`: what posts may still add to `balance`.
    pub held: i128,
    /// The sum of `incoming`: what posts may still take from `balance`.
    pub incoming: i128,
    /// The sum of `undecided`: what compensations may still take from `balance`.
    pub undecided: i128,
}

/// A balanced change: what a leg's new state does to its account, and the opposite to the in-transit account.
///
/// It has one number for both sides of a posting, so one that does not balance can't be built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    posted: i64,
    held: i64,
    incoming: i64,
}

impl Entry {
    /// What entering `state` does for a leg of this direction and amount.
    #[must_use]
    pub fn of(state: State, direction: Direction, amount: Amount) -> Self {
        let amount = amount.get();
        let signed = match direction {
            Direction::Debit => -amount,
            Direction::Credit => amount,
        };
        let reserve = |amount| match direction {
            Direction::Debit => Self { held: amount, ..Self::default() },
            Direction::Credit => Self { incoming: amount, ..Self::default() },
        };
        match state {
            State::Debited | State::Credited => Self { posted: signed, ..Self::default() },
            State::Compensated => Self { posted: -signed, ..Self::default() },
            State::Held => reserve(amount),
            State::Released => reserve(-amount),
            State::Posted => Self { posted: signed, ..reserve(-amount) },
            State::Refused(_) | State::Tombstone(..) => Self::default(),
        }
    }

    /// Whether it changes anything.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// What it adds to `posted`, in minor units; the opposite of what it adds to the in-transit account.
    #[must_use]
    pub const fn posted(self) -> i64 {
        self.posted
    }

    /// The account's balances after it; `None` where a balance would leave 63 bits.
    #[must_use]
    pub fn on_account(self, before: &Balances) -> Option<Balances> {
        Some(Balances {
            posted: before.posted.checked_add(self.posted)?,
            held: before.held.checked_add(self.held).filter(|held| *held >= 0)?,
            incoming: before.incoming.checked_add(self.incoming).filter(|incoming| *incoming >= 0)?,
            undecided: before.undecided,
        })
    }

    /// The in-transit account after it; `None` where its balance would leave 63 bits.
    #[must_use]
    pub fn on_transit(self, before: &Transit) -> Option<Transit> {
        Some(Transit {
            balance: before.balance.checked_sub(self.posted)?,
            posted: before.posted + i128::from(self.posted),
            held: before.held + i128::from(self.held),
            incoming: before.incoming + i128::from(self.incoming),
            undecided: before.undecided,
        })
    }
}

/// What a command comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The new record of the leg; `None` if nothing changes.
    pub change: Option<Change>,
    /// What its manager is told once the change is durable.
    pub answer: Answer,
}

/// A new record of a leg, with the balances after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The leg's new state.
    pub state: State,
    /// The account's and the in-transit account's money after it; `None` if no money moves or is reserved.
    pub after: Option<(Balances, Transit)>,
}

/// Decides one command from what is recorded: the leg, its account, and the in-transit account of its currency.
///
/// R3 keeps room for every undo and post, as long as managers' marks are true. Should one not fit all the same, nothing
/// changes, and its transfer is parked (R11).
#[must_use]
pub fn decide(command: &Command, leg: Option<&Leg>, account: Option<&Account>, transit: &Transit) -> Decision {
    let terms = &command.terms;
    if leg.is_some_and(|leg| !leg.terms.agree(terms)) {
        return Decision { change: None, answer: Answer::Misfit(Misfit::TermsDiffer) };
    }
    let (state, answer) = match verdict(leg.map(|leg| leg.state), command.verb, command.reason) {
        Verdict::Again(answer) => return Decision { change: None, answer },
        Verdict::Become(state, answer) => (state, answer),
        Verdict::Try => match refusal(command, account, transit) {
            Some(reason) => (State::Refused(reason), Answer::Refused(reason)),
            None => done(command),
        },
    };
    let goes_unrecorded = match state {
        State::Tombstone(..) => planted!(NoTombstone),
        State::Refused(_) => planted!(RefusalNotRecorded),
        _ => false,
    };
    if goes_unrecorded {
        return Decision { change: None, answer };
    }
    if planted!(FrozenRefusesUndos) && account.is_some_and(|account| account.status == Status::Frozen) {
        return Decision { change: None, answer: Answer::Refused(Reason::AccountFrozen) };
    }
    // From here it must succeed.
    let entry = Entry::of(state, terms.direction, terms.amount);
    let money = || Some((entry.on_account(&account?.balances)?, entry.on_transit(transit)?));
    let after = match (entry.is_empty(), money()) {
        (true, _) => None,
        (false, Some(after)) => Some(after),
        (false, None) => return Decision { change: None, answer: Answer::Misfit(Misfit::VerbAgainstRecord) },
    };
    Decision { change: Some(Change { state, after }), answer }
}

fn done(command: &Command) -> (State, Answer) {
    use crate::leg::Verb::{Credit, Debit, PlaceHold};
    match command.verb {
        Debit => (State::Debited, Answer::Done),
        Credit => (State::Credited, Answer::Done),
        PlaceHold => (State::Held, Answer::Held),
        verb => unreachable!("the table tries dos only, not {verb:?}"),
    }
}

/// Why a do can't be done; the cheapest rule first.
fn refusal(command: &Command, account: Option<&Account>, transit: &Transit) -> Option<Reason> {
    let Terms { direction, amount, currency, .. } = command.terms;
    let Some(account) = account else {
        return Some(Reason::AccountNotFound);
    };
    if account.currency != currency {
        return Some(Reason::CurrencyMismatch);
    }
    match account.status {
        Status::Closing | Status::Closed => return Some(Reason::AccountClosed),
        Status::Frozen => return Some(Reason::AccountFrozen),
        Status::Open => {}
    }
    if direction == Direction::Debit
        && account.kind == Kind::Customer
        && account.available().is_some_and(|available| available < i128::from(amount.get()))
    {
        return Some(Reason::InsufficientFunds);
    }
    (!planted!(NoRoomKept) && !leaves_room(command, &account.balances, transit)).then_some(Reason::BalanceOverflow)
}

/// R3: whether, after this do, each balance with all that may still be added to it, and with all that may still be taken
/// from it, and each of these sums, fits into 63 bits; so that no undo and no post can ever fail.
fn leaves_room(command: &Command, balances: &Balances, transit: &Transit) -> bool {
    let (state, _) = done(command);
    let entry = Entry::of(state, command.terms.direction, command.terms.amount);
    let undecided = if state == State::Debited { command.terms.amount.get() } else { 0 };
    let fits = |balance: i128| balance.unsigned_abs() <= u128::from(i64::MAX.unsigned_abs());
    let wide = |low: i64, more: i64| i128::from(low) + i128::from(more);

    let posted = wide(balances.posted, entry.posted);
    let held = wide(balances.held, entry.held);
    let incoming = wide(balances.incoming, entry.incoming);
    let account_undecided = wide(balances.undecided, undecided);
    let account_high = posted + incoming + account_undecided;
    let account_low = posted - held;

    let balance = i128::from(transit.balance) - i128::from(entry.posted);
    let transit_high = balance + transit.held + i128::from(entry.held);
    let transit_low =
        balance - (transit.incoming + i128::from(entry.incoming)) - (transit.undecided + i128::from(undecided));

    [posted, held, incoming, account_undecided, account_high, account_low, balance, transit_high, transit_low]
        .into_iter()
        .all(fits)
}

impl Terms {
    /// Whether a repeat is about the same thing (R2): account, direction, amount, currency and route.
    #[must_use]
    pub fn agree(&self, other: &Self) -> bool {
        self.amount == other.amount
            && self.direction == other.direction
            && self.currency == other.currency
            && self.account == other.account
            && self.route == other.route
    }
}

#[cfg(test)]
mod tests;
