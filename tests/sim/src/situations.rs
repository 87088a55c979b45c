//! The situations that transfer systems fail in, counted: a fault that never happened has proven nothing.

use remit_actors::{
    message::{Address, Message},
    store::row::LegEntry,
};
use remit_core::{
    account::Status,
    leg::{Answer, Command, Reply, State, Verb},
    money::Direction,
};

use crate::{
    checker::{Book, Checker},
    counted,
};

counted! {
    /// How often what came about.
    pub struct Situations {
        /// An undo came before its do, and left a tombstone.
        undone_before_done,
        /// A do came after its undo.
        done_after_undone,
        /// A command came again.
        repeated,
        /// Of these, to an incarnation that was not there the first time.
        repeated_to_another,
        /// An undo came again.
        undo_repeated,
        /// A leg was done, and its manager heard of it after the transfer had been given up.
        succeeded_late,
        /// An answer came after the end.
        answered_after_end,
        /// A manager came back to a transfer of which all legs are held and nothing is decided.
        recovered_before_decision,
        /// A manager came back to a transfer that is decided, and of which no leg knows.
        recovered_before_told,
        /// A manager came back to a transfer that is decided, and of which some legs know.
        recovered_half_told,
        /// A hold was posted, or something undone, on an account that is frozen or being closed.
        ended_while_frozen,
        /// A credit was taken back from an account that could not have given it back, had it been allowed to spend it.
        taken_back_unspent,
        /// A do was refused, so that nothing could overflow.
        refused_for_room,
        /// An operator had a transfer asked about again.
        retried_by_order,
        /// An operator gave a transfer up.
        cancelled_by_order,
    }
}

impl Situations {
    /// A message on its way into an actor that was made at this moment.
    pub(crate) fn arrives(&mut self, checker: &Checker, to: Address, message: &Message, born: i64) {
        match (to, message) {
            (Address::Shard(_), Message::Command(command)) => self.command(checker, command, born),
            (Address::Manager(_), Message::Reply(reply)) => self.reply(checker, reply),
            _ => {}
        }
    }

    fn command(&mut self, checker: &Checker, command: &Command, born: i64) {
        let Some(known) = checker.transfers.get(&command.id.transfer) else { return };
        let Some(leg) = known.leg(command.id.leg) else { return };
        let is_undone = matches!(leg.state(), State::Tombstone(..) | State::Compensated | State::Released);
        if command.verb.is_do() {
            self.done_after_undone += u64::from(is_undone);
        } else if command.verb != Verb::PostHold {
            self.undo_repeated += u64::from(is_undone);
        }
        self.repeated += 1;
        self.repeated_to_another += u64::from(leg.at < born);
    }

    fn reply(&mut self, checker: &Checker, reply: &Reply) {
        let Some(known) = checker.transfers.get(&reply.id.transfer) else { return };
        self.answered_after_end += u64::from(known.end.is_some());
        let is_done = matches!(reply.answer, Answer::Done | Answer::Held);
        self.succeeded_late += u64::from(is_done && known.is_given_up());
    }

    /// A leg's row, about to change its account.
    pub(crate) fn leg(&mut self, row: &LegEntry, book: Option<&Book>) {
        let is_credit = row.terms.direction == Direction::Credit;
        match row.state {
            State::Tombstone(..) => self.undone_before_done += 1,
            State::Refused(remit_core::reason::Reason::BalanceOverflow) => self.refused_for_room += 1,
            State::Posted | State::Released | State::Compensated => {
                let Some(book) = book else { return };
                self.ended_while_frozen += u64::from(matches!(book.status, Status::Frozen | Status::Closing));
                let own = i128::from(book.posted) - i128::from(book.held) + i128::from(book.limit);
                let would_be_gone = is_credit && own < i128::from(row.terms.amount.get());
                self.taken_back_unspent += u64::from(row.state == State::Released && would_be_gone);
            }
            _ => {}
        }
    }

    /// A manager that has come back.
    pub(crate) fn recovered(&mut self, checker: &Checker, no: remit_core::id::PartitionNo) {
        for (_, id) in checker.open_of(no) {
            let Some(known) = checker.transfers.get(&id) else { continue };
            let told = known.states().filter(|state| matches!(state, Some(State::Posted | State::Released))).count();
            let is_held = known.states().all(|state| matches!(state, Some(State::Held)));
            match known.decision {
                None => self.recovered_before_decision += u64::from(is_held),
                Some(_) if told == 0 => self.recovered_before_told += 1,
                Some(_) => self.recovered_half_told += 1,
            }
        }
    }
}
