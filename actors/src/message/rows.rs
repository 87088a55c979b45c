//! Rows of a journal on their way out of its database: as they stand in the file, so that nobody encodes them a second time.

use remit_core::id::{Seq, Time};
use serde::{Deserialize, Serialize};

use super::Address;

/// A run of rows of one journal without a gap. On the ledger stream it is the one message of its frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// Whose journal: a shard's or a manager's.
    pub source: Address,
    /// The first row.
    pub first: Seq,
    /// The last row.
    pub last: Seq,
    /// The newest commit that ends before the first row.
    pub before: Linked,
    /// The rows, in order. None at all say where the journal ends: at `last`, though rows from `first` on were asked for.
    pub chunks: Vec<Chunk>,
    /// The journal's last row that is known of: this run's last one, or a later one.
    pub head: Seq,
    /// A moment of which it is known that no row committed by then comes after `last`.
    pub complete: Option<Time>,
}

/// The end of a commit in a journal; position 0 before the first one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linked {
    /// Its last row.
    pub seq: Seq,
    /// Its link of the hash chain.
    pub link: [u8; 32],
}

/// Some rows that stand together in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// The position of the last one.
    pub last: Seq,
    /// The link of the hash chain, where a commit ends with it.
    pub link: Option<[u8; 32]>,
    /// A line each, as [`mod@crate::store::line`] has them.
    pub lines: String,
}

impl Chunk {
    /// Its lines, each with the position of its row.
    pub fn lines(&self) -> impl Iterator<Item = (Seq, &[u8])> {
        // A line break stands at the end of a separator only.
        let before = memchr::memchr_iter(b'\n', self.lines.as_bytes()).count() as u64;
        let first = self.last.0.saturating_sub(before);
        let lines = self.lines.split('\n').map(|line| line.strip_suffix(',').unwrap_or(line).as_bytes());
        (first..).map(Seq).zip(lines)
    }
}

impl Rows {
    /// The newest commit that ends in it, or before it.
    #[must_use]
    pub fn linked(&self) -> Linked {
        let ends = |chunk: &Chunk| Some(Linked { seq: chunk.last, link: chunk.link? });
        self.chunks.iter().rev().find_map(ends).unwrap_or(self.before)
    }

    /// The commits of it that end below a row; `None` if none does.
    #[must_use]
    pub fn before_commit_at(mut self, seq: Seq) -> Option<Self> {
        let end = self.chunks.iter().rposition(|chunk| chunk.link.is_some() && chunk.last < seq)?;
        self.chunks.truncate(end + 1);
        self.last = self.linked().seq;
        Some(self)
    }

    /// The same as several runs of about so many bytes each, or of one chunk, that go on from each other.
    #[must_use]
    pub fn pieces(self, bytes_max: usize) -> Vec<Self> {
        let Self { source, first, before, chunks, head, complete, .. } = self;
        let mut pieces: Vec<Self> = Vec::new();
        let (mut first, mut before, mut bytes) = (first, before, 0);
        for chunk in chunks {
            let size = chunk.lines.len();
            let last = chunk.last;
            match pieces.last_mut() {
                Some(piece) if bytes + size <= bytes_max => {
                    piece.chunks.push(chunk);
                    piece.last = last;
                    bytes += size;
                }
                _ => {
                    if let Some(piece) = pieces.last() {
                        (first, before) = (piece.last.next(), piece.linked());
                    }
                    pieces.push(Self { source, first, last, before, chunks: vec![chunk], head, complete: None });
                    bytes = size;
                }
            }
        }
        if let Some(piece) = pieces.last_mut() {
            piece.complete = complete;
        }
        pieces
    }
}
