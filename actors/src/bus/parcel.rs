//! Parcels: frames for actors of one node, in one message of the broker.
//!
//! A broker message costs as much as the work on a dozen transfers, and each turn sends a frame to nearly every other actor. So
//! what leaves for one node at the same moment travels together. A frame in it is as it would be alone.
//!
//! A parcel is the version byte of frames, then for each frame what it is for: a byte for the kind, eight for the number and four
//! for the frame's length, little-endian; then the frame.

use bytes::Bytes;
use remit_core::id::{PartitionNo, ShardNo};

use crate::{
    codec::{self, Error, VERSION},
    message::Address,
};

/// What a parcel has beside its frames: once, and for each of them.
const LABEL: usize = 13;
/// What a parcel of one frame has beside it.
pub(super) const WRAPPING: usize = 1 + LABEL;

/// A parcel while it is being filled.
pub(super) struct Parcel(Vec<u8>);

impl Parcel {
    /// An empty one, with room for so many bytes.
    pub(super) fn new(room: usize) -> Self {
        let mut bytes = Vec::with_capacity(room);
        bytes.push(VERSION);
        Self(bytes)
    }

    /// Its size with another frame of so many bytes.
    pub(super) fn size_with(&self, frame: usize) -> usize {
        self.0.len() + LABEL + frame
    }

    /// Puts a frame in.
    pub(super) fn push(&mut self, to: Address, frame: &[u8]) {
        let (kind, no) = match to {
            Address::Shard(no) => (0, u64::from(no.0)),
            Address::Manager(no) => (1, u64::from(no.0)),
            Address::Gateway(no) => (2, no),
            Address::Projector => (3, 0),
            Address::Ledger => (4, 0),
        };
        self.0.push(kind);
        self.0.extend_from_slice(&no.to_le_bytes());
        self.0.extend_from_slice(&u32::try_from(frame.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.0.extend_from_slice(frame);
    }

    /// Its bytes.
    pub(super) fn close(self) -> Bytes {
        self.0.into()
    }
}

/// The frames of a parcel, as they were put in, still encoded.
///
/// # Errors
/// Bytes that are no parcel of this version; none of them is to be believed then.
pub(super) fn open(parcel: &Bytes) -> Result<Vec<(Address, Bytes)>, Error> {
    match parcel.first() {
        None => return Err(Error::Empty),
        Some(&VERSION) => {}
        Some(&found) => return Err(Error::UnknownVersion { found }),
    }
    if parcel.len() > codec::BYTES_MAX {
        return Err(Error::TooLarge { bytes: parcel.len() });
    }
    let mut frames = Vec::new();
    let mut rest = parcel.slice(1..);
    while !rest.is_empty() {
        let (label, after) = rest.split_first_chunk::<LABEL>().ok_or(Error::Truncated)?;
        let [kind, label @ ..] = label;
        let (no, size) = label.split_first_chunk::<8>().ok_or(Error::Truncated)?;
        let size = <[u8; 4]>::try_from(size).map_err(|_| Error::Truncated)?;
        let to = address(*kind, u64::from_le_bytes(*no))?;
        let size = usize::try_from(u32::from_le_bytes(size)).unwrap_or(usize::MAX);
        if size > after.len() {
            return Err(Error::Truncated);
        }
        frames.push((to, rest.slice(LABEL..LABEL + size)));
        rest = rest.slice(LABEL + size..);
    }
    Ok(frames)
}

fn address(kind: u8, no: u64) -> Result<Address, Error> {
    let address = match (kind, u16::try_from(no)) {
        (0, Ok(no)) => Address::Shard(ShardNo(no)),
        (1, Ok(no)) => Address::Manager(PartitionNo(no)),
        (2, _) => Address::Gateway(no),
        (3, Ok(0)) => Address::Projector,
        (4, Ok(0)) => Address::Ledger,
        _ => return Err(Error::Malformed { what: format!("no address is of kind {kind} and number {no}") }),
    };
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(frames: &[(Address, &[u8])]) -> Bytes {
        let mut parcel = Parcel::new(64);
        for (to, frame) in frames {
            let size = parcel.size_with(frame.len());
            parcel.push(*to, frame);
            assert_eq!(parcel.0.len(), size);
        }
        parcel.close()
    }

    const ADDRESSES: [Address; 5] = [
        Address::Shard(ShardNo(u16::MAX)),
        Address::Manager(PartitionNo(7)),
        Address::Gateway(u64::MAX),
        Address::Projector,
        Address::Ledger,
    ];

    #[test]
    fn what_is_put_in_comes_out_in_order() {
        let frames: Vec<(Address, &[u8])> =
            ADDRESSES.into_iter().zip([&b"one"[..], b"", b"three", b"\x05", b"5"]).collect();
        let out = open(&packed(&frames)).unwrap();
        assert_eq!(out.iter().map(|(to, frame)| (*to, &frame[..])).collect::<Vec<_>>(), frames);
        assert_eq!(open(&packed(&[])), Ok(vec![]));
        let [lone] = &frames[..1] else { panic!("there is one") };
        assert_eq!(packed(&frames[..1]).len(), WRAPPING + lone.1.len());
    }

    /// Nodes of the same version read each other's.
    #[test]
    fn the_bytes_are_the_ones_that_other_nodes_read() {
        let parcel = packed(&[(Address::Shard(ShardNo(0x0102)), b"ab"), (Address::Gateway(3), b"")]);
        let bytes = [&[VERSION, 0, 2, 1, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0][..], b"ab", &[2, 3], &[0; 11]].concat();
        assert_eq!(parcel, bytes);
    }

    #[test]
    fn what_is_no_parcel_is_refused_whole() {
        assert_eq!(open(&Bytes::new()), Err(Error::Empty));
        assert_eq!(open(&Bytes::from_static(&[VERSION + 1])), Err(Error::UnknownVersion { found: VERSION + 1 }));
        let good = packed(&[(ADDRESSES[0], b"one"), (ADDRESSES[2], b"two")]);
        for length in (2..good.len()).filter(|length| *length != 1 + LABEL + 3) {
            assert_eq!(open(&good.slice(..length)), Err(Error::Truncated), "{length}");
        }
        for (at, byte) in [(1, 5), (1, 3), (4, 1)] {
            let mut bad = good.to_vec();
            bad[at] = byte;
            assert!(matches!(open(&bad.into()), Err(Error::Malformed { .. })), "{at}");
        }
        let large = [&[VERSION][..], &vec![0; codec::BYTES_MAX]].concat();
        assert_eq!(open(&large.into()), Err(Error::TooLarge { bytes: codec::BYTES_MAX + 1 }));
    }
}
