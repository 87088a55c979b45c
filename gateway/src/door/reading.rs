//! Questions to the projector: what the read model has, as new as the client needs it.

use std::{collections::BTreeSet, time::Duration};

use futures::future::try_join_all;
use remit_actors::message::{Address, AnswerBody, Found, Query, Question, Read, Reading};
use remit_api::{Error, fresh::AtLeast};
use remit_core::{
    id::{Seq, ShardNo, TransferId},
    transfer::Start,
};
use tokio::time::{Instant, sleep_until};

use super::{
    Door,
    asking::{PATIENCE, misunderstood},
};

/// For how long the projector holds a question back until it has got far enough. Less than after what a question is asked
/// again, so that one client never has two of them waiting there; a longer wait is several questions, one after the other.
const HELD: Duration = Duration::from_millis(500);

impl Door {
    /// What the read model has; that it is not as new as it must be is an error.
    pub(super) async fn read(&self, query: Query, fresh: Option<AtLeast>) -> Result<Reading, Error> {
        if !self.has_projection {
            return Err(no_projection());
        }
        let (at_least, wait_ms) = match fresh {
            Some(AtLeast { transfer, wait_ms }) => (self.positions_with(transfer).await?, wait_ms),
            None => (Vec::new(), 0),
        };
        let ask = |within_ms| {
            let read = Read { query: query.clone(), at_least: at_least.clone(), within_ms };
            self.ask_projector(read)
        };
        let reading = ask_until_new(Duration::from_millis(wait_ms), || *self.is_closing.borrow(), ask).await?;
        match (&reading.found, fresh) {
            (Found::Behind, Some(fresh)) => Err(is_behind(fresh)),
            _ => Ok(reading),
        }
    }

    async fn ask_projector(&self, read: Read) -> Result<Reading, Error> {
        let patience = PATIENCE + Duration::from_millis(read.within_ms);
        let mut parts = self.ask_parts(Address::Projector, Question::Read(Box::new(read)), patience).await?;
        match parts.pop() {
            Some(AnswerBody::Reading(reading)) => Ok(*reading),
            Some(other) => Err(misunderstood(&other)),
            None => Err(Error::unavailable("the projector gave an empty answer")),
        }
    }

    /// Where the journals stand that have something of a transfer: at or above all that is recorded of it now.
    async fn positions_with(&self, id: TransferId) -> Result<Vec<(Address, Seq)>, Error> {
        let start = self.start_of(id).await?;
        let shards: BTreeSet<ShardNo> = start.legs().iter().map(|leg| leg.shard).collect();
        let manager = Address::Manager(self.genesis.partition_of(&id));
        let actors = [manager].into_iter().chain(shards.into_iter().map(Address::Shard));
        try_join_all(actors.map(async |actor| Ok((actor, self.position(actor).await?.seq)))).await
    }

    /// The start of the transfer that a client has seen settled.
    pub(super) async fn start_of(&self, id: TransferId) -> Result<Start, Error> {
        let manager = Address::Manager(self.genesis.partition_of(&id));
        match self.ask(manager, Question::Transfer(id)).await? {
            AnswerBody::Transfer(Some(found)) => Ok(found.0),
            AnswerBody::Transfer(None) => Err(Error::transfer_not_found(id)),
            other => Err(misunderstood(&other)),
        }
    }
}

/// Asks, for so many milliseconds at a time, until the answer is new enough or the time is over.
async fn ask_until_new<Asked: Future<Output = Result<Reading, Error>>>(
    wait: Duration,
    is_closing: impl Fn() -> bool,
    ask: impl Fn(u64) -> Asked,
) -> Result<Reading, Error> {
    let until = Instant::now() + wait;
    loop {
        let asked = Instant::now();
        // Whoever closes the door has no time to wait.
        let left = if is_closing() { Duration::ZERO } else { until.saturating_duration_since(asked) };
        let held = left.min(HELD);
        let within_ms = u64::try_from(held.as_millis()).unwrap_or(0);
        let reading = ask(within_ms).await?;
        if reading.found != Found::Behind || within_ms == 0 {
            return Ok(reading);
        }
        // It may have had no room to hold the question back.
        sleep_until(asked + held).await;
    }
}

/// Only the read model could answer, and this node has none.
pub(super) fn no_projection() -> Error {
    Error::unavailable("this node has no projection: set projection.enabled")
}

/// Only the read model could answer, and it has so many of so many rows.
pub(super) fn is_being_built(rows: u64, of: u64) -> Error {
    // All but the last row are not all.
    let percent = u128::from(rows) * 100 / u128::from(of.max(1));
    Error::unavailable(format!("the projection is being built: {} % of the rows are in it", percent.min(99)))
}

/// What the read model found is no answer to what it was asked.
pub(super) fn does_not_fit(found: &Found) -> Error {
    match found {
        Found::Building(rows, of) => is_being_built(*rows, *of),
        other => Error::unavailable(format!("the projector gave an answer that does not fit: {other:?}")),
    }
}

fn is_behind(AtLeast { transfer, wait_ms }: AtLeast) -> Error {
    Error::unavailable(format!(
        "the projection did not get as far as the transfer {transfer} within {wait_ms} ms; ask again, or with a longer `wait_ms`"
    ))
}

#[cfg(test)]
mod tests {
    use std::{
        cell::{Cell, RefCell},
        future::ready,
    };

    use remit_core::id::Time;

    use super::*;

    #[test]
    fn how_much_is_built_is_said_in_whole_percents_and_never_as_all() {
        let table = [(0, 0, 0), (0, 7, 0), (43, 100, 43), (999, 1_000, 99), (7, 7, 99), (u64::MAX / 2, u64::MAX, 49)];
        for (rows, of, percent) in table {
            let expected = format!("the projection is being built: {percent} % of the rows are in it");
            assert_eq!(is_being_built(rows, of).message, expected, "{rows} of {of}");
        }
    }

    const NOW: Reading = Reading { as_of: Time(7), found: Found::Building(1, 2) };
    const BEHIND: Reading = Reading { as_of: Time(3), found: Found::Behind };

    #[tokio::test]
    async fn a_wait_is_cut_into_questions_that_together_are_as_long() {
        let asked = RefCell::new(Vec::new());
        // It holds each question back for as long as it may.
        let ask = |within_ms| {
            asked.borrow_mut().push(within_ms);
            async move {
                sleep_until(Instant::now() + Duration::from_millis(within_ms)).await;
                Ok(BEHIND)
            }
        };
        let answered = ask_until_new(Duration::from_millis(1_200), || false, ask).await;
        assert_eq!(answered, Ok(BEHIND));
        let asked = asked.into_inner();
        assert_eq!((asked[0], asked.last()), (500, Some(&0)), "{asked:?}");
        assert!(asked.iter().sum::<u64>() <= 1_200, "{asked:?}");
    }

    #[tokio::test]
    async fn one_that_is_never_held_back_is_not_asked_over_and_over() {
        let asked = Cell::new(0);
        let ask = |_| {
            asked.set(asked.get() + 1);
            ready(Ok(if asked.get() == 2 { NOW } else { BEHIND }))
        };
        let began = Instant::now();
        assert_eq!(ask_until_new(Duration::from_secs(60), || false, ask).await, Ok(NOW));
        assert!(asked.get() == 2 && began.elapsed() >= HELD);
    }

    #[tokio::test]
    async fn without_a_wait_or_with_a_door_that_closes_it_is_asked_once() {
        for (wait, is_closing) in [(Duration::ZERO, false), (Duration::from_secs(60), true)] {
            let asked = Cell::new(0);
            let ask = |within_ms| {
                asked.set(asked.get() + 1);
                assert_eq!(within_ms, 0);
                ready(Ok(BEHIND))
            };
            assert_eq!(ask_until_new(wait, || is_closing, ask).await, Ok(BEHIND));
            assert_eq!(asked.get(), 1);
        }
    }

    #[test]
    fn a_question_that_is_held_back_is_answered_before_it_is_asked_again() {
        assert!(HELD < super::super::asking::ASK_AGAIN);
    }
}
