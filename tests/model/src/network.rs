//! The network: the set of all messages that were ever said.
//!
//! What was said may be delivered at any later moment, in any order, any number of times, or never. So a set that only
//! grows is loss, delay, duplicates and every order at once, without bound, and without one action of its own for any of
//! them.

use std::sync::OnceLock;

use remit_core::leg::{Reply, Sent};

/// What is carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// From the manager, or from another shard, to a shard.
    Command(Sent),
    /// From a shard to the manager.
    Reply(Reply),
}

/// How many different messages a world can have.
const MESSAGES_MAX: usize = 128;

/// Every message that anyone said anywhere in a world's search, each with its number: the order in which they came up.
///
/// Numbers are given once and by whichever thread comes first, so they mean nothing beyond one search; in it, the same
/// message has the same number in every state.
#[derive(Debug)]
pub struct Alphabet {
    messages: [OnceLock<Message>; MESSAGES_MAX],
}

impl Default for Alphabet {
    fn default() -> Self {
        Self { messages: [const { OnceLock::new() }; MESSAGES_MAX] }
    }
}

impl Alphabet {
    /// The number of a message.
    ///
    /// # Panics
    /// If the world is too talkative for a set of this size: it would have to grow then.
    fn number(&self, message: Message) -> usize {
        let same = |place: &OnceLock<Message>| *place.get_or_init(|| message.clone()) == message;
        self.messages.iter().position(same).expect("a small world has no more different messages than this")
    }

    /// The message of a number that a [`Said`] has.
    ///
    /// # Panics
    /// If nobody ever said it.
    #[must_use]
    pub fn message(&self, number: u8) -> &Message {
        self.messages[usize::from(number)].get().expect("numbers are given to what was said")
    }
}

/// The set of messages said so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Said(u128);

impl Said {
    /// Says a message, once more or for the first time.
    pub fn say(&mut self, alphabet: &Alphabet, message: Message) {
        self.0 |= 1 << alphabet.number(message);
    }

    /// Takes out the message that was found first, to carry it once.
    pub fn take_first(&mut self) -> Option<u8> {
        let number = self.0.trailing_zeros();
        self.0 &= self.0.checked_sub(1)?;
        u8::try_from(number).ok()
    }

    /// The numbers of all that was said, the newest first: what has not been delivered yet is likely among them.
    pub fn numbers(self) -> impl Iterator<Item = u8> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let number = left.checked_ilog2()?;
            left &= !(1 << number);
            u8::try_from(number).ok()
        })
    }
}
