//! Messages of every kind: well-formed, and otherwise whatever a liar might say.

use remit_actors::{
    frame::Frame,
    message::{
        Address, Answer, AnswerBody, Ask, ChangeAccount, Class, Filter, JournalState, LegWord, Message, Operate,
        Position, Posting, Progress, Question, Standing, Stands, Status, Submit, Tell, TraceContext,
    },
};
use remit_core::{
    audit::{RowLeg, ShardView},
    id::Epoch,
    leg::{Command, Reply, Terms},
    operator::{Action, Order},
    protocol::route::Route,
    transfer::{LegSpec, Parked, Start},
};

use crate::choices::Choices;

/// How many kinds of messages there are.
pub const KINDS: usize = 6;

impl Choices<'_> {
    /// A frame of up to `most` messages.
    pub fn frame(&mut self, most: usize) -> Frame {
        let from = match self.below(8) {
            0 => self.address(),
            1 => Address::Shard(self.shard()),
            2 => Address::Gateway(1),
            _ => Address::Manager(self.partition()),
        };
        let class = *self.one_of(&Class::ALL);
        let mark = self.maybe(Self::mark);
        let messages = self.some(most, Self::message);
        let trace = |c: &mut Self| {
            let place = c.number().min(u32::MAX.into());
            let trace = TraceContext { trace_id: [c.byte(); 16], span_id: [c.byte(); 8], flags: c.byte() };
            (u32::try_from(place).unwrap_or_default(), trace)
        };
        let traces = if self.once_in(4) { self.some(2, trace) } else { Vec::new() };
        Frame { from, class, mark, messages, traces }
    }

    /// Anyone.
    pub fn address(&mut self) -> Address {
        match self.below(3) {
            0 => Address::Shard(self.shard()),
            1 => Address::Manager(self.partition()),
            _ => Address::Gateway(self.number()),
        }
    }

    /// A message of any kind.
    pub fn message(&mut self) -> Message {
        match self.below(KINDS) {
            0 => Message::Submit(self.submit()),
            1 => Message::Command(self.command()),
            2 => Message::Reply(Reply { id: self.leg(), answer: self.word() }),
            3 => Message::Standing(self.standing()),
            4 => Message::Ask(Ask { ticket: self.number(), from: self.address(), question: self.question() }),
            _ => {
                let (ticket, part, parts) = (self.number(), self.byte().into(), self.byte().into());
                Message::Answer(Answer { ticket, part, parts, body: self.answer_body() })
            }
        }
    }

    /// A submit: every second one of two legs that balance.
    pub fn submit(&mut self) -> Submit {
        let legs = match self.yes() {
            true => self.some(4, Self::spec),
            false => {
                let one = self.spec();
                vec![
                    one.clone(),
                    LegSpec {
                        direction: one.direction.opposite(),
                        amount: one.amount,
                        currency: one.currency,
                        ..self.spec()
                    },
                ]
            }
        };
        Submit {
            id: self.transfer(),
            protocol: self.protocol(),
            legs,
            memo: self.maybe(Self::text),
            deadline_ms: self.number(),
            gateway: self.number(),
            ticket: self.number(),
            tell: *self.one_of(&[Tell::Accepted, Tell::Both, Tell::End]),
        }
    }

    /// A command.
    pub fn command(&mut self) -> Command {
        let LegSpec { account, direction, amount, currency, .. } = self.spec();
        let route = if self.once_in(3) { Some(self.route()) } else { None };
        let (partition, begun) = (self.partition(), self.seq());
        let terms = Terms { account, direction, amount, currency, partition, begun, route };
        Command {
            id: self.leg(),
            verb: self.verb(),
            terms,
            reason: self.maybe(Self::reason),
            memo: self.maybe(Self::text),
        }
    }

    fn route(&mut self) -> Route {
        match self.start() {
            Some(start) if self.yes() => Route::of(&start),
            _ => Route::from_stops(self.some(3, Self::stop)),
        }
    }

    fn start(&mut self) -> Option<Start> {
        let submit = self.submit();
        Start::new(submit.id, submit.protocol, submit.legs, submit.memo, self.time(), self.time()).ok()
    }

    fn standing(&mut self) -> Standing {
        let stands = match self.below(4) {
            0 => Stands::Recorded(self.progress()),
            1 => Stands::Conflict(self.some(2, |c| c.text().to_string())),
            2 => Stands::Overloaded(self.number()),
            _ => Stands::Unavailable(self.text().to_string()),
        };
        Standing { id: self.transfer(), ticket: self.number(), stands }
    }

    fn status(&mut self) -> Status {
        match self.below(4) {
            0 => Status::Accepted,
            1 => Status::InProgress,
            2 => Status::Ended(self.outcome()),
            _ => Status::Parked,
        }
    }

    fn parked(&mut self) -> Parked {
        let leg = self.leg().leg;
        *self.one_of(&[Parked::Misfit(leg), Parked::Contradiction(leg), Parked::Unreadable, Parked::Panicked])
    }

    fn progress(&mut self) -> Progress {
        Progress {
            status: self.status(),
            reason: self.maybe(Self::reason),
            legs: self.some(4, |c| *c.one_of(&LegWord::ALL)),
            accepted_at: self.time(),
            deadline_at: self.time(),
            settled_at: self.maybe(Self::time),
            overdue: self.yes(),
            parked: self.maybe(Self::parked),
        }
    }

    /// A question of any kind.
    pub fn question(&mut self) -> Question {
        let limit = |c: &mut Self| u32::try_from(c.number() & u64::from(u32::MAX)).unwrap_or_default();
        match self.below(14) {
            0 => Question::ChangeAccount(self.change_account()),
            1 => Question::CloseAccount(self.change_account(), self.number()),
            2 => Question::Account(self.account()),
            3 => Question::Accounts { after: self.maybe(Self::account), limit: limit(self) },
            4 => Question::Statement {
                account: self.account(),
                from: self.maybe(Self::time),
                to: self.maybe(Self::time),
                before: self.maybe(Self::seq),
                limit: limit(self),
            },
            5 => Question::Position,
            6 => Question::AuditShard {
                since: self.seq(),
                transfers: self.some(3, Self::transfer),
                unreadable: self.some(3, Self::transfer),
                full: self.yes(),
            },
            7 => Question::AuditOpen { full: self.yes() },
            8 => Question::AuditBegun { since: self.seq() },
            9 => Question::Transfer(self.transfer()),
            10 => Question::Transfers(Filter {
                status: self.maybe(Self::status),
                account: self.maybe(Self::account),
                overdue: self.maybe(Self::yes),
                since: self.maybe(Self::time),
                before: self.maybe(Self::seq),
                limit: limit(self),
            }),
            11 => Question::Story(self.transfer()),
            12 => {
                let action = *self.one_of(&Action::ALL);
                let order = Order { action, by: self.text(), why: self.text() };
                let legs = self.some(3, Self::row_leg);
                Question::Operate(Operate { id: self.transfer(), order, legs, number: self.number() })
            }
            _ => Question::OpenOn { account: self.account(), closing: self.seq() },
        }
    }

    fn change_account(&mut self) -> ChangeAccount {
        let (account, change) = (self.account(), self.change());
        ChangeAccount { account, change, command_id: [self.byte() % 16; 16], if_version: self.maybe(Self::number) }
    }

    fn answer_body(&mut self) -> AnswerBody {
        match self.below(11) {
            0 => AnswerBody::Account(self.maybe(Self::account_state)),
            1 => AnswerBody::Refused(self.refusal()),
            2 => AnswerBody::Accounts(self.some(2, |c| (c.account(), c.account_state())), self.yes()),
            3 => AnswerBody::Statement {
                account: self.maybe(Self::account_state),
                postings: self.some(2, Self::posting),
                next: self.maybe(Self::seq),
            },
            4 => AnswerBody::Position(self.position()),
            5 => AnswerBody::AuditShard { view: self.view(), journal: self.journal() },
            6 => AnswerBody::AuditStarts {
                at: self.seq(),
                starts: self.some(2, Self::start).into_iter().flatten().collect(),
                unreadable: self.some(2, Self::transfer),
            },
            7 => AnswerBody::Transfer(self.start().map(|start| Box::new((start, self.progress())))),
            8 => {
                let found = self.start().map(|start| (self.seq(), start, self.progress()));
                AnswerBody::Transfers(found.into_iter().collect(), self.maybe(Self::seq))
            }
            9 => {
                let (account, closing, partition) = (self.account(), self.seq(), self.partition());
                AnswerBody::OpenOn { account, closing, partition, open: self.number() }
            }
            _ => AnswerBody::Unavailable(self.text().to_string()),
        }
    }

    fn posting(&mut self) -> Posting {
        Posting {
            seq: self.seq(),
            at: self.time(),
            transfer: self.transfer(),
            direction: self.direction(),
            amount: self.amount(),
            balance: self.number().cast_signed(),
            memo: self.maybe(Self::text),
        }
    }

    fn position(&mut self) -> Position {
        Position {
            epoch: Epoch(self.number()),
            seq: self.seq(),
            totals: self.some(2, |c| (c.currency(), c.transit())),
            open: self.number(),
            overdue: self.number(),
            parked: self.number(),
            ended: self.number(),
            oldest: self.maybe(Self::time),
        }
    }

    fn row_leg(&mut self) -> RowLeg {
        let (id, state) = (self.leg(), self.state());
        RowLeg { id, state, direction: self.direction(), amount: self.amount(), currency: self.currency() }
    }

    fn view(&mut self) -> ShardView {
        ShardView {
            totals: self.some(2, |c| (c.currency(), c.transit())),
            legs: self.some(3, |c| (c.leg(), c.state())),
            by_rows: self.some(2, Self::row_leg),
        }
    }

    fn journal(&mut self) -> JournalState {
        JournalState { seq: self.seq(), verified_to: self.seq(), hash: [self.byte(); 32], balanced: self.yes() }
    }
}
