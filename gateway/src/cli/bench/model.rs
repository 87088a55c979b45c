//! `--model`: what machines would carry that are not at hand, by [`remit_load::scale`], from what was measured on one that is.

use comfy_table::Cell;
use remit_load::scale::{Arrival, Costs, Outcome, Plant, scale};
use serde::Serialize;

use crate::cli::{
    bench,
    error::Error,
    exit::Exit,
    import::progress,
    render::{self, as_f64, count, hundredths},
    session::Session,
};

/// What the model is fed with. `fitted`: to what `remit bench --nodes 1 --protocol saga` says of processors, with `--hops local` and with
/// `--hops jetstream`, each with `--batch 1000`, with `--batch 50`, and with `--batch 1 --clients 64`: what the costs of a transfer
/// rise by with its appends, and with its parcels, is an append's and a parcel's; the rest is a transfer's own. On two processors of a
/// virtual machine.
const COSTS: Costs = Costs {
    door: 5_000,        // fitted, together with `message`: how the two share it is assumed
    message: 3_000,     // fitted
    turn: 155_000,      // fitted
    parcel: 25_000,     // fitted
    appended: 50_000,   // fitted
    carried: 25_000,    // fitted
    stored_each: 1_000, // fitted
    // Assumed: parsing, delivering and acknowledgements go on beside it.
    serial_percent: 50,
    // Assumed: a follower neither answers nor delivers.
    follower_percent: 60,
    // Measured: the median of 300 flushes of 8 KiB, one after the other, on the same machine.
    flush: 200_000,
    // Assumed, of a solid-state disk.
    flushes_at_once: 4,
    // Estimated: what ledger streams and archives had grown by, for each of the five rows of a transfer.
    bytes: 200,
    // Assumed: 10 Gbit/s.
    wire_bytes_per_s: 1_250_000_000,
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "A model, instead of a measurement")]
pub(super) struct Model {
    /// Measure nothing: reckon what so many machines would carry, one line each
    #[arg(long, value_name = "MACHINES", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..=100))]
    model: Vec<u64>,
    /// Brokers, on machines of their own; 0: one, on the first machine [default: 1, and from three machines on 3]
    #[arg(long, value_name = "N", requires = "model", value_parser = clap::value_parser!(u64).range(0..=100))]
    brokers: Option<u64>,
    /// Processors of each machine
    #[arg(long, value_name = "N", requires = "model", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=256))]
    cores: u64,
    /// From one machine to another and back, in microseconds: 200 within a zone, 1000 between zones, 30000 between regions
    #[arg(long, value_name = "US", requires = "model", default_value_t = 200, value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    round_trip_us: u64,
}

/// One number of machines.
#[derive(Debug, Serialize)]
struct Line {
    #[serde(flatten)]
    plant: Plant,
    raft_groups_per_broker: u64,
    /// With as much to do as the clients can ask for.
    most: Outcome,
    /// With half of that, whatever becomes of it.
    at_half: Outcome,
}

impl Model {
    /// Whether it is asked for.
    pub(super) const fn is_given(&self) -> bool {
        !self.model.is_empty()
    }
}

/// Reckons, and says what came of it.
pub(super) fn run(args: &bench::Args, session: &Session) -> Result<Exit, Error> {
    let frame_streams = session.settings([])?.settings.bus.frame_streams.into();
    let hot_percent = match args.skew {
        remit_load::Skew::Uniform => 0,
        remit_load::Skew::OneHotAccount => 100,
        remit_load::Skew::Zipf(_) => {
            return Err(Error::Usage("the model knows --skew uniform and one-hot-account".to_owned()));
        }
    };
    let bar = progress::bar("machines");
    bar.set_length(args.model.model.iter().sum());
    let mut lines = Vec::new();
    for machines in &args.model.model {
        let (machines, model) = (*machines, &args.model);
        let plant = Plant {
            machines,
            cores: model.cores,
            brokers: model.brokers.unwrap_or(if machines < 3 { 1 } else { 3 }),
            round_trip: model.round_trip_us * 1_000,
            shards: args.node.shards.map_or((4 * machines).max(16), u64::from),
            managers: args.node.managers.map_or(machines.max(4), u64::from),
            frame_streams,
            local: args.node.hops == "local",
            hot_percent,
        };
        let most = scale(&COSTS, &plant, Arrival::Clients(args.clients * machines, args.batch));
        let at_half = scale(&COSTS, &plant, Arrival::Rate(most.transfers_per_s / 2.0, args.batch));
        let line = Line { plant, raft_groups_per_broker: groups(&plant), most, at_half };
        if session.output().is_json() {
            session.output().json(&line)?;
        }
        lines.push(line);
        bar.inc(machines);
    }
    bar.finish_and_clear();
    if !session.output().is_json() {
        session.output().text(&table(&lines))?;
    }
    Ok(Exit::CameTrue)
}

/// What a broker keeps in agreement with two others: of each database a ledger stream, its archive and a consumer, and then the streams
/// of frames and the bucket of who runs what. NATS's makers advise about 2,000 (nats-server, issue 8350).
fn groups(plant: &Plant) -> u64 {
    let all = 3 * (plant.shards + plant.managers) + plant.frame_streams + 1;
    if plant.brokers < 3 { 0 } else { (3 * all).div_ceil(plant.brokers) }
}

fn table(lines: &[Line]) -> String {
    let mut table = render::table([
        "machines>",
        "brokers>",
        "databases>",
        "transfers/s>",
        "p50 ms>",
        "p99 ms>",
        "parcels>",
        "appends>",
        "groups>",
        "busiest",
        "and then",
    ]);
    for Line { plant, raft_groups_per_broker, most, at_half } in lines {
        let busy = |no: usize| {
            most.uses.get(no).map_or_else(String::new, |(what, used)| format!("{what} {:.0} %", used * 100.0))
        };
        // What waits grows all the time then, and so would its latency.
        let is_carried = at_half.transfers_per_s > 0.9 * most.transfers_per_s / 2.0;
        let ms = |ms: f64| if is_carried { format!("{}", hundredths(ms)) } else { "-".to_owned() };
        table.add_row([
            Cell::new(plant.machines),
            Cell::new(plant.brokers),
            Cell::new(format!("{} + {}", plant.shards, plant.managers)),
            Cell::new(format!("{:.0}", most.transfers_per_s)),
            Cell::new(ms(at_half.p50_ms)),
            Cell::new(ms(at_half.p99_ms)),
            Cell::new(hundredths(most.parcels_per_transfer)),
            Cell::new(hundredths(most.appends_per_transfer)),
            Cell::new(count(*raft_groups_per_broker)),
            Cell::new(busy(0)),
            Cell::new(busy(1)),
        ]);
    }
    let us = |ns: u64| as_f64(ns) / 1e3;
    let Costs { door, message, turn, parcel, appended, carried, stored_each, flush, .. } = COSTS;
    let Costs { bytes, serial_percent, follower_percent, flushes_at_once, wire_bytes_per_s, .. } = COSTS;
    format!(
        "{}\n(A model. p50 and p99: with requests for half of these transfers/s; -: which is more than is carried for long, the batches being smaller. Parcels and appends: for each transfer. Groups: of Raft, on each \
         broker.\n Measured, in us of a processor: a transfer at the door {}, a message in a turn {}, a turn {}, a parcel {}; of a broker's, an \
         append {}, a parcel {}, and {} for each message within; and a flush {} us.\n Assumed: a stream's leader does {serial_percent} % of that one after the other, a follower has {follower_percent} % of it, a \
         disk makes {flushes_at_once} flushes at once, a message has {bytes} bytes, a broker's network {} Gbit/s.)",
        render::text(&table),
        us(door),
        us(message),
        us(turn),
        us(parcel),
        us(appended),
        us(carried),
        us(stored_each),
        us(flush),
        wire_bytes_per_s * 8 / 1_000_000_000,
    )
}
