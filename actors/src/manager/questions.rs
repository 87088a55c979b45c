//! What a manager answers about its transfers: one, a list, its part of the audit.

use std::sync::Arc;

use remit_core::{
    id::{AccountId, Time, TransferId},
    planted,
    transfer::{Parked, Start},
};

use super::{Manager, count, open::Open};
use crate::{
    frame::Outbox,
    machine::Machine as _,
    message::{Answer, AnswerBody, Ask, Filter, Message, Progress, Question, Status},
    store::{
        Error,
        register::{Recorded, TransferTables},
        row::{Row, TransferEntry},
    },
};

/// How many start records one part of a long answer takes: some 100 KiB.
const STARTS_A_PART: usize = 1_024;
/// How many rows a list reads at most in one turn; the cursor goes on from there.
const ROWS_A_LIST: usize = 20_000;
/// How many rows it reads at a time.
const ROWS_A_PAGE: usize = 512;

impl<T: TransferTables> Manager<T> {
    pub(super) fn answer(&mut self, ask: &Ask, out: &mut Outbox) -> Result<(), Error> {
        let body = match &ask.question {
            Question::Position => AnswerBody::Position(self.position()),
            Question::Transfer(id) => self.transfer(*id)?,
            Question::Transfers(filter) => self.transfers(filter)?,
            Question::OpenOn { account, closing } => {
                let (account, closing, partition) = (account.clone(), *closing, self.no);
                let open = self.open_on(&account);
                AnswerBody::OpenOn { account, closing, partition, open }
            }
            Question::AuditOpen { full: true } if !self.unreadable.is_empty() => {
                let ids: Vec<String> = self.unreadable.keys().map(TransferId::to_string).collect();
                AnswerBody::Unavailable(format!("records can't be read, of the transfers {}", ids.join(", ")))
            }
            Question::AuditOpen { full } => {
                if *full {
                    self.register.verify()?;
                }
                let starts = self.open.values().map(|open| Arc::clone(open.transfer.start())).collect();
                return self.answer_starts(ask, starts, out);
            }
            Question::AuditBegun { since } => {
                let mut starts = self.register.starts_above(*since)?;
                if planted!(AuditForgetsTheBegun) {
                    starts.clear();
                }
                return self.answer_starts(ask, starts, out);
            }
            Question::Story(id) => self.story(*id)?,
            other => AnswerBody::Unavailable(format!("a manager does not know {other:?}")),
        };
        out.push(ask.from, Message::Answer(Answer { ticket: ask.ticket, part: 0, parts: 1, body }), None);
        Ok(())
    }

    /// How many open transfers touch an account; one that can't be read may, so it counts.
    fn open_on(&self, account: &AccountId) -> u64 {
        let touches = |open: &&Open| open.transfer.start().legs().iter().any(|leg| leg.account == *account);
        count(self.open.values().filter(touches).count() + self.unreadable.len())
    }

    fn answer_starts(&self, ask: &Ask, starts: Vec<Arc<Start>>, out: &mut Outbox) -> Result<(), Error> {
        let at = self.register.head().seq;
        let mut pages: Vec<&[Arc<Start>]> = starts.chunks(STARTS_A_PART).collect();
        if pages.is_empty() {
            pages.push(&[]);
        }
        let parts = u32::try_from(pages.len()).unwrap_or(u32::MAX);
        for (part, page) in (0..parts).zip(pages) {
            let starts = page.iter().map(|start| Start::clone(start)).collect();
            let unreadable = if part == 0 { self.unreadable.keys().copied().collect() } else { Vec::new() };
            let body = AnswerBody::AuditStarts { at, starts, unreadable };
            out.push(ask.from, Message::Answer(Answer { ticket: ask.ticket, part, parts, body }), None);
        }
        Ok(())
    }

    pub(super) fn transfer(&mut self, id: TransferId) -> Result<AnswerBody, Error> {
        if let Some(open) = self.open.get(&id) {
            let progress = open.progress(self.now, self.options.overdue_ms);
            return Ok(AnswerBody::Transfer(Some(Box::new((Start::clone(open.transfer.start()), progress)))));
        }
        if self.unreadable.contains_key(&id) {
            return Ok(unreadable(id));
        }
        let Some(recorded) = self.register.find(id)? else { return Ok(AnswerBody::Transfer(None)) };
        let Some(start) = recorded.start.as_deref() else { return Ok(unreadable(id)) };
        Ok(AnswerBody::Transfer(Some(Box::new((start.clone(), recorded_progress(start, &recorded))))))
    }

    /// Scans the journal back, in pages, for start records that the filter lets through. What can't be read is counted as
    /// parked; here, where nothing could be said of it, it is left out.
    fn transfers(&mut self, filter: &Filter) -> Result<AnswerBody, Error> {
        let limit = usize::try_from(filter.limit.clamp(1, 1_000)).unwrap_or(1_000);
        let mut below = filter.before.unwrap_or(self.register.head().seq.next());
        let mut found = Vec::new();
        for _ in 0..ROWS_A_LIST / ROWS_A_PAGE {
            let rows = self.register.rows_below(below, ROWS_A_PAGE)?;
            if rows.is_empty() {
                return Ok(AnswerBody::Transfers(found, None));
            }
            for (seq, row) in rows {
                below = seq;
                let Some(Row { entry: TransferEntry::Started(start), .. }) = row else { continue };
                // Rows are in the order of acceptance as far as one clock can tell; older ones end the scan.
                if filter.since.is_some_and(|since| start.accepted_at < since) {
                    return Ok(AnswerBody::Transfers(found, None));
                }
                if let Some(progress) = self.progress_if(&start, filter)? {
                    found.push((seq, Start::clone(&start), progress));
                }
                if found.len() == limit {
                    return Ok(AnswerBody::Transfers(found, Some(below)));
                }
            }
        }
        Ok(AnswerBody::Transfers(found, Some(below)))
    }

    fn progress_if(&mut self, start: &Start, filter: &Filter) -> Result<Option<Progress>, Error> {
        let touches = |account: &AccountId| start.legs().iter().any(|leg| leg.account == *account);
        if !filter.account.as_ref().is_none_or(touches) {
            return Ok(None);
        }
        let progress = match self.open.get(&start.id) {
            Some(open) => open.progress(self.now, self.options.overdue_ms),
            None => match self.register.find(start.id)? {
                Some(recorded) => recorded_progress(start, &recorded),
                None => return Ok(None),
            },
        };
        let fits = filter.status.is_none_or(|status| status == progress.status)
            && filter.overdue.is_none_or(|overdue| overdue == progress.overdue);
        Ok(fits.then_some(progress))
    }
}

/// How a transfer stands by its records alone.
pub(super) fn recorded_progress(start: &Start, recorded: &Recorded) -> Progress {
    let (accepted_at, deadline_at) = (start.accepted_at, start.deadline_at);
    match &recorded.end {
        Some((at, end, legs)) => Progress {
            status: Status::Ended(end.outcome),
            reason: end.reason,
            legs: legs.clone(),
            accepted_at,
            deadline_at,
            settled_at: Some(*at),
            overdue: false,
            parked: None,
        },
        None => Progress {
            status: if recorded.parked.is_some() { Status::Parked } else { Status::Accepted },
            reason: None,
            legs: Vec::new(),
            accepted_at,
            deadline_at,
            settled_at: None,
            overdue: false,
            parked: recorded.parked,
        },
    }
}

fn unreadable(id: TransferId) -> AnswerBody {
    AnswerBody::Unavailable(format!("the record of the transfer {id} can't be read"))
}

/// What is said of a transfer whose record can't be read.
pub(super) fn unreadable_progress() -> Progress {
    Progress {
        status: Status::Parked,
        reason: None,
        legs: Vec::new(),
        accepted_at: Time(0),
        deadline_at: Time(0),
        settled_at: None,
        overdue: true,
        parked: Some(Parked::Unreadable),
    }
}
