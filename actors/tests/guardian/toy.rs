//! A machine to play with, and a node of such.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::SeqCst},
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use parking_lot::Mutex;
use remit_actors::{
    bus::{Bus, Delivery, Inlet, Receipt},
    frame::Frame,
    guardian::{Child, Guardian, Handle, Limits, Options},
    machine::{Failure, Machine},
    message::{Address, Answer, AnswerBody, Ask, Class, Message, Position, Question, Submit, Tell},
    supervision::{Event, Start, Step},
};
use remit_core::{
    id::{PartitionNo, Seq, ShardNo, Time, TransferId},
    protocol::Protocol,
};

/// Longer than anything here may take; waited for in full only by a test that fails.
pub(crate) const BOUND: Duration = Duration::from_secs(20);
/// Who asks.
pub(crate) const GATEWAY: Address = Address::Gateway(9);
/// No turn unless something comes in.
pub(crate) const NEVER: i64 = i64::MAX;

pub(crate) type Turned = Result<Vec<(Address, Frame)>, Failure>;
type Turn = dyn FnMut(&[Frame], Time) -> Turned + Send;

/// A machine that does in each turn what the test says.
pub(crate) struct Toy {
    pub(crate) address: Address,
    pub(crate) open: u64,
    pub(crate) turn: Box<Turn>,
    /// When it wants a turn, in milliseconds since 1970.
    pub(crate) wake_at: Arc<AtomicI64>,
    pub(crate) turns: u64,
    /// How many of its transfers take too long.
    pub(crate) overdue: Arc<AtomicU64>,
}

impl Toy {
    pub(crate) fn new(turn: impl FnMut(&[Frame], Time) -> Turned + Send + 'static) -> Self {
        let wake_at = Arc::new(AtomicI64::new(NEVER));
        Self { address: shard(0), open: 0, turn: Box::new(turn), wake_at, turns: 0, overdue: Arc::default() }
    }

    /// The same, which wants its turns when this says.
    pub(crate) fn waking(mut self, wake_at: Arc<AtomicI64>) -> Self {
        self.wake_at = wake_at;
        self
    }

    /// One that does nothing.
    pub(crate) fn idle() -> Self {
        Self::new(|_, _| Ok(vec![]))
    }
}

impl Machine for Toy {
    fn address(&self) -> Address {
        self.address
    }

    fn turn(&mut self, batch: &[Frame], now: Time) -> Turned {
        self.turns += 1;
        (self.turn)(batch, now)
    }

    fn wake_at(&self) -> Option<Time> {
        Some(Time(self.wake_at.load(SeqCst))).filter(|at| at.0 != NEVER)
    }

    fn position(&self) -> Position {
        Position { seq: Seq(self.turns), overdue: self.overdue.load(SeqCst), ..Position::default() }
    }

    fn recovered(&self) -> u64 {
        self.open
    }
}

/// Tells that it is dropped, by a name.
pub(crate) struct TellsDrop(pub(crate) Sender<String>, pub(crate) String);

impl Drop for TellsDrop {
    fn drop(&mut self) {
        self.0.send(self.1.clone()).ok();
    }
}

pub(crate) fn shard(no: u16) -> Address {
    Address::Shard(ShardNo(no))
}

pub(crate) fn manager(no: u16) -> Address {
    Address::Manager(PartitionNo(no))
}

/// A child of this name; shards are of group 1, managers of group 0.
pub(crate) fn child(name: &str, make: impl Fn(Start) -> Result<Toy, Failure> + Send + Sync + 'static) -> Child {
    let no = name[1..].parse().expect("a letter and a number");
    let (address, group) = if name.starts_with('m') { (manager(no), 0) } else { (shard(no), 1) };
    let factory = move |start: Start| {
        let mut toy = make(start)?;
        toy.address = address;
        Ok(Box::new(toy) as Box<dyn Machine>)
    };
    Child { name: name.into(), address, alone: false, here: true, group, factory: Arc::new(factory) }
}

/// A turn that waits in the middle, so that a test can do something meanwhile.
pub(crate) struct Pause {
    reached: Receiver<()>,
    go: Sender<()>,
}

impl Pause {
    /// The test's end of it, and the machine's.
    pub(crate) fn new() -> (Self, impl Fn() + Send) {
        let ((at, reached), (go, goes)) = (channel(), channel());
        let pause = move || {
            at.send(()).ok();
            goes.recv_timeout(BOUND).ok();
        };
        (Self { reached, go }, pause)
    }

    /// Waits until the machine has come to the pause.
    pub(crate) fn reached(&self) {
        self.reached.recv_timeout(BOUND).expect("it comes to its pause");
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        self.go.send(()).expect("the machine waits");
    }
}

/// A bus that hands frames to the test.
struct ToTest(Mutex<Sender<(Address, Frame)>>);

impl Bus for ToTest {
    fn send(&self, to: Address, frame: Frame) {
        self.0.lock().send((to, frame)).ok();
    }
}

/// Some children under a guardian.
pub(crate) struct Node {
    pub(crate) handle: Handle,
    pub(crate) events: Receiver<Event>,
    pub(crate) sent: Receiver<(Address, Frame)>,
    pub(crate) deaths: Receiver<String>,
}

/// Pauses so short that nobody has to wait, and no quarantine unless a test wants it.
pub(crate) const QUICK: Limits = Limits {
    restart_first_ms: 8,
    restart_max_ms: 16,
    failures_max: 100,
    failures_period_ms: 60_000,
    quarantine_retry_ms: 60_000,
};

impl Node {
    pub(crate) fn start(children: Vec<Child>) -> Self {
        Self::with(children, |_| {})
    }

    /// A node with other options.
    pub(crate) fn with(children: Vec<Child>, change: impl FnOnce(&mut Options)) -> Self {
        let ((tx, events), (to_test, sent), (died, deaths)) = (channel(), channel(), channel());
        let mut options = Options::new("n1");
        options.limits = QUICK;
        let tx = Mutex::new(tx);
        options.sink = Arc::new(move |event: &Event| {
            tx.lock().send(event.clone()).ok();
        });
        let died = Mutex::new(died);
        options.on_death = Arc::new(move |why: &str| {
            died.lock().send(why.to_owned()).ok();
        });
        change(&mut options);
        let handle = Guardian::start(options, children, Arc::new(ToTest(Mutex::new(to_test)))).expect("threads start");
        Self { handle, events, sent, deaths }
    }

    /// Puts a frame into an actor's inlet.
    pub(crate) fn deliver(&self, to: Address, frame: Frame) {
        self.inlet(to).deliver(Delivery { frame, receipt: None });
    }

    /// The same; what it returns is told when the frame is acknowledged.
    pub(crate) fn deliver_with_receipt(&self, to: Address, frame: Frame) -> Receiver<()> {
        let (tx, rx) = channel();
        let tx = Mutex::new(tx);
        let receipt = Receipt::new(move || {
            tx.lock().send(()).ok();
        });
        self.inlet(to).deliver(Delivery { frame, receipt: Some(receipt) });
        rx
    }

    fn inlet(&self, to: Address) -> Arc<dyn Inlet> {
        self.handle.inlets().into_iter().find(|(address, _)| *address == to).expect("it is a child").1
    }

    /// The next step of an actor that is as wanted, and its generation; those before it are passed over.
    pub(crate) fn step<T>(&self, actor: &str, wanted: impl Fn(&Step) -> Option<T>) -> (u64, T) {
        loop {
            let event = self.events.recv_timeout(BOUND).expect("the step comes");
            if event.actor == actor
                && let Some(found) = wanted(&event.step)
            {
                return (event.generation, found);
            }
        }
    }

    /// Waits until an actor is up again, or for the first time.
    pub(crate) fn up(&self, actor: &str) -> u64 {
        self.step(actor, |step| matches!(step, Step::Recovered { .. }).then_some(())).0
    }

    /// The next frame that leaves.
    pub(crate) fn sent(&self) -> (Address, Frame) {
        self.sent.recv_timeout(BOUND).expect("a frame leaves")
    }
}

/// A frame of messages with these numbers: answers, questions or submits, by the class.
pub(crate) fn frame(class: Class, numbers: &[u64]) -> Frame {
    let message = |number: &u64| match class {
        Class::Reply => answer(*number),
        Class::Do => Message::Ask(Ask { ticket: *number, from: GATEWAY, question: Question::Position }),
        Class::Submit => Message::Submit(Submit {
            id: transfer(*number),
            protocol: Protocol::default(),
            legs: vec![],
            memo: None,
            deadline_ms: 1_000,
            gateway: 9,
            ticket: 0,
            tell: Tell::Accepted,
        }),
    };
    Frame { from: GATEWAY, class, mark: None, messages: numbers.iter().map(message).collect(), traces: vec![] }
}

pub(crate) fn answer(ticket: u64) -> Message {
    Message::Answer(Answer { ticket, part: 0, parts: 1, body: AnswerBody::Account(None) })
}

pub(crate) fn transfer(number: u64) -> TransferId {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    TransferId(id)
}

/// The numbers of a frame's messages.
pub(crate) fn numbers(frame: &Frame) -> Vec<u64> {
    let number = |message: &Message| match message {
        Message::Answer(answer) => answer.ticket,
        Message::Ask(ask) => ask.ticket,
        Message::Submit(submit) => u64::from_be_bytes(submit.id.0[8..].try_into().expect("8 bytes")),
        Message::Command(_) | Message::Reply(_) | Message::Standing(_) | Message::Rows(_) => panic!("not from here"),
    };
    frame.messages.iter().map(number).collect()
}
