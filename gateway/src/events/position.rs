//! How far a journal's events have got, and where to go on.

use remit_core::id::Seq;
use serde::{Deserialize, Serialize};

/// How far the events of one journal are on the stream: as it is kept in the bucket, under the journal's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Which stream: when the broker made it, in nanoseconds since 1970, as text. One that is deleted and made again is another.
    pub(super) stream: String,
    /// The number that the journal's last event has on it; 0 while there is none.
    pub(super) number: u64,
    /// The last row of the journal that is published, or tells nothing.
    pub(super) seq: Seq,
}

/// A stream as it is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// As [`Position::stream`].
    pub(super) stream: String,
    /// The number of the last message that was ever on it.
    pub(super) last: u64,
}

/// Where a journal goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// Above this row.
    Above(Seq),
    /// As on an empty stream.
    Anew(Why),
}

/// Why it begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Nothing is kept of it.
    NothingKept,
    /// What is kept is about a stream that was deleted since.
    OtherStream,
    /// The stream has fewer messages than it had: its storage was set back to an older copy.
    StreamSetBack,
    /// The journal has fewer rows than were published: its file was set back to an older copy.
    JournalSetBack,
}

/// Where the events of a journal go on, whose last row is `head`.
pub(super) fn begin(kept: Option<&Position>, found: &Found, head: Seq) -> Begin {
    let Some(kept) = kept else { return Begin::Anew(Why::NothingKept) };
    if kept.stream != found.stream {
        return Begin::Anew(Why::OtherStream);
    }
    if kept.number > found.last {
        return Begin::Anew(Why::StreamSetBack);
    }
    if kept.seq > head {
        return Begin::Anew(Why::JournalSetBack);
    }
    Begin::Above(kept.seq)
}

/// Shares room out to journals of these sizes: each gets what it needs, or else as much as any other. All in bytes.
pub(super) fn shares(sizes: &[u64], room: u64) -> Vec<u64> {
    let mut smallest_first: Vec<usize> = (0..sizes.len()).collect();
    smallest_first.sort_by_key(|at| sizes[*at]);
    let (mut shares, mut left) = (vec![0; sizes.len()], room);
    for (place, at) in smallest_first.into_iter().enumerate() {
        let waiting = (sizes.len() - place) as u64;
        shares[at] = sizes[at].min(left / waiting);
        left -= shares[at];
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_goes_on_only_where_both_ends_are_as_they_were_left() {
        let kept = |stream: &str, number, seq| Some(Position { stream: stream.to_owned(), number, seq: Seq(seq) });
        // The stream is "1" and was given 50 messages; the journal has 20 rows.
        let found = Found { stream: "1".to_owned(), last: 50 };
        let table = [
            ("new", None, Begin::Anew(Why::NothingKept)),
            ("ours", kept("1", 48, 15), Begin::Above(Seq(15))),
            ("ours, to the end of both", kept("1", 50, 20), Begin::Above(Seq(20))),
            ("ours, and nothing published yet", kept("1", 0, 0), Begin::Above(Seq(0))),
            ("deleted and made anew", kept("0", 48, 15), Begin::Anew(Why::OtherStream)),
            ("set back to an older copy", kept("1", 51, 15), Begin::Anew(Why::StreamSetBack)),
            ("the journal's file set back", kept("1", 48, 21), Begin::Anew(Why::JournalSetBack)),
        ];
        for (what, kept, expected) in table {
            assert_eq!(begin(kept.as_ref(), &found, Seq(20)), expected, "{what}");
        }
    }

    #[test]
    fn room_is_shared_so_that_small_journals_fit_and_large_ones_get_the_same() {
        let table: [(&[u64], u64, &[u64]); 6] = [
            (&[], 100, &[]),
            (&[10, 20, 30], 100, &[10, 20, 30]),
            (&[10, 200, 20], 100, &[10, 70, 20]),
            (&[500, 200, 20], 100, &[40, 40, 20]),
            (&[500, 500, 500], 100, &[33, 33, 34]),
            (&[0, 7], 0, &[0, 0]),
        ];
        for (sizes, room, expected) in table {
            assert_eq!(shares(sizes, room), expected, "{sizes:?} in {room}");
        }
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let kept = Position { stream: "1795387800007000000".to_owned(), number: 7, seq: Seq(9) };
        let text = serde_json::to_string(&kept).unwrap();
        assert_eq!(text, r#"{"stream":"1795387800007000000","number":7,"seq":9}"#);
        assert_eq!(serde_json::from_str::<Position>(&text).unwrap(), kept);
    }
}
