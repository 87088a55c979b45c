//! Events of money and of transfers as JSON, for whoever listens, out of the journals.
//!
//! A committed row of a journal that tells such a thing (`fact.rs`) leaves on `<deployment>.v1.event.<name>`, and one stream keeps
//! them all. The journals are the outbox: they are read from their files, from outside, so that no transfer waits for any of this;
//! and how far each has got is kept beside the stream, in a bucket of the broker's (`position.rs`). A crash may double events, and
//! loses none; if the stream is deleted, what fits on it is published again.
//!
//! - `publisher.rs`: the task that does it;
//! - `flight.rs`: messages on their way;
//! - `outlet.rs`: one journal, read from outside;
//! - `kept.rs`: the stream and the bucket.

mod fact;
mod flight;
mod kept;
mod outlet;
mod position;
mod publisher;

pub use self::{kept::Limits, publisher::Publisher};
