//! A frame: all messages of one turn for one destination and class, which share the cost of a flush and of a broker
//! message. And the outbox, where a turn collects them.

use remit_core::mark::LowWater;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::message::{Address, Class, Message, TraceContext};

/// Messages for one destination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Who sends it.
    pub from: Address,
    /// How urgent all its messages are.
    pub class: Class,
    /// A manager's word on which transfers have ended (R3).
    pub mark: Option<LowWater>,
    /// The messages, in order.
    pub messages: Vec<Message>,
    /// The trace context of those that are sampled, by their place in `messages`; unsampled ones cost nothing.
    pub traces: Vec<(u32, TraceContext)>,
}

impl Frame {
    /// The trace context of a message, if it is sampled.
    #[must_use]
    pub fn trace(&self, place: usize) -> Option<TraceContext> {
        self.traces.iter().find(|(at, _)| usize::try_from(*at) == Ok(place)).map(|(_, trace)| *trace)
    }
}

/// What a turn wants sent, coalesced by destination and class.
#[derive(Debug)]
pub struct Outbox {
    from: Address,
    messages_max: usize,
    frames: Vec<(Address, Frame)>,
    /// Where in `frames` the one is that takes more for this destination and class.
    open: FxHashMap<(Address, Class), usize>,
}

impl Outbox {
    /// An empty outbox of `from`; a frame takes at most `messages_max` messages, then a further one begins.
    #[must_use]
    pub fn new(from: Address, messages_max: usize) -> Self {
        Self { from, messages_max: messages_max.max(1), frames: Vec::new(), open: FxHashMap::default() }
    }

    /// Adds a message, with its trace context if it is sampled.
    pub fn push(&mut self, to: Address, message: Message, trace: Option<TraceContext>) {
        let class = message.class();
        let next = self.frames.len();
        let at = self.open.entry((to, class)).or_insert(next);
        if self.frames.get(*at).is_none_or(|(_, frame)| frame.messages.len() >= self.messages_max) {
            *at = next;
            let (from, mark) = (self.from, None);
            self.frames.push((to, Frame { from, class, mark, messages: Vec::new(), traces: Vec::new() }));
        }
        let Some((_, frame)) = self.frames.get_mut(*at) else { return };
        if let (Some(trace), Ok(place)) = (trace, u32::try_from(frame.messages.len())) {
            frame.traces.push((place, trace));
        }
        frame.messages.push(message);
    }

    /// Whether nothing is to be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// The frames, each with its destination, in the order of both destinations and classes; a manager's bear its mark when they
    /// go to a shard.
    #[must_use]
    pub fn into_frames(self, mark: Option<&LowWater>) -> Vec<(Address, Frame)> {
        let mut frames = self.frames;
        frames.sort_by_key(|(to, frame)| (*to, frame.class));
        for (to, frame) in &mut frames {
            if matches!(to, Address::Shard(_)) {
                frame.mark = mark.cloned();
            }
        }
        frames
    }
}
