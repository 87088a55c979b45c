//! A right body with some things wrong: values, fields and bytes changed.

use remit_fuzz::choices::Choices;
use serde_json::Value;

/// Values that may stand where something else is expected.
const VALUES: [&str; 28] = [
    "null",
    "true",
    "0",
    "-1",
    "1",
    "1.5",
    "1e3",
    "[]",
    "{}",
    "[[1]]",
    "\"\"",
    "\"x\"",
    "\"0042\"",
    "\"-0\"",
    "\"10.50\"",
    "60001",
    "99",
    "86400001",
    "1001",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551615",
    "\"9223372036854775808\"",
    "\"s0:alice\"",
    "\"EUR\"",
    "\"WEI\"",
    "\"credit\"",
];
/// Keys that fields may be renamed to.
const KEYS: [&str; 10] = ["id", "amount", "legs", "wait", "memo", "Id", "", "a.b[0]", "limit", "\u{0}"];
/// What may stand anywhere in a text.
const TOKENS: [&str; 14] = [
    "1e400",
    "-0",
    "18446744073709551616",
    "1.0",
    "\"\\ud800\"",
    "\\u0000",
    "\u{feff}",
    "//",
    ",",
    "}",
    "]",
    "\"",
    "{",
    "[",
];

/// A body after as many edits as the choices are for.
pub(crate) fn edited(seed: &str, choices: &mut Choices<'_>) -> Vec<u8> {
    let mut body = serde_json::from_str::<Value>(seed).unwrap_or(Value::Object(serde_json::Map::new()));
    for _ in 0..choices.below(4) {
        change(&mut body, choices);
    }
    let mut bytes = serde_json::to_vec(&body).unwrap();
    while !choices.is_over() {
        let at = choices.below(bytes.len() + 1);
        match choices.below(6) {
            0 if at < bytes.len() => bytes[at] = choices.byte(),
            1 => bytes.truncate(at),
            2 => drop(bytes.splice(at..at, choices.one_of(&TOKENS).bytes())),
            3 => {
                // A field twice, or a bracket too few.
                let end = bytes.len().min(at + choices.below(40));
                let part = bytes[at..end].to_vec();
                bytes.splice(end..end, part);
            }
            4 => {
                let end = bytes.len().min(at + choices.below(8));
                bytes.drain(at..end);
            }
            _ => return bytes,
        }
    }
    bytes
}

fn change(value: &mut Value, choices: &mut Choices<'_>) {
    match value {
        Value::Object(fields) if !fields.is_empty() && choices.below(8) > 0 => {
            let key = fields.keys().nth(choices.below(fields.len())).cloned().unwrap();
            match choices.below(4) {
                0 => drop(fields.remove(&key)),
                1 => {
                    let moved = fields.remove(&key).unwrap();
                    fields.insert((*choices.one_of(&KEYS)).to_owned(), moved);
                }
                2 => drop(fields.insert((*choices.one_of(&KEYS)).to_owned(), another(choices))),
                _ => change(&mut fields[&key], choices),
            }
        }
        Value::Array(items) if !items.is_empty() && choices.below(8) > 0 => {
            let at = choices.below(items.len());
            match choices.below(4) {
                0 => drop(items.remove(at)),
                1 => {
                    // Sometimes more of them than are allowed.
                    let again = if choices.once_in(64) { 9_000 } else { choices.below(40) };
                    let item = items[at].clone();
                    items.extend(std::iter::repeat_n(item, again));
                }
                _ => change(&mut items[at], choices),
            }
        }
        Value::String(text) if choices.yes() => match choices.below(3) {
            0 => *text = text.repeat(1 + choices.below(200)),
            1 => text.push(char::from(choices.byte())),
            _ => drop(text.pop()),
        },
        value => *value = another(choices),
    }
}

fn another(choices: &mut Choices<'_>) -> Value {
    serde_json::from_str(choices.one_of::<&str>(&VALUES)).unwrap()
}
