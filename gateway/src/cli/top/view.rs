//! What is known at present.

use std::collections::BTreeMap;

use remit_api::{
    Currencies,
    deployment::Deployment,
    shard::{List as Shards, Shard},
    supervision::{Event, List as Events},
};

/// What came of a question.
#[derive(Debug)]
pub(super) enum Update {
    Deployment(Deployment),
    Shards(Shards),
    Events(Events),
    /// This question was not answered; and why.
    Unanswered(Question, String),
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Question {
    /// The connection itself.
    Broker,
    Deployment,
    Shards,
    Events,
}

/// What is known at present; what could not be asked for stays as it was.
#[derive(Debug)]
pub(super) struct View {
    pub(super) name: String,
    pub(super) broker: String,
    pub(super) deployment: Option<Deployment>,
    pub(super) currencies: Currencies,
    /// Those that are not up first, then in the order of the deployment.
    pub(super) shards: Vec<Shard>,
    /// The newest last.
    pub(super) events: Vec<Event>,
    /// The last failure of each actor that has had one.
    pub(super) failures: BTreeMap<String, Event>,
    /// Why what is shown may be old: the questions whose last answer is missing.
    pub(super) unanswered: BTreeMap<Question, String>,
    /// How many actors are passed over at the top.
    pub(super) passed: usize,
}

impl View {
    pub(super) fn new(name: String, broker: String) -> Self {
        Self {
            name,
            broker,
            deployment: None,
            currencies: Currencies::iso(),
            shards: Vec::new(),
            events: Vec::new(),
            failures: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            passed: 0,
        }
    }

    /// Takes in what came of a question.
    pub(super) fn take(&mut self, update: Update) {
        if !matches!(update, Update::Unanswered(..)) {
            self.unanswered.remove(&Question::Broker);
        }
        match update {
            Update::Unanswered(question, why) => {
                self.unanswered.insert(question, why);
            }
            Update::Deployment(deployment) => {
                self.unanswered.remove(&Question::Deployment);
                // A deployment whose currencies can't be read shows minor units.
                if let Ok(currencies) = Currencies::with(deployment.currencies.clone()) {
                    self.currencies = currencies;
                }
                self.deployment = Some(deployment);
            }
            Update::Shards(list) => {
                self.unanswered.remove(&Question::Shards);
                self.shards = list.shards;
                self.shards.sort_by_key(|shard| shard.state == "up");
                self.passed = self.passed.min(self.shards.len().saturating_sub(1));
            }
            Update::Events(list) => {
                self.unanswered.remove(&Question::Events);
                for event in list.events.iter().filter(|event| event.event == "failed") {
                    self.failures.insert(event.actor.clone(), event.clone());
                }
                self.events = list.events;
            }
        }
    }

    pub(super) fn scroll_up(&mut self) {
        self.passed = self.passed.saturating_sub(1);
    }

    pub(super) fn scroll_down(&mut self) {
        self.passed = (self.passed + 1).min(self.shards.len().saturating_sub(1));
    }
}
