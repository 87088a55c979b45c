//! What is said: nothing leaves before the rows that justify it are durable (R13).

use remit_actors::{
    frame::Frame,
    message::{Address, Answer as Told, AnswerBody, Message, Progress, Standing, Stands, Status},
};
use remit_core::{
    id::{PartitionNo, TransferId},
    leg::{Answer, Command, Reply, State, Verb},
    mark::LowWater,
    protocol::Decision,
};

use super::{Checked, Checker, Known, violation, wrong};
use crate::name;

impl Checker {
    /// A frame, as it leaves its actor.
    pub(crate) fn frame(&self, from: Address, to: Address, frame: &Frame) -> Checked {
        if let (Address::Manager(partition), Address::Shard(_), Some(mark)) = (from, to, &frame.mark) {
            self.mark(partition, mark)?;
        }
        for message in &frame.messages {
            match message {
                Message::Command(command) => self.command(from, command)?,
                Message::Reply(reply) => self.reply(reply)?,
                Message::Standing(standing) => self.standing(standing)?,
                Message::Answer(told) => self.answer(told)?,
                Message::Submit(_) | Message::Ask(_) | Message::Rows(_) => {}
            }
        }
        Ok(())
    }

    /// R3: a mark covers ended transfers only.
    fn mark(&self, partition: PartitionNo, mark: &LowWater) -> Checked {
        let covered = self.open_of(partition).take_while(|(begun, _)| *begun <= mark.begun_up_to);
        match covered.into_iter().find(|(begun, _)| mark.covers(*begun)) {
            Some((_, id)) => Err(wrong(id, "a mark says that it has ended")),
            None => Ok(()),
        }
    }

    fn command(&self, from: Address, command: &Command) -> Checked {
        let id = command.id.transfer;
        let Some(known) = self.transfers.get(&id) else {
            return Err(wrong(id, "a command leaves before the start is recorded"));
        };
        let may = match (command.verb, known.start.protocol.as_str()) {
            // R8: only the recorded decision, or a leg's recorded no, lifts what 2pc holds.
            (Verb::PostHold, "2pc") => known.decision == Some(Decision::Commit),
            (Verb::ReleaseHold, "2pc") => matches!(known.decision, Some(Decision::Abort(_))) || known.has_a_no(),
            // R7: only a pivot that is done lets holds be posted; only one that never will be lets legs be undone.
            (Verb::PostHold, _) => known.pivot() == Some(State::Credited),
            (Verb::Compensate | Verb::ReleaseHold, _) => {
                matches!(known.pivot(), Some(State::Tombstone(..) | State::Refused(_))) || self.is_behind(from, known)
            }
            _ => true,
        };
        let what = format_args!("{:?} of leg {} leaves too early", command.verb, command.id.leg.0);
        if may { Ok(()) } else { Err(wrong(id, what)) }
    }

    /// R10: on the way back, a shard undoes the leg before one that was refused, and was never passed.
    fn is_behind(&self, from: Address, known: &Known) -> bool {
        matches!(from, Address::Shard(_)) && known.has_a_no() && known.pivot() != Some(State::Credited)
    }

    fn reply(&self, reply: &Reply) -> Checked {
        let id = reply.id.transfer;
        let rows = self.transfers.get(&id).and_then(|known| known.leg(reply.id.leg));
        let states = rows.map(|rows| (rows.first, rows.last));
        let fits = match (reply.answer, states) {
            (Answer::Done, Some((State::Debited | State::Credited, _)))
            | (Answer::Held, Some((State::Held, _)))
            | (Answer::Posted, Some((_, Some(State::Posted))))
            | (Answer::Undone, Some((_, Some(State::Compensated | State::Released))))
            | (Answer::NeverWas(_), Some((State::Tombstone(..) | State::Refused(_), _))) => true,
            (Answer::Refused(reason), Some((State::Refused(stored), _))) => reason == stored,
            _ => false,
        };
        let what = format_args!("leg {} answers {:?}, its rows say {states:?}", reply.id.leg.0, reply.answer);
        if fits { Ok(()) } else { Err(wrong(id, what)) }
    }

    fn standing(&self, standing: &Standing) -> Checked {
        let id = standing.id;
        let known = self.transfers.get(&id);
        match (&standing.stands, known) {
            (Stands::Recorded(progress), Some(known)) => self.progress(id, progress, known),
            (Stands::Recorded(_), None) => Err(wrong(id, "it is told as recorded, and is not")),
            (Stands::Overloaded(_), Some(_)) => Err(wrong(id, "it is recorded, and told as refused for want of room")),
            (Stands::Conflict(_), None) => Err(wrong(id, "a conflict is told with nothing")),
            _ => Ok(()),
        }
    }

    fn progress(&self, id: TransferId, progress: &Progress, known: &Known) -> Checked {
        match (progress.status, known.end) {
            (Status::Ended(outcome), Some((at, end))) => {
                let says = (outcome, progress.reason, progress.settled_at);
                let is = (end.outcome, end.reason, Some(at));
                if says == is { Ok(()) } else { Err(wrong(id, format_args!("told as {says:?}, recorded as {is:?}"))) }
            }
            (Status::Ended(outcome), None) => {
                Err(wrong(id, format_args!("told as {} before that is recorded", outcome.as_str())))
            }
            (status, Some((_, end))) => Err(wrong(id, format_args!("told as {status:?}, recorded as {end:?}"))),
            (Status::Parked, None) if !self.rotten.contains(&id) => Err(wrong(id, "told as parked")),
            (_, None) => Ok(()),
        }
    }

    /// A read tells what is recorded at the moment that it is given.
    fn answer(&self, told: &Told) -> Checked {
        match &told.body {
            AnswerBody::Accounts(accounts, _) => accounts.iter().try_for_each(|(id, account)| {
                let Some(book) = self.accounts.get(id) else {
                    return Err(super::wrong_account(id, "told of, and not recorded"));
                };
                let money = &account.balances;
                let says = (money.posted, money.held, money.incoming, account.status, account.overdraft_limit);
                let is = (book.posted, book.held, book.incoming, book.status, book.limit);
                if says == is {
                    return Ok(());
                }
                Err(super::wrong_account(id, format_args!("told as {says:?}, recorded as {is:?}")))
            }),
            AnswerBody::Transfer(Some(found)) => match self.transfers.get(&found.0.id) {
                Some(known) => self.progress(found.0.id, &found.1, known),
                None => Err(wrong(found.0.id, "told of, and not recorded")),
            },
            AnswerBody::AuditShard { journal, .. } if !journal.balanced => {
                Err(violation(Vec::new(), "a shard says that it does not balance"))
            }
            AnswerBody::OpenOn { account, partition, open: 0, .. } => {
                let touches =
                    |id: &TransferId| self.transfers[id].start.legs().iter().any(|leg| leg.account == *account);
                match self.open_of(*partition).map(|(_, id)| id).find(touches) {
                    Some(id) => Err(wrong(id, format_args!("it is open on {account}, and its manager says none is"))),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

impl Known {
    fn pivot(&self) -> Option<State> {
        self.leg(self.start.pivot()).map(|leg| leg.state())
    }

    /// Whether it can't complete any more, by what is recorded.
    pub(crate) fn is_given_up(&self) -> bool {
        self.has_a_no() || matches!(self.decision, Some(Decision::Abort(_)))
    }

    /// Whether a leg was refused, or is undone already.
    fn has_a_no(&self) -> bool {
        self.states().flatten().any(|state| {
            matches!(state, State::Refused(_) | State::Tombstone(..) | State::Released | State::Compensated)
        })
    }
}

impl Known {
    /// How it stands, for the story.
    pub(crate) fn told(&self) -> String {
        let legs: Vec<String> =
            self.states().map(|state| state.map_or("untouched", |state| state.as_str()).to_owned()).collect();
        let decision = self.decision.map_or(String::new(), |decision| format!(", decided {decision:?}"));
        format!("{} {} ({}){decision}", name(self.start.id), self.start.protocol, legs.join(", "))
    }
}
