//! What a shard knows of an account, and the commands that change the account itself (money moves in [`crate::ledger`]).

use serde::{Deserialize, Serialize};

use crate::{money::Currency, planted};

/// An account as its shard knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The currency of all its money.
    pub currency: Currency,
    /// A customer's, or the world outside.
    pub kind: Kind,
    /// Whether it takes new work.
    pub status: Status,
    /// How far below zero a customer's account may go: 0 to 2^63 - 1 minor units.
    pub overdraft_limit: i64,
    /// 1 when opened, and one more with every change by an account command; postings do not count.
    pub version: u64,
    /// Its money.
    pub balances: Balances,
}

/// The money of an account, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balances {
    /// What the journal says.
    pub posted: i64,
    /// What outgoing holds reserve: what may still be taken.
    pub held: i64,
    /// What incoming holds will add once posted.
    pub incoming: i64,
    /// Debits of transfers not known to have ended, which a compensation may still give back (R3).
    pub undecided: i64,
}

/// Whose account it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Never below `-overdraft_limit`.
    Customer,
    /// The world outside: may go below zero without limit, so that a deposit is a transfer like any other.
    External,
}

/// Whether an account takes new debits, credits and holds. Undos and posts it always takes (R3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It does.
    Open,
    /// It refuses them until it is unfrozen.
    Frozen,
    /// It refuses them while every manager is asked whether anything is still in flight (R4).
    Closing,
    /// It refuses them for ever.
    Closed,
}

impl Kind {
    /// Its word in JSON and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::External => "external",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Customer, Self::External].into_iter().find(|kind| kind.as_str() == word)
    }
}

impl Status {
    /// Its word in JSON and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Frozen => "frozen",
            Self::Closing => "closing",
            Self::Closed => "closed",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Open, Self::Frozen, Self::Closing, Self::Closed].into_iter().find(|status| status.as_str() == word)
    }
}

impl Account {
    /// What may be spent: posted, and the overdraft, less what holds reserve. `None` for an external account, which has
    /// no limit. Incoming holds do not raise it: that money may still be taken back.
    #[must_use]
    pub fn available(&self) -> Option<i128> {
        match self.kind {
            Kind::Customer => {
                let mut own = i128::from(self.balances.posted) - i128::from(self.balances.held);
                if planted!(IncomingIsAvailable) {
                    own += i128::from(self.balances.incoming);
                }
                Some(own + i128::from(self.overdraft_limit))
            }
            Kind::External => None,
        }
    }

    /// Whether nothing is posted, held or incoming. Whether a debit may still come back, the managers know (R4).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Balances { posted, held, incoming, .. } = self.balances;
        (posted, held, incoming) == (0, 0, 0)
    }
}

/// A command that changes an account itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Opens it; the same again changes nothing.
    Open {
        /// The currency of all its money.
        currency: Currency,
        /// A customer's, or the world outside.
        kind: Kind,
        /// 0 to 2^63 - 1 minor units.
        overdraft_limit: i64,
    },
    /// Sets how far below zero it may go.
    SetOverdraft {
        /// 0 to 2^63 - 1 minor units.
        overdraft_limit: i64,
    },
    /// Refuses new debits, credits and holds.
    Freeze,
    /// Takes them again.
    Unfreeze,
    /// Begins to close (R4): refuses them while the managers are asked.
    BeginClose,
    /// Nothing is in flight: closed for ever.
    FinishClose,
    /// It did not come free in time: open again.
    AbandonClose,
}

impl Change {
    /// Its word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::SetOverdraft { .. } => "set_overdraft",
            Self::Freeze => "freeze",
            Self::Unfreeze => "unfreeze",
            Self::BeginClose => "begin_close",
            Self::FinishClose => "finish_close",
            Self::AbandonClose => "abandon_close",
        }
    }
}

/// Why an account command changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// There is no such account.
    NotFound,
    /// `if_version` names another version than the account has.
    VersionDiffers,
    /// It was opened with another currency.
    OpenedWithOtherCurrency,
    /// It was opened as the other kind.
    OpenedWithOtherKind,
    /// It was opened with another overdraft limit.
    OpenedWithOtherOverdraft,
    /// An external account has no limit that could be set.
    ExternalHasNoOverdraft,
    /// More than the new limit is already used.
    OverdraftInUse,
    /// It is being closed.
    IsClosing,
    /// It is closed for ever.
    IsClosed,
    /// Money is posted, held, incoming or in flight.
    NotFree,
    /// The `command_id` is another command's.
    CommandIdReused,
}

impl Refusal {
    /// All refusals.
    pub const ALL: [Self; 11] = [
        Self::NotFound,
        Self::VersionDiffers,
        Self::OpenedWithOtherCurrency,
        Self::OpenedWithOtherKind,
        Self::OpenedWithOtherOverdraft,
        Self::ExternalHasNoOverdraft,
        Self::OverdraftInUse,
        Self::IsClosing,
        Self::IsClosed,
        Self::NotFree,
        Self::CommandIdReused,
    ];

    /// Its word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "account_not_found",
            Self::VersionDiffers => "version_differs",
            Self::OpenedWithOtherCurrency => "opened_with_other_currency",
            Self::OpenedWithOtherKind => "opened_with_other_kind",
            Self::OpenedWithOtherOverdraft => "opened_with_other_overdraft",
            Self::ExternalHasNoOverdraft => "external_has_no_overdraft",
            Self::OverdraftInUse => "overdraft_in_use",
            Self::IsClosing => "account_is_closing",
            Self::IsClosed => "account_is_closed",
            Self::NotFree => "account_not_free",
            Self::CommandIdReused => "command_id_reused",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.as_str() == word)
    }

    /// The field of the request that it is about.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::VersionDiffers => "if_version",
            Self::OpenedWithOtherCurrency => "currency",
            Self::OpenedWithOtherKind => "kind",
            Self::OpenedWithOtherOverdraft | Self::ExternalHasNoOverdraft | Self::OverdraftInUse => "overdraft_limit",
            Self::CommandIdReused => "command_id",
            Self::NotFound | Self::IsClosing | Self::IsClosed | Self::NotFree => "id",
        }
    }
}

/// Decides an account command: the account as it is afterwards, the same one if there was nothing to change.
///
/// # Errors
/// Why it is refused; refused first for what is cheapest to see.
pub fn decide(account: Option<&Account>, change: Change, if_version: Option<u64>) -> Result<Account, Refusal> {
    let Some(account) = account else {
        return open(change, if_version);
    };
    if if_version.is_some_and(|version| version != account.version) {
        return Err(Refusal::VersionDiffers);
    }
    let with = |status| Account { status, version: account.version + 1, ..account.clone() };
    match (change, account.status) {
        (Change::Open { currency, .. }, _) if currency != account.currency => Err(Refusal::OpenedWithOtherCurrency),
        (Change::Open { kind, .. }, _) if kind != account.kind => Err(Refusal::OpenedWithOtherKind),
        (Change::Open { overdraft_limit, .. }, _) if overdraft_limit != account.overdraft_limit => {
            Err(Refusal::OpenedWithOtherOverdraft)
        }
        (Change::Open { .. } | Change::BeginClose | Change::FinishClose, Status::Closed) => Ok(account.clone()),
        (_, Status::Closed) => Err(Refusal::IsClosed),

        (Change::FinishClose, Status::Closing) if account.is_empty() => Ok(with(Status::Closed)),
        (Change::FinishClose, _) => Err(Refusal::NotFree),
        (Change::AbandonClose, Status::Closing) => Ok(with(Status::Open)),
        (Change::Open { .. } | Change::AbandonClose, _) => Ok(account.clone()),

        (_, Status::Closing) => Err(Refusal::IsClosing),
        (Change::SetOverdraft { .. }, _) if account.kind == Kind::External => Err(Refusal::ExternalHasNoOverdraft),
        (Change::SetOverdraft { overdraft_limit }, _) if overdraft_limit == account.overdraft_limit => {
            Ok(account.clone())
        }
        (Change::SetOverdraft { overdraft_limit }, status) => {
            let lowered = Account { overdraft_limit, ..with(status) };
            if lowered.available().is_some_and(|available| available < 0) {
                return Err(Refusal::OverdraftInUse);
            }
            Ok(lowered)
        }
        (Change::Freeze, Status::Frozen) | (Change::Unfreeze, Status::Open) => Ok(account.clone()),
        (Change::Freeze, Status::Open) => Ok(with(Status::Frozen)),
        (Change::Unfreeze, Status::Frozen) => Ok(with(Status::Open)),
        // What is plainly in use is refused at once; what is undecided may come free while the managers are asked.
        (Change::BeginClose, _) if account.balances.posted != 0 => Err(Refusal::NotFree),
        (Change::BeginClose, _) if account.balances.held != 0 || account.balances.incoming != 0 => {
            Err(Refusal::NotFree)
        }
        (Change::BeginClose, _) => Ok(with(Status::Closing)),
    }
}

fn open(change: Change, if_version: Option<u64>) -> Result<Account, Refusal> {
    let Change::Open { currency, kind, overdraft_limit } = change else {
        return Err(Refusal::NotFound);
    };
    if if_version.is_some_and(|version| version != 0) {
        return Err(Refusal::VersionDiffers);
    }
    if kind == Kind::External && overdraft_limit != 0 {
        return Err(Refusal::ExternalHasNoOverdraft);
    }
    let balances = Balances::default();
    Ok(Account { currency, kind, status: Status::Open, overdraft_limit, version: 1, balances })
}

#[cfg(test)]
mod tests;
