//! Bodies about supervision: each step in a durable actor's life, and where these are published.
//!
//! An [`Event`] is published as JSON on `<deployment>.v1.event.supervision.<node>.<actor>`, and kept for a while in a stream of
//! its own, from which [`ListRequest`] is answered.

use remit_core::id::{Epoch, Time};
use serde::{Deserialize, Serialize};

use crate::{id, number, page, time};

/// `supervision.list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct ListRequest {
    /// Only those of this moment or later.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::optional")]
    pub since: Option<Time>,
    /// Only those of this actor: `s0`, `m0`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "id::shard")]
    pub actor: Option<String>,
    /// How many at most, of which the newest are answered: 1 to 1,000.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number::optional::<_, 1, { page::LIMIT_MAX }>"
    )]
    pub limit: Option<u64>,
}

impl ListRequest {
    /// How many events it asks for at most.
    #[must_use]
    pub fn rows(&self) -> usize {
        page::rows(self.limit)
    }

    /// Whether it asks for this event.
    #[must_use]
    pub fn wants(&self, event: &Event) -> bool {
        self.since.is_none_or(|since| event.at >= since)
            && self.actor.as_ref().is_none_or(|actor| event.actor == *actor)
    }
}

/// The newest events that were asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// In the order in which they were kept, the newest last.
    pub events: Vec<Event>,
}

/// A step in a durable actor's life. Fields that a kind of event does not have are not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    #[serde(with = "time")]
    pub at: Time,
    /// What, in one word: `started`, `lease_won`, `recovered`, `failed`, `lease_lost`, `restarting`, `quarantined`, `stuck`,
    /// `unstuck`, `overdue`, `in_time` or `drained`.
    pub event: String,
    /// The node that the actor is on.
    pub node: String,
    /// Its name: `s0`, `m0`.
    pub actor: String,
    /// The newest claim on its database that is known; `None` until its first one.
    pub epoch: Option<Epoch>,
    /// How often it had been restarted since its node came up.
    pub generation: u64,
    /// Why, of one that failed or was quarantined.
    pub reason: Option<String>,
    /// How it failed, in one word: `failed`, `panicked`, `lease_lost`, `invariant_broken` or `vanished`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub how: Option<String>,
    /// The transfer that was alone in its turn, if it panicked over one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<String>,
    /// Which restart it is within the period that failures are counted in; from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// How long until it is started again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// Transfers that were open when it was up again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<u64>,
    /// How long the opening of its database took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// How long its turn has taken so far, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_ms: Option<u64>,
    /// How many of a manager's transfers take too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overdue: Option<u64>,
}

/// The stream that keeps a deployment's events.
#[must_use]
pub fn stream(deployment: &str) -> String {
    format!("{deployment}-supervision")
}

/// All subjects that they are published on.
#[must_use]
pub fn subjects(deployment: &str) -> String {
    format!("{deployment}.v1.event.supervision.>")
}

/// The subject of one actor's events on one node.
#[must_use]
pub fn subject(deployment: &str, node: &str, actor: &str) -> String {
    format!("{deployment}.v1.event.supervision.{}.{}", token(node), token(actor))
}

/// The subject of one actor's events, whatever node it is on.
#[must_use]
pub fn subject_of_actor(deployment: &str, actor: &str) -> String {
    format!("{deployment}.v1.event.supervision.*.{}", token(actor))
}

/// A name as one token of a subject: what can't stand there becomes `-`.
fn token(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '-' };
    if name.is_empty() { "-".to_owned() } else { name.chars().map(safe).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_token_of_a_subject() {
        assert_eq!(subject("remit", "node-1", "s0"), "remit.v1.event.supervision.node-1.s0");
        for (name, safe) in
            [("a.b", "a-b"), ("*", "-"), (">", "-"), ("", "-"), ("Büro 1", "B-ro-1"), ("x_Y-9", "x_Y-9")]
        {
            assert_eq!(token(name), safe);
        }
    }

    #[test]
    fn what_is_asked_for_is_of_that_time_and_of_that_actor() {
        let event = Event { at: Time(1_000), actor: "s3".to_owned(), ..Event::default() };
        let asked = |since, actor: Option<&str>| {
            ListRequest { since, actor: actor.map(str::to_owned), limit: None }.wants(&event)
        };
        assert!(asked(None, None) && asked(Some(Time(1_000)), Some("s3")));
        assert!(!asked(Some(Time(1_001)), None) && !asked(None, Some("s33")));
    }
}
