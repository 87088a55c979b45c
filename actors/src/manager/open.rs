//! An open transfer in its manager's memory.

use remit_core::{
    id::Time,
    leg::{Answer, Verb},
    transfer::Transfer,
};

use crate::message::{LegWord, Progress, Status, TraceContext};

/// An open transfer, with who waits for it and when it is looked at again.
pub(super) struct Open {
    pub(super) transfer: Transfer,
    /// The gateways that want to be told of its end, each with its number for whoever waits there.
    pub(super) watchers: Vec<(u64, u64)>,
    /// How often it has been asked for again since a leg last said something new.
    pub(super) tries: u32,
    /// When silence makes it be asked for again.
    pub(super) try_at: Time,
    pub(super) trace: Option<TraceContext>,
}

impl Open {
    /// A transfer that has just begun or been recovered.
    pub(super) fn new(transfer: Transfer, try_at: Time) -> Self {
        Self { transfer, watchers: Vec::new(), tries: 0, try_at, trace: None }
    }

    /// When it must be looked at next: the deadline, as long as it is not given up, or the next try.
    pub(super) fn look_at(&self) -> Time {
        match self.transfer.given_up() {
            None => self.try_at.min(self.transfer.start().deadline_at),
            Some(_) => self.try_at,
        }
    }

    /// Whether it takes too long.
    pub(super) fn is_overdue(&self, now: Time, overdue_ms: u64) -> bool {
        now > self.transfer.start().accepted_at.plus_ms(overdue_ms)
    }

    /// How it stands.
    pub(super) fn progress(&self, now: Time, overdue_ms: u64) -> Progress {
        let transfer = &self.transfer;
        let status = match transfer.parked() {
            Some(_) => Status::Parked,
            None if transfer.is_unanswered() => Status::Accepted,
            None => Status::InProgress,
        };
        let legs = if status == Status::Accepted { Vec::new() } else { words(transfer) };
        Progress {
            status,
            // Until the legs have decided, giving up may still come too late: there is no reason before the end.
            reason: None,
            legs,
            accepted_at: transfer.start().accepted_at,
            deadline_at: transfer.start().deadline_at,
            settled_at: None,
            overdue: self.is_overdue(now, overdue_ms),
        }
    }
}

/// What is known of each leg, in the contract's words.
pub(super) fn words(transfer: &Transfer) -> Vec<LegWord> {
    let legs = transfer.start().leg_numbers();
    legs.zip(transfer.answers()).map(|(leg, answer)| word(transfer.do_verb(leg), answer)).collect()
}

fn word(do_verb: Verb, answer: Option<Answer>) -> LegWord {
    match answer {
        None | Some(Answer::Misfit(_)) => LegWord::Pending,
        Some(Answer::Held) => LegWord::Held,
        Some(Answer::Done | Answer::Posted) => LegWord::Posted,
        Some(Answer::Refused(_)) => LegWord::Refused,
        Some(Answer::NeverWas(_)) => LegWord::Cancelled,
        Some(Answer::Undone) if do_verb == Verb::Debit => LegWord::Compensated,
        Some(Answer::Undone) => LegWord::Released,
    }
}
