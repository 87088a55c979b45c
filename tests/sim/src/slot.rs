//! A place for an actor: its disk, the incarnation that is at work, and those that stand still and think they are.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use remit_actors::{
    bus::Bus,
    durable::{Monotone, Room, Turns, said},
    faults::{Dice, Store, Switch},
    frame::Frame,
    genesis::Genesis,
    machine::{Failure, Machine},
    manager::Manager,
    message::Address,
    shard::{Shard, ShardOptions},
    store::{
        memory::{Crash, Disk},
        row::{ShardEntry, TransferEntry},
    },
    supervision::Recovery,
};
use remit_core::id::{Epoch, Time};

use crate::plan::Plan;

/// What the clock says when the simulation begins: any moment that is not 0.
const EPOCH_MS: i64 = 1_700_000_000_000;
/// The throws of the first database's commits; the others follow.
const PURPOSE: u64 = 1_000;

/// A database of either kind.
pub(crate) enum Drive {
    Shard(Disk<ShardEntry>),
    Manager(Disk<TransferEntry>),
}

impl Drive {
    pub(crate) fn crash_at(&self, writes: u64, crash: Crash) {
        match self {
            Self::Shard(disk) => disk.crash_at(writes, crash),
            Self::Manager(disk) => disk.crash_at(writes, crash),
        }
    }

    pub(crate) fn call_off_crash(&self) {
        match self {
            Self::Shard(disk) => disk.call_off_crash(),
            Self::Manager(disk) => disk.call_off_crash(),
        }
    }

    pub(crate) fn lose_power(&self) -> bool {
        match self {
            Self::Shard(disk) => disk.lose_power(),
            Self::Manager(disk) => disk.lose_power(),
        }
    }

    /// The newest epoch.
    pub(crate) fn epoch(&self) -> Epoch {
        match self {
            Self::Shard(disk) => disk.epoch(),
            Self::Manager(disk) => disk.epoch(),
        }
    }
}

/// What turns have sent and acknowledged, until the world takes it.
#[derive(Default)]
pub(crate) struct Sent {
    pub(crate) frames: Mutex<Vec<(Address, Frame)>>,
    pub(crate) acknowledged: Mutex<Vec<u64>>,
}

impl Bus for Sent {
    fn send(&self, to: Address, frame: Frame) {
        self.frames.lock().push((to, frame));
    }
}

/// A life of an actor.
pub(crate) struct Incarnation {
    pub(crate) no: u64,
    pub(crate) epoch: Epoch,
    pub(crate) turns: Turns,
    pub(crate) room: Arc<Room>,
    pub(crate) turn_is_planned: bool,
    /// When it will look at the clock, in the world's time.
    pub(crate) wake_at: Option<i64>,
    clock: Monotone,
    born: i64,
}

impl Incarnation {
    /// When it was made.
    pub(crate) fn born(&self) -> i64 {
        self.born
    }

    /// What its clock says, on a node whose clock is off by so much.
    pub(crate) fn time(&mut self, now: i64, skew_ms: i64) -> Time {
        let passed = Duration::from_millis(u64::try_from(now - self.born).unwrap_or(0));
        self.clock.told(Time(EPOCH_MS + now + skew_ms), passed)
    }
}

/// A place for an actor.
pub(crate) struct Slot {
    pub(crate) address: Address,
    pub(crate) node: usize,
    pub(crate) drive: Drive,
    pub(crate) current: Option<Incarnation>,
    /// Those that stand still.
    pub(crate) still: Vec<Incarnation>,
    pub(crate) start_is_planned: bool,
    /// What the last end asks of the next incarnation.
    pub(crate) recovery: Recovery,
    incarnations: u64,
}

impl Slot {
    pub(crate) fn new(address: Address, node: usize, name: &str) -> Self {
        let drive = match address {
            Address::Shard(_) => Drive::Shard(Disk::named(name)),
            _ => Drive::Manager(Disk::named(name)),
        };
        Self {
            address,
            node,
            drive,
            current: None,
            still: Vec::new(),
            start_is_planned: false,
            recovery: Recovery::default(),
            incarnations: 0,
        }
    }

    /// Makes a fresh incarnation from the database.
    ///
    /// # Errors
    /// As the opening fails; a panic says what it said.
    pub(crate) fn open(
        &mut self,
        (plan, genesis, faults): (&Plan, &Genesis, &Switch),
        sent: &Arc<Sent>,
        (now, skew_ms): (i64, i64),
    ) -> Result<(), Result<Failure, String>> {
        self.incarnations += 1;
        let time = Time(EPOCH_MS + now + skew_ms);
        let recovery = std::mem::take(&mut self.recovery);
        let made = catch_unwind(AssertUnwindSafe(|| self.machine(plan, genesis, faults, recovery, time)));
        let machine = match made {
            Ok(made) => made.map_err(Ok)?,
            Err(panic) => return Err(Err(said(panic.as_ref()))),
        };
        let epoch = machine.position().epoch;
        let room = Arc::new(Room::new([plan.room; 3]));
        let turns = Turns::new(machine, room.clone(), sent.clone(), plan.batch_messages_max);
        let clock = Monotone::new(time);
        let (no, turn_is_planned, wake_at) = (self.incarnations, false, None);
        self.current = Some(Incarnation { no, epoch, turns, room, turn_is_planned, wake_at, clock, born: now });
        Ok(())
    }

    fn machine(
        &self,
        plan: &Plan,
        genesis: &Genesis,
        faults: &Switch,
        recovery: Recovery,
        time: Time,
    ) -> Result<Box<dyn Machine>, Failure> {
        let dice = |kind: u64, no: u16| {
            Dice::new(plan.seed, PURPOSE + (self.incarnations << 20) + (kind << 16) + u64::from(no))
        };
        Ok(match (self.address, &self.drive) {
            (Address::Shard(no), Drive::Shard(disk)) => {
                let tables = Store::new(disk.open(genesis, time)?, faults.clone(), dice(0, no.0));
                let (books, frame_messages_max) = (plan.books, plan.frame_messages_max);
                let options = ShardOptions { books, partitions: plan.managers, frame_messages_max };
                Box::new(Shard::open(no, tables, options, "sim", time)?)
            }
            (Address::Manager(no), Drive::Manager(disk)) => {
                let tables = Store::new(disk.open(genesis, time)?, faults.clone(), dice(1, no.0));
                Box::new(Manager::open(no, tables, plan.manager, recovery, "sim", time)?)
            }
            _ => unreachable!("a slot has its actor's drive"),
        })
    }

    /// Drops an incarnation.
    pub(crate) fn drop_incarnation(&mut self, no: u64) {
        self.current.take_if(|incarnation| incarnation.no == no);
    }
}
