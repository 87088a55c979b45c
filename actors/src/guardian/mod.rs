//! Who makes actors, restarts them, and sets aside those that can't be helped.
//!
//! [`Guardian::start`] begins a thread of its own, with an actix system on it: the program around it may run on any runtime.
//! There the guardian, under actix's own supervisor, gives each [`Child`] a thread, or shares a few between them. The
//! child's factory opens its database on that thread. However the child ends, the guardian is told, and makes a fresh one
//! after a pause (`record` decides) until it is told to [`drain`](Handle::drain) them.
//!
//! A child may be elsewhere, on another node: from the start, or after it was told to [`retire`](Handle::retire), until this
//! node is told to [`host`](Handle::host) it.
//!
//! Nobody watches the guardian: if it ends uncalled, so does the process.

mod actor;
mod birth;
mod board;
mod drain;
mod handle;
mod moves;
mod record;

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    thread,
};

use actix::{Supervisor, System};

use crate::{
    bus::Bus,
    durable::{self, Entrance, LeadsTo},
    machine::{Failure, Machine},
    message::Address,
    supervision::{Sink, Start},
};

pub use actor::Guardian;
pub use board::{ChildStatus, State};
pub use drain::Drained;
pub use handle::Handle;
pub use moves::{Retire, Retired};
pub use record::Limits;

use board::Board;

/// Makes a child's machine from its database. Called on the child's own thread, so it may block.
pub type Factory = Arc<dyn Fn(Start) -> Result<Box<dyn Machine>, Failure> + Send + Sync>;

/// An actor to keep alive.
#[derive(Clone)]
pub struct Child {
    /// Its name in logs and lists: `s0`, `m0`.
    pub name: String,
    /// Who it is.
    pub address: Address,
    /// Whether it has a thread of its own, where the others share theirs.
    pub alone: bool,
    /// Whether it runs from the start; if not, as soon as this node is told to [`host`](Handle::host) it.
    pub here: bool,
    /// When it is drained: those with a lower number first, those with the same at once.
    pub group: u32,
    /// What makes its machine.
    pub factory: Factory,
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child").field("name", &self.name).field("group", &self.group).finish_non_exhaustive()
    }
}

/// How the guardian guards.
#[derive(Clone)]
pub struct Options {
    /// This node's name, for events.
    pub node: String,
    /// Threads that the children share; 0: one for each. A thread is there as long as some child needs it.
    pub arbiter_threads: usize,
    /// How the children take their turns.
    pub turns: durable::Options,
    /// When they are restarted, and when set aside.
    pub limits: Limits,
    /// How long a turn may take until its actor is called stuck, in milliseconds.
    pub stuck_ms: u64,
    /// Is told each step.
    pub sink: Sink,
    /// Is called when the guardian itself ends uncalled, with what is known of it. By default it ends the process.
    pub on_death: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Options {
    /// The defaults, for a node of this name.
    #[must_use]
    pub fn new(node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            arbiter_threads: 0,
            turns: durable::Options::default(),
            limits: Limits::default(),
            stuck_ms: 10_000,
            sink: Arc::new(|_| {}),
            on_death: Arc::new(|why| {
                tracing::error!(why, "the guardian has died, and so does the process");
                std::process::exit(70);
            }),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("node", &self.node).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Guardian {
    /// Starts the children that are to be here, and the guardian over them. Returns at once: [`Handle::wait`] tells when they are up, and
    /// [`Handle::inlets`] has what the bus needs to reach them, now and after any restart.
    ///
    /// # Errors
    /// A thread could not be started.
    pub fn start(options: Options, children: Vec<Child>, bus: Arc<dyn Bus>) -> io::Result<Handle> {
        let retry_after_ms = options.turns.retry_after_ms;
        let entrances: Vec<_> = children
            .iter()
            .map(|child| Arc::new(Entrance::new(child.address, Arc::clone(&bus), retry_after_ms)))
            .collect();
        for (_, entrance) in children.iter().zip(&entrances).filter(|(child, _)| !child.here) {
            entrance.lead_to(LeadsTo::Nowhere);
        }
        let board = Arc::new(Board::new(&children, &entrances, options.stuck_ms));
        // As long as nothing runs, nothing can die.
        let called = Arc::new(AtomicBool::new(true));
        let watch = DeathWatch { called: Arc::clone(&called), on_death: Arc::clone(&options.on_death) };
        let (tx, rx) = mpsc::channel();
        let (inside, watching) = ((Arc::clone(&board), entrances.clone()), Arc::clone(&called));
        thread::Builder::new().name("guardian".into()).spawn(move || {
            let _watch = watch.clone();
            let runner = System::new();
            let started = runner.block_on(async move {
                let (board, entrances) = inside;
                let guardian = Self::new(options, children, entrances, bus, board, watch)?;
                io::Result::Ok((Supervisor::start(|_| guardian), System::current()))
            });
            let running = started.is_ok();
            watching.store(!running, Relaxed);
            if tx.send(started).is_ok() && running {
                // An error is a non-zero exit code, which nobody sets.
                runner.run().ok();
            }
        })?;
        let (addr, system) = rx.recv().map_err(io::Error::other)??;
        Ok(Handle::new(addr, system, board, entrances, called))
    }
}

/// Calls out when it is dropped uncalled, as the guardian's last field, and at the bottom of its thread.
#[derive(Clone)]
struct DeathWatch {
    /// Whether the end was called for, or has been called out.
    called: Arc<AtomicBool>,
    on_death: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Drop for DeathWatch {
    fn drop(&mut self) {
        if !self.called.swap(true, Relaxed) {
            (self.on_death)(if thread::panicking() { "it panicked" } else { "its thread has ended" });
        }
    }
}
