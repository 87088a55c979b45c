//! `transfer.submit`: from the body that a client writes to a draft that can be recorded.
//!
//! A body is read by [`crate::body::read`], which refuses what is no such body at all. [`SubmitRequest::check`] then
//! refuses what the body alone shows to be wrong (nothing is recorded of it), applies the defaults, and makes legs of
//! `from`, `to` and `amount`. What depends on the state of accounts is not its business.

use std::sync::Arc;

use remit_core::{
    id::{AccountId, TransferId},
    money::{Amount, Currency, Direction},
    protocol::Protocol,
    transfer::{InvalidLegs, LEGS_MAX, LEGS_MIN, check_legs},
};
use serde::{Deserialize, Serialize};

use crate::{body, currency::Currencies, error::Error, id, number, units};

/// For how long a door waits for the end of a transfer if the request does not say, in milliseconds.
pub const WAIT_MS_DEFAULT: u64 = 5_000;
/// The longest a door waits, in milliseconds; clients and proxies give up about then.
pub const WAIT_MS_MAX: u64 = 60_000;
/// When a transfer is given up if the request does not say, in milliseconds from acceptance.
pub const DEADLINE_MS_DEFAULT: u64 = 30_000;
/// The shortest deadline, in milliseconds; below it a busy moment alone would end transfers.
pub const DEADLINE_MS_MIN: u64 = 100;
/// The longest deadline, in milliseconds: a day.
pub const DEADLINE_MS_MAX: u64 = 86_400_000;
/// The longest memo, in characters.
pub const MEMO_CHARS_MAX: usize = 140;

/// The body: either `from`, `to` and `amount`, or `legs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct SubmitRequest {
    /// Made by the client; the idempotency key.
    #[serde(with = "id::transfer")]
    pub id: TransferId,
    /// Who pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<AccountId>,
    /// Who is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<AccountId>,
    /// How much, in minor units.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "units::optional")]
    pub amount: Option<Amount>,
    /// Of what; with `legs`, the currency of those that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// In place of `from`, `to` and `amount`: 2 to 32.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "body::optional_list")]
    pub legs: Option<Vec<LegRequest>>,
    /// Default: the saga.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// When to answer; default: when it is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Until>,
    /// For how long to wait at most, in milliseconds: 0 to 60,000, default 5,000.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number::optional::<_, 0, { WAIT_MS_MAX }>"
    )]
    pub wait_ms: Option<u64>,
    /// When to give up what has not settled, in milliseconds from acceptance: 100 to 86,400,000, default 30,000.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number::optional::<_, { DEADLINE_MS_MIN }, { DEADLINE_MS_MAX }>"
    )]
    pub deadline_ms: Option<u64>,
    /// For statements: up to 140 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memo: Option<Arc<str>>,
}

/// A leg of the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct LegRequest {
    /// Whose.
    pub account: AccountId,
    /// Out of the account or into it.
    pub direction: Direction,
    /// How much, in minor units.
    #[serde(with = "units")]
    pub amount: Amount,
    /// Of what; default: the body's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
}

/// When a submit is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Until {
    /// When the transfer is on disk at its manager.
    #[default]
    Accepted,
    /// When its end is known.
    Settled,
}

/// A submit that is right as far as its body shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submit {
    /// The transfer.
    pub draft: Draft,
    /// When to answer.
    pub wait: Wait,
}

/// When to answer, defaults applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// What is waited for.
    pub until: Until,
    /// For how long at most, in milliseconds: 0 to 60,000.
    pub ms: u64,
}

/// A transfer that can be recorded: its legs balance, its currencies are known, defaults are applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Made by the client.
    pub id: TransferId,
    /// 2 to 32, each account once, debits and credits of each currency equal. Of `from` and `to`: the debit first.
    pub legs: Vec<Leg>,
    /// How it is made all-or-nothing.
    pub protocol: Protocol,
    /// What the client wrote beside it.
    pub memo: Option<Arc<str>>,
    /// When it is given up, in milliseconds from acceptance.
    pub deadline_ms: u64,
    /// Whether the client wrote `from`, `to` and `amount`, so that errors name those fields.
    pub is_payment: bool,
}

/// A leg of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Whose.
    pub account: AccountId,
    /// Out of the account or into it.
    pub direction: Direction,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
}

impl SubmitRequest {
    /// A payment from one account to another, all else by default.
    #[must_use]
    pub fn payment(id: TransferId, from: AccountId, to: AccountId, amount: Amount, currency: Currency) -> Self {
        let (from, to, amount, currency) = (Some(from), Some(to), Some(amount), Some(currency));
        Self { from, to, amount, currency, ..Self::bare(id) }
    }

    /// A transfer of any legs, all else by default.
    #[must_use]
    pub fn of_legs(id: TransferId, legs: Vec<LegRequest>) -> Self {
        Self { legs: Some(legs), ..Self::bare(id) }
    }

    fn bare(id: TransferId) -> Self {
        Self {
            id,
            from: None,
            to: None,
            amount: None,
            currency: None,
            legs: None,
            protocol: None,
            wait: None,
            wait_ms: None,
            deadline_ms: None,
            memo: None,
        }
    }

    /// Checks all that the body alone can show, cheapest first, and applies the defaults.
    ///
    /// # Errors
    /// `invalid_request` with the field named.
    pub fn check(self, currencies: &Currencies) -> Result<Submit, Error> {
        let wait = Wait::new(self.wait, self.wait_ms)?;
        let draft = self.into_draft(currencies)?;
        Ok(Submit { draft, wait })
    }

    pub(crate) fn into_draft(self, currencies: &Currencies) -> Result<Draft, Error> {
        // Reading refuses these two out of range as well; a request may also have been made by hand.
        let deadline_ms = self.deadline_ms.unwrap_or(DEADLINE_MS_DEFAULT);
        if !(DEADLINE_MS_MIN..=DEADLINE_MS_MAX).contains(&deadline_ms) {
            let message = format!("`deadline_ms` must be {DEADLINE_MS_MIN} to {DEADLINE_MS_MAX}, not {deadline_ms}");
            return Err(Error::invalid("deadline_ms", message));
        }
        if let Some(memo) = self.memo.as_deref() {
            check_memo(memo)?;
        }
        let (id, protocol, memo) = (self.id, self.protocol.unwrap_or_default(), self.memo.clone());
        let is_payment = self.legs.is_none();
        let legs = self.into_legs(currencies)?;
        check_legs(legs.iter().map(|leg| (&leg.account, leg.direction, leg.amount, leg.currency)))
            .map_err(|invalid| explain(invalid, is_payment))?;
        Ok(Draft { id, legs, protocol, memo, deadline_ms, is_payment })
    }

    fn into_legs(self, currencies: &Currencies) -> Result<Vec<Leg>, Error> {
        let Some(legs) = self.legs else {
            let from = self.from.ok_or_else(|| no_side("from"))?;
            let to = self.to.ok_or_else(|| no_side("to"))?;
            let amount = self.amount.ok_or_else(|| no_side("amount"))?;
            let currency = self.currency.ok_or_else(|| Error::missing("currency"))?;
            currencies.check(currency, "currency")?;
            let leg = |account, direction| Leg { account, direction, amount, currency };
            return Ok(vec![leg(from, Direction::Debit), leg(to, Direction::Credit)]);
        };
        let sides = [("from", self.from.is_some()), ("to", self.to.is_some()), ("amount", self.amount.is_some())];
        if let Some((field, _)) = sides.into_iter().find(|(_, given)| *given) {
            return Err(Error::invalid(field, format!("`{field}` can't stand beside `legs`: give one or the other")));
        }
        if let Some(currency) = self.currency {
            currencies.check(currency, "currency")?;
        }
        let resolve = |(at, leg): (usize, LegRequest)| {
            let currency = match leg.currency {
                Some(currency) => currencies.check(currency, format_args!("legs[{at}].currency")).map(|()| currency)?,
                None => self.currency.ok_or_else(|| Error::missing(format!("legs[{at}].currency")))?,
            };
            Ok(Leg { account: leg.account, direction: leg.direction, amount: leg.amount, currency })
        };
        legs.into_iter().enumerate().map(resolve).collect()
    }
}

impl Wait {
    /// Applies the defaults.
    ///
    /// # Errors
    /// A time out of range.
    pub fn new(until: Option<Until>, ms: Option<u64>) -> Result<Self, Error> {
        let ms = ms.unwrap_or(WAIT_MS_DEFAULT);
        if ms > WAIT_MS_MAX {
            return Err(Error::invalid("wait_ms", format!("`wait_ms` must be 0 to {WAIT_MS_MAX}, not {ms}")));
        }
        Ok(Self { until: until.unwrap_or_default(), ms })
    }
}

impl Draft {
    /// The field in which the client wrote a leg's account.
    #[must_use]
    pub fn account_field(&self, leg: usize) -> String {
        match (self.is_payment, leg) {
            (true, 0) => "from".to_owned(),
            (true, _) => "to".to_owned(),
            (false, leg) => format!("legs[{leg}].account"),
        }
    }

    /// The one currency of all legs; `None` if there are several.
    #[must_use]
    pub fn currency(&self) -> Option<Currency> {
        let first = self.legs.first()?.currency;
        self.legs.iter().all(|leg| leg.currency == first).then_some(first)
    }
}

fn check_memo(memo: &str) -> Result<(), Error> {
    // Most memos are short enough in bytes, and then in characters too.
    if memo.len() <= MEMO_CHARS_MAX || memo.chars().count() <= MEMO_CHARS_MAX {
        return Ok(());
    }
    let chars = memo.chars().count();
    Err(Error::invalid("memo", format!("`memo` has {chars} characters; {MEMO_CHARS_MAX} are the most")))
}

fn no_side(field: &str) -> Error {
    Error::invalid(field, format!("`{field}` is missing: give `from`, `to` and `amount`, or `legs`"))
}

fn explain(invalid: InvalidLegs, is_payment: bool) -> Error {
    match invalid {
        InvalidLegs::Count => {
            Error::invalid("legs", format!("a transfer has {LEGS_MIN} to {LEGS_MAX} legs, debits and credits"))
        }
        InvalidLegs::AccountTwice(_) if is_payment => Error::invalid("to", "`from` and `to` must differ"),
        InvalidLegs::AccountTwice(at) => {
            Error::invalid(format!("legs[{at}].account"), "each account may stand in one leg only")
        }
        InvalidLegs::Pivot => Error::invalid("legs", "a transfer has a credit"),
        InvalidLegs::Unbalanced(currency) => {
            Error::invalid("legs", format!("the debits and the credits in {currency} must be equal"))
        }
    }
}
