//! Replicated mode: a commit is on the stream before it is in the database, and the stream decides who may write (R12, R13).
//! What a database has promised it keeps (R15).

use std::sync::Arc;

use parking_lot::Mutex;
use remit_actors::{
    machine::Failure,
    message::{AnswerBody, Chunk, Linked, Message, Question, Rows},
    store::{
        Error,
        journal::Head,
        replica::{Claimant, Commit, Replica},
    },
};
use remit_core::{
    account::Kind,
    id::{Epoch, Seq},
    leg::{Answer, Verb},
};

use crate::{
    commands::{NOW, ask, command, frame, open_account},
    places::{Desk, Place, SHARD},
    world::{account, transfer_id},
};

/// A stream in memory.
#[derive(Default)]
struct Stream {
    /// What was appended: each writer's epoch, and its commit, or none where it only proved that it is the newest.
    appended: Vec<(Epoch, Option<Rows>)>,
    /// What happens at the next append, or at the one after so many more.
    fault: Option<(usize, Fault)>,
    has_lease: bool,
    /// How often a writer has asked for anything.
    asked: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// It does not take it.
    Refused,
    /// It takes it, and its word is lost.
    Unheard,
    /// Somebody else has appended.
    Taken,
}

impl Stream {
    /// All commits that it has.
    fn runs(&self) -> Vec<Rows> {
        self.appended.iter().filter_map(|(_, run)| run.clone()).collect()
    }

    fn last(&self) -> Seq {
        self.runs().last().map_or(Seq(1), |run| run.last)
    }
}

/// One writer's end of it.
struct End {
    stream: Arc<Mutex<Stream>>,
    /// How much there must be for nobody else to have appended.
    expected: usize,
    /// Called before a commit is acknowledged.
    look: Box<dyn FnMut(&Commit<'_>) + Send>,
}

impl End {
    fn put(&mut self, epoch: Epoch, run: Option<Rows>) -> Result<(), Error> {
        let mut stream = self.stream.lock();
        stream.asked += 1;
        let fault = match &mut stream.fault {
            Some((0, fault)) => Some(*fault),
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        };
        if fault == Some(Fault::Refused) {
            return Err(Error::NotReplicated { what: "no space".into() });
        }
        if fault == Some(Fault::Taken) || stream.appended.len() != self.expected {
            return Err(Error::Fenced { own: (epoch, Seq(0)), stored: (Epoch(0), Seq(0)) });
        }
        stream.appended.push((epoch, run));
        self.expected += 1;
        match fault {
            None => Ok(()),
            Some(_) => Err(Error::NotReplicated { what: "no answer".into() }),
        }
    }
}

impl Replica for End {
    fn may_write(&mut self) -> Result<(), Error> {
        if self.stream.lock().has_lease { Ok(()) } else { Err(Error::LeaseExpired) }
    }

    fn append(&mut self, commit: &Commit<'_>) -> Result<(), Error> {
        (self.look)(commit);
        let Commit { epoch, first, last, before, link, lines } = *commit;
        let chunks = vec![Chunk { last, link: Some(link), lines: String::from_utf8(lines.to_vec()).unwrap() }];
        self.put(epoch, Some(Rows { source: SHARD, first, last, before, chunks, head: last, complete: None }))
    }

    fn prove(&mut self, head: Head) -> Result<(), Error> {
        self.put(head.epoch, None)
    }
}

/// A deployment's one shard, and its stream.
struct Story {
    place: Place,
    stream: Arc<Mutex<Stream>>,
}

impl Story {
    /// Each kind of store, with three accounts that were opened in replicated mode. The stream has the genesis row, too, as when a
    /// file is published that is ahead of it.
    fn each() -> Vec<Self> {
        Place::each().into_iter().map(Self::begin).collect()
    }

    fn begin(place: Place) -> Self {
        let story = Self { place, stream: Arc::new(Mutex::new(Stream { has_lease: true, ..Stream::default() })) };
        let genesis = story.place.another();
        drop(genesis.shard(1, "elsewhere").unwrap());
        let mut run = genesis.run_above(0);
        run.chunks.truncate(1);
        (run.last, run.head) = (Seq(1), Seq(1));
        story.place.copy(1).unwrap().absorb(&run).unwrap();
        story.stream.lock().appended.push((Epoch(0), Some(run)));
        let mut desk = story.open().unwrap();
        let opens = ["s0:a", "s0:b", "s0:c"].into_iter().zip(1..);
        let opens = opens.map(|(id, n)| open_account(id, Kind::External, n)).collect();
        desk.turn(&[frame(opens)], NOW).unwrap();
        story
    }

    fn claimant(&self, look: impl FnMut(&Commit<'_>) + Send + 'static) -> Claimant {
        let expected = self.stream.lock().appended.len();
        let end = End { stream: Arc::clone(&self.stream), expected, look: Box::new(look) };
        Claimant { replica: Some(Box::new(end)), ..Claimant::from("test") }
    }

    fn open(&self) -> Result<Box<dyn Desk>, Failure> {
        self.place.shard(4, self.claimant(|_| ()))
    }

    /// Takes in what the stream has and the database has not, as a new owner does.
    fn restore(&self) {
        let mut copy = self.place.copy(4).unwrap();
        for run in self.stream.lock().runs() {
            copy.absorb(&run).unwrap();
        }
        copy.settle().unwrap();
    }

    fn assert_equal(&self) {
        let (stream, contents) = (self.stream.lock(), self.place.contents());
        let links: Vec<_> = stream.runs().iter().map(Rows::linked).map(|end| (end.seq, end.link)).collect();
        assert_eq!(contents.links, links);
        assert_eq!(self.place.last(), stream.last());
    }
}

fn debit(n: u64) -> Message {
    command(transfer_id(n), n, Verb::Debit, "s0:a", 1)
}

fn read() -> Message {
    ask(Question::Account(account("s0:a")))
}

/// A turn that writes, one that only reads, and one that does both.
fn batches() -> [Vec<Message>; 3] {
    [vec![debit(1), debit(2)], vec![read()], vec![debit(3), read()]]
}

#[test]
fn r13_every_commit_is_on_the_stream_before_it_is_in_the_database() {
    for story in Story::each() {
        let looked = Arc::new(Mutex::new(Vec::new()));
        // Through a handle of its own, as anybody else would.
        let (seen, path) = (Arc::clone(&looked), story.place.path());
        let disk = if let Place::Memory(disk) = &story.place { Some(disk.clone()) } else { None };
        let look = move |commit: &Commit<'_>| {
            let last = match (&disk, &path) {
                (Some(disk), _) => Seq(disk.rows().len() as u64),
                (None, Some(path)) => remit_actors::store::sqlite::Tail::open(path, SHARD).unwrap().head().unwrap(),
                (None, None) => unreachable!("it is somewhere"),
            };
            seen.lock().push((commit.before.seq, last, commit.first));
        };
        let before = story.stream.lock().appended.len();
        let mut desk = story.place.shard(4, story.claimant(look)).unwrap();
        let epoch = desk.position().epoch;
        for batch in batches() {
            assert!(!desk.turn(&[frame(batch)], NOW).unwrap().is_empty());
        }
        let looked = looked.lock();
        assert_eq!(looked.len(), 3, "the claim, and two turns that write");
        for (before, last, first) in looked.iter() {
            assert_eq!((last, first), (before, &before.next()));
        }
        drop(desk);
        story.assert_equal();
        // What is read rests on an append of its own, made after it was read.
        let stream = story.stream.lock();
        let kinds: Vec<bool> = stream.appended[before..].iter().map(|(_, run)| run.is_some()).collect();
        assert_eq!(kinds, [true, true, false, true, false]);
        assert!(stream.appended[before..].iter().all(|(by, _)| *by == epoch));
    }
}

/// R13, R14: whether the stream has it or not, the database has it only if the stream said so; and the next owner has what the
/// stream has.
#[test]
fn r13_an_append_that_fails_leaves_the_database_as_it_was() {
    for fault in [Fault::Refused, Fault::Unheard, Fault::Taken] {
        for (moment, batch) in (0..).zip([vec![], vec![debit(1), debit(2)], vec![read()]]) {
            for story in Story::each() {
                let set = |after| story.stream.lock().fault = Some((after, fault));
                let (mut desk, before);
                let failure = match moment {
                    0 => {
                        before = (story.place.contents(), story.stream.lock().last());
                        set(0);
                        story.open().map(drop).unwrap_err()
                    }
                    _ => {
                        desk = story.open().unwrap();
                        before = (story.place.contents(), story.stream.lock().last());
                        set(0);
                        let failure = desk.turn(&[frame(batch.clone())], NOW).unwrap_err();
                        // It is over, even if nobody were to drop it.
                        story.stream.lock().fault = None;
                        let asked = story.stream.lock().asked;
                        assert!(desk.turn(&[frame(vec![debit(9)])], NOW).is_err());
                        assert_eq!(story.stream.lock().asked, asked);
                        drop(desk);
                        failure
                    }
                };
                match fault {
                    Fault::Taken => assert!(matches!(failure, Failure::Fenced(_)), "{failure:?}"),
                    _ => assert!(matches!(failure, Failure::Store(Error::NotReplicated { .. })), "{failure:?}"),
                }
                assert_eq!(story.place.contents(), before.0, "{fault:?} {moment}");
                let is_there = fault == Fault::Unheard && moment < 2;
                assert_eq!(story.stream.lock().last() > before.1, is_there, "{fault:?} {moment}");

                story.stream.lock().fault = None;
                story.restore();
                story.assert_equal();
                let mut desk = story.open().unwrap();
                assert_eq!(crate::commands::answer(&mut *desk, debit(1)), Answer::Done);
                assert!(desk.is_sound());
                let AnswerBody::Account(Some(account)) =
                    crate::commands::body(&mut *desk, Question::Account(account("s0:a")))
                else {
                    panic!("no such account")
                };
                let debits = if is_there && moment == 1 { 2 } else { 1 };
                assert_eq!(account.balances.posted, -debits, "{fault:?} {moment}");
                drop(desk);
                story.assert_equal();
            }
        }
    }
}

/// R12, R13: whoever was there before writes nothing, and what it would read does not leave.
#[test]
fn r12_r13_an_owner_whose_stream_was_taken_over_is_shut_out() {
    for story in Story::each() {
        for batch in batches() {
            let mut older = story.open().unwrap();
            // On another machine, from the stream alone.
            let elsewhere = Story { place: story.place.another(), stream: Arc::clone(&story.stream) };
            elsewhere.restore();
            let mut newer = elsewhere.open().unwrap();
            let before = story.place.contents();
            let failure = older.turn(&[frame(batch.clone())], NOW).unwrap_err();
            assert!(matches!(failure, Failure::Fenced(_)), "{batch:?}: {failure:?}");
            drop(older);
            assert_eq!(story.place.contents(), before);
            assert!(!newer.turn(&[frame(batch)], NOW).unwrap().is_empty());
            drop(newer);
            elsewhere.assert_equal();
            story.restore();
            story.assert_equal();
        }
    }
}

#[test]
fn r12_an_owner_whose_lease_is_over_stops_by_itself() {
    for story in Story::each() {
        for batch in batches() {
            let mut desk = story.open().unwrap();
            let (contents, appended) = (story.place.contents(), story.stream.lock().appended.len());
            story.stream.lock().has_lease = false;
            // Also if it were given another one: it has been told to stop, and somebody may have begun meanwhile.
            for _ in 0..2 {
                let failure = desk.turn(&[frame(batch.clone())], NOW).unwrap_err();
                let is_over = match &failure {
                    Failure::Fenced(error) => matches!(error, Error::LeaseExpired),
                    Failure::Store(error) => matches!(error, Error::NotReplicated { .. }),
                    Failure::Invariant(_) => false,
                };
                assert!(is_over, "{failure:?}");
                story.stream.lock().has_lease = true;
            }
            drop(desk);
            assert_eq!(story.place.contents(), contents);
            assert_eq!(story.stream.lock().appended.len(), appended);
        }
        story.stream.lock().has_lease = false;
        assert!(matches!(story.open().map(drop), Err(Failure::Fenced(Error::LeaseExpired))));
        story.assert_equal();
    }
}

#[test]
fn r15_a_promise_fences_a_running_writer_and_the_next_claim_is_above_it() {
    for place in Place::each() {
        let mut older = place.shard(4, "older").unwrap();
        older.turn(&[frame(vec![open_account("s0:a", Kind::External, 1)])], NOW).unwrap();
        let (own, last) = (older.position().epoch, place.last());
        // Less than there is already, or as much, is no promise, and disturbs nobody.
        for asked in [0, own.0] {
            assert_eq!(place.promise(asked).epoch, own);
        }
        older.turn(&[frame(vec![debit(1)])], NOW).unwrap();

        let promised = place.promise(own.0 + 5);
        assert_eq!((promised.epoch, promised.claimed), (Epoch(own.0 + 5), own));
        assert_eq!(promised.linked.seq, last.next());
        assert_eq!(place.run_above(0).linked(), promised.linked);
        assert_eq!(place.promise(own.0 + 3), promised, "it is not taken back");
        for batch in batches() {
            let failure = older.turn(&[frame(batch)], NOW).unwrap_err();
            assert!(matches!(failure, Failure::Fenced(_)), "{failure:?}");
        }
        drop(older);
        assert_eq!(place.last(), promised.linked.seq);

        let mut newer = place.shard(4, "newer").unwrap();
        assert_eq!(newer.position().epoch, Epoch(own.0 + 6));
        assert!(newer.is_sound(), "epochs may have gaps");
        assert_eq!(place.promise(1).claimed, Epoch(own.0 + 6));
        drop(newer);
        assert_eq!(place.contents().epoch, Epoch(own.0 + 6));
    }
}

/// R15: in a file, a promise waits for the commit that is under way, and knows it; in memory it comes first, and the commit is
/// fenced. Either way nothing of a lower epoch is written once it is made.
#[test]
fn r15_a_promise_during_a_commit_is_made_before_it_or_after_it() {
    for story in Story::each() {
        let (sends, promises) = std::sync::mpsc::channel();
        let mut sends = Some(sends);
        let disk = if let Place::Memory(disk) = &story.place { Some(disk.clone()) } else { None };
        let path = story.place.path();
        let look = move |commit: &Commit<'_>| {
            let epoch = Epoch(commit.epoch.0 + 1);
            let Some(sends) = sends.take() else { return };
            match (&disk, path.clone()) {
                (Some(disk), _) => sends.send(disk.promise(epoch).unwrap()).unwrap(),
                (None, Some(path)) => {
                    std::thread::spawn(move || {
                        sends.send(remit_actors::store::sqlite::promise(&path, epoch).unwrap()).unwrap();
                    });
                }
                (None, None) => unreachable!("it is somewhere"),
            }
        };
        // The claim is that commit.
        let opened = story.place.shard(100, story.claimant(look));
        assert_eq!(opened.is_ok(), story.place.path().is_some());
        let turned = opened.map(|mut desk| desk.turn(&[frame(vec![debit(1)])], NOW).is_ok());
        let promised = promises.recv().unwrap();
        // In a file, the first turn may have been in time, too.
        drop(turned);
        assert_eq!(promised.linked.seq, story.place.last());
        assert!(promised.epoch > promised.claimed);
        story.restore();
        story.assert_equal();
        assert!(story.open().unwrap().position().epoch > promised.epoch);
    }
}

#[test]
fn r15_a_promise_is_durable_and_can_be_the_first_thing_in_a_copy() {
    for story in Story::each() {
        let copy = Story { place: story.place.another(), stream: Arc::clone(&story.stream) };
        drop(copy.place.copy(1).unwrap());
        let promised = copy.place.promise(40);
        assert_eq!((promised.epoch, promised.claimed, promised.linked), (Epoch(40), Epoch(0), Linked::default()));
        if let Place::Memory(disk) = &copy.place {
            assert!(!disk.lose_power());
        }
        copy.restore();
        assert_eq!(copy.place.promise(40).epoch, Epoch(40), "rows of lower epochs lower nothing");
        copy.assert_equal();
        assert_eq!(copy.open().unwrap().position().epoch, Epoch(41));
    }
}

/// R16: a copy that has no first row yet is nobody's to claim, and not to be begun anew.
#[test]
fn r16_an_empty_copy_is_not_opened_as_a_database() {
    let place = Place::File(crate::files::scratch());
    drop(place.copy(1).unwrap());
    place.promise(3);
    let opened = place.shard(1, "test").map(drop);
    assert!(matches!(opened, Err(Failure::Store(Error::Foreign { .. }))), "{opened:?}");
}
