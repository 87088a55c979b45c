//! What a message costs as bytes, in a frame as large as a busy turn makes it.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use remit_actors::{
    codec,
    frame::Frame,
    message::{Address, Message},
};
use remit_core::{
    id::{AccountId, LegId, LegNo, PartitionNo, Seq, TransferId},
    leg::{Answer, Command, Reply, Terms, Verb},
    money::{Amount, Currency, Direction},
};

const MESSAGES: usize = 300;

fn command() -> Message {
    let terms = Terms {
        account: AccountId::parse("s0:alice").expect("it is an id"),
        direction: Direction::Debit,
        amount: Amount::new(12_345).expect("it is an amount"),
        currency: Currency::parse("EUR").expect("it is a currency"),
        partition: PartitionNo(3),
        begun: Seq(99),
        route: None,
    };
    let id = LegId::new(TransferId([7; 16]), LegNo(0));
    Message::Command(Command { id, verb: Verb::Debit, terms, reason: None, memo: None })
}

fn reply() -> Message {
    Message::Reply(Reply { id: LegId::new(TransferId([7; 16]), LegNo(0)), answer: Answer::Done })
}

fn codec(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Elements(MESSAGES as u64));
    for (name, message) in [("commands", command()), ("replies", reply())] {
        let from = Address::Manager(PartitionNo(3));
        let (class, messages) = (message.class(), vec![message; MESSAGES]);
        let frame = Frame { from, class, mark: None, messages, traces: vec![] };
        let bytes = codec::encode(&frame);
        group.bench_function(format!("encode {MESSAGES} {name}"), |bencher| bencher.iter(|| codec::encode(&frame)));
        group.bench_function(format!("decode {MESSAGES} {name}"), |bencher| bencher.iter(|| codec::decode(&bytes)));
    }
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
