//! The account shard: it owns one database of accounts, and acts on legs.
//!
//! Each command is decided by the pure ledger from what is recorded; a change is one row; the answer goes to the
//! transfer's manager and, in the events protocol, the baton to the next shard, once the row is durable.

mod closing;
mod questions;

use remit_core::{
    account::{self, Status},
    id::{ShardNo, Time},
    ledger,
    leg::{self, Command, Leg, Reply, Verb},
    planted,
    protocol::events,
};

use self::closing::Closings;
pub(crate) use self::questions::posting;
use crate::{
    frame::{Frame, Outbox},
    machine::{Failure, Gate, Machine},
    message::{Address, Answer, AnswerBody, Ask, ChangeAccount, Message, Position, Question, TraceContext},
    store::{
        Error,
        books::{Books, BooksOptions, ShardTables},
        replica::Claimant,
        row::{AccountEntry, After, LegEntry},
    },
};

/// How a shard is set up.
#[derive(Clone, Copy, Debug)]
pub struct ShardOptions {
    /// The bounds of its memory.
    pub books: BooksOptions,
    /// How many manager partitions the deployment has.
    pub partitions: u16,
    /// The most messages in one frame that it sends.
    pub frame_messages_max: usize,
}

/// An account shard.
pub struct Shard<T: ShardTables> {
    no: ShardNo,
    options: ShardOptions,
    books: Books<T>,
    closings: Closings,
    /// Until when an audit, which was met with silence, is waited for to ask again: so long each turn verifies some rows.
    audited_until: Time,
    /// Whether there are rows to verify for it.
    is_behind: bool,
    /// The time of the last turn.
    now: Time,
    gate: Gate,
}

impl<T: ShardTables> Shard<T> {
    /// Opens a shard: claims its database and reads what is recent.
    ///
    /// # Errors
    /// The database failed, is corrupt, or is another's.
    pub fn open(
        no: ShardNo,
        tables: T,
        options: ShardOptions,
        claimant: impl Into<Claimant>,
        now: Time,
    ) -> Result<Self, Failure> {
        let mut books = Books::open(tables, options.books, claimant, now)?;
        // Whoever asked for these closings has gone with the last incarnation: they return to open (R4).
        let closings = Closings::abandoned(books.accounts_closing()?);
        Ok(Self { no, options, books, closings, audited_until: now, is_behind: false, now, gate: Gate::default() })
    }

    /// Its books, for tests.
    pub fn books(&mut self) -> &mut Books<T> {
        &mut self.books
    }

    /// The answer to a command, and whether it is a repeated one, answered from its record.
    fn command(&mut self, command: &Command, now: Time) -> Result<(leg::Answer, bool), Error> {
        // A do, or an undo that leaves a tombstone, finds what memory has forgotten when its row is not new; a post has no
        // row of its own to try, so it looks first.
        let mut known: Option<Leg> = match command.verb {
            Verb::PostHold => self.books.leg(command.id)?.cloned(),
            _ => self.books.recent_leg(command.id).cloned(),
        };
        let place = self.books.find(&command.terms.account)?;
        loop {
            let transit = self.books.transit(command.terms.currency);
            let account = place.map(|place| &self.books.at(place).account);
            let decision = ledger::decide(command, known.as_ref(), account, &transit);
            let Some(change) = decision.change else {
                self.books.repeated(command.id);
                return Ok((decision.answer, true));
            };
            let after = change.after.map(|(balances, transit)| After {
                posted: balances.posted,
                held: balances.held,
                incoming: balances.incoming,
                in_transit: transit.balance,
                previous: None,
            });
            // The last record repeats the terms of the first, whose position a repeat need not name.
            let terms = known.as_ref().map_or(&command.terms, |leg| &leg.terms).clone();
            let (id, memo) = (command.id, command.memo.clone());
            let entry = LegEntry { id, state: change.state, terms, memo, after, repeats: 0 };
            if self.books.record_leg(now, entry, place)? {
                return Ok((decision.answer, false));
            }
            // It has a record already, which memory had forgotten; should none be found all the same, the index is broken.
            let found = self.books.leg(command.id)?.cloned();
            if found == known {
                let what = format!("the row of {:?} is there, and can't be found", command.id);
                return Err(Error::Corrupt { what });
            }
            known = found;
        }
    }

    /// Answers a leg's manager and, in the events protocol, passes the baton on; a repeat does both again (R10).
    fn reply(command: &Command, answer: leg::Answer, is_repeat: bool, trace: Option<TraceContext>, out: &mut Outbox) {
        if is_repeat || !events::is_implied(command, answer) {
            let reply = Message::Reply(Reply { id: command.id, answer });
            out.push(Address::Manager(command.terms.partition), reply, trace);
        }
        if let Some(next) = events::pass_on(command, answer) {
            out.push(Address::Shard(next.shard), Message::Command(next.command), trace);
        }
    }

    fn change_account(&mut self, change: &ChangeAccount, now: Time) -> Result<AnswerBody, Error> {
        let current = self.books.account(&change.account)?.map(|record| &record.account);
        let outcome = account::decide(current, change.change, change.if_version);
        let entry = AccountEntry {
            account: change.account.clone(),
            what: change.change.as_str().into(),
            command_id: (!planted!(CommandsRepeat)).then_some(change.command_id),
            outcome: outcome.clone(),
            previous: None,
        };
        if self.books.record_account(now, entry)? {
            return Ok(answer_of(outcome));
        }
        self.repeat(change)
    }

    /// Answers a repeated account command from its record.
    fn repeat(&mut self, change: &ChangeAccount) -> Result<AnswerBody, Error> {
        let recorded = self.books.account_command(&change.command_id)?;
        Ok(match recorded {
            Some(entry) if entry.account == change.account && closing::same(&entry.what, change.change) => {
                answer_of(entry.outcome)
            }
            _ => AnswerBody::Refused(account::Refusal::CommandIdReused),
        })
    }

    fn take(
        &mut self,
        message: &Message,
        trace: Option<TraceContext>,
        now: Time,
        out: &mut Outbox,
        questions: &mut Vec<Ask>,
    ) -> Result<(), Error> {
        match message {
            Message::Command(command) if !command.is_sound() => {
                tracing::warn!(leg = ?command.id, "a command that no manager would send was dropped");
            }
            Message::Command(command) => {
                let (answer, is_repeat) = self.command(command, now)?;
                Self::reply(command, answer, is_repeat, trace, out);
            }
            Message::Ask(ask) => match &ask.question {
                Question::ChangeAccount(change) => {
                    let body = self.change_account(change, now)?;
                    out.push(ask.from, answer(ask, body), None);
                }
                Question::CloseAccount(change, within_ms) => self.begin_close(ask, change, *within_ms, now, out)?,
                _ => questions.push(ask.clone()),
            },
            Message::Answer(Answer { body: AnswerBody::OpenOn { account, closing, partition, open }, .. }) => {
                self.closings.answered(account, *closing, *partition, *open);
            }
            // Not for a shard: dropped, as anything may be.
            Message::Submit(_) | Message::Reply(_) | Message::Standing(_) | Message::Answer(_) | Message::Rows(_) => {}
        }
        Ok(())
    }
}

impl<T: ShardTables> Machine for Shard<T> {
    fn address(&self) -> Address {
        Address::Shard(self.no)
    }

    fn turn(&mut self, batch: &[Frame], now: Time) -> Result<Vec<(Address, Frame)>, Failure> {
        let mut out = Outbox::new(self.address(), self.options.frame_messages_max);
        let mut questions = Vec::new();
        self.now = now;
        self.books.begin()?;
        for frame in batch {
            if let (Address::Manager(partition), Some(mark)) = (frame.from, &frame.mark) {
                self.books.ended(partition, mark)?;
            }
            for (place, message) in frame.messages.iter().enumerate() {
                self.take(message, frame.trace(place), now, &mut out, &mut questions)?;
            }
        }
        self.go_on_closing(now, &mut out)?;
        let committed = if questions.is_empty() { self.books.commit() } else { self.books.commit_before_reading() };
        let seq = match committed {
            Err(_) if planted!(SentBeforeCommit) => self.books.head().seq,
            committed => committed?,
        };
        if !questions.is_empty() {
            for ask in &questions {
                self.answer(ask, &mut out)?;
            }
            // One empty commit for all of them: nobody else has written meanwhile, so these are of one position (R13).
            self.books.begin()?;
            self.books.commit()?;
        }
        self.is_behind = now < self.audited_until && !self.verify_a_step()?;
        self.gate.hold(seq, out.into_frames(None));
        Ok(self.gate.durable_up_to(seq))
    }

    fn wake_at(&self) -> Option<Time> {
        if self.is_behind { Some(self.now) } else { self.closings.wake_at() }
    }

    fn position(&self) -> Position {
        let head = self.books.head();
        let totals = self.books.transits().collect();
        Position { epoch: head.epoch, seq: head.seq, totals, ..Position::default() }
    }
}

fn answer(ask: &Ask, body: AnswerBody) -> Message {
    Message::Answer(Answer { ticket: ask.ticket, part: 0, parts: 1, body })
}

fn answer_of(outcome: Result<account::Account, account::Refusal>) -> AnswerBody {
    match outcome {
        Ok(account) => AnswerBody::Account(Some(account)),
        Err(refusal) => AnswerBody::Refused(refusal),
    }
}

/// Whether an account can begin to close now.
fn is_closed(account: &account::Account) -> bool {
    account.status == Status::Closed
}
