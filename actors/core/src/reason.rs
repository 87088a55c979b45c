//! Why a transfer did not complete; the words are the contract's.

use serde::{Deserialize, Serialize};

/// Why a leg was refused, or a transfer given up. Ordered as the ledger tests them: the first that holds is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No such account in its shard.
    AccountNotFound,
    /// The account is in another currency.
    CurrencyMismatch,
    /// The account is closed, or being closed.
    AccountClosed,
    /// The account is frozen.
    AccountFrozen,
    /// The payer's available balance is smaller than the amount.
    InsufficientFunds,
    /// A balance would leave 63 bits, now or once all that is open is done or undone (R3).
    BalanceOverflow,
    /// The deadline passed before the transfer settled.
    DeadlinePassed,
    /// Someone asked for it to be given up.
    Cancelled,
}

impl Reason {
    /// All reasons, in the order of the ledger's tests.
    pub const ALL: [Self; 8] = [
        Self::AccountNotFound,
        Self::CurrencyMismatch,
        Self::AccountClosed,
        Self::AccountFrozen,
        Self::InsufficientFunds,
        Self::BalanceOverflow,
        Self::DeadlinePassed,
        Self::Cancelled,
    ];

    /// Its word in JSON, in tables and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccountNotFound => "account_not_found",
            Self::CurrencyMismatch => "currency_mismatch",
            Self::AccountClosed => "account_closed",
            Self::AccountFrozen => "account_frozen",
            Self::InsufficientFunds => "insufficient_funds",
            Self::BalanceOverflow => "balance_overflow",
            Self::DeadlinePassed => "deadline_passed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}
