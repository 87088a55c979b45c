//! Several nodes for real: processes on one machine and a cluster of brokers, under load, while nodes come, go, freeze, are cut off, and
//! brokers die and lose what they stored. A bank's clients remember all that they were told ([`bank`]); a probe asks every database
//! all the time, and so learns for how long nobody served it ([`probe`]); at the end everything is proved, and the databases of
//! all nodes tell one history ([`history`]).
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod archived;
#[path = "../bank/mod.rs"]
#[allow(dead_code, reason = "two groups of tests share it, and each uses a part")]
mod bank;
mod brokers;
mod deployment;
mod failing;
mod history;
mod planned;
mod probe;
mod proxy;
#[path = "../stage/mod.rs"]
#[allow(dead_code, reason = "several groups of tests share it, and each uses a part")]
mod stage;
mod stale;
