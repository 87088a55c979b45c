//! Closing an account (R4): first `closing` is durable, which refuses new work; then every manager is asked whether a
//! transfer that touches the account is still open; only when all say none, as of that row, is it closed for ever.

use std::collections::{BTreeMap, BTreeSet};

use remit_core::{
    account::{self, Change, Refusal},
    id::{AccountId, PartitionNo, Seq, Time},
    planted,
};

use super::{Shard, answer, answer_of, is_closed};
use crate::{
    frame::Outbox,
    message::{Address, Ask, ChangeAccount, Message, Question},
    store::{Error, books::ShardTables, row::AccountEntry},
};

/// How often the managers that have not said "none" are asked again, in milliseconds.
const ASK_AGAIN_MS: u64 = 200;
/// What the end of a closing is recorded as, under the client's `command_id`.
const CLOSE: &str = "close";

/// The accounts that are being closed.
#[derive(Default)]
pub(super) struct Closings(BTreeMap<AccountId, Closing>);

struct Closing {
    /// The position of the `closing` row; answers that name another one do not count.
    row: Seq,
    /// Who asked for it, and under which `command_id`; nobody after a restart.
    asker: Option<(Ask, [u8; 16])>,
    free_of: BTreeSet<PartitionNo>,
    ask_at: Time,
    until: Time,
}

impl Closing {
    /// Whether every partition has said that nothing is open.
    fn is_free(&self, partitions: u16) -> bool {
        self.free_of.len() == usize::from(partitions) || planted!(ClosedWithoutAsking)
    }
}

impl Closings {
    /// Those that an earlier incarnation left: they are given up at once.
    pub(super) fn abandoned(accounts: Vec<AccountId>) -> Self {
        let left = || Closing {
            row: Seq(0),
            asker: None,
            free_of: BTreeSet::new(),
            ask_at: Time(i64::MIN),
            until: Time(i64::MIN),
        };
        Self(accounts.into_iter().map(|account| (account, left())).collect())
    }

    /// Takes in a manager's answer.
    pub(super) fn answered(&mut self, account: &AccountId, row: Seq, partition: PartitionNo, open: u64) {
        if let Some(closing) = self.0.get_mut(account)
            && closing.asker.is_some()
            && (closing.row == row || planted!(OldAnswersClose))
            && open == 0
        {
            closing.free_of.insert(partition);
        }
    }

    pub(super) fn wake_at(&self) -> Option<Time> {
        self.0.values().map(|closing| closing.ask_at.min(closing.until)).min()
    }
}

/// Whether a recorded command is the same as one that comes again.
pub(super) fn same(recorded: &str, change: Change) -> bool {
    recorded == change.as_str() || (recorded == CLOSE && change == Change::BeginClose)
}

impl<T: ShardTables> Shard<T> {
    pub(super) fn begin_close(
        &mut self,
        ask: &Ask,
        change: &ChangeAccount,
        within_ms: u64,
        now: Time,
        out: &mut Outbox,
    ) -> Result<(), Error> {
        if self.books.account_command(&change.command_id)?.is_some() {
            let body = self.repeat(change)?;
            out.push(ask.from, answer(ask, body), None);
            return Ok(());
        }
        if let Some(closing) = self.closings.0.get_mut(&change.account)
            && closing.asker.as_ref().is_some_and(|(_, command_id)| *command_id == change.command_id)
        {
            closing.asker = Some((ask.clone(), change.command_id));
            return Ok(());
        }
        let current = self.books.account(&change.account)?.map(|record| &record.account);
        let outcome = account::decide(current, Change::BeginClose, change.if_version);
        match outcome {
            Ok(after) if !is_closed(&after) => {
                self.record_closing(&change.account, Change::BeginClose, now)?;
                let row = self.books.staged_seq();
                let asker = Some((ask.clone(), change.command_id));
                let (ask_at, until) = (now, now.plus_ms(within_ms));
                let closing = Closing { row, asker, free_of: BTreeSet::new(), ask_at, until };
                self.closings.0.insert(change.account.clone(), closing);
            }
            outcome => {
                self.record_close(&change.account, change.command_id, outcome.clone(), now)?;
                out.push(ask.from, answer(ask, answer_of(outcome)), None);
            }
        }
        Ok(())
    }

    /// Asks the managers, or ends closings that came free or ran out of time.
    pub(super) fn go_on_closing(&mut self, now: Time, out: &mut Outbox) -> Result<(), Error> {
        let mut ended = Vec::new();
        for (account, closing) in &mut self.closings.0 {
            if closing.is_free(self.options.partitions) || now >= closing.until {
                ended.push(account.clone());
            } else if now >= closing.ask_at {
                closing.ask_at = now.plus_ms(ASK_AGAIN_MS);
                let missing = (0..self.options.partitions).map(PartitionNo).filter(|no| !closing.free_of.contains(no));
                for partition in missing {
                    let question = Question::OpenOn { account: account.clone(), closing: closing.row };
                    let ask = Ask { ticket: closing.row.0, from: Address::Shard(self.no), question };
                    out.push(Address::Manager(partition), Message::Ask(ask), None);
                }
            }
        }
        for account in ended {
            if let Some(closing) = self.closings.0.remove(&account) {
                self.end_closing(&account, closing, now, out)?;
            }
        }
        Ok(())
    }

    fn end_closing(&mut self, account: &AccountId, closing: Closing, now: Time, out: &mut Outbox) -> Result<(), Error> {
        let free = closing.is_free(self.options.partitions);
        let current = self.books.account(account)?.map(|record| &record.account);
        let finished = account::decide(current, Change::FinishClose, None);
        let outcome = match finished {
            Ok(closed) if free => Ok(closed),
            _ => {
                self.record_closing(account, Change::AbandonClose, now)?;
                Err(Refusal::NotFree)
            }
        };
        match closing.asker {
            Some((ask, command_id)) => {
                self.record_close(account, command_id, outcome.clone(), now)?;
                out.push(ask.from, answer(&ask, answer_of(outcome)), None);
            }
            None => debug_assert!(outcome.is_err(), "a closing that nobody asked for is abandoned"),
        }
        Ok(())
    }

    /// A step of the closing, which no client's `command_id` stands for.
    fn record_closing(&mut self, account: &AccountId, change: Change, now: Time) -> Result<(), Error> {
        let current = self.books.account(account)?.map(|record| &record.account);
        let outcome = account::decide(current, change, None);
        let what = change.as_str().into();
        let entry = AccountEntry { account: account.clone(), what, command_id: None, outcome, previous: None };
        self.books.record_account(now, entry).map(drop)
    }

    /// What came of the client's command.
    fn record_close(
        &mut self,
        account: &AccountId,
        command_id: [u8; 16],
        outcome: Result<account::Account, Refusal>,
        now: Time,
    ) -> Result<(), Error> {
        let (account, command_id) = (account.clone(), Some(command_id));
        let entry = AccountEntry { account, what: CLOSE.into(), command_id, outcome, previous: None };
        self.books.record_account(now, entry).map(drop)
    }
}
