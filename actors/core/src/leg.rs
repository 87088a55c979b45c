//! A transfer's leg in its shard: its states, the verbs that act on it, and the one total table of both (R1).
//!
//! A leg lives like this: untouched; then its *first record*: done, held, refused, or a tombstone that an undo left
//! because it came before its do; then, at most once, its *last record*: posted, released or compensated. Nothing else
//! ever happens to it, however often and in whatever order messages arrive (R2).

use alloc::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    id::{AccountId, LegId, LegNo, PartitionNo, Seq, ShardNo, TransferId},
    money::{Amount, Currency, Direction},
    protocol::route::Route,
    reason::Reason,
};

/// What a shard is told to do with a leg. The first three are *dos*, the next three *undos*; a post is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Take the money now; a compensation may give it back.
    Debit,
    /// Give the money now, for ever: the pivot of a saga.
    Credit,
    /// Reserve it: an outgoing hold lowers what is available, an incoming one does not raise it.
    PlaceHold,
    /// Undo a debit.
    Compensate,
    /// Undo a hold.
    ReleaseHold,
    /// Forbid a credit that has not been done (R7).
    Cancel,
    /// Turn a hold into a posting, for ever.
    PostHold,
}

impl Verb {
    /// All verbs.
    pub const ALL: [Self; 7] =
        [Self::Debit, Self::Credit, Self::PlaceHold, Self::Compensate, Self::ReleaseHold, Self::Cancel, Self::PostHold];

    /// Its word in logs and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debit => "debit",
            Self::Credit => "credit",
            Self::PlaceHold => "place_hold",
            Self::Compensate => "compensate",
            Self::ReleaseHold => "release_hold",
            Self::Cancel => "cancel",
            Self::PostHold => "post_hold",
        }
    }

    /// Whether it asks for something new, which a frozen account refuses.
    #[must_use]
    pub const fn is_do(self) -> bool {
        matches!(self, Self::Debit | Self::Credit | Self::PlaceHold)
    }

    /// The undo that belongs to a do; a credit's is the cancel that must come before it.
    #[must_use]
    pub const fn undo(self) -> Self {
        match self {
            Self::Debit | Self::Compensate => Self::Compensate,
            Self::Credit | Self::Cancel => Self::Cancel,
            Self::PlaceHold | Self::ReleaseHold | Self::PostHold => Self::ReleaseHold,
        }
    }
}

/// A command to a shard about one leg. Everything that the leg's record keeps is in it, so that a shard needs nobody
/// else to decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Which leg.
    pub id: LegId,
    /// What to do with it.
    pub verb: Verb,
    /// The leg itself.
    pub terms: Terms,
    /// Why it is undone; the tombstone keeps it, so that the legs know (R7).
    pub reason: Option<Reason>,
    /// What the client wrote beside the transfer, for statements.
    pub memo: Option<Arc<str>>,
}

impl Command {
    /// Whether a manager, or a shard on a route, could have sent it: the verb goes the leg's way, the position is one of a
    /// journal, and a route comes by here. A shard drops any other, since not even its row could be read again.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let Terms { account, direction, amount, currency, begun, route, .. } = &self.terms;
        let is_own_way = match self.verb {
            Verb::Debit | Verb::Compensate => *direction == Direction::Debit,
            Verb::Credit | Verb::Cancel => *direction == Direction::Credit,
            Verb::PlaceHold | Verb::ReleaseHold | Verb::PostHold => true,
        };
        let is_on_route = |route: &Route| {
            route.position(self.id.leg).map(|at| &route.stops()[at]).is_some_and(|stop| {
                (&stop.account, stop.direction, stop.amount, stop.currency) == (account, *direction, *amount, *currency)
            })
        };
        is_own_way && i64::try_from(begun.0).is_ok() && route.as_ref().is_none_or(is_on_route)
    }
}

/// What a leg is about: fixed when the transfer starts, the same in every command about the leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The account.
    pub account: AccountId,
    /// Out of it or into it.
    pub direction: Direction,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
    /// The partition whose manager hears of it.
    pub partition: PartitionNo,
    /// Where that manager's journal recorded the start; low-water marks refer to it (R3).
    pub begun: Seq,
    /// The way of the baton, in the events protocol.
    pub route: Option<Route>,
}

/// What a shard remembers of a leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// Where it stands.
    pub state: State,
    /// What it is about.
    pub terms: Terms,
}

/// Where a leg stands in its shard. A leg without a record is untouched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// First record: the money is taken.
    Debited,
    /// First record: the money is given, for ever.
    Credited,
    /// First record: the money is reserved.
    Held,
    /// First record: a do was refused, for ever.
    Refused(Reason),
    /// First record: an undo came before any do, which can now never happen.
    Tombstone(Verb, Option<Reason>),
    /// Last record: a hold was posted.
    Posted,
    /// Last record: a hold was released.
    Released,
    /// Last record: a debit was undone.
    Compensated,
}

impl State {
    /// The record's step: 1 for the first record of a leg, 2 for its last (R2).
    #[must_use]
    pub const fn step(self) -> u8 {
        match self {
            Self::Posted | Self::Released | Self::Compensated => 2,
            _ => 1,
        }
    }

    /// Its word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debited => "debited",
            Self::Credited => "credited",
            Self::Held => "held",
            Self::Refused(_) => "refused",
            Self::Tombstone(..) => "tombstone",
            Self::Posted => "posted",
            Self::Released => "released",
            Self::Compensated => "compensated",
        }
    }
}

/// A shard's answer about a leg. Sent to the manager, and sent again, the same, whenever it is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Answer {
    /// The debit or credit is done.
    Done,
    /// The hold is placed (or was, and is posted by now).
    Held,
    /// The hold is posted.
    Posted,
    /// What was done is undone.
    Undone,
    /// It never happened and never will; the stored reason, if the record has one.
    NeverWas(Option<Reason>),
    /// It was refused, for ever. The only answer that is a no (R6).
    Refused(Reason),
    /// The command does not fit what is recorded: nothing was changed, and the transfer is parked (R1, R2).
    Misfit(Misfit),
}

/// How a command does not fit the leg's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Misfit {
    /// Another account, amount, currency or route than the record has.
    TermsDiffer,
    /// A verb that this protocol's legs never get in this state.
    VerbAgainstRecord,
}

/// A leg's answer on its way to the manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Which leg.
    pub id: LegId,
    /// What its shard recorded.
    pub answer: Answer,
}

/// What the table says of a verb on a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is recorded yet: let the ledger decide whether it can be done.
    Try,
    /// Record this state, which can't fail, then answer.
    Become(State, Answer),
    /// Change nothing and answer from the record.
    Again(Answer),
}

/// The table: what a verb does to a leg in a state (R1). Total: every pair is written down here, and tested row by row.
#[must_use]
pub fn verdict(state: Option<State>, verb: Verb, reason: Option<Reason>) -> Verdict {
    use Answer::{Done, Misfit as No, NeverWas, Undone};
    use Verdict::{Again, Become, Try};

    let Some(state) = state else {
        return match verb {
            Verb::Debit | Verb::Credit | Verb::PlaceHold => Try,
            // The null compensation: the undo overtook its do, or the do was never sent.
            Verb::Compensate | Verb::ReleaseHold | Verb::Cancel => {
                Become(State::Tombstone(verb, reason), NeverWas(reason))
            }
            Verb::PostHold => Again(No(Misfit::VerbAgainstRecord)),
        };
    };
    match (state, verb) {
        (State::Debited, Verb::Debit) => Again(Done),
        (State::Debited, Verb::Compensate) => Become(State::Compensated, Undone),

        // A done credit is never undone: whoever wants to give up learns that it is too late.
        (State::Credited, Verb::Credit | Verb::Cancel) => Again(Done),

        (State::Held, Verb::PlaceHold) => Again(Answer::Held),
        (State::Held, Verb::PostHold) => Become(State::Posted, Answer::Posted),
        (State::Held, Verb::ReleaseHold) => Become(State::Released, Undone),

        (State::Posted, Verb::PlaceHold) => Again(Answer::Held),
        (State::Posted, Verb::PostHold) => Again(Answer::Posted),

        // The dangling action: a do after its undo changes nothing and answers as the undo did.
        (State::Compensated, Verb::Debit | Verb::Compensate) => Again(Undone),
        (State::Released, Verb::PlaceHold | Verb::ReleaseHold) => Again(Undone),
        (State::Tombstone(undo, why), _) if verb.undo() == undo && verb != Verb::PostHold => Again(NeverWas(why)),

        (State::Refused(why), Verb::Debit | Verb::Credit | Verb::PlaceHold) => Again(Answer::Refused(why)),
        (State::Refused(why), Verb::Compensate | Verb::ReleaseHold | Verb::Cancel) => Again(NeverWas(Some(why))),

        _ => Again(No(Misfit::VerbAgainstRecord)),
    }
}

/// A command with the shard that it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Where to.
    pub shard: ShardNo,
    /// What.
    pub command: Command,
}

impl LegId {
    /// Leg `leg` of `transfer`.
    #[must_use]
    pub const fn new(transfer: TransferId, leg: LegNo) -> Self {
        Self { transfer, leg }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Answer::{Done, NeverWas, Undone};
    use Verdict::{Again, Become, Try};

    const NO: Reason = Reason::InsufficientFunds;
    const LATE: Option<Reason> = Some(Reason::DeadlinePassed);
    const MISFIT: Verdict = Again(Answer::Misfit(Misfit::VerbAgainstRecord));

    /// R1, row by row: the states down, the verbs across in the order of `Verb::ALL`.
    #[test]
    fn r1_the_leg_table_is_total() {
        let tombstone = |verb| Become(State::Tombstone(verb, LATE), NeverWas(LATE));
        let refused = Again(Answer::Refused(NO));
        let never = Again(NeverWas(Some(NO)));
        let null = Again(NeverWas(LATE));
        let (undone, done, held) = (Again(Undone), Again(Done), Again(Answer::Held));
        let compensated = Become(State::Compensated, Undone);
        let released = Become(State::Released, Undone);
        let post = Become(State::Posted, Answer::Posted);
        let posted = Again(Answer::Posted);
        let grave = |verb| Some(State::Tombstone(verb, LATE));
        use Verb::{Cancel, Compensate, ReleaseHold};
        #[rustfmt::skip]
        let table: [(Option<State>, [Verdict; 7]); 11] = [
            //                           Debit   Credit   PlaceHold Compensate             ReleaseHold             Cancel             PostHold
            (None,                      [Try,    Try,     Try,      tombstone(Compensate), tombstone(ReleaseHold), tombstone(Cancel), MISFIT]),
            (Some(State::Debited),      [done,   MISFIT,  MISFIT,   compensated,           MISFIT,                 MISFIT,            MISFIT]),
            (Some(State::Credited),     [MISFIT, done,    MISFIT,   MISFIT,                MISFIT,                 done,              MISFIT]),
            (Some(State::Held),         [MISFIT, MISFIT,  held,     MISFIT,                released,               MISFIT,            post]),
            (Some(State::Posted),       [MISFIT, MISFIT,  held,     MISFIT,                MISFIT,                 MISFIT,            posted]),
            (Some(State::Compensated),  [undone, MISFIT,  MISFIT,   undone,                MISFIT,                 MISFIT,            MISFIT]),
            (Some(State::Released),     [MISFIT, MISFIT,  undone,   MISFIT,                undone,                 MISFIT,            MISFIT]),
            (Some(State::Refused(NO)),  [refused, refused, refused, never,                 never,                  never,             MISFIT]),
            (grave(Compensate),         [null,   MISFIT,  MISFIT,   null,                  MISFIT,                 MISFIT,            MISFIT]),
            (grave(ReleaseHold),        [MISFIT, MISFIT,  null,     MISFIT,                null,                   MISFIT,            MISFIT]),
            (grave(Cancel),             [MISFIT, null,    MISFIT,   MISFIT,                MISFIT,                 null,              MISFIT]),
        ];
        for (state, row) in table {
            for (verb, expected) in Verb::ALL.into_iter().zip(row) {
                assert_eq!(verdict(state, verb, LATE), expected, "{state:?} {verb:?}");
            }
        }
    }

    /// Every verb both ways, positions at the edge, and routes that come by here, or don't.
    #[test]
    fn what_no_manager_would_send_is_told_apart() {
        use crate::{protocol::route::Stop, transfer::LegSpec};
        let spec = LegSpec {
            account: AccountId::parse("s0:a").unwrap(),
            shard: ShardNo(0),
            direction: Direction::Debit,
            amount: Amount::MAX,
            currency: Currency::parse("EUR").unwrap(),
        };
        let sound = |verb, direction, begun, route| {
            let LegSpec { account, amount, currency, .. } = spec.clone();
            let (partition, begun) = (PartitionNo(0), Seq(begun));
            let terms = Terms { account, direction, amount, currency, partition, begun, route };
            let id = LegId::new(TransferId([1; 16]), LegNo(1));
            Command { id, verb, terms, reason: None, memo: None }.is_sound()
        };
        for (verb, ways) in Verb::ALL.into_iter().zip(["d", "c", "dc", "d", "dc", "c", "dc"]) {
            assert_eq!(sound(verb, Direction::Debit, 1, None), ways.contains('d'), "{verb:?}");
            assert_eq!(sound(verb, Direction::Credit, 1, None), ways.contains('c'), "{verb:?}");
        }
        let debit = |begun, route| sound(Verb::Debit, Direction::Debit, begun, route);
        assert!(debit((1 << 63) - 1, None) && !debit(1 << 63, None));
        let stop = |leg, amount| {
            let LegSpec { account, shard, direction, currency, .. } = spec.clone();
            Stop { leg: LegNo(leg), shard, account, direction, amount, currency }
        };
        let by = |stops| debit(1, Some(Route::from_stops(stops)));
        let one = Amount::new(1).unwrap();
        assert!(by(alloc::vec![stop(0, one), stop(1, Amount::MAX)]));
        assert!(!by(alloc::vec![]) && !by(alloc::vec![stop(0, Amount::MAX)]) && !by(alloc::vec![stop(1, one)]));
    }

    /// R1: whatever was answered, the same command again is answered the same way and changes nothing.
    #[test]
    fn r1_a_repeat_is_answered_as_the_first_time() {
        for verb in Verb::ALL {
            for first in [State::Debited, State::Credited, State::Held, State::Refused(NO)] {
                if let Become(next, answer) = verdict(Some(first), verb, LATE) {
                    assert_eq!(verdict(Some(next), verb, None), Again(answer), "{first:?} {verb:?}");
                }
            }
            if let Become(next, answer) = verdict(None, verb, LATE) {
                assert_eq!(verdict(Some(next), verb, None), Again(answer), "{verb:?}");
            }
        }
    }
}
