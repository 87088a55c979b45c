//! What the door refuses while a disk is nearly full: all that would write something new.
//!
//! A transfer that is recorded already is no new one: it is answered as ever, so that who was cut off can still learn its end.

use futures::future::join_all;
use remit_actors::message::{Address, AnswerBody, Question, Submit};
use remit_api::Error;

use super::{Door, asking::misunderstood};

/// When to try again, in milliseconds. Nobody frees a disk in less.
const RETRY_AFTER_MS: u64 = 1_000;

impl Door {
    /// Whether something new may be written.
    pub(super) fn takes_new(&self) -> Result<(), Error> {
        let shortage = self.space.shortage();
        shortage
            .map_or(Ok(()), |short| Err(Error::overloaded(format!("{short}; nothing was recorded"), RETRY_AFTER_MS)))
    }

    /// While nothing new may be written, only what is recorded passes: to submit that again writes nothing.
    pub(super) async fn refuse_new(&self, submits: Vec<Result<Submit, Error>>) -> Vec<Result<Submit, Error>> {
        let Err(refusal) = self.takes_new() else { return submits };
        let pass = async |submit: Result<Submit, Error>| {
            let submit = submit?;
            let manager = Address::Manager(self.genesis.partition_of(&submit.id));
            match self.ask(manager, Question::Transfer(submit.id)).await? {
                AnswerBody::Transfer(Some(_)) => Ok(submit),
                AnswerBody::Transfer(None) => Err(refusal.clone()),
                other => Err(misunderstood(&other)),
            }
        };
        join_all(submits.into_iter().map(pass)).await
    }
}
