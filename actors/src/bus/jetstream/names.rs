//! What streams, subjects and consumers are called.
//!
//! Everyone computes these from the deployment's name and the number of its streams, so nodes need not tell each other.

use std::{fmt, sync::Arc};

use crate::message::{Address, Class};

/// Who gets what is published on some subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::bus) enum Recipient {
    /// An actor or gateway: single frames.
    Actor(Address),
    /// A node, by its name: parcels for all that it runs.
    Node(Arc<str>),
}

/// The names of one deployment.
#[derive(Clone, Debug)]
pub(in crate::bus) struct Names {
    deployment: String,
    streams: u16,
}

impl Names {
    pub(in crate::bus) fn new(deployment: &str, streams: u16) -> Self {
        Self { deployment: deployment.into(), streams: streams.max(1) }
    }

    /// The numbers of all streams of frames.
    pub(in crate::bus) fn all(&self) -> impl Iterator<Item = u16> + use<> {
        0..self.streams
    }

    /// The stream that carries what is for this recipient. Numbers are dense, and so are mostly the last letters of names, so the
    /// remainder spreads them evenly.
    pub(in crate::bus) fn stream_of(&self, recipient: &Recipient) -> u16 {
        let no = match recipient {
            Recipient::Actor(Address::Shard(no)) => u64::from(no.0),
            Recipient::Actor(Address::Manager(no)) => u64::from(no.0),
            Recipient::Actor(Address::Gateway(no)) => *no,
            Recipient::Actor(Address::Projector | Address::Ledger) => 0,
            Recipient::Node(name) => name.bytes().map(u64::from).sum(),
        };
        u16::try_from(no % u64::from(self.streams)).expect("a remainder of a u16 fits into one")
    }

    /// A stream of frames.
    pub(in crate::bus) fn stream(&self, no: u16) -> String {
        format!("{}-frames-{no}", self.deployment)
    }

    /// All its subjects.
    pub(in crate::bus) fn stream_subjects(&self, no: u16) -> String {
        format!("{}.frame.{no}.>", self.deployment)
    }

    /// Where frames of this class for this recipient are published.
    pub(in crate::bus) fn subject(&self, to: &Recipient, class: Class) -> String {
        let class = match class {
            Class::Reply => "reply",
            Class::Do => "do",
            Class::Submit => "submit",
        };
        format!("{}.frame.{}.{}.{class}", self.deployment, self.stream_of(to), Token(to))
    }

    /// Where it is tried whether a stream of frames stores anything; nobody listens.
    pub(in crate::bus) fn probe(&self, no: u16) -> String {
        format!("{}.frame.{no}.probe", self.deployment)
    }

    /// All subjects of this recipient.
    pub(in crate::bus) fn subjects_of(&self, recipient: &Recipient) -> String {
        format!("{}.frame.{}.{}.*", self.deployment, self.stream_of(recipient), Token(recipient))
    }

    /// The durable consumer of this recipient on its stream: one for all who run it in turn, or, with a term, its owner's own.
    pub(in crate::bus) fn consumer(&self, recipient: &Recipient, term: Option<u64>) -> String {
        let token = Token(recipient);
        term.map_or_else(|| token.to_string(), |term| format!("{token}-{term}"))
    }

    /// The stream of what is no frame.
    pub(in crate::bus) fn dead_letters(&self) -> String {
        format!("{}-dead-letters", self.deployment)
    }

    /// All its subjects.
    pub(in crate::bus) fn dead_letters_subjects(&self) -> String {
        format!("{}.dead-letter.>", self.deployment)
    }

    /// Where dead letters to this recipient are published.
    pub(in crate::bus) fn dead_letter(&self, to: &Recipient) -> String {
        format!("{}.dead-letter.{}", self.deployment, Token(to))
    }
}

/// A recipient as one token of a subject.
struct Token<'a>(&'a Recipient);

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Recipient::Actor(Address::Shard(no)) => write!(f, "s{}", no.0),
            Recipient::Actor(Address::Manager(no)) => write!(f, "m{}", no.0),
            Recipient::Actor(Address::Gateway(no)) => write!(f, "g{no}"),
            Recipient::Actor(Address::Projector) => f.write_str("p0"),
            Recipient::Actor(Address::Ledger) => f.write_str("ledger"),
            Recipient::Node(name) => write!(f, "n-{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use remit_core::id::{PartitionNo, ShardNo};

    use super::*;

    /// Nodes of different versions find each other by these names.
    #[test]
    fn the_names_are_the_ones_that_other_nodes_use() {
        let names = Names::new("shop", 4);
        let gateway = |no| Recipient::Actor(Address::Gateway(no));
        for (recipient, stream, subject, consumer) in [
            (Recipient::Actor(Address::Shard(ShardNo(13))), "shop-frames-1", "shop.frame.1.s13.do", "s13"),
            (Recipient::Actor(Address::Manager(PartitionNo(2))), "shop-frames-2", "shop.frame.2.m2.do", "m2"),
            (gateway(u64::MAX), "shop-frames-3", "shop.frame.3.g18446744073709551615.do", "g18446744073709551615"),
            (Recipient::Node("eu-1".into()), "shop-frames-0", "shop.frame.0.n-eu-1.do", "n-eu-1"),
            (Recipient::Node("eu-2".into()), "shop-frames-1", "shop.frame.1.n-eu-2.do", "n-eu-2"),
        ] {
            assert_eq!(names.stream(names.stream_of(&recipient)), stream);
            assert_eq!(names.subject(&recipient, Class::Do), subject);
            assert_eq!(names.subjects_of(&recipient), subject.replace(".do", ".*"));
            assert_eq!(names.consumer(&recipient, None), consumer);
            assert_eq!(names.consumer(&recipient, Some(0)), format!("{consumer}-0"));
            assert_eq!(names.consumer(&recipient, Some(u64::MAX)), format!("{consumer}-18446744073709551615"));
        }
        assert_eq!(
            Class::ALL.map(|class| names.subject(&gateway(0), class)),
            ["shop.frame.0.g0.reply", "shop.frame.0.g0.do", "shop.frame.0.g0.submit"]
        );
        assert_eq!(names.stream_subjects(3), "shop.frame.3.>");
        assert_eq!(names.probe(3), "shop.frame.3.probe");
        assert_eq!(names.dead_letters(), "shop-dead-letters");
        assert_eq!(names.dead_letters_subjects(), "shop.dead-letter.>");
        assert_eq!(names.dead_letter(&gateway(5)), "shop.dead-letter.g5");
    }
}
