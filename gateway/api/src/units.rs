//! Minor units in JSON: an integer up to 2^53 - 1 in magnitude, a string of digits above, since many JSON readers keep
//! numbers as floats and would round what is greater. Read either way at any size; never a float.
//!
//! For `#[serde(with = "units")]`, and `units::optional` for an `Option`.

use std::fmt;

use remit_core::money::Amount;
use serde::{Deserializer, Serialize, Serializer, de};

/// The greatest magnitude that is written as an integer: 2^53 - 1.
pub const INTEGER_MAX: i128 = (1 << 53) - 1;

/// A number of minor units with its range.
pub trait Units: Copy {
    /// What it is, in a message.
    const WHAT: &'static str;
    /// The least.
    const MIN: i128;
    /// The greatest.
    const MAX: i128;

    /// Its minor units.
    fn to_i128(self) -> i128;
    /// Of so many minor units; `None` if out of range.
    fn from_i128(units: i128) -> Option<Self>;
}

impl Units for Amount {
    const WHAT: &'static str = "an amount";
    const MIN: i128 = 1;
    const MAX: i128 = i64::MAX as i128;

    fn to_i128(self) -> i128 {
        self.get().into()
    }

    fn from_i128(units: i128) -> Option<Self> {
        Self::new(units.try_into().ok()?)
    }
}

/// A balance.
impl Units for i64 {
    const WHAT: &'static str = "a balance";
    const MIN: i128 = i64::MIN as i128;
    const MAX: i128 = i64::MAX as i128;

    fn to_i128(self) -> i128 {
        self.into()
    }

    fn from_i128(units: i128) -> Option<Self> {
        units.try_into().ok()
    }
}

/// A sum over balances.
impl Units for i128 {
    const WHAT: &'static str = "a sum";
    const MIN: i128 = i128::MIN;
    const MAX: i128 = i128::MAX;

    fn to_i128(self) -> i128 {
        self
    }

    fn from_i128(units: i128) -> Option<Self> {
        Some(units)
    }
}

/// How far below zero an account may go.
#[derive(Clone, Copy, Debug)]
struct Limit(i64);

impl Units for Limit {
    const WHAT: &'static str = "an overdraft limit";
    const MIN: i128 = 0;
    const MAX: i128 = i64::MAX as i128;

    fn to_i128(self) -> i128 {
        self.0.into()
    }

    fn from_i128(units: i128) -> Option<Self> {
        i64::try_from(units).ok().filter(|units| *units >= 0).map(Self)
    }
}

/// Writes minor units.
///
/// # Errors
/// Only the serializer's own.
pub fn serialize<T: Units, S: Serializer>(units: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let units = units.to_i128();
    match i64::try_from(units) {
        Ok(small) if units.abs() <= INTEGER_MAX => serializer.serialize_i64(small),
        _ => serializer.collect_str(&units),
    }
}

/// Reads minor units.
///
/// # Errors
/// A float, a text that is not all digits, or a number out of range.
pub fn deserialize<'de, T: Units, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(Visitor(std::marker::PhantomData))
}

/// Reads an overdraft limit: 0 to 2^63 - 1.
///
/// # Errors
/// As [`deserialize`].
pub fn deserialize_limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    deserialize::<Limit, D>(deserializer).map(|limit| limit.0)
}

struct Visitor<T>(std::marker::PhantomData<T>);

impl<T: Units> Visitor<T> {
    fn make<E: de::Error>(&self, units: i128, unexpected: de::Unexpected<'_>) -> Result<T, E> {
        T::from_i128(units).ok_or_else(|| E::invalid_value(unexpected, self))
    }
}

impl<T: Units> de::Visitor<'_> for Visitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = "as an integer or a string of digits";
        write!(f, "{} in minor units, a whole number from {} to {}, {form}", T::WHAT, T::MIN, T::MAX)
    }

    fn visit_u64<E: de::Error>(self, units: u64) -> Result<T, E> {
        self.make(units.into(), de::Unexpected::Unsigned(units))
    }

    fn visit_i64<E: de::Error>(self, units: i64) -> Result<T, E> {
        self.make(units.into(), de::Unexpected::Signed(units))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let units = text.parse().ok().filter(|_| all_digits);
        let units = units.ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))?;
        self.make(units, de::Unexpected::Str(text))
    }
}

/// The same where there may be none: `null`, or no field.
pub mod optional {
    use super::{Deserializer, Limit, Serialize, Serializer, Units, de, fmt};

    struct Written<T>(T);

    impl<T: Units> Serialize for Written<T> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            super::serialize(&self.0, serializer)
        }
    }

    /// Writes minor units, or `null`.
    ///
    /// # Errors
    /// Only the serializer's own.
    pub fn serialize<T: Units, S: Serializer>(units: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        units.map(Written).serialize(serializer)
    }

    /// Reads minor units, or `null`.
    ///
    /// # Errors
    /// As [`super::deserialize`].
    pub fn deserialize<'de, T: Units, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_option(Visitor(std::marker::PhantomData))
    }

    /// Reads an overdraft limit, or `null`.
    ///
    /// # Errors
    /// As [`super::deserialize`].
    pub fn deserialize_limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        deserialize::<Limit, D>(deserializer).map(|limit| limit.map(|limit| limit.0))
    }

    struct Visitor<T>(std::marker::PhantomData<T>);

    impl<'de, T: Units> de::Visitor<'de> for Visitor<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            de::Visitor::expecting(&super::Visitor::<T>(std::marker::PhantomData), f)
        }

        fn visit_none<E: de::Error>(self) -> Result<Option<T>, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
            super::deserialize(deserializer).map(Some)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(bound = "T: Units")]
    struct Body<T> {
        #[serde(with = "super")]
        units: T,
        #[serde(with = "super::optional", default)]
        more: Option<T>,
    }

    fn read<T: Units>(value: &str) -> Result<T, String> {
        let body = format!(r#"{{"units":{value}}}"#);
        serde_json::from_str::<Body<T>>(&body).map(|body| body.units).map_err(|error| error.to_string())
    }

    #[test]
    fn what_exceeds_a_floats_precision_is_written_as_a_string() {
        let table: [(i128, &str); 7] = [
            (0, "0"),
            (-1050, "-1050"),
            (INTEGER_MAX, "9007199254740991"),
            (-INTEGER_MAX, "-9007199254740991"),
            (INTEGER_MAX + 1, "\"9007199254740992\""),
            (-INTEGER_MAX - 1, "\"-9007199254740992\""),
            (i128::MAX, "\"170141183460469231731687303715884105727\""),
        ];
        for (units, json) in table {
            let body = serde_json::to_string(&Body { units, more: None }).unwrap();
            assert_eq!(body, format!(r#"{{"units":{json},"more":null}}"#));
        }
    }

    #[test]
    fn an_amount_is_a_whole_number_of_one_or_more() {
        for good in ["1", "\"1\"", "9223372036854775807", "\"9223372036854775807\"", "\"0042\""] {
            assert!(read::<Amount>(good).is_ok(), "{good}");
        }
        let wrong = [
            "0",
            "-1",
            "10.5",
            "1e3",
            "1.0",
            "9223372036854775808",
            "\"9223372036854775808\"",
            "\"\"",
            "\"-\"",
            "\"+1\"",
            "\"10.50\"",
            "\" 1\"",
            "\"1_000\"",
            "\"-5\"",
            "true",
            "null",
            "[1]",
            "\"1e3\"",
            "18446744073709551616",
        ];
        for wrong in wrong {
            assert!(read::<Amount>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_message_says_what_is_allowed() {
        let message = read::<Amount>("10.5").unwrap_err();
        let expected = "invalid type: floating point `10.5`, expected an amount in minor units, a whole number from 1 to \
                        9223372036854775807, as an integer or a string of digits";
        assert!(message.starts_with(expected), "{message}");
    }

    proptest! {
        #[test]
        fn an_amount_reads_what_it_writes(units in 1..=i64::MAX) {
            let body = Body { units: Amount::new(units).unwrap(), more: Amount::new(i64::MAX - units) };
            let json = serde_json::to_string(&body).unwrap();
            prop_assert_eq!(serde_json::from_str::<Body<Amount>>(&json).unwrap(), body);
        }

        #[test]
        fn a_balance_and_a_sum_read_what_they_write(units: i64, sum: i128) {
            let body = Body { units, more: Some(units) };
            let json = serde_json::to_string(&body).unwrap();
            prop_assert_eq!(serde_json::from_str::<Body<i64>>(&json).unwrap(), body);
            let body = Body { units: sum, more: None };
            let json = serde_json::to_string(&body).unwrap();
            prop_assert_eq!(serde_json::from_str::<Body<i128>>(&json).unwrap(), body);
        }
    }
}
