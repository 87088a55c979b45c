//! What happened: as one number, by which two runs of a seed are compared, and as lines that a person reads.

use std::{collections::VecDeque, fmt, hash::Hasher};

use rustc_hash::FxHasher;

/// The most lines that are kept; of a long run, the last ones.
const LINES_MAX: usize = 200_000;

/// A run's trace.
pub(crate) struct Trace {
    hash: FxHasher,
    lines: Option<VecDeque<String>>,
}

impl Trace {
    /// A trace that keeps lines, or only the number.
    pub(crate) fn new(tells: bool) -> Self {
        Self { hash: FxHasher::default(), lines: tells.then(VecDeque::new) }
    }

    /// Takes in something that happened.
    pub(crate) fn mix(&mut self, what: u64) {
        self.hash.write_u64(what);
    }

    /// The number so far.
    pub(crate) fn hash(&self) -> u64 {
        self.hash.finish()
    }

    /// Whether lines are wanted.
    pub(crate) fn tells(&self) -> bool {
        self.lines.is_some()
    }

    /// Adds a line, if lines are wanted.
    pub(crate) fn tell(&mut self, now: i64, line: fmt::Arguments<'_>) {
        if let Some(lines) = &mut self.lines {
            if lines.len() == LINES_MAX {
                lines.pop_front();
            }
            let (seconds, ms) = (now / 1_000, now % 1_000);
            lines.push_back(format!("{seconds:>4}.{ms:03}  {line}"));
        }
    }

    /// The lines that a person needs: those that name any of these words, and those of faults (which bear a `!`); without
    /// words, all.
    pub(crate) fn story(self, words: Option<&[String]>) -> Vec<String> {
        let lines = self.lines.unwrap_or_default().into_iter();
        match words {
            None | Some([]) => lines.collect(),
            Some(words) => {
                lines.filter(|line| line.contains('!') || words.iter().any(|word| line.contains(word))).collect()
            }
        }
    }
}
