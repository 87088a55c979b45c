//! A hop over the broker, from `send` to the inlet, acknowledgement included: how long one takes when nothing else goes on, and
//! how many messages pass in large frames.

use std::{
    hint::black_box,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use remit_actors::{
    bus::{Bus, Delivery, Hops, Inlet, NodeBus, Options},
    frame::Frame,
    message::{Address, Class, Message},
};
use remit_core::{
    id::{AccountId, LegId, LegNo, PartitionNo, Seq, ShardNo, TransferId},
    leg::{Command, Terms, Verb},
    money::{Amount, Currency, Direction},
};
use remit_tests::nats::NatsServer;

const SHARDS: u16 = 16;
const FRAMES: u16 = 256;
const MESSAGES: usize = 300;

/// Reads each message, as an actor would, and acknowledges at once.
struct Sink(Sender<usize>);

impl Inlet for Sink {
    fn deliver(&self, delivery: Delivery) {
        let messages = black_box(delivery.frame).messages.len();
        delivery.receipt.into_iter().for_each(|receipt| receipt.acknowledge());
        self.0.send(messages).ok();
    }
}

fn frame(messages: usize) -> Frame {
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
    let command = Command { id, verb: Verb::Debit, terms, reason: None, memo: None };
    let from = Address::Manager(PartitionNo(3));
    Frame { from, class: Class::Do, mark: None, messages: vec![Message::Command(command); messages], traces: vec![] }
}

fn attached(bus: &NodeBus) -> Receiver<usize> {
    let (sender, receiver) = channel();
    for shard in 0..SHARDS {
        bus.attach(Address::Shard(ShardNo(shard)), Arc::new(Sink(sender.clone())));
    }
    for shard in 0..SHARDS {
        bus.send(Address::Shard(ShardNo(shard)), frame(1));
    }
    (0..SHARDS).for_each(|_| assert_eq!(receiver.recv(), Ok(1)));
    receiver
}

fn hops(criterion: &mut Criterion) {
    let server = NatsServer::start();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let bus = runtime.block_on(async {
        let client = async_nats::connect(server.url()).await.expect("the server runs");
        let mut options = Options::new(runtime.handle().clone(), "bench");
        options.hops = Hops::JetStream;
        NodeBus::start(client, options).await.expect("the broker takes the streams")
    });
    let arrived = attached(&bus);

    let mut group = criterion.benchmark_group("hop");
    group.sample_size(20);
    group.bench_function("one message alone", |bencher| {
        bencher.iter(|| {
            bus.send(Address::Shard(ShardNo(0)), frame(1));
            arrived.recv().expect("it arrives")
        });
    });
    for messages in [1, MESSAGES] {
        group.throughput(Throughput::Elements(u64::from(FRAMES) * messages as u64));
        group.bench_function(format!("{FRAMES} frames of {messages}"), |bencher| {
            bencher.iter(|| {
                (0..FRAMES).for_each(|no| bus.send(Address::Shard(ShardNo(no % SHARDS)), frame(messages)));
                (0..FRAMES).map(|_| arrived.recv().expect("it arrives")).sum::<usize>()
            });
        });
    }
    group.finish();
    let stats = bus.stats();
    assert_eq!([stats.frames_dropped, stats.frames_unconfirmed, stats.resubscribed], [0; 3], "{stats:?}");
}

criterion_group!(benches, hops);
criterion_main!(benches);
