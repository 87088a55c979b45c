//! Small whole numbers in a request, refused out of range with the range named.
//!
//! For `#[serde(deserialize_with = "number::optional::<_, 0, 60_000>")]`.

use std::fmt;

use serde::{Deserializer, de};

/// Reads a whole number from `MIN` to `MAX`, or `null`.
///
/// # Errors
/// Anything else.
pub fn optional<'de, D, const MIN: u64, const MAX: u64>(deserializer: D) -> Result<Option<u64>, D::Error>
where
    D: Deserializer<'de>,
{
    deserializer.deserialize_option(Optional::<MIN, MAX>)
}

struct Optional<const MIN: u64, const MAX: u64>;

impl<'de, const MIN: u64, const MAX: u64> de::Visitor<'de> for Optional<MIN, MAX> {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        de::Visitor::expecting(&Whole::<MIN, MAX>, f)
    }

    fn visit_none<E: de::Error>(self) -> Result<Option<u64>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<u64>, D::Error> {
        deserializer.deserialize_u64(Whole::<MIN, MAX>).map(Some)
    }
}

struct Whole<const MIN: u64, const MAX: u64>;

impl<const MIN: u64, const MAX: u64> de::Visitor<'_> for Whole<MIN, MAX> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match MAX {
            u64::MAX => write!(f, "a whole number of {MIN} or more"),
            _ => write!(f, "a whole number from {MIN} to {MAX}"),
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        if !(MIN..=MAX).contains(&number) {
            return Err(E::invalid_value(de::Unexpected::Unsigned(number), &self));
        }
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Body {
        #[serde(default, deserialize_with = "optional::<_, 1, 10>")]
        n: Option<u64>,
    }

    #[test]
    fn a_number_is_whole_and_in_range() {
        let read = |json: &str| serde_json::from_str::<Body>(json).map(|body| body.n);
        assert_eq!(read("{}").unwrap(), None);
        assert_eq!(read(r#"{"n":null}"#).unwrap(), None);
        assert_eq!(read(r#"{"n":10}"#).unwrap(), Some(10));
        for wrong in ["0", "11", "-1", "1.0", "\"1\"", "true"] {
            let message = read(&format!(r#"{{"n":{wrong}}}"#)).unwrap_err().to_string();
            assert!(message.contains("expected a whole number from 1 to 10"), "{message}");
        }
    }
}
