//! What a row is found by: the bytes of the ids that it is about. At most one row has a key, for ever (R2).

use std::{
    fmt,
    ops::{Deref, RangeInclusive},
};

use remit_core::id::{LegId, Seq, TransferId};

/// The longest: a transfer, a byte that no step has, a position.
const BYTES_MAX: usize = 16 + 1 + 8;

/// A row's key. Keys are in the order of their bytes, so that all of one transfer stand together; those of time-ordered ids come
/// last when they are new.
// Its bytes as numbers, most significant first, and 0 behind the last one: so the derived order is that of the bytes, as SQLite has
// it, and costs a few comparisons of numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    id: u128,
    after: u64,
    last: u8,
    len: u8,
}

/// A key's bytes.
#[derive(Clone, Copy)]
pub struct KeyBytes {
    bytes: [u8; BYTES_MAX],
    len: u8,
}

impl Key {
    /// A leg's record: transfer, leg, step.
    #[must_use]
    pub fn leg(id: LegId, step: u8) -> Self {
        Self::of(&id.transfer.0, u64::from_be_bytes([id.leg.0, step, 0, 0, 0, 0, 0, 0]), 0, 2)
    }

    /// An account command.
    #[must_use]
    pub fn command(id: &[u8; 16]) -> Self {
        Self::of(id, 0, 0, 0)
    }

    /// A transfer's record: transfer, step.
    #[must_use]
    pub fn transfer(id: TransferId, step: u8) -> Self {
        Self::of(&id.0, u64::from(step) << 56, 0, 1)
    }

    /// A transfer's record that may recur, which its position tells from others.
    #[must_use]
    pub fn note(id: TransferId, seq: Seq) -> Self {
        // One byte that no step has, then eight of the position: the last of them is the ninth.
        let [.., last] = seq.0.to_be_bytes();
        Self::of(&id.0, u64::MAX << 56 | seq.0 >> 8, last, 9)
    }

    /// All keys of a transfer, and of its legs. (An account command under the same id is none of them: its key is shorter.)
    #[must_use]
    pub fn of_transfer(id: TransferId) -> RangeInclusive<Self> {
        Self::of(&id.0, 0, 0, 1)..=Self::of(&id.0, u64::MAX, u8::MAX, 9)
    }

    /// All keys of a leg.
    #[must_use]
    pub fn of_leg(id: LegId) -> RangeInclusive<Self> {
        Self::leg(id, 0)..=Self::leg(id, u8::MAX)
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> KeyBytes {
        let mut bytes = [0; BYTES_MAX];
        bytes[..16].copy_from_slice(&self.id.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.after.to_be_bytes());
        bytes[24] = self.last;
        KeyBytes { bytes, len: 16 + self.len }
    }

    /// The key with these bytes; `None` if there are fewer or more than any key has.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (id, after) = bytes.split_first_chunk()?;
        let mut padded = [0; BYTES_MAX - 16];
        padded.get_mut(..after.len())?.copy_from_slice(after);
        let (number, [last]) = padded.split_first_chunk()? else { return None };
        Some(Self::of(id, u64::from_be_bytes(*number), *last, u8::try_from(after.len()).ok()?))
    }

    /// The transfer that it is about; of an account command, its own id.
    #[must_use]
    pub fn id(&self) -> TransferId {
        TransferId(self.id.to_be_bytes())
    }

    /// An id with `len` bytes after it: the first eight as a number, and the ninth.
    fn of(id: &[u8; 16], after: u64, last: u8, len: u8) -> Self {
        Self { id: u128::from_be_bytes(*id), after, last, len }
    }
}

impl Deref for KeyBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
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
            assert!(one < next && *one.bytes() < *next.bytes(), "{one:?} {next:?}");
        }
        for key in keys {
            assert_eq!(Key::from_bytes(&key.bytes()), Some(key));
            let is_of_the_first = key.id() == id(1) && key.bytes().len() > 16;
            assert_eq!(Key::of_transfer(id(1)).contains(&key), is_of_the_first, "{key:?}");
        }
        let of_leg: Vec<Key> = keys.into_iter().filter(|key| Key::of_leg(leg(1, 1)).contains(key)).collect();
        assert_eq!(of_leg, keys[3..5]);
        assert_eq!((Key::from_bytes(&[0; 26]), Key::from_bytes(&[0; 15])), (None, None));
    }
}
