//! A world small enough to hold in the hand: shards, one manager, and what they say to each other.
//!
//! The shards and the manager's rows are durable; what the manager knows of its open transfers is not. What is said waits
//! in `sent`: whoever drives the world carries it where it goes, once, twice, late, in any order or never.

use alloc::{collections::BTreeMap, rc::Rc, sync::Arc, vec::Vec};

use super::{laws, shard::Shard};
use crate::{
    id::{LegId, PartitionNo, Seq, ShardNo, TransferId},
    leg::{Reply, Sent, State},
    mark::LowWater,
    protocol::{Decision, Next, events},
    reason::Reason,
    transfer::{End, Parked, Start, Transfer},
};

/// The only partition.
pub(super) const PARTITION: PartitionNo = PartitionNo(0);

#[derive(Clone, Default)]
pub(super) struct World {
    pub(super) shards: Vec<Rc<Shard>>,
    /// The manager's database.
    pub(super) rows: BTreeMap<TransferId, Row>,
    /// The manager.
    live: BTreeMap<TransferId, Transfer>,
    /// An incarnation that was thought dead and still talks; it can record nothing (R12).
    stale: BTreeMap<TransferId, Transfer>,
    /// What was said and not yet carried.
    pub(super) sent: Vec<Message>,
    /// What anyone gave as a reason to give up.
    pub(super) given: Vec<Reason>,
    /// Whether anything durable has changed since the laws were last checked.
    is_unchecked: bool,
}

/// What is on disk of a transfer.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) start: Arc<Start>,
    pub(super) begun: Seq,
    pub(super) decision: Option<Decision>,
    pub(super) end: Option<End>,
    pub(super) parked: Option<Parked>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Command(Sent),
    Reply(Reply),
    Mark(ShardNo, LowWater),
}

/// Which incarnation of the manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Live,
    Stale,
}

impl World {
    pub(super) fn of(shards: impl IntoIterator<Item = Shard>) -> Self {
        Self { shards: shards.into_iter().map(Rc::new).collect(), ..Self::default() }
    }

    /// The manager records a start and begins.
    pub(super) fn submit(&mut self, start: Start) {
        let id = start.id;
        let begun = Seq(self.rows.len() as u64 + 1);
        let row = Row { start: Arc::new(start), begun, decision: None, end: None, parked: None };
        self.live.insert(id, row.recover());
        assert!(self.rows.insert(id, row).is_none(), "an id is used once");
        self.is_unchecked = true;
        self.drive(id, Who::Live, false);
    }

    /// Carries a message where it goes; replies to the manager.
    pub(super) fn deliver(&mut self, message: &Message) {
        match message {
            Message::Command(sent) => self.act(sent),
            Message::Reply(reply) => self.hear(Who::Live, *reply),
            Message::Mark(shard, mark) => self.shard(*shard).heed(PARTITION, mark),
        }
    }

    /// A shard acts on a command, answers the manager and, if the leg has a route, passes the baton on. What the pivot's
    /// answer implies is told on repetition only.
    fn act(&mut self, sent: &Sent) {
        let decision = self.shards[usize::from(sent.shard.0)].decide(&sent.command);
        if let Some(change) = decision.change {
            self.shard(sent.shard).record(&sent.command, change);
        }
        if decision.change.is_none() || !events::is_implied(&sent.command, decision.answer) {
            self.sent.push(Message::Reply(Reply { id: sent.command.id, answer: decision.answer }));
        }
        if let Some(baton) = events::pass_on(&sent.command, decision.answer) {
            laws::baton_may_pass(self, &baton);
            self.sent.push(Message::Command(baton));
        }
    }

    /// An incarnation of the manager takes in a reply.
    pub(super) fn hear(&mut self, who: Who, reply: Reply) {
        let Some(transfer) = self.incarnation(who).get_mut(&reply.id.transfer) else { return };
        let news = transfer.learn(reply.id.leg, reply.answer);
        let parked = transfer.parked();
        if who == Who::Live && parked.is_some() {
            self.row(reply.id.transfer).parked = parked;
        }
        if news {
            self.drive(reply.id.transfer, who, false);
        }
    }

    /// Nobody has answered in time: an incarnation asks again.
    pub(super) fn silence(&mut self, who: Who) {
        let open: Vec<TransferId> = self.incarnation(who).keys().copied().collect();
        for id in open {
            self.drive(id, who, true);
        }
    }

    /// A deadline passes, or an operator cancels.
    pub(super) fn give_up(&mut self, who: Who, id: TransferId, reason: Reason) {
        let Some(transfer) = self.incarnation(who).get_mut(&id) else { return };
        transfer.give_up(reason);
        if !self.given.contains(&reason) {
            self.given.push(reason);
        }
        self.drive(id, who, false);
    }

    /// The manager dies with all that it knew, and another one starts from the rows; perhaps the old one does not know
    /// that it is dead.
    pub(super) fn crash(&mut self, goes_on: bool) {
        let old = core::mem::take(&mut self.live);
        if goes_on {
            self.stale = old;
        }
        let open = self.rows.iter().filter(|(_, row)| row.end.is_none());
        self.live = open.map(|(id, row)| (*id, row.recover())).collect();
        self.silence(Who::Live);
    }

    /// Asks a transfer what is next until it waits, recording what has to be on disk first.
    fn drive(&mut self, id: TransferId, who: Who, silent: bool) {
        let Some(mut transfer) = self.incarnation(who).remove(&id) else { return };
        loop {
            let mut commands = Vec::new();
            let next = transfer.next(silent, |sent| commands.push(sent));
            for sent in &commands {
                laws::command_may_leave(self, &transfer, sent);
            }
            self.sent.extend(commands.into_iter().map(Message::Command));
            match (next, who) {
                (Next::Wait, _) => break,
                // R12: its commit names an epoch that is not the newest, so what needs a record does not happen.
                (Next::Decide(_) | Next::End(_), Who::Stale) => break,
                (Next::Decide(decision), Who::Live) => {
                    laws::decision_may_be_recorded(self, id, decision);
                    self.row(id).decision = Some(decision);
                    transfer.decide(decision);
                }
                (Next::End(end), Who::Live) => {
                    laws::end_may_be_recorded(self, id, end);
                    self.row(id).end = Some(end);
                    return;
                }
            }
        }
        self.incarnation(who).insert(id, transfer);
    }

    /// The manager's word, at this moment, of what has ended.
    pub(super) fn mark(&self) -> LowWater {
        let open = self.rows.values().filter(|row| row.end.is_none());
        LowWater { begun_up_to: Seq(self.rows.len() as u64), except: open.map(|row| row.begun).collect() }
    }

    /// What a leg's shard has recorded.
    pub(super) fn state(&self, start: &Start, leg: LegId) -> Option<State> {
        let shard = &self.shards[usize::from(start.leg(leg.leg).shard.0)];
        shard.legs.get(&leg).map(|leg| leg.state)
    }

    /// What the shards have recorded of a transfer's legs, in order.
    pub(super) fn states(&self, start: &Start) -> impl Iterator<Item = Option<State>> {
        start.leg_numbers().map(|leg| self.state(start, LegId::new(start.id, leg)))
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.rows.values().all(|row| row.end.is_some() || row.parked.is_some())
    }

    pub(super) fn transfer(&self, who: Who, id: TransferId) -> Option<&Transfer> {
        match who {
            Who::Live => self.live.get(&id),
            Who::Stale => self.stale.get(&id),
        }
    }

    /// A row, to change it.
    pub(super) fn row(&mut self, id: TransferId) -> &mut Row {
        self.is_unchecked = true;
        self.rows.get_mut(&id).expect("every transfer has a row")
    }

    /// A shard, to change it.
    pub(super) fn shard(&mut self, shard: ShardNo) -> &mut Shard {
        self.is_unchecked = true;
        Rc::make_mut(&mut self.shards[usize::from(shard.0)])
    }

    /// Checks the laws, if anything that they are about has changed.
    pub(super) fn check(&mut self) {
        if core::mem::take(&mut self.is_unchecked) {
            laws::check(self);
        }
    }

    fn incarnation(&mut self, who: Who) -> &mut BTreeMap<TransferId, Transfer> {
        match who {
            Who::Live => &mut self.live,
            Who::Stale => &mut self.stale,
        }
    }
}

impl Row {
    /// What a fresh incarnation knows.
    fn recover(&self) -> Transfer {
        let mut transfer = Transfer::new(self.start.clone(), PARTITION, self.begun);
        if let Some(decision) = self.decision {
            transfer.decide(decision);
        }
        if let Some(parked) = self.parked {
            transfer.park(parked);
        }
        transfer
    }
}
