//! Ending all children, in order: those who give work before those who get it.

use std::{collections::BTreeSet, sync::atomic::Ordering::Relaxed, time::Duration};

use actix::{AsyncContext, Context, Handler, Message, System};
use tokio::sync::oneshot;

use super::{Guardian, actor::Life, board::State};
use crate::durable::{self, LeadsTo};

/// Ends all children.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Drain {
    pub(super) bound: Duration,
    pub(super) reply: oneshot::Sender<Drained>,
}

/// How a drain went, by the children's names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// They had taken all that waited.
    pub drained: Vec<String>,
    /// They failed meanwhile, or were not up to begin with; and why.
    pub failed: Vec<(String, String)>,
    /// They were still at it when the time was over.
    pub left: Vec<String>,
}

/// A drain in progress.
pub(super) struct Draining {
    /// Who waits for it.
    replies: Vec<oneshot::Sender<Drained>>,
    pub(super) report: Drained,
    /// The groups still to be ended, the present one first.
    groups: BTreeSet<u32>,
}

impl Draining {
    /// Whether a child of this group is to end now.
    pub(super) fn reaches(&self, group: u32) -> bool {
        self.groups.first().is_none_or(|present| group <= *present)
    }
}

impl Guardian {
    /// Ends for good a child whose actor has.
    pub(super) fn ward_ended(&mut self, no: usize) {
        self.wards[no].life = Life::Ended;
        self.wards[no].entrance.lead_to(LeadsTo::Nowhere);
        self.board.set(no, |row| row.state = State::Ended);
    }

    /// Tells those whose group it is to end, and goes on to the next group when all of one have.
    pub(super) fn drain_on(&mut self) {
        while let Some(group) = self.draining.as_ref().and_then(|draining| draining.groups.first().copied()) {
            if !self.drain_group(group) {
                return;
            }
            if let Some(draining) = &mut self.draining {
                draining.groups.remove(&group);
            }
        }
        self.finish_drain();
    }

    /// Tells a group to end; true if all of it have.
    fn drain_group(&mut self, group: u32) -> bool {
        let mut all = true;
        for no in 0..self.wards.len() {
            let ward = &mut self.wards[no];
            if ward.child.group != group {
                continue;
            }
            match &ward.life {
                Life::Up(addr) => {
                    addr.do_send(durable::Drain);
                    ward.life = Life::Draining(addr.clone());
                    all = false;
                }
                // It is told once it is up.
                Life::Starting | Life::Draining(_) | Life::Retiring(_) => all = false,
                Life::Down(why) => {
                    let failed = (ward.child.name.clone(), why.clone());
                    if let Some(draining) = &mut self.draining {
                        draining.report.failed.push(failed);
                    }
                    self.ward_ended(no);
                }
                Life::Elsewhere | Life::Ended => {}
            }
        }
        all
    }

    /// Answers who waits, and ends the guardian and its threads. Nothing if no drain is in progress.
    fn finish_drain(&mut self) {
        let Some(draining) = &mut self.draining else { return };
        let left = self.wards.iter().filter(|ward| !matches!(ward.life, Life::Elsewhere | Life::Ended));
        draining.report.left = left.map(|ward| ward.child.name.clone()).collect();
        self.watch.called.store(true, Relaxed);
        self.board.set_report(&draining.report);
        for reply in draining.replies.drain(..) {
            // Whoever no longer waits need not know.
            reply.send(draining.report.clone()).ok();
        }
        System::current().stop();
    }
}

impl Handler<Drain> for Guardian {
    type Result = ();

    fn handle(&mut self, drain: Drain, ctx: &mut Context<Self>) {
        let groups = self.wards.iter().map(|ward| ward.child.group).collect();
        let begin = || Draining { replies: Vec::new(), report: Drained::default(), groups };
        self.draining.get_or_insert_with(begin).replies.push(drain.reply);
        ctx.run_later(drain.bound, |guardian, _| guardian.finish_drain());
        self.drain_on();
    }
}
