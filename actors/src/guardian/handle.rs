//! The guardian, for the rest of the program.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use actix::{Addr, System};
use tokio::sync::oneshot;

use super::{
    Guardian,
    board::{Board, ChildStatus},
    drain::{Drain, Drained},
    moves::{Host, Leave, Retire, Retired},
};
use crate::{
    bus::Inlet,
    durable::{Entrance, Kill},
    message::Address,
};

/// The guardian's handle. Cheap to clone. When the last one is dropped without a drain, all children end at once, as at a
/// crash, which is as safe and less polite.
#[derive(Clone)]
pub struct Handle(Arc<Inner>);

struct Inner {
    addr: Addr<Guardian>,
    system: System,
    board: Arc<Board>,
    entrances: Vec<Arc<Entrance>>,
    called: Arc<AtomicBool>,
}

impl Handle {
    pub(super) fn new(
        addr: Addr<Guardian>,
        system: System,
        board: Arc<Board>,
        entrances: Vec<Arc<Entrance>>,
        called: Arc<AtomicBool>,
    ) -> Self {
        Self(Arc::new(Inner { addr, system, board, entrances, called }))
    }

    /// The way in to each child, for the bus: valid for good, whatever becomes of the child meanwhile.
    #[must_use]
    pub fn inlets(&self) -> Vec<(Address, Arc<dyn Inlet>)> {
        let inlet =
            |child: ChildStatus, entrance: &Arc<Entrance>| (child.address, Arc::clone(entrance) as Arc<dyn Inlet>);
        self.status().into_iter().zip(&self.0.entrances).map(|(child, entrance)| inlet(child, entrance)).collect()
    }

    /// All children as they stand, in the order in which they were given. Asks nobody, so it always answers.
    #[must_use]
    pub fn status(&self) -> Vec<ChildStatus> {
        self.0.board.status()
    }

    /// Blocks until the children are as wanted, and says whether they were within the bound. Looked at after each step of
    /// supervision, not after each turn.
    #[must_use]
    pub fn wait(&self, bound: Duration, wanted: impl Fn(&[ChildStatus]) -> bool) -> bool {
        self.0.board.wait(bound, wanted)
    }

    /// From now on a child runs here: it is started like any other, and what it did here before is not held against it. One
    /// that is still ending is started once it has; one that is here already stays as it is. Nobody is started during a
    /// drain. False if there is none of this name.
    #[must_use]
    pub fn host(&self, name: &str) -> bool {
        let child = self.0.board.find(name);
        child.is_some_and(|ward| {
            self.0.addr.do_send(Host { ward });
            true
        })
    }

    /// From now on a child does not run here: it ends, whatever it is at, and is not started again until this node is told to
    /// [`host`](Self::host) it. Its entrance takes nothing in from the first moment. Begins when called; what is returned
    /// waits until its database is closed, within the bound. Who is not here anyway has [`Ended`](Retired::Ended).
    ///
    /// A second call adds to the first: [`Retire::AtOnce`] cuts short a [`Retire::Drain`].
    pub fn retire(&self, name: &str, how: Retire, bound: Duration) -> impl Future<Output = Retired> + Send + use<> {
        let board = Arc::clone(&self.0.board);
        let asked = board.find(name).map(|ward| {
            let (reply, answer) = oneshot::channel();
            self.0.addr.do_send(Leave { ward, how, bound, reply });
            (ward, answer)
        });
        async move {
            match asked {
                Some((ward, answer)) => answer.await.unwrap_or_else(|_| board.retired(ward)),
                None => Retired::Ended,
            }
        }
    }

    /// Ends all children, group by group, each after it has taken what waits for it; then the guardian. What has not ended
    /// within the bound is left as it is, and ends with the process: a crash at any moment is as safe.
    pub async fn drain(&self, bound: Duration) -> Drained {
        let answer = self.ask_to_drain(bound).await;
        answer.unwrap_or_else(|_| self.0.board.report())
    }

    /// The same, blocking.
    ///
    /// # Panics
    /// On a thread that runs asynchronous tasks.
    #[must_use]
    pub fn drain_blocking(&self, bound: Duration) -> Drained {
        self.ask_to_drain(bound).blocking_recv().unwrap_or_else(|_| self.0.board.report())
    }

    /// Makes a child end without reason, to show or to test that it comes back. False if there is none of this name, or it is
    /// not up.
    #[must_use]
    pub fn kill(&self, name: &str, kill: Kill) -> bool {
        let child = self.0.board.find(name);
        child.is_some_and(|child| self.0.entrances[child].kill(kill))
    }

    fn ask_to_drain(&self, bound: Duration) -> oneshot::Receiver<Drained> {
        let (reply, answer) = oneshot::channel();
        self.0.addr.do_send(Drain { bound, reply });
        answer
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.status()).finish()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.called.store(true, Relaxed);
        self.system.stop();
    }
}
