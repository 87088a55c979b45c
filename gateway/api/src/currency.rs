//! Which currencies a deployment knows: those of ISO 4217 in use, and those that it declares.

use std::{collections::BTreeMap, fmt};

use remit_core::money::Currency;
use serde::{Deserialize, Serialize};

use crate::{error::Error, iso4217};

/// The most decimals of a currency: with more, one whole unit would not fit into an amount.
pub const DECIMALS_MAX: u8 = 18;

/// All known currencies, each with its number of decimals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Currencies {
    decimals: BTreeMap<Currency, u8>,
}

/// A currency beside those of ISO 4217.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// 3 to 8 of `A-Z 0-9`.
    pub code: Currency,
    /// How many decimals its minor unit stands for: 0 to 18.
    pub decimals: u8,
}

/// Why a declaration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDeclaration {
    /// An amount of it would not fit.
    #[error("{0} can't have more than {DECIMALS_MAX} decimals")]
    TooManyDecimals(Currency),
    /// A person who reads an amount of it would be misled.
    #[error("{0} has {1} decimals by ISO 4217, which can't be declared otherwise")]
    ContradictsIso(Currency, u8),
    /// Two declarations contradict each other.
    #[error("{0} is declared twice, with different decimals")]
    Twice(Currency),
}

impl Currencies {
    /// Those of ISO 4217 alone.
    #[must_use]
    pub fn iso() -> Self {
        let parse = |code| Currency::parse(code).expect("codes of ISO 4217 have three capitals");
        Self { decimals: iso4217::codes().map(|(code, decimals)| (parse(code), decimals)).collect() }
    }

    /// Those of ISO 4217 and these.
    ///
    /// # Errors
    /// The first declaration that can't be.
    pub fn with(declared: impl IntoIterator<Item = Declared>) -> Result<Self, InvalidDeclaration> {
        let iso = Self::iso();
        let mut all = iso.clone();
        for Declared { code, decimals } in declared {
            if decimals > DECIMALS_MAX {
                return Err(InvalidDeclaration::TooManyDecimals(code));
            }
            let known = all.decimals.insert(code, decimals);
            match iso.decimals(code) {
                Some(by_iso) if by_iso != decimals => return Err(InvalidDeclaration::ContradictsIso(code, by_iso)),
                None if known.is_some_and(|known| known != decimals) => return Err(InvalidDeclaration::Twice(code)),
                _ => {}
            }
        }
        Ok(all)
    }

    /// How many decimals its minor unit stands for; `None` if it is not known.
    #[must_use]
    pub fn decimals(&self, currency: Currency) -> Option<u8> {
        self.decimals.get(&currency).copied()
    }

    /// Whether it is known.
    #[must_use]
    pub fn knows(&self, currency: Currency) -> bool {
        self.decimals.contains_key(&currency)
    }

    /// Refuses a currency that is not known, in this field of a request.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn check(&self, currency: Currency, field: impl fmt::Display) -> Result<(), Error> {
        if self.knows(currency) {
            return Ok(());
        }
        let message =
            format!("`{field}`: {currency} is neither a currency of ISO 4217 nor one that this deployment declares");
        Err(Error::invalid(field.to_string(), message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(code: &str, decimals: u8) -> Declared {
        Declared { code: Currency::parse(code).unwrap(), decimals }
    }

    #[test]
    fn a_currency_has_its_decimals() {
        let currencies = Currencies::with([declared("POINTS", 0), declared("XAU", 4)]).unwrap();
        let table =
            [("EUR", Some(2)), ("JPY", Some(0)), ("KWD", Some(3)), ("CLF", Some(4)), ("BGN", None), ("XXX", None)];
        for (code, decimals) in table.into_iter().chain([("POINTS", Some(0)), ("XAU", Some(4))]) {
            assert_eq!(currencies.decimals(Currency::parse(code).unwrap()), decimals, "{code}");
        }
        let points = Currency::parse("POINTS").unwrap();
        let error = Currencies::iso().check(points, format_args!("legs[{}].currency", 3)).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("legs[3].currency"));
    }

    #[test]
    fn a_declaration_contradicts_nothing() {
        let code = |code| Currency::parse(code).unwrap();
        let refused = |all: &[Declared]| Currencies::with(all.iter().copied()).unwrap_err();
        assert_eq!(refused(&[declared("EUR", 3)]), InvalidDeclaration::ContradictsIso(code("EUR"), 2));
        assert_eq!(refused(&[declared("WEI", 19)]), InvalidDeclaration::TooManyDecimals(code("WEI")));
        assert_eq!(refused(&[declared("GOLD", 1), declared("GOLD", 2)]), InvalidDeclaration::Twice(code("GOLD")));
        assert!(Currencies::with([declared("EUR", 2), declared("GOLD", 1), declared("GOLD", 1)]).is_ok());
    }
}
