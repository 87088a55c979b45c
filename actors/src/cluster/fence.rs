//! The fence of a ledger stream: each append says behind which message it goes, and what stands there decides (R12, R14).
//!
//! Pure, so that the simulator fences and decides with the same code.

use remit_core::{id::Epoch, planted};

use super::takeover::End;

/// What an append behind this message expects as the last one; `None` would be anything.
#[must_use]
pub fn expected(after: u64) -> Option<u64> {
    if planted!(AppendsAnywhere) { None } else { Some(after) }
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is there.
    Stored,
    /// Somebody else's is.
    Taken,
    /// Nothing is, where something must be: the stream has lost messages.
    Lost,
}

/// Decides an append behind message `after` that was refused, and may be so because it came true before (R14): by whether these very
/// bytes stand there, and how the stream ends. An end that nobody has claimed is nobody's who has taken it over: it was made anew.
#[must_use]
pub fn verdict<T: PartialEq>(ours: &T, stands: Option<&T>, after: u64, end: &End) -> Verdict {
    match stands {
        Some(stands) if stands == ours => Verdict::Stored,
        _ if planted!(RefusedIsStored) => Verdict::Stored,
        _ if end.number > after && end.claimed > Epoch(0) => Verdict::Taken,
        _ => Verdict::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r14_what_stands_there_decides() {
        let cases = [
            (Some("ours"), (8, 2), Verdict::Stored),
            (Some("ours"), (9, 3), Verdict::Stored),
            (Some("theirs"), (8, 3), Verdict::Taken),
            // A proof, which a later one has taken the place of.
            (None, (9, 3), Verdict::Taken),
            (None, (7, 2), Verdict::Lost),
            (None, (3, 2), Verdict::Lost),
            // It was made anew, and begins far above; or is being refilled.
            (None, (1_000_000, 0), Verdict::Lost),
        ];
        for (stands, (number, claimed), expected) in cases {
            let end = End { number, claimed: Epoch(claimed), ..End::default() };
            assert_eq!(verdict(&"ours", stands.as_ref(), 7, &end), expected, "{stands:?} {end:?}");
        }
    }
}
