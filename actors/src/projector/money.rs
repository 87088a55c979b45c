//! What the read model says of money: statements, daily totals, what is between databases.

use std::collections::BTreeMap;

use remit_core::{
    id::{AccountId, Seq, ShardNo, Time, TransferId},
    money::{Amount, Currency, Direction},
};

use super::model::{Day, Model, Place};
use crate::{
    message::{DayTotal, Found, InTransit, Posting},
    store::{Error, journal::corrupt},
};

/// How many postings a statement looks at; its cursor goes on from there.
const LOOKED_AT_MAX: usize = 10_000;

/// Postings on an account, newest first, each naming the one before it.
pub(super) fn statement(
    model: &Model,
    (account, shard): (&AccountId, ShardNo),
    (from, to): (Option<Time>, Option<Time>),
    before: Option<Seq>,
    limit: usize,
) -> Result<Found, Error> {
    let Some(newest) = model.newest_posting(account)? else {
        return Ok(Found::Statement { is_there: false, postings: Vec::new(), next: None });
    };
    let mut at = newest;
    if let Some(before) = before {
        // A cursor names a posting of this account, or, if it comes from the owner, any other row of it.
        at = match read(model, account, shard, before)? {
            Some(_) => before,
            None => newest,
        };
    }
    let mut postings = Vec::new();
    for _ in 0..LOOKED_AT_MAX {
        if at == Seq(0) || postings.len() == limit {
            break;
        }
        let Some((posting, previous)) = read(model, account, shard, at)? else { break };
        if from.is_some_and(|from| posting.at < from) {
            at = Seq(0);
            break;
        }
        at = previous;
        if to.is_none_or(|to| posting.at < to) && before.is_none_or(|before| posting.seq <= before) {
            postings.push(posting);
        }
    }
    Ok(Found::Statement { is_there: true, postings, next: Some(at).filter(|at| *at > Seq(0)) })
}

/// A posting on an account, with the position of the one before.
fn read(model: &Model, account: &AccountId, shard: ShardNo, seq: Seq) -> Result<Option<(Posting, Seq)>, Error> {
    let mut statement = model.connection().prepare_cached(
        "SELECT at, transfer, amount, balance, memo, previous FROM posting WHERE place = ? AND account = ?",
    )?;
    let mut rows = statement.query((Place::of_posting(shard, seq).0, account.as_str()))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let amount: i64 = row.get(2)?;
    let direction = if amount < 0 { Direction::Debit } else { Direction::Credit };
    let posting = Posting {
        seq,
        at: Time(row.get(0)?),
        transfer: TransferId(row.get(1)?),
        direction,
        amount: amount.checked_abs().and_then(Amount::new).ok_or_else(|| corrupt("a posting of nothing"))?,
        balance: row.get(3)?,
        memo: row.get(4)?,
    };
    Ok(Some((posting, Seq(row.get::<_, i64>(5)?.unsigned_abs()))))
}

/// What was posted day by day, in the order of day, account and currency.
pub(super) fn totals(
    model: &Model,
    account: Option<&AccountId>,
    (from, to): (i64, i64),
    after: Option<&(i64, AccountId)>,
    limit: usize,
) -> Result<Found, Error> {
    // From one day to the next where one account is asked for: its days are not neighbours in the table.
    let sql = match account {
        Some(_) => {
            "WITH RECURSIVE days (day) AS (
                SELECT min(day) FROM day WHERE day >= ?1
                UNION ALL SELECT (SELECT min(day) FROM day WHERE day > days.day) FROM days WHERE days.day IS NOT NULL
            )
            SELECT day.day, account, currency, debits, debited, credits, credited
            FROM days CROSS JOIN day ON day.day = days.day AND day.account = ?5
            WHERE days.day < ?2 AND (day.day, account) > (?3, ?4) ORDER BY day.day, currency LIMIT ?6"
        }
        None => {
            "SELECT day, account, currency, debits, debited, credits, credited FROM day
            WHERE day >= ?1 AND day < ?2 AND (day, account) > (?3, ?4) AND ?5 = ''
            ORDER BY day, account, currency LIMIT ?6"
        }
    };
    let (after_day, after_account) = after.map_or((i64::MIN, ""), |(day, account)| (*day, account.as_str()));
    let mut statement = model.connection().prepare_cached(sql)?;
    // One more than is shown, to know whether there is more.
    let rows_max = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let account = account.map_or("", AccountId::as_str);
    let mut rows = statement.query((from.max(after_day), to, after_day, after_account, account, rows_max))?;
    let mut totals = Vec::new();
    while let Some(row) = rows.next()? {
        let account = AccountId::parse(&row.get::<_, String>(1)?).map_err(|_| corrupt("a day's account"))?;
        let currency = Currency::parse(&row.get::<_, String>(2)?).ok_or_else(|| corrupt("a day's currency"))?;
        let Day { debits, debited, credits, credited } = Day::read(row, 3)?;
        totals.push(DayTotal { day: row.get(0)?, account, currency, debits, debited, credits, credited });
    }
    let more = totals.len() > limit;
    totals.truncate(limit);
    Ok(Found::Totals(totals, more))
}

/// Money between databases at the end of each minute in which it changed, as each shard's own clock has it.
pub(super) fn in_transit(
    model: &Model,
    currency: Option<Currency>,
    (from, to): (i64, i64),
    limit: usize,
) -> Result<Found, Error> {
    let mut before = model.connection().prepare_cached(
        "SELECT amount FROM transit WHERE currency = ? AND shard = ? AND minute < ? ORDER BY minute DESC LIMIT 1",
    )?;
    let mut within = model.connection().prepare_cached(
        "SELECT minute, amount FROM transit WHERE currency = ? AND shard = ? AND minute >= ? AND minute < ?
        ORDER BY minute LIMIT ?",
    )?;
    let minutes_max = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
    let mut changes: BTreeMap<(i64, Currency), i128> = BTreeMap::new();
    for (of, shard) in model.transits().filter(|(of, _)| currency.is_none_or(|currency| currency == *of)) {
        let mut rows = before.query((of.as_str(), shard.0, from))?;
        let mut balance: i64 = rows.next()?.map_or(Ok(0), |row| row.get(0))?;
        *sums.entry(of).or_default() += i128::from(balance);
        let mut rows = within.query((of.as_str(), shard.0, from, to, minutes_max))?;
        while let Some(row) = rows.next()? {
            let (minute, amount): (i64, i64) = (row.get(0)?, row.get(1)?);
            *changes.entry((minute, of)).or_default() += i128::from(amount) - i128::from(balance);
            balance = amount;
        }
    }
    let (mut points, mut minutes, mut last) = (Vec::new(), 0, None);
    for ((minute, currency), change) in changes {
        if last != Some(minute) {
            if minutes == limit {
                return Ok(Found::InTransit(points, Some(minute)));
            }
            (minutes, last) = (minutes + 1, Some(minute));
        }
        let sum = sums.entry(currency).or_default();
        *sum += change;
        points.push(InTransit { minute, currency, amount: *sum });
    }
    Ok(Found::InTransit(points, None))
}
