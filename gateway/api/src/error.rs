//! What a door answers instead of what was asked for: one table of codes, one body.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A refusal, as it stands under `error` in its body. Each key is always there, `null` where it says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// Which row of the table.
    pub code: Code,
    /// A sentence for a person.
    pub message: String,
    /// The field of the request that is wrong, as in `legs[3].amount`.
    #[serde(default)]
    pub field: Option<String>,
    /// Of a conflict: the fields that differ from what is recorded.
    #[serde(default)]
    pub fields: Option<Vec<String>>,
    /// Of an overload: when to try again, in milliseconds from now.
    #[serde(default)]
    pub retry_after_ms: Option<u64>,
}

/// The table of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// What the body alone shows to be wrong. Nothing was recorded.
    InvalidRequest,
    /// The door does not know who asks.
    Unauthenticated,
    /// The door knows who asks, and that one may not.
    Forbidden,
    /// There is no such account.
    AccountNotFound,
    /// There is no such transfer.
    TransferNotFound,
    /// The same id with another body, or a change that the account's state forbids.
    Conflict,
    /// The body is over the limit.
    TooLarge,
    /// No room. Nothing was recorded: try again later.
    Overloaded,
    /// Who should answer can't be reached. What was asked for may or may not have been done.
    Unavailable,
}

/// The body of an error answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What was wrong.
    pub error: Error,
}

impl Code {
    /// All codes.
    pub const ALL: [Self; 9] = [
        Self::InvalidRequest,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::AccountNotFound,
        Self::TransferNotFound,
        Self::Conflict,
        Self::TooLarge,
        Self::Overloaded,
        Self::Unavailable,
    ];

    /// Its word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::AccountNotFound => "account_not_found",
            Self::TransferNotFound => "transfer_not_found",
            Self::Conflict => "conflict",
            Self::TooLarge => "too_large",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
        }
    }

    /// Its status behind HTTP, and the number in the header of a NATS service's error.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::AccountNotFound | Self::TransferNotFound => 404,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::Overloaded | Self::Unavailable => 503,
        }
    }
}

impl Error {
    /// An error that says nothing but its sentence.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, fields: None, retry_after_ms: None }
    }

    /// A body that is wrong as a whole.
    #[must_use]
    pub fn invalid_body(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidRequest, message)
    }

    /// A body with one field wrong.
    #[must_use]
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::invalid_body(message) }
    }

    /// A body without a field that it needs.
    #[must_use]
    pub fn missing(field: impl Into<String>) -> Self {
        let field = field.into();
        let message = format!("`{field}` is missing");
        Self::invalid(field, message)
    }

    /// No account of this id.
    #[must_use]
    pub fn account_not_found(id: impl fmt::Display) -> Self {
        Self::new(Code::AccountNotFound, format!("there is no account `{id}`"))
    }

    /// No transfer of this id.
    #[must_use]
    pub fn transfer_not_found(id: impl fmt::Display) -> Self {
        Self::new(Code::TransferNotFound, format!("there is no transfer `{id}`"))
    }

    /// Something recorded stands against it, in these fields.
    #[must_use]
    pub fn conflict<F: Into<String>>(message: impl Into<String>, fields: impl IntoIterator<Item = F>) -> Self {
        let fields = fields.into_iter().map(Into::into).collect();
        Self { fields: Some(fields), ..Self::new(Code::Conflict, message) }
    }

    /// A body over the limit.
    #[must_use]
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(Code::TooLarge, message)
    }

    /// No room now; perhaps in so many milliseconds.
    #[must_use]
    pub fn overloaded(message: impl Into<String>, retry_after_ms: u64) -> Self {
        Self { retry_after_ms: Some(retry_after_ms), ..Self::new(Code::Overloaded, message) }
    }

    /// Whoever should answer can't be reached.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Code::Unavailable, message)
    }

    /// The body of the answer, as JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let failure = Failure { error: self.clone() };
        serde_json::to_vec(&failure).expect("text and numbers can always be written as JSON")
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.fields.as_deref() {
            Some(fields) if !fields.is_empty() => write!(f, " ({}: {})", self.code, fields.join(", ")),
            _ => write!(f, " ({})", self.code),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_always_has_all_five_keys() {
        let error = Error::invalid("amount", "`amount` is missing");
        let body = r#"{"error":{"code":"invalid_request","message":"`amount` is missing","field":"amount","fields":null,"retry_after_ms":null}}"#;
        assert_eq!(String::from_utf8(error.to_json()).unwrap(), body);
        assert_eq!(serde_json::from_str::<Failure>(body).unwrap().error, error);
    }

    #[test]
    fn the_table_of_codes() {
        let table = Code::ALL.map(|code| (code.as_str(), code.http_status()));
        let expected = [
            ("invalid_request", 400),
            ("unauthenticated", 401),
            ("forbidden", 403),
            ("account_not_found", 404),
            ("transfer_not_found", 404),
            ("conflict", 409),
            ("too_large", 413),
            ("overloaded", 503),
            ("unavailable", 503),
        ];
        assert_eq!(table, expected);
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn an_error_says_its_sentence_its_code_and_what_differs() {
        let conflict = Error::conflict("another body is recorded under this id", ["legs", "memo"]);
        assert_eq!(conflict.to_string(), "another body is recorded under this id (conflict: legs, memo)");
        assert_eq!(Error::overloaded("no room", 20).to_string(), "no room (overloaded)");
    }
}
