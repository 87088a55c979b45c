//! Receipts on their way back to the broker.

use std::{sync::Arc, time::Instant};

use async_nats::{Client, Subject};
use bytes::Bytes;
use tokio::{runtime::Handle, sync::mpsc};
use tracing::warn;

use super::{Task, Throttle};
use crate::bus::{
    Receipt,
    counters::{Counter, Counters},
};

/// Receipts that wait while the broker is away. Far more than all actors of a node may hold unacknowledged; what finds no
/// room is dropped, and its frame comes again.
const QUEUE_MAX: usize = 65_536;
/// Receipts that are taken from the queue at once.
const BATCH: usize = 256;

/// What the broker is told of a delivery.
#[derive(Clone, Copy, Debug)]
enum Word {
    /// It is done with.
    Ack,
    /// It never will be; it must not come again.
    Term,
}

impl Word {
    const fn payload(self) -> &'static [u8] {
        match self {
            Self::Ack => b"+ACK",
            Self::Term => b"+TERM",
        }
    }
}

/// Sends acknowledgements; clones share one task.
#[derive(Clone)]
pub(in crate::bus) struct Acknowledger {
    queue: mpsc::Sender<(Subject, Word)>,
    shared: Arc<Shared>,
}

struct Shared {
    counters: Arc<Counters>,
    throttle: Throttle,
    _task: Task,
}

impl Acknowledger {
    pub(in crate::bus) fn start(client: Client, runtime: &Handle, counters: Arc<Counters>) -> Self {
        let (queue, mut receipts) = mpsc::channel(QUEUE_MAX);
        let task = Task::spawn(runtime, async move {
            let mut batch = Vec::with_capacity(BATCH);
            while receipts.recv_many(&mut batch, BATCH).await > 0 {
                for (to, word) in batch.drain(..) {
                    let word: Word = word;
                    // It fails only when the connection is closed for good.
                    drop(client.publish(to, Bytes::from_static(word.payload())).await);
                }
            }
        });
        Self { queue, shared: Arc::new(Shared { counters, throttle: Throttle::new(), _task: task }) }
    }

    /// The receipt of a delivery, whose broker listens at `to`. A stream that was lost and made again counts from 1 again,
    /// so a late receipt may acknowledge another frame: that one is then lost, and asked for again from state.
    pub(in crate::bus) fn receipt(&self, to: Subject) -> Receipt {
        let own = self.clone();
        Receipt::new(move || own.say(to, Word::Ack))
    }

    /// Ends a delivery that no one can handle.
    pub(in crate::bus) fn terminate(&self, to: Subject) {
        self.say(to, Word::Term);
    }

    fn say(&self, to: Subject, word: Word) {
        if self.queue.try_send((to, word)).is_err() {
            self.shared.counters.add(Counter::AcksDropped, 1);
            if let Some(suppressed) = self.shared.throttle.pass(Instant::now()) {
                warn!(suppressed, "dropped an acknowledgement: the broker takes them too slowly");
            }
        }
    }
}
