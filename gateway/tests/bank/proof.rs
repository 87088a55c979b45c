//! The proof at the end: every transfer has one end, which is told the same for ever, and every account has what the completed
//! ones add up to, posting by posting.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use remit_api::{
    account::{self, StatementRequest},
    submit::{SubmitRequest, Until},
    transfer::Status,
};
use remit_core::{
    id::{AccountId, TransferId},
    money::Direction,
};
use tokio::time::sleep;

use super::{Bank, Ledger, PATIENCE, accounts, book::Told, in_time, test};
use crate::deployment::Deployment;

/// Requests at the same time.
const AT_ONCE: usize = 32;

impl Bank {
    /// Sends the clients home, sees every transfer to its end, and proves that everything is right.
    pub(crate) fn close(mut self, deployment: &Deployment) {
        self.ledger.is_closing.store(true, Relaxed);
        let tasks = std::mem::take(&mut self.tasks);
        self.runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
            self.ledger.sees_ends(|told| !matches!(told, Told::Ended(_))).await;
        });
        self.complain();
        // Once more, by its id alone and by the whole request again.
        self.runtime.block_on(self.ledger.asks_again());
        self.complain();
        self.runtime.block_on(self.ledger.proves_accounts());
        for depth in [&["audit"][..], &["audit", "--full"]] {
            let (status, audit) = deployment.json(depth);
            let found = &audit["currencies"][0];
            assert!(status == 0 && audit["ok"] == true, "{audit}");
            for zero in ["sum", "in_transit", "in_flight", "drift", "held_drift", "incoming_drift"] {
                assert_eq!(found[zero].to_string().trim_matches('"'), "0", "{zero}: {audit}");
            }
        }
        println!("{}: {}", test(), self.ledger.told());
        assert!(self.ledger.exact.load(Relaxed) > 0, "nothing was ever audited");
    }
}

impl Bank {
    /// Waits until what is known to be recorded, and is new to nobody, has come to its end.
    pub(crate) fn sees_the_ends_of_what_is_known(&self) {
        self.runtime.block_on(self.ledger.sees_ends(|told| matches!(told, Told::Recorded)));
        self.complain();
    }
}

impl Ledger {
    /// What was acknowledged must be there; what was not is sent again, so that it is known and not left to chance.
    async fn sees_ends(self: &Arc<Self>, of: impl Fn(&Told) -> bool) {
        let began = Instant::now();
        loop {
            let open: Vec<(SubmitRequest, bool)> = {
                let book = self.book.lock();
                let entries = book.ids().iter().map(|id| book.entry(*id));
                let open = entries.filter(|entry| of(&entry.told));
                open.map(|entry| (entry.request.clone(), matches!(entry.told, Told::Recorded))).collect()
            };
            if open.is_empty() || !self.book.lock().contradictions.is_empty() {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{} transfers do not end: {:?}", open.len(), open[0].0.id);
            let ask = async |(request, recorded): (SubmitRequest, bool)| {
                if recorded {
                    self.gets(&request).await;
                } else {
                    self.submits(&SubmitRequest { wait: Some(Until::Settled), ..request }).await;
                }
            };
            stream::iter(open).for_each_concurrent(AT_ONCE, ask).await;
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn asks_again(self: &Arc<Self>) {
        let ids = self.book.lock().ids().to_vec();
        let before = self.book.lock().unanswered;
        let ask = async |id: TransferId| {
            let request = self.book.lock().entry(id).request.clone();
            self.gets(&request).await;
            self.submits(&request).await;
        };
        stream::iter(ids).for_each_concurrent(AT_ONCE, ask).await;
        assert_eq!(self.book.lock().unanswered, before, "all is well again, so all is answered");
    }

    /// Compares balances and postings of every account with what the book adds up to.
    async fn proves_accounts(self: &Arc<Self>) {
        let mut expected: HashMap<AccountId, HashMap<TransferId, i64>> = HashMap::new();
        {
            let book = self.book.lock();
            for id in book.ids() {
                let Told::Ended(end) = &book.entry(*id).told else { unreachable!("all have ended") };
                for leg in end.legs.iter().filter(|_| end.status == Status::Completed) {
                    let moved = expected.entry(leg.account.clone()).or_default();
                    moved.insert(*id, signed(leg.direction, leg.amount.get()));
                }
            }
        }
        for id in accounts() {
            let expected = expected.remove(&id).unwrap_or_default();
            let account = in_time(self.client.account_get(&account::GetRequest { id: id.clone() })).await;
            let account = account.unwrap().unwrap();
            let balance: i64 = expected.values().sum();
            assert_eq!((account.posted, account.held, account.incoming), (balance, 0, 0), "{id}");
            let mut posted: HashMap<TransferId, i64> = HashMap::new();
            let mut postings: HashMap<TransferId, usize> = HashMap::new();
            let mut page = StatementRequest { limit: Some(1_000), ..StatementRequest::new(id.clone()) };
            loop {
                let statement = in_time(self.client.account_statement(&page)).await.unwrap().unwrap();
                for posting in statement.postings {
                    *posted.entry(posting.transfer).or_default() += signed(posting.direction, posting.amount.get());
                    *postings.entry(posting.transfer).or_default() += 1;
                }
                page.cursor = statement.cursor;
                if page.cursor.is_none() {
                    break;
                }
            }
            // What was put back adds up to nothing; what completed was posted once.
            posted.retain(|_, moved| *moved != 0);
            assert_eq!(posted, expected, "{id}");
            assert!(expected.keys().all(|transfer| postings[transfer] == 1), "posted more than once on {id}");
        }
    }
}

fn signed(direction: Direction, amount: i64) -> i64 {
    match direction {
        Direction::Debit => -amount,
        Direction::Credit => amount,
    }
}
