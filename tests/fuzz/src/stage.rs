//! Two shards and a manager without threads, and between them a broker that does as the input says. Every frame goes as bytes.

use std::{collections::BTreeMap, path::PathBuf};

use bytes::Bytes;
use remit_actors::{
    codec,
    frame::Frame,
    genesis::Genesis,
    machine::{Failure, Machine},
    manager::{Manager, ManagerOptions},
    message::{Address, Answer, AnswerBody, Ask, ChangeAccount, Message, Position, Question, Submit, Tell},
    shard::{Shard, ShardOptions},
    store::{
        books::BooksOptions,
        memory::Disk,
        register::RegisterOptions,
        row::{ShardEntry, TransferEntry},
        sqlite::Sqlite,
    },
    supervision::Recovery,
};
use remit_core::{
    account::{Account, Change, Kind},
    audit::{self, ShardView},
    id::{PartitionNo, Seq, ShardNo, Time},
    money::{Amount, Direction},
    protocol::Protocol,
    transfer::{LegSpec, Start},
};

use crate::values::{account_id, currency_code, transfer_id};

/// The one manager.
pub const MANAGER: Address = Address::Manager(PartitionNo(0));
/// The shards.
pub const SHARDS: [Address; 2] = [Address::Shard(ShardNo(0)), Address::Shard(ShardNo(1))];
/// Who asks.
pub const GATEWAY: Address = Address::Gateway(1);

/// Where the databases are.
enum Disks {
    Memory([Disk<ShardEntry>; 2], Disk<TransferEntry>),
    Files(PathBuf),
}

/// The machines, the frames on the way, and the clock.
pub struct Stage {
    genesis: Genesis,
    disks: Disks,
    books: BooksOptions,
    register: RegisterOptions,
    machines: BTreeMap<Address, Box<dyn Machine>>,
    /// What is on the way, in the order in which it was sent.
    pub flying: Vec<(Address, Bytes)>,
    /// What has been sent so far; the broker may deliver any of it again.
    pub sent: Vec<(Address, Bytes)>,
    /// The time that machines are told.
    pub now: Time,
}

/// The facts of the deployment that all databases here are of.
#[must_use]
pub fn genesis() -> Genesis {
    let shards = vec!["s0".into(), "s1".into()];
    Genesis { deployment: "fuzz".into(), id: [7; 16], shards, managers: 1, currencies: vec![], replicated: false }
}

impl Stage {
    /// Machines over databases in memory; balances are written in bulk after so many rows.
    #[must_use]
    pub fn in_memory(flush_rows: u64) -> Self {
        Self::on(Disks::Memory([Disk::default(), Disk::default()], Disk::default()), flush_rows)
    }

    /// Machines over files in a folder.
    #[must_use]
    pub fn in_files(folder: PathBuf, flush_rows: u64) -> Self {
        Self::on(Disks::Files(folder), flush_rows)
    }

    fn on(disks: Disks, flush_rows: u64) -> Self {
        Self {
            genesis: genesis(),
            disks,
            books: BooksOptions { flush_rows, accounts_max: 4, legs_max: 4 },
            register: RegisterOptions { ended_max: 4, flush_rows },
            machines: BTreeMap::new(),
            flying: Vec::new(),
            sent: Vec::new(),
            now: Time(1_000_000),
        }
    }

    /// The databases' files are written, and nobody has them open any more.
    pub fn close(&mut self) {
        self.machines.clear();
    }

    /// Opens a database, without keeping the machine.
    ///
    /// # Errors
    /// The database is refused.
    pub fn open(&self, address: Address) -> Result<Box<dyn Machine>, Failure> {
        let now = self.now;
        Ok(match address {
            Address::Shard(no) => {
                let options = ShardOptions { books: self.books, partitions: 1, frame_messages_max: 100 };
                match &self.disks {
                    Disks::Memory(shards, _) => {
                        let tables = shards[usize::from(no.0)].open(&self.genesis, now)?;
                        Box::new(Shard::open(no, tables, options, "fuzz", now)?)
                    }
                    Disks::Files(folder) => {
                        let path = folder.join(format!("s{}.db", no.0));
                        let file = Sqlite::<ShardEntry>::open(&path, &self.genesis, !path.exists(), now)?;
                        Box::new(Shard::open(no, file, options, "fuzz", now)?)
                    }
                }
            }
            Address::Manager(no) => match &self.disks {
                Disks::Memory(_, manager) => {
                    let tables = manager.open(&self.genesis, now)?;
                    Box::new(Manager::open(no, tables, self.options(), Recovery::default(), "fuzz", now)?)
                }
                Disks::Files(folder) => {
                    let path = folder.join("m0.db");
                    let file = Sqlite::<TransferEntry>::open(&path, &self.genesis, !path.exists(), now)?;
                    Box::new(Manager::open(no, file, self.options(), Recovery::default(), "fuzz", now)?)
                }
            },
            _ => unreachable!("a gateway is no machine"),
        })
    }

    fn options(&self) -> ManagerOptions {
        ManagerOptions {
            register: self.register,
            open_max: 100,
            retry_first_ms: 1_000,
            retry_max_ms: 5_000,
            retries_per_second_max: 1_000,
            overdue_ms: 20_000,
            frame_messages_max: 100,
        }
    }

    /// Opens a machine, or opens it anew: what was in its memory is lost.
    ///
    /// # Panics
    /// If its database is refused.
    pub fn restart(&mut self, address: Address) {
        self.machines.remove(&address);
        let machine = self.open(address).unwrap_or_else(|failure| panic!("{address:?} does not open: {failure:?}"));
        self.machines.insert(address, machine);
    }

    /// One turn of a machine with these frames; what it sends is on the way then. What it tells gateways comes back.
    ///
    /// # Panics
    /// If the turn fails: no message makes one fail.
    pub fn turn(&mut self, address: Address, frames: &[Frame]) -> Vec<Message> {
        let machine = self.machines.get_mut(&address).expect("it was started");
        let turned = machine.turn(frames, self.now);
        let mut told = Vec::new();
        for (to, frame) in turned.unwrap_or_else(|failure| panic!("the turn of {address:?} failed: {failure:?}")) {
            let bytes = codec::encode(&frame);
            if self.machines.contains_key(&to) {
                self.flying.push((to, bytes.clone()));
                self.sent.push((to, bytes));
            } else {
                told.extend(codec::decode(&bytes).expect("what is sent can be read").messages);
            }
        }
        told
    }

    /// Delivers a frame as the broker has it. One that can't be read is dropped, as the bus does.
    pub fn deliver(&mut self, to: Address, bytes: &[u8]) {
        if let Ok(frame) = codec::decode(bytes) {
            self.turn(to, &[frame]);
        }
    }

    /// Delivers all that is on the way and whatever comes of it, and lets time pass where nothing is, until nobody wants a turn
    /// before `until`.
    pub fn settle(&mut self, until: Time) {
        loop {
            while !self.flying.is_empty() {
                let (to, bytes) = self.flying.remove(0);
                self.deliver(to, &bytes);
            }
            let next = self.machines.values().filter_map(|machine| machine.wake_at()).min();
            let Some(next) = next.filter(|next| *next <= until) else { return };
            self.now = self.now.max(next);
            self.wake();
        }
    }

    /// Gives a turn to every machine that wants one by now.
    pub fn wake(&mut self) {
        let is_due = |machine: &dyn Machine| machine.wake_at().is_some_and(|at| at <= self.now);
        let due = self.machines.iter().filter(|(_, machine)| is_due(machine.as_ref()));
        let due: Vec<Address> = due.map(|(address, _)| *address).collect();
        due.into_iter().for_each(|address| drop(self.turn(address, &[])));
    }

    /// Asks a machine at once, past all that is on the way.
    pub fn ask(&mut self, to: Address, question: Question) -> Vec<AnswerBody> {
        let told = self.turn(to, &[asking(question)]);
        told.into_iter().filter_map(answer).collect()
    }

    /// Opens an account.
    pub fn open_account(&mut self, id: &str, currency: &str, kind: Kind, no: u8) {
        let account = account_id(id);
        let shard = self.genesis.shard_of(&account).expect("a shard that is there");
        let change = Change::Open { currency: currency_code(currency), kind, overdraft_limit: 0 };
        let change = ChangeAccount { account, change, command_id: [200 + no; 16], if_version: None };
        self.ask(Address::Shard(shard), Question::ChangeAccount(change));
    }

    /// Submits a transfer of these legs: account, amount with its sign.
    pub fn submit(&mut self, no: u64, protocol: Protocol, deadline_ms: u64, legs: &[(&str, i64)]) {
        let leg = |(id, amount): &(&str, i64)| {
            let account = account_id(id);
            let shard = self.genesis.shard_of(&account).expect("a shard that is there");
            let direction = if *amount < 0 { Direction::Debit } else { Direction::Credit };
            let amount = Amount::new(amount.saturating_abs()).expect("an amount that is not zero");
            LegSpec { account, shard, direction, amount, currency: currency_code("EUR") }
        };
        let legs = legs.iter().map(leg).collect();
        let (memo, gateway, ticket) = (Some(format!("no {no}").as_str().into()), 1, no);
        let submit =
            Submit { id: transfer_id(no), protocol, legs, memo, deadline_ms, gateway, ticket, tell: Tell::Both };
        self.turn(MANAGER, &[frame_of(Message::Submit(submit))]);
    }

    /// Every shard's and the manager's own full audit.
    ///
    /// # Panics
    /// If one of them finds anything.
    pub fn assert_sound(&mut self) {
        for shard in SHARDS {
            let question = Question::AuditShard { since: Seq(0), transfers: vec![], unreadable: vec![], full: true };
            let found = self.ask(shard, question);
            let sound = |body: &AnswerBody| {
                matches!(body, AnswerBody::AuditShard { journal, .. }
                    if journal.balanced && journal.verified_to == journal.seq)
            };
            assert!(!found.is_empty() && found.iter().all(sound), "{shard:?}: {found:?}");
        }
        let found = self.ask(MANAGER, Question::AuditOpen { full: true });
        let [AnswerBody::AuditStarts { unreadable, .. }] = &found[..] else { panic!("{found:?}") };
        assert!(unreadable.is_empty(), "{found:?}");
    }

    /// The audit across all databases (R5).
    ///
    /// # Panics
    /// If money was made or lost.
    pub fn assert_conserved(&mut self) {
        let mut starts: Vec<Start> = Vec::new();
        for body in self.ask(MANAGER, Question::AuditOpen { full: true }) {
            let AnswerBody::AuditStarts { starts: open, .. } = body else { panic!("{body:?}") };
            starts.extend(open);
        }
        let mut views: BTreeMap<ShardNo, ShardView> = BTreeMap::new();
        for shard in SHARDS {
            let transfers = starts.iter().map(|start| start.id).collect();
            let question = Question::AuditShard { since: Seq(u64::MAX), transfers, unreadable: vec![], full: true };
            for body in self.ask(shard, question) {
                let AnswerBody::AuditShard { view, journal } = body else { panic!("{body:?}") };
                assert!(journal.balanced, "{shard:?}: {journal:?}");
                let Address::Shard(no) = shard else { continue };
                views.insert(no, view);
            }
        }
        for (currency, finding) in audit::compare(&starts, &views) {
            assert!(finding.is_conserved(), "{currency}: {finding:?}");
        }
    }

    /// Where a machine stands.
    #[must_use]
    pub fn position(&self, address: Address) -> Position {
        self.machines.get(&address).map(|machine| machine.position()).unwrap_or_default()
    }

    /// All accounts of a shard.
    pub fn accounts(&mut self, shard: Address) -> Vec<(String, Account)> {
        let bodies = self.ask(shard, Question::Accounts { after: None, limit: 1_000 });
        let accounts = bodies.into_iter().flat_map(|body| match body {
            AnswerBody::Accounts(accounts, _) => accounts,
            _ => Vec::new(),
        });
        accounts.map(|(id, account)| (id.to_string(), account)).collect()
    }
}

/// The number of every question.
const TICKET: u64 = 77;

/// Asks a machine that stands on no stage.
///
/// # Errors
/// Its turn failed.
pub fn ask(machine: &mut dyn Machine, question: Question, now: Time) -> Result<Vec<AnswerBody>, Failure> {
    let frames = machine.turn(&[asking(question)], now)?;
    Ok(frames.into_iter().flat_map(|(_, frame)| frame.messages).filter_map(answer).collect())
}

fn answer(message: Message) -> Option<AnswerBody> {
    if let Message::Answer(Answer { body, ticket: TICKET, .. }) = message { Some(body) } else { None }
}

/// A question from the gateway, in a frame of its own.
#[must_use]
pub fn asking(question: Question) -> Frame {
    frame_of(Message::Ask(Ask { ticket: TICKET, from: GATEWAY, question }))
}

/// A message from the gateway, in a frame of its own.
#[must_use]
pub fn frame_of(message: Message) -> Frame {
    Frame { from: GATEWAY, class: message.class(), mark: None, messages: vec![message], traces: vec![] }
}

/// A folder for files that are thrown away: in memory where the system has such a place, since flushing is most of the time.
///
/// # Panics
/// If there is no room for one.
#[must_use]
pub fn scratch() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("room for a temporary folder")
}
