//! An actor that tells the test all that it does.

use std::{
    any::Any,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use actix::{Actor, ActorContext, Addr, Context, Handler, Message, Supervised, Supervisor, System};

/// Longer than anything here may take; waited for in full only by a test that fails.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// What an actor tells the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Started,
    Handled(u32),
    Notified(u32),
    Timer,
    Restarting(u32),
    /// Dropped, and whether its thread was panicking.
    Dropped(bool),
}

pub(crate) type Deed = dyn FnOnce(&mut Teller, &mut Context<Teller>) + Send;

/// Something that an actor does with its own means.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Do(pub(crate) Box<Deed>);

pub(crate) fn act(what: impl FnOnce(&mut Teller, &mut Context<Teller>) + Send + 'static) -> Do {
    Do(Box::new(what))
}

/// A message with a number.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Number(pub(crate) u32);

/// To itself.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Notice(pub(crate) u32);

/// An actor that tells all it does.
pub(crate) struct Teller {
    pub(crate) tell: Sender<Said>,
    /// How many messages it has handled.
    pub(crate) handled: u32,
    /// How many more starts it stops at once.
    pub(crate) stops_at_start: u32,
    pub(crate) kept: Option<Box<dyn Any + Send>>,
}

impl Teller {
    pub(crate) fn new(tell: Sender<Said>) -> Self {
        Self { tell, handled: 0, stops_at_start: 0, kept: None }
    }

    pub(crate) fn say(&self, said: Said) {
        self.tell.send(said).ok();
    }
}

impl Actor for Teller {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.say(Said::Started);
        if self.stops_at_start > 0 {
            self.stops_at_start -= 1;
            ctx.stop();
        }
    }
}

impl Supervised for Teller {
    fn restarting(&mut self, _: &mut Self::Context) {
        self.say(Said::Restarting(self.handled));
    }
}

impl Handler<Do> for Teller {
    type Result = ();

    fn handle(&mut self, Do(what): Do, ctx: &mut Self::Context) {
        what(self, ctx);
    }
}

impl Handler<Number> for Teller {
    type Result = ();

    fn handle(&mut self, Number(number): Number, _: &mut Self::Context) {
        self.handled += 1;
        self.say(Said::Handled(number));
    }
}

impl Handler<Notice> for Teller {
    type Result = ();

    fn handle(&mut self, Notice(number): Notice, _: &mut Self::Context) {
        self.say(Said::Notified(number));
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.say(Said::Dropped(thread::panicking()));
    }
}

/// A system on a thread of its own, for as long as a test lasts.
pub(crate) struct Node(pub(crate) System);

impl Node {
    pub(crate) fn start() -> Self {
        let (tx, rx) = channel();
        thread::spawn(move || {
            let runner = System::new();
            tx.send(System::current()).ok();
            runner.run().ok();
        });
        Self(rx.recv_timeout(BOUND).expect("the thread starts"))
    }

    /// Runs something on the system's thread.
    pub(crate) fn run<T: Send + 'static>(&self, what: impl FnOnce() -> T + Send + 'static) -> T {
        let (tx, rx) = channel();
        self.0.arbiter().spawn_fn(move || {
            tx.send(what()).ok();
        });
        rx.recv_timeout(BOUND).expect("the thread goes on")
    }

    pub(crate) fn teller(&self) -> (Addr<Teller>, Receiver<Said>) {
        let (tx, rx) = channel();
        (self.run(|| Teller::new(tx).start()), rx)
    }

    pub(crate) fn supervised(
        &self,
        teller: impl FnOnce(Teller) -> Teller + Send + 'static,
    ) -> (Addr<Teller>, Receiver<Said>) {
        let (tx, rx) = channel();
        (self.run(|| Supervisor::start(|_| teller(Teller::new(tx)))), rx)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.0.stop();
    }
}

pub(crate) fn next(said: &Receiver<Said>) -> Said {
    said.recv_timeout(BOUND).expect("the actor says something")
}

pub(crate) fn take(said: &Receiver<Said>, many: usize) -> Vec<Said> {
    (0..many).map(|_| next(said)).collect()
}
