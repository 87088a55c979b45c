//! What can't be carried is counted, told and kept out of the way.

use std::time::Instant;

use remit_actors::{
    bus::{Bus, Error, Hops, NodeBus, header},
    codec,
};
use remit_tests::nats::{self, NatsServer};

use crate::stage::{
    GATEWAY, SHARD, SHARD_STREAM, SHARD_SUBJECT, attach, client, frame, jetstream, node, note, options, until,
    until_settled,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_frame_becomes_a_dead_letter_with_its_reason_and_blocks_nobody() {
    let server = NatsServer::start();
    let bus = node(&server, options(Hops::JetStream)).await;
    let context = jetstream(&server).await;
    let mut foreign = codec::encode(&frame(vec![])).to_vec();
    foreign[0] = 77;
    let large = vec![codec::VERSION; 200_000];
    for payload in [b"rubbish".to_vec(), foreign.clone(), large] {
        context.publish(SHARD_SUBJECT, payload.into()).await.unwrap().await.unwrap();
    }
    bus.send(SHARD, frame(vec![note(1, 10)]));

    let mut arrivals = attach(&bus, SHARD);
    assert_eq!(arrivals.tickets().await, [1], "the frame behind them arrives");
    until_settled(&server).await;

    let letters = context.get_stream("shop-dead-letters").await.unwrap();
    let mut kept = vec![];
    for sequence in 1..=3 {
        let letter = letters.get_raw_message(sequence).await.unwrap();
        assert_eq!(letter.subject.as_str(), "shop.dead-letter.s5");
        let of = |name| letter.headers.get(name).map_or("", |value| value.as_str()).to_owned();
        kept.push((of(header::REASON), of(header::SEQUENCE), of(header::SIZE), letter.payload.len()));
        assert_eq!([of(header::SUBJECT).as_str(), of(header::STREAM).as_str()], [SHARD_SUBJECT, SHARD_STREAM]);
    }
    let reason = |found: u8| format!("written in format {found}, but this version reads format 5 only");
    assert_eq!(kept[0], (reason(b'r'), "1".into(), "".into(), 7));
    assert_eq!(kept[1], (reason(77), "2".into(), "".into(), foreign.len()));
    assert!(kept[2].0.starts_with("malformed: "), "{}", kept[2].0);
    assert_eq!((kept[2].2.as_str(), kept[2].3), ("200000", 64 << 10), "of a large one the beginning is kept");
    let stats = bus.stats();
    assert_eq!([stats.dead_letters, stats.dead_letters_lost], [3, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_find_their_stream_made_again() {
    let server = NatsServer::start();
    let bus = node(&server, options(Hops::JetStream)).await;
    let _arrivals = attach(&bus, SHARD);
    let context = jetstream(&server).await;
    context.delete_stream("shop-dead-letters").await.unwrap();
    context.publish(SHARD_SUBJECT, "rubbish".into()).await.unwrap().await.unwrap();
    until("the dead letter is kept", || async { bus.stats().dead_letters == 1 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_no_frame_can_carry_is_dropped_and_counted_and_the_others_go_on() {
    let server = NatsServer::start();
    let mut options = options(Hops::JetStream);
    options.frame_bytes_max = 4_096;
    let bus = node(&server, options).await;
    let mut arrivals = attach(&bus, SHARD);
    bus.send(SHARD, frame(vec![note(1, 10), note(2, 5_000), note(3, 10)]));
    let mut got = arrivals.tickets().await;
    got.extend(arrivals.tickets().await);
    assert_eq!(got, [1, 3]);
    let stats = bus.stats();
    assert_eq!([stats.messages_oversized, stats.frames_dropped], [1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_broker_is_away_the_queue_is_bounded_and_nobody_waits() {
    let mut server = NatsServer::start();
    let mut options = options(Hops::JetStream);
    (options.queue_frames_max, options.in_flight_max) = (10, 4);
    let bus = node(&server, options).await;
    let mut arrivals = attach(&bus, SHARD);
    server.kill();
    let began = Instant::now();
    for ticket in 0..5_000 {
        bus.send(SHARD, frame(vec![note(ticket, 1_000)]));
    }
    let took = began.elapsed();
    let dropped = bus.stats().frames_dropped;
    assert!(dropped >= 5_000 - 10 - 4 - 1, "{dropped}");
    assert!(took.as_millis() < 2_000, "senders were held up: {took:?}");
    server.restart();
    arrivals.resume(&bus, SHARD, 10_000).await;
}

/// Frames may be few and large, so bytes are bounded too.
#[tokio::test(flavor = "multi_thread")]
async fn the_queue_is_bounded_in_bytes() {
    let mut server = NatsServer::start();
    let mut options = options(Hops::JetStream);
    (options.queue_bytes_max, options.in_flight_max) = (100_000, 1);
    let bus = node(&server, options).await;
    server.kill();
    for ticket in 0..100 {
        bus.send(SHARD, frame(vec![note(ticket, 50_000)]));
    }
    assert!(bus.stats().frames_dropped >= 95, "{:?}", bus.stats());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_not_start_without_streams_or_with_settings_out_of_range() {
    let server = NatsServer::start_with(nats::Options { jetstream: false, ..Default::default() });
    let refused =
        NodeBus::start(client(&server).await, options(Hops::Local)).await.err().expect("no JetStream, no bus");
    assert_eq!(refused.to_string(), "the broker does not give us the stream shop-frames-0");

    let mut wrong = options(Hops::Local);
    wrong.deployment = "My Shop".into();
    let refused = NodeBus::start(client(&server).await, wrong).await.err().expect("no such name");
    assert!(matches!(refused, Error::Options("a deployment's name is 1 to 32 of a-z, 0-9 and -")), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_nobody_is_stored_until_it_is_too_old() {
    let server = NatsServer::start();
    let bus = node(&server, options(Hops::Local)).await;
    bus.send(GATEWAY, frame(vec![note(1, 10)]));
    until("the broker has it", || async { bus.stats().frames_published == 1 }).await;
    let context = jetstream(&server).await;
    let config = context.get_stream("shop-frames-0").await.unwrap().cached_info().config.clone();
    assert_eq!(config.max_age, std::time::Duration::from_secs(120));
}
