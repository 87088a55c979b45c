//! A deployment in files, with a projector beside it, and ledger streams that lose, double, hold back and cut up what they carry.

use std::{collections::VecDeque, path::PathBuf};

use rand_pcg::{Pcg32, rand_core::Rng as _};
use remit_actors::{
    frame::Frame,
    machine::Machine as _,
    message::{
        Address, Answer, AnswerBody, Ask, Class, Find, Found, Message, Query, Question, Read, Reading, Rows, Standings,
    },
    projector::{Home, Projector, ProjectorOptions},
    store::sqlite::Tail,
};
use remit_core::id::{Seq, Time};
use tempfile::TempDir;

use crate::world::{GATEWAY, World};

/// The whole stage.
pub(crate) struct Stage {
    pub(crate) world: World,
    folder: TempDir,
    projector: Option<Projector>,
    /// What is on its way to the projector.
    pub(crate) on_the_way: VecDeque<Frame>,
    dice: Pcg32,
    /// Whether what is on its way is lost, doubled and overtaken, and the projector killed.
    pub(crate) is_rough: bool,
    pub(crate) kills: [u32; 2],
    tickets: u64,
    told: Vec<Answer>,
}

impl Stage {
    pub(crate) fn new(shards: u16, managers: u16, seed: u64) -> Self {
        let folder = TempDir::new().unwrap();
        let world = World::in_files(folder.path(), shards, managers);
        Self {
            world,
            folder,
            projector: None,
            on_the_way: VecDeque::new(),
            dice: Pcg32::new(seed, 1),
            is_rough: false,
            kills: [0; 2],
            tickets: 0,
            told: Vec::new(),
        }
    }

    /// One of so many.
    pub(crate) fn throw(&mut self, of: u32) -> u32 {
        self.dice.next_u32() % of
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("p0.db")
    }

    pub(crate) fn journal(&self, source: Address) -> PathBuf {
        self.folder.path().join(match source {
            Address::Shard(no) => format!("s{}.db", no.0),
            Address::Manager(no) => format!("m{}.db", no.0),
            other => panic!("{other:?} has no journal"),
        })
    }

    /// The projector is gone, as after `kill -9`, with all that was on its way.
    pub(crate) fn kill(&mut self) {
        self.projector = None;
        self.on_the_way.clear();
    }

    fn projector(&mut self) -> &mut Projector {
        let (home, now) = (Home::File(self.file()), self.world.now);
        let genesis = &self.world.genesis;
        let options = ProjectorOptions { home, overdue_ms: 60_000 };
        self.projector.get_or_insert_with(|| Projector::open(genesis, options, now).unwrap())
    }

    /// One turn of the projector with some of what is on its way; it may be killed before it, or after its commit and before
    /// anything that it sends has left.
    pub(crate) fn turn(&mut self) {
        if self.is_rough && self.throw(8) == 0 {
            self.kills[0] += 1;
            return self.kill();
        }
        let mut batch = Vec::new();
        for _ in 0..=self.throw(4) {
            let Some(frame) = self.on_the_way.pop_front() else { break };
            if self.is_rough {
                match self.throw(10) {
                    0 => continue,
                    1 => batch.push(frame.clone()),
                    2 => self.on_the_way.push_back(frame.clone()),
                    _ => {}
                }
            }
            batch.push(frame);
        }
        let now = self.world.now;
        let frames = self.projector().turn(&batch, now).unwrap();
        if self.is_rough && self.throw(8) == 0 {
            self.kills[1] += 1;
            return self.kill();
        }
        for (to, frame) in frames {
            for message in frame.messages {
                match (to, message) {
                    (Address::Ledger, Message::Ask(Ask { question: Question::RowsAbove(source, above), .. })) => {
                        self.asked(source, above);
                    }
                    (_, Message::Answer(answer)) => self.told.push(answer),
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    /// The ledger stream answers, with as many rows as it likes.
    fn asked(&mut self, source: Address, above: Seq) {
        let bytes = if self.is_rough { 1 + self.throw(4_000) } else { 100_000 };
        let tail = Tail::open(&self.journal(source), source).unwrap();
        let head = tail.head().unwrap();
        let rows = tail.rows_above(above, usize::try_from(bytes).unwrap()).unwrap();
        let mut rows = rows.unwrap_or(Rows {
            source,
            first: above.next(),
            last: head,
            before: Default::default(),
            chunks: Vec::new(),
            head,
            complete: None,
        });
        if rows.last == head {
            rows.complete = Some(self.world.now);
        }
        self.on_the_way.push_back(frame(source, Message::Rows(rows)));
    }

    /// Turns, and lets time pass, until the read model has all rows that there are.
    pub(crate) fn catch_up(&mut self) {
        for _ in 0..100_000 {
            self.turn();
            if self.on_the_way.is_empty() {
                self.world.now = self.world.now.plus_ms(500);
            }
            let sources = self.sources();
            let lacks = |&(source, seq): &(Address, Seq)| self.head(source) > seq;
            if self.projector.is_some() && !sources.iter().any(lacks) && self.standings().is_built {
                return;
            }
        }
        panic!("it does not catch up");
    }

    fn head(&self, source: Address) -> Seq {
        Tail::open(&self.journal(source), source).unwrap().head().unwrap()
    }

    fn sources(&mut self) -> Vec<(Address, Seq)> {
        self.standings().sources.iter().map(|source| (source.source, source.seq)).collect()
    }

    pub(crate) fn standings(&mut self) -> Standings {
        match self.look(Query::Standings).found {
            Found::Standings(standings) => standings,
            other => panic!("{other:?}"),
        }
    }

    /// Asks a question, and takes the answer of that very turn.
    pub(crate) fn look(&mut self, query: Query) -> Reading {
        self.look_at_least(query, Vec::new()).unwrap()
    }

    /// The same once the read model has these rows; `None` if it waits.
    pub(crate) fn look_at_least(&mut self, query: Query, at_least: Vec<(Address, Seq)>) -> Option<Reading> {
        self.tickets += 1;
        let ticket = self.tickets;
        let read = Read { query, at_least, within_ms: 1_000 };
        let ask = Ask { ticket, from: GATEWAY, question: Question::Read(Box::new(read)) };
        let now = self.world.now;
        let frames = self.projector().turn(&[frame(GATEWAY, Message::Ask(ask))], now).unwrap();
        for (to, frame) in frames {
            for message in frame.messages {
                match (to, message) {
                    (_, Message::Answer(answer)) => self.told.push(answer),
                    (_, Message::Ask(Ask { question: Question::RowsAbove(source, above), .. })) => {
                        self.asked(source, above);
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        self.heard(ticket)
    }

    /// The ticket of the last question.
    pub(crate) fn ticket(&self) -> u64 {
        self.tickets
    }

    /// The answer to a question, if there is one.
    pub(crate) fn heard(&mut self, ticket: u64) -> Option<Reading> {
        let at = self.told.iter().position(|answer| answer.ticket == ticket)?;
        match self.told.swap_remove(at).body {
            AnswerBody::Reading(reading) => Some(*reading),
            other => panic!("{other:?}"),
        }
    }

    /// Lets time pass for everyone.
    pub(crate) fn pass(&mut self, ms: u64) {
        self.world.pass(ms);
    }

    /// Everything that a filter lets through, in pages of such a size.
    pub(crate) fn list(&mut self, find: &Find, limit: u32) -> Vec<remit_actors::message::Listed> {
        let mut all = Vec::new();
        let mut below = vec![Some(Seq(u64::MAX)); usize::from(self.world.genesis.managers)];
        while below.iter().any(Option::is_some) {
            let find = Find { below: below.clone(), limit, ..find.clone() };
            let Found::Transfers(page, next) = self.look(Query::Transfers(find)).found else { panic!() };
            all.extend(page);
            below = next;
        }
        all
    }

    pub(crate) fn now(&self) -> Time {
        self.world.now
    }
}

pub(crate) fn frame(from: Address, message: Message) -> Frame {
    let class = if matches!(message, Message::Ask(_)) { Class::Do } else { Class::Reply };
    Frame { from, class, mark: None, messages: vec![message], traces: Vec::new() }
}
