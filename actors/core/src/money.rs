//! Money: whole numbers of a currency's minor units, never a float.

use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What one posting moves: 1 to 2^63 - 1 minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Amount(i64);

impl Amount {
    /// The greatest amount.
    pub const MAX: Self = Self(i64::MAX);

    /// An amount of so many minor units; `None` unless it is 1 or more.
    #[must_use]
    pub const fn new(minor_units: i64) -> Option<Self> {
        if minor_units > 0 { Some(Self(minor_units)) } else { None }
    }

    /// Its minor units: 1 or more.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(i64::deserialize(deserializer)?).ok_or_else(|| de::Error::custom("an amount is 1 or more"))
    }
}

/// A currency's code: 3 to 8 of `A-Z 0-9`, an ISO 4217 code or one that the deployment declares.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 8]);

impl Currency {
    /// Reads a code; `None` if it is none.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        let bytes = code.as_bytes();
        let coded = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit();
        if !(3..=8).contains(&bytes.len()) || !bytes.iter().all(coded) {
            return None;
        }
        let mut padded = [0; 8];
        padded[..bytes.len()].copy_from_slice(bytes);
        Some(Self(padded))
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(self.0.len());
        core::str::from_utf8(&self.0[..end]).expect("only ASCII was let in")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Currency;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a currency code")
            }
            fn visit_str<E: de::Error>(self, code: &str) -> Result<Currency, E> {
                Currency::parse(code).ok_or_else(|| E::custom("a currency code is 3 to 8 of A-Z and 0-9"))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// Which way money goes, always seen from the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Out of the account.
    Debit,
    /// Into the account.
    Credit,
}

impl Direction {
    /// Its word in JSON and in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debit => "debit",
            Self::Credit => "credit",
        }
    }

    /// The other way.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Debit => Self::Credit,
            Self::Credit => Self::Debit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_never_zero_or_less() {
        assert_eq!([1, 0, -1].map(Amount::new), [Some(Amount(1)), None, None]);
        assert_eq!(Amount::new(i64::MAX), Some(Amount::MAX));
    }

    #[test]
    fn a_currency_is_three_to_eight_capitals_or_digits() {
        for code in ["EUR", "USDC", "GOLD2024"] {
            assert_eq!(Currency::parse(code).unwrap().as_str(), code);
        }
        for code in ["", "EU", "eur", "TOOLONGXX", "E R"] {
            assert_eq!(Currency::parse(code), None, "{code}");
        }
    }
}
