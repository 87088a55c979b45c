//! All that a machine tells of its database.

use std::collections::BTreeMap;

use remit_actors::{
    machine::{Failure, Machine},
    message::{Address, AnswerBody, Filter, Question},
};
use remit_core::id::{Seq, Time};
use remit_fuzz::{
    stage::{self, MANAGER},
    values::account_id,
};

use crate::story::{self, ACCOUNTS};

/// What a machine told when it was asked for everything.
#[derive(Debug, PartialEq)]
pub(crate) struct Served {
    /// How many rows its journal has.
    pub(crate) rows: u64,
    told: BTreeMap<String, Vec<AnswerBody>>,
}

impl Served {
    /// Panics if another machine told anything else.
    pub(crate) fn assert_is(&self, other: &Self) {
        for (question, told) in &self.told {
            let (told, whole) = (format!("{told:?}"), format!("{:?}", other.told.get(question)));
            // Both are long, and all but their first difference would hide it; `Some(` stands before one of them.
            let at = whole.bytes().skip(5).zip(told.bytes()).take_while(|(a, b)| a == b).count();
            let (told, whole) = (&told.as_bytes()[at..], &whole.as_bytes()[5 + at..]);
            let [told, whole] =
                [told, whole].map(|text| String::from_utf8_lossy(&text[..text.len().min(200)]).into_owned());
            assert!(told.is_empty(), "{question}: nothing was found, and …{told} is answered, not …{whole}");
        }
        assert_eq!(self, other);
    }
}

impl Served {
    pub(crate) fn by(machine: &mut dyn Machine, address: Address, now: Time) -> Result<Self, Failure> {
        let questions: Vec<Question> = match address {
            MANAGER => {
                let all = Filter { limit: 1_000, ..Filter::default() };
                let on = |id| Question::OpenOn { account: account_id(id), closing: Seq(1) };
                let about_one = story::transfers().map(Question::Transfer);
                let common = [Question::Transfers(all), Question::AuditBegun { since: Seq(0) }];
                common.into_iter().chain(about_one).chain(ACCOUNTS.map(on)).collect()
            }
            _ => {
                let (since, transfers, unreadable) = (Seq(0), vec![], vec![]);
                let legs = Question::AuditShard { since, transfers, unreadable, full: false };
                let statement = |id| {
                    let (from, to, before, limit) = (None, None, None, 1_000);
                    Question::Statement { account: account_id(id), from, to, before, limit }
                };
                let list = Question::Accounts { after: None, limit: 1_000 };
                [list, legs].into_iter().chain(ACCOUNTS[..4].iter().map(|id| statement(id))).collect()
            }
        };
        let mut told = BTreeMap::new();
        for question in questions {
            let name = format!("{question:?}");
            let mut bodies = stage::ask(machine, question, now)?;
            bodies.iter_mut().for_each(blur);
            told.insert(name, bodies);
        }
        let position = machine.position();
        let (open, parked) = (position.open, position.parked);
        told.insert(format!("open {open}, parked {parked}, {:?}", position.totals), vec![]);
        Ok(Self { rows: position.seq.0, told })
    }
}

/// Makes alike what need not be: the last link, which has the newest epoch in it, and the order of transfers that are open.
fn blur(body: &mut AnswerBody) {
    match body {
        AnswerBody::AuditShard { journal, .. } => journal.hash = [0; 32],
        AnswerBody::AuditStarts { starts, .. } => starts.sort_by_key(|start| start.id),
        _ => {}
    }
}
