//! Lists of transfers over all partitions, newest first.
//!
//! Each partition's transfers are in the order in which they began; a list is these, merged by when they were accepted. Where an
//! account is asked for, its transfers are walked from the newest one back, each naming the one before it; where words are asked
//! for, the index of memos says which; where a status is, another index.

use std::collections::VecDeque;

use remit_core::{
    id::{PartitionNo, Seq, Time},
    transfer::Outcome,
};

use super::model::{COLUMNS, Kept, Model, Place};
use crate::{
    message::{Find, Found, Listed, Status},
    store::Error,
};

/// How many transfers one list looks at; its cursors go on from there.
const LOOKED_AT_MAX: usize = 20_000;
/// How many of a partition are read at a time.
const PAGE: usize = 64;

/// Answers a list, as of this moment.
pub(super) fn find(model: &Model, find: &Find, (now, overdue_ms): (Time, u64)) -> Result<Found, Error> {
    let limit = usize::try_from(find.limit.clamp(1, 1_000)).unwrap_or(1_000);
    let mut walks: Vec<Walk<'_>> =
        (0u16..).zip(&find.below).map(|(no, below)| Walk::new(model, find, PartitionNo(no), *below)).collect();
    let mut listed = Vec::new();
    for _ in 0..LOOKED_AT_MAX {
        if listed.len() == limit {
            break;
        }
        let Some(kept) = next(&mut walks)? else { break };
        let progress = kept.progress(now, overdue_ms);
        let fits = find.status.is_none_or(|status| status == progress.status)
            && find.overdue.is_none_or(|overdue| overdue == progress.overdue)
            && find.until.is_none_or(|until| kept.start.accepted_at < until);
        if fits {
            let (partition, begun) = (kept.partition(), kept.place.seq());
            listed.push(Listed { partition, begun, start: kept.start, progress });
        }
    }
    Ok(Found::Transfers(listed, walks.iter().map(|walk| walk.goes_on()).collect()))
}

/// The newest of what the partitions have next.
fn next(walks: &mut [Walk<'_>]) -> Result<Option<Kept>, Error> {
    let mut newest: Option<(usize, Time)> = None;
    for (at, walk) in walks.iter_mut().enumerate() {
        let Some(kept) = walk.peek()? else { continue };
        let accepted_at = kept.start.accepted_at;
        if newest.is_none_or(|(_, newest)| accepted_at > newest) {
            newest = Some((at, accepted_at));
        }
    }
    match newest {
        Some((at, _)) => Ok(walks[at].take()),
        None => Ok(None),
    }
}

/// One partition's transfers, back from a position.
struct Walk<'a> {
    model: &'a Model,
    find: &'a Find,
    partition: PartitionNo,
    /// What comes next is below; `None` if nothing does.
    below: Option<Seq>,
    /// What has been read and not been taken.
    read: VecDeque<Kept>,
    /// What is read next is below; `None` if nothing is.
    unread: Option<Seq>,
}

impl<'a> Walk<'a> {
    fn new(model: &'a Model, find: &'a Find, partition: PartitionNo, below: Option<Seq>) -> Self {
        Self { model, find, partition, below, read: VecDeque::new(), unread: below }
    }

    fn peek(&mut self) -> Result<Option<&Kept>, Error> {
        if self.read.is_empty()
            && let Some(below) = self.unread
        {
            let page = match &self.find.account {
                Some(account) => self.back_along(account, below)?,
                None => self.page(below)?,
            };
            self.unread = page.last().filter(|_| page.len() == PAGE).map(|kept| kept.place.seq());
            self.read = page.into();
        }
        // They are in the order of acceptance as far as one clock can tell; older ones end the walk.
        let is_over = |kept: &Kept| self.find.since.is_some_and(|since| kept.start.accepted_at < since);
        if self.read.front().is_none_or(is_over) {
            (self.below, self.unread) = (None, None);
            self.read.clear();
        }
        Ok(self.read.front())
    }

    fn take(&mut self) -> Option<Kept> {
        let kept = self.read.pop_front()?;
        self.below = Some(kept.place.seq());
        Some(kept)
    }

    /// Below which position it goes on, if it does.
    fn goes_on(&self) -> Option<Seq> {
        self.below.filter(|_| !self.read.is_empty() || self.unread.is_some())
    }

    fn place(&self, seq: Seq) -> i64 {
        Place::of_transfer(self.partition, seq).0
    }

    /// The next ones, as the indexes find them.
    fn page(&self, below: Seq) -> Result<Vec<Kept>, Error> {
        let find = self.find;
        let which = match (find.memo.is_empty(), find.status, find.overdue) {
            (false, ..) => {
                "place IN (SELECT rowid FROM memo WHERE memo MATCH ?4 AND rowid >= ?1 AND rowid < ?2 \
                            ORDER BY rowid DESC LIMIT ?3)"
            }
            (true, _, Some(true)) => "settled_at IS NULL AND ?4 = ''",
            (true, Some(status), _) if status != Status::Ended(Outcome::Completed) => {
                "status = ?4 AND status <> 'completed'"
            }
            _ => "?4 = ''",
        };
        let word = match (find.memo.is_empty(), find.status, find.overdue) {
            (false, ..) => words(&find.memo),
            (true, Some(status), None | Some(false)) if status != Status::Ended(Outcome::Completed) => {
                status.as_str().to_owned()
            }
            _ => String::new(),
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM transfer WHERE place >= ?1 AND place < ?2 AND {which} ORDER BY place DESC LIMIT ?3"
        );
        let mut statement = self.model.connection().prepare_cached(&sql)?;
        let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
        let mut rows = statement.query((self.place(Seq(0)), self.place(below), limit, word))?;
        let mut page = Vec::new();
        while let Some(row) = rows.next()? {
            page.push(Kept::read(row)?);
        }
        Ok(page)
    }

    /// The next ones on an account.
    fn back_along(&self, account: &remit_core::id::AccountId, below: Seq) -> Result<Vec<Kept>, Error> {
        // A cursor names a transfer of this account, so that a page need not walk again what earlier pages have walked.
        let at_cursor = self.transfer(below)?.and_then(|kept| kept.before_on(account));
        let newest = || self.model.newest_transfer(account, self.partition.0);
        let mut at = match at_cursor {
            Some(at) => at,
            None => newest()?.unwrap_or_default(),
        };
        let mut page = Vec::new();
        while at > Seq(0) && page.len() < PAGE {
            let Some(kept) = self.transfer(at)? else { break };
            at = kept.before_on(account).unwrap_or_default();
            if kept.place.seq() < below && self.has_words(&kept)? {
                page.push(kept);
            }
        }
        Ok(page)
    }

    fn transfer(&self, begun: Seq) -> Result<Option<Kept>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM transfer WHERE place = ?");
        let mut statement = self.model.connection().prepare_cached(&sql)?;
        let mut rows = statement.query([self.place(begun)])?;
        rows.next()?.map(Kept::read).transpose()
    }

    /// Whether a transfer's memo has the words, if some are asked for.
    fn has_words(&self, kept: &Kept) -> Result<bool, Error> {
        if self.find.memo.is_empty() {
            return Ok(true);
        }
        let mut statement =
            self.model.connection().prepare_cached("SELECT 1 FROM memo WHERE memo MATCH ? AND rowid = ?")?;
        Ok(statement.exists((words(&self.find.memo), kept.place.0))?)
    }
}

/// Words as the index of memos is asked for them: all of them, each as the beginning of a word.
fn words(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{}\"*", word.replace('"', "\"\""))).collect();
    quoted.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_so_that_no_sign_in_them_is_an_operator() {
        assert_eq!(words(&["rent".into(), "a\"b OR".into()]), "\"rent\"* \"a\"\"b OR\"*");
    }
}
