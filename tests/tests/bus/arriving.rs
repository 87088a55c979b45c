//! What is sent arrives, whichever way.

use std::{thread, time::Duration};

use async_nats::jetstream::consumer::{Consumer, pull::Config};
use remit_actors::{
    bus::{Bus, Hops, NodeBus},
    message::{Ask, Class, Message, Question},
};
use remit_core::id::TransferId;
use remit_tests::nats::NatsServer;

use crate::stage::{
    GATEWAY, MANAGER, PATIENCE, SHARD, SHARD_STREAM, attach, frame, jetstream, node, note, options, tap, tickets,
    until, until_settled,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_arrives_by_mailbox_or_over_the_broker_as_it_was_sent() {
    let server = NatsServer::start();
    for (hops, by_broker) in [(Hops::Local, false), (Hops::JetStream, true)] {
        let bus = node(&server, options(hops)).await;
        for to in [SHARD, MANAGER, GATEWAY] {
            let mut arrivals = attach(&bus, to);
            let ask = Message::Ask(Ask { ticket: 2, from: GATEWAY, question: Question::Transfer(TransferId([1; 16])) });
            for sent in [frame(vec![note(1, 100)]), frame(vec![ask]), frame(vec![])] {
                bus.send(to, sent.clone());
                let arrived = arrivals.next().await;
                assert_eq!(arrived.frame, sent);
                assert_eq!(arrived.receipt.is_some(), by_broker && to != GATEWAY, "{to:?}");
                arrived.receipt.into_iter().for_each(|receipt| receipt.acknowledge());
            }
        }
        let stats = bus.stats();
        assert_eq!(stats.frames_local > 0, !by_broker);
        assert_eq!(stats.frames_received > 0, by_broker);
        assert_eq!([stats.frames_dropped, stats.resubscribed, stats.dead_letters], [0; 3]);
        assert!(bus.stop(PATIENCE).await);
    }
    until_settled(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_reach_each_other() {
    let server = NatsServer::start();
    let (one, other) = (node(&server, options(Hops::Local)).await, node(&server, options(Hops::Local)).await);
    let mut at_shard = attach(&one, SHARD);
    let mut at_manager = attach(&other, MANAGER);
    other.send(SHARD, frame(vec![note(1, 10)]));
    assert_eq!(at_shard.tickets().await, [1]);
    one.send(MANAGER, frame(vec![note(2, 10)]));
    assert_eq!(at_manager.tickets().await, [2]);
}

/// Actors live on threads that know nothing of the bus's runtime.
#[test]
fn any_thread_can_start_it_attach_and_send() {
    let server = NatsServer::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (client, options) = runtime.block_on(async { (crate::stage::client(&server).await, options(Hops::JetStream)) });
    let bus = futures::executor::block_on(NodeBus::start(client, options)).unwrap();
    let mut arrivals = thread::scope(|scope| {
        let own = scope.spawn(|| {
            let arrivals = attach(&bus, SHARD);
            bus.send(SHARD, frame(vec![note(1, 10)]));
            arrivals
        });
        own.join().unwrap()
    });
    assert_eq!(runtime.block_on(arrivals.tickets()), [1]);
    assert!(futures::executor::block_on(bus.stop(PATIENCE)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_is_not_acknowledged_comes_again_and_one_that_is_does_not() {
    let server = NatsServer::start();
    let mut options = options(Hops::JetStream);
    options.ack_wait = Duration::from_millis(300);
    let bus = node(&server, options).await;
    let mut arrivals = attach(&bus, SHARD);
    bus.send(SHARD, frame(vec![note(1, 10)]));
    let first = arrivals.next().await;
    let again = arrivals.next().await;
    assert_eq!(again.frame, first.frame);
    assert!(bus.stats().frames_redelivered > 0);
    again.receipt.unwrap().acknowledge();
    until_settled(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detached_actors_frames_go_to_whoever_attaches_next() {
    let server = NatsServer::start();
    let (before, after) = (node(&server, options(Hops::Local)).await, node(&server, options(Hops::Local)).await);
    let mut arrivals = attach(&before, SHARD);
    arrivals.resume(&after, SHARD, 0).await;
    before.detach(SHARD);
    // What was on its way to the first at this moment waits for its time to be up, so it is sent again.
    let mut arrivals = attach(&after, SHARD);
    arrivals.resume(&before, SHARD, 1_000).await;
}

/// The first is cut off and does not know that its term is over: its pulls stand at the broker, and it acknowledges what it gets.
#[tokio::test(flavor = "multi_thread")]
async fn an_owner_takes_no_frame_away_from_the_one_in_the_next_term() {
    let server = NatsServer::start();
    let (before, after) =
        (node(&server, options(Hops::JetStream)).await, node(&server, options(Hops::JetStream)).await);
    let (inlet, mut at_first) = tap();
    before.attach_term(SHARD, inlet, 7);
    at_first.resume(&after, SHARD, 0).await;
    let (inlet, mut at_second) = tap();
    after.attach_term(SHARD, inlet, 8);
    for ticket in 1_000..1_100 {
        after.send(SHARD, frame(vec![note(ticket, 10)]));
    }
    for arrivals in [&mut at_first, &mut at_second] {
        let mut got = vec![];
        while got.len() < 100 {
            got.extend(arrivals.tickets().await.into_iter().filter(|ticket| *ticket >= 1_000));
        }
        assert_eq!(got, (1_000..1_100).collect::<Vec<_>>(), "all of them, each once");
    }
    let context = jetstream(&server).await;
    for consumer in ["s5-7", "s5-8"] {
        let consumer: Consumer<Config> = context.get_consumer_from_stream(consumer, SHARD_STREAM).await.unwrap();
        assert_eq!(consumer.cached_info().config.inactive_threshold, Duration::from_secs(60));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_frame_arrives_in_pieces_that_the_broker_takes() {
    let server = NatsServer::start_with(remit_tests::nats::Options { max_payload: 16 << 10, ..Default::default() });
    let bus = node(&server, options(Hops::JetStream)).await;
    let mut arrivals = attach(&bus, SHARD);
    bus.send(SHARD, frame((0..1_000).map(|ticket| note(ticket, 200)).collect()));
    let (mut got, mut frames) = (vec![], 0);
    while got.len() < 1_000 {
        got.extend(arrivals.tickets().await);
        frames += 1;
    }
    assert_eq!(got, (0..1_000).collect::<Vec<_>>());
    assert!(frames > 8, "{frames}");
    assert_eq!(bus.stats().messages_oversized, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_lets_out_what_was_sent_and_nothing_after() {
    let server = NatsServer::start();
    let bus = node(&server, options(Hops::JetStream)).await;
    for ticket in 0..2_000 {
        bus.send(SHARD, frame(vec![note(ticket, 1_000)]));
    }
    assert!(bus.stop(PATIENCE).await);
    bus.send(SHARD, frame(vec![note(9_999, 10)]));
    let stats = bus.stats();
    assert_eq!([stats.frames_published, stats.frames_dropped], [2_000, 1]);
    let context = jetstream(&server).await;
    until("all of them are stored", || async {
        let stream = context.get_stream("shop-frames-1").await;
        stream.is_ok_and(|stream| stream.cached_info().state.messages == 2_000)
    })
    .await;
}

/// A submit is less urgent than an answer: when both wait, the answer goes first (R20).
#[tokio::test(flavor = "multi_thread")]
async fn the_urgent_overtake_the_rest_in_the_queue() {
    let mut server = NatsServer::start();
    let mut options = options(Hops::JetStream);
    options.in_flight_max = 1;
    let bus = node(&server, options).await;
    server.kill();
    let ask = |ticket| Message::Ask(Ask { ticket, from: GATEWAY, question: Question::Position });
    for ticket in 0..50 {
        bus.send(SHARD, frame(vec![ask(ticket)]));
    }
    for ticket in 50..100 {
        bus.send(SHARD, frame(vec![note(ticket, 10)]));
    }
    server.restart();
    let mut arrivals = attach(&bus, SHARD);
    let mut order = vec![];
    while order.len() < 90 {
        let arrived = arrivals.next().await;
        order.push((arrived.frame.class, tickets(&arrived.frame)));
        arrived.receipt.unwrap().acknowledge();
    }
    let last_reply = order.iter().rposition(|(class, _)| *class == Class::Reply).unwrap();
    assert!(last_reply < 60, "the answers come first, but for what was under way already: {order:?}");
}
