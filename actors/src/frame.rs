//! A frame: all messages of one turn for one destination and class, which share the cost of a flush and of a broker
//! message. And the outbox, where a turn collects them.

use std::collections::BTreeMap;

use remit_core::mark::LowWater;
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
    frames: BTreeMap<(Address, Class), Vec<Frame>>,
}

impl Outbox {
    /// An empty outbox of `from`; a frame takes at most `messages_max` messages, then a further one begins.
    #[must_use]
    pub fn new(from: Address, messages_max: usize) -> Self {
        Self { from, messages_max: messages_max.max(1), frames: BTreeMap::new() }
    }

    /// Adds a message, with its trace context if it is sampled.
    pub fn push(&mut self, to: Address, message: Message, trace: Option<TraceContext>) {
        let class = message.class();
        let frames = self.frames.entry((to, class)).or_default();
        if frames.last().is_none_or(|frame| frame.messages.len() >= self.messages_max) {
            let (from, mark) = (self.from, None);
            frames.push(Frame { from, class, mark, messages: Vec::new(), traces: Vec::new() });
        }
        let Some(frame) = frames.last_mut() else { return };
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

    /// The frames, each with its destination; a manager's bear its mark when they go to a shard.
    #[must_use]
    pub fn into_frames(self, mark: Option<&LowWater>) -> Vec<(Address, Frame)> {
        let mut out = Vec::with_capacity(self.frames.len());
        for ((to, _), frames) in self.frames {
            for mut frame in frames {
                if matches!(to, Address::Shard(_)) {
                    frame.mark = mark.cloned();
                }
                out.push((to, frame));
            }
        }
        out
    }
}
