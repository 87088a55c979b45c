//! Bodies about a transfer's story, and about what operators do when one is stuck.

use std::sync::Arc;

use remit_core::{
    id::{AccountId, Epoch, Seq, Time, TransferId},
    money::{Amount, Currency, Direction},
    operator::Order,
    reason::Reason,
};
use serde::{Deserialize, Serialize};

use crate::{Error, grounds, id, time, transfer::Transfer, units};

/// `transfer.explain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct ExplainRequest {
    /// Which.
    #[serde(with = "id::transfer")]
    pub id: TransferId,
}

/// The whole story of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// How it stands.
    pub transfer: Transfer,
    /// What its databases have recorded, in the order in which it happened.
    pub steps: Vec<Step>,
    /// What it waits for; `None` once it has ended.
    pub waiting_for: Option<WaitingFor>,
    /// What happens next if nobody answers; `None` once it has ended, and while it is parked.
    pub next: Option<Next>,
    /// The databases that could not be asked, and why: what they know is missing from the steps.
    pub untold: Vec<String>,
}

/// Something that happened to a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When, by the clock of the node.
    #[serde(with = "time")]
    pub at: Time,
    /// Which actor recorded it: `m0`, `s3`.
    pub actor: Arc<str>,
    /// On which node it was.
    pub node: Arc<str>,
    /// Under which claim of its database: one more with each incarnation.
    pub epoch: Epoch,
    /// Where it stands in the actor's journal.
    pub seq: Seq,
    /// A word: `accepted`, `taken_up`, `committed`, `aborted`, `parked`, `retry`, `cancel`, `resume`, `completed`, `rejected`,
    /// `compensated`; of a leg `debited`, `credited`, `held`, `refused`, `cancelled`, `posted`, `released`, `compensated`.
    pub what: Arc<str>,
    /// Which leg it is about, by its place in the request from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg: Option<u8>,
    /// Whose account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// Out of it or into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// How much, in minor units.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "units::optional")]
    pub amount: Option<Amount>,
    /// Of what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// The account's posted balance after it, in minor units.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "units::optional")]
    pub balance: Option<i64>,
    /// Why it was refused, given up or ended so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Who ordered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Arc<str>>,
    /// Why, in the words of whoever ordered it; or why it was parked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Arc<str>>,
    /// Repeated commands, or submits, that changed nothing: at least so many, for what a restart forgot is not counted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeats: u32,
    /// How often silent legs were asked again, at least.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: u32,
    /// Answers that came late or twice, at least.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub late: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What a transfer waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingFor {
    /// Whom: `legs`, or an `operator`.
    pub whom: Whom,
    /// Since when nothing new has been heard.
    #[serde(with = "time")]
    pub since: Time,
    /// The legs that have not answered, with what was asked of each.
    pub legs: Vec<Silent>,
    /// How often they were asked again since.
    pub retries: u32,
    /// Why it is given up, if it is.
    pub reason: Option<Reason>,
    /// Why an operator must look.
    pub why: Option<Arc<str>>,
}

/// Whom a transfer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Whom {
    /// Its legs' shards.
    Legs,
    /// Somebody who looks at it: it is parked.
    Operator,
}

/// A leg that has not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silent {
    /// Its place in the request, from 0.
    pub leg: u8,
    /// The shard that is asked.
    pub shard: Arc<str>,
    /// Whose account.
    pub account: AccountId,
    /// What was asked: `debit`, `credit`, `place_hold`, `post_hold`, `release_hold`, `compensate`, `cancel`.
    pub asked: Arc<str>,
}

/// What happens next if nobody answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    /// When.
    #[serde(with = "time")]
    pub at: Time,
    /// What.
    pub what: Then,
}

/// What happens when a transfer's time comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// Silent legs are asked again.
    AskAgain,
    /// Its deadline passes, and it is given up.
    GiveUp,
}

impl Then {
    /// Its word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AskAgain => "ask_again",
            Self::GiveUp => "give_up",
        }
    }
}

/// `transfer.retry`, `transfer.cancel`, `transfer.resume`; answered by a [`Transfer`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct OrderRequest {
    /// Which transfer.
    #[serde(with = "id::transfer")]
    pub id: TransferId,
    /// Why, for those who read the story later: 1 to 280 characters.
    pub why: Arc<str>,
    /// Who: 1 to 64 characters. Left out, it is recorded as `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Arc<str>>,
}

impl OrderRequest {
    /// The order to do this.
    ///
    /// # Errors
    /// A text that is empty or too long; the field is named.
    pub fn order(&self, action: remit_core::operator::Action) -> Result<Order, Error> {
        let by = self.by.clone().unwrap_or_else(|| grounds::UNKNOWN.into());
        grounds::check(&self.why, &by, "the transfer's story")?;
        Ok(Order { action, by, why: Arc::clone(&self.why) })
    }
}

#[cfg(test)]
mod tests {
    use remit_core::operator::Action;

    use super::*;

    fn request(why: &str, by: Option<&str>) -> OrderRequest {
        OrderRequest { id: TransferId([1; 16]), why: why.into(), by: by.map(Into::into) }
    }

    #[test]
    fn an_order_says_why_and_its_texts_are_bounded() {
        let order = request("a partner's shard is gone", None).order(Action::Cancel).unwrap();
        assert_eq!((order.action, &*order.by, &*order.why), (Action::Cancel, "unknown", "a partner's shard is gone"));
        let (long_why, long_by) = ("ä".repeat(281), "ö".repeat(65));
        assert!(request(&"ä".repeat(280), Some(&"ö".repeat(64))).order(Action::Retry).is_ok());
        for (why, by, field) in [
            ("", Some("me"), "why"),
            ("  ", Some("me"), "why"),
            (&*long_why, Some("me"), "why"),
            ("why", Some(""), "by"),
            ("why", Some(&*long_by), "by"),
        ] {
            assert_eq!(request(why, by).order(Action::Resume).unwrap_err().field.as_deref(), Some(field));
        }
        let missing = crate::body::read::<OrderRequest>(br#"{"id":"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"}"#);
        assert_eq!(missing.unwrap_err().field.as_deref(), Some("why"));
    }
}
