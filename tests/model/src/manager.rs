//! The manager as small as can be: the transfer says what its state calls for, the database keeps what has to be durable.
//!
//! Durable are the start, which a world fixes, the decision and the end. What the manager has heard of a transfer's legs
//! and whether it is given up is in its memory alone, and lost in a crash.

use std::sync::Arc;

use remit_core::{
    id::{PartitionNo, Seq},
    leg::Reply,
    protocol::{Decision, Next},
    reason::Reason,
    transfer::{End, Start, Transfer},
};

use crate::{ending, laws::Slip, network::Message, state::State, world::World};

/// The only partition.
const PARTITION: PartitionNo = PartitionNo(0);

/// What the manager has of a transfer.
#[derive(Clone, Debug)]
pub struct Managed {
    /// On disk: the decision of a two-phase commit.
    pub decision: Option<Decision>,
    /// On disk: the end.
    pub end: Option<End>,
    /// In memory: all else, as long as the transfer is open.
    pub open: Option<Arc<Transfer>>,
}

impl Managed {
    /// A transfer whose start is on disk, and no more.
    #[must_use]
    pub fn begun(start: &Arc<Start>) -> Self {
        let mut managed = Self { decision: None, end: None, open: None };
        managed.recover(start);
        managed
    }

    /// What a fresh incarnation knows: what is on disk. The ended ones are not taken up.
    fn recover(&mut self, start: &Arc<Start>) {
        self.open = self.end.is_none().then(|| Arc::new(self.recovered(start)));
    }

    /// The transfer as the disk has it.
    #[must_use]
    pub fn recovered(&self, start: &Arc<Start>) -> Transfer {
        let begun = Seq(u64::from(start.id.0[0]));
        let mut transfer = Transfer::new(Arc::clone(start), PARTITION, begun);
        self.decision.into_iter().for_each(|decision| transfer.decide(decision));
        transfer
    }
}

/// Takes in a reply; what has ended is not open, and so a late one changes nothing.
pub fn hear(world: &World, state: &mut State, reply: Reply) {
    let no = world.number(reply.id.transfer);
    let Some(open) = &mut state.managed[no].open else { return };
    if Arc::make_mut(open).learn(reply.id.leg, reply.answer) {
        drive(world, state, no, false);
    }
}

/// Nobody has answered in time, as far as the manager's clock says: it asks again.
pub fn silence(world: &World, state: &mut State, no: usize) {
    drive(world, state, no, true);
}

/// The deadline passes.
pub fn give_up(world: &World, state: &mut State, no: usize) {
    let Some(open) = &mut state.managed[no].open else { return };
    if open.given_up().is_none() {
        Arc::make_mut(open).give_up(Reason::DeadlinePassed);
        drive(world, state, no, false);
    }
}

/// The manager dies and another one starts from the disk. It asks again at its first silence, which may be at once.
pub fn crash(world: &World, state: &mut State) {
    for (start, managed) in world.starts.iter().zip(&mut state.managed) {
        managed.recover(start);
    }
}

/// Does what a transfer's state calls for, as the manager actor does in one turn.
pub fn drive(world: &World, state: &mut State, no: usize, silent: bool) {
    let managed = &mut state.managed[no];
    let Some(open) = &mut managed.open else { return };
    let transfer = Arc::make_mut(open);
    loop {
        let said = &mut state.said;
        match transfer.next(silent, |sent| said.say(&world.alphabet, Message::Command(sent))) {
            Next::Wait => return,
            Next::Decide(decision) => {
                if managed.decision.is_some() {
                    state.slip = Some(Slip::DecisionReplaced);
                    return;
                }
                managed.decision = Some(decision);
                transfer.decide(decision);
            }
            Next::End(end) => {
                managed.open = None;
                let is_first = managed.end.replace(end).is_none();
                if !is_first || !ending::is_told_again(world, state, no, end) {
                    state.slip = Some(Slip::EndChanged);
                }
                return;
            }
        }
    }
}
