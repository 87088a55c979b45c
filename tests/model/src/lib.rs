//! The exhaustive model check: every state that a small world can come to, each looked at once.
//!
//! The model is no second description of Remit. Its transfers are [`remit_core::transfer::Transfer`], its shards decide by
//! [`remit_core::ledger::decide`] and pass the baton by [`remit_core::protocol::events::pass_on`]; what is written here is
//! only what surrounds them, as small as it can be: a network, databases that survive a crash, and memories that do not.
//!
//! 1. [`plan`]: the small worlds, a few lines each;
//! 2. [`network`]: the set of all that was ever said, which is loss, delay, duplicates and every order at once;
//! 3. [`shard`] and [`manager`]: the actors around the core's functions;
//! 4. [`world`] and [`state`]: what can happen, and what two states have to have in common to be one;
//! 5. [`laws`]: what must hold in every state; [`ending`]: those of them that say that every transfer ends;
//! 6. [`check`] and [`story`]: one world looked at, and how a broken law came about.

pub mod check;
pub mod ending;
pub mod laws;
pub mod manager;
pub mod network;
pub mod plan;
pub mod shard;
pub mod state;
pub mod story;
pub mod world;
