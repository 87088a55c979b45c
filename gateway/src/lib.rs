//! The doors and the command line: what a node needs around its actors.
//!
//! - [`settings`]: what an operator can change, in layers;
//! - [`datadir`]: the one process that owns a data folder;
//! - [`space`]: the room on the disks, and when the door takes nothing new;
//! - [`broker`]: the private `nats-server` of a node that is given none;
//! - [`connection`]: how to reach the broker;
//! - [`supervision`]: what is told of the actors, published and kept;
//! - [`events`]: what is told of money and of transfers, for whoever listens;
//! - [`metrics`]: what can be scraped;
//! - [`node`]: all of it together, started from the outside in;
//! - [`door`]: requests in, answers out;
//! - [`log`]: what a process says while it works;
//! - [`cli`]: the command line.

pub mod broker;
pub mod cli;
pub mod connection;
pub mod datadir;
pub mod door;
pub mod events;
pub mod log;
pub mod metrics;
pub mod node;
pub mod settings;
pub mod space;
pub mod supervision;
pub mod traces;
