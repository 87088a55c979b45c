//! What a row is found by: the bytes of the ids that it is about. At most one row has a key, for ever (R2).

use std::{fmt, ops::RangeInclusive};

use remit_core::id::{LegId, Seq, TransferId};

/// The longest: a transfer, a byte that no step has, a position.
const BYTES_MAX: usize = 16 + 1 + 8;

/// A row's key. Keys are in the order of their bytes, so that all of one transfer stand together; those of time-ordered ids come
/// last when they are new.
// The bytes come first, and behind the last one is 0: so the derived order is that of the bytes, as SQLite has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    bytes: [u8; BYTES_MAX],
    len: u8,
}

impl Key {
    /// A leg's record: transfer, leg, step.
    #[must_use]
    pub fn leg(id: LegId, step: u8) -> Self {
        Self::of(&[&id.transfer.0, &[id.leg.0, step]])
    }

    /// An account command.
    #[must_use]
    pub fn command(id: &[u8; 16]) -> Self {
        Self::of(&[id])
    }

    /// A transfer's record: transfer, step.
    #[must_use]
    pub fn transfer(id: TransferId, step: u8) -> Self {
        Self::of(&[&id.0, &[step]])
    }

    /// A transfer's record that may recur, which its position tells from others.
    #[must_use]
    pub fn note(id: TransferId, seq: Seq) -> Self {
        Self::of(&[&id.0, &[u8::MAX], &seq.0.to_be_bytes()])
    }

    /// All keys of a transfer, and of its legs. (An account command under the same id is none of them: its key is shorter.)
    #[must_use]
    pub fn of_transfer(id: TransferId) -> RangeInclusive<Self> {
        Self::of(&[&id.0, &[0]])..=Self::of(&[&id.0, &[u8::MAX; 9]])
    }

    /// All keys of a leg.
    #[must_use]
    pub fn of_leg(id: LegId) -> RangeInclusive<Self> {
        Self::leg(id, 0)..=Self::leg(id, u8::MAX)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The key with these bytes; `None` if there are more than any key has.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= BYTES_MAX).then(|| Self::of(&[bytes]))
    }

    /// The transfer that it is about; of an account command, its own id.
    #[must_use]
    pub fn id(&self) -> TransferId {
        let (id, _) = self.bytes.split_first_chunk().expect("an id is shorter than the longest key");
        TransferId(*id)
    }

    fn of(parts: &[&[u8]]) -> Self {
        let (mut bytes, mut len) = ([0; BYTES_MAX], 0);
        for part in parts {
            bytes[len..len + part.len()].copy_from_slice(part);
            len += part.len();
        }
        Self { bytes, len: u8::try_from(len).expect("a key is short") }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use remit_core::id::LegNo;

    use super::*;

    #[test]
    fn keys_are_in_the_order_of_their_bytes_and_a_range_holds_its_own() {
        let id = |byte| TransferId([byte; 16]);
        let leg = |byte, no| LegId::new(id(byte), LegNo(no));
        let keys = [
            Key::command(&[1; 16]),
            Key::leg(leg(1, 0), 1),
            Key::transfer(id(1), 1),
            Key::leg(leg(1, 1), 1),
            Key::leg(leg(1, 1), 2),
            Key::leg(leg(1, 31), 2),
            Key::note(id(1), Seq(0)),
            Key::note(id(1), Seq(u64::MAX)),
            Key::command(&[2; 16]),
            Key::transfer(id(2), 3),
        ];
        for (one, next) in keys.iter().zip(&keys[1..]) {
            assert!(one < next && one.as_bytes() < next.as_bytes(), "{one:?} {next:?}");
        }
        for key in keys {
            assert_eq!(Key::from_bytes(key.as_bytes()), Some(key));
            let is_of_the_first = key.id() == id(1) && key.as_bytes().len() > 16;
            assert_eq!(Key::of_transfer(id(1)).contains(&key), is_of_the_first, "{key:?}");
        }
        let of_leg: Vec<Key> = keys.into_iter().filter(|key| Key::of_leg(leg(1, 1)).contains(key)).collect();
        assert_eq!(of_leg, keys[3..5]);
        assert_eq!(Key::from_bytes(&[0; 26]), None);
    }
}
