//! Whole commits out of runs that may end within one.
//!
//! A commit that is larger than a message of the broker is several of them, and only the last has its link. Whoever writes them may be
//! gone before the last: then the next one to write begins where that commit began, and what came before was never a commit.

use crate::message::{Chunk, Linked, Rows};

/// The rows of the last commit that was begun and not ended.
#[derive(Debug, Default)]
pub struct Assembly {
    begun: Option<Rows>,
}

impl Assembly {
    /// Takes the next run, and hands out what is whole by then. A run without rows is nothing,
    /// nor is the end of a commit whose beginning was not taken.
    pub fn push(&mut self, run: Rows) -> Option<Rows> {
        let begun = self.begun.take();
        let run = match begun {
            _ if run.chunks.is_empty() => {
                self.begun = begun;
                return None;
            }
            _ if run.before.seq.next() == run.first => run,
            Some(begun) if begun.last.next() == run.first && begun.before.seq <= run.before.seq => joined(begun, run),
            _ => without_first(run)?,
        };
        let (whole, rest) = split(run);
        self.begun = rest;
        whole
    }
}

fn joined(mut begun: Rows, run: Rows) -> Rows {
    begun.chunks.extend(run.chunks);
    Rows { last: run.last, head: run.head, complete: run.complete, ..begun }
}

/// What comes after the commit whose beginning was not taken.
fn without_first(mut run: Rows) -> Option<Rows> {
    let end = run.chunks.iter().position(|chunk| chunk.link.is_some())?;
    let rest = run.chunks.split_off(end + 1);
    let before = Linked { seq: run.chunks[end].last, link: run.chunks[end].link? };
    (!rest.is_empty()).then_some(Rows { first: before.seq.next(), before, chunks: rest, ..run })
}

/// The commits that have ended, and what comes after them.
fn split(mut run: Rows) -> (Option<Rows>, Option<Rows>) {
    let Some(end) = run.chunks.iter().rposition(|chunk| chunk.link.is_some()) else { return (None, Some(run)) };
    let rest = run.chunks.split_off(end + 1);
    let Some(Chunk { last, link: Some(link), .. }) = run.chunks.last() else { return (None, None) };
    let before = Linked { seq: *last, link: *link };
    let rest = rest.last().map(|chunk| chunk.last).map(|last| Rows {
        source: run.source,
        first: before.seq.next(),
        last,
        before,
        chunks: rest,
        head: run.head,
        complete: None,
    });
    let complete = run.complete.filter(|_| rest.is_none());
    (Some(Rows { last: before.seq, complete, ..run }), rest)
}

#[cfg(test)]
mod tests {
    use remit_core::id::{Seq, ShardNo};

    use super::*;
    use crate::message::Address;

    /// A run from a row on, behind this commit, of chunks that end at these rows, `true` with a link.
    fn run(first: u64, before: u64, ends: &[(u64, bool)]) -> Rows {
        let chunk = |(last, linked): &(u64, bool)| Chunk {
            last: Seq(*last),
            link: linked.then_some([u8::try_from(*last).unwrap(); 32]),
            lines: String::new(),
        };
        let last = Seq(ends.last().map_or(first - 1, |(last, _)| *last));
        Rows {
            source: Address::Shard(ShardNo(0)),
            first: Seq(first),
            last,
            before: Linked { seq: Seq(before), link: [u8::try_from(before).unwrap(); 32] },
            chunks: ends.iter().map(chunk).collect(),
            head: last,
            complete: None,
        }
    }

    fn taken(runs: Vec<Rows>) -> Vec<(u64, u64, u64)> {
        let mut assembly = Assembly::default();
        let whole = runs.into_iter().filter_map(|run| assembly.push(run));
        whole.map(|rows| (rows.first.0, rows.last.0, rows.before.seq.0)).collect()
    }

    #[test]
    fn what_is_whole_is_handed_out_at_once_and_parts_when_the_last_has_come() {
        let parts = vec![
            run(1, 0, &[(2, true)]),
            run(3, 2, &[(4, false)]),
            run(5, 2, &[(6, false)]),
            run(7, 2, &[(8, true)]),
            run(9, 8, &[(9, true)]),
        ];
        assert_eq!(taken(parts), [(1, 2, 0), (3, 8, 2), (9, 9, 8)]);
        // As an archive has them, cut anywhere between chunks.
        let cut = vec![
            run(1, 0, &[(2, true), (5, true), (7, false)]),
            run(8, 5, &[(9, true), (11, false)]),
            run(12, 9, &[(12, true)]),
        ];
        assert_eq!(taken(cut), [(1, 5, 0), (6, 9, 5), (10, 12, 9)]);
    }

    #[test]
    fn a_commit_that_was_never_ended_is_none() {
        let superseded =
            vec![run(1, 0, &[(2, true)]), run(3, 2, &[(4, false)]), run(3, 2, &[(3, true)]), run(4, 3, &[(4, true)])];
        assert_eq!(taken(superseded), [(1, 2, 0), (3, 3, 2), (4, 4, 3)]);
    }

    #[test]
    fn of_a_run_that_begins_within_a_commit_the_commits_after_it_are_taken() {
        let runs =
            vec![run(3, 1, &[(4, true), (6, true), (7, false)]), run(8, 6, &[(9, true)]), run(10, 9, &[(11, true)])];
        assert_eq!(taken(runs), [(5, 6, 4), (7, 9, 6), (10, 11, 9)]);
    }

    #[test]
    fn a_proof_is_no_row_and_a_part_without_its_beginning_is_nothing() {
        let runs = vec![
            run(7, 2, &[(8, true)]),
            run(9, 8, &[]),
            run(9, 8, &[(10, false)]),
            run(11, 10, &[]),
            run(11, 8, &[(11, true)]),
        ];
        assert_eq!(taken(runs), [(9, 11, 8)]);
    }
}
