//! Where a row stands, as one number: rows of a journal follow each other in its table, and so do the newest.

use remit_core::id::{PartitionNo, Seq, ShardNo};

/// Bits of a position in its journal: enough for a million rows a second over eight years.
const SEQ_BITS: u32 = 48;

/// The key of a row of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::projector) struct Place(pub(in crate::projector) i64);

impl Place {
    /// Of a transfer: where it begun.
    pub(in crate::projector) fn of_transfer(partition: PartitionNo, begun: Seq) -> Self {
        Self::of(partition.0, begun)
    }

    /// Of a posting: where it was recorded.
    pub(in crate::projector) fn of_posting(shard: ShardNo, seq: Seq) -> Self {
        Self::of(shard.0, seq)
    }

    fn of(no: u16, seq: Seq) -> Self {
        let seq = i64::try_from(seq.0).unwrap_or(i64::MAX).min((1 << SEQ_BITS) - 1);
        Self(i64::from(no) << SEQ_BITS | seq)
    }

    /// The position in its journal.
    pub(in crate::projector) fn seq(self) -> Seq {
        Seq((self.0 & ((1 << SEQ_BITS) - 1)).cast_unsigned())
    }

    /// Of a transfer: its partition.
    pub(in crate::projector) fn partition(self) -> PartitionNo {
        PartitionNo(u16::try_from(self.0 >> SEQ_BITS).unwrap_or(u16::MAX))
    }
}
