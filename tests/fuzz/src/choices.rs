//! An input's bytes as a series of choices. When they have run out every choice is the first, so that each prefix of an input
//! is an input too, and short ones are simple.

/// What is left of an input.
#[derive(Clone, Debug)]
pub struct Choices<'b> {
    bytes: &'b [u8],
}

impl<'b> Choices<'b> {
    /// All of an input.
    #[must_use]
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { bytes }
    }

    /// Whether all has been used.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.bytes.is_empty()
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'b [u8] {
        std::mem::take(&mut self.bytes)
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((first, rest)) => {
                self.bytes = rest;
                *first
            }
            None => 0,
        }
    }

    /// Yes or no; no when all has been used.
    pub fn yes(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    /// Yes once in `of`, about.
    pub fn once_in(&mut self, of: usize) -> bool {
        self.below(of) + 1 == of
    }

    /// A number below `end`, which is 1 or more.
    pub fn below(&mut self, end: usize) -> usize {
        let wide = match end {
            ..=0x100 => usize::from(self.byte()),
            _ => usize::from(u16::from_le_bytes(self.array())),
        };
        wide % end.max(1)
    }

    /// One of these, of which there is one at least.
    pub fn one_of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }

    /// Something, or nothing.
    pub fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.yes().then(|| make(self))
    }

    /// Up to `most` of something.
    pub fn some<T>(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| make(self)).collect()
    }

    /// The next bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    /// A number of 64 bits: most often a small one, or one at an edge.
    pub fn number(&mut self) -> u64 {
        const EDGES: [u64; 8] =
            [0, 1, u64::MAX, 1 << 63, (1 << 63) - 1, (1 << 62) + 1, u32::MAX as u64 + 1, 86_400_000];
        match self.below(4) {
            0 | 1 => self.byte().into(),
            2 => *self.one_of(&EDGES),
            _ => u64::from_le_bytes(self.array()),
        }
    }
}
