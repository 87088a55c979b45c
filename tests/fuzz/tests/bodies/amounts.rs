//! Amounts as people write them, `10.50`: read exactly or not at all, and shown so that they can be read again.

use remit_api::human::InvalidAmount;
use remit_core::money::Amount;
use remit_fuzz::choices::Choices;

use crate::kinds::{code_of, currencies};

const CURRENCIES: [&str; 7] = ["EUR", "JPY", "KWD", "CLF", "WEI", "POINTS", "QQQ"];

pub(crate) const SEEDS: [&str; 8] =
    ["10.50", "007.00", "92233720368547758.07", "0.00", "1e3", "-1", "1,000.00", "9223372036854775808"];

pub(crate) fn check(choices: &mut Choices<'_>) {
    let code = code_of(choices.one_of::<&str>(&CURRENCIES));
    let (currencies, mut written) = (currencies(), choices.clone());
    let text = String::from_utf8_lossy(choices.rest());
    let read = currencies.parse_human_limit(&text, code);
    match currencies.decimals(code) {
        Some(decimals) => assert_eq!(read.as_ref().ok(), by_digits(&text, decimals).as_ref(), "{text} {code}"),
        None => assert_eq!(read, Err(InvalidAmount::UnknownCurrency(code))),
    }
    match read {
        Ok(units) => {
            assert_eq!(currencies.parse_human_limit(&currencies.format(units.into(), code), code), Ok(units));
            assert_eq!(currencies.parse_human(&text, code), Amount::new(units).ok_or(InvalidAmount::Zero));
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert_eq!(currencies.parse_human(&text, code), Err(error));
        }
    }
    let units = i128::from_le_bytes(written.array());
    assert!(!currencies.format(units, code).is_empty());
}

/// The same by counting digits: whole units, then what is after the point.
fn by_digits(text: &str, decimals: u8) -> Option<i64> {
    let (mut units, mut point) = (0_u128, None);
    let mut last = '.';
    for (at, c) in text.chars().enumerate() {
        match c {
            '0'..='9' => units = units.checked_mul(10)?.checked_add(c.to_digit(10)?.into())?,
            '.' if point.is_none() && at > 0 => point = Some(at + 1),
            _ => return None,
        }
        last = c;
    }
    let after = text.len() - point.unwrap_or(text.len());
    let missing = usize::from(decimals).checked_sub(after)?;
    if last == '.' {
        return None;
    }
    i64::try_from(units.checked_mul(10_u128.checked_pow(u32::try_from(missing).ok()?)?)?).ok()
}
