//! The broker may lose anything at any time. Traffic goes on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use remit_actors::bus::{Bus, Delivery, Hops, Inlet};
use remit_tests::nats::NatsServer;

use crate::stage::{GATEWAY, SHARD, SHARD_STREAM, attach, frame, jetstream, node, note, options, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_deleted_and_traffic_resumes() {
    let server = NatsServer::start();
    let bus = node(&server, options(Hops::JetStream)).await;
    let mut arrivals = attach(&bus, SHARD);
    arrivals.resume(&bus, SHARD, 0).await;
    let context = jetstream(&server).await;
    for round in 1..=3 {
        context.delete_stream(SHARD_STREAM).await.unwrap();
        arrivals.resume(&bus, SHARD, round * 1_000).await;
    }
    assert!(bus.stats().resubscribed >= 3, "{:?}", bus.stats());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_deleted_under_load_and_new_frames_arrive() {
    let server = NatsServer::start();
    let bus = node(&server, options(Hops::JetStream)).await;
    let mut arrivals = attach(&bus, SHARD);
    let context = jetstream(&server).await;
    let sent = Arc::new(AtomicU64::new(0));
    let load = tokio::spawn({
        let (bus, sent) = (bus.clone(), sent.clone());
        async move {
            let mut pace = tokio::time::interval(Duration::from_millis(1));
            loop {
                pace.tick().await;
                for _ in 0..5 {
                    let ticket = sent.fetch_add(1, Ordering::SeqCst);
                    bus.send(SHARD, frame(vec![note(ticket, 100)]));
                }
            }
        }
    });
    for _ in 0..3 {
        arrivals.after(sent.load(Ordering::SeqCst)).await;
        context.delete_stream(SHARD_STREAM).await.unwrap();
        arrivals.after(sent.load(Ordering::SeqCst)).await;
    }
    load.abort();
}

/// A node that only sends has no subscription that would notice.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_nobody_listens_to_is_made_again_by_its_publisher() {
    let server = NatsServer::start();
    let bus = node(&server, options(Hops::JetStream)).await;
    let context = jetstream(&server).await;
    context.delete_stream(SHARD_STREAM).await.unwrap();
    until("a frame is confirmed again", || async {
        bus.send(SHARD, frame(vec![note(1, 10)]));
        bus.stats().frames_published > 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_is_deleted_and_traffic_resumes() {
    let server = NatsServer::start();
    let bus = node(&server, options(Hops::JetStream)).await;
    let context = jetstream(&server).await;
    for to in [SHARD, GATEWAY] {
        let mut arrivals = attach(&bus, to);
        arrivals.resume(&bus, to, 0).await;
        let stream = context.get_stream(if to == SHARD { SHARD_STREAM } else { "shop-frames-0" }).await.unwrap();
        let mut names = stream.consumer_names();
        while let Some(name) = futures::StreamExt::next(&mut names).await {
            stream.delete_consumer(&name.unwrap()).await.unwrap();
        }
        arrivals.resume(&bus, to, 1_000).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_is_killed_loses_everything_and_traffic_resumes() {
    let mut server = NatsServer::start();
    let bus = node(&server, options(Hops::JetStream)).await;
    let mut at_shard = attach(&bus, SHARD);
    let mut at_gateway = attach(&bus, GATEWAY);
    at_shard.resume(&bus, SHARD, 0).await;
    for round in 1..=3 {
        server.wipe();
        server.restart();
        at_shard.resume(&bus, SHARD, round * 1_000_000).await;
        at_gateway.resume(&bus, GATEWAY, round * 1_000_000).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_is_killed_keeps_its_files_and_what_was_not_acknowledged_comes_again() {
    let mut server = NatsServer::start();
    let mut options = options(Hops::JetStream);
    options.ack_wait = Duration::from_millis(500);
    let bus = node(&server, options).await;
    let mut arrivals = attach(&bus, SHARD);
    bus.send(SHARD, frame(vec![note(1, 10)]));
    let held = arrivals.next().await;
    server.kill();
    server.restart();
    assert_eq!(arrivals.next().await.frame, held.frame);
    arrivals.resume(&bus, SHARD, 1_000).await;
}

/// Pull consumers have stalled in silence, with the connection intact; only missing heartbeats tell.
#[tokio::test(flavor = "multi_thread")]
async fn silence_is_noticed_and_the_subscription_made_anew() {
    let server = NatsServer::start();
    let bus = node(&server, options(Hops::JetStream)).await;
    let mut arrivals = attach(&bus, SHARD);
    arrivals.resume(&bus, SHARD, 0).await;
    server.freeze();
    until("the silence is noticed", || async { bus.stats().resubscribed > 0 }).await;
    server.thaw();
    arrivals.resume(&bus, SHARD, 1_000_000).await;
}

/// An inlet must not panic; if it does, the actor behind it must not be cut off for ever in silence.
#[tokio::test(flavor = "multi_thread")]
async fn an_inlet_that_panics_gets_the_next_frame_all_the_same() {
    struct Clumsy(AtomicUsize);
    impl Inlet for Clumsy {
        fn deliver(&self, delivery: Delivery) {
            drop(delivery);
            assert!(self.0.fetch_add(1, Ordering::SeqCst) > 0, "the first one is too much");
        }
    }
    let server = NatsServer::start();
    let bus = node(&server, options(Hops::JetStream)).await;
    let clumsy = Arc::new(Clumsy(AtomicUsize::new(0)));
    bus.attach(SHARD, clumsy.clone());
    until("it gets more than the one that it panicked at", || async {
        bus.send(SHARD, frame(vec![note(1, 10)]));
        clumsy.0.load(Ordering::SeqCst) > 1
    })
    .await;
}
