//! The ids that the core keeps as bytes or bare text, as they stand in JSON.

use std::fmt;

use remit_core::id::{TransferId, is_shard_name};
use serde::{Deserialize, Deserializer, Serializer, de};

/// A transfer's id: a UUID with hyphens. For `#[serde(with = "id::transfer")]`.
pub mod transfer {
    use uuid::{Uuid, fmt::Hyphenated};

    use super::{Deserializer, Serializer, TransferId, de, fmt};

    /// Writes it.
    ///
    /// # Errors
    /// Only the serializer's own.
    pub fn serialize<S: Serializer>(id: &TransferId, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = Uuid::encode_buffer();
        serializer.serialize_str(Uuid::from_bytes(id.0).hyphenated().encode_lower(&mut text))
    }

    /// Reads it.
    ///
    /// # Errors
    /// A text that is no UUID.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TransferId, D::Error> {
        deserializer.deserialize_str(Visitor)
    }

    struct Visitor;

    impl de::Visitor<'_> for Visitor {
        type Value = TransferId;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a UUID with hyphens")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<TransferId, E> {
            // Of the forms that a UUID has, the only one of this length is the one with hyphens.
            let read = Uuid::try_parse(text).ok().filter(|_| text.len() == Hyphenated::LENGTH);
            read.map(|id| TransferId(id.into_bytes())).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
        }
    }

    /// The same where there may be none: `null`, or no field.
    pub mod optional {
        use super::{Deserializer, Serializer, TransferId, de, fmt};

        /// Writes it, or `null`.
        ///
        /// # Errors
        /// Only the serializer's own.
        pub fn serialize<S: Serializer>(id: &Option<TransferId>, serializer: S) -> Result<S::Ok, S::Error> {
            match id {
                Some(id) => super::serialize(id, serializer),
                None => serializer.serialize_none(),
            }
        }

        /// Reads it, or `null`.
        ///
        /// # Errors
        /// A text that is no UUID.
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TransferId>, D::Error> {
            deserializer.deserialize_option(Visitor)
        }

        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Option<TransferId>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                de::Visitor::expecting(&super::Visitor, f)
            }

            fn visit_none<E: de::Error>(self) -> Result<Option<TransferId>, E> {
                Ok(None)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<TransferId>, D::Error> {
                super::deserialize(deserializer).map(Some)
            }
        }
    }
}

/// A list of them. For `#[serde(with = "id::transfers")]`.
pub mod transfers {
    use serde::Serialize;

    use super::{Deserialize, Deserializer, Serializer, TransferId};

    #[derive(Serialize, Deserialize)]
    struct Id(#[serde(with = "super::transfer")] TransferId);

    /// Writes it.
    ///
    /// # Errors
    /// Only the serializer's own.
    pub fn serialize<S: Serializer>(ids: &[TransferId], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(ids.iter().copied().map(Id))
    }

    /// Reads it.
    ///
    /// # Errors
    /// A text that is no UUID.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<TransferId>, D::Error> {
        Ok(Vec::<Id>::deserialize(deserializer)?.into_iter().map(|id| id.0).collect())
    }
}

/// Reads the name of a shard or of another durable actor. For `#[serde(deserialize_with = "id::shard_name")]`.
///
/// # Errors
/// A text that can't name one.
pub fn shard_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    name(deserializer, "a shard's name: 1 to 32 of a-z, 0-9 and -")
}

/// Reads a node's name. For `#[serde(deserialize_with = "id::node_name")]`.
///
/// # Errors
/// A text that can't name one.
pub fn node_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    name(deserializer, "a node's name: 1 to 32 of a-z, 0-9 and -")
}

fn name<'de, D: Deserializer<'de>>(deserializer: D, expected: &'static str) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    // Nodes, shards and deployments are named alike.
    if is_shard_name(&name) {
        return Ok(name);
    }
    Err(de::Error::invalid_value(de::Unexpected::Str(&name), &expected))
}

/// Reads a shard's name, or `null`. For `#[serde(deserialize_with = "id::shard")]`.
///
/// # Errors
/// A text that can't name a shard.
pub fn shard<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let name = Option::<String>::deserialize(deserializer)?;
    match name {
        Some(name) if !is_shard_name(&name) => {
            Err(de::Error::invalid_value(de::Unexpected::Str(&name), &"a shard's name: 1 to 32 of a-z, 0-9 and -"))
        }
        name => Ok(name),
    }
}
