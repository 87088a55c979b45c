//! An open transfer in its manager's memory.

use remit_core::{
    id::Time,
    leg::{Answer, Verb},
    transfer::Transfer,
};

use crate::{
    message::{LegWord, Present, Progress, Status, TraceContext},
    store::row::Counts,
};

/// An open transfer, with who waits for it and when it is looked at again.
pub(super) struct Open {
    pub(super) transfer: Transfer,
    /// The gateways that want to be told of its end, each with its number for whoever waits there.
    pub(super) watchers: Vec<(u64, u64)>,
    /// How often it has been asked for again since a leg last said something new.
    pub(super) tries: u32,
    /// When silence makes it be asked for again.
    pub(super) try_at: Time,
    /// When a leg last said something new, or this incarnation took it up.
    pub(super) since: Time,
    pub(super) counts: Counts,
    /// The last order of an operator that was done about it, by the number of whoever passed it on.
    pub(super) ordered: Option<u64>,
    /// Whether it has been told that it takes too long.
    pub(super) is_told_overdue: bool,
    pub(super) trace: Option<TraceContext>,
}

impl Open {
    /// A transfer that has just begun or been recovered.
    pub(super) fn new(transfer: Transfer, now: Time, try_at: Time) -> Self {
        let (watchers, counts) = (Vec::new(), Counts::default());
        Self {
            transfer,
            watchers,
            tries: 0,
            try_at,
            since: now,
            counts,
            ordered: None,
            is_told_overdue: false,
            trace: None,
        }
    }

    /// Counts a submit of the same id, which moves nothing.
    pub(super) fn repeated(&mut self) {
        self.counts.repeats = self.counts.repeats.saturating_add(1);
    }

    /// What it waits for.
    pub(super) fn present(&self) -> Present {
        let transfer = &self.transfer;
        let can_give_up = transfer.given_up().is_none() && transfer.parked().is_none();
        Present {
            awaited: transfer.awaited(),
            since: self.since,
            try_at: self.try_at,
            tries: self.tries,
            give_up_at: can_give_up.then_some(transfer.start().deadline_at),
            given_up: transfer.given_up(),
            parked: transfer.parked(),
            counts: self.counts,
        }
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
            parked: transfer.parked(),
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
