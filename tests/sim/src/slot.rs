//! A place for an actor: its disks, the incarnation that is at work, and those that stand still and think they are.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use remit_actors::{
    bus::Bus,
    cluster::{
        Claimed, Claims,
        takeover::{self, Around as _, Copy as _, Leave},
    },
    durable::{Monotone, Room, Turns, said},
    faults::{Dice, Store, Switch},
    frame::Frame,
    genesis::Genesis,
    machine::{Failure, Machine},
    manager::Manager,
    message::Address,
    shard::{Shard, ShardOptions},
    store::{Error, journal::Hash, replica::Claimant},
    supervision::{Ended, Recovery},
};
use remit_core::id::{Epoch, Seq, Time};

use crate::{
    around::Surroundings,
    drive::{Drive, File},
    nodes::Nodes,
    plan::Plan,
    stream::{Ledger, Writer},
};

/// What the clock says when the simulation begins: any moment that is not 0.
const EPOCH_MS: i64 = 1_700_000_000_000;
/// The throws of the first database's commits; the others follow.
const PURPOSE: u64 = 1_000;
/// The throws of the first stream; the others follow.
const STREAMS: u64 = 500;

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
    /// Where it runs.
    pub(crate) node: usize,
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

/// An owner that does not know of it while another node takes over, and may take a turn at any moment of that.
pub(crate) struct Rival {
    pub(crate) incarnation: Incarnation,
    /// What its clock says.
    pub(crate) time: Time,
    /// The turn that it took, if it did.
    pub(crate) turn: Option<RivalTurn>,
}

/// A rival's turn.
pub(crate) struct RivalTurn {
    /// Whether nobody had claimed the journal since.
    pub(crate) is_newest: bool,
    /// How many rows it wrote.
    pub(crate) wrote: u64,
    pub(crate) ended: Result<(), Ended>,
}

impl Rival {
    /// It takes its turn, unless it has.
    pub(crate) fn go_on(&mut self, drive: &Drive, ledger: &Ledger) {
        if self.turn.is_none() {
            let epoch = self.incarnation.epoch;
            let (is_newest, stood) = (epoch == drive.epoch() && ledger.claimed() <= epoch, drive.linked());
            let ended = self.incarnation.turns.turn(self.time);
            let wrote = drive.rows_since(stood);
            self.turn = Some(RivalTurn { is_newest, wrote, ended });
        }
    }
}

/// What an actor is made in.
pub(crate) struct Site<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) genesis: &'a Genesis,
    pub(crate) faults: &'a Switch,
    pub(crate) nodes: &'a mut Nodes,
    /// The throws for what happens during a takeover.
    pub(crate) dice: &'a mut Dice,
    pub(crate) rival: Option<Rival>,
}

/// A place for an actor.
pub(crate) struct Slot {
    pub(crate) address: Address,
    name: String,
    /// Where it runs, or ran last.
    pub(crate) node: usize,
    /// One for each node; a journal that is not replicated has one.
    pub(crate) drives: Vec<Drive>,
    /// Its stream, if it is replicated.
    pub(crate) ledger: Option<Ledger>,
    /// The commits that an owner has had on its disk.
    pub(crate) history: BTreeMap<Seq, Hash>,
    /// Where it was opened last.
    pub(crate) owner: Option<usize>,
    /// Whether anybody has ever opened it.
    pub(crate) is_made: bool,
    /// Its stream has lost messages, and nobody has taken it over since.
    pub(crate) is_wounded: bool,
    /// How often two nodes will still try in turns.
    pub(crate) rivalry: u64,
    pub(crate) current: Option<Incarnation>,
    /// Those that stand still.
    pub(crate) still: Vec<Incarnation>,
    pub(crate) start_is_planned: bool,
    /// What the last end asks of the next incarnation.
    pub(crate) recovery: Recovery,
    incarnations: u64,
}

impl Slot {
    pub(crate) fn new(plan: &Plan, address: Address, place: usize, name: String) -> Self {
        let nodes = usize::from(plan.nodes);
        let disks = if plan.replicated.is_some() { nodes } else { 1 };
        let dice = Dice::new(plan.seed, STREAMS + place as u64);
        Self {
            address,
            node: place % nodes,
            drives: (0..disks).map(|_| Drive::new(address, &name)).collect(),
            ledger: plan.replicated.map(|replicated| Ledger::new(replicated.unheard, dice)),
            name,
            history: BTreeMap::new(),
            owner: None,
            is_made: false,
            is_wounded: false,
            rivalry: 0,
            current: None,
            still: Vec::new(),
            start_is_planned: false,
            recovery: Recovery::default(),
            incarnations: 0,
        }
    }

    /// The disk on a node.
    pub(crate) fn drive_on(&self, node: usize) -> &Drive {
        &self.drives[if self.ledger.is_some() { node } else { 0 }]
    }

    /// The disk where it runs.
    pub(crate) fn drive(&self) -> &Drive {
        self.drive_on(self.node)
    }

    /// Makes a fresh incarnation from the database.
    ///
    /// # Errors
    /// As the opening fails; a panic says what it said.
    pub(crate) fn open(
        &mut self,
        site: &mut Site<'_>,
        sent: &Arc<Sent>,
        (now, skew_ms): (i64, i64),
    ) -> Result<(), Result<Failure, String>> {
        self.incarnations += 1;
        let time = Time(EPOCH_MS + now + skew_ms);
        let recovery = std::mem::take(&mut self.recovery);
        let made = catch_unwind(AssertUnwindSafe(|| self.machine(site, recovery, time)));
        let machine = match made {
            Ok(made) => made.map_err(Ok)?,
            Err(panic) => return Err(Err(said(panic.as_ref()))),
        };
        let epoch = machine.position().epoch;
        self.claimed(site, epoch).map_err(|error| Ok(error.into()))?;
        let room = Arc::new(Room::new([site.plan.room; 3]));
        let turns = Turns::new(machine, room.clone(), sent.clone(), site.plan.batch_messages_max);
        let clock = Monotone::new(time);
        let (no, node, turn_is_planned, wake_at) = (self.incarnations, self.node, false, None);
        (self.owner, self.is_made, self.is_wounded) = (Some(node), true, false);
        self.current = Some(Incarnation { no, node, epoch, turns, room, turn_is_planned, wake_at, clock, born: now });
        Ok(())
    }

    fn machine(&self, site: &mut Site<'_>, recovery: Recovery, time: Time) -> Result<Box<dyn Machine>, Failure> {
        let claimant = self.take_over(site, time)?;
        let Site { plan, genesis, faults, .. } = site;
        let dice = |kind: u64, no: u16| {
            Dice::new(plan.seed, PURPOSE + (self.incarnations << 20) + (kind << 16) + u64::from(no))
        };
        Ok(match (self.address, self.drive()) {
            (Address::Shard(no), Drive::Shard(disk)) => {
                let tables = Store::new(disk.open(genesis, time)?, faults.clone(), dice(0, no.0));
                let (books, frame_messages_max) = (plan.books, plan.frame_messages_max);
                let options = ShardOptions { books, partitions: plan.managers, frame_messages_max };
                Box::new(Shard::open(no, tables, options, claimant, time)?)
            }
            (Address::Manager(no), Drive::Manager(disk)) => {
                let tables = Store::new(disk.open(genesis, time)?, faults.clone(), dice(1, no.0));
                Box::new(Manager::open(no, tables, plan.manager, recovery, claimant, time)?)
            }
            _ => unreachable!("a slot has its actor's drive"),
        })
    }

    /// Makes file and stream equal; whoever claims it now, with his way into the stream.
    fn take_over(&self, site: &mut Site<'_>, time: Time) -> Result<Claimant, Error> {
        let (Some(ledger), Some(replicated)) = (&self.ledger, site.plan.replicated) else { return Ok("sim".into()) };
        let (drive, source, part_bytes) = (self.drive(), self.address, replicated.part_bytes);
        if !self.is_made {
            drive.found(site.genesis, time)?;
        }
        let leave = Leave { create: !self.is_made, adopt: false };
        let mut file = File::new(source, drive, site.plan, site.genesis)?;
        let leveled = takeover::level(&self.name, &mut file, &mut self.around(site, self.node), leave)?;
        file.close()?;
        let line = Arc::clone(&site.nodes.at(self.node).line);
        let writer = Writer::new(ledger.clone(), line, source, leveled, part_bytes);
        Ok(Claimant { node: Nodes::name(self.node).into(), replica: Some(Box::new(writer)) })
    }

    /// Tells all nodes that are alive of a claim (R18).
    fn claimed(&self, site: &mut Site<'_>, epoch: Epoch) -> Result<(), Error> {
        if self.ledger.is_none() {
            return Ok(());
        }
        let claim = Claimed { journal: self.name.clone(), epoch, node: Nodes::name(self.node) };
        let told = Claims { announced: None, served: Some(claim) };
        match site.nodes.tell(self.node, &self.name, &told) {
            true => Ok(()),
            false => Err(Error::NotReplicated { what: "a claim is not known to all".into() }),
        }
    }

    /// Brings a node's file near to the end of the stream.
    ///
    /// # Errors
    /// As it fails.
    pub(crate) fn follow(&self, site: &mut Site<'_>, node: usize) -> Result<(), Error> {
        let mut file = File::new(self.address, self.drive_on(node), site.plan, site.genesis)?;
        takeover::follow(&mut file, &mut self.around(site, node))?;
        file.close()
    }

    /// Brings a node's file to the end of the stream.
    ///
    /// # Errors
    /// As it fails.
    pub(crate) fn catch_up(&self, site: &mut Site<'_>, node: usize) -> Result<(), Error> {
        let mut file = File::new(self.address, self.drive_on(node), site.plan, site.genesis)?;
        while let Some(rows) = self.around(site, node).rows_above(file.linked().seq)? {
            file.absorb(&rows)?;
        }
        file.close()
    }

    fn around<'a>(&'a self, site: &'a mut Site<'_>, node: usize) -> Surroundings<'a> {
        let (Some(ledger), Some(replicated)) = (&self.ledger, site.plan.replicated) else {
            unreachable!("it is replicated");
        };
        Surroundings {
            node,
            source: self.address,
            name: &self.name,
            nodes: site.nodes,
            drives: &self.drives,
            ledger,
            part_bytes: replicated.part_bytes,
            dice: site.dice,
            rival: &mut site.rival,
        }
    }

    /// The owner that stood still last, if it is on another node and that is at work: it may go on any moment.
    pub(crate) fn rival(&mut self, nodes: &Nodes) -> Option<Rival> {
        let node = self.node;
        self.ledger.as_ref()?;
        let incarnation = self.still.pop_if(|still| still.node != node && !nodes.at(still.node).is_stopped)?;
        Some(Rival { incarnation, time: Time(0), turn: None })
    }

    /// Drops an incarnation.
    pub(crate) fn drop_incarnation(&mut self, no: u64) {
        self.current.take_if(|incarnation| incarnation.no == no);
    }
}
