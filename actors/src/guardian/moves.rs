//! Children that come and go while the node runs: in between, another node has them.
//!
//! What becomes of a child that is to leave:
//!
//! | it is | [`Retire::Drain`] | [`Retire::AtOnce`] |
//! |---|---|---|
//! | up | takes what waits, and ends | ends before its next turn |
//! | starting | ends as soon as it is made, without a turn | the same |
//! | to be made again later | is not | the same |
//!
//! It has left when its end is told, which its machine does not outlive: so a database is never open twice in one process,
//! however soon the child is wanted back. One that fails on its way out is gone as well.

use std::{
    mem,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use actix::{Addr, Context, Handler, Message, clock};
use tokio::sync::oneshot;

use super::{Guardian, actor::Life, birth::Over, board::State, record::Record};
use crate::{
    durable::{self, Durable, LeadsTo},
    message::Position,
    supervision::{Ended, Step},
};

/// From now on a child runs here.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Host {
    pub(super) ward: usize,
}

/// From now on a child does not run here.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Leave {
    pub(super) ward: usize,
    pub(super) how: Retire,
    pub(super) bound: Duration,
    pub(super) reply: oneshot::Sender<Retired>,
}

/// How a child is to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retire {
    /// It takes what waits for it, then ends.
    Drain,
    /// It ends before its next turn, whatever waits: it has lost its right to write.
    AtOnce,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retired {
    /// It has ended as it was told to, or was not here. Its database is closed.
    Ended,
    /// It failed meanwhile, or was down to begin with, and why. Its database is closed.
    Failed(String),
    /// It was still at it when the time was over: in a turn, in the opening of its database, or with more that waits. It still
    /// leaves as soon as it can.
    Left,
}

impl Retired {
    /// Whether its database is closed.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        !matches!(self, Self::Left)
    }
}

/// A retirement in progress.
pub(super) struct Retiring {
    how: Retire,
    /// Held until it has ended: an actor without an address may end before it has read its mailbox.
    pub(super) addr: Option<Addr<Durable>>,
    /// Who waits for it.
    replies: Vec<oneshot::Sender<Retired>>,
    /// It is wanted here again meanwhile.
    again: bool,
}

impl Guardian {
    /// Tells a child that has something to end to end.
    fn retire_ward(&mut self, no: usize, how: Retire, reply: oneshot::Sender<Retired>) {
        let ward = &mut self.wards[no];
        let has_nothing_to_take = matches!(ward.life, Life::Starting);
        if how == Retire::AtOnce || has_nothing_to_take {
            ward.halt.store(true, Relaxed);
        }
        // Before the order, so that all that was let in is in the mailbox before it.
        ward.entrance.lead_to(LeadsTo::Nowhere);
        let addr = match mem::replace(&mut ward.life, Life::Elsewhere) {
            Life::Up(addr) | Life::Draining(addr) => Some(addr),
            _ => None,
        };
        match (&addr, how) {
            (Some(addr), Retire::Drain) => addr.do_send(durable::Drain),
            (Some(addr), Retire::AtOnce) => addr.do_send(durable::Halt),
            (None, _) => {}
        }
        ward.life = Life::Retiring(Retiring { how, addr, replies: vec![reply], again: false });
    }

    /// What is to be done when a child has ended that was to leave.
    pub(super) fn ward_retired(&mut self, no: usize, over: &Over, ctx: &mut Context<Self>) {
        let life = mem::replace(&mut self.wards[no].life, Life::Elsewhere);
        let Life::Retiring(Retiring { how, replies, again, .. }) = life else { return };
        let retired = match (&over.ended, how) {
            (Ended::Drained, _) => self.left_as_told(no, Retire::Drain),
            // Its right to write is gone, as it was told.
            (Ended::Retired, _) | (Ended::LeaseLost(_), Retire::AtOnce) => self.left_as_told(no, how),
            (ended, _) => {
                let (why, in_hand) = (ended.to_string(), over.in_hand.map(|transfer| transfer.to_string()));
                if matches!(ended, Ended::LeaseLost(_)) {
                    self.tell(no, Step::LeaseLost);
                }
                self.tell(no, Step::Failed { how: ended.how(), why: why.clone(), in_hand });
                self.board.set(no, |row| row.last_failure = Some(why.clone()));
                Retired::Failed(why)
            }
        };
        self.ward_left(no, replies, &retired);
        if again {
            self.host_ward(no, ctx);
        }
        self.drain_on();
    }

    fn left_as_told(&self, no: usize, how: Retire) -> Retired {
        self.tell(no, if how == Retire::Drain { Step::Drained } else { Step::LeaseLost });
        Retired::Ended
    }

    /// A child has left: answers who waits for that.
    fn ward_left(&mut self, no: usize, replies: Vec<oneshot::Sender<Retired>>, retired: &Retired) {
        let ward = &mut self.wards[no];
        ward.life = Life::Elsewhere;
        // So that no timer of its past starts it again.
        ward.generation += 1;
        ward.entrance.lead_to(LeadsTo::Nowhere);
        (ward.pulse, ward.stuck, ward.overdue) = (Arc::default(), false, 0);
        self.board.set(no, |row| {
            let Position { epoch, seq, ended, .. } = row.position.take().unwrap_or_else(|| row.pulse.position());
            // What is open, overdue or in transit there, its next owner counts.
            row.position = Some(Position { epoch, seq, ended, ..Position::default() });
            row.state = State::Elsewhere;
        });
        self.end_idle_thread(no);
        for reply in replies {
            // Whoever no longer waits need not know.
            reply.send(retired.clone()).ok();
        }
    }

    fn host_ward(&mut self, no: usize, ctx: &Context<Self>) {
        if self.draining.is_some() {
            return;
        }
        let ward = &mut self.wards[no];
        ward.record = Record::default();
        ward.entrance.lead_to(LeadsTo::Nobody);
        self.start_ward(no, ctx);
    }
}

impl Handler<Host> for Guardian {
    type Result = ();

    fn handle(&mut self, Host { ward: no }: Host, ctx: &mut Context<Self>) {
        match &mut self.wards[no].life {
            Life::Elsewhere => self.host_ward(no, ctx),
            Life::Retiring(retiring) => retiring.again = true,
            Life::Starting | Life::Up(_) | Life::Draining(_) | Life::Down(_) | Life::Ended => {}
        }
    }
}

impl Handler<Leave> for Guardian {
    type Result = ();

    fn handle(&mut self, Leave { ward: no, how, bound, reply }: Leave, _: &mut Context<Self>) {
        let reply = within(bound, reply);
        let ward = &mut self.wards[no];
        match &mut ward.life {
            Life::Starting | Life::Up(_) | Life::Draining(_) => self.retire_ward(no, how, reply),
            Life::Retiring(retiring) => {
                retiring.replies.push(reply);
                retiring.again = false;
                if how == Retire::AtOnce {
                    // Its order is in its mailbox already.
                    retiring.how = how;
                    ward.halt.store(true, Relaxed);
                }
            }
            Life::Down(why) => {
                let why = mem::take(why);
                self.left_as_told(no, how);
                self.ward_left(no, vec![reply], &Retired::Failed(why));
            }
            Life::Elsewhere | Life::Ended => {
                reply.send(Retired::Ended).ok();
            }
        }
    }
}

/// Where to answer, such that whoever waits is answered by the end of the bound. If the guardian ends before, it is not.
fn within(bound: Duration, reply: oneshot::Sender<Retired>) -> oneshot::Sender<Retired> {
    let (own, answer) = oneshot::channel();
    actix::spawn(async move {
        if let Ok(retired) = clock::timeout(bound, answer).await.unwrap_or(Ok(Retired::Left)) {
            reply.send(retired).ok();
        }
    });
    own
}
