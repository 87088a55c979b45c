//! Asks every shard and partition all the time, and so learns for how long nobody served it.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use remit_api::{account, transfer};
use remit_core::id::TransferId;
use tokio::time::{sleep, timeout};

use crate::{
    bank::{Bank, Ledger, PATIENCE, probe, test},
    deployment::{Deployment, MANAGERS, SHARDS},
};

/// The pause between two questions to the same database.
const PACE: Duration = Duration::from_millis(25);
/// How long it waits for an answer before it asks again.
const ANSWER_WITHIN: Duration = Duration::from_millis(250);

/// The probe, for as long as its bank is open.
pub(crate) struct Probe {
    seen: Arc<Mutex<BTreeMap<String, Seen>>>,
    /// When it began, the last time.
    began: Mutex<Instant>,
}

/// What it saw of one database.
struct Seen {
    /// When it was answered last.
    last: Instant,
    /// The longest time between two answers.
    longest: Duration,
    /// When that was over.
    longest_at: Instant,
}

impl Seen {
    fn new() -> Self {
        Self { last: Instant::now(), longest: Duration::ZERO, longest_at: Instant::now() }
    }

    fn answered(&mut self) {
        let now = Instant::now();
        if now - self.last >= self.longest {
            (self.longest, self.longest_at) = (now - self.last, now);
        }
        self.last = now;
    }
}

/// What it asks.
enum Question {
    Account(u16),
    Transfer(TransferId),
}

impl Probe {
    pub(crate) fn start(bank: &Bank) -> Self {
        let seen = Arc::<Mutex<BTreeMap<String, Seen>>>::default();
        let shards = (0..SHARDS).map(|shard| (format!("s{shard}"), Question::Account(shard)));
        let partitions = (0..MANAGERS).map(|partition| {
            let ended = bank.runtime.block_on(bank.ledger.completes(partition));
            (format!("m{partition}"), Question::Transfer(ended))
        });
        for (name, question) in shards.chain(partitions).collect::<Vec<_>>() {
            seen.lock().insert(name.clone(), Seen::new());
            bank.runtime.spawn(ask(Arc::clone(&bank.ledger), name, question, Arc::clone(&seen)));
        }
        Self { seen, began: Mutex::new(Instant::now()) }
    }

    /// Forgets what was.
    pub(crate) fn begins(&self) {
        *self.began.lock() = Instant::now();
        for seen in self.seen.lock().values_mut() {
            seen.longest = Duration::ZERO;
        }
    }

    /// Waits until all are served now, and prints for how long each was not.
    pub(crate) fn shows(&self, what: &str, deployment: &Deployment) {
        let now = Instant::now();
        while self.seen.lock().values().any(|seen| seen.last < now) {
            assert!(now.elapsed() < PATIENCE, "{what}: not all are served; {:?}", deployment.owners());
            std::thread::sleep(Duration::from_millis(10));
        }
        let (owners, began) = (deployment.owners(), *self.began.lock());
        println!("{}: {what}: time without service, in milliseconds", test());
        for (name, seen) in &*self.seen.lock() {
            let owner = owners.get(name).map_or("", String::as_str);
            let at = seen.longest_at.saturating_duration_since(began).as_secs_f64();
            println!("  {name:<4} {owner:<4} {:>6}, up to second {at:.1}", seen.longest.as_millis());
        }
    }
}

async fn ask(ledger: Arc<Ledger>, name: String, question: Question, seen: Arc<Mutex<BTreeMap<String, Seen>>>) {
    while !ledger.is_closing.load(Relaxed) {
        let answered = match &question {
            Question::Account(shard) => {
                let request = account::GetRequest { id: probe(*shard) };
                matches!(timeout(ANSWER_WITHIN, ledger.client.account_get(&request)).await, Ok(Ok(_)))
            }
            Question::Transfer(id) => {
                let request = transfer::GetRequest { id: *id };
                matches!(timeout(ANSWER_WITHIN, ledger.client.transfer_get(&request)).await, Ok(Ok(_)))
            }
        };
        if answered && let Some(seen) = seen.lock().get_mut(&name) {
            seen.answered();
        }
        sleep(PACE).await;
    }
}
