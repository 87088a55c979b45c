//! The names of things, each a type of its own, so that one can't stand where another belongs.

use alloc::string::String;
use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de};
use smol_str::SmolStr;

/// The longest name of an account within its shard, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// The longest name of a shard, in bytes.
pub const SHARD_NAME_BYTES_MAX: usize = 32;

/// Where an account lives and what it is called there: `name`, or `shard:name`.
///
/// `name` is 1 to 64 of `A-Z a-z 0-9 . _ -`; `shard` is 1 to 32 of `a-z 0-9 -`. Two different texts are two different
/// accounts. Cheap to clone, and up to 23 bytes long without an allocation.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct AccountId(SmolStr);

impl AccountId {
    /// Reads an id as a client writes it.
    ///
    /// # Errors
    /// A text that breaks the rules above.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let (shard, name) = match text.split_once(':') {
            Some((shard, name)) => (Some(shard), name),
            None => (None, text),
        };
        if let Some(shard) = shard
            && !is_shard_name(shard)
        {
            return Err(InvalidId::Shard);
        }
        let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(named) {
            return Err(InvalidId::Name);
        }
        Ok(Self(text.into()))
    }

    /// The whole id, as a client writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The shard that the id names; `None` if the name's hash places it.
    #[must_use]
    pub fn shard_name(&self) -> Option<&str> {
        self.0.split_once(':').map(|(shard, _)| shard)
    }

    /// The number of the shard that an unprefixed name is placed in, among `shards` of them: FNV-1a over the bytes, folded,
    /// which the deployment's facts name as `fnv1a64-folded` and which therefore never changes.
    #[must_use]
    pub fn hashed_shard(&self, shards: u16) -> ShardNo {
        ShardNo(bucket(self.0.as_bytes(), shards))
    }
}

/// Whether `text` can name a shard or a deployment.
#[must_use]
pub fn is_shard_name(text: &str) -> bool {
    let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.len() <= SHARD_NAME_BYTES_MAX && text.bytes().all(lower)
}

/// The stable bucket of some bytes among `buckets`; FNV-1a with a final mix, so that the low bits spread too.
fn bucket(bytes: &[u8], buckets: u16) -> u16 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 32;
    let bucket = hash % u64::from(buckets.max(1));
    u16::try_from(bucket).expect("a remainder of a u16 fits into one")
}

impl<'de> Deserialize<'de> for AccountId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = AccountId;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an account id")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<AccountId, E> {
                AccountId::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is wrong with an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidId {
    /// The part before the colon can't name a shard.
    Shard,
    /// The name is empty, too long, or has a character that names can't have.
    Name,
    /// Not a UUID.
    Uuid,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shard => "a shard's name is 1 to 32 of a-z, 0-9 and -",
            Self::Name => "an account's name is 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-', or SHARD:NAME",
            Self::Uuid => "not a UUID",
        })
    }
}

impl core::error::Error for InvalidId {}

/// A transfer's id: a UUID that the client made, and the idempotency key behind every door.
///
/// It is written as one number, since an array is written item by item; where integers have a fixed size, the bytes are the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "u128", into = "u128")]
pub struct TransferId(pub [u8; 16]);

impl From<u128> for TransferId {
    fn from(number: u128) -> Self {
        Self(number.to_le_bytes())
    }
}

impl From<TransferId> for u128 {
    fn from(id: TransferId) -> Self {
        Self::from_le_bytes(id.0)
    }
}

impl TransferId {
    /// The manager partition that keeps this transfer, among `partitions`: a stable hash of all 16 bytes.
    #[must_use]
    pub fn partition(&self, partitions: u16) -> PartitionNo {
        PartitionNo(bucket(&self.0, partitions))
    }
}

impl FromStr for TransferId {
    type Err = InvalidId;

    /// Reads the hyphenated form of a UUID, in either case.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let mut bytes = [0_u8; 16];
        let mut digits = 0;
        if text.len() != 36 {
            return Err(InvalidId::Uuid);
        }
        for (at, byte) in text.bytes().enumerate() {
            if matches!(at, 8 | 13 | 18 | 23) {
                if byte != b'-' {
                    return Err(InvalidId::Uuid);
                }
                continue;
            }
            let digit = char::from(byte).to_digit(16).ok_or(InvalidId::Uuid)?;
            let digit = u8::try_from(digit).map_err(|_| InvalidId::Uuid)?;
            bytes[digits / 2] = (bytes[digits / 2] << 4) | digit;
            digits += 1;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'-'; 36];
        let mut at = 0;
        for byte in self.0 {
            if matches!(at, 8 | 13 | 18 | 23) {
                at += 1;
            }
            text[at] = b"0123456789abcdef"[usize::from(byte >> 4)];
            text[at + 1] = b"0123456789abcdef"[usize::from(byte & 15)];
            at += 2;
        }
        f.write_str(core::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A leg's number within its transfer, from 0, in the order of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LegNo(pub u8);

/// A leg of a transfer, named the same way by every database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LegId {
    /// The transfer.
    pub transfer: TransferId,
    /// Which of its legs.
    pub leg: LegNo,
}

/// An account shard: one database of accounts. Numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ShardNo(pub u16);

/// A partition of all transfers: one manager with its database. Numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PartitionNo(pub u16);

/// A position in a journal. The first row is 1; 0 stands before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Seq(pub u64);

impl Seq {
    /// The next position.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A writer's claim on a database; each start of an actor takes a greater one (R12).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Epoch(pub u64);

/// A moment in UTC, in milliseconds since 1970. Never orders anything: sequences do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time(pub i64);

impl Time {
    /// This moment and `ms` milliseconds more.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)))
    }
}

/// Reads `s` followed by digits, as in `s12`: the default names of shards, `m` for managers.
#[must_use]
pub fn default_name(prefix: char, no: u16) -> String {
    alloc::format!("{prefix}{no}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_account_id_says_its_shard_or_is_placed_by_its_name() {
        assert_eq!(AccountId::parse("s2:alice").unwrap().shard_name(), Some("s2"));
        assert_eq!(AccountId::parse("eu-1:a.b_c-D").unwrap().shard_name(), Some("eu-1"));
        assert_eq!(AccountId::parse("alice").unwrap().shard_name(), None);
        // The placement is a fact of every deployment: these values may never change.
        let placed = ["alice", "bob", "carol"].map(|n| AccountId::parse(n).unwrap().hashed_shard(16).0);
        assert_eq!(placed, [12, 13, 9]);
    }

    #[test]
    fn a_wrong_account_id_is_refused() {
        for text in ["", ":", "s0:", ":a", "a b", "S0:a", "s0:a:b", "é", &"x".repeat(65)] {
            assert!(AccountId::parse(text).is_err(), "{text}");
        }
        assert!(AccountId::parse(&"x".repeat(64)).is_ok());
    }

    #[test]
    fn a_transfer_id_reads_what_it_writes() {
        let text = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
        assert_eq!(text.parse::<TransferId>().unwrap().to_string(), text);
        for wrong in ["", "0190a1b2c3d47e5f8a9b0c1d2e3f4a5b", "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5g"] {
            assert_eq!(wrong.parse::<TransferId>(), Err(InvalidId::Uuid));
        }
    }
}
