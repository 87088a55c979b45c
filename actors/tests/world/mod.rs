//! A deployment without threads: machines over stores, and frames handed from one to the other in order.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
};

use remit_actors::{
    frame::Frame,
    genesis::Genesis,
    machine::{Failure, Machine},
    manager::{Manager, ManagerOptions},
    message::{
        Address, Answer, AnswerBody, Ask, ChangeAccount, Message, Progress, Question, Standing, Stands, Status, Submit,
        Tell,
    },
    shard::{Shard, ShardOptions},
    store::{
        Error,
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
    audit::{self, Finding, ShardView},
    id::{AccountId, PartitionNo, Seq, ShardNo, Time, TransferId},
    money::{Amount, Currency, Direction},
    protocol::Protocol,
    transfer::{LegSpec, Start},
};

pub const GATEWAY: Address = Address::Gateway(1);

/// Where the databases are.
pub enum Disks {
    Memory(BTreeMap<ShardNo, Disk<ShardEntry>>, BTreeMap<PartitionNo, Disk<TransferEntry>>),
    Files(PathBuf),
}

pub struct World {
    pub genesis: Genesis,
    pub disks: Disks,
    pub now: Time,
    pub books: BooksOptions,
    pub register: RegisterOptions,
    machines: BTreeMap<Address, Box<dyn Machine>>,
    inboxes: BTreeMap<Address, VecDeque<Frame>>,
    /// Whether every frame comes a second time, after all others.
    pub echo: bool,
    echoes: VecDeque<(Address, Frame)>,
    /// What the gateway has been told.
    pub told: Vec<Message>,
    tickets: u64,
}

pub fn eur() -> Currency {
    Currency::parse("EUR").unwrap()
}

pub fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

pub fn transfer_id(n: u64) -> TransferId {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&[1, 0x90]);
    id[8..].copy_from_slice(&n.to_be_bytes());
    TransferId(id)
}

impl World {
    pub fn in_memory(shards: u16, managers: u16) -> Self {
        let genesis = genesis(shards, managers);
        let shards = genesis.shard_numbers().map(|no| (no, Disk::default())).collect();
        let managers = genesis.partition_numbers().map(|no| (no, Disk::default())).collect();
        Self::on(genesis, Disks::Memory(shards, managers))
    }

    pub fn in_files(folder: &Path, shards: u16, managers: u16) -> Self {
        Self::on(genesis(shards, managers), Disks::Files(folder.to_owned()))
    }

    pub fn on(genesis: Genesis, disks: Disks) -> Self {
        let (books, register) = (BooksOptions::default(), RegisterOptions::default());
        Self {
            genesis,
            disks,
            now: Time(1_000_000),
            books,
            register,
            machines: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            echo: false,
            echoes: VecDeque::new(),
            told: Vec::new(),
            tickets: 0,
        }
    }

    /// Opens every database, or opens it anew; what was in memory and on the way is lost.
    pub fn start(&mut self) {
        self.inboxes.clear();
        for no in self.genesis.shard_numbers() {
            self.restart(Address::Shard(no));
        }
        for no in self.genesis.partition_numbers() {
            self.restart(Address::Manager(no));
        }
    }

    /// Closes every database.
    pub fn stop(&mut self) {
        self.machines.clear();
    }

    pub fn restart(&mut self, address: Address) {
        self.machines.remove(&address);
        let machine = loop {
            match self.open(address, Recovery::default()) {
                Err(Failure::Store(Error::Crashed)) => {}
                opened => break opened.unwrap(),
            }
        };
        self.machines.insert(address, machine);
    }

    pub fn open(&self, address: Address, recovery: Recovery) -> Result<Box<dyn Machine>, Failure> {
        let now = self.now;
        Ok(match address {
            Address::Shard(no) => {
                let options =
                    ShardOptions { books: self.books, partitions: self.genesis.managers, frame_messages_max: 1_000 };
                match &self.disks {
                    Disks::Memory(shards, _) => {
                        Box::new(Shard::open(no, shards[&no].open(&self.genesis, now)?, options, "test", now)?)
                    }
                    Disks::Files(folder) => {
                        let path = folder.join(format!("s{}.db", no.0));
                        let file = Sqlite::<ShardEntry>::open(&path, &self.genesis, true, now)?;
                        Box::new(Shard::open(no, file, options, "test", now)?)
                    }
                }
            }
            Address::Manager(no) => {
                let options = self.manager_options();
                match &self.disks {
                    Disks::Memory(_, managers) => {
                        let tables = managers[&no].open(&self.genesis, now)?;
                        Box::new(Manager::open(no, tables, options, recovery, "test", now)?)
                    }
                    Disks::Files(folder) => {
                        let path = folder.join(format!("m{}.db", no.0));
                        let file = Sqlite::<TransferEntry>::open(&path, &self.genesis, true, now)?;
                        Box::new(Manager::open(no, file, options, recovery, "test", now)?)
                    }
                }
            }
            _ => unreachable!("a gateway is no machine"),
        })
    }

    pub fn manager_options(&self) -> ManagerOptions {
        ManagerOptions {
            register: self.register,
            open_max: 1_500,
            retry_first_ms: 1_000,
            retry_max_ms: 5_000,
            retries_per_second_max: 1_000,
            overdue_ms: 60_000,
            frame_messages_max: 1_000,
        }
    }

    pub fn send(&mut self, to: Address, message: Message) {
        let (from, class) = (GATEWAY, message.class());
        self.deliver(to, Frame { from, class, mark: None, messages: vec![message], traces: vec![] });
    }

    fn deliver(&mut self, to: Address, frame: Frame) {
        if self.echo {
            self.echoes.push_back((to, frame.clone()));
        }
        self.inboxes.entry(to).or_default().push_back(frame);
    }

    /// One turn of one machine with all that waits for it. A failed machine is opened anew.
    pub fn turn(&mut self, address: Address) {
        let batch: Vec<Frame> = self.inboxes.remove(&address).unwrap_or_default().into();
        let turned = self.machines.get_mut(&address).unwrap().turn(&batch, self.now);
        match turned {
            Ok(frames) => {
                for (to, frame) in frames {
                    match to {
                        Address::Gateway(_) => self.told.extend(frame.messages),
                        to => self.deliver(to, frame),
                    }
                }
            }
            Err(failure) => {
                assert!(matches!(failure, Failure::Store(_)), "{failure:?}");
                self.restart(address);
            }
        }
    }

    /// Turns until no frame is on the way.
    pub fn settle(&mut self) {
        loop {
            while let Some(address) = self.inboxes.keys().next().copied() {
                self.turn(address);
            }
            let Some((to, frame)) = self.echoes.pop_front() else { return };
            self.inboxes.entry(to).or_default().push_back(frame);
        }
    }

    /// Lets time pass and everything that it makes due happen.
    pub fn pass(&mut self, ms: u64) {
        let until = self.now.plus_ms(ms);
        while self.now < until {
            let next = self.machines.values().filter_map(|machine| machine.wake_at()).min().unwrap_or(until);
            self.now = next.clamp(self.now.plus_ms(1), until);
            let is_due = |machine: &dyn Machine| machine.wake_at().is_some_and(|at| at <= self.now);
            let due = self.machines.iter().filter(|(_, machine)| is_due(machine.as_ref()));
            let due: Vec<Address> = due.map(|(address, _)| *address).collect();
            due.into_iter().for_each(|address| self.turn(address));
            self.settle();
        }
    }

    pub fn ask(&mut self, to: Address, question: Question) -> AnswerBody {
        self.tickets += 1;
        let ticket = self.tickets;
        self.send(to, Message::Ask(Ask { ticket, from: GATEWAY, question }));
        self.settle();
        self.answer(ticket).expect("an answer")
    }

    pub fn answer(&self, ticket: u64) -> Option<AnswerBody> {
        self.told.iter().find_map(|message| match message {
            Message::Answer(Answer { ticket: told, body, .. }) if *told == ticket => Some(body.clone()),
            _ => None,
        })
    }

    pub fn change(&mut self, id: &str, change: Change, command: u64) -> AnswerBody {
        let id = account(id);
        let to = Address::Shard(self.genesis.shard_of(&id).unwrap());
        let command_id = transfer_id(command).0;
        self.ask(to, Question::ChangeAccount(ChangeAccount { account: id, change, command_id, if_version: None }))
    }

    pub fn close(&mut self, id: &str, command: u64) -> AnswerBody {
        let id = account(id);
        let to = Address::Shard(self.genesis.shard_of(&id).unwrap());
        let (change, command_id) = (Change::BeginClose, transfer_id(command).0);
        let change = ChangeAccount { account: id, change, command_id, if_version: None };
        self.ask(to, Question::CloseAccount(change, 1_000))
    }

    pub fn open_account(&mut self, id: &str, kind: Kind) {
        let change = Change::Open { currency: eur(), kind, overdraft_limit: 0 };
        let command = 1 << 40 | u64::try_from(self.told.len()).unwrap();
        assert!(matches!(self.change(id, change, command), AnswerBody::Account(Some(_))));
    }

    pub fn account(&mut self, id: &str) -> Account {
        let id = account(id);
        let to = Address::Shard(self.genesis.shard_of(&id).unwrap());
        match self.ask(to, Question::Account(id)) {
            AnswerBody::Account(Some(account)) => account,
            other => panic!("{other:?}"),
        }
    }

    pub fn submission(&self, n: u64, protocol: Protocol, legs: &[(&str, Direction, i64)]) -> Submit {
        let leg = |(id, direction, amount): &(&str, Direction, i64)| {
            let account = account(id);
            let shard = self.genesis.shard_of(&account).unwrap();
            LegSpec { account, shard, direction: *direction, amount: Amount::new(*amount).unwrap(), currency: eur() }
        };
        Submit {
            id: transfer_id(n),
            protocol,
            legs: legs.iter().map(leg).collect(),
            memo: Some(format!("no {n}").as_str().into()),
            deadline_ms: 30_000,
            gateway: 1,
            ticket: n,
            tell: Tell::Both,
        }
    }

    pub fn submit_legs(&mut self, n: u64, protocol: Protocol, legs: &[(&str, Direction, i64)]) {
        let submit = self.submission(n, protocol, legs);
        self.send(Address::Manager(self.genesis.partition_of(&submit.id)), Message::Submit(submit));
    }

    pub fn submit(&mut self, n: u64, protocol: Protocol, from: &str, to: &str, amount: i64) {
        self.submit_legs(n, protocol, &[(from, Direction::Debit, amount), (to, Direction::Credit, amount)]);
    }

    /// The newest word about a transfer.
    pub fn standing(&self, n: u64) -> Option<Stands> {
        self.told.iter().rev().find_map(|message| match message {
            Message::Standing(Standing { id, stands, .. }) if *id == transfer_id(n) => Some(stands.clone()),
            _ => None,
        })
    }

    pub fn progress(&mut self, n: u64) -> Progress {
        let id = transfer_id(n);
        match self.ask(Address::Manager(self.genesis.partition_of(&id)), Question::Transfer(id)) {
            AnswerBody::Transfer(Some(found)) => found.1,
            other => panic!("{other:?}"),
        }
    }

    pub fn status(&mut self, n: u64) -> Status {
        self.progress(n).status
    }

    /// The audit, in the steps of R5.
    pub fn audit(&mut self) -> BTreeMap<Currency, Finding> {
        self.audit_to(true)
    }

    pub fn audit_to(&mut self, full: bool) -> BTreeMap<Currency, Finding> {
        let mut unreadable = Vec::new();
        let shards: Vec<ShardNo> = self.genesis.shard_numbers().collect();
        let partitions: Vec<PartitionNo> = self.genesis.partition_numbers().collect();
        let mut since = BTreeMap::new();
        for no in &shards {
            let AnswerBody::Position(position) = self.ask(Address::Shard(*no), Question::Position) else { panic!() };
            since.insert(*no, position.seq);
        }
        let (mut starts, mut positions): (Vec<Start>, BTreeMap<PartitionNo, Seq>) = Default::default();
        for no in &partitions {
            let body = self.ask(Address::Manager(*no), Question::AuditOpen { full });
            let AnswerBody::AuditStarts { at, starts: open, unreadable: more } = body else { panic!("{body:?}") };
            unreadable.extend(more);
            starts.extend(open);
            positions.insert(*no, at);
        }
        let mut views: BTreeMap<ShardNo, ShardView> = BTreeMap::new();
        for no in &shards {
            let transfers = starts.iter().map(|start| start.id).collect();
            let (since, unreadable) = (since[no], unreadable.clone());
            let question = Question::AuditShard { since, transfers, unreadable, full };
            let body = self.ask(Address::Shard(*no), question);
            let AnswerBody::AuditShard { view, journal } = body else { panic!("{body:?}") };
            assert!(journal.balanced && journal.verified_to == journal.seq, "{journal:?}");
            views.insert(*no, view);
        }
        for no in &partitions {
            let body = self.ask(Address::Manager(*no), Question::AuditBegun { since: positions[no] });
            let AnswerBody::AuditStarts { starts: begun, .. } = body else { panic!("{body:?}") };
            starts.extend(begun);
        }
        audit::compare(&starts, &views)
    }

    pub fn assert_conserved(&mut self) {
        for (currency, finding) in self.audit() {
            assert!(finding.is_conserved(), "{currency}: {finding:?}");
        }
    }

    /// Drops frames on the way to an address.
    pub fn lose(&mut self, to: Address) -> usize {
        self.inboxes.remove(&to).map_or(0, |frames| frames.len())
    }

    pub fn waiting(&self) -> Vec<Address> {
        self.inboxes.keys().copied().collect()
    }
}

fn genesis(shards: u16, managers: u16) -> Genesis {
    let shards = (0..shards).map(|no| format!("s{no}")).collect();
    Genesis { deployment: "test".into(), id: [7; 16], shards, managers, currencies: vec![], replicated: false }
}
