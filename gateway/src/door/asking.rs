//! Questions to actors: each is asked again until it is answered or its time is over.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;
use remit_actors::message::{Address, Answer, AnswerBody, Ask, Message, Question};
use remit_api::Error;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::Door;

/// A question that has not been answered is asked again after this; reading twice is harmless, and a command about an
/// account is told apart by its `command_id`.
pub(super) const ASK_AGAIN: Duration = Duration::from_millis(700);
/// How long an answer is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The questions that wait for answers.
#[derive(Default)]
pub(super) struct Asking {
    last: AtomicU64,
    open: Mutex<HashMap<u64, Pending>>,
}

struct Pending {
    parts: HashMap<u32, AnswerBody>,
    done: oneshot::Sender<Vec<AnswerBody>>,
}

impl Asking {
    /// Takes in an answer, or a part of one.
    pub(super) fn hear(&self, answer: Answer) {
        let mut open = self.open.lock();
        let Some(pending) = open.get_mut(&answer.ticket) else { return };
        pending.parts.insert(answer.part, answer.body);
        let is_whole = u32::try_from(pending.parts.len()) == Ok(answer.parts);
        if is_whole && let Some(mut pending) = open.remove(&answer.ticket) {
            let parts = (0..answer.parts).filter_map(|part| pending.parts.remove(&part)).collect();
            // Whoever asked may have gone.
            pending.done.send(parts).ok();
        }
    }
}

impl Door {
    /// Asks an actor, and waits for all parts of its answer.
    ///
    /// Each time it is asked again it is under a new ticket, so that parts of two answers, which are of two moments, never
    /// make one.
    pub(super) async fn ask_parts(
        &self,
        to: Address,
        question: Question,
        patience: Duration,
    ) -> Result<Vec<AnswerBody>, Error> {
        let until = Instant::now() + patience;
        let again_after = ASK_AGAIN.max(patience / 8);
        while Instant::now() < until {
            let ticket = self.asking.last.fetch_add(1, Relaxed);
            let (done, answered) = oneshot::channel();
            self.asking.open.lock().insert(ticket, Pending { parts: HashMap::new(), done });
            let ask = Ask { ticket, from: Address::Gateway(self.number), question: question.clone() };
            self.outgoing.send(vec![(to, Message::Ask(ask))], None);
            let parts = timeout_at(until.min(Instant::now() + again_after), answered).await;
            self.asking.open.lock().remove(&ticket);
            if let Ok(Ok(parts)) = parts {
                let unavailable = parts.iter().find_map(|part| match part {
                    AnswerBody::Unavailable(why) => Some(Error::unavailable(why.clone())),
                    _ => None,
                });
                return unavailable.map_or(Ok(parts), Err);
            }
        }
        let name = self.name_of(to);
        Err(Error::unavailable(format!("{name} did not answer in {} ms; try again", patience.as_millis())))
    }

    /// Asks an actor for an answer of one part.
    pub(super) async fn ask(&self, to: Address, question: Question) -> Result<AnswerBody, Error> {
        let mut parts = self.ask_parts(to, question, PATIENCE).await?;
        parts.pop().ok_or_else(|| Error::unavailable(format!("{} gave an empty answer", self.name_of(to))))
    }

    /// An actor's name, as lists have it.
    pub(super) fn name_of(&self, address: Address) -> String {
        match address {
            Address::Shard(no) => self.shard_names.get(usize::from(no.0)).map_or_else(String::new, ToString::to_string),
            Address::Manager(no) => format!("m{}", no.0),
            Address::Gateway(no) => format!("gateway {no}"),
            Address::Projector | Address::Ledger => "p0".to_owned(),
        }
    }
}

/// What is said of an answer that does not fit its question; it can only come from another version.
pub(super) fn misunderstood(answer: &AnswerBody) -> Error {
    Error::unavailable(format!("an actor gave an answer that does not fit: {answer:?}"))
}
