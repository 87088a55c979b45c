//! Messages to one machine alone, where a whole world would only be in the way.

use remit_actors::{
    frame::Frame,
    machine::Machine,
    message::{Address, Answer, AnswerBody, Ask, ChangeAccount, Message, Question},
    shard::ShardOptions,
    store::books::BooksOptions,
};
use remit_core::{
    account::{Change, Kind},
    id::{LegId, LegNo, PartitionNo, Seq, Time, TransferId},
    leg::{self, Command, Reply, Terms, Verb},
    mark::LowWater,
    money::{Amount, Direction},
};

use crate::world::{GATEWAY, account, eur, transfer_id};

pub(crate) const NOW: Time = Time(1_000_000);
pub(crate) const PARTITION: PartitionNo = PartitionNo(0);

pub(crate) fn shard_options(books: BooksOptions) -> ShardOptions {
    ShardOptions { books, partitions: 1, frame_messages_max: 1_000 }
}

pub(crate) fn frame(messages: Vec<Message>) -> Frame {
    let class = messages.first().map_or(remit_actors::message::Class::Reply, Message::class);
    Frame { from: GATEWAY, class, mark: None, messages, traces: vec![] }
}

/// A frame with a partition's mark: transfers begun up to here have ended, except some.
pub(crate) fn mark(begun_up_to: u64, except: &[u64]) -> Frame {
    let except = except.iter().map(|begun| Seq(*begun)).collect();
    let mark = LowWater { begun_up_to: Seq(begun_up_to), except };
    Frame { from: Address::Manager(PARTITION), mark: Some(mark), ..frame(vec![]) }
}

pub(crate) fn ask(question: Question) -> Message {
    Message::Ask(Ask { ticket: 1, from: GATEWAY, question })
}

pub(crate) fn open_account(id: &str, kind: Kind, command: u64) -> Message {
    let change = Change::Open { currency: eur(), kind, overdraft_limit: 0 };
    let (account, command_id) = (account(id), transfer_id(command).0);
    ask(Question::ChangeAccount(ChangeAccount { account, change, command_id, if_version: None }))
}

/// A command about a transfer's only leg in this shard; the transfer began where its number says.
pub(crate) fn command(id: TransferId, begun: u64, verb: Verb, account: &str, amount: i64) -> Message {
    let direction = match verb {
        Verb::Credit | Verb::Cancel => Direction::Credit,
        _ => Direction::Debit,
    };
    let terms = Terms {
        account: crate::world::account(account),
        direction,
        amount: Amount::new(amount).unwrap(),
        currency: eur(),
        partition: PARTITION,
        begun: Seq(begun),
        route: None,
    };
    Message::Command(Command { id: LegId::new(id, LegNo(0)), verb, terms, reason: None, memo: None })
}

/// One turn; everything that it says.
pub(crate) fn turn(machine: &mut (impl Machine + ?Sized), frames: &[Frame]) -> Vec<Message> {
    let out = machine.turn(frames, NOW).unwrap();
    out.into_iter().flat_map(|(_, frame)| frame.messages).collect()
}

/// A leg's answer to one command.
pub(crate) fn answer(machine: &mut (impl Machine + ?Sized), command: Message) -> leg::Answer {
    match turn(machine, &[frame(vec![command])]).as_slice() {
        [Message::Reply(Reply { answer, .. })] => *answer,
        other => panic!("{other:?}"),
    }
}

/// The answer to one question.
pub(crate) fn body(machine: &mut (impl Machine + ?Sized), question: Question) -> AnswerBody {
    match turn(machine, &[frame(vec![ask(question)])]).pop() {
        Some(Message::Answer(Answer { body, .. })) => body,
        other => panic!("{other:?}"),
    }
}
