//! Transfers: submit, submit a batch, get.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use remit_actors::{
    durable::traced::Span,
    message::{Address, AnswerBody, LegWord, Message, Progress, Question, Stands, Status, Submit, Tell, TraceContext},
};
use remit_api::{
    Error, batch,
    batch::{Brief, Detail, Results},
    submit::{self, Draft, SubmitRequest, Until, Wait},
    transfer::{self, LegState, Transfer},
};
use remit_core::{
    id::TransferId,
    transfer::{LegSpec, Outcome, Start},
};

use super::{Door, answer_of, asking::misunderstood};

/// Transfers that are silent for so long are submitted again.
const SUBMIT_AGAIN: Duration = Duration::from_millis(1_000);
/// How long a door that closes waits to hear how the transfers stand that clients wait for.
const FAREWELL: Duration = Duration::from_millis(1_000);
/// About what the answer to one transfer of a batch takes, in bytes.
const ANSWER_BYTES: usize = 512;
/// The same in brief.
const BRIEF_BYTES: usize = 96;

/// A transfer that was submitted, and how it stands.
struct Submitted {
    submit: Submit,
    progress: Progress,
}

impl Door {
    pub(super) async fn submit(&self, request: SubmitRequest, trace: Option<TraceContext>) -> Result<Transfer, Error> {
        let submit::Submit { draft, wait } = request.check(&self.currencies)?;
        let (id, span) = (draft.id, trace.map(|parent| Span::within(parent, "submit", "gateway", SystemTime::now())));
        let mut results = self.run(vec![Ok(draft)], wait, span.map(|span| span.context())).await;
        if let Some(span) = span {
            span.tell(Some(id));
        }
        let lost = || Err(Error::unavailable("the transfer got lost at the door; send it again"));
        results.pop().unwrap_or_else(lost).map(|submitted| self.transfer_of_submit(submitted))
    }

    pub(super) async fn submit_batch(&self, request: &[u8], trace: Option<TraceContext>) -> Result<Vec<u8>, Error> {
        let batch::Batch { transfers, wait, answer: detail } = batch::read(request, &self.currencies)?;
        let span = trace.map(|parent| Span::within(parent, "submit_batch", "gateway", SystemTime::now()));
        let submitted = self.run(transfers, wait, span.map(|span| span.context())).await.into_iter();
        if let Some(span) = span {
            span.tell(None);
        }
        match detail {
            Detail::Full => {
                let full = |submitted| self.transfer_of_submit(submitted);
                let results: Vec<_> = submitted.map(|result| result.map(full)).collect();
                let bytes = results.len() * ANSWER_BYTES;
                answer_of(&Results { results }, bytes)
            }
            Detail::Brief => {
                let brief = |Submitted { submit, progress }| Brief {
                    id: submit.id,
                    status: status_in_json(progress.status),
                    reason: progress.reason,
                };
                let results: Vec<_> = submitted.map(|result| result.map(brief)).collect();
                let bytes = results.len() * BRIEF_BYTES;
                answer_of(&Results { results }, bytes)
            }
        }
    }

    /// Submits drafts and waits for them together; each stands or falls alone.
    async fn run(
        &self,
        drafts: Vec<Result<Draft, Error>>,
        wait: Wait,
        trace: Option<TraceContext>,
    ) -> Vec<Result<Submitted, Error>> {
        let tell = first_word(wait);
        let resolve = |draft: Result<Draft, Error>| draft.and_then(|draft| self.resolve(draft, tell));
        let mut submits = self.refuse_new(drafts.into_iter().map(resolve).collect()).await;
        let size = submits.iter().flatten().count();
        let Some(waited) = self.waiting.group(size, wait.until) else {
            let overloaded = || Error::overloaded("too many transfers are waited for at this gateway", 100);
            return submits.into_iter().map(|submit| submit.and_then(|_| Err(overloaded()))).collect();
        };
        submits.iter_mut().flatten().enumerate().for_each(|(slot, submit)| submit.ticket = waited.ticket(slot));
        let good: Vec<&Submit> = submits.iter().flatten().collect();
        self.outgoing.send(good.iter().map(|submit| self.message((*submit).clone())).collect(), trace);
        let mut left = Duration::from_millis(wait.ms);
        // However it stands: if the time is over before the end is known, that is the answer.
        let again = |slot: usize| Submit { tell: told_at_once(wait.until), ..good[slot].clone() };
        let submit_again = || {
            let silent = waited.unsettled().into_iter();
            self.outgoing.send(silent.map(|slot| self.message(again(slot))).collect(), trace);
        };
        loop {
            let is_settled = tokio::select! {
                is_settled = waited.settled(left.min(SUBMIT_AGAIN)) => is_settled,
                () = self.closing() => {
                    submit_again();
                    waited.heard(FAREWELL).await;
                    break;
                }
            };
            left = left.saturating_sub(SUBMIT_AGAIN);
            if is_settled || left.is_zero() {
                break;
            }
            submit_again();
        }
        let mut stands = waited.into_stands().into_iter();
        let mut finish = |submit| self.finish(submit, stands.next().flatten());
        submits.into_iter().map(|submit| submit.and_then(&mut finish)).collect()
    }

    /// The message that a draft becomes, but for its ticket.
    fn resolve(&self, mut draft: Draft, tell: Tell) -> Result<Submit, Error> {
        let legs = std::mem::take(&mut draft.legs);
        let spec = |(at, leg): (usize, submit::Leg)| {
            let submit::Leg { account, direction, amount, currency } = leg;
            match self.genesis.shard_of(&account) {
                Some(shard) => Ok(LegSpec { account, shard, direction, amount, currency }),
                None => Err(self.no_such_shard(&account, draft.account_field(at))),
            }
        };
        let legs = legs.into_iter().enumerate().map(spec).collect::<Result<_, Error>>()?;
        let Draft { id, protocol, memo, deadline_ms, .. } = draft;
        Ok(Submit { id, protocol, legs, memo, deadline_ms, gateway: self.number, ticket: 0, tell })
    }

    fn message(&self, submit: Submit) -> (Address, Message) {
        (Address::Manager(self.genesis.partition_of(&submit.id)), Message::Submit(submit))
    }

    fn finish(&self, submit: Submit, stands: Option<Stands>) -> Result<Submitted, Error> {
        match stands {
            Some(Stands::Recorded(progress)) => Ok(Submitted { submit, progress }),
            Some(Stands::Conflict(fields)) => {
                Err(Error::conflict(format!("the id {} has another body; an id is used once", submit.id), fields))
            }
            Some(Stands::Overloaded(retry_after_ms)) => {
                Err(Error::overloaded("the transfer's manager has no room; nothing was recorded", retry_after_ms))
            }
            Some(Stands::Unavailable(why)) => Err(Error::unavailable(format!("{why}; send the same id again"))),
            None => {
                let name = self.name_of(Address::Manager(self.genesis.partition_of(&submit.id)));
                let message =
                    format!("{name} did not answer in time: send the same id again, which moves nothing twice");
                Err(Error::unavailable(message))
            }
        }
    }

    fn transfer_of_submit(&self, Submitted { submit, progress }: Submitted) -> Transfer {
        transfer_of(&self.shard_names, submit.id, submit.protocol, submit.memo, &submit.legs, &progress)
    }

    pub(super) async fn transfer(&self, request: transfer::GetRequest) -> Result<Transfer, Error> {
        let to = Address::Manager(self.genesis.partition_of(&request.id));
        match self.ask(to, Question::Transfer(request.id)).await? {
            AnswerBody::Transfer(Some(found)) => Ok(self.transfer_of_start(&found.0, &found.1)),
            AnswerBody::Transfer(None) => Err(Error::transfer_not_found(request.id)),
            other => Err(misunderstood(&other)),
        }
    }

    pub(super) fn transfer_of_start(&self, start: &Start, progress: &Progress) -> Transfer {
        transfer_of(&self.shard_names, start.id, start.protocol, start.memo.clone(), start.legs(), progress)
    }
}

/// A transfer as the contract has it; shards are called by these names.
pub(crate) fn transfer_of(
    shard_names: &[Arc<str>],
    id: TransferId,
    protocol: remit_core::protocol::Protocol,
    memo: Option<Arc<str>>,
    legs: &[LegSpec],
    progress: &Progress,
) -> Transfer {
    let leg = |(at, leg): (usize, &LegSpec)| transfer::Leg {
        account: leg.account.clone(),
        shard: Arc::clone(&shard_names[usize::from(leg.shard.0)]),
        direction: leg.direction,
        amount: leg.amount,
        currency: leg.currency,
        state: progress.legs.get(at).copied().map_or(LegState::Pending, leg_state),
    };
    let first = legs.first().map(|leg| leg.currency);
    Transfer {
        id,
        status: status_in_json(progress.status),
        protocol,
        reason: progress.reason,
        currency: first.filter(|first| legs.iter().all(|leg| leg.currency == *first)),
        memo,
        legs: legs.iter().enumerate().map(leg).collect(),
        accepted_at: progress.accepted_at,
        deadline_at: progress.deadline_at,
        settled_at: progress.settled_at,
        overdue: progress.overdue,
        parked: progress.parked.map(|why| why.to_string().into()),
    }
}

fn leg_state(word: LegWord) -> LegState {
    match word {
        LegWord::Pending => LegState::Pending,
        LegWord::Held => LegState::Held,
        LegWord::Posted => LegState::Posted,
        LegWord::Refused => LegState::Refused,
        LegWord::Cancelled => LegState::Cancelled,
        LegWord::Released => LegState::Released,
        LegWord::Compensated => LegState::Compensated,
    }
}

/// What a manager tells at once of a transfer that is waited for.
fn told_at_once(until: Until) -> Tell {
    match until {
        Until::Accepted => Tell::Accepted,
        Until::Settled => Tell::Both,
    }
}

/// What it tells of one that is submitted for the first time. Whoever waits for the end needs no other word, unless the time is
/// over before the transfer, being silent, is submitted again and that is answered.
fn first_word(wait: Wait) -> Tell {
    match told_at_once(wait.until) {
        Tell::Both if Duration::from_millis(wait.ms) >= 2 * SUBMIT_AGAIN => Tell::End,
        tell => tell,
    }
}

fn status_in_json(status: Status) -> transfer::Status {
    match status {
        Status::Accepted => transfer::Status::Accepted,
        Status::InProgress => transfer::Status::InProgress,
        Status::Ended(Outcome::Completed) => transfer::Status::Completed,
        Status::Ended(Outcome::Rejected) => transfer::Status::Rejected,
        Status::Ended(Outcome::Compensated) => transfer::Status::Compensated,
        Status::Parked => transfer::Status::Parked,
    }
}

pub(super) fn status_of(status: transfer::Status) -> Status {
    match status {
        transfer::Status::Accepted => Status::Accepted,
        transfer::Status::InProgress => Status::InProgress,
        transfer::Status::Completed => Status::Ended(Outcome::Completed),
        transfer::Status::Rejected => Status::Ended(Outcome::Rejected),
        transfer::Status::Compensated => Status::Ended(Outcome::Compensated),
        transfer::Status::Parked => Status::Parked,
    }
}
