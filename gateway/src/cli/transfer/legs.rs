//! A leg as a word of the command line: `debit:alice=10.50`, `credit:s2:bob=4`, `credit:carol=6.50:USD`.

use std::str::FromStr;

use remit_core::{
    id::AccountId,
    money::{Currency, Direction},
};

use crate::cli::words;

/// A leg as it is written; its amount can be read only once the currency's decimals are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WrittenLeg {
    pub(super) direction: Direction,
    pub(super) account: AccountId,
    pub(super) amount: String,
    /// `None`: that of the whole transfer.
    pub(super) currency: Option<Currency>,
}

impl FromStr for WrittenLeg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape =
            || "write a leg as debit:ACCOUNT=AMOUNT or credit:ACCOUNT=AMOUNT, or with :CURRENCY after it".to_owned();
        let (direction, rest) = text.split_once(':').ok_or_else(shape)?;
        let direction = match direction {
            "debit" => Direction::Debit,
            "credit" => Direction::Credit,
            _ => return Err(shape()),
        };
        let (account, amount) = rest.split_once('=').ok_or_else(shape)?;
        let account = AccountId::parse(account).map_err(|error| error.to_string())?;
        let (amount, currency) = match amount.split_once(':') {
            Some((amount, currency)) => (amount, Some(words::currency(currency)?)),
            None => (amount, None),
        };
        Ok(Self { direction, account, amount: amount.to_owned(), currency })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leg_says_direction_account_amount_and_perhaps_currency() {
        let table = [
            ("debit:alice=10.50", Direction::Debit, "alice", "10.50", None),
            ("credit:s2:bob=4", Direction::Credit, "s2:bob", "4", None),
            ("credit:carol=6.50:usd", Direction::Credit, "carol", "6.50", Some("USD")),
        ];
        for (text, direction, account, amount, currency) in table {
            let leg = WrittenLeg {
                direction,
                account: AccountId::parse(account).unwrap(),
                amount: amount.to_owned(),
                currency: currency.and_then(Currency::parse),
            };
            assert_eq!(text.parse(), Ok(leg));
        }
    }

    #[test]
    fn another_shape_is_refused() {
        for wrong in ["", "alice=1", "give:alice=1", "debit:alice", "debit:a b=1", "debit:alice=1:€"] {
            assert!(wrong.parse::<WrittenLeg>().is_err(), "{wrong}");
        }
    }
}
