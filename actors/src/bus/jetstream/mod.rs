//! Frames over JetStream, and what it takes to trust the broker with nothing.
//!
//! - [`names`]: streams, subjects and consumers, and which of them an address has;
//! - [`streams`]: makes the streams, and makes them again when they are gone;
//! - [`publisher`]: queues, publishes, counts what was not confirmed, and never tries twice;
//! - [`subscriber`]: pulls frames for one actor or parcels for a node, and starts over when the broker fails or falls silent;
//! - [`unpacker`]: hands out what parcels bring;
//! - [`acknowledger`]: sends receipts back; [`dead_letters`]: keeps what is no frame.

pub(super) mod acknowledger;
pub(super) mod dead_letters;
pub(super) mod names;
pub(super) mod publisher;
pub(super) mod streams;
pub(super) mod subscriber;
pub(super) mod unpacker;

mod connection;
mod task;
mod throttle;

use connection::{Connection, LOOK};
pub(crate) use task::Task;
pub(super) use throttle::Throttle;
