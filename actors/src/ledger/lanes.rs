//! Who asks for rows of journals above a position, and is answered: a task for each journal and each lane in which its rows are asked for.
//!
//! Whoever asks knows where it is, and asks again when there is silence, so nothing need be remembered here.

use std::{fmt::Display, sync::Arc, time::Duration};

use parking_lot::Mutex;
use remit_core::id::Seq;
use rustc_hash::FxHashMap;
use tokio::{runtime::Handle, sync::watch, time::sleep};
use tracing::debug;

use super::{pace::Pace, streams};
use crate::{
    bus::{Delivery, Inlet, Task},
    message::{Address, Message, Question, Rows},
};

/// The pause after something went wrong.
const PAUSE: Duration = Duration::from_millis(250);

/// Where one lane's rows come from.
pub(crate) trait Source: Send + 'static {
    /// Why they can't be read.
    type Error: Display + Send;

    /// The next rows above a position; or, after a while, the word that there are none, which has no chunks.
    fn rows_above(&mut self, above: Seq) -> impl Future<Output = Result<Rows, Self::Error>> + Send;

    /// Lets go of whatever it holds open: it may be dead.
    fn forget(&mut self);
}

/// The lanes of all journals. Their tasks end when it is dropped.
pub(crate) struct Lanes {
    to: Arc<dyn Inlet>,
    pace: Arc<Pace>,
    runtime: Handle,
    lanes: Mutex<FxHashMap<(Address, u64), Lane>>,
}

struct Lane {
    asks: watch::Sender<Asked>,
    _task: Task,
}

/// What is asked for at present.
#[derive(Clone, Copy)]
struct Asked {
    above: Seq,
    /// How often it was asked, so that the same again is noticed.
    times: u64,
}

impl Lanes {
    /// Lanes whose answers go in here: no more than so many rows in a second while processors are scarce; 0: however many.
    pub(crate) fn new(to: Arc<dyn Inlet>, rows_per_second_max: u32, runtime: &Handle) -> Self {
        Self { to, pace: Arc::new(Pace::new(rows_per_second_max)), runtime: runtime.clone(), lanes: Mutex::default() }
    }

    /// Takes in what is asked for. A lane that is new is read from what is made for its journal, if there is such a one.
    pub(crate) fn take<S: Source>(&self, delivery: Delivery, make: impl Fn(Address) -> Option<S>) {
        for message in delivery.frame.messages {
            if let Message::Ask(ask) = message
                && let Question::RowsAbove(journal, above) = ask.question
            {
                self.ask((journal, ask.ticket), above, &make);
            }
        }
        if let Some(receipt) = delivery.receipt {
            receipt.acknowledge();
        }
    }

    fn ask<S: Source>(&self, lane: (Address, u64), above: Seq, make: impl Fn(Address) -> Option<S>) {
        let mut lanes = self.lanes.lock();
        if let Some(lane) = lanes.get(&lane) {
            return lane.asks.send_modify(|asked| *asked = Asked { above, times: asked.times + 1 });
        }
        let Some(source) = make(lane.0) else { return };
        let (asks, asked) = watch::channel(Asked { above, times: 1 });
        let live = live(lane.0, source, asked, Arc::clone(&self.to), Arc::clone(&self.pace));
        lanes.insert(lane, Lane { asks, _task: Task::spawn(&self.runtime, live) });
    }
}

async fn live<S: Source>(
    journal: Address,
    mut source: S,
    mut asked: watch::Receiver<Asked>,
    to: Arc<dyn Inlet>,
    pace: Arc<Pace>,
) {
    loop {
        let above = asked.borrow_and_update().above;
        let read = tokio::select! {
            read = source.rows_above(above) => read,
            // Who asks again has heard nothing: what is held open may never say a word any more.
            _ = asked.changed() => {
                source.forget();
                continue;
            }
        };
        match read {
            Ok(rows) => {
                if !rows.chunks.is_empty() {
                    pace.wait(rows.last.0.saturating_sub(above.0)).await;
                }
                to.deliver(Delivery { frame: streams::frame(rows), receipt: None });
                if asked.changed().await.is_err() {
                    return;
                }
            }
            Err(error) => {
                debug!(?journal, %error, "rows can't be read");
                source.forget();
                // The same once more, unless something else is asked for by then.
                sleep(PAUSE).await;
            }
        }
    }
}
