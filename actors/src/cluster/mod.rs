//! How shards find their nodes.
//!
//! A journal (a shard's, a partition's, the projector's work) runs on one node at a time, and every node decides by itself
//! which of them it should run. Nobody is in charge:
//!
//! 1. [`member`]: what is written into one JetStream bucket: who is there, who runs what, and what operators want;
//! 2. [`view`]: all that one node has heard from that bucket, and who it holds to be alive by its own clock;
//! 3. [`placement`]: where each journal belongs: a pure function of who is alive, so that all who know the same decide the same;
//! 4. [`plan`]: what this node should do about the difference between what is and what should be.
//!
//! A journal's life here: its own key is missing, or names a node that is dead. The node on which it is placed writes the key
//! anew, by compare-and-set, and runs it. Another node joins, and the journal belongs there: that node asks, the present one
//! drains it, and writes the key anew for who asked. A node that finds itself replaced lets go.
//!
//! All of this is a hint about who should try. Views are late, clocks of other nodes unknown, and the bucket may be lost or go
//! back to what it was; two nodes may both think for a while that a journal is theirs. Money does not depend on it: the
//! journal's own epochs and its stream fence off whoever was replaced (R12).
//!
//! No file named above knows NATS, tasks or a clock: time is an argument, in milliseconds of the caller's monotonic clock. What does:
//!
//! - [`takeover`]: file and stream of a journal are made equal, and all others have promised not to write; pure, over two traits
//!   ([`copy`] is a file, `around` what can be reached);
//! - `stream`: the ledger stream where it is the fence; [`fence`]: what that decides; `appender`: its writer; [`parts`] and [`assembly`]:
//!   commits in pieces; `archive`: its older part;
//! - `registry`: what a node commits of claims and members; `wire`, `post`, `office`: what nodes ask each other;
//! - `bucket`: the facts' home; `heart`: its heartbeat, and what it hears; `agent`: joining, doing what the plan says, leaving;
//!   `moves`: how a journal comes and goes; `standby`: copies beforehand; [`Feed`]: what the projector reads; [`Cluster`]: what the rest of the node asks of all that.

mod agent;
mod appender;
mod archive;
mod around;
pub mod assembly;
mod bucket;
pub mod copy;
mod feed;
pub mod fence;
mod heart;
mod inner;
pub mod lease;
pub mod member;
mod moves;
mod node;
mod office;
pub mod parts;
pub mod placement;
pub mod plan;
mod post;
mod registry;
mod standby;
mod stream;
pub mod takeover;
pub mod view;
mod wire;

pub use self::{
    agent::JoinError,
    bucket::Error as BucketError,
    feed::Feed,
    lease::Lease,
    node::{Cluster, Options, Prepare, Seen},
    registry::Registry,
    wire::{Claimed, Claims, Held, Promised, Status},
};

#[cfg(test)]
mod tests;
