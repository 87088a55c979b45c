//! The model itself: what happens next, and who is busy how long with it.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BTreeMap, BinaryHeap},
};

use super::{Arrival, Costs, Outcome, Plant};
use crate::{Numbers, as_f64, share};

/// How long the model runs before it is measured, and then, in nanoseconds.
const WARM_UP: u64 = 2_000_000_000;
const MEASURED: u64 = 1_000_000_000;
/// Messages that a turn takes: `loop.batch_messages_max`.
const TURN_MAX: usize = 4_096;
/// How long what waits for a machine is let gather while a confirmation is due, in nanoseconds; and for each so many frames that left,
/// a millisecond, within a limit. The bus does so.
const GATHER: u64 = 1_000_000;
const FRAMES_PER_MS: u64 = 10;
const GATHER_MS_MAX: u64 = 2;
/// By mailbox, in nanoseconds.
const MAILBOX: u64 = 1_000;
const SECOND: f64 = 1e9;

/// Some alike that serve one after the other each: processors, a disk's queues, a stream.
struct Pool {
    free_at: Vec<u64>,
    busy: u64,
}

impl Pool {
    fn new(number: u64) -> Self {
        Self { free_at: vec![0; usize::try_from(number.max(1)).unwrap_or(1)], busy: 0 }
    }

    /// When that is done which comes now and takes so long.
    fn serve(&mut self, now: u64, takes: u64) -> u64 {
        let first = self.free_at.iter_mut().min().expect("there is at least one");
        *first = now.max(*first) + takes;
        self.busy += takes;
        *first
    }

    fn used(&self) -> f64 {
        as_f64(self.busy) / as_f64(MEASURED * self.free_at.len() as u64)
    }
}

struct Actor {
    waiting: Vec<u32>,
    /// What its turn has taken; it has one under way while this is not empty.
    taken: Vec<u32>,
    turns: u64,
    messages: u64,
}

struct Transfer {
    request: u32,
    stops: [u16; 6],
    at: usize,
}

struct Request {
    began: u64,
    open: u64,
}

enum What {
    Arrive { door: u64, transfers: u64 },
    Append(usize),
    Flush(usize),
    Send(usize),
    Leave(Way, u64),
    Confirm(Way, u64),
    Store(Way, u64, Vec<Frame>),
    Receive(Way, Vec<Frame>),
    Deliver(u16, Vec<u32>),
    Measure,
}

/// From a machine to a machine.
type Way = (usize, usize);
/// Where it goes, and whose messages it has.
type Frame = (u16, Vec<u32>);

/// What leaves a machine for another one, in parcels.
#[derive(Default)]
struct Outgoing {
    waiting: Vec<Frame>,
    /// The how many-th of its parcels lacks its confirmation, if one does and it is not let gather too long.
    unconfirmed: Option<u64>,
    /// Whether that is let gather whatever is confirmed.
    gathers: bool,
    parcels: u64,
}

struct Event(u64, u64, What);

impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Event {}

/// A plant at work. Places are numbered: managers, then shards, then doors.
pub(super) struct World<'w> {
    costs: &'w Costs,
    plant: &'w Plant,
    arrival: Arrival,
    numbers: Numbers,
    now: u64,
    made: u64,
    events: BinaryHeap<Reverse<Event>>,
    processors: Vec<Pool>,
    disks: Vec<Pool>,
    broker_processors: Vec<Pool>,
    wires: Vec<Pool>,
    /// Those of frames, then one for each actor.
    streams: Vec<Pool>,
    actors: Vec<Actor>,
    ways: BTreeMap<Way, Outgoing>,
    transfers: Vec<Transfer>,
    requests: Vec<Request>,
    completed: u64,
    parcels: u64,
    latencies: Vec<f64>,
}

impl<'w> World<'w> {
    pub(super) fn new(costs: &'w Costs, plant: &'w Plant, arrival: Arrival) -> Self {
        let pools = |number: u64, each: u64| (0..number).map(|_| Pool::new(each)).collect::<Vec<_>>();
        let actors = plant.managers + plant.shards;
        let actor = |_| Actor { waiting: Vec::new(), taken: Vec::new(), turns: 0, messages: 0 };
        Self {
            costs,
            plant,
            arrival,
            numbers: Numbers(1),
            now: 0,
            made: 0,
            events: BinaryHeap::new(),
            processors: pools(plant.machines, plant.cores),
            disks: pools(plant.machines, costs.flushes_at_once),
            broker_processors: pools(plant.brokers, plant.cores),
            wires: pools(plant.brokers.max(1), 1),
            streams: pools(plant.frame_streams + actors, 1),
            actors: (0..actors).map(actor).collect(),
            ways: BTreeMap::new(),
            transfers: Vec::new(),
            requests: Vec::new(),
            completed: 0,
            parcels: 0,
            latencies: Vec::new(),
        }
    }

    /// Runs to its end.
    pub(super) fn run(mut self) -> Outcome {
        self.after(WARM_UP, What::Measure);
        match self.arrival {
            Arrival::Clients(clients, transfers) => {
                // Not all in the same moment.
                (0..clients).for_each(|no| self.after(no * 10_000, What::Arrive { door: no, transfers }));
            }
            Arrival::Rate(_, transfers) => self.after(0, What::Arrive { door: 0, transfers }),
        }
        while let Some(Reverse(Event(at, _, what))) = self.events.pop() {
            if at > WARM_UP + MEASURED {
                break;
            }
            self.now = at;
            self.happen(what);
        }
        self.outcome()
    }

    fn after(&mut self, time: u64, what: What) {
        self.made += 1;
        self.events.push(Reverse(Event(self.now + time, self.made, what)));
    }

    fn at(&mut self, time: u64, what: What) {
        self.after(time.saturating_sub(self.now), what);
    }

    /// The machine of a place.
    fn machine(&self, place: u16) -> usize {
        let (place, managers, shards) = (u64::from(place), self.plant.managers, self.plant.shards);
        let within = [managers, shards].into_iter().try_fold(place, |left, some| left.checked_sub(some).ok_or(left));
        index(within.unwrap_or_else(|within| within) % self.plant.machines)
    }

    fn happen(&mut self, what: What) {
        let one_way = self.plant.round_trip / 2;
        match what {
            What::Arrive { door, transfers } => self.arrive(door, transfers),
            What::Append(actor) => {
                let stream = index(self.plant.frame_streams) + actor;
                let stored = self.store(stream, self.costs.appended, self.actors[actor].taken.len());
                self.at(stored + one_way, What::Flush(actor));
            }
            What::Flush(actor) => {
                let machine = self.machine(place(actor));
                let flushed = self.disks[machine].serve(self.now, self.costs.flush);
                self.at(flushed, What::Send(actor));
            }
            What::Send(actor) => {
                let taken = std::mem::take(&mut self.actors[actor].taken);
                self.send(self.machine(place(actor)), taken);
                self.begin(actor);
            }
            What::Leave(way, parcel) => {
                let outgoing = self.ways.entry(way).or_default();
                if outgoing.unconfirmed == Some(parcel) {
                    outgoing.unconfirmed = None;
                    self.leave(way);
                }
            }
            What::Confirm(way, parcel) => {
                if !self.ways.entry(way).or_default().gathers {
                    self.happen(What::Leave(way, parcel));
                }
            }
            What::Store(way, parcel, frames) => {
                self.parcels += 1;
                let stream = way.1 % index(self.plant.frame_streams);
                let messages = frames.iter().map(|(_, transfers)| transfers.len()).sum();
                let stored = self.store(stream, self.costs.carried, messages);
                self.at(stored + one_way, What::Confirm(way, parcel));
                self.at(stored + one_way, What::Receive(way, frames));
            }
            What::Receive((_, machine), frames) => {
                let received = self.processors[machine].serve(self.now, self.costs.parcel / 2);
                frames.into_iter().for_each(|(to, transfers)| self.at(received, What::Deliver(to, transfers)));
            }
            What::Deliver(to, transfers) => self.deliver(to, transfers),
            What::Measure => self.measure(),
        }
    }

    /// A request, at a door; and when the next one comes, if that does not wait for this one.
    fn arrive(&mut self, door: u64, number: u64) {
        if let Arrival::Rate(per_s, transfers) = self.arrival {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "nanoseconds above 0")]
            let pause = (-(1.0 - self.numbers.share()).ln() / per_s * as_f64(transfers) * SECOND) as u64;
            self.after(pause, What::Arrive { door: door + 1, transfers });
        }
        let Plant { managers, shards, hot_percent, machines, .. } = *self.plant;
        let machine = index(door % machines);
        let request = u32::try_from(self.requests.len()).expect("a second has fewer");
        self.requests.push(Request { began: self.now, open: number });
        let first = self.transfers.len();
        for _ in 0..number {
            let (manager, from) = (self.numbers.below(managers), managers + self.numbers.below(shards));
            let is_hot = self.numbers.below(100) < hot_percent;
            let to = managers + if is_hot { 0 } else { self.numbers.below(shards) };
            let stops = [manager, from, manager, to, manager, managers + shards + machine as u64];
            self.transfers.push(Transfer { request, stops: stops.map(|stop| place(index(stop))), at: 0 });
        }
        let served = self.processors[machine].serve(self.now, self.costs.door * number);
        let transfers = (first..self.transfers.len()).map(|no| u32::try_from(no).expect("a second has fewer"));
        // The door's work is behind it when they leave.
        let (now, transfers) = (std::mem::replace(&mut self.now, served), transfers.collect());
        self.send(machine, transfers);
        self.now = now;
    }

    /// Sends each where it goes next: one frame for each place.
    fn send(&mut self, from: usize, transfers: Vec<u32>) {
        let mut frames: BTreeMap<u16, Vec<u32>> = BTreeMap::new();
        for no in transfers {
            let transfer = &self.transfers[no as usize];
            frames.entry(transfer.stops[transfer.at]).or_default().push(no);
        }
        for (to, transfers) in frames {
            if self.plant.local && self.machine(to) == from {
                self.after(MAILBOX, What::Deliver(to, transfers));
            } else {
                let way = (from, self.machine(to));
                self.ways.entry(way).or_default().waiting.push((to, transfers));
                self.leave(way);
            }
        }
    }

    /// A parcel of all that waits, unless that is still let gather.
    fn leave(&mut self, way: Way) {
        let outgoing = self.ways.entry(way).or_default();
        if outgoing.unconfirmed.is_some() || outgoing.waiting.is_empty() {
            return;
        }
        let frames = std::mem::take(&mut outgoing.waiting);
        outgoing.parcels += 1;
        let parcel = outgoing.parcels;
        outgoing.unconfirmed = Some(parcel);
        let gather_ms = (frames.len() as u64 / FRAMES_PER_MS).min(GATHER_MS_MAX);
        outgoing.gathers = gather_ms > 0;
        let sent = self.processors[way.0].serve(self.now, self.costs.parcel / 2);
        self.at(sent + self.plant.round_trip / 2, What::Store(way, parcel, frames));
        self.after(GATHER.max(gather_ms * 1_000_000), What::Leave(way, parcel));
    }

    /// When a stream has stored a message that takes so long beside what is in it, in all its copies.
    fn store(&mut self, stream: usize, takes: u64, messages: usize) -> u64 {
        let takes = takes + self.costs.stored_each * messages as u64;
        let in_turn = self.streams[stream].serve(self.now, takes * self.costs.serial_percent / 100);
        let brokers = self.broker_processors.len();
        if brokers == 0 {
            return self.processors[0].serve(self.now, takes).max(in_turn);
        }
        let copies = if brokers >= 3 { 3 } else { 1 };
        let mut stored = self.broker_processors[stream % brokers].serve(self.now, takes).max(in_turn);
        // It leaves for each follower, and for whoever reads it; what comes in is no more, and comes on the other wire.
        let bytes = u128::from(self.costs.bytes * messages as u64 * copies) * 1_000_000_000;
        let wire = u64::try_from(bytes / u128::from(self.costs.wire_bytes_per_s)).unwrap_or(u64::MAX);
        stored = stored.max(self.wires[stream % brokers].serve(self.now, wire));
        for follower in 1..index(copies) {
            let (follower, takes) = ((stream + follower) % brokers, takes * self.costs.follower_percent / 100);
            stored = stored.max(self.broker_processors[follower].serve(self.now, takes) + self.plant.round_trip);
        }
        stored
    }

    fn deliver(&mut self, to: u16, transfers: Vec<u32>) {
        for no in &transfers {
            self.transfers[*no as usize].at += 1;
        }
        let actor = usize::from(to);
        if actor >= self.actors.len() {
            return transfers.into_iter().for_each(|no| self.end(no));
        }
        self.actors[actor].waiting.extend(transfers);
        if self.actors[actor].taken.is_empty() {
            self.begin(actor);
        }
    }

    /// A turn, if anything waits.
    fn begin(&mut self, no: usize) {
        let actor = &mut self.actors[no];
        let number = actor.waiting.len().min(TURN_MAX);
        if number == 0 {
            return;
        }
        actor.taken = actor.waiting.drain(..number).collect();
        (actor.turns, actor.messages) = (actor.turns + 1, actor.messages + number as u64);
        let machine = self.machine(place(no));
        let takes = self.costs.turn + self.costs.message * number as u64;
        let decided = self.processors[machine].serve(self.now, takes);
        self.at(decided + self.plant.round_trip / 2, What::Append(no));
    }

    fn end(&mut self, no: u32) {
        self.completed += 1;
        let transfer = &self.transfers[no as usize];
        let door = u64::from(transfer.stops[5]) - self.plant.managers - self.plant.shards;
        let request = &mut self.requests[transfer.request as usize];
        request.open -= 1;
        if request.open == 0 {
            self.latencies.push(as_f64(self.now - request.began) / 1e6);
            if let Arrival::Clients(_, transfers) = self.arrival {
                self.after(0, What::Arrive { door, transfers });
            }
        }
    }

    fn measure(&mut self) {
        let pools =
            [&mut self.processors, &mut self.disks, &mut self.broker_processors, &mut self.wires, &mut self.streams];
        pools.into_iter().flatten().for_each(|pool| pool.busy = 0);
        self.actors.iter_mut().for_each(|actor| (actor.turns, actor.messages) = (0, 0));
        (self.completed, self.parcels) = (0, 0);
        self.latencies.clear();
    }

    fn outcome(mut self) -> Outcome {
        self.latencies.sort_by(f64::total_cmp);
        let each = |number: u64| as_f64(number) / as_f64(self.completed.max(1));
        let most = |pools: &[Pool]| pools.iter().map(Pool::used).fold(0.0, f64::max);
        let full = |actors: &[Actor]| {
            let full = |actor: &Actor| as_f64(actor.messages) / as_f64(actor.turns.max(1) * TURN_MAX as u64);
            actors.iter().map(full).fold(0.0, f64::max)
        };
        let (frames, ledgers) = self.streams.split_at(index(self.plant.frame_streams));
        let (managers, shards) = self.actors.split_at(index(self.plant.managers));
        let mut uses = vec![
            ("processors of a node", most(&self.processors)),
            ("disk of a node", most(&self.disks)),
            ("processors of a broker", most(&self.broker_processors)),
            ("network of a broker", most(&self.wires)),
            ("a stream of frames", most(frames)),
            ("a ledger stream", most(ledgers)),
            ("a manager's turns", full(managers)),
            ("a shard's turns", full(shards)),
        ];
        uses.sort_by(|one, other| other.1.total_cmp(&one.1));
        Outcome {
            transfers_per_s: as_f64(self.completed) / (as_f64(MEASURED) / SECOND),
            p50_ms: share(&self.latencies, 50),
            p99_ms: share(&self.latencies, 99),
            parcels_per_transfer: each(self.parcels),
            appends_per_transfer: each(self.actors.iter().map(|actor| actor.turns).sum()),
            uses,
        }
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("it is far below what memory has")
}

fn place(number: usize) -> u16 {
    u16::try_from(number).expect("there are fewer than 65,536 places")
}
