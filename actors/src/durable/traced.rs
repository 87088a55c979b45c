//! What turns have done for transfers whose trace is sampled: an event each, which is a line of the log that bears the transfer's id
//! on whatever node, and a span for whoever exports them. Those that are not sampled cost nothing.

use std::{
    hash::Hasher as _,
    time::{SystemTime, UNIX_EPOCH},
};

use remit_core::id::TransferId;
use rustc_hash::FxHasher;

use crate::{
    frame::Frame,
    message::{Address, Message, TraceContext},
};

/// The target of such events. Their fields are `trace_id`, `span_id` and `parent_id` in hexadecimal digits as W3C trace context
/// has them, `began_us` since 1970, `took_us`, `what`, `actor`, and `transfer` if it is about one.
pub const TARGET: &str = "remit::trace";

/// When a turn begins, if anything in it is sampled.
pub(super) fn begins(frames: &[Frame]) -> Option<SystemTime> {
    frames.iter().any(|frame| !frame.traces.is_empty()).then(SystemTime::now)
}

/// Tells what a turn that began at this moment has done, now that it is durable.
pub(super) fn tell(actor: Address, frames: &[Frame], began: SystemTime) {
    let actor = match actor {
        Address::Shard(no) => format!("s{}", no.0),
        Address::Manager(no) => format!("m{}", no.0),
        Address::Gateway(_) => "gateway".to_owned(),
        Address::Projector | Address::Ledger => "projector".to_owned(),
    };
    for frame in frames {
        for (place, parent) in &frame.traces {
            let message = usize::try_from(*place).ok().and_then(|place| frame.messages.get(place));
            let Some((what, transfer)) = message.and_then(subject) else { continue };
            Span::within(*parent, what, &actor, began).tell(Some(transfer));
        }
    }
}

fn subject(message: &Message) -> Option<(&'static str, TransferId)> {
    match message {
        Message::Submit(submit) => Some(("start", submit.id)),
        Message::Command(command) => Some((command.verb.as_str(), command.id.transfer)),
        Message::Reply(reply) => Some(("hear", reply.id.transfer)),
        Message::Standing(_) | Message::Ask(_) | Message::Answer(_) | Message::Rows(_) => None,
    }
}

/// Something that is done for a sampled request.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    parent: TraceContext,
    id: u64,
    what: &'a str,
    actor: &'a str,
    began: SystemTime,
}

impl<'a> Span<'a> {
    /// One that began at this moment, within another.
    #[must_use]
    pub fn within(parent: TraceContext, what: &'a str, actor: &'a str, began: SystemTime) -> Self {
        let mut id = FxHasher::default();
        id.write(&parent.trace_id);
        id.write(&parent.span_id);
        id.write(what.as_bytes());
        id.write(actor.as_bytes());
        id.write_u128(began.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos()));
        // 0 would be none.
        Self { parent, id: id.finish().max(1), what, actor, began }
    }

    /// What is done because of it has this context.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        TraceContext { span_id: self.id.to_be_bytes(), ..self.parent }
    }

    /// Tells that it is over.
    pub fn tell(self, transfer: Option<TransferId>) {
        let us = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let began_us = self.began.duration_since(UNIX_EPOCH).map_or(0, us);
        // A clock that was set back meanwhile.
        let took_us = self.began.elapsed().map_or(0, us);
        let trace_id = u128::from_be_bytes(self.parent.trace_id);
        let parent_id = u64::from_be_bytes(self.parent.span_id);
        tracing::info!(
            target: TARGET,
            transfer = transfer.map(tracing::field::display),
            what = self.what,
            actor = self.actor,
            took_us,
            began_us,
            trace_id = %format_args!("{trace_id:032x}"),
            span_id = %format_args!("{:016x}", self.id),
            parent_id = %format_args!("{parent_id:016x}"),
            "sampled"
        );
    }
}
