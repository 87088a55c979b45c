//! The read model against the journals that it is built from, and against what a client knows, whatever happens on the way.
#![allow(clippy::unwrap_used, reason = "tests")]

mod histories;
mod load;
mod readers;
mod rebuild;
mod same;
mod stage;
#[path = "../world/mod.rs"]
mod world;
