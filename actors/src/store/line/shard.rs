//! The columns of a shard's journal.

use remit_core::{
    account::{Account, Balances, Kind, Refusal, Status},
    id::{AccountId, Epoch, LegId, LegNo, PartitionNo, Seq, TransferId},
    leg::{State, Terms, Verb},
    money::{Amount, Currency, Direction},
    protocol::route::Route,
    reason::Reason,
};

use super::{Columns, Reader, Writer, legs};
use crate::store::{
    Error,
    journal::corrupt,
    row::{AccountEntry, After, Common, LegEntry, ShardEntry},
};

impl Columns for ShardEntry {
    const COLUMNS: &'static [&'static str] = &[
        "what", // the leg's new state; or the account command; or genesis, claimed
        "account",
        "posted", // the account's money after this row, if it has any part in it
        "held",
        "incoming",
        "in_transit", // the in-transit account of the currency after this row
        "previous",   // the account's row before this one
        "transfer",
        "leg",
        "direction",
        "amount",
        "currency",
        "partition", // where its manager recorded the start
        "begun",
        "reason",  // why it was refused or undone
        "undo",    // of a tombstone: the verb that left it
        "route",   // the way of the baton, in the events protocol
        "note",    // the transfer's memo; the deployment's facts; the claiming node
        "command", // the idempotency key of an account command
        "kind",    // the account after an account command
        "status",
        "overdraft_limit",
        "version",
        "epoch",   // of a claim
        "repeats", // of a leg's last record: commands that were repeated before it, at least
    ];

    fn write(&self, line: &mut Writer<'_>) {
        match self {
            Self::Common(common) => {
                write_common(common, 16, 5, line);
            }
            Self::Leg(leg) => write_leg(leg, line),
            Self::Account(account) => write_account(account, line),
        }
    }

    fn read(line: &mut Reader<'_>) -> Result<Self, Error> {
        let what: std::sync::Arc<str> = line.word(|what| Some(what.into()))?;
        let Some(account) = line.maybe_word(|id| AccountId::parse(id).ok())? else {
            line.skip(15);
            return read_common(&what, 5, line).map(Self::Common);
        };
        let money = Money::read(line)?;
        match line.maybe_word(|id| id.parse().ok())? {
            Some(transfer) => read_leg(&what, account, &money, transfer, line).map(Self::Leg),
            None => read_account(what, account, &money, line).map(Self::Account),
        }
    }
}

/// Writes what every journal has: so many columns are empty after the first, and so many more before the last.
pub(super) fn write_common(common: &Common, before: usize, after: usize, line: &mut Writer<'_>) {
    match common {
        Common::Genesis(facts) => {
            line.word("genesis");
            line.none(before);
            line.text(facts);
        }
        Common::Claimed(epoch, node) => {
            line.word("claimed");
            line.none(before);
            line.text(node);
            line.none(after);
            line.count(epoch.0);
        }
    }
}

/// Reads what every journal has, from its note on.
pub(super) fn read_common(what: &str, after: usize, line: &mut Reader<'_>) -> Result<Common, Error> {
    let note = line.word(|note| Some(note.into()))?;
    line.skip(after);
    match what {
        "genesis" => Ok(Common::Genesis(note)),
        "claimed" => Ok(Common::Claimed(Epoch(line.small()?), note)),
        other => Err(corrupt(format!("a row says '{other}'"))),
    }
}

fn write_leg(leg: &LegEntry, line: &mut Writer<'_>) {
    let LegEntry { id, state, terms, memo, after, repeats } = leg;
    line.word(state.as_str());
    line.word(terms.account.as_str());
    match after {
        Some(after) => {
            line.int(after.posted);
            line.int(after.held);
            line.int(after.incoming);
            line.int(after.in_transit);
            line.maybe(after.previous, |line, previous| line.count(previous.0));
        }
        None => line.none(5),
    }
    line.id(id.transfer);
    line.int(id.leg.0);
    line.word(terms.direction.as_str());
    line.int(terms.amount.get());
    line.word(terms.currency.as_str());
    line.int(terms.partition.0);
    line.count(terms.begun.0);
    let (reason, undo) = match state {
        State::Refused(reason) => (Some(*reason), None),
        State::Tombstone(undo, reason) => (*reason, Some(*undo)),
        _ => (None, None),
    };
    line.maybe(reason, |line, reason| line.word(reason.as_str()));
    line.maybe(undo, |line, undo| line.word(undo.as_str()));
    line.maybe(terms.route.as_ref(), |line, route| {
        let stops = route.stops().iter();
        let parts = stops.map(|s| (s.leg, s.shard, &s.account, s.direction, s.amount, s.currency));
        line.words(|text| legs::write(parts, text));
    });
    line.maybe(memo.as_deref(), Writer::text);
    line.none(6);
    line.positive(*repeats);
}

fn write_account(entry: &AccountEntry, line: &mut Writer<'_>) {
    line.word(&entry.what);
    line.word(entry.account.as_str());
    match &entry.outcome {
        Ok(Account { balances: Balances { posted, held, incoming, .. }, .. }) => {
            line.int(*posted);
            line.int(*held);
            line.int(*incoming);
        }
        Err(_) => line.none(3),
    }
    line.none(1);
    line.maybe(entry.previous, |line, previous| line.count(previous.0));
    line.none(4);
    let account = entry.outcome.as_ref().ok();
    line.maybe(account, |line, account| line.word(account.currency.as_str()));
    line.none(2);
    line.maybe(entry.outcome.as_ref().err(), |line, refusal| line.word(refusal.as_str()));
    line.none(3);
    line.maybe(entry.command_id, |line, id| line.id(TransferId(id)));
    if let Some(account) = account {
        line.word(account.kind.as_str());
        line.word(account.status.as_str());
        line.int(account.overdraft_limit);
        line.count(account.version);
    }
}

/// The columns that an account's money stands in.
struct Money {
    posted: Option<i64>,
    held: Option<i64>,
    incoming: Option<i64>,
    in_transit: Option<i64>,
    previous: Option<Seq>,
}

impl Money {
    fn read(line: &mut Reader<'_>) -> Result<Self, Error> {
        let (posted, held, incoming) = (line.maybe_int()?, line.maybe_int()?, line.maybe_int()?);
        Ok(Self { posted, held, incoming, in_transit: line.maybe_int()?, previous: line.maybe_small()?.map(Seq) })
    }

    fn after(&self) -> Option<After> {
        let Self { posted, held, incoming, in_transit, previous } = *self;
        Some(After { posted: posted?, held: held?, incoming: incoming?, in_transit: in_transit?, previous })
    }
}

fn read_leg(
    what: &str,
    account: AccountId,
    money: &Money,
    transfer: TransferId,
    line: &mut Reader<'_>,
) -> Result<LegEntry, Error> {
    let leg = LegNo(line.small()?);
    let direction = line.word(direction)?;
    let amount = Amount::new(line.int()?).ok_or_else(|| corrupt("an amount below 1"))?;
    let currency = line.word(Currency::parse)?;
    let (partition, begun) = (PartitionNo(line.small()?), Seq(line.small()?));
    let reason = line.maybe_word(Reason::parse)?;
    let undo = line.maybe_word(|word| Verb::ALL.into_iter().find(|verb| verb.as_str() == word))?;
    let route = line.maybe_word(legs::read)?.map(Route::from_stops);
    let memo = line.maybe_word(|memo| Some(memo.into()))?;
    line.skip(6);
    let repeats = line.positive()?;
    let state = match (what, reason, undo) {
        ("debited", ..) => State::Debited,
        ("credited", ..) => State::Credited,
        ("held", ..) => State::Held,
        ("refused", Some(reason), _) => State::Refused(reason),
        ("tombstone", reason, Some(undo)) => State::Tombstone(undo, reason),
        ("posted", ..) => State::Posted,
        ("released", ..) => State::Released,
        ("compensated", ..) => State::Compensated,
        _ => return Err(corrupt(format!("a leg's row says '{what}'"))),
    };
    let terms = Terms { account, direction, amount, currency, partition, begun, route };
    Ok(LegEntry { id: LegId::new(transfer, leg), state, terms, memo, after: money.after(), repeats })
}

fn read_account(
    what: std::sync::Arc<str>,
    account: AccountId,
    money: &Money,
    line: &mut Reader<'_>,
) -> Result<AccountEntry, Error> {
    line.skip(3);
    let currency = line.maybe_word(Currency::parse)?;
    line.skip(2);
    let refusal = line.maybe_word(Refusal::parse)?;
    line.skip(3);
    let command_id = line.maybe_word(|id| id.parse::<TransferId>().ok())?.map(|id| id.0);
    let kind = line.maybe_word(Kind::parse)?;
    let status = line.maybe_word(Status::parse)?;
    let (overdraft_limit, version) = (line.maybe_int()?, line.maybe_small()?);
    let after = || {
        let (posted, held, incoming) = (money.posted?, money.held?, money.incoming?);
        let balances = Balances { posted, held, incoming, undecided: 0 };
        let (currency, kind, status) = (currency?, kind?, status?);
        Some(Account { currency, kind, status, overdraft_limit: overdraft_limit?, version: version?, balances })
    };
    let outcome = match refusal {
        Some(refusal) => Err(refusal),
        None => Ok(after().ok_or_else(|| corrupt("an account's row lacks columns"))?),
    };
    Ok(AccountEntry { account, what, command_id, outcome, previous: money.previous })
}

fn direction(word: &str) -> Option<Direction> {
    [Direction::Debit, Direction::Credit].into_iter().find(|direction| direction.as_str() == word)
}
