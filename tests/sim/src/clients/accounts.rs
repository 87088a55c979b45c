//! Opening accounts, and changing them while money moves.

use std::collections::VecDeque;

use remit_actors::{
    faults::Chance,
    message::{Address, Answer, AnswerBody, Ask, ChangeAccount, Message, Question},
};
use remit_core::{
    account::{Change, Kind},
    id::AccountId,
};
use rustc_hash::FxHashMap;

use super::{Client, Town};
use crate::{
    checker::{Violation, violation},
    plan::Plan,
};

/// How many commands are remembered, to be repeated.
const REMEMBERED_MAX: usize = 200;

/// Of how many purses, the newest ones, a client makes use.
const PURSES_MAX: usize = 4;

/// The commands about accounts that a client has given.
#[derive(Default)]
pub(crate) struct Commands {
    /// Accounts that come and go: opened with nothing in them, used for a while, and closed.
    pub(crate) purses: VecDeque<AccountId>,
    /// By ticket: which command asked.
    asked: FxHashMap<u64, [u8; 16]>,
    /// The first answer to each command.
    answers: FxHashMap<[u8; 16], AnswerBody>,
    given: VecDeque<Question>,
}

impl Client {
    /// Opens every account that it has not been told to be open.
    pub(crate) fn open_accounts(&mut self, plan: &Plan, town: &Town) -> Vec<(Address, Message)> {
        let customers = town.accounts.iter().enumerate().map(|(place, account)| {
            let overdraft_limit = if plan.whales || place % 3 > 0 { 0 } else { 50 };
            (account, Kind::Customer, overdraft_limit)
        });
        let worlds = town.worlds.iter().map(|account| (account, Kind::External, 0));
        let mut messages = Vec::new();
        for (place, (account, kind, overdraft_limit)) in customers.chain(worlds).enumerate() {
            let command_id = command_id(0, place as u64);
            if !self.commands.answers.contains_key(&command_id) {
                let change = Change::Open { currency: town.currency, kind, overdraft_limit };
                messages.push(self.change(town, account, change, command_id));
            }
        }
        messages
    }

    /// Some command or question about some account.
    pub(crate) fn change_some(&mut self, town: &Town) -> (Address, Message) {
        let account = self.draw_purse().unwrap_or_else(|| self.dice.pick(&town.accounts).clone());
        let repeats = self.dice.hits(Chance::percent(40));
        if let Some(question) = repeats.then(|| self.draw_given()).flatten() {
            return self.ask(town, question);
        }
        let number = self.ticket();
        let id = command_id(1 + self.no as u64, number);
        let limit = i64::try_from(self.dice.below(100)).unwrap_or(0);
        match self.dice.below(9) {
            0 => self.change(town, &account, Change::Freeze, id),
            1 | 2 => self.change(town, &account, Change::Unfreeze, id),
            3 | 4 => {
                let shard = self.dice.below(town.worlds.len() as u64);
                let purse = AccountId::parse(&format!("s{shard}:p{}.{}", self.no, number & 0xFFFF)).expect("a name");
                if self.commands.purses.len() == PURSES_MAX {
                    self.commands.purses.pop_front();
                }
                self.commands.purses.push_back(purse.clone());
                let change = Change::Open { currency: town.currency, kind: Kind::Customer, overdraft_limit: 0 };
                self.change(town, &purse, change, id)
            }
            5 => self.change(town, &account, Change::SetOverdraft { overdraft_limit: limit }, id),
            6 | 7 => {
                let change = Change::BeginClose;
                let change = ChangeAccount { account, change, command_id: id, if_version: None };
                let within_ms = self.dice.between(100, 2_000);
                self.give(town, Question::CloseAccount(change, within_ms))
            }
            _ => self.ask(town, Question::Accounts { after: None, limit: 100 }),
        }
    }

    /// The answer to a command is for ever the same.
    pub(crate) fn answered(&mut self, answer: &Answer) -> Result<(), Violation> {
        let Some(command) = self.commands.asked.remove(&answer.ticket) else { return Ok(()) };
        match self.commands.answers.get(&command) {
            None => {
                self.commands.answers.insert(command, answer.body.clone());
                Ok(())
            }
            Some(first) if same(first, &answer.body) => Ok(()),
            Some(first) => {
                Err(violation(Vec::new(), format!("a command is answered {:?} after {first:?}", answer.body)))
            }
        }
    }

    /// One of its purses, more often than not.
    pub(crate) fn draw_purse(&mut self) -> Option<AccountId> {
        let at = self.dice.below(self.commands.purses.len() as u64 + 1);
        self.commands.purses.get(usize::try_from(at).ok()?).cloned()
    }

    fn draw_given(&mut self) -> Option<Question> {
        let at = self.dice.below(self.commands.given.len() as u64);
        self.commands.given.get(usize::try_from(at).ok()?).cloned()
    }

    fn change(&mut self, town: &Town, account: &AccountId, change: Change, command_id: [u8; 16]) -> (Address, Message) {
        let account = account.clone();
        self.give(town, Question::ChangeAccount(ChangeAccount { account, change, command_id, if_version: None }))
    }

    fn give(&mut self, town: &Town, question: Question) -> (Address, Message) {
        if self.commands.given.len() == REMEMBERED_MAX {
            self.commands.given.pop_front();
        }
        self.commands.given.push_back(question.clone());
        self.ask(town, question)
    }

    fn ask(&mut self, town: &Town, question: Question) -> (Address, Message) {
        let ticket = self.ticket();
        let to = match &question {
            Question::ChangeAccount(change) | Question::CloseAccount(change, _) => {
                self.commands.asked.insert(ticket, change.command_id);
                town.shard_of(&change.account)
            }
            _ => town.shard_of(self.dice.pick(&town.accounts)),
        };
        (to, Message::Ask(Ask { ticket, from: self.address(), question }))
    }
}

/// Whether two answers are the same word. What is open or in flight on the account besides is not part of it.
fn same(first: &AnswerBody, again: &AnswerBody) -> bool {
    match (first, again) {
        (AnswerBody::Account(Some(first)), AnswerBody::Account(Some(again))) => {
            (first.status, first.version, first.overdraft_limit) == (again.status, again.version, again.overdraft_limit)
        }
        (first, again) => first == again,
    }
}

fn command_id(space: u64, number: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&space.to_be_bytes());
    id[8..].copy_from_slice(&number.to_be_bytes());
    id
}
