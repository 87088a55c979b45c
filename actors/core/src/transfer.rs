//! A transfer as its manager knows it.
//!
//! It begins with the start record, which is on disk before anyone is told "accepted" and fixes everything that later
//! incarnations must not resolve again: each leg's number, shard and order, the pivot included. Answers of the legs come
//! in, in any order and any number; they only ever add knowledge. When every leg has given its final answer, the end is
//! recorded (R9), and never changes.

mod end;
mod start;

use alloc::{sync::Arc, vec, vec::Vec};

pub use self::{
    end::{End, Outcome, Parked},
    start::{InvalidLegs, LEGS_MAX, LEGS_MIN, LegSpec, Start, check_legs},
};
use crate::{
    id::{LegId, LegNo, PartitionNo, Seq},
    leg::{Answer, Command, Sent, Terms, Verb},
    planted,
    protocol::{Decision, Next, route::Route},
    reason::Reason,
};

/// An open transfer.
#[derive(Clone, Debug)]
pub struct Transfer {
    start: Arc<Start>,
    begun: Seq,
    partition: PartitionNo,
    route: Option<Route>,
    legs: Vec<LegView>,
    decision: Option<Decision>,
    given_up: Option<Reason>,
    parked: Option<Parked>,
}

/// What this incarnation of the manager knows of a leg, and what it asked of it last.
#[derive(Clone, Copy, Debug, Default)]
struct LegView {
    answer: Option<Answer>,
    asked: Option<Verb>,
}

impl Transfer {
    /// A transfer whose start is recorded at `begun` of its partition's journal, with nothing known of its legs.
    #[must_use]
    pub fn new(start: Arc<Start>, partition: PartitionNo, begun: Seq) -> Self {
        let route = start.protocol.rules().has_route().then(|| Route::of(&start));
        let legs = vec![LegView::default(); start.legs().len()];
        Self { start, begun, partition, route, legs, decision: None, given_up: None, parked: None }
    }

    /// Takes in a leg's answer. Says whether it was news.
    ///
    /// An answer that no run of the protocol can give parks the transfer.
    pub fn learn(&mut self, leg: LegNo, answer: Answer) -> bool {
        let Some(view) = self.legs.get(usize::from(leg.0)) else {
            return self.park(Parked::Misfit(leg));
        };
        let merged =
            if can_answer(self.do_verb(leg), answer) { merge(view.answer, answer) } else { Merged::Contradiction };
        match merged {
            Merged::Same => false,
            Merged::News => {
                self.legs[usize::from(leg.0)].answer = Some(answer);
                if answer == Answer::Done && leg == self.start.pivot() {
                    self.learn_what_went_before();
                }
                if self.is_torn() {
                    self.park(Parked::Contradiction(leg));
                }
                true
            }
            Merged::Contradiction if matches!(answer, Answer::Misfit(_)) => self.park(Parked::Misfit(leg)),
            Merged::Contradiction => self.park(Parked::Contradiction(leg)),
        }
    }

    /// The pivot of a route is reached only over all others, each of which did what it was asked (R10). What else is known of
    /// one of them stays.
    fn learn_what_went_before(&mut self) {
        if self.route.is_none() {
            return;
        }
        let start = Arc::clone(&self.start);
        for leg in start.leg_numbers() {
            let did = if self.do_verb(leg) == Verb::PlaceHold { Answer::Held } else { Answer::Done };
            self.legs[usize::from(leg.0)].answer.get_or_insert(did);
        }
    }

    /// Whether one leg has gone forward for ever while another is undone: all-or-nothing is broken.
    fn is_torn(&self) -> bool {
        let is_forward = |leg| match self.answer(leg) {
            Some(Answer::Posted) => true,
            Some(Answer::Done) => self.do_verb(leg) == Verb::Credit,
            _ => false,
        };
        self.has_failed_leg() && self.start.leg_numbers().any(is_forward)
    }

    /// Stops this transfer alone, its money staying visible (R11). Says whether it was going until now.
    pub fn park(&mut self, why: Parked) -> bool {
        let was_going = self.parked.is_none();
        self.parked = self.parked.or(Some(why));
        was_going
    }

    /// Lets a parked transfer go on: nothing is taken as known but what is recorded, as after a restart.
    pub fn resume(&mut self) {
        self.parked = None;
        self.legs.fill(LegView::default());
    }

    /// What it would ask for if nobody had answered in time: all that it waits for, named in no order that means anything.
    #[must_use]
    pub fn awaited(&self) -> Vec<(LegNo, Verb)> {
        let mut awaited = Vec::new();
        if self.parked.is_none() {
            self.start.protocol.rules().next(self, true, &mut |leg, verb| awaited.push((leg, verb)));
        }
        awaited
    }

    /// Asks for the transfer to be given up; the legs (R7) or the recorded decision (R8) say what comes of it.
    pub fn give_up(&mut self, reason: Reason) {
        self.given_up = self.given_up.or(Some(reason));
    }

    /// Takes in a recorded decision.
    ///
    /// # Panics
    /// If another one is recorded: a decision is never replaced (R8).
    pub fn decide(&mut self, decision: Decision) {
        assert!(self.decision.is_none_or(|recorded| recorded == decision), "a recorded decision is never replaced");
        self.decision = Some(decision);
    }

    /// What its state calls for now. Commands that this incarnation has asked for already are not repeated, unless
    /// `silent` says that nobody has answered in time.
    pub fn next(&mut self, silent: bool, mut send: impl FnMut(Sent)) -> Next {
        if self.parked.is_some() {
            return Next::Wait;
        }
        let mut due = [None; LEGS_MAX];
        let next = self.start.protocol.rules().next(self, silent, &mut |leg, verb| {
            due[usize::from(leg.0)] = Some(verb);
        });
        for leg in self.start.leg_numbers() {
            let Some(verb) = due[usize::from(leg.0)] else { continue };
            let view = &mut self.legs[usize::from(leg.0)];
            if silent || view.asked != Some(verb) {
                view.asked = Some(verb);
                send(self.command(leg, verb));
            }
        }
        next
    }

    fn command(&self, leg: LegNo, verb: Verb) -> Sent {
        let spec = self.start.leg(leg);
        let terms = Terms {
            account: spec.account.clone(),
            direction: spec.direction,
            amount: spec.amount,
            currency: spec.currency,
            partition: self.partition,
            begun: self.begun,
            route: self.route.clone(),
        };
        let undoes = verb == verb.undo();
        // Only what is known: a tombstone keeps it for ever, so a guess would be told as the reason by a later incarnation.
        let reason = if undoes { self.known_reason() } else { None };
        let command =
            Command { id: LegId::new(self.start.id, leg), verb, terms, reason, memo: self.start.memo.clone() };
        Sent { shard: spec.shard, command }
    }

    /// The start record.
    #[must_use]
    pub fn start(&self) -> &Arc<Start> {
        &self.start
    }

    /// Where the start was recorded.
    #[must_use]
    pub fn begun(&self) -> Seq {
        self.begun
    }

    /// The way of the baton, in the events protocol.
    #[must_use]
    pub fn route(&self) -> Option<&Route> {
        self.route.as_ref()
    }

    /// What is known of a leg.
    #[must_use]
    pub fn answer(&self, leg: LegNo) -> Option<Answer> {
        self.legs[usize::from(leg.0)].answer
    }

    /// What is known of all legs, in order.
    pub fn answers(&self) -> impl Iterator<Item = Option<Answer>> {
        self.legs.iter().map(|view| view.answer)
    }

    /// What this incarnation last asked of each leg, in order.
    pub fn asked(&self) -> impl Iterator<Item = Option<Verb>> {
        self.legs.iter().map(|view| view.asked)
    }

    /// The do of a leg under its protocol.
    #[must_use]
    pub fn do_verb(&self, leg: LegNo) -> Verb {
        self.start.protocol.rules().do_verb(&self.start, leg)
    }

    /// The recorded decision of a two-phase commit.
    #[must_use]
    pub fn decision(&self) -> Option<Decision> {
        self.decision
    }

    /// Why this incarnation gives it up, if it does.
    #[must_use]
    pub fn given_up(&self) -> Option<Reason> {
        self.given_up
    }

    /// Why it is parked, if it is.
    #[must_use]
    pub fn parked(&self) -> Option<Parked> {
        self.parked
    }

    /// Whether nothing has been asked and nothing is known.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.legs.iter().all(|view| view.answer.is_none() && view.asked.is_none())
    }

    /// Whether no leg has answered yet.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        self.legs.iter().all(|view| view.answer.is_none())
    }

    /// Whether a leg's answer is final for a failed transfer: its undo's reply, or a refusal (R9).
    #[must_use]
    pub fn is_undone(&self, leg: LegNo) -> bool {
        let answer = self.answer(leg);
        matches!(answer, Some(Answer::Undone | Answer::NeverWas(_) | Answer::Refused(_)))
            || planted!(SilenceIsANo) && answer.is_none() && self.given_up.is_some()
    }

    /// Whether a leg refused, or is undone already: proof that the transfer can't complete.
    #[must_use]
    pub fn has_failed_leg(&self) -> bool {
        self.start.leg_numbers().any(|leg| self.is_undone(leg))
    }

    /// Whether it is to be given up, as far as this incarnation knows.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.given_up.is_some() || self.has_failed_leg()
    }

    /// Why it fails: the first recorded refusal; else what the decision, a tombstone or this incarnation says. Every
    /// failure has one of them in its legs' final answers or in its decision.
    #[must_use]
    pub fn failure_reason(&self) -> Reason {
        self.known_reason().unwrap_or(Reason::Cancelled)
    }

    fn known_reason(&self) -> Option<Reason> {
        let refused = self.answers().find_map(|answer| match answer {
            Some(Answer::Refused(reason)) => Some(reason),
            _ => None,
        });
        let decided = match self.decision {
            Some(Decision::Abort(reason)) => Some(reason),
            _ => None,
        };
        let buried = || {
            self.answers().find_map(|answer| match answer {
                Some(Answer::NeverWas(reason)) => reason,
                _ => None,
            })
        };
        refused.or(decided).or_else(buried).or(self.given_up)
    }
}

/// Whether a leg with this do ever answers so.
fn can_answer(do_verb: Verb, answer: Answer) -> bool {
    match answer {
        Answer::Done => do_verb != Verb::PlaceHold,
        Answer::Held | Answer::Posted => do_verb == Verb::PlaceHold,
        Answer::Undone => do_verb != Verb::Credit,
        Answer::NeverWas(_) | Answer::Refused(_) | Answer::Misfit(_) => true,
    }
}

enum Merged {
    Same,
    News,
    Contradiction,
}

/// What a further answer adds to what is known: late ones of earlier steps add nothing, impossible ones are told apart.
fn merge(known: Option<Answer>, answer: Answer) -> Merged {
    use Answer::{Done, Held, NeverWas, Posted, Refused, Undone};
    match (known, answer) {
        (_, Answer::Misfit(_)) => Merged::Contradiction,
        (None, _) => Merged::News,
        (Some(known), answer) if known == answer => Merged::Same,

        (Some(Done | Held), Undone) | (Some(Held), Posted) => Merged::News,
        (Some(Undone), Done | Held) | (Some(Posted), Held) => Merged::Same,

        // An undo on a refused leg answers `never_was`; the refusal says more.
        (Some(NeverWas(_)), Refused(_)) => Merged::News,
        (Some(Refused(_) | NeverWas(_)), NeverWas(_)) => Merged::Same,

        _ => Merged::Contradiction,
    }
}

#[cfg(test)]
mod tests;
