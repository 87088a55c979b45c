//! Ledger streams at the simulated broker: appends that are refused, unheard of, or late, messages that it loses; and an
//! incarnation's way into one.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
};

use parking_lot::Mutex;
use remit_actors::{
    cluster::{
        assembly::Assembly,
        fence::{Verdict, expected, verdict},
        lease,
        parts::{parts, proof},
        takeover::{End, Leveled, announced},
    },
    faults::{Chance, Dice},
    message::{Address, Linked, Rows},
    store::{
        Error,
        journal::Head,
        replica::{Commit, Replica},
    },
};
use remit_core::id::{Epoch, Seq};

/// How often an append is tried, as long as nothing is known of it.
const TRIES: usize = 4;
/// How far behind the old one a stream begins that is made anew: numbers never come again.
const APART: u64 = 1_000_000;

/// One message: whose it is, and a run of rows; without rows it is a proof.
#[derive(Clone, Debug)]
struct Message {
    epoch: Epoch,
    rows: Rows,
}

#[derive(Debug)]
struct Stream {
    /// The number before the first message.
    base: u64,
    messages: Vec<Message>,
    /// What has been sent, and has not come yet: each with what it expects.
    late: Vec<(Option<u64>, Message)>,
    is_away: bool,
    /// The newest claim that ever was in it.
    claimed: Epoch,
    unheard: Chance,
    dice: Dice,
}

/// Why an append has not come true, as far as its writer knows.
enum Refused {
    /// The end is elsewhere.
    Elsewhere,
    /// Nobody answers; it may be there.
    Unknown,
}

impl Stream {
    fn last(&self) -> u64 {
        self.base + self.messages.len() as u64
    }

    fn end(&self) -> End {
        let newest = self.messages.last();
        let (linked, claimed) = newest.map(|message| (message.rows.linked(), message.epoch)).unwrap_or_default();
        End { number: self.last(), linked, claimed }
    }

    /// What was late comes now, or some time later.
    fn catch_up(&mut self) {
        for (after, message) in std::mem::take(&mut self.late) {
            match self.dice.below(3) {
                0 => self.late.push((after, message)),
                _ => drop(self.take(after, message)),
            }
        }
    }

    fn take(&mut self, after: Option<u64>, message: Message) -> Result<u64, Refused> {
        if after.is_some_and(|after| after != self.last()) {
            return Err(Refused::Elsewhere);
        }
        self.claimed = self.claimed.max(message.epoch);
        self.messages.push(message);
        Ok(self.last())
    }

    fn append(&mut self, after: Option<u64>, message: Message) -> Result<u64, Refused> {
        self.catch_up();
        if !self.dice.hits(self.unheard) {
            return self.take(after, message);
        }
        match self.dice.below(3) {
            0 => self.late.push((after, message)),
            1 => drop(self.take(after, message)),
            _ => {}
        }
        Err(Refused::Unknown)
    }

    fn at(&self, number: u64) -> Option<&Rows> {
        let place = usize::try_from(number.checked_sub(self.base + 1)?).ok()?;
        self.messages.get(place).map(|message| &message.rows)
    }
}

/// One journal's stream. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Ledger(Arc<Mutex<Stream>>);

impl Ledger {
    pub(crate) fn new(unheard: Chance, dice: Dice) -> Self {
        let (base, messages, late, is_away, claimed) = (0, Vec::new(), Vec::new(), false, Epoch(0));
        Self(Arc::new(Mutex::new(Stream { base, messages, late, is_away, claimed, unheard, dice })))
    }

    /// Where it ends, as a claimant is told.
    pub(crate) fn end(&self, line: &Line) -> Result<End, Error> {
        let mut stream = self.0.lock();
        if stream.is_away || line.is_cut() {
            return Err(unreachable());
        }
        stream.catch_up();
        Ok(stream.end())
    }

    /// The next whole commits above a position.
    pub(crate) fn rows_above(&self, line: &Line, above: Seq) -> Result<Option<Rows>, Error> {
        let stream = self.0.lock();
        if stream.is_away || line.is_cut() {
            return Err(unreachable());
        }
        let first = stream.messages.partition_point(|message| message.rows.last <= above);
        let mut assembly = Assembly::default();
        let mut whole = stream.messages[first..].iter().filter_map(|message| assembly.push(message.rows.clone()));
        Ok(whole.find(|rows| rows.last > above).filter(|rows| rows.first <= above.next()))
    }

    /// Appends rows as nobody's.
    pub(crate) fn publish(&self, line: &Line, after: u64, rows: Rows) -> Result<u64, Error> {
        let mut stream = self.0.lock();
        if stream.is_away || line.is_cut() {
            return Err(unreachable());
        }
        stream.append(expected(after), Message { epoch: Epoch(0), rows }).map_err(|refused| match refused {
            Refused::Elsewhere => Error::NotReplicated { what: "the stream ends elsewhere".into() },
            Refused::Unknown => unreachable(),
        })
    }

    /// The newest claim that ever was in it, whatever it has lost since.
    pub(crate) fn claimed(&self) -> Epoch {
        self.0.lock().claimed
    }

    /// The end that it has in truth.
    pub(crate) fn linked(&self) -> Linked {
        self.0.lock().end().linked
    }

    /// The writers of all that is in it, in order; without what was published again.
    pub(crate) fn writers(&self) -> Vec<Epoch> {
        let stream = self.0.lock();
        stream.messages.iter().map(|message| message.epoch).filter(|epoch| *epoch > Epoch(0)).collect()
    }

    pub(crate) fn is_away(&self, is_away: bool) {
        self.0.lock().is_away = is_away;
    }

    /// From now on all appends are heard of.
    pub(crate) fn heal(&self) {
        let mut stream = self.0.lock();
        (stream.is_away, stream.unheard) = (false, Chance::NEVER);
    }

    /// The broker goes back to what it was some messages ago; how many it has lost.
    pub(crate) fn roll_back(&self, messages: usize) -> usize {
        let mut stream = self.0.lock();
        let left = stream.messages.len().saturating_sub(messages);
        let lost = stream.messages.len() - left;
        stream.messages.truncate(left);
        stream.late.clear();
        lost
    }

    /// The broker has lost it, and has made it anew.
    pub(crate) fn wipe(&self) -> usize {
        let mut stream = self.0.lock();
        stream.base = (stream.base / APART + 1) * APART;
        stream.late.clear();
        std::mem::take(&mut stream.messages).len()
    }
}

fn unreachable() -> Error {
    Error::NotReplicated { what: "the broker does not answer".into() }
}

/// A node's connection to the broker, and its lease.
#[derive(Debug)]
pub(crate) struct Line {
    is_cut: AtomicBool,
    now_ms: AtomicI64,
    until_ms: AtomicI64,
    /// Something was appended although the lease was over.
    has_gone_on: AtomicBool,
}

impl Default for Line {
    fn default() -> Self {
        let has_gone_on = false.into();
        Self { is_cut: false.into(), now_ms: 0.into(), until_ms: i64::MAX.into(), has_gone_on }
    }
}

impl Line {
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.load(Relaxed)
    }

    pub(crate) fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Relaxed);
    }

    /// What the node's clock says, which goes on while it is stopped.
    pub(crate) fn tick(&self, now_ms: i64) {
        self.now_ms.store(now_ms, Relaxed);
    }

    /// Its lease ends then, unless it is renewed.
    pub(crate) fn good_until(&self, until_ms: i64) {
        self.until_ms.store(until_ms, Relaxed);
    }

    /// It renews its lease from now on.
    pub(crate) fn beat(&self) {
        self.until_ms.store(i64::MAX, Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.now_ms.load(Relaxed) >= self.until_ms.load(Relaxed)
    }

    /// Whether anything was appended over it although the lease was over.
    pub(crate) fn has_gone_on(&self) -> bool {
        self.has_gone_on.load(Relaxed)
    }

    fn may_write(&self) -> Result<(), Error> {
        let ms = |of: &AtomicI64| of.load(Relaxed).unsigned_abs();
        lease::may_write(ms(&self.now_ms), ms(&self.until_ms))
    }
}

/// An incarnation's way into its stream.
pub(crate) struct Writer {
    ledger: Ledger,
    line: Arc<Line>,
    source: Address,
    end: End,
    epoch: Epoch,
    part_bytes: usize,
}

impl Writer {
    /// A way in behind this end; one message takes so much of a commit.
    pub(crate) fn new(ledger: Ledger, line: Arc<Line>, source: Address, leveled: Leveled, part_bytes: usize) -> Self {
        let Leveled { end, epoch } = leveled;
        Self { ledger, line, source, end, epoch, part_bytes }
    }

    fn put(&mut self, epoch: Epoch, rows: &Rows) -> Result<(), Error> {
        self.line.has_gone_on.fetch_or(self.line.is_over(), Relaxed);
        let after = self.end.number;
        for _ in 0..TRIES {
            let mut stream = self.ledger.0.lock();
            if stream.is_away || self.line.is_cut() {
                break;
            }
            match stream.append(expected(after), Message { epoch, rows: rows.clone() }) {
                Ok(number) => {
                    self.end.number = number;
                    return Ok(());
                }
                Err(Refused::Elsewhere) => match verdict(rows, stream.at(after + 1), after, &stream.end()) {
                    Verdict::Stored => {
                        self.end.number = after + 1;
                        return Ok(());
                    }
                    Verdict::Taken => {
                        let end = stream.end();
                        let (own, stored) = ((epoch, self.end.linked.seq), (end.claimed, end.linked.seq));
                        return Err(Error::Fenced { own, stored });
                    }
                    Verdict::Lost => {
                        return Err(Error::NotReplicated { what: "its stream has lost messages".into() });
                    }
                },
                // Now and then the time for tries is over.
                Err(Refused::Unknown) if stream.dice.below(3) == 0 => break,
                Err(Refused::Unknown) => {}
            }
        }
        Err(unreachable())
    }
}

impl Replica for Writer {
    fn may_write(&mut self) -> Result<(), Error> {
        self.line.may_write()
    }

    fn append(&mut self, commit: &Commit<'_>) -> Result<(), Error> {
        announced(commit, self.epoch)?;
        for (rows, _) in parts(self.source, commit, self.part_bytes) {
            self.put(commit.epoch, &rows)?;
        }
        self.end.linked = Linked { seq: commit.last, link: commit.link };
        self.end.claimed = commit.epoch;
        Ok(())
    }

    fn prove(&mut self, head: Head) -> Result<(), Error> {
        self.put(head.epoch, &proof(self.source, Linked { seq: head.seq, link: head.hash }))
    }
}
