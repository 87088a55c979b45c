//! Events on their way to the stream, and how far each journal has got by them.

use std::collections::VecDeque;

use async_nats::jetstream::{
    Context,
    context::{PublishAckFuture, PublishError},
    message::PublishMessage,
};
use remit_api::event::{self, Event};
use remit_core::id::Seq;

use super::position::Position;

/// How far a journal has got.
#[derive(Clone, Debug, Default)]
pub(super) struct Way {
    /// As it is on the stream; `None` until it is known.
    pub(super) position: Option<Position>,
    /// Whether this session knows that it is so.
    pub(super) is_settled: bool,
    /// Whether the bucket has it.
    pub(super) is_saved: bool,
    /// Whether this session has published something of it that was not there already: then all that follows is not.
    pub(super) is_new: bool,
}

/// Messages on their way.
pub(super) struct Flight {
    pub(super) waiting: VecDeque<Waiting>,
    /// The number of the last message of the stream.
    pub(super) last: u64,
}

pub(super) struct Waiting {
    /// The journal's place.
    pub(super) at: usize,
    pub(super) seq: Seq,
    pub(super) confirmed: PublishAckFuture,
}

impl Flight {
    /// Hears what became of the oldest one. If it was not taken, none that follows is.
    pub(super) async fn confirm_one(&mut self, ways: &mut [Way]) -> Result<(), Refused> {
        let Some(Waiting { at, seq, confirmed }) = self.waiting.pop_front() else { return Ok(()) };
        let ack = confirmed.await?;
        advance(&mut ways[at], seq, Some(ack.sequence));
        if !ack.duplicate {
            ways[at].is_new = true;
            self.last = ack.sequence;
        }
        Ok(())
    }

    pub(super) async fn confirm_all(&mut self, ways: &mut [Way]) -> Result<(), Refused> {
        while !self.waiting.is_empty() {
            self.confirm_one(ways).await?;
        }
        Ok(())
    }
}

/// An event is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// By the broker.
    #[error("an event is not taken: {0}")]
    Publish(#[from] PublishError),
    /// It can't be written.
    #[error("an event can't be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// Sends an event that is to come right behind the message of this number.
pub(super) async fn send(
    context: &Context,
    deployment: &str,
    event: &Event,
    expected: u64,
) -> Result<PublishAckFuture, Refused> {
    let message = PublishMessage::build()
        .payload(serde_json::to_vec(event)?.into())
        .message_id(event::message_id(&event.shard, event.seq))
        .expected_last_sequence(expected);
    Ok(context.send_publish(event::subject(deployment, event.event), message).await?)
}

/// Moves a journal on to a row, which is on the stream under this number if it has one.
pub(super) fn advance(way: &mut Way, seq: Seq, number: Option<u64>) {
    if let Some(position) = &mut way.position {
        position.seq = seq;
        position.number = number.unwrap_or(position.number);
        way.is_saved = false;
    }
}
