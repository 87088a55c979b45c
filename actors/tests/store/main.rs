//! What the stores promise, seen through the machines that rely on them: one writer (R12), nothing lost in a crash, nothing
//! forgotten however small the memory, and no damage that goes unnoticed.
#![allow(clippy::unwrap_used, reason = "tests")]

mod bounded;
mod closing;
mod commands;
mod copies;
mod crashes;
mod damaged;
mod equal;
mod fenced;
mod files;
mod hooked;
mod killed;
mod lies;
mod parked;
mod patience;
mod places;
mod replicated;
mod undecided;
#[path = "../world/mod.rs"]
mod world;
