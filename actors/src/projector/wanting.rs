//! What a read model asks for: the rows of each journal above its own position, again and again.

use remit_core::id::{Seq, Time};
use rustc_hash::FxHashMap;

use super::model::Model;
use crate::{
    frame::Outbox,
    message::{Address, Ask, Message, Question, Rows},
};

/// After so long without a word about a journal it is asked for again, in milliseconds: a few times what a reader that has
/// nothing new lets pass between two words.
const SILENCE_MS: u64 = 2_000;

/// What was asked for last of each journal, and when.
pub(super) struct Wants {
    /// The lane in which it is asked for.
    lane: u64,
    asked: FxHashMap<Address, Asked>,
}

struct Asked {
    above: Seq,
    at: Time,
    is_answered: bool,
}

impl Wants {
    pub(super) fn new(lane: u64) -> Self {
        Self { lane, asked: FxHashMap::default() }
    }

    /// There was a word about a journal; it may be the answer to what the other lane has asked.
    pub(super) fn heard(&mut self, rows: &Rows, now: Time) {
        if let Some(asked) = self.asked.get_mut(&rows.source)
            && rows.first <= asked.above.next()
            && rows.last >= asked.above
        {
            (asked.is_answered, asked.at) = (true, now);
        }
    }

    /// Asks for what comes next in each journal, unless it has just been asked for or cannot be taken in yet.
    pub(super) fn ask(&mut self, model: &Model, now: Time, out: &mut Outbox) {
        for (source, position) in model.sources() {
            if position.is_held() {
                continue;
            }
            let above = position.seq;
            let stands =
                |asked: &Asked| asked.above == above && !asked.is_answered && now < asked.at.plus_ms(SILENCE_MS);
            if self.asked.get(source).is_some_and(stands) {
                continue;
            }
            self.asked.insert(*source, Asked { above, at: now, is_answered: false });
            let question = Question::RowsAbove(*source, above);
            let ask = Ask { ticket: self.lane, from: Address::Projector, question };
            out.push(Address::Ledger, Message::Ask(ask), None);
        }
    }

    /// When there has been silence for too long.
    pub(super) fn wake_at(&self) -> Option<Time> {
        self.asked.values().map(|asked| asked.at.plus_ms(SILENCE_MS)).min()
    }
}
