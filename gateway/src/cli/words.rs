//! Reading single arguments; what is wrong with one is clap's to print.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use remit_api::{account::Source, day::Day, time, transfer::Status};
use remit_core::{
    account::Kind,
    id::{AccountId, InvalidId, Time, is_shard_name},
    money::Currency,
    protocol::Protocol,
};

/// An account's id.
pub(super) fn account(text: &str) -> Result<AccountId, InvalidId> {
    AccountId::parse(text)
}

/// A currency's code, in capitals or not.
pub(super) fn currency(text: &str) -> Result<Currency, String> {
    Currency::parse(&text.to_ascii_uppercase()).ok_or_else(|| "a currency's code is 3 to 8 of A-Z and 0-9".to_owned())
}

/// A moment, or a day, which begins at midnight UTC.
pub(super) fn moment(text: &str) -> Result<Time, String> {
    time::parse(text)
        .or_else(|| time::parse(&format!("{text}T00:00:00Z")))
        .ok_or_else(|| "write a time like 2026-11-22T22:50:00Z, or a day like 2026-11-22 (UTC)".to_owned())
}

/// A day of UTC.
pub(super) fn day(text: &str) -> Result<Day, String> {
    remit_api::day::parse(text).ok_or_else(|| "write a day like 2026-11-26 (UTC)".to_owned())
}

/// A moment, also as how long ago it was.
pub(super) fn since(text: &str) -> Result<Time, String> {
    since_at(text, now())
}

fn since_at(text: &str, now: Time) -> Result<Time, String> {
    let ago = duration_ms(text).and_then(|ms| Some(Time(now.0.checked_sub(i64::try_from(ms).ok()?)?)));
    ago.or_else(|| moment(text).ok())
        .ok_or_else(|| "write how long ago, like 30s, 5m, 1h or 2d, or a time like 2026-11-22T22:50:00Z".to_owned())
}

/// How long, in milliseconds: a whole number with a unit right behind it.
pub(super) fn duration_ms(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms)
}

/// This moment.
pub(super) fn now() -> Time {
    remit_actors::durable::system_clock()
}

/// A protocol's name.
pub(super) fn protocol() -> impl TypedValueParser<Value = Protocol> {
    let names = PossibleValuesParser::new(Protocol::all().map(Protocol::as_str));
    names.map(|name| Protocol::parse(&name).expect("only names of protocols are let through"))
}

/// A transfer's status.
pub(super) fn status() -> impl TypedValueParser<Value = Status> {
    let words = PossibleValuesParser::new(Status::ALL.map(Status::as_str));
    words.map(|word| Status::parse(&word).expect("only words of statuses are let through"))
}

/// The name of a node.
pub(super) fn node(text: &str) -> Result<String, String> {
    name(text, "a node")
}

/// The name of a shard, or of another database.
pub(super) fn shard(text: &str) -> Result<String, String> {
    name(text, "a database")
}

fn name(text: &str, of: &str) -> Result<String, String> {
    if is_shard_name(text) { Ok(text.to_owned()) } else { Err(format!("{of} is named by 1 to 32 of a-z, 0-9 and -")) }
}

/// Who answers a statement.
pub(super) fn source() -> impl TypedValueParser<Value = Source> {
    let words = PossibleValuesParser::new(Source::ALL.map(Source::as_str));
    words.map(|word| Source::parse(&word).expect("only words of sources are let through"))
}

/// A kind of account.
pub(super) fn kind() -> impl TypedValueParser<Value = Kind> {
    let words = PossibleValuesParser::new([Kind::Customer, Kind::External].map(Kind::as_str));
    words.map(|word| Kind::parse(&word).expect("only words of kinds are let through"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight() {
        assert_eq!(moment("2026-11-22"), moment("2026-11-22T00:00:00Z"));
        assert_eq!(moment("2026-11-22T01:00:00+01:00"), moment("2026-11-22"));
        for wrong in ["", "today", "22.11.2026", "2026-11-22 10:00"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_day_is_no_moment() {
        assert_eq!(day("1970-01-02"), Ok(Day(1)));
        for wrong in ["", "today", "1970-01-02T00:00:00Z", "1970-1-2"] {
            assert!(day(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn since_when_may_be_said_as_how_long_ago() {
        let now = Time(1_795_387_800_000);
        for (text, ms) in [("0s", 0), ("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000), ("2d", 172_800_000)] {
            assert_eq!(since_at(text, now), Ok(Time(now.0 - ms)), "{text}");
        }
        assert_eq!(since_at("2026-11-22T22:50:00Z", now), Ok(now));
        for wrong in ["", "h", "1", "-1h", "+1h", "1.5h", "1w", "1 h", "9223372036854775807d", "1é", "yesterday"] {
            assert!(since_at(wrong, now).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_currency_may_be_written_small() {
        assert_eq!(currency("eur").unwrap().as_str(), "EUR");
        assert!(currency("€").is_err());
    }
}
