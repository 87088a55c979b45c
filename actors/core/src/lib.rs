//! Money, accounts, ledger rules and the three protocols, as pure state machines.
//!
//! Nothing here waits, reads a clock, rolls a die or touches a disk: time is an argument, and what should happen
//! outside is a value that the caller acts on. Read it in this order:
//!
//! 1. [`id`] and [`money`]: the values, which can't be built wrong;
//! 2. [`account`] and [`leg`]: what a shard remembers; the total table of (leg state, verb) is in [`leg`];
//! 3. [`ledger`]: what a verb does to balances, and what refuses it;
//! 4. [`transfer`]: what a manager remembers of one transfer;
//! 5. [`protocol`]: saga, 2pc and events, one file each;
//! 6. [`audit`]: the proof that no money was made or lost;
//! 7. [`operator`]: what people may do about a transfer, and when not.
//!
//! The rules R1 to R11 that comments and tests name are in the README, section "The rules".
#![no_std]
#![deny(clippy::float_arithmetic)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod account;
pub mod audit;
pub mod id;
pub mod ledger;
pub mod leg;
pub mod mark;
pub mod money;
#[cfg(feature = "mutants")]
pub mod mutant;
pub mod operator;
pub mod protocol;
pub mod reason;
pub mod transfer;

/// Whether planted bugs are compiled in. The product's binary refuses to be built with them.
pub const HAS_MUTANTS: bool = cfg!(feature = "mutants");

/// Whether this planted bug is the one that tests have chosen (see [`mutant`]).
#[cfg(feature = "mutants")]
#[macro_export]
macro_rules! planted {
    ($mutant:ident) => {
        $crate::mutant::is_planted($crate::mutant::Mutant::$mutant)
    };
}

/// Whether this planted bug is the one that tests have chosen: there are none in this build.
#[cfg(not(feature = "mutants"))]
#[macro_export]
macro_rules! planted {
    ($mutant:ident) => {
        false
    };
}
