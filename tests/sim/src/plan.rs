//! What a seed means: the size of the deployment, its traffic, and how often what goes wrong.
//!
//! Everything is drawn here, before anything happens, so that a plan can be printed whole. Seeds differ in which faults there
//! are at all, not only in how many: a bug that needs quiet to show would never be seen where everything always fails.

use std::fmt;

use remit_actors::{
    faults::{Chance, Dice, Faults},
    manager::ManagerOptions,
    store::{books::BooksOptions, register::RegisterOptions},
};
use remit_core::protocol::Protocol;

/// The throws of the plan itself.
const PURPOSE: u64 = 0;
/// The throw of how likely orders are.
const ORDERS: u64 = 1;
/// The throws of what is replicated.
const REPLICATED: u64 = 6;

/// A simulation, as its seed draws it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// How many transfers are submitted.
    pub transfers: u64,
    /// Account shards.
    pub shards: u16,
    /// Manager partitions.
    pub managers: u16,
    /// Nodes, over which shards and managers are spread.
    pub nodes: u16,
    /// Clients, each behind a gateway of its own.
    pub clients: u16,
    /// Accounts in each shard: the fewer, the hotter.
    pub accounts: u64,
    /// The most legs of a transfer.
    pub legs_max: u64,
    /// The protocols that are drawn from.
    pub protocols: Vec<Protocol>,
    /// The most transfers that a client submits at once.
    pub burst_max: u64,
    /// The pause between what a client does, at most, in milliseconds.
    pub pause_ms_max: u64,
    /// How long faults last at least, in milliseconds.
    pub storm_ms: u64,
    /// The longest deadline of a transfer, in milliseconds.
    pub deadline_ms_max: u64,
    /// How likely a client, whenever it does something, gives a command about an account too, or asks for all of them.
    pub commands: Chance,
    /// How likely a transfer is one with a purse: an account that is opened, used for a while, and closed.
    pub purses: Chance,
    /// How likely an operator, whenever a client does something, gives an order about an open transfer.
    pub orders: Chance,
    /// Whether amounts are so large that balances overflow.
    pub whales: bool,
    /// Whether frames go by the broker, which delivers again what is not acknowledged; else by mailbox.
    pub broker: bool,
    /// How long a frame takes, at most, in milliseconds.
    pub latency_ms_max: u64,
    /// How long an actor lets frames gather before its turn, at most, in milliseconds.
    pub turn_ms_max: u64,
    /// Messages that one turn takes.
    pub batch_messages_max: usize,
    /// Messages that may wait, for each class.
    pub room: usize,
    /// The managers.
    pub manager: ManagerOptions,
    /// The shards' memory.
    pub books: BooksOptions,
    /// The most messages of a frame.
    pub frame_messages_max: usize,
    /// Whether audits compute everything anew now and then, and at the end: that is most of a seed's time.
    pub full_audits: bool,
    /// How journals are replicated; else each has one disk, whatever node it runs on.
    pub replicated: Option<Replicated>,
    /// What goes wrong with frames and commits.
    pub faults: Faults,
    /// The pause between further faults, at most, in milliseconds; 0 if there are none.
    pub chaos_ms_max: u64,
    /// The further faults that there are.
    pub chaos: Vec<Chaos>,
}

/// A deployment of several nodes, whose journals are in streams first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replicated {
    /// What one message takes of a commit, in bytes.
    pub part_bytes: usize,
    /// How likely an append is not heard of again, whether it comes true, comes late, or never.
    pub unheard: Chance,
}

/// A fault of a whole actor, node or broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chaos {
    /// An actor is gone.
    Crash,
    /// An actor panics: its successor takes up what is open one by one.
    Panic,
    /// A database crashes at one of its next writes.
    CrashAtWrite,
    /// All actors of a node are gone.
    NodeCrash,
    /// A node loses power: what was not flushed is gone too.
    PowerLoss,
    /// An actor stands still; a successor takes over; then the old one goes on as if nothing had been.
    Pause,
    /// Nothing leaves a node.
    CutOut,
    /// Nothing reaches a node.
    CutIn,
    /// The broker forgets everything that it has.
    Wipe,
    /// A node's clock is set forward or back.
    ClockJump,
    /// The start record of an open transfer can't be read any more.
    Rot,
    /// An actor hears nobody, and nobody hears it.
    Away,
    /// A node stands still; others take over; then it goes on as if nothing had been.
    Freeze,
    /// A node and the others can't ask each other.
    Apart,
    /// A node does not reach the broker.
    Offline,
    /// A stream does not answer.
    StreamAway,
    /// Two nodes both hold a journal to be theirs, and try in turns.
    Contend,
    /// A journal moves as planned.
    Move,
    /// The broker loses the last few messages of a stream.
    Rollback,
    /// The broker loses all streams.
    StreamsLost,
}

impl Chaos {
    /// Those of any deployment.
    pub const ALL: [Self; 12] = [
        Self::Crash,
        Self::Panic,
        Self::CrashAtWrite,
        Self::NodeCrash,
        Self::PowerLoss,
        Self::Pause,
        Self::CutOut,
        Self::CutIn,
        Self::Wipe,
        Self::ClockJump,
        Self::Rot,
        Self::Away,
    ];
    /// Those that only a replicated one has.
    pub const REPLICATED: [Self; 8] = [
        Self::Freeze,
        Self::Apart,
        Self::Offline,
        Self::StreamAway,
        Self::Contend,
        Self::Move,
        Self::Rollback,
        Self::StreamsLost,
    ];
}

impl Plan {
    /// The plan of a seed, with so many transfers.
    #[must_use]
    pub fn new(seed: u64, transfers: u64) -> Self {
        let mut dice = Dice::new(seed, PURPOSE);
        let dice = &mut dice;
        let shards = size(dice, 2, 5);
        let all: Vec<Protocol> = Protocol::all().collect();
        let burst_max = *dice.pick(&[1, 4, 16, 64]);
        let books = BooksOptions {
            accounts_max: *dice.pick(&[1, 4, 1_000]),
            legs_max: *dice.pick(&[1, 8, 100, 10_000]),
            flush_rows: dice.between(2, 300),
        };
        let register = RegisterOptions { ended_max: *dice.pick(&[1, 8, 10_000]), flush_rows: dice.between(2, 300) };
        let retry_first_ms = dice.between(50, 500);
        let manager = ManagerOptions {
            register,
            open_max: *dice.pick(&[4, 32, 1_000]),
            retry_first_ms,
            retry_max_ms: dice.between(retry_first_ms, 2_000),
            retries_per_second_max: *dice.pick(&[50, 1_000, 100_000]),
            overdue_ms: dice.between(1_000, 20_000),
            frame_messages_max: *dice.pick(&[1, 10, 1_000]),
        };
        let some = |dice: &mut Dice, most: u64| {
            let most = if dice.hits(Chance::percent(60)) { dice.between(0, most) } else { 0 };
            Chance::per_million(u32::try_from(most * 1_000).unwrap_or(u32::MAX))
        };
        let faults = Faults {
            seed,
            frame_lost: some(dice, 150),
            frame_doubled: some(dice, 200),
            frame_late: some(dice, 300),
            late_ms_max: *dice.pick(&[5, 200, 3_000]),
            frame_stale: some(dice, 50),
            stale_ms_max: *dice.pick(&[1_000, 5_000, 60_000]),
            commit_fails: some(dice, 15),
            commit_unheard: some(dice, 15),
            ..Faults::default()
        };
        let share = Chance::percent(u32::try_from(*dice.pick(&[0, 20, 50, 80])).unwrap_or(0));
        // Where a record can't be read, less can be said of the whole: few seeds have that.
        let rots = dice.hits(Chance::percent(15));
        let chaos = Chaos::ALL.into_iter().filter(|kind| dice.hits(share) && (rots || *kind != Chaos::Rot));
        let chaos: Vec<Chaos> = chaos.collect();
        // Drawn apart, so that what a seed meant before there were operators is what it means without them.
        let orders = *Dice::new(seed, ORDERS).pick(&[0, 0, 2, 20]);
        let mut plan = Self {
            seed,
            transfers,
            shards,
            replicated: None,
            orders: Chance::percent(orders),
            managers: size(dice, 1, 3),
            nodes: size(dice, 1, 3),
            clients: size(dice, 1, 4),
            accounts: dice.between(2, 8),
            legs_max: *dice.pick(&[2, 3, 6, 12]),
            protocols: if dice.hits(Chance::percent(25)) { vec![*dice.pick(&all)] } else { all },
            burst_max,
            pause_ms_max: *dice.pick(&[5, 50, 300]),
            storm_ms: *dice.pick(&[0, 3_000, 15_000]),
            deadline_ms_max: *dice.pick(&[500, 5_000, 30_000]),
            commands: Chance::percent(*dice.pick(&[10, 30, 100])),
            purses: Chance::percent(*dice.pick(&[10, 25, 80])),
            whales: dice.hits(Chance::percent(20)),
            broker: dice.hits(Chance::percent(70)),
            latency_ms_max: dice.between(1, 20),
            turn_ms_max: dice.between(1, 10),
            batch_messages_max: *dice.pick(&[1, 16, 256]),
            room: *dice.pick(&[64, 1_000, 100_000]),
            full_audits: dice.hits(Chance::percent(30)),
            frame_messages_max: manager.frame_messages_max,
            manager,
            books,
            faults,
            chaos_ms_max: if chaos.is_empty() { 0 } else { *dice.pick(&[50, 400, 2_000]) },
            chaos,
        };
        // Every other seed, and drawn apart, so that the rest of a seed means the same with it and without.
        if seed % 2 == 1 {
            plan.replicate(&mut Dice::new(seed, REPLICATED));
        }
        plan
    }

    /// The same with several nodes, and streams between them.
    fn replicate(&mut self, dice: &mut Dice) {
        self.nodes = size(dice, 2, 4);
        let unheard = Chance::per_million(u32::try_from(*dice.pick(&[0, 5_000, 50_000])).unwrap_or(0));
        self.replicated = Some(Replicated { part_bytes: *dice.pick(&[300, 2_000, 500_000]), unheard });
        let share = Chance::percent(u32::try_from(*dice.pick(&[20, 50, 80])).unwrap_or(0));
        // A row that can't be read is mended by a copy, not by the actor that finds it.
        self.chaos.retain(|kind| *kind != Chaos::Rot);
        self.chaos.extend(Chaos::REPLICATED.into_iter().filter(|_| dice.hits(share)));
        if self.chaos_ms_max == 0 && !self.chaos.is_empty() {
            self.chaos_ms_max = *dice.pick(&[50, 400, 2_000]);
        }
    }
}

fn size(dice: &mut Dice, least: u64, most: u64) -> u16 {
    u16::try_from(dice.between(least, most)).unwrap_or(u16::MAX)
}

impl fmt::Display for Plan {
    /// A few lines, with everything that was drawn.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, transfers, shards, managers, nodes, clients, accounts, legs_max, burst_max, .. } = self;
        let way = if self.broker { "broker" } else { "mailboxes" };
        let amounts = if self.whales { "huge" } else { "small" };
        let protocols = &self.protocols;
        writeln!(
            f,
            "seed {seed}: {transfers} transfers of 2 to {legs_max} legs, {amounts} amounts, under {protocols:?}"
        )?;
        writeln!(f, "  {shards} shards of {accounts} accounts, {managers} managers, {nodes} nodes, {clients} clients")?;
        writeln!(
            f,
            "  commands {}, purses {}, orders {}, bursts up to {burst_max}, pauses up to {} ms, storms of {} ms, deadlines up to {} ms; frames by {way}, up to {} ms",
            self.commands,
            self.purses,
            self.orders,
            self.pause_ms_max,
            self.storm_ms,
            self.deadline_ms_max,
            self.latency_ms_max
        )?;
        writeln!(
            f,
            "  turns of {} messages after up to {} ms, frames of {}, room for {}; {:?}; {:?}",
            self.batch_messages_max, self.turn_ms_max, self.frame_messages_max, self.room, self.manager, self.books
        )?;
        writeln!(f, "  full audits: {}; {:?}", self.full_audits, self.faults)?;
        if let Some(replicated) = self.replicated {
            writeln!(f, "  {replicated:?}")?;
        }
        write!(f, "  every {} ms at most one of {:?}", self.chaos_ms_max, self.chaos)
    }
}
