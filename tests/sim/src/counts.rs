//! What happened how often.

use crate::situations::Situations;

/// A struct of numbers that can be added up and listed by name.
#[macro_export]
#[doc(hidden)]
macro_rules! counted {
    ($(#[$doc:meta])* pub struct $name:ident { $($(#[$field_doc:meta])* $field:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: u64,)*
        }

        impl $name {
            /// Adds those of another simulation.
            pub fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
            }

            /// All of them, each with its name.
            pub fn list(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($field), self.$field),)*]
            }
        }
    };
}

counted! {
    /// What happened how often.
    pub struct Events {
        /// Transfers that came to an end.
        transfers,
        /// Of these, completed.
        completed,
        /// Of these, compensated.
        compensated,
        /// Things that happened.
        events,
        /// Turns that were taken.
        turns,
        /// Durable rows.
        rows,
        /// Faults of actors, nodes and the broker.
        faults,
        /// Incarnations that were made.
        starts,
        /// Turns that an actor with a successor took.
        stale_turns,
        /// Of these, refused by the database or its stream (R12).
        fenced,
        /// Takeovers that had to wait for something.
        waits,
        /// Takeovers by another node than the last.
        moves,
        /// Owners that went on while another node took over.
        rivals,
        /// Messages that streams lost.
        unwritten,
        /// Databases that lost what was written and not flushed.
        unflushed,
        /// Frames that the broker delivered again.
        redelivered,
        /// Frames that the broker forgot.
        forgotten,
        /// Messages that found no room.
        turned_away,
        /// Start records that became unreadable.
        rotten,
        /// Audits that were taken.
        audits,
        /// Simulated milliseconds.
        simulated_ms,
    }
}

/// What happened, and what situations came about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// What happened.
    pub events: Events,
    /// What came about.
    pub situations: Situations,
}

impl Counts {
    /// Adds those of another simulation.
    pub fn add(&mut self, other: &Self) {
        self.events.add(&other.events);
        self.situations.add(&other.situations);
    }
}
