//! The projector beside the deployment: fed from the durable rows by ways that lose, double and delay, and killed at any point
//! between a commit and what it sends. When everything has come to rest it must say what the rows come to, no row missing and
//! none counted twice.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use remit_actors::{
    faults::{Chance, Dice},
    frame::Frame,
    genesis::Genesis,
    machine::Machine as _,
    message::{
        Address, Answer, AnswerBody, Ask, Class, DayTotal, Find, Found, Linked, Message, Query, Question, Read, Rows,
        Status,
    },
    projector::{Home, Projector, ProjectorOptions},
};
use remit_core::id::{AccountId, Seq, Time, TransferId};

use crate::{
    checker::{Checked, Checker, violation},
    drive::Drive,
    name,
    queue::Event,
    world::World,
};

/// The throws of the projector's life.
const PURPOSE: u64 = 5;
/// The projector's time, which nothing here rests on.
const EPOCH_MS: i64 = 1_700_000_000_000;
/// Frames that may wait for it.
const WAITING_MAX: usize = 256;
/// Rows of one run, at most.
const ROWS_MAX: u64 = 200;

/// A name in memory for each projection of the process.
static PROJECTIONS: AtomicU64 = AtomicU64::new(0);

/// The projector, and what is on its way to it.
pub(crate) struct Reading {
    home: Home,
    genesis: Genesis,
    projector: Option<Projector>,
    waiting: VecDeque<Frame>,
    dice: Dice,
}

impl Reading {
    pub(crate) fn new(seed: u64, genesis: &Genesis) -> Self {
        let name = format!("sim-{}", PROJECTIONS.fetch_add(1, Relaxed));
        let (home, dice) = (Home::in_memory(&name), Dice::new(seed, PURPOSE));
        Self { home, genesis: genesis.clone(), projector: None, waiting: VecDeque::new(), dice }
    }

    pub(crate) fn arrives(&mut self, frame: Frame) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(frame);
        }
    }

    fn projector(&mut self, now: Time) -> Result<&mut Projector, String> {
        if self.projector.is_none() {
            let options = ProjectorOptions { home: self.home.clone(), overdue_ms: 60_000 };
            let opened = Projector::open(&self.genesis, options, now).map_err(|failure| format!("{failure:?}"))?;
            self.projector = Some(opened);
        }
        self.projector.as_mut().ok_or_else(|| "there is no projector".into())
    }

    /// A turn with what waits; what leaves it, unless it is killed before that.
    fn turn(&mut self, batch: &[Frame], now: Time, may_die: bool) -> Result<Vec<(Address, Frame)>, String> {
        let out = self.projector(now)?.turn(batch, now).map_err(|failure| format!("{failure:?}"))?;
        if may_die && self.dice.hits(Chance::percent(10)) {
            self.projector = None;
            return Ok(Vec::new());
        }
        Ok(out)
    }

    fn ask(&mut self, query: Query, now: Time) -> Result<Found, String> {
        let read = Read { query, at_least: Vec::new(), within_ms: 0 };
        let ask = Ask { ticket: 0, from: Address::Gateway(0), question: Question::Read(Box::new(read)) };
        let message = Message::Ask(ask);
        let frame = frame(Address::Gateway(0), Class::Do, message);
        for (_, frame) in self.turn(&[frame], now, false)? {
            for message in frame.messages {
                if let Message::Answer(Answer { body: AnswerBody::Reading(reading), .. }) = message {
                    return Ok(reading.found);
                }
            }
        }
        Err("the projector does not answer".into())
    }
}

impl World {
    /// The projector takes a turn.
    pub(crate) fn read(&mut self) -> Checked {
        let now = Time(EPOCH_MS + self.queue.now);
        let may_die = !self.is_calm;
        if may_die && self.reading.dice.hits(Chance::percent(5)) {
            self.reading.projector = None;
            self.reading.waiting.clear();
        }
        let batch: Vec<Frame> = self.reading.waiting.drain(..).collect();
        let out = self.reading.turn(&batch, now, may_die).map_err(fails)?;
        for message in out.into_iter().flat_map(|(_, frame)| frame.messages) {
            if let Message::Ask(Ask { question: Question::RowsAbove(source, above), .. }) = message {
                self.tell_rows(source, above, now);
            }
        }
        let pause = self.reading.dice.between(5, 150);
        self.queue.after(pause, Event::Read);
        Ok(())
    }

    /// A ledger stream answers with what is durable, through the ways of the journal's node.
    fn tell_rows(&mut self, source: Address, above: Seq, now: Time) {
        let Some(place) = self.place(source) else { return };
        let rows_max = usize::try_from(self.reading.dice.between(1, ROWS_MAX)).unwrap_or(1);
        let slot = &self.slots[place];
        let rows = match slot.drive() {
            Drive::Shard(disk) => disk.durable_run_above(source, above, rows_max),
            Drive::Manager(disk) => disk.durable_run_above(source, above, rows_max),
        };
        let rows = rows.unwrap_or_else(|| Rows {
            source,
            first: above.next(),
            last: above,
            before: Linked::default(),
            chunks: Vec::new(),
            head: above,
            complete: Some(now),
        });
        let node = slot.node;
        self.send(node, vec![(Address::Projector, frame(source, Class::Reply, Message::Rows(rows)))]);
    }

    /// Whether the projector has taken in every durable row.
    pub(crate) fn has_read_all(&mut self) -> Result<bool, crate::Violation> {
        let now = Time(EPOCH_MS + self.queue.now);
        let Found::Standings(standings) = self.reading.ask(Query::Standings, now).map_err(fails)? else {
            return Err(fails("it does not say how far it is".into()));
        };
        let seen = |source| match source {
            Address::Shard(no) => self.checker.shard_seen(no),
            Address::Manager(no) => self.checker.manager_seen(no),
            _ => Seq(0),
        };
        Ok(standings.is_built && standings.sources.iter().all(|source| source.seq >= seen(source.source)))
    }

    /// What the projector says when all is at rest must be what the rows come to.
    pub(crate) fn check_reading(&mut self) -> Checked {
        let now = Time(EPOCH_MS + self.queue.now);
        self.check_totals(now)?;
        self.check_ends(now)
    }

    fn check_totals(&mut self, now: Time) -> Checked {
        let mut totals: BTreeMap<AccountId, i128> = BTreeMap::new();
        let mut after = None;
        loop {
            let query = Query::Totals { account: None, from: i64::MIN, to: i64::MAX, after, limit: 1_000 };
            let Found::Totals(page, more) = self.reading.ask(query, now).map_err(fails)? else {
                return Err(fails("it has no totals".into()));
            };
            after = page.last().map(|day| (day.day, day.account.clone()));
            for DayTotal { account, debited, credited, .. } in page {
                *totals.entry(account).or_default() += credited - debited;
            }
            if !more {
                break;
            }
        }
        for (id, book) in &self.checker.accounts {
            let total = totals.get(id).copied().unwrap_or_default();
            if total != i128::from(book.posted) {
                let what = format!("the projection's totals of {id} come to {total}, it has {}", book.posted);
                return Err(violation(vec![id.to_string()], what));
            }
        }
        Ok(())
    }

    fn check_ends(&mut self, now: Time) -> Checked {
        let mut below = vec![Some(Seq(u64::MAX)); usize::from(self.plan.managers)];
        let mut listed: BTreeMap<TransferId, Status> = BTreeMap::new();
        while below.iter().any(Option::is_some) {
            let find = Find { below, limit: 1_000, ..Find::default() };
            let Found::Transfers(page, next) = self.reading.ask(Query::Transfers(find), now).map_err(fails)? else {
                return Err(fails("it lists no transfers".into()));
            };
            for transfer in page {
                if listed.insert(transfer.start.id, transfer.progress.status).is_some() {
                    let id = transfer.start.id;
                    return Err(violation(vec![name(id)], format!("{} is listed twice", name(id))));
                }
            }
            below = next;
        }
        compare(&self.checker, &listed)
    }
}

/// Every transfer is listed with its end, but for those whose record was made unreadable, which may be left out.
fn compare(checker: &Checker, listed: &BTreeMap<TransferId, Status>) -> Checked {
    for (id, known) in &checker.transfers {
        let end = known.end.map(|(_, end)| Status::Ended(end.outcome));
        let is_rotten = checker.rotten.contains(id);
        if !is_rotten && listed.get(id).copied() != end {
            let what = format!("{} is listed as {:?}, recorded is {end:?}", name(*id), listed.get(id));
            return Err(violation(vec![name(*id)], what));
        }
    }
    match listed.keys().find(|id| !checker.transfers.contains_key(*id)) {
        Some(id) => Err(violation(vec![name(*id)], format!("{} is listed, and never was", name(*id)))),
        None => Ok(()),
    }
}

fn frame(from: Address, class: Class, message: Message) -> Frame {
    Frame { from, class, mark: None, messages: vec![message], traces: Vec::new() }
}

fn fails(what: String) -> crate::Violation {
    violation(Vec::new(), format!("the projector fails: {what}"))
}
