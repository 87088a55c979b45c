//! The story of a transfer, told by all its databases; and what operators do about one that is stuck.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures::future::join_all;
use remit_actors::message::{self, Address, AnswerBody, LegTold, Operate, Operated, Present, Question, Told, What};
use remit_api::{
    Error,
    story::{ExplainRequest, Next, OrderRequest, Silent, Step, Story, Then, WaitingFor, Whom},
    transfer::Transfer,
};
use remit_core::{
    audit::RowLeg,
    id::{LegId, LegNo, ShardNo, TransferId},
    leg::State,
    operator::Action,
    protocol::Decision,
    transfer::Start,
};
use uuid::Uuid;

use super::{Door, asking::misunderstood};

/// How long a story waits for one database: when a part of it is missing, the rest is still worth telling.
const PATIENCE: Duration = Duration::from_secs(3);

impl Door {
    pub(super) async fn story(&self, ExplainRequest { id }: ExplainRequest) -> Result<Story, Error> {
        let manager = Address::Manager(self.genesis.partition_of(&id));
        let told = self.told_by(manager, id).await?;
        let (start, progress) = told.transfer.as_ref().ok_or_else(|| Error::transfer_not_found(id))?;
        let transfer = self.transfer_of_start(start, progress);
        let shards: BTreeSet<ShardNo> = start.legs().iter().map(|leg| leg.shard).collect();
        let tell = |shard: ShardNo| {
            let shard = Address::Shard(shard);
            async move { (shard, self.told_by(shard, id).await) }
        };
        let parts = join_all(shards.into_iter().map(tell)).await;
        Ok(assemble(&|actor| self.name_of(actor).into(), transfer, (manager, told), parts))
    }

    async fn told_by(&self, actor: Address, id: TransferId) -> Result<message::Story, Error> {
        let mut parts = self.ask_parts(actor, Question::Story(id), PATIENCE).await?;
        match parts.pop() {
            Some(AnswerBody::Story(story)) => Ok(*story),
            Some(AnswerBody::Transfer(None)) => Err(Error::transfer_not_found(id)),
            Some(other) => Err(misunderstood(&other)),
            None => Err(Error::unavailable(format!("{} gave an empty answer", self.name_of(actor)))),
        }
    }

    /// Does what an operator wants done about a transfer, after a look at what the shards have recorded of its legs.
    pub(super) async fn order(&self, action: Action, request: &OrderRequest) -> Result<Transfer, Error> {
        let (id, order) = (request.id, request.order(action)?);
        let manager = Address::Manager(self.genesis.partition_of(&id));
        let legs = match action {
            // Asking again can't do harm.
            Action::Retry => Vec::new(),
            Action::Cancel | Action::Resume => self.legs_of(manager, id).await?,
        };
        let (number, _) = Uuid::new_v4().as_u64_pair();
        match self.ask(manager, Question::Operate(Operate { id, order, legs, number })).await? {
            AnswerBody::Operated(Operated::Done(stands)) => Ok(self.transfer_of_start(&stands.0, &stands.1)),
            AnswerBody::Operated(Operated::Forbidden(why)) => Err(refused(action, id, &why.to_string())),
            AnswerBody::Operated(Operated::Ended(outcome)) => {
                let why = format!("it has ended as {}, and an end never changes", outcome.as_str());
                Err(refused(action, id, &why))
            }
            AnswerBody::Operated(Operated::Unknown) => Err(Error::transfer_not_found(id)),
            other => Err(misunderstood(&other)),
        }
    }

    /// The newest record of each leg that has one.
    async fn legs_of(&self, manager: Address, id: TransferId) -> Result<Vec<RowLeg>, Error> {
        let start = match self.ask(manager, Question::Transfer(id)).await? {
            AnswerBody::Transfer(Some(found)) => found.0,
            AnswerBody::Transfer(None) => return Err(Error::transfer_not_found(id)),
            other => return Err(misunderstood(&other)),
        };
        let shards: BTreeSet<ShardNo> = start.legs().iter().map(|leg| leg.shard).collect();
        let told = join_all(shards.into_iter().map(|shard| self.told_by(Address::Shard(shard), id))).await;
        let mut legs: Vec<RowLeg> = Vec::new();
        for part in told {
            for told in part?.told {
                let What::Leg(LegTold { leg, state, direction, amount, currency, .. }) = told.what else { continue };
                // A leg's last record comes after its first.
                legs.retain(|earlier| earlier.id.leg != leg);
                legs.push(RowLeg { id: LegId::new(id, leg), state, direction, amount, currency });
            }
        }
        Ok(legs)
    }
}

/// What an actor is called.
type Names<'a> = &'a dyn Fn(Address) -> Arc<str>;

/// Makes one story of what the manager and the shards have told.
pub(crate) fn assemble(
    names: Names<'_>,
    transfer: Transfer,
    (manager, told): (Address, message::Story),
    parts: Vec<(Address, Result<message::Story, Error>)>,
) -> Story {
    let waiting = told.transfer.as_ref().zip(told.present.as_ref());
    let waiting_for = waiting.map(|((start, _), present)| waiting_for(names, start, present));
    let next = told.present.as_ref().and_then(next);
    let tell = |actor, told: Vec<Told>| told.into_iter().map(|told| step(names, actor, told)).collect();
    let mut chapters: Vec<VecDeque<Step>> = vec![tell(manager, told.told)];
    let mut untold = Vec::new();
    for (shard, part) in parts {
        match part {
            Ok(part) => chapters.push(tell(shard, part.told)),
            Err(error) => untold.push(format!("{}: {}", names(shard), error.message)),
        }
    }
    let steps = merge(chapters);
    Story { transfer, steps, waiting_for, next, untold }
}

fn step(names: Names<'_>, actor: Address, Told { seq, at, epoch, node, what }: Told) -> Step {
    let step = |what: &str| Step {
        at,
        actor: names(actor),
        node: Arc::clone(&node),
        epoch,
        seq,
        what: what.into(),
        leg: None,
        account: None,
        direction: None,
        amount: None,
        currency: None,
        balance: None,
        reason: None,
        by: None,
        why: None,
        repeats: 0,
        retries: 0,
        late: 0,
    };
    match what {
        What::Accepted => step("accepted"),
        What::TakenUp => step("taken_up"),
        What::Decided(Decision::Commit) => step("committed"),
        What::Decided(Decision::Abort(reason)) => Step { reason: Some(reason), ..step("aborted") },
        What::Parked(why) => Step { why: Some(why.to_string().into()), ..step("parked") },
        What::Ordered(order) => Step { by: Some(order.by), why: Some(order.why), ..step(order.action.as_str()) },
        What::Ended(end, counts) => Step {
            reason: end.reason,
            repeats: counts.repeats,
            retries: counts.retries,
            late: counts.late,
            ..step(end.outcome.as_str())
        },
        What::Leg(leg) => {
            let LegTold { leg, state, account, direction, amount, currency, balance, repeats } = leg;
            let (what, reason) = match state {
                State::Refused(reason) => ("refused", Some(reason)),
                State::Tombstone(_, reason) => ("cancelled", reason),
                other => (other.as_str(), None),
            };
            Step {
                leg: Some(leg.0),
                account: Some(account),
                direction: Some(direction),
                amount: Some(amount),
                currency: Some(currency),
                balance,
                reason,
                repeats,
                ..step(what)
            }
        }
    }
}

fn waiting_for(names: Names<'_>, start: &Start, present: &Present) -> WaitingFor {
    let silent = |(leg, asked): &(LegNo, remit_core::leg::Verb)| {
        let spec = start.leg(*leg);
        Silent {
            leg: leg.0,
            shard: names(Address::Shard(spec.shard)),
            account: spec.account.clone(),
            asked: asked.as_str().into(),
        }
    };
    WaitingFor {
        whom: if present.parked.is_some() { Whom::Operator } else { Whom::Legs },
        since: present.since,
        legs: present.awaited.iter().map(silent).collect(),
        retries: present.tries,
        reason: present.given_up,
        why: present.parked.map(|why| why.to_string().into()),
    }
}

fn refused(action: Action, id: TransferId, why: &str) -> Error {
    Error::conflict(format!("no {} of the transfer {id}: {why}", action.as_str()), Vec::<String>::new())
}

/// What comes first if nobody answers.
fn next(present: &Present) -> Option<Next> {
    if present.parked.is_some() {
        return None;
    }
    Some(match present.give_up_at {
        Some(at) if at < present.try_at => Next { at, what: Then::GiveUp },
        _ => Next { at: present.try_at, what: Then::AskAgain },
    })
}

/// One story of several. Each keeps its own order; between two the clocks decide, as far as they can tell.
fn merge(mut stories: Vec<VecDeque<Step>>) -> Vec<Step> {
    let mut steps = Vec::new();
    let key = |step: &Step| (chapter(step), step.at, rank(step), step.leg);
    while let Some(first) =
        stories.iter_mut().filter(|story| !story.is_empty()).min_by_key(|story| story.front().map(key))
    {
        steps.extend(first.pop_front());
    }
    steps
}

/// The clocks of nodes differ, but nothing comes before a transfer begins, nor after its end.
fn chapter(step: &Step) -> u8 {
    match (&*step.what, step.leg) {
        ("accepted", _) => 0,
        ("completed" | "rejected" | "compensated", None) => 2,
        _ => 1,
    }
}

/// What comes first of what happened within one millisecond.
fn rank(step: &Step) -> u8 {
    match &*step.what {
        "taken_up" | "retry" | "cancel" | "resume" => 0,
        "debited" | "held" | "refused" | "cancelled" => 1,
        "committed" | "aborted" => 2,
        "credited" => 3,
        "posted" | "released" => 4,
        _ => 5,
    }
}
