//! What holds of reading any body: it comes back the same, or it is refused with a sentence and a field that there is.

use std::fmt::Debug;

use remit_api::{Code, Error, body, error::Failure};
use serde::{Serialize, de::DeserializeOwned};

/// What is read, compared and written.
pub(crate) trait Value: Serialize + DeserializeOwned + PartialEq + Debug {}

impl<T: Serialize + DeserializeOwned + PartialEq + Debug> Value for T {}

/// The longest message: it may repeat some 200 characters of a key, of what was found and of what was expected.
const MESSAGE_BYTES_MAX: usize = 4_000;

/// Reads a body; what is read is written and read again the same.
pub(crate) fn check<T: Value>(bytes: &[u8], fields: &[&str]) -> Option<T> {
    match body::read::<T>(bytes) {
        Ok(value) => {
            let written = serde_json::to_vec(&value).unwrap();
            let again = body::read::<T>(&written).unwrap_or_else(|error| panic!("{error}: {value:?}"));
            assert_eq!(again, value);
            assert_eq!(serde_json::to_vec(&again).unwrap(), written);
            Some(value)
        }
        Err(error) => {
            refused(&error, bytes, fields);
            None
        }
    }
}

/// A refusal is `invalid_request`, says so briefly, and names a field of the contract, or one that the body has.
pub(crate) fn refused(error: &Error, body: &[u8], fields: &[&str]) {
    assert_eq!(error.code, Code::InvalidRequest, "{error}");
    assert!(!error.message.is_empty() && error.message.len() <= MESSAGE_BYTES_MAX, "{error}");
    assert!(error.fields.is_none() && error.retry_after_ms.is_none());
    let failure: Failure = serde_json::from_slice(&error.to_json()).unwrap();
    assert_eq!(failure.error, *error);
    let Some(field) = &error.field else { return };
    let mut names = field.split(['.', '[']).filter(|name| !name.ends_with(']'));
    if names.all(|name| fields.contains(&name)) {
        return;
    }
    // Where the body is broken further on, nothing more can be said.
    let Ok(whole) = serde_json::from_slice::<serde_json::Value>(body) else { return };
    let shown: String = keys(&whole).into_iter().filter(|key| ends_with(field, key)).collect();
    assert!(!shown.is_empty() || field.is_empty() || field.ends_with('.'), "there is no field {field:?}: {error}");
}

/// Whether a field's path ends with a key, or with the beginning of a long one.
fn ends_with(field: &str, key: &str) -> bool {
    let beginning: String = key.chars().take(200).collect();
    field.trim_end_matches('…').ends_with(beginning.trim_end_matches('…'))
}

fn keys(value: &serde_json::Value) -> Vec<&str> {
    match value {
        serde_json::Value::Object(fields) => {
            fields.iter().flat_map(|(key, value)| std::iter::once(&**key).chain(keys(value))).collect()
        }
        serde_json::Value::Array(items) => items.iter().flat_map(keys).collect(),
        _ => Vec::new(),
    }
}
