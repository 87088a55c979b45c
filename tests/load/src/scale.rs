//! What so many machines would carry: a model of performance, for machines that are not at hand. It is deterministic.
//!
//! A transfer of two legs goes its whole way, under the saga: door, manager, the debit's shard, manager, the credit's shard, manager,
//! door. An actor takes all that waits for it in one turn, as the product does; the turn takes processors, then the append of its
//! commit to the ledger stream, for which the actor waits, then a flush of the disk; then one frame leaves for each destination, by
//! mailbox within a machine and in parcels, through a stream of frames, between machines. So how large batches and parcels are, and what is queued
//! where, comes out of the model; what goes in is [`Costs`] and [`Plant`].
//!
//! `world` is the model itself. Not in it: refusals, retries, faults, pauses of garbage collectors, and that a flush of one takes longer beside another's.

mod world;

use serde::Serialize;

use self::world::World;

/// What one step costs, in nanoseconds unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Costs {
    /// Processor: a transfer at the door, there and back.
    pub door: u64,
    /// Processor: a message in an actor's turn, its row included.
    pub message: u64,
    /// Processor: a turn, however many messages it takes.
    pub turn: u64,
    /// Processor: a parcel, at both its ends together.
    pub parcel: u64,
    /// A broker's processor: an append to a ledger stream, at the stream's leader; what reads it later included.
    pub appended: u64,
    /// The same: a parcel, stored, delivered and acknowledged.
    pub carried: u64,
    /// The same, for each message of ours within either.
    pub stored_each: u64,
    /// Of what a stream's leader does with a message, that part which it does one message after the other, in hundredths.
    pub serial_percent: u64,
    /// A broker's processor: what a follower has of the leader's costs, in hundredths.
    pub follower_percent: u64,
    /// A flush of a machine's disk.
    pub flush: u64,
    /// Flushes that a disk makes side by side.
    pub flushes_at_once: u64,
    /// Bytes of a message of ours, as frames and ledger streams have it.
    pub bytes: u64,
    /// What a broker can send in a second, in bytes.
    pub wire_bytes_per_s: u64,
}

/// What there is, and what is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Plant {
    /// Machines, each with one node.
    pub machines: u64,
    /// Processors of each, and of each broker.
    pub cores: u64,
    /// Brokers, on machines of their own; 0: one, on the first machine. From three on, each stream has three copies.
    pub brokers: u64,
    /// From any machine to any other and back, in nanoseconds.
    pub round_trip: u64,
    /// Account databases, spread evenly.
    pub shards: u64,
    /// Transfer databases, spread evenly.
    pub managers: u64,
    /// Streams that frames are spread over.
    pub frame_streams: u64,
    /// Whether frames within a machine go by mailbox.
    pub local: bool,
    /// Of a hundred transfers, how many pay into the same database.
    pub hot_percent: u64,
}

/// How transfers come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrival {
    /// From so many clients, each with one request of so many transfers in flight.
    Clients(u64, u64),
    /// In requests of so many, so many transfers in a second, whatever becomes of those before.
    Rate(f64, u64),
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Transfers that end in a second.
    pub transfers_per_s: f64,
    /// From request to answer, in milliseconds.
    pub p50_ms: f64,
    /// As above.
    pub p99_ms: f64,
    /// Parcels through the brokers, for each transfer.
    pub parcels_per_transfer: f64,
    /// Appends to ledger streams, for each transfer.
    pub appends_per_transfer: f64,
    /// What is in use for which part of the time, the busiest first; of each kind that one which is used most.
    pub uses: Vec<(&'static str, f64)>,
}

/// Lets a plant work for three seconds, and measures the last one.
#[must_use]
pub fn scale(costs: &Costs, plant: &Plant, arrival: Arrival) -> Outcome {
    World::new(costs, plant, arrival).run()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSTS: Costs = Costs {
        door: 5_000,
        message: 5_000,
        turn: 50_000,
        parcel: 20_000,
        appended: 20_000,
        carried: 20_000,
        stored_each: 500,
        serial_percent: 100,
        follower_percent: 50,
        flush: 200_000,
        flushes_at_once: 4,
        bytes: 250,
        wire_bytes_per_s: 1_000_000_000,
    };
    const PLANT: Plant = Plant {
        machines: 3,
        cores: 4,
        brokers: 3,
        round_trip: 200_000,
        shards: 24,
        managers: 6,
        frame_streams: 4,
        local: true,
        hot_percent: 0,
    };

    #[test]
    fn it_is_the_same_each_time() {
        let run = || scale(&COSTS, &PLANT, Arrival::Clients(6, 100));
        assert_eq!(run(), run());
    }

    /// Six hops and five commits, when nothing is queued: the answer can be reckoned by hand.
    #[test]
    fn a_transfer_alone_takes_as_long_as_its_steps_do() {
        let plant = Plant { machines: 1, brokers: 1, ..PLANT };
        let outcome = scale(&COSTS, &plant, Arrival::Clients(1, 1));
        let commit = COSTS.turn + COSTS.message + plant.round_trip + COSTS.appended + COSTS.stored_each + COSTS.flush;
        let ms = f64::from(u32::try_from(COSTS.door + 6 * 1_000 + 5 * commit).unwrap()) / 1e6;
        assert!((outcome.p50_ms - ms).abs() < 0.001, "{outcome:?}, and by hand {ms}");
        assert!((outcome.appends_per_transfer - 5.0).abs() < 0.1, "{outcome:?}");
        assert_eq!(outcome.parcels_per_transfer, 0.0, "all are within the machine");
    }

    #[test]
    fn more_machines_carry_more_until_what_all_share_is_full() {
        let plant = |machines, brokers, frame_streams| {
            let (shards, managers) = (8 * machines, 2 * machines);
            Plant { machines, brokers, frame_streams, shards, managers, ..PLANT }
        };
        let carried = |plant: &Plant| scale(&COSTS, plant, Arrival::Clients(8 * plant.machines, 500));
        let (three, six) = (carried(&plant(3, 3, 64)), carried(&plant(6, 6, 64)));
        assert!(six.transfers_per_s > 1.5 * three.transfers_per_s, "{three:?} {six:?}");
        let crowded = carried(&plant(12, 3, 4));
        let shared = ["a stream of frames", "network of a broker", "processors of a broker"];
        assert!(shared.contains(&crowded.uses[0].0), "{crowded:?}");
        assert!(crowded.transfers_per_s / 12.0 < six.transfers_per_s / 6.0, "{crowded:?} {six:?}");
        let quarter = scale(&COSTS, &plant(3, 3, 64), Arrival::Rate(three.transfers_per_s / 4.0, 500));
        assert!(quarter.p99_ms < three.p99_ms, "{quarter:?} {three:?}");
    }

    #[test]
    fn a_hot_database_is_what_breaks_first() {
        let costs = Costs { message: 50_000, ..COSTS };
        let plant = Plant { hot_percent: 100, brokers: 9, machines: 9, shards: 72, managers: 18, cores: 16, ..PLANT };
        let outcome = scale(&costs, &plant, Arrival::Clients(72, 1_000));
        assert_eq!(outcome.uses[0].0, "a shard's turns", "{outcome:?}");
    }
}
