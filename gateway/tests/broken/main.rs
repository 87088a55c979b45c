//! The real thing, broken for real: `remit up` as a process with a real broker, under load, while one of its parts is killed,
//! frozen, deleted or filled up. A bank's clients remember all that they were told, an auditor asks all the time
//! whether the money adds up ([`bank`]), and at the end everything is proved account by account.
//!
//! What is done to disks needs to mount file systems: run as root, or `unshare --map-root-user --mount cargo test …`.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "../bank/mod.rs"]
mod bank;
mod broker;
mod deployment;
mod disk;
mod faults;
mod full;
mod node;
#[path = "../stage/mod.rs"]
#[allow(dead_code, reason = "two groups of tests share it, and each uses a part")]
mod stage;
