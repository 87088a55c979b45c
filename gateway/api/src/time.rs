//! Moments in JSON: RFC 3339 in UTC with milliseconds, as in `2026-11-22T22:50:00.000Z`. Read with any offset.
//!
//! For `#[serde(with = "time")]`, and `time::optional` for an `Option`.

use std::fmt;

use jiff::{Timestamp, fmt::temporal::DateTimePrinter};
use remit_core::id::Time;
use serde::{Deserializer, Serializer, de};

const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// Writes a moment as the contract does. Beyond the years that can be written, the nearest that can.
#[must_use]
pub fn format(time: Time) -> String {
    PRINTER.timestamp_to_string(&timestamp(time))
}

/// Reads a moment; what is finer than a millisecond is cut off.
#[must_use]
pub fn parse(text: &str) -> Option<Time> {
    let timestamp: Timestamp = text.parse().ok()?;
    Some(Time(timestamp.as_millisecond()))
}

fn timestamp(Time(ms): Time) -> Timestamp {
    let nearest = if ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
    // By seconds: jiff's own reading of milliseconds leaves out the last second of all.
    let nanoseconds = i32::try_from(ms.rem_euclid(1_000) * 1_000_000).unwrap_or_default();
    Timestamp::new(ms.div_euclid(1_000), nanoseconds).unwrap_or(nearest)
}

/// Writes a moment.
///
/// # Errors
/// Only the serializer's own.
pub fn serialize<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*time))
}

/// Reads a moment.
///
/// # Errors
/// A text that is none.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    deserializer.deserialize_str(Visitor)
}

struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time as in RFC 3339, like 2026-11-22T22:50:00.000Z")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
        parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

/// The same where there may be none: `null`, or no field.
pub mod optional {
    use super::{Deserializer, Serializer, Time, de, fmt};

    /// Writes a moment, or `null`.
    ///
    /// # Errors
    /// Only the serializer's own.
    pub fn serialize<S: Serializer>(time: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a moment, or `null`.
    ///
    /// # Errors
    /// A text that is none.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
        deserializer.deserialize_option(Visitor)
    }

    struct Visitor;

    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Option<Time>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            de::Visitor::expecting(&super::Visitor, f)
        }

        fn visit_none<E: de::Error>(self) -> Result<Option<Time>, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Time>, D::Error> {
            super::deserialize(deserializer).map(Some)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc_with_milliseconds() {
        let table = [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_795_387_800_007, "2026-11-22T22:50:00.007Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (253_402_207_200_990, "9999-12-30T22:00:00.990Z"),
            (-377_705_023_200_001, "-009999-01-02T01:59:59.999Z"),
            (i64::MAX, "9999-12-30T22:00:00.999Z"),
            (i64::MIN, "-009999-01-02T01:59:59.000Z"),
        ];
        for (ms, text) in table {
            assert_eq!(format(Time(ms)), text);
        }
    }

    #[test]
    fn a_moment_is_read_with_any_offset() {
        let moment = Some(Time(1_795_387_800_000));
        for text in [
            "2026-11-22T22:50:00.000Z",
            "2026-11-22T22:50:00Z",
            "2026-11-23T00:50:00+02:00",
            "2026-11-22T22:50:00.0009Z",
        ] {
            assert_eq!(parse(text), moment, "{text}");
        }
        for wrong in ["", "2026-11-22", "2026-11-22T22:50:00", "yesterday", "1795387800000"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
