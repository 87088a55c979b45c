//! Chance, and the dice that it is taken with: the same seed, the same throws, on every machine.

use std::fmt;

use rand_pcg::{
    Pcg64Mcg,
    rand_core::{Rng, SeedableRng},
};

/// How likely something is, in steps of a millionth.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chance(u32);

/// Certainty.
const WHOLE: u32 = 1_000_000;

impl Chance {
    /// Never.
    pub const NEVER: Self = Self(0);

    /// So many times in a million; certain from a million on.
    #[must_use]
    pub const fn per_million(times: u32) -> Self {
        Self(if times > WHOLE { WHOLE } else { times })
    }

    /// So many times in a hundred; certain from a hundred on.
    #[must_use]
    pub const fn percent(times: u32) -> Self {
        Self::per_million(times.saturating_mul(WHOLE / 100))
    }

    /// Whether it is more than never.
    #[must_use]
    pub const fn is_any(self) -> bool {
        self.0 > 0
    }
}

impl fmt::Display for Chance {
    /// As a share of one: `0.05`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", f64::from(self.0) / f64::from(WHOLE))
    }
}

impl fmt::Debug for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A source of chance.
#[derive(Clone, Debug)]
pub struct Dice(Pcg64Mcg);

impl Dice {
    /// The dice of this seed; each `purpose` has throws of its own, so that more of one kind do not change the others.
    #[must_use]
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut dice = Self(Pcg64Mcg::seed_from_u64(seed ^ purpose.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
        dice.throw();
        dice
    }

    /// Any number.
    pub fn throw(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Whether it happens.
    pub fn hits(&mut self, chance: Chance) -> bool {
        // What never happens takes no throw: faults that are off cost nothing.
        chance.is_any() && self.below(u64::from(WHOLE)) < u64::from(chance.0)
    }

    /// A number below `end`; 0 if that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        let scaled = (u128::from(self.throw()) * u128::from(end)) >> 64;
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }

    /// A number from `least` to `most`, both included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least).saturating_add(1))
    }

    /// One of several.
    ///
    /// # Panics
    /// If there is none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let at = self.below(of.len() as u64);
        &of[usize::try_from(at).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same_for_ever() {
        let mut dice = Dice::new(1, 2);
        let throws: Vec<u64> = (0..4).map(|_| dice.below(1_000)).collect();
        assert_eq!(throws, [335, 355, 339, 608]);
    }

    #[test]
    fn a_chance_is_a_share_of_one() {
        let hits = |chance| {
            let mut dice = Dice::new(7, 0);
            (0..10_000).filter(|_| dice.hits(chance)).count()
        };
        assert_eq!((hits(Chance::NEVER), hits(Chance::percent(100))), (0, 10_000));
        assert!((400..600).contains(&hits(Chance::percent(5))));
    }
}
