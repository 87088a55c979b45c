//! A stage for these tests: buses, inlets that show what they got, and waiting with a bound.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::jetstream;
use remit_actors::{
    bus::{Bus, Delivery, Hops, Inlet, NodeBus, Options},
    frame::Frame,
    message::{Address, Answer, AnswerBody, Class, Message},
};
use remit_core::id::{PartitionNo, ShardNo};
use remit_tests::nats::NatsServer;
use tokio::{
    runtime::Handle,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

/// How long anything here may take. Far longer than it does, since other tests use the machine too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const SHARD: Address = Address::Shard(ShardNo(5));
pub(crate) const MANAGER: Address = Address::Manager(PartitionNo(2));
pub(crate) const GATEWAY: Address = Address::Gateway(123_456_789_012);
/// The stream, and the subjects, of `SHARD`.
pub(crate) const SHARD_STREAM: &str = "shop-frames-1";
pub(crate) const SHARD_SUBJECT: &str = "shop.frame.1.s5.reply";

/// Options whose silences are short, so that tests are.
pub(crate) fn options(hops: Hops) -> Options {
    let mut options = Options::new(Handle::current(), "shop");
    options.hops = hops;
    options.heartbeat = Duration::from_millis(200);
    options
}

pub(crate) async fn client(server: &NatsServer) -> async_nats::Client {
    let options = async_nats::ConnectOptions::new().reconnect_delay_callback(|_| Duration::from_millis(50));
    options.connect(server.url()).await.expect("the server runs")
}

/// A node of its own connection.
pub(crate) async fn node(server: &NatsServer, options: Options) -> Arc<NodeBus> {
    NodeBus::start(client(server).await, options).await.expect("the broker takes the streams")
}

pub(crate) async fn jetstream(server: &NatsServer) -> jetstream::Context {
    jetstream::new(client(server).await)
}

/// An inlet that passes on what it gets.
pub(crate) struct Tap(UnboundedSender<Delivery>);

impl Inlet for Tap {
    fn deliver(&self, delivery: Delivery) {
        // A test that has seen enough hangs up.
        drop(self.0.send(delivery));
    }
}

/// What came through a tap.
pub(crate) struct Arrivals(UnboundedReceiver<Delivery>);

pub(crate) fn tap() -> (Arc<Tap>, Arrivals) {
    let (sender, receiver) = unbounded_channel();
    (Arc::new(Tap(sender)), Arrivals(receiver))
}

pub(crate) fn attach(bus: &NodeBus, address: Address) -> Arrivals {
    let (tap, arrivals) = tap();
    bus.attach(address, tap);
    arrivals
}

impl Arrivals {
    /// The next delivery.
    pub(crate) async fn next(&mut self) -> Delivery {
        let next = tokio::time::timeout(PATIENCE, self.0.recv()).await;
        next.expect("a frame arrives in time").expect("the bus holds the inlet")
    }

    /// The next delivery's tickets, acknowledged.
    pub(crate) async fn tickets(&mut self) -> Vec<u64> {
        let Delivery { frame, receipt } = self.next().await;
        if let Some(receipt) = receipt {
            receipt.acknowledge();
        }
        tickets(&frame)
    }

    /// Waits for a frame with a number of at least this.
    pub(crate) async fn after(&mut self, first_ticket: u64) {
        while self.tickets().await.iter().all(|ticket| *ticket < first_ticket) {}
    }

    /// Sends frames, again and again as an actor that gets no answer does, until one that was sent from now on arrives.
    pub(crate) async fn resume(&mut self, bus: &NodeBus, to: Address, first_ticket: u64) {
        let deadline = Instant::now() + PATIENCE;
        for ticket in first_ticket.. {
            assert!(Instant::now() < deadline, "traffic does not resume: {:?}", bus.stats());
            bus.send(to, frame(vec![note(ticket, 10)]));
            let arrived = tokio::time::timeout(Duration::from_millis(50), self.0.recv()).await;
            if let Ok(Some(Delivery { frame, receipt })) = arrived {
                receipt.into_iter().for_each(|receipt| receipt.acknowledge());
                if tickets(&frame).iter().any(|ticket| *ticket >= first_ticket) {
                    return;
                }
            }
        }
    }
}

/// A message with a number and a size.
pub(crate) fn note(ticket: u64, size: usize) -> Message {
    Message::Answer(Answer { ticket, part: 0, parts: 1, body: AnswerBody::Unavailable("x".repeat(size)) })
}

pub(crate) fn frame(messages: Vec<Message>) -> Frame {
    let class = messages.first().map_or(Class::Reply, Message::class);
    Frame { from: GATEWAY, class, mark: None, messages, traces: vec![] }
}

pub(crate) fn tickets(frame: &Frame) -> Vec<u64> {
    let ticket = |message: &Message| match message {
        Message::Answer(answer) => answer.ticket,
        Message::Ask(ask) => ask.ticket,
        other => panic!("none of ours: {other:?}"),
    };
    frame.messages.iter().map(ticket).collect()
}

/// Waits until it holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until the broker holds nothing back for `SHARD`, delivered or not.
pub(crate) async fn until_settled(server: &NatsServer) {
    let context = jetstream(server).await;
    until("the broker holds no frame for the shard", || async {
        let consumer =
            context.get_consumer_from_stream::<jetstream::consumer::pull::Config, _, _>("s5", SHARD_STREAM).await;
        consumer.is_ok_and(|consumer| {
            let info = consumer.cached_info();
            info.num_ack_pending == 0 && info.num_pending == 0
        })
    })
    .await;
}
