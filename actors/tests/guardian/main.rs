//! The guardian and its children, with machines that do as each test tells them, and no database.
//!
//! Nothing here sleeps for a result: each step waits, within a bound, for the event, frame or turn that it expects.

mod drain;
mod moves;
mod restarts;
mod toy;
mod turns;
