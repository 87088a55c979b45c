//! What a bus counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// Declares the counters once: as places of an array to count in, and as the fields of a snapshot.
macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident $field:ident,)*) => {
        #[derive(Clone, Copy, Debug)]
        pub(super) enum Counter {
            $($(#[$doc])* $variant,)*
        }

        /// What a bus has done since it started.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Stats {
            $($(#[$doc])* pub $field: u64,)*
        }

        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $($field: AtomicU64,)*
        }

        impl Counters {
            pub(super) fn add(&self, counter: Counter, count: usize) {
                let cell = match counter {
                    $(Counter::$variant => &self.$field,)*
                };
                cell.fetch_add(count as u64, Ordering::Relaxed);
            }

            pub(super) fn stats(&self) -> Stats {
                Stats { $($field: self.$field.load(Ordering::Relaxed),)* }
            }
        }

        impl Stats {
            /// Every counter with its name, for metrics and logs.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($field), self.$field),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Frames handed over within the process.
    FramesLocal frames_local,
    /// Their messages.
    MessagesLocal messages_local,
    /// Frames that the broker has confirmed.
    FramesPublished frames_published,
    /// Their messages.
    MessagesPublished messages_published,
    /// Parcels that the broker has confirmed, each with some of those frames.
    ParcelsPublished parcels_published,
    /// Frames that came from the broker and could be read.
    FramesReceived frames_received,
    /// Their messages.
    MessagesReceived messages_received,
    /// Parcels that came from the broker and could be read.
    ParcelsReceived parcels_received,
    /// Frames of parcels that nobody here took, or not in time, and that were sent on by themselves.
    FramesSentOn frames_sent_on,
    /// Deliveries that were not a frame's first.
    FramesRedelivered frames_redelivered,
    /// Frames that never left: no room in the queue, or nobody to take them.
    FramesDropped frames_dropped,
    /// Frames that were given to the broker and not confirmed: some of them may have arrived.
    FramesUnconfirmed frames_unconfirmed,
    /// Messages that alone are larger than a frame may be, and were dropped.
    MessagesOversized messages_oversized,
    /// Payloads that are no frames, and are kept among the dead letters.
    DeadLetters dead_letters,
    /// Payloads that are no frames, and that the dead letters could not take.
    DeadLettersLost dead_letters_lost,
    /// Acknowledgements that found no room; their frames will come again.
    AcksDropped acks_dropped,
    /// Subscriptions that failed or fell silent, and were made anew.
    Resubscribed resubscribed,
    /// Streams that were not there, and were made: all of them once, and those that the broker lost again.
    StreamsMade streams_made,
}
