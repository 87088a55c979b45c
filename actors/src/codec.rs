//! Frames as bytes: the only file that names bincode.
//!
//! A frame is one version byte, then its fields in bincode's standard layout: integers, lengths, and enum variants in the
//! order of their declaration in one byte up to 250, in three, five, nine or seventeen if they are greater. So a field or
//! variant that is added, taken out or moved changes the format and needs a new version; the golden bytes below show when that
//! happens. (Journals are lines of text: `store/line`.)
//!
//! Bytes come from a broker that is trusted with nothing: decoding refuses what is oversized, cut off, of an unknown version
//! or longer than its frame, and never allocates more than a small multiple of what it was given, beside what a list's or a
//! text's length is believed on credit: 1 MiB, and for a text in more than 64 KiB as much as 128 MiB, of which nothing is touched
//! before the text is there.

use bincode::{
    config::{self, Configuration, Limit, LittleEndian, Varint},
    enc::write::Writer,
    error::{DecodeError, EncodeError},
    serde::{borrow_decode_from_slice, encode_into_writer},
};
use bytes::Bytes;

use crate::frame::Frame;

/// The format that this version of Remit writes, and the only one that it reads.
pub const VERSION: u8 = 5;
/// The most bytes that are read as one frame: 8 MiB, the largest payload that a NATS server is advised to
/// take. Writing is not limited here: the bus splits frames long before.
pub const BYTES_MAX: usize = 8 << 20;

/// In so many bytes or fewer, no text of a frame is believed to be longer than [`SMALL_ROOM`]; in more, than [`ROOM_MAX`].
const SMALL_BYTES: usize = 64 << 10;
/// bincode counts each integer as if it were of full size, which is up to sixteen times what it takes.
const SMALL_ROOM: usize = 16 * SMALL_BYTES;
/// The same for more bytes.
const ROOM_MAX: usize = 16 * BYTES_MAX;
/// What a message of usual size takes; only a first guess for the buffer.
const MESSAGE_BYTES_GUESS: usize = 64;

/// Why bytes are not a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is nothing, not even a version.
    #[error("empty")]
    Empty,
    /// Another version wrote it.
    #[error("written in format {found}, but this version reads format {VERSION} only")]
    UnknownVersion {
        /// Its version byte.
        found: u8,
    },
    /// It is larger than anything that Remit writes.
    #[error("too large: {bytes} bytes, and {BYTES_MAX} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// It ends too early.
    #[error("cut off")]
    Truncated,
    /// It goes on after its end.
    #[error("{extra} bytes follow its end")]
    TrailingBytes {
        /// How many.
        extra: usize,
    },
    /// It has a value that can't be.
    #[error("malformed: {what}")]
    Malformed {
        /// Which.
        what: String,
    },
}

/// A frame's bytes.
#[must_use]
pub fn encode(frame: &Frame) -> Bytes {
    let mut out = Out(Vec::with_capacity(64 + frame.messages.len() * MESSAGE_BYTES_GUESS));
    out.0.push(VERSION);
    encode_into_writer(frame, &mut out, LAYOUT)
        .expect("memory takes all bytes, and every sequence here knows its length");
    out.0.into()
}

/// Reads a frame.
///
/// # Errors
/// Bytes that are not exactly one frame of this version.
pub fn decode(bytes: &[u8]) -> Result<Frame, Error> {
    let body = match bytes.split_first() {
        None => return Err(Error::Empty),
        Some((&VERSION, body)) => body,
        Some((&found, _)) => return Err(Error::UnknownVersion { found }),
    };
    // The room for a text is taken before it is known to be there, up to the limit: a few bytes must not take megabytes.
    let decoded = match body.len() {
        bytes if bytes > BYTES_MAX => return Err(Error::TooLarge { bytes }),
        bytes if bytes > SMALL_BYTES => borrow_decode_from_slice(body, LAYOUT),
        _ => borrow_decode_from_slice(body, SMALL_LAYOUT),
    };
    match decoded {
        Ok((frame, read)) if read == body.len() => Ok(frame),
        Ok((_, read)) => Err(Error::TrailingBytes { extra: body.len() - read }),
        Err(DecodeError::UnexpectedEnd { .. }) => Err(Error::Truncated),
        Err(DecodeError::LimitExceeded) => Err(Error::Malformed { what: "a length beyond the limit".into() }),
        Err(DecodeError::OtherString(what)) => Err(Error::Malformed { what }),
        Err(other) => Err(Error::Malformed { what: other.to_string() }),
    }
}

const LAYOUT: Configuration<LittleEndian, Varint, Limit<ROOM_MAX>> = config::standard().with_limit();
const SMALL_LAYOUT: Configuration<LittleEndian, Varint, Limit<SMALL_ROOM>> = config::standard().with_limit();

/// A buffer that grows.
struct Out(Vec<u8>);

impl Writer for Out {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
