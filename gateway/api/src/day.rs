//! Days of UTC in JSON, as in `2026-11-26`.
//!
//! For `#[serde(with = "day")]`, and `day::optional` for an `Option`.

use std::fmt;

use jiff::civil::Date;
use remit_core::id::Time;
use serde::{Deserializer, Serializer, de};

use crate::time;

/// The milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// A day of UTC, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i64);

/// Reads a day of the years 0000 to 9999.
#[must_use]
pub fn parse(text: &str) -> Option<Day> {
    let is_dashed = text.len() == "2026-11-26".len() && text.bytes().filter(|byte| *byte == b'-').count() == 2;
    let date: Date = text.parse().ok().filter(|_| is_dashed)?;
    let Time(midnight) = time::parse(&format!("{date}T00:00:00Z"))?;
    Some(Day(midnight.div_euclid(DAY_MS)))
}

impl fmt::Display for Day {
    /// As the contract has it. Beyond the years that can be written, the nearest day that can.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let midnight = time::format(Time(self.0.saturating_mul(DAY_MS)));
        f.write_str(midnight.split_once('T').map_or(&*midnight, |(day, _)| day))
    }
}

/// Writes a day.
///
/// # Errors
/// Only the serializer's own.
pub fn serialize<S: Serializer>(day: &Day, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(day)
}

/// Reads a day.
///
/// # Errors
/// A text that is none.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Day, D::Error> {
    deserializer.deserialize_str(Visitor)
}

struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = Day;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a day like 2026-11-26")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Day, E> {
        parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

/// The same where there may be none: `null`, or no field.
pub mod optional {
    use super::{Day, Deserializer, Serializer, de, fmt};

    /// Writes a day, or `null`.
    ///
    /// # Errors
    /// Only the serializer's own.
    pub fn serialize<S: Serializer>(day: &Option<Day>, serializer: S) -> Result<S::Ok, S::Error> {
        match day {
            Some(day) => super::serialize(day, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a day, or `null`.
    ///
    /// # Errors
    /// A text that is none.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Day>, D::Error> {
        deserializer.deserialize_option(Visitor)
    }

    struct Visitor;

    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Option<Day>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            de::Visitor::expecting(&super::Visitor, f)
        }

        fn visit_none<E: de::Error>(self) -> Result<Option<Day>, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Day>, D::Error> {
            super::deserialize(deserializer).map(Some)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_as_it_is_written() {
        let table = [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (20_783, "2026-11-26"),
            (19_782, "2024-02-29"),
            (-719_528, "0000-01-01"),
        ];
        for (day, text) in table {
            assert_eq!(parse(text), Some(Day(day)), "{text}");
            assert_eq!(Day(day).to_string(), text);
        }
        assert_eq!(Day(i64::MAX).to_string(), "9999-12-30");
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for wrong in [
            "",
            "today",
            "2026-11-31",
            "2025-02-29",
            "2026-1-1",
            "20261126",
            "2026-11-26T00:00:00Z",
            "26.11.2026",
            "-2026-11-26",
            "2026-11-2\u{e9}",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
