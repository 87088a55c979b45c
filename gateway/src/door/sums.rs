//! Sums of the read model: what was posted day by day, and what was between databases minute by minute.

use remit_actors::message::{DayTotal, Found, InTransit, Query, Reading};
use remit_api::{
    Error,
    day::{self, Day},
    totals::{self, Point, Totals, TotalsRequest, Transit, TransitRequest},
};
use remit_core::id::{AccountId, Time};

use super::{Door, reading::does_not_fit};

/// The milliseconds of a minute.
const MINUTE_MS: i64 = 60_000;

impl Door {
    /// What was posted day by day. The cursor names the last day and account that was listed.
    pub(super) async fn totals(&self, request: TotalsRequest) -> Result<Totals, Error> {
        let fresh = request.fresh()?;
        if let Some(id) = &request.id {
            self.shard_of(id)?;
        }
        let query = Query::Totals {
            account: request.id.clone(),
            from: request.from.map_or(i64::MIN, |Day(day)| day),
            to: request.to.map_or(i64::MAX, |Day(day)| day),
            after: request.cursor.as_deref().map(read_day_and_account).transpose()?,
            limit: u32::try_from(request.rows()).unwrap_or(1),
        };
        let Reading { as_of, found } = self.read(query, fresh).await?;
        let Found::Totals(found, more) = found else { return Err(does_not_fit(&found)) };
        let cursor = found.last().filter(|_| more).map(|last| format!("{}/{}", Day(last.day), last.account));
        Ok(Totals { totals: found.into_iter().map(total).collect(), cursor, as_of })
    }

    /// Money between databases. The cursor is the minute with which the next page begins.
    pub(super) async fn transit(&self, request: TransitRequest) -> Result<Transit, Error> {
        let fresh = request.fresh()?;
        if let Some(currency) = request.currency {
            self.currencies.check(currency, "currency")?;
        }
        let wrong = || Error::invalid("cursor", "`cursor` is not one that this list gave");
        let cursor = request.cursor.as_ref().map(|cursor| cursor.parse().map_err(|_| wrong())).transpose()?;
        let query = Query::InTransit {
            currency: request.currency,
            from: cursor.unwrap_or_else(|| request.from.map_or(i64::MIN, first_minute_from)),
            to: request.to.map_or(i64::MAX, first_minute_from),
            limit: u32::try_from(request.rows()).unwrap_or(1),
        };
        let Reading { as_of, found } = self.read(query, fresh).await?;
        let Found::InTransit(found, next) = found else { return Err(does_not_fit(&found)) };
        let cursor = next.map(|minute| minute.to_string());
        Ok(Transit { points: found.into_iter().map(point).collect(), cursor, as_of })
    }
}

fn total(DayTotal { day, account, currency, debits, debited, credits, credited }: DayTotal) -> totals::DayTotal {
    totals::DayTotal { account, day: Day(day), currency, debits, debited, credits, credited }
}

fn point(InTransit { minute, currency, amount }: InTransit) -> Point {
    Point { at: end_of(minute), currency, amount }
}

/// The moment at which a minute ends.
fn end_of(minute: i64) -> Time {
    Time(minute.saturating_add(1).saturating_mul(MINUTE_MS))
}

/// The first minute that ends at this moment or later.
fn first_minute_from(Time(ms): Time) -> i64 {
    let before_it = ms.div_euclid(MINUTE_MS) - 1;
    before_it + i64::from(ms.rem_euclid(MINUTE_MS) > 0)
}

/// Reads the cursor of a page of totals.
fn read_day_and_account(cursor: &str) -> Result<(i64, AccountId), Error> {
    let read = || {
        let (day, account) = cursor.split_once('/')?;
        let Day(day) = day::parse(day)?;
        Some((day, AccountId::parse(account).ok()?))
    };
    read().ok_or_else(|| Error::invalid("cursor", "`cursor` is not one that this list gave"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_lies_within_what_was_asked_for() {
        for ms in [-MINUTE_MS, -1, 0, 1, MINUTE_MS - 1, MINUTE_MS, 1_795_387_800_007] {
            let minute = first_minute_from(Time(ms));
            assert!(end_of(minute) >= Time(ms), "{ms}");
            assert!(end_of(minute - 1) < Time(ms), "{ms}");
        }
    }

    #[test]
    fn the_ends_of_time_are_no_minutes_of_their_own() {
        assert!(first_minute_from(Time(i64::MIN)) < first_minute_from(Time(i64::MAX)));
        assert_eq!(end_of(i64::MAX), Time(i64::MAX));
    }

    #[test]
    fn a_page_of_totals_goes_on_after_a_day_and_an_account() {
        let id = |id| AccountId::parse(id).unwrap();
        assert_eq!(read_day_and_account("1970-01-02/s2:alice"), Ok((1, id("s2:alice"))));
        for wrong in ["", "1970-01-02", "1970-01-02/", "1970-01-32/alice", "2/alice", "1970-01-02/a b"] {
            let error = read_day_and_account(wrong).unwrap_err();
            assert_eq!(error.field.as_deref(), Some("cursor"), "{wrong}");
        }
    }
}
