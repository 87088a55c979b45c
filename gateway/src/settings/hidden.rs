//! Values that must not be shown: neither by `Debug`, nor by `remit config show`, nor in an error.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

const HIDDEN: &str = "(hidden)";

/// A password or a token; empty: none.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for the one place that hands it to the broker; `None` if it is empty.
    #[must_use]
    pub fn reveal(&self) -> Option<&str> {
        Some(self.0.as_str()).filter(|secret| !secret.is_empty())
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "" } else { HIDDEN })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where the broker is; empty: a private one. May carry `user:password@`, or `token@`, which are shown as hidden.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub struct ServerUrl(String);

impl ServerUrl {
    /// The addresses with all that they carry; none if the broker is private.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.0.split(',').map(str::trim).filter(|address| !address.is_empty())
    }

    /// Whether the broker is a private one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, address) in self.addresses().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            let (scheme, rest) = address.split_once("://").map_or(("", address), |(scheme, rest)| (scheme, rest));
            let mark = if scheme.is_empty() { "" } else { "://" };
            match rest.rsplit_once('@') {
                Some((_, host)) => write!(f, "{comma}{scheme}{mark}{HIDDEN}@{host}")?,
                None => write!(f, "{comma}{address}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ServerUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        assert_eq!(format!("{:?} {0}", Secret("s3cret".into())), "(hidden) (hidden)");
        assert_eq!(serde_json::to_string(&Secret("s3cret".into())).unwrap(), r#""(hidden)""#);
        assert_eq!(Secret("s3cret".into()).reveal(), Some("s3cret"));
        assert_eq!((Secret::default().to_string().as_str(), Secret::default().reveal()), ("", None));
    }

    #[test]
    fn an_address_hides_what_stands_before_its_host() {
        let url = ServerUrl("nats://ann:pw@a:4222, tls://b:4222,token@c".into());
        assert_eq!(url.to_string(), "nats://(hidden)@a:4222,tls://b:4222,(hidden)@c");
        assert_eq!(url.addresses().collect::<Vec<_>>(), ["nats://ann:pw@a:4222", "tls://b:4222", "token@c"]);
    }
}
