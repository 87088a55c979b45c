//! What the clients of the bank have asked for and been told, and the contradictions in it.

use std::collections::HashMap;

use remit_api::{
    Error,
    error::Code,
    submit::SubmitRequest,
    transfer::{Status, Transfer},
};
use remit_core::id::TransferId;

/// Every transfer that was ever asked for.
#[derive(Default)]
pub(crate) struct Book {
    entries: HashMap<TransferId, Entry>,
    ids: Vec<TransferId>,
    /// Ends that were told, repeats not counted.
    pub(crate) ended: usize,
    /// Requests that were refused as `overloaded`, with one of the sentences.
    pub(crate) overloaded: (usize, String),
    /// Requests that came to nothing: `unavailable`, or no answer.
    pub(crate) unanswered: usize,
    /// The last of these: what was answered, if anything.
    pub(crate) failed: String,
    /// What must not be.
    pub(crate) contradictions: Vec<String>,
}

/// A transfer as its clients know it.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) request: SubmitRequest,
    pub(crate) told: Told,
}

/// The most that was ever told of a transfer.
#[derive(Clone)]
pub(crate) enum Told {
    /// Nothing: it may be recorded or not.
    Nothing,
    /// It is recorded: it must never be forgotten.
    Recorded,
    /// Its end: it must be told the same for ever.
    Ended(Box<Transfer>),
}

impl Book {
    /// Notes a request that is about to be sent; whether the end of its transfer is known already.
    pub(crate) fn asks(&mut self, request: &SubmitRequest) -> bool {
        let entry = self.entries.entry(request.id).or_insert_with(|| {
            self.ids.push(request.id);
            Entry { request: request.clone(), told: Told::Nothing }
        });
        matches!(entry.told, Told::Ended(_))
    }

    /// Notes what was answered about a transfer, whose end was known or not when it was asked; `None` if nothing was in time.
    pub(crate) fn hears(&mut self, id: TransferId, knew_end: bool, answer: Option<Result<Transfer, Error>>) {
        let told = &mut self.entries.get_mut(&id).unwrap().told;
        match answer {
            Some(Ok(transfer)) => match (&told, transfer.status) {
                (Told::Ended(end), _) if **end == transfer => {}
                // Two asked at the same time, and the one that was answered first got its answer last.
                (Told::Ended(_), status) if !knew_end && !status.is_end() => {}
                (Told::Ended(end), _) => {
                    self.contradictions.push(format!("told two ends of one transfer: {end:?} and {transfer:?}"));
                }
                (_, Status::Parked) => self.contradictions.push(format!("parked: {transfer:?}")),
                (_, status) if status.is_end() => {
                    *told = Told::Ended(Box::new(transfer));
                    self.ended += 1;
                }
                (Told::Nothing, _) => *told = Told::Recorded,
                (Told::Recorded, _) => {}
            },
            None => self.fails(format!("{id} was not answered")),
            Some(Err(error)) => match error.code {
                Code::Unavailable => self.fails(format!("{id} was answered with {error}")),
                Code::Overloaded if error.retry_after_ms.is_some() => {
                    self.overloaded = (self.overloaded.0 + 1, error.message);
                }
                _ => self.contradictions.push(format!("{id} was answered with {error}")),
            },
        }
    }

    fn fails(&mut self, failed: String) {
        self.unanswered += 1;
        self.failed = failed;
    }

    /// The how many-th transfer that was asked for.
    pub(crate) fn nth(&self, no: u64) -> Option<SubmitRequest> {
        let no = usize::try_from(no).ok()? % self.ids.len().max(1);
        self.ids.get(no).map(|id| self.entries[id].request.clone())
    }

    pub(crate) fn entry(&self, id: TransferId) -> &Entry {
        &self.entries[&id]
    }

    pub(crate) fn ids(&self) -> &[TransferId] {
        &self.ids
    }

    /// How many were told to have this end.
    pub(crate) fn count(&self, status: Status) -> usize {
        let has = |entry: &&Entry| matches!(&entry.told, Told::Ended(end) if end.status == status);
        self.entries.values().filter(has).count()
    }
}
