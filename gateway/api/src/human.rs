//! Amounts as a person writes and reads them, `10.50`: for the command line and what it imports and shows. JSON has minor
//! units only.

use remit_core::money::{Amount, Currency};

use crate::currency::Currencies;

/// Why a written amount is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAmount {
    /// Nobody knows how many decimals it has.
    #[error("{0} is not a currency that is known here")]
    UnknownCurrency(Currency),
    /// Nothing is written.
    #[error("an amount is missing")]
    Empty,
    /// The direction says which way money goes, never a sign.
    #[error("`{0}` has a sign: an amount is written without one")]
    Signed(String),
    /// Half the world reads it otherwise.
    #[error("`{0}` has a comma: write decimals after a point, and no separator of thousands")]
    Comma(String),
    /// Easily misread by a factor of ten.
    #[error("`{0}` has an exponent: write all digits")]
    Exponent(String),
    /// Anything else that is no number.
    #[error("`{0}` is not an amount: write digits, and decimals after a point, as in 10.50")]
    NotANumber(String),
    /// To round it would make or lose money.
    #[error("`{text}` has more decimals than {currency}, which has {decimals}")]
    TooManyDecimals {
        /// What is written.
        text: String,
        /// The currency.
        currency: Currency,
        /// How many it has.
        decimals: u8,
    },
    /// Nothing to move.
    #[error("an amount is more than zero")]
    Zero,
    /// More than 2^63 - 1 minor units.
    #[error("`{0}` is too large: at most 2^63 - 1 minor units")]
    TooLarge(String),
}

impl Currencies {
    /// Reads an amount: `10.50`, or plain `10`.
    ///
    /// # Errors
    /// What a person might have meant otherwise, and zero.
    pub fn parse_human(&self, text: &str, currency: Currency) -> Result<Amount, InvalidAmount> {
        Amount::new(self.parse_human_limit(text, currency)?).ok_or(InvalidAmount::Zero)
    }

    /// Reads what may be zero, such as an overdraft limit, into minor units.
    ///
    /// # Errors
    /// As [`Self::parse_human`].
    pub fn parse_human_limit(&self, text: &str, currency: Currency) -> Result<i64, InvalidAmount> {
        let decimals = self.decimals(currency).ok_or(InvalidAmount::UnknownCurrency(currency))?;
        let given = || text.to_owned();
        if text.is_empty() {
            return Err(InvalidAmount::Empty);
        }
        if text.starts_with(['-', '+', '\u{2212}']) {
            return Err(InvalidAmount::Signed(given()));
        }
        if text.contains(',') {
            return Err(InvalidAmount::Comma(given()));
        }
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        let all_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !fraction.is_none_or(all_digits) {
            let exponent = text.starts_with(|c: char| c.is_ascii_digit())
                && text.bytes().all(|b| b.is_ascii_digit() || b"eE.+-".contains(&b))
                && text.contains(['e', 'E']);
            return Err(if exponent { InvalidAmount::Exponent(given()) } else { InvalidAmount::NotANumber(given()) });
        }
        let fraction = fraction.unwrap_or("");
        if fraction.len() > usize::from(decimals) {
            return Err(InvalidAmount::TooManyDecimals { text: given(), currency, decimals });
        }
        let digits = format!("{whole}{fraction:0<width$}", width = usize::from(decimals));
        digits.parse().map_err(|_| InvalidAmount::TooLarge(given()))
    }

    /// Writes minor units as a person reads them: `10.50`, `-0.05`. Of a currency that is not known: the minor units.
    #[must_use]
    pub fn format(&self, units: i128, currency: Currency) -> String {
        let sign = if units < 0 { "-" } else { "" };
        let units = units.unsigned_abs();
        match self.decimals(currency) {
            None | Some(0) => format!("{sign}{units}"),
            Some(decimals) => {
                let one = 10_u128.pow(decimals.into());
                format!("{sign}{}.{:0width$}", units / one, units % one, width = usize::from(decimals))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::currency::Declared;
    use proptest::prelude::*;

    fn currencies() -> Currencies {
        Currencies::with([Declared { code: code("WEI"), decimals: 18 }]).unwrap()
    }

    fn code(code: &str) -> Currency {
        Currency::parse(code).unwrap()
    }

    #[test]
    fn what_a_person_writes_is_read_exactly() {
        let table = [
            ("10.50", "EUR", 1050),
            ("10.5", "EUR", 1050),
            ("10", "EUR", 1000),
            ("0.01", "EUR", 1),
            ("007.00", "EUR", 700),
            ("10", "JPY", 10),
            ("1.234", "KWD", 1234),
            ("1", "KWD", 1000),
            ("92233720368547758.07", "EUR", i64::MAX),
            ("9.223372036854775807", "WEI", i64::MAX),
        ];
        for (text, currency, units) in table {
            assert_eq!(
                currencies().parse_human(text, code(currency)),
                Ok(Amount::new(units).unwrap()),
                "{text} {currency}"
            );
        }
        assert_eq!(currencies().parse_human_limit("0", code("EUR")), Ok(0));
    }

    #[test]
    fn what_could_mean_something_else_is_refused() {
        let table = [
            ("", "EUR", "an amount is missing"),
            ("-1", "EUR", "`-1` has a sign: an amount is written without one"),
            ("+1", "EUR", "`+1` has a sign: an amount is written without one"),
            ("1,50", "EUR", "`1,50` has a comma: write decimals after a point, and no separator of thousands"),
            ("1,000.00", "EUR", "`1,000.00` has a comma: write decimals after a point, and no separator of thousands"),
            ("1e3", "EUR", "`1e3` has an exponent: write all digits"),
            ("1.5E-1", "EUR", "`1.5E-1` has an exponent: write all digits"),
            (".5", "EUR", "`.5` is not an amount: write digits, and decimals after a point, as in 10.50"),
            ("5.", "EUR", "`5.` is not an amount: write digits, and decimals after a point, as in 10.50"),
            ("1.2.3", "EUR", "`1.2.3` is not an amount: write digits, and decimals after a point, as in 10.50"),
            ("ten", "EUR", "`ten` is not an amount: write digits, and decimals after a point, as in 10.50"),
            ("1 000", "EUR", "`1 000` is not an amount: write digits, and decimals after a point, as in 10.50"),
            ("1_000", "EUR", "`1_000` is not an amount: write digits, and decimals after a point, as in 10.50"),
            ("٣", "EUR", "`٣` is not an amount: write digits, and decimals after a point, as in 10.50"),
            ("10.505", "EUR", "`10.505` has more decimals than EUR, which has 2"),
            ("10.500", "EUR", "`10.500` has more decimals than EUR, which has 2"),
            ("10.0", "JPY", "`10.0` has more decimals than JPY, which has 0"),
            ("0", "EUR", "an amount is more than zero"),
            ("0.00", "EUR", "an amount is more than zero"),
            ("92233720368547758.08", "EUR", "`92233720368547758.08` is too large: at most 2^63 - 1 minor units"),
            ("10", "QQQ", "QQQ is not a currency that is known here"),
        ];
        for (text, currency, message) in table {
            let refused = currencies().parse_human(text, code(currency)).unwrap_err();
            assert_eq!(refused.to_string(), message);
        }
    }

    #[test]
    fn minor_units_are_shown_with_their_decimals() {
        let table = [
            (1050, "EUR", "10.50"),
            (-5, "EUR", "-0.05"),
            (0, "EUR", "0.00"),
            (-10, "JPY", "-10"),
            (1234, "KWD", "1.234"),
            (1050, "QQQ", "1050"),
            (i128::MIN, "JPY", "-170141183460469231731687303715884105728"),
        ];
        for (units, currency, text) in table {
            assert_eq!(currencies().format(units, code(currency)), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_read(units in 1..=i64::MAX, currency in prop::sample::select(vec!["EUR", "JPY", "KWD", "WEI"])) {
            let shown = currencies().format(units.into(), code(currency));
            prop_assert_eq!(currencies().parse_human(&shown, code(currency)).map(Amount::get), Ok(units));
        }
    }
}
