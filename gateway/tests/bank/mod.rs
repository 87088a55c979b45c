//! A bank on a deployment: clients that pay each other all the time, and an auditor who asks all the time.
//!
//! Whoever uses it has a module `deployment`, with the deployment and its shape.

mod book;
mod proof;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use remit_api::{
    Client, Error,
    account::OpenRequest,
    audit::RunRequest,
    connect::Connect,
    submit::{LegRequest, SubmitRequest, Until},
    transfer::{GetRequest, Status},
};
use remit_core::{
    account::Kind,
    id::{AccountId, TransferId},
    money::{Amount, Currency, Direction},
    protocol::Protocol,
};
use remit_load::{Numbers, new_id};
use tokio::{
    runtime::Runtime,
    task::JoinHandle,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use self::book::Book;
use crate::deployment::{CLIENTS, MANAGERS, PACE, SHARDS};

/// Customers of each shard, and what each has at first: so little that some payments are refused.
const CUSTOMERS: u64 = 6;
const FUNDS: i64 = 5_000;
/// What the account of each shard has that [`Bank::serves`] pays from.
const PROBE_FUNDS: i64 = 1_000_000;
/// How long a request may take until its client gives it up; its transfer may be recorded or not.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);
/// The same, while it is tried whether everything is served: a try that got lost must not hide that it is.
const TRIED_WITHIN: Duration = Duration::from_secs(1);
/// How long a client waits for a transfer's end, in milliseconds.
const WAIT_MS: u64 = 2_000;
/// The pause of the auditor between two audits.
const AUDIT_EVERY: Duration = Duration::from_millis(150);
/// The bound for all that must come true. It seldom takes more than some seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A bank at work, until [`Bank::close`](proof).
pub(crate) struct Bank {
    pub(crate) runtime: Runtime,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) tasks: Vec<JoinHandle<()>>,
}

/// What its clients and its auditor have in common.
pub(crate) struct Ledger {
    pub(crate) client: Client,
    pub(crate) book: Mutex<Book>,
    pub(crate) is_closing: AtomicBool,
    /// Audits that found everything exact.
    pub(crate) exact: AtomicUsize,
    /// Audits that were refused, or not answered.
    pub(crate) refused: AtomicUsize,
}

impl Bank {
    /// Opens and funds the accounts, and lets the clients and the auditor begin.
    pub(crate) fn open(url: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let connect = Connect { url: url.to_owned(), timeout: ANSWER_WITHIN, ..Connect::default() };
        let client = runtime.block_on(Client::connect(&connect)).unwrap();
        let ledger = Ledger {
            client,
            book: Mutex::default(),
            is_closing: AtomicBool::new(false),
            exact: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        };
        let ledger = Arc::new(ledger);
        runtime.block_on(ledger.found());
        let mut tasks: Vec<JoinHandle<()>> =
            (0..CLIENTS).map(|seed| runtime.spawn(Arc::clone(&ledger).client(Numbers(seed)))).collect();
        tasks.push(runtime.spawn(Arc::clone(&ledger).auditor()));
        Self { runtime, ledger, tasks }
    }

    /// Waits until the clients have been told so many more ends.
    pub(crate) fn works_on(&self, more: usize) {
        let before = self.ledger.book.lock().ended;
        self.until("the clients are served", || self.ledger.book.lock().ended >= before + more);
    }

    /// Waits until every partition and every shard serves under every protocol, and an audit is exact; says how long that
    /// took since something was over.
    pub(crate) fn serves_again(&self, what: &str, since: Instant) {
        let serves = async {
            while !self.ledger.serves().await {
                self.complain();
                assert!(since.elapsed() < PATIENCE, "{what}: not served in time; {}", self.ledger.told());
                sleep(Duration::from_millis(50)).await;
            }
        };
        self.runtime.block_on(serves);
        println!("{}: {what}: served again after {:.1} s", test(), since.elapsed().as_secs_f64());
        self.works_on(20);
    }

    /// Waits for what must come true.
    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let began = Instant::now();
        while !holds() {
            self.complain();
            assert!(began.elapsed() < PATIENCE, "not so in time: {what}; {}", self.ledger.told());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Fails if anything contradicts what was told before.
    pub(crate) fn complain(&self) {
        let contradictions = &self.ledger.book.lock().contradictions;
        assert!(contradictions.is_empty(), "{contradictions:#?}");
    }
}

impl Ledger {
    async fn found(&self) {
        let outside = OpenRequest { kind: Some(Kind::External), ..OpenRequest::new(world(), eur()) };
        self.client.account_open(&outside).await.unwrap();
        let customers = customers().into_iter().map(|customer| (customer, FUNDS));
        let funded = customers.chain((0..SHARDS).map(|shard| (probe(shard), PROBE_FUNDS)));
        for (account, funds) in funded {
            self.client.account_open(&OpenRequest::new(account.clone(), eur())).await.unwrap();
            let deposit = SubmitRequest::payment(new_id(), world(), account, amount(funds), eur());
            let deposit = SubmitRequest { wait: Some(Until::Settled), ..deposit };
            assert_eq!(self.submits(&deposit).await, Some(Status::Completed));
        }
    }

    /// One client: mostly new transfers, now and then one that somebody has asked for before.
    async fn client(self: Arc<Self>, mut numbers: Numbers) {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.is_closing.load(Relaxed) {
            pace.tick().await;
            let repeated = if numbers.below(8) == 0 { self.book.lock().nth(numbers.below(u64::MAX)) } else { None };
            self.submits(&repeated.unwrap_or_else(|| any_transfer(&mut numbers))).await;
        }
    }

    /// Submits a transfer; its status, if it was told.
    pub(crate) async fn submits(&self, request: &SubmitRequest) -> Option<Status> {
        let knew_end = self.book.lock().asks(request);
        let answer = in_time(self.client.transfer_submit(request)).await;
        let status = answer.as_ref().and_then(|answer| answer.as_ref().ok()).map(|transfer| transfer.status);
        self.book.lock().hears(request.id, knew_end, answer);
        status
    }

    /// Asks for a transfer that is recorded.
    pub(crate) async fn gets(&self, request: &SubmitRequest) {
        let knew_end = self.book.lock().asks(request);
        let answer = in_time(self.client.transfer_get(&GetRequest { id: request.id })).await;
        self.book.lock().hears(request.id, knew_end, answer);
    }

    /// The auditor: whenever there is an answer, it says that all is exact.
    async fn auditor(self: Arc<Self>) {
        while !self.is_closing.load(Relaxed) {
            self.audits().await;
            sleep(AUDIT_EVERY).await;
        }
    }

    /// One audit; false if there was no answer.
    async fn audits(&self) -> bool {
        let Some(Ok(audit)) = in_time(self.client.audit_run(&RunRequest::default())).await else {
            self.refused.fetch_add(1, Relaxed);
            return false;
        };
        let is_exact = audit.ok && audit.currencies.iter().all(|found| found.sum == 0 && found.drift == 0);
        if is_exact {
            self.exact.fetch_add(1, Relaxed);
        } else {
            self.book.lock().contradictions.push(format!("the money does not add up: {audit:?}"));
        }
        true
    }

    /// Whether transfers over all shards complete, at each partition and under each protocol, and an audit is answered.
    async fn serves(&self) -> bool {
        for protocol in protocols() {
            for partition in 0..MANAGERS {
                let request = SubmitRequest { protocol: Some(protocol), ..everywhere(partition) };
                let tried = timeout(TRIED_WITHIN, self.submits(&request)).await;
                if tried != Ok(Some(Status::Completed)) {
                    return false;
                }
            }
        }
        self.audits().await
    }

    /// Completes a transfer of a partition.
    #[allow(dead_code, reason = "several groups of tests share it, and each uses a part")]
    pub(crate) async fn completes(&self, partition: u16) -> TransferId {
        let request = everywhere(partition);
        assert_eq!(self.submits(&request).await, Some(Status::Completed));
        request.id
    }

    /// How it went, in a line.
    pub(crate) fn told(&self) -> String {
        let book = self.book.lock();
        let [completed, rejected, compensated] =
            [Status::Completed, Status::Rejected, Status::Compensated].map(|status| book.count(status));
        format!(
            "{} transfers: {completed} completed, {rejected} rejected, {compensated} compensated; requests: {} overloaded, {} \
             unanswered; audits: {} exact, {} refused",
            book.ids().len(),
            book.overloaded.0,
            book.unanswered,
            self.exact.load(Relaxed),
            self.refused.load(Relaxed),
        )
    }
}

/// The test that runs on this thread.
pub(crate) fn test() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

/// What comes of a request, unless its client loses patience.
pub(crate) async fn in_time<T>(request: impl Future<Output = Result<T, Error>>) -> Option<Result<T, Error>> {
    timeout(ANSWER_WITHIN, request).await.ok()
}

fn any_transfer(numbers: &mut Numbers) -> SubmitRequest {
    let mut accounts = customers();
    accounts.push(world());
    let mut any = || accounts.swap_remove(usize::try_from(numbers.below(accounts.len() as u64)).unwrap());
    let (first, second, third, fourth) = (any(), any(), any(), any());
    let some = 1 + i64::try_from(numbers.below(1_500)).unwrap();
    let (debit, credit) = (Direction::Debit, Direction::Credit);
    let legs = match numbers.below(4) {
        0 => vec![leg(first, debit, some), leg(second, credit, some)],
        1 => vec![leg(first, debit, some + 1), leg(second, credit, 1), leg(third, credit, some)],
        2 => vec![leg(first, debit, some), leg(second, debit, 1), leg(third, credit, some + 1)],
        _ => vec![leg(first, debit, some), leg(second, debit, 2), leg(third, credit, 1), leg(fourth, credit, some + 1)],
    };
    let all = protocols();
    SubmitRequest {
        protocol: Some(all[usize::try_from(numbers.below(3)).unwrap()]),
        wait: Some(if numbers.below(4) == 0 { Until::Accepted } else { Until::Settled }),
        wait_ms: Some(WAIT_MS),
        // Some give up while something is broken: so that is tried as well.
        deadline_ms: Some(if numbers.below(4) == 0 { 1_000 } else { 30_000 }),
        ..SubmitRequest::of_legs(new_id(), legs)
    }
}

/// A transfer of this partition over all shards.
fn everywhere(partition: u16) -> SubmitRequest {
    let legs = (0..SHARDS).map(|shard| match shard {
        0 => leg(probe(0), Direction::Debit, i64::from(SHARDS) - 1),
        shard => leg(probe(shard), Direction::Credit, 1),
    });
    let id = std::iter::repeat_with(new_id).find(|id| id.partition(MANAGERS).0 == partition).unwrap();
    let request = SubmitRequest::of_legs(id, legs.collect());
    SubmitRequest { wait: Some(Until::Settled), wait_ms: Some(WAIT_MS), ..request }
}

fn leg(account: AccountId, direction: Direction, some: i64) -> LegRequest {
    LegRequest { account, direction, amount: amount(some), currency: Some(eur()) }
}

fn protocols() -> [Protocol; 3] {
    ["saga", "2pc", "events"].map(|name| Protocol::parse(name).unwrap())
}

fn customers() -> Vec<AccountId> {
    let account = |shard, no| AccountId::parse(&format!("s{shard}:customer-{no}")).unwrap();
    (0..SHARDS).flat_map(|shard| (0..CUSTOMERS).map(move |no| account(shard, no))).collect()
}

/// Every account of the bank.
pub(crate) fn accounts() -> Vec<AccountId> {
    [world()].into_iter().chain(customers()).chain((0..SHARDS).map(probe)).collect()
}

fn world() -> AccountId {
    AccountId::parse("s0:world").unwrap()
}

/// The account of a shard that only [`Bank::serves_again`] pays from.
pub(crate) fn probe(shard: u16) -> AccountId {
    AccountId::parse(&format!("s{shard}:probe")).unwrap()
}

fn amount(some: i64) -> Amount {
    Amount::new(some).unwrap()
}

fn eur() -> Currency {
    Currency::parse("EUR").unwrap()
}
