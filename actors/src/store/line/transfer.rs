//! The columns of a manager's journal.

use std::sync::Arc;

use remit_core::{
    id::{Time, TransferId},
    operator::{Action, Order},
    protocol::{Decision, Protocol, route::Stop},
    reason::Reason,
    transfer::{End, LegSpec, Outcome, Parked, Start},
};

use super::{
    Columns, Reader, Writer, legs,
    shard::{read_common, write_common},
};
use crate::{
    message::LegWord,
    store::{
        Error,
        journal::corrupt,
        row::{Counts, TransferEntry},
    },
};

impl Columns for TransferEntry {
    const COLUMNS: &'static [&'static str] = &[
        "what", // started; committed, aborted; completed, rejected, compensated; parked; retry, cancel, resume; genesis, claimed
        "transfer",
        "reason",
        "legs", // leg@shard account amount currency; of an end: what became of each leg
        "protocol",
        "accepted_at",
        "deadline_at",
        "note",    // the transfer's memo; why an operator did it; the deployment's facts; the claiming node
        "epoch",   // of a claim
        "by",      // the operator
        "retries", // of an end: how often silent legs were asked again, at least
        "repeats", // of an end: submits that came again, at least
        "late",    // of an end: answers that said nothing new, at least
    ];

    fn write(&self, line: &mut Writer<'_>) {
        match self {
            Self::Common(common) => write_common(common, 6, 0, line),
            Self::Started(start) => {
                line.word("started");
                line.id(start.id);
                line.none(1);
                let legs = start.leg_numbers().zip(start.legs());
                let parts =
                    legs.map(|(no, leg)| (no, leg.shard, &leg.account, leg.direction, leg.amount, leg.currency));
                line.words(|text| legs::write(parts, text));
                line.word(start.protocol.as_str());
                line.int(start.accepted_at.0);
                line.int(start.deadline_at.0);
                line.maybe(start.memo.as_deref(), Writer::text);
            }
            Self::Decided(id, Decision::Commit) => {
                line.word("committed");
                line.id(*id);
            }
            Self::Decided(id, Decision::Abort(reason)) => {
                line.word("aborted");
                line.id(*id);
                line.word(reason.as_str());
            }
            Self::Ended(id, end, legs, counts) => {
                line.word(end.outcome.as_str());
                line.id(*id);
                line.maybe(end.reason, |line, reason| line.word(reason.as_str()));
                line.words(|text| {
                    for (place, leg) in legs.iter().enumerate() {
                        if place > 0 {
                            text.push(b' ');
                        }
                        text.extend_from_slice(leg.as_str().as_bytes());
                    }
                });
                if *counts != Counts::default() {
                    line.none(6);
                    for count in [counts.retries, counts.repeats, counts.late] {
                        line.positive(count);
                    }
                }
            }
            Self::Ordered(id, Order { action, by, why }) => {
                line.word(action.as_str());
                line.id(*id);
                line.none(5);
                line.text(why);
                line.none(1);
                line.text(by);
            }
            Self::Parked(id, why) => {
                line.word("parked");
                line.id(*id);
                line.word(&why.to_string());
            }
        }
    }

    fn read(line: &mut Reader<'_>) -> Result<Self, Error> {
        let what: Arc<str> = line.word(|what| Some(what.into()))?;
        let Some(id) = line.maybe_word(|id| id.parse::<TransferId>().ok())? else {
            line.skip(5);
            return read_common(&what, 0, line).map(Self::Common);
        };
        match &*what {
            "started" => read_start(id, line).map(|start| Self::Started(Arc::new(start))),
            "committed" => Ok(Self::Decided(id, Decision::Commit)),
            "aborted" => Ok(Self::Decided(id, Decision::Abort(line.word(Reason::parse)?))),
            "parked" => Ok(Self::Parked(id, line.word(Parked::parse)?)),
            "retry" | "cancel" | "resume" => {
                let action = Action::parse(&what).ok_or_else(|| corrupt(format!("a transfer's row says '{what}'")))?;
                line.skip(5);
                let why = line.word(|why| Some(why.into()))?;
                line.skip(1);
                Ok(Self::Ordered(id, Order { action, by: line.word(|by| Some(by.into()))?, why }))
            }
            outcome => {
                let outcome =
                    Outcome::parse(outcome).ok_or_else(|| corrupt(format!("a transfer's row says '{outcome}'")))?;
                let reason = line.maybe_word(Reason::parse)?;
                let legs = line.word(|words| words.split(' ').map(LegWord::parse).collect::<Option<Vec<_>>>())?;
                line.skip(6);
                let counts = Counts { retries: line.positive()?, repeats: line.positive()?, late: line.positive()? };
                Ok(Self::Ended(id, End { outcome, reason }, legs, counts))
            }
        }
    }
}

fn read_start(id: TransferId, line: &mut Reader<'_>) -> Result<Start, Error> {
    line.skip(1);
    let stops = line.word(legs::read)?;
    let protocol = line.word(Protocol::parse)?;
    let (accepted_at, deadline_at) = (Time(line.int()?), Time(line.int()?));
    let memo = line.maybe_word(|memo| Some(memo.into()))?;
    let leg = |Stop { shard, account, direction, amount, currency, .. }: Stop| LegSpec {
        account,
        shard,
        direction,
        amount,
        currency,
    };
    let legs = stops.into_iter().map(leg).collect();
    Start::new(id, protocol, legs, memo, accepted_at, deadline_at)
        .map_err(|invalid| corrupt(format!("the legs of {id} are no transfer: {invalid:?}")))
}
