//! What is for one node travels together, and what happens to one frame of a parcel is no other's business.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::consumer::{Consumer, pull::Config};
use remit_actors::{
    bus::{Bus, Home, Hops, NodeBus, Options},
    codec,
    message::Address,
};
use remit_core::id::ShardNo;
use remit_tests::nats::NatsServer;

use crate::stage::{GATEWAY, MANAGER, SHARD, attach, frame, jetstream, node, note, options, tickets, until};

/// The stream, and the consumer, of parcels for the node `eu-1`.
const STREAM: &str = "shop-frames-0";
const CONSUMER: &str = "n-eu-1";

fn at_home(hops: Hops, node: &str, run: Option<u64>) -> Options {
    Options { home: Some(Home { node: node.into(), run }), ..options(hops) }
}

/// Two nodes of which the second knows who lives at the first.
async fn two(server: &NatsServer) -> (Arc<NodeBus>, Arc<NodeBus>) {
    let one = node(server, at_home(Hops::Local, "eu-1", None)).await;
    let two = node(server, at_home(Hops::Local, "eu-2", None)).await;
    two.elsewhere([SHARD, MANAGER, GATEWAY].into_iter().map(|address| (address, "eu-1".into())));
    (one, two)
}

async fn unacknowledged(server: &NatsServer) -> Option<usize> {
    let context = jetstream(server).await;
    let consumer: Consumer<Config> = context.get_consumer_from_stream(CONSUMER, STREAM).await.ok()?;
    Some(consumer.cached_info().num_ack_pending)
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_for_the_actors_of_a_node_arrive_in_fewer_messages_of_the_broker() {
    let server = NatsServer::start();
    let bus = node(&server, at_home(Hops::JetStream, "eu-1", None)).await;
    let shards = (0..20).map(|no| Address::Shard(ShardNo(no)));
    let mut inlets: Vec<_> = shards.chain([MANAGER, GATEWAY]).map(|to| (to, attach(&bus, to))).collect();
    for ticket in 0..50 {
        inlets.iter().for_each(|(to, _)| bus.send(*to, frame(vec![note(ticket, 100)])));
    }
    for (to, arrivals) in &mut inlets {
        for ticket in 0..50 {
            assert_eq!(arrivals.tickets().await, [ticket], "{to:?}: each once, and in order");
        }
    }
    until("all of it is acknowledged", || async { unacknowledged(&server).await == Some(0) }).await;
    let stats = bus.stats();
    assert_eq!([stats.frames_received, stats.frames_sent_on, stats.frames_local], [22 * 50, 0, 0]);
    assert!(stats.parcels_received < 22 * 50 / 4, "{stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_another_node_goes_there_in_parcels() {
    let server = NatsServer::start();
    let (one, two) = two(&server).await;
    let (mut at_shard, mut at_gateway) = (attach(&one, SHARD), attach(&one, GATEWAY));
    two.send(SHARD, frame(vec![note(1, 10)]));
    two.send(GATEWAY, frame(vec![note(2, 10)]));
    assert_eq!((at_shard.tickets().await, at_gateway.tickets().await), (vec![1], vec![2]));
    assert!(one.stats().parcels_received > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parcel_comes_again_whose_frame_was_not_done_with() {
    let server = NatsServer::start();
    let mut options = at_home(Hops::JetStream, "eu-1", None);
    options.ack_wait = Duration::from_millis(300);
    let bus = node(&server, options).await;
    let mut at_shard = attach(&bus, SHARD);
    bus.send(SHARD, frame(vec![note(1, 10)]));
    // As a turn does that fails.
    at_shard.next().await.receipt.unwrap().keep();
    let again = at_shard.next().await;
    assert_eq!(tickets(&again.frame), [1]);
    again.receipt.unwrap().acknowledge();
    until("all of it is acknowledged", || async { unacknowledged(&server).await == Some(0) }).await;
    assert_eq!(bus.stats().frames_sent_on, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_for_an_actor_that_has_moved_go_to_whoever_runs_it_next() {
    let server = NatsServer::start();
    let (one, two) = two(&server).await;
    let mut at_manager = attach(&one, MANAGER);
    for ticket in 0..10 {
        two.send(SHARD, frame(vec![note(ticket, 10)]));
        two.send(MANAGER, frame(vec![note(ticket, 10)]));
    }
    for ticket in 0..10 {
        assert_eq!(at_manager.tickets().await, [ticket]);
    }
    until("the shard's are sent on", || async { one.stats().frames_sent_on == 10 }).await;
    let mut at_shard = attach(&two, SHARD);
    for ticket in 0..10 {
        assert_eq!(at_shard.tickets().await, [ticket]);
    }
    until("nothing is left", || async { unacknowledged(&server).await == Some(0) }).await;
}

/// An actor that ends drops what waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_is_dropped_without_a_word_is_there_again_at_once() {
    let server = NatsServer::start();
    let bus = node(&server, at_home(Hops::JetStream, "eu-1", None)).await;
    let mut arrivals = attach(&bus, SHARD);
    bus.send(SHARD, frame(vec![note(1, 10)]));
    drop(arrivals.next().await);
    let again = arrivals.next().await;
    assert_eq!(tickets(&again.frame), [1]);
    assert_eq!(bus.stats().frames_sent_on, 1);
    // Under its own name nothing more happens to it until its time is up.
    again.receipt.unwrap().acknowledge();
    until("nothing is left", || async { unacknowledged(&server).await == Some(0) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_actor_takes_no_room_from_the_others() {
    let server = NatsServer::start();
    let bus = node(&server, at_home(Hops::JetStream, "eu-1", None)).await;
    let (mut at_shard, mut at_manager) = (attach(&bus, SHARD), attach(&bus, MANAGER));
    bus.send(SHARD, frame(vec![note(1, 10)]));
    bus.send(MANAGER, frame(vec![note(2, 10)]));
    let slow = at_shard.next().await;
    assert_eq!(at_manager.tickets().await, [2]);
    until("the parcel is acknowledged without it", || async { unacknowledged(&server).await == Some(0) }).await;
    let again = at_shard.next().await;
    assert_eq!(again.frame, slow.frame, "it is stored under the actor's own name, in case this one never answers");
    slow.receipt.unwrap().acknowledge();
    again.receipt.unwrap().acknowledge();
    assert_eq!(bus.stats().frames_sent_on, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_frame_in_a_parcel_is_a_dead_letter_and_the_others_arrive() {
    let server = NatsServer::start();
    let bus = node(&server, at_home(Hops::JetStream, "eu-1", None)).await;
    let mut arrivals = attach(&bus, SHARD);
    let good = codec::encode(&frame(vec![note(1, 10)]));
    let mut parcel = vec![codec::VERSION];
    for bytes in [&b"rubbish"[..], &good] {
        parcel.extend([&[0, 5, 0, 0, 0, 0, 0, 0, 0][..], &u32::try_from(bytes.len()).unwrap().to_le_bytes()].concat());
        parcel.extend(bytes);
    }
    let context = jetstream(&server).await;
    for payload in [parcel, b"no parcel".to_vec()] {
        context.publish("shop.frame.0.n-eu-1.reply", payload.into()).await.unwrap().await.unwrap();
    }
    assert_eq!(arrivals.tickets().await, [1]);
    until("both are kept", || async { bus.stats().dead_letters == 2 }).await;
    let letters = context.get_stream("shop-dead-letters").await.unwrap();
    let mut kept = vec![];
    for sequence in 1..=2 {
        let letter = letters.get_raw_message(sequence).await.unwrap();
        kept.push((letter.subject.to_string(), letter.payload));
    }
    assert_eq!(kept[0], ("shop.dead-letter.s5".into(), "rubbish".into()));
    assert_eq!(kept[1], ("shop.dead-letter.n-eu-1".into(), "no parcel".into()));
    until("nothing is left", || async { unacknowledged(&server).await == Some(0) }).await;
}

/// A node that was killed and comes back under its name must not wait for what its predecessor pulled.
#[tokio::test(flavor = "multi_thread")]
async fn each_run_of_a_node_gets_every_parcel() {
    let server = NatsServer::start();
    let frozen = node(&server, at_home(Hops::JetStream, "eu-1", Some(7))).await;
    let anew = node(&server, at_home(Hops::JetStream, "eu-1", Some(8))).await;
    let (mut at_frozen, mut at_anew) = (attach(&frozen, SHARD), attach(&anew, SHARD));
    for ticket in 0..50 {
        anew.send(SHARD, frame(vec![note(ticket, 10)]));
    }
    for arrivals in [&mut at_frozen, &mut at_anew] {
        for ticket in 0..50 {
            assert_eq!(arrivals.tickets().await, [ticket]);
        }
    }
}
