//! Commits as messages of a ledger stream, each of which a broker can take.

use remit_core::id::Seq;

use crate::{
    message::{Address, Chunk, Linked, Rows},
    store::replica::Commit,
};

/// A run without rows behind a commit.
#[must_use]
pub fn proof(source: Address, before: Linked) -> Rows {
    let (first, last) = (before.seq.next(), before.seq);
    Rows { source, first, last, before, chunks: Vec::new(), head: last, complete: None }
}

/// A commit as messages of about so many bytes: one mostly; the last of several has the link. True with the last one.
#[must_use]
pub fn parts(source: Address, commit: &Commit<'_>, bytes_max: usize) -> Vec<(Rows, bool)> {
    let text = String::from_utf8_lossy(commit.lines);
    let (mut rest, mut first, mut parts) = (&*text, commit.first, Vec::new());
    loop {
        // Lines are cut behind a separator, which is left out, as between two chunks of a file.
        let cut = match rest.len() {
            length if length <= bytes_max => None,
            _ => rest.as_bytes()[..bytes_max].iter().rposition(|byte| *byte == b'\n').or_else(|| rest.find('\n')),
        };
        let (lines, after) = match cut {
            Some(at) => (rest[..at].strip_suffix(',').unwrap_or(&rest[..at]), Some(&rest[at + 1..])),
            None => (rest, None),
        };
        let count = memchr::memchr_iter(b'\n', lines.as_bytes()).count() as u64;
        let last = Seq(first.0 + count);
        let link = after.is_none().then_some(commit.link);
        let chunks = vec![Chunk { last, link, lines: lines.to_owned() }];
        let rows = Rows { source, first, last, before: commit.before, chunks, head: commit.last, complete: None };
        parts.push((rows, after.is_none()));
        match after {
            Some(after) => (rest, first) = (after, last.next()),
            None => return parts,
        }
    }
}

#[cfg(test)]
mod tests {
    use remit_core::id::{Epoch, ShardNo};

    use super::*;
    use crate::cluster::assembly::Assembly;

    const PART_BYTES: usize = 512 << 10;

    #[test]
    fn a_commit_that_is_too_large_for_one_message_is_several_and_whole_again_on_the_other_side() {
        let line = format!("[\"{}\"]", "x".repeat(200_000));
        let lines = [line.as_str(), "[1]", "[2]", &line, &line, "[3]", &line].join(",\n");
        let before = Linked { seq: Seq(4), link: [4; 32] };
        let commit =
            Commit { epoch: Epoch(1), first: Seq(5), last: Seq(11), before, link: [11; 32], lines: lines.as_bytes() };
        let parts = parts(Address::Shard(ShardNo(0)), &commit, PART_BYTES);
        assert!(parts.len() > 1 && parts.iter().all(|(rows, _)| rows.chunks[0].lines.len() <= PART_BYTES));
        let mut assembly = Assembly::default();
        let whole: Vec<Rows> = parts.into_iter().filter_map(|(rows, _)| assembly.push(rows)).collect();
        let [rows] = &whole[..] else { panic!("{}", whole.len()) };
        assert_eq!((rows.first, rows.last, rows.linked()), (Seq(5), Seq(11), Linked { seq: Seq(11), link: [11; 32] }));
        let together: Vec<&str> = rows.chunks.iter().map(|chunk| chunk.lines.as_str()).collect();
        assert_eq!(together.join(",\n"), lines);
        assert_eq!(rows.chunks.last().map(|chunk| chunk.link), Some(Some([11; 32])));
    }
}
