//! What streams, subjects and consumers are called.
//!
//! Everyone computes these from the deployment's name and the number of its streams, so nodes need not tell each other.

use std::fmt;

use crate::message::{Address, Class};

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

    /// The stream that carries frames for this address. Numbers are dense, so the remainder spreads them evenly.
    pub(in crate::bus) fn stream_of(&self, address: Address) -> u16 {
        let no = match address {
            Address::Shard(no) => u64::from(no.0),
            Address::Manager(no) => u64::from(no.0),
            Address::Gateway(no) => no,
            Address::Projector | Address::Ledger => 0,
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

    /// Where frames of this class for this address are published.
    pub(in crate::bus) fn subject(&self, to: Address, class: Class) -> String {
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

    /// All subjects of this address.
    pub(in crate::bus) fn subjects_of(&self, address: Address) -> String {
        format!("{}.frame.{}.{}.*", self.deployment, self.stream_of(address), Token(address))
    }

    /// The durable consumer of this address on its stream: one for all who run it in turn, or, with a term, its owner's own.
    pub(in crate::bus) fn consumer(&self, address: Address, term: Option<u64>) -> String {
        let token = Token(address);
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

    /// Where dead letters to this address are published.
    pub(in crate::bus) fn dead_letter(&self, to: Address) -> String {
        format!("{}.dead-letter.{}", self.deployment, Token(to))
    }
}

/// An address as one token of a subject.
struct Token(Address);

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Address::Shard(no) => write!(f, "s{}", no.0),
            Address::Manager(no) => write!(f, "m{}", no.0),
            Address::Gateway(no) => write!(f, "g{no}"),
            Address::Projector => f.write_str("p0"),
            Address::Ledger => f.write_str("ledger"),
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
        for (address, stream, subject, consumer) in [
            (Address::Shard(ShardNo(13)), "shop-frames-1", "shop.frame.1.s13.do", "s13"),
            (Address::Manager(PartitionNo(2)), "shop-frames-2", "shop.frame.2.m2.do", "m2"),
            (
                Address::Gateway(u64::MAX),
                "shop-frames-3",
                "shop.frame.3.g18446744073709551615.do",
                "g18446744073709551615",
            ),
        ] {
            assert_eq!(names.stream(names.stream_of(address)), stream);
            assert_eq!(names.subject(address, Class::Do), subject);
            assert_eq!(names.subjects_of(address), subject.replace(".do", ".*"));
            assert_eq!(names.consumer(address, None), consumer);
            assert_eq!(names.consumer(address, Some(0)), format!("{consumer}-0"));
            assert_eq!(names.consumer(address, Some(u64::MAX)), format!("{consumer}-18446744073709551615"));
        }
        assert_eq!(
            Class::ALL.map(|class| names.subject(Address::Gateway(0), class)),
            ["shop.frame.0.g0.reply", "shop.frame.0.g0.do", "shop.frame.0.g0.submit"]
        );
        assert_eq!(names.stream_subjects(3), "shop.frame.3.>");
        assert_eq!(names.probe(3), "shop.frame.3.probe");
        assert_eq!(names.dead_letters(), "shop-dead-letters");
        assert_eq!(names.dead_letters_subjects(), "shop.dead-letter.>");
        assert_eq!(names.dead_letter(Address::Gateway(5)), "shop.dead-letter.g5");
    }
}
