//! Reading a request's body, strictly and fast; and, only when that failed, a second and slow reading that finds out
//! which field was wrong.

use serde::{Deserialize, Deserializer, de::Visitor, forward_to_deserialize_any};
use serde_path_to_error::Segment;

use crate::error::Error;

/// The most characters of a client's own text that an error repeats; a body may hold megabytes.
const ECHO_CHARS_MAX: usize = 200;

/// Reads a request. An empty body is one without fields.
///
/// # Errors
/// `invalid_request` with the field named, as in `legs[3].amount`, unless the body as a whole is wrong.
pub fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, Error> {
    let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
    read_at_once(body).map_err(|error| explain::<T>(body, &error))
}

/// The first reading alone, without an explanation of what is wrong.
pub(crate) fn read_at_once<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, serde_json::Error> {
    // To see once that all of it is Unicode is quicker than to look at each text.
    match str::from_utf8(body) {
        Ok(text) => read_all(serde_json::Deserializer::from_str(text)),
        Err(_) => read_all(serde_json::Deserializer::from_slice(body)),
    }
}

fn read_all<'de, T: Deserialize<'de>>(
    mut json: serde_json::Deserializer<impl serde_json::de::Read<'de>>,
) -> Result<T, serde_json::Error> {
    let request = Strict::<T>::deserialize(&mut json)?;
    json.end()?;
    Ok(request.0)
}

/// Reads a list of objects. For `#[serde(deserialize_with = "body::list")]`.
pub(crate) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let list = Vec::<Strict<T>>::deserialize(deserializer)?;
    Ok(list.into_iter().map(|item| item.0).collect())
}

/// Reads a list of objects, or `null`. For `#[serde(deserialize_with = "body::optional_list")]`.
pub(crate) fn optional_list<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let list = Option::<Vec<Strict<T>>>::deserialize(deserializer)?;
    Ok(list.map(|list| list.into_iter().map(|item| item.0).collect()))
}

/// An object and nothing else: serde's structs can also be read from arrays, where the order alone would say which value
/// is which.
struct Strict<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Strict<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(Object(deserializer)).map(Strict)
    }
}

struct Object<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Object<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// The second reading, of a body that the first one refused.
fn explain<'de, T: Deserialize<'de>>(body: &'de [u8], refusal: &serde_json::Error) -> Error {
    if !refusal.is_data() {
        return Error::invalid_body(format!("the body is not JSON: {}", shortened(&refusal.to_string())));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let mut track = serde_path_to_error::Track::new();
    let refused = Strict::<T>::deserialize(serde_path_to_error::Deserializer::new(&mut json, &mut track));
    let message = refused.err().map_or_else(|| refusal.to_string(), |error| error.to_string());
    describe(&field_name(&track.path()), &message)
}

fn field_name(path: &serde_path_to_error::Path) -> String {
    let mut name = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => name.push_str(&format!("[{index}]")),
            Segment::Map { key } if name.is_empty() => name.push_str(&shortened(key)),
            Segment::Map { key } => {
                name.push('.');
                name.push_str(&shortened(key));
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    name
}

/// Makes a sentence of what serde says, whose wording the tests pin.
fn describe(path: &str, message: &str) -> Error {
    let message = without_position(message);
    let within = |field: &str| match path {
        "" => field.to_owned(),
        path => format!("{path}.{field}"),
    };
    if let Some(field) = quoted(message, "missing field `") {
        return Error::missing(within(field));
    }
    if let Some(field) = quoted(message, "duplicate field `") {
        let field = within(field);
        let message = format!("`{field}` stands there twice");
        return Error::invalid(field, message);
    }
    let what = if path.is_empty() { "the body".to_owned() } else { format!("`{path}`") };
    let message = match message.split_once(", expected ") {
        Some((found, known)) if found.starts_with("unknown field ") => {
            format!("there is no field {what}; there is {}", shortened(known))
        }
        Some((found, expected)) => {
            let found = ["invalid type: ", "invalid value: ", "unknown variant "]
                .iter()
                .find_map(|prefix| found.strip_prefix(prefix))
                .unwrap_or(found);
            format!("{what} must be {}, not {}", shortened(expected), shortened(found))
        }
        None => format!("{what} is wrong: {}", shortened(message)),
    };
    if path.is_empty() { Error::invalid_body(message) } else { Error::invalid(path, message) }
}

fn without_position(message: &str) -> &str {
    message.rfind(" at line ").map_or(message, |at| &message[..at])
}

fn quoted<'m>(message: &'m str, prefix: &str) -> Option<&'m str> {
    message.strip_prefix(prefix)?.strip_suffix('`')
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(ECHO_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, expecting = "an object")]
    struct Body {
        #[serde(default)]
        name: Option<String>,
        #[serde(default, deserialize_with = "optional_list")]
        legs: Option<Vec<Leg>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, expecting = "an object")]
    struct Leg {
        #[allow(dead_code, reason = "only read")]
        amount: u8,
        #[serde(default)]
        #[allow(dead_code, reason = "only read")]
        kind: Option<Kind>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Odd,
        Even,
    }

    /// Pins serde's wording too, which the sentences are made from.
    #[test]
    fn an_error_names_the_field_and_is_a_sentence() {
        let table = [
            ("{", None, "the body is not JSON: EOF while parsing an object at line 1 column 1"),
            ("{} x", None, "the body is not JSON: trailing characters at line 1 column 4"),
            ("[]", None, "the body must be an object, not sequence"),
            ("7", None, "the body must be an object, not integer `7`"),
            ("{\"nmae\":1}", Some("nmae"), "there is no field `nmae`; there is `name` or `legs`"),
            ("{\"name\":7}", Some("name"), "`name` must be a string, not integer `7`"),
            ("{\"name\":null,\"name\":null}", Some("name"), "`name` stands there twice"),
            ("{\"legs\":{}}", Some("legs"), "`legs` must be a sequence, not map"),
            ("{\"legs\":[{\"amount\":1},{}]}", Some("legs[1].amount"), "`legs[1].amount` is missing"),
            ("{\"legs\":[[1]]}", Some("legs[0]"), "`legs[0]` must be an object, not sequence"),
            ("{\"legs\":[{\"amount\":-1}]}", Some("legs[0].amount"), "`legs[0].amount` must be u8, not integer `-1`"),
            (
                "{\"legs\":[{\"amount\":1,\"kind\":\"big\"}]}",
                Some("legs[0].kind"),
                "`legs[0].kind` must be `odd` or `even`, not `big`",
            ),
        ];
        for (body, field, message) in table {
            let error = read::<Body>(body.as_bytes()).unwrap_err();
            assert_eq!((error.field.as_deref(), error.message.as_str()), (field, message), "{body}");
            assert_eq!(error.code, Code::InvalidRequest);
        }
    }

    #[test]
    fn an_empty_body_has_no_fields() {
        for body in ["", "  \n", "{}", "{\"name\":null}"] {
            let body = read::<Body>(body.as_bytes()).unwrap();
            assert!(body.name.is_none() && body.legs.is_none());
        }
    }

    #[test]
    fn an_error_does_not_repeat_a_long_text() {
        let long = "x".repeat(10_000);
        for body in [format!(r#"{{"{long}":1}}"#), format!(r#"{{"legs":"{long}"}}"#)] {
            let error = read::<Body>(body.as_bytes()).unwrap_err();
            assert!(error.message.len() < 1000 && error.field.unwrap().len() < 1000, "{}", error.message);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_not_json() {
        let error = read::<Body>(b"{\"name\":\"\xff\"}").unwrap_err();
        assert!(error.message.starts_with("the body is not JSON"), "{}", error.message);
    }
}
