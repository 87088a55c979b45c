//! What a shard answers about itself: accounts, statements, its part of the audit.

use std::collections::BTreeMap;

use remit_core::{
    audit::ShardView,
    id::{AccountId, LegId, Seq, Time, TransferId},
    ledger::Entry,
    leg::{State, Terms},
    money::Direction,
    planted,
};

use super::{Shard, answer};
use crate::{
    frame::Outbox,
    machine::{Failure, Machine as _},
    message::{Answer, AnswerBody, Ask, JournalState, LegTold, Message, Posting, Question, Story, Told, What},
    store::{
        Error,
        books::ShardTables,
        journal::writer,
        row::{LegEntry, Row, ShardEntry},
    },
};

/// How many legs one part of a long answer takes: some 100 KiB.
const LEGS_A_PART: usize = 4_096;
/// How many rows of an account a statement walks at most in one turn; the cursor goes on from there.
const ROWS_A_STATEMENT: usize = 10_000;

/// How many rows of the hash chain one turn verifies: less than a tenth of a second.
const ROWS_VERIFIED_A_TURN: u64 = 20_000;
/// For how long what comes is verified for an audit that is to ask again, which the door does every two to three seconds; in
/// milliseconds.
const AUDITED_MS: u64 = 10_000;

impl<T: ShardTables> Shard<T> {
    pub(super) fn answer(&mut self, ask: &Ask, out: &mut Outbox) -> Result<(), Failure> {
        let body = match &ask.question {
            Question::Account(id) => AnswerBody::Account(self.books.account(id)?.map(|record| record.account.clone())),
            Question::Accounts { after, limit } => {
                let (accounts, more) = self.books.accounts_after(after.as_ref(), size(*limit))?;
                AnswerBody::Accounts(accounts, more)
            }
            Question::Statement { account, from, to, before, limit } => {
                self.statement(account, (*from, *to), *before, size(*limit))?
            }
            Question::Position => AnswerBody::Position(self.position()),
            Question::AuditShard { since, transfers, unreadable, full } => {
                return self.audit(ask, *since, (transfers, unreadable), *full, out);
            }
            Question::Story(transfer) => AnswerBody::Story(Box::new(self.story(*transfer)?)),
            other => AnswerBody::Unavailable(format!("a shard does not know {other:?}")),
        };
        out.push(ask.from, answer(ask, body), None);
        Ok(())
    }

    /// Walks back along the account's rows, from its newest one; no index is needed.
    fn statement(
        &mut self,
        id: &AccountId,
        (from, to): (Option<Time>, Option<Time>),
        before: Option<Seq>,
        limit: usize,
    ) -> Result<AnswerBody, Error> {
        let Some(record) = self.books.account(id)? else {
            return Ok(AnswerBody::Statement { account: None, postings: Vec::new(), next: None });
        };
        let (account, mut at) = (Some(record.account.clone()), record.last);
        // A cursor names a row of this account, so that a page need not walk again what earlier pages have walked.
        if let Some(before) = before {
            at = match self.books.row(before)? {
                Some(row) if is_about(&row, id) => Some(before),
                _ => None,
            };
        }
        let mut postings = Vec::new();
        for _ in 0..ROWS_A_STATEMENT {
            if postings.len() == limit {
                break;
            }
            let Some(row) = at.map(|seq| self.books.row(seq)).transpose()?.flatten() else { break };
            if from.is_some_and(|from| row.at < from) {
                at = None;
                break;
            }
            at = previous(&row);
            if to.is_none_or(|to| row.at < to) {
                postings.extend(posting(&row));
            }
        }
        Ok(AnswerBody::Statement { account, postings, next: at })
    }

    /// What is recorded of a transfer's legs here.
    fn story(&mut self, transfer: TransferId) -> Result<Story, Error> {
        let (rows, claims) = self.books.story_of(transfer)?;
        let told = rows.into_iter().filter_map(|row| match row.entry {
            ShardEntry::Leg(LegEntry { id, state, terms, after, repeats, .. }) => {
                let Terms { account, direction, amount, currency, .. } = terms;
                let balance = after.map(|after| after.posted);
                let leg = LegTold { leg: id.leg, state, account, direction, amount, currency, balance, repeats };
                let (epoch, node) = writer(&claims, row.seq);
                Some(Told { seq: row.seq, at: row.at, epoch, node, what: What::Leg(leg) })
            }
            _ => None,
        });
        Ok(Story { told: told.collect(), ..Story::default() })
    }

    /// Verifies some of what is not verified yet; whether that is all.
    pub(super) fn verify_a_step(&mut self) -> Result<bool, Error> {
        Ok(self.books.verify(ROWS_VERIFIED_A_TURN)? == self.books.head().seq)
    }

    /// Step 2 of the audit: totals, and the legs of the transfers asked for and of all rows since it began.
    fn audit(
        &mut self,
        ask: &Ask,
        since: Seq,
        (transfers, unreadable): (&[TransferId], &[TransferId]),
        full: bool,
        out: &mut Outbox,
    ) -> Result<(), Failure> {
        if !full && !self.verify_a_step()? {
            // A long history would keep its transfers waiting. The audit asks again; until then each turn verifies some more.
            self.audited_until = self.now.plus_ms(AUDITED_MS);
            return Ok(());
        }
        self.audited_until = self.now;
        let computed = if full { self.books.recompute()? } else { true };
        let (head, verified_to) = (self.books.head(), self.books.verify(u64::MAX)?);
        let balanced = computed && self.books.is_balanced();
        let journal = JournalState { seq: head.seq, verified_to, hash: head.hash, balanced };

        let since = if planted!(AuditForgetsRows) { self.books.head().seq } else { since };
        let mut legs: BTreeMap<LegId, State> = self.books.legs_since(since)?;
        for transfer in transfers {
            legs.extend(self.books.legs_of(*transfer)?);
        }
        let mut by_rows = Vec::new();
        for transfer in unreadable {
            by_rows.extend(self.books.rows_of_legs(*transfer)?);
        }
        let legs: Vec<(LegId, State)> = legs.into_iter().collect();
        let mut pages: Vec<&[(LegId, State)]> = legs.chunks(LEGS_A_PART).collect();
        if pages.is_empty() {
            pages.push(&[]);
        }
        let parts = u32::try_from(pages.len()).map_err(|_| Failure::Invariant("an audit of too many legs".into()))?;
        for (part, page) in (0..parts).zip(pages) {
            let totals = if part == 0 { self.books.transits().collect() } else { Vec::new() };
            let by_rows = if part == 0 { std::mem::take(&mut by_rows) } else { Vec::new() };
            let view = ShardView { totals, legs: page.to_vec(), by_rows };
            let body = AnswerBody::AuditShard { view, journal: journal.clone() };
            out.push(ask.from, Message::Answer(Answer { ticket: ask.ticket, part, parts, body }), None);
        }
        Ok(())
    }
}

fn size(limit: u32) -> usize {
    usize::try_from(limit.clamp(1, 1_000)).unwrap_or(1_000)
}

fn is_about(row: &Row<ShardEntry>, id: &AccountId) -> bool {
    match &row.entry {
        ShardEntry::Leg(leg) => leg.terms.account == *id && leg.after.is_some(),
        ShardEntry::Account(entry) => entry.account == *id && entry.outcome.is_ok(),
        ShardEntry::Common(_) => false,
    }
}

fn previous(row: &Row<ShardEntry>) -> Option<Seq> {
    match &row.entry {
        ShardEntry::Leg(leg) => leg.after?.previous,
        ShardEntry::Account(entry) => entry.previous,
        ShardEntry::Common(_) => None,
    }
}

/// A row as a posting, if it moved money; one that only reserves is none.
pub(crate) fn posting(row: &Row<ShardEntry>) -> Option<Posting> {
    let ShardEntry::Leg(leg) = &row.entry else { return None };
    let after = leg.after?;
    let moved = Entry::of(leg.state, leg.terms.direction, leg.terms.amount).posted();
    let direction = match moved {
        0 => return None,
        1.. => Direction::Credit,
        _ => Direction::Debit,
    };
    let (seq, at, transfer, amount) = (row.seq, row.at, leg.id.transfer, leg.terms.amount);
    Some(Posting { seq, at, transfer, direction, amount, balance: after.posted, memo: leg.memo.clone() })
}
