//! The projector: it builds the read model from the journals' rows, and answers questions from it.
//!
//! The same loop as every durable actor's, over another kind of message. Where it is in each journal is in its file, in the same
//! transaction as what the rows up to there have changed; so it asks for what comes next, and asks again when there is silence,
//! and what comes twice, too early or too late changes nothing. A read model that turns out to rest on other rows than those that
//! a journal has, as after an older copy of that was put back, is built anew; so is one that somebody wants built anew, beside the
//! present one, which answers meanwhile.

mod finding;
mod model;
mod money;
mod waiting;
mod wanting;

use remit_core::id::{Epoch, Seq, Time};

pub use self::model::Home;
use self::{
    model::{Model, Taken},
    waiting::Waiting,
    wanting::Wants,
};
use crate::{
    frame::{Frame, Outbox},
    genesis::Genesis,
    machine::{Failure, Machine},
    message::{
        Address, Answer, AnswerBody, Ask, Found, Message, Position, Query, Question, Read, Reading, Rows, Source,
        Standings,
    },
    store::Error,
};

/// A read model that is built anew, and lacks no more rows than this, is let come level with the present one, which stands still
/// for that long.
const NEAR_ROWS: u64 = 20_000;

/// Rows after which what was taken in is written, and how long it may wait for that if there are fewer, in milliseconds, unless
/// somebody asks: many rows change the same page of the file, which is then written once.
const ROWS_MAX: usize = 100_000;
const UNWRITTEN_MS_MAX: u64 = 1_000;

/// How a projector is set up.
#[derive(Clone, Debug)]
pub struct ProjectorOptions {
    /// Where the read model is.
    pub home: Home,
    /// An open transfer older than this takes too long.
    pub overdue_ms: u64,
}

/// The projector.
pub struct Projector {
    genesis: Genesis,
    options: ProjectorOptions,
    model: Model,
    /// The one that is built anew, beside it.
    next: Option<Model>,
    /// The present one has rows that a journal does not have any more, so it answers nothing.
    is_void: bool,
    wants: [Wants; 2],
    waiting: Waiting,
    rebuilt: u64,
    /// Since when there is something that is not written.
    unwritten_since: Option<Time>,
    now: Time,
}

impl Projector {
    /// Opens the read model, or begins a new one; goes on with a rebuild that had begun.
    ///
    /// # Errors
    /// Its file failed.
    pub fn open(genesis: &Genesis, options: ProjectorOptions, now: Time) -> Result<Self, Failure> {
        let model = Model::open(options.home.clone(), genesis).map_err(failed)?;
        let beside = options.home.beside();
        let next = if beside.exists() { Some(Model::open(beside, genesis).map_err(failed)?) } else { None };
        let genesis = genesis.clone();
        let wants = [Wants::new(0), Wants::new(1)];
        Ok(Self {
            genesis,
            options,
            model,
            next,
            is_void: false,
            wants,
            waiting: Waiting::default(),
            rebuilt: 0,
            unwritten_since: None,
            now,
        })
    }

    /// Takes in a run of rows, in each read model that has a use for it.
    fn take(&mut self, rows: &Rows) -> Result<(), Error> {
        self.wants.iter_mut().for_each(|wants| wants.heard(rows, self.now));
        if let Some(next) = &mut self.next
            && next.take(rows)? == Taken::OtherHistory
        {
            self.begin_rebuild()?;
        }
        if !self.stands_still() && !self.is_void && self.model.take(rows)? == Taken::OtherHistory {
            tracing::warn!(source = ?rows.source, "a journal has another history than the projection, which is built anew");
            self.is_void = true;
            self.model.forget_ends();
            if self.next.is_none() {
                self.begin_rebuild()?;
            }
        }
        Ok(())
    }

    /// Whether the present read model waits for the one that is nearly level with it.
    fn stands_still(&self) -> bool {
        self.next.as_ref().is_some_and(|next| lacks(next, &self.model) <= NEAR_ROWS)
    }

    /// Begins an empty read model beside the present one, in place of any that had begun.
    fn begin_rebuild(&mut self) -> Result<(), Error> {
        self.next = None;
        let home = self.options.home.beside();
        home.remove()?;
        self.next = Some(Model::open(home, &self.genesis)?);
        self.wants[1] = Wants::new(1);
        Ok(())
    }

    /// Puts the new read model in the place of the present one, as soon as it lacks nothing that that has.
    fn swap(&mut self) -> Result<(), Error> {
        let is_level = |next: &mut Model| match self.is_void {
            true => as_of(next) > Time(0),
            false => lacks(next, &self.model) == 0,
        };
        let Some(next) = self.next.take_if(is_level) else { return Ok(()) };
        self.model.give_way_to(next, &self.genesis)?;
        self.model.set_built()?;
        self.is_void = false;
        self.wants = [Wants::new(0), Wants::new(1)];
        self.rebuilt += 1;
        tracing::info!("the projection has been built anew");
        Ok(())
    }

    /// All that was committed by this moment is in the read model.
    fn as_of(&self) -> Time {
        as_of(&self.model)
    }

    /// Whether it has ever been as far as the journals; until then lists would lack what there is.
    fn is_built(&self) -> Result<bool, Error> {
        if self.is_void || self.model.is_built()? {
            return Ok(!self.is_void);
        }
        let is_level = self.as_of() > Time(0);
        if is_level {
            self.model.set_built()?;
        }
        Ok(is_level)
    }

    fn is_at_least(&self, read: &Read) -> bool {
        let sources = self.model.sources();
        read.at_least.iter().all(|(source, seq)| sources.get(source).is_some_and(|position| position.seq >= *seq))
    }

    /// Answers a question, or keeps it until the read model has got so far.
    fn answer(&mut self, ask: Ask, out: &mut Outbox) -> Result<(), Error> {
        let Question::Read(read) = &ask.question else {
            let why = format!("the projector does not know {:?}", ask.question);
            push(&ask, AnswerBody::Unavailable(why), out);
            return Ok(());
        };
        let found = match &read.query {
            Query::Standings => Found::Standings(self.standings()?),
            Query::Rebuild => {
                self.begin_rebuild()?;
                Found::Standings(self.standings()?)
            }
            _ if !self.is_built()? => self.building(),
            _ if !self.is_at_least(read) => {
                if let Some(ask) = self.waiting.put(ask, self.now) {
                    self.tell(&ask, Found::Behind, out);
                }
                return Ok(());
            }
            query => self.read(query)?,
        };
        self.tell(&ask, found, out);
        Ok(())
    }

    fn read(&self, query: &Query) -> Result<Found, Error> {
        let model = &self.model;
        let size = |limit: u32| usize::try_from(limit.clamp(1, 1_000)).unwrap_or(1_000);
        match query {
            Query::Transfers(find) => finding::find(model, find, (self.now, self.options.overdue_ms)),
            Query::Statement { account, shard, from, to, before, limit } => {
                money::statement(model, (account, *shard), (*from, *to), *before, size(*limit))
            }
            Query::Totals { account, from, to, after, limit } => {
                money::totals(model, account.as_ref(), (*from, *to), after.as_ref(), size(*limit))
            }
            Query::InTransit { currency, from, to, limit } => {
                money::in_transit(model, *currency, (*from, *to), size(*limit))
            }
            Query::Standings | Query::Rebuild => self.standings().map(Found::Standings),
        }
    }

    fn building(&self) -> Found {
        let sources = self.model.sources().values();
        let (rows, heads) =
            sources.fold((0, 0), |(rows, heads), position| (rows + position.seq.0, heads + position.head.0));
        Found::Building(rows, heads)
    }

    fn standings(&self) -> Result<Standings, Error> {
        Ok(Standings {
            sources: sources(&self.model),
            rebuild: self.next.as_ref().map(sources),
            rebuilt: self.rebuilt,
            is_built: self.is_built()?,
            bytes: self.model.bytes(),
            transfers: self.model.transfers(),
        })
    }

    fn tell(&self, ask: &Ask, found: Found, out: &mut Outbox) {
        push(ask, AnswerBody::Reading(Box::new(Reading { as_of: self.as_of(), found })), out);
    }

    /// Takes everything of a batch in, in one transaction for each read model.
    fn take_all(&mut self, batch: &[Frame]) -> Result<Vec<Ask>, Error> {
        let mut asks = Vec::new();
        for message in batch.iter().flat_map(|frame| &frame.messages) {
            match message {
                Message::Rows(rows) => self.take(rows)?,
                Message::Ask(ask) => asks.push(ask.clone()),
                // Not for a projector: dropped, as anything may be.
                Message::Submit(_)
                | Message::Command(_)
                | Message::Reply(_)
                | Message::Standing(_)
                | Message::Answer(_) => {}
            }
        }
        if !self.stands_still() {
            self.model.take_held()?;
        }
        if let Some(next) = &mut self.next {
            next.take_held()?;
        }
        self.write(!asks.is_empty())?;
        Ok(asks)
    }

    /// Writes what was taken in, if it is time to.
    fn write(&mut self, is_asked: bool) -> Result<(), Error> {
        let rows = self.model.staged_rows() + self.next.as_ref().map_or(0, Model::staged_rows);
        if rows == 0 {
            return self.write_all();
        }
        let since = *self.unwritten_since.get_or_insert(self.now);
        let is_due = is_asked || rows >= ROWS_MAX || self.now >= since.plus_ms(UNWRITTEN_MS_MAX);
        if !is_due && self.waiting.is_empty() {
            return Ok(());
        }
        self.write_all()
    }

    fn write_all(&mut self) -> Result<(), Error> {
        self.unwritten_since = None;
        self.model.commit()?;
        if let Some(next) = &mut self.next {
            next.commit()?;
        }
        self.swap()
    }

    fn act(&mut self, batch: &[Frame], out: &mut Outbox) -> Result<(), Error> {
        for ask in self.take_all(batch)? {
            self.answer(ask, out)?;
        }
        for (until, ask) in self.waiting.take() {
            match &ask.question {
                Question::Read(read) if !self.is_at_least(read) => self.waiting.keep(until, ask),
                _ => self.answer(ask, out)?,
            }
        }
        for ask in self.waiting.late(self.now) {
            self.tell(&ask, Found::Behind, out);
        }
        let stands_still = self.stands_still();
        let [present, beside] = &mut self.wants;
        if !stands_still {
            present.ask(&self.model, self.now, out);
        }
        if let Some(next) = &self.next {
            beside.ask(next, self.now, out);
        }
        Ok(())
    }
}

impl Machine for Projector {
    fn address(&self) -> Address {
        Address::Projector
    }

    fn turn(&mut self, batch: &[Frame], now: Time) -> Result<Vec<(Address, Frame)>, Failure> {
        self.now = self.now.max(now);
        let mut out = Outbox::new(Address::Projector, 1_024);
        self.act(batch, &mut out).map_err(failed)?;
        Ok(out.into_frames(None))
    }

    fn wake_at(&self) -> Option<Time> {
        let wants = self.wants.iter().filter_map(Wants::wake_at);
        let write_at = self.unwritten_since.map(|since| since.plus_ms(UNWRITTEN_MS_MAX));
        wants.chain(self.waiting.wake_at()).chain(write_at).min()
    }

    fn position(&self) -> Position {
        // It is no writer of a journal: its position is that of all of them together.
        let seq = self.model.sources().values().map(|position| position.seq.0).sum();
        Position { epoch: Epoch(0), seq: Seq(seq), ..Position::default() }
    }
}

/// All that was committed by this moment is in a read model.
fn as_of(model: &Model) -> Time {
    model.sources().values().map(|position| position.complete).min().unwrap_or_default()
}

/// How many rows one read model lacks of what the other has.
fn lacks(next: &Model, present: &Model) -> u64 {
    let (next, present) = (next.sources().values(), present.sources().values());
    next.zip(present).map(|(next, present)| present.seq.0.saturating_sub(next.seq.0)).sum()
}

fn sources(model: &Model) -> Vec<Source> {
    let source = |(source, position): (&Address, &model::Position)| Source {
        source: *source,
        seq: position.seq,
        at: position.at,
        head: position.head,
        complete: position.complete,
    };
    model.sources().iter().map(source).collect()
}

fn push(ask: &Ask, body: AnswerBody, out: &mut Outbox) {
    out.push(ask.from, Message::Answer(Answer { ticket: ask.ticket, part: 0, parts: 1, body }), None);
}

/// Nothing that is wrong with the read model's file is a broken invariant: it is built again.
fn failed(error: Error) -> Failure {
    match error {
        Error::Fenced { .. } => Failure::Fenced(error),
        error => Failure::Store(error),
    }
}
