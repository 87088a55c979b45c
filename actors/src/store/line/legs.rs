//! Legs and routes as one readable column: `0@3 alice -1050 EUR; 1@12 bob +1050 EUR` (leg, shard, account, amount).

use remit_core::{
    id::{AccountId, LegNo, ShardNo},
    money::{Amount, Currency, Direction},
    protocol::route::Stop,
};

/// Writes stops in their order.
pub(crate) fn write<'a>(
    stops: impl Iterator<Item = (LegNo, ShardNo, &'a AccountId, Direction, Amount, Currency)>,
    text: &mut Vec<u8>,
) {
    let mut number = itoa::Buffer::new();
    for (place, (leg, shard, account, direction, amount, currency)) in stops.enumerate() {
        if place > 0 {
            text.extend_from_slice(b"; ");
        }
        text.extend_from_slice(number.format(leg.0).as_bytes());
        text.push(b'@');
        text.extend_from_slice(number.format(shard.0).as_bytes());
        text.push(b' ');
        text.extend_from_slice(account.as_str().as_bytes());
        text.extend_from_slice(match direction {
            Direction::Debit => b" -",
            Direction::Credit => b" +",
        });
        text.extend_from_slice(number.format(amount.get()).as_bytes());
        text.push(b' ');
        text.extend_from_slice(currency.as_str().as_bytes());
    }
}

/// Reads what [`write`] wrote.
pub(crate) fn read(text: &str) -> Option<Vec<Stop>> {
    text.split("; ").map(stop).collect()
}

fn stop(text: &str) -> Option<Stop> {
    let mut words = text.split(' ');
    let (leg, shard) = words.next()?.split_once('@')?;
    let account = AccountId::parse(words.next()?).ok()?;
    let amount = words.next()?;
    let direction = match amount.as_bytes().first()? {
        b'-' => Direction::Debit,
        b'+' => Direction::Credit,
        _ => return None,
    };
    let amount = Amount::new(amount[1..].parse().ok()?)?;
    let currency = Currency::parse(words.next()?)?;
    let (leg, shard) = (LegNo(leg.parse().ok()?), ShardNo(shard.parse().ok()?));
    words.next().is_none().then_some(Stop { leg, shard, account, direction, amount, currency })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legs_read_as_they_were_written() {
        let text = "0@3 alice -1050 EUR; 1@12 eu-1:bob +9223372036854775807 USDC";
        let stops = read(text).unwrap();
        let parts = stops.iter().map(|s| (s.leg, s.shard, &s.account, s.direction, s.amount, s.currency));
        let mut written = Vec::new();
        write(parts, &mut written);
        assert_eq!(written, text.as_bytes());
        for wrong in ["", "0@3 alice 1050 EUR", "0@3 alice -0 EUR", "0 alice -1 EUR", "0@3 alice -1 EUR x"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
