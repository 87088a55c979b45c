//! Journals of one row a commit, some of which claim; and what may have become of them.

use remit_core::id::ShardNo;

use super::*;
use crate::message::{Address, Chunk};

/// A commit, of which nothing matters but whether it claims, and that it is another one than others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    claim: Option<Epoch>,
    link: [u8; 32],
}

/// A journal's rows, as they stand in some place.
type Journal = Vec<Row>;

fn linked(rows: &[Row]) -> Linked {
    rows.last().map_or_else(Linked::default, |row| Linked { seq: Seq(rows.len() as u64), link: row.link })
}

fn claimed(rows: &[Row]) -> Epoch {
    rows.iter().filter_map(|row| row.claim).max().unwrap_or_default()
}

/// The row above a position, one a run.
fn above(rows: &[Row], seq: Seq) -> Option<Rows> {
    let at = usize::try_from(seq.0).unwrap();
    let row = rows.get(at)?;
    let (first, source) = (seq.next(), Address::Shard(ShardNo(0)));
    // What a copy needs to know of the row travels where lines would.
    let chunk = Chunk {
        last: first,
        link: Some(row.link),
        lines: row.claim.map_or_else(String::new, |claim| claim.0.to_string()),
    };
    Some(Rows {
        source,
        first,
        last: first,
        before: linked(&rows[..at]),
        chunks: vec![chunk],
        head: first,
        complete: None,
    })
}

/// A history: `1` claims epoch 1, `.` is any row; the same text is the same rows, and what differs differs from there on.
fn journal(text: &str) -> Journal {
    let mut link = [0_u8; 32];
    let mut rows = Vec::new();
    for (at, word) in text.bytes().enumerate() {
        link[at] = word;
        let claim = word.is_ascii_digit().then(|| Epoch(u64::from(word - b'0')));
        rows.push(Row { claim, link });
    }
    rows
}

#[derive(Clone, Debug, Default)]
struct File {
    rows: Journal,
    promised: Epoch,
}

impl File {
    fn new(text: &str) -> Self {
        let rows = journal(text);
        Self { promised: claimed(&rows), rows }
    }
}

impl Copy for File {
    fn promise(&mut self, epoch: Epoch) -> Result<Held, Error> {
        self.promised = self.promised.max(epoch);
        Ok(Held { epoch: self.promised, claimed: claimed(&self.rows), linked: linked(&self.rows) })
    }

    fn absorb(&mut self, rows: &Rows) -> Result<(), Error> {
        if rows.before != linked(&self.rows) {
            return Err(Error::Differs { what: format!("at row {}", rows.first.0) });
        }
        for chunk in &rows.chunks {
            let claim = chunk.lines.parse().ok().map(Epoch);
            self.rows.push(Row { claim, link: chunk.link.unwrap() });
        }
        Ok(())
    }

    fn linked(&self) -> Linked {
        linked(&self.rows)
    }

    fn rows_above(&mut self, seq: Seq) -> Result<Option<Rows>, Error> {
        Ok(above(&self.rows, seq))
    }

    fn link_at(&mut self, seq: Seq) -> Result<Option<Hash>, Error> {
        Ok(usize::try_from(seq.0).unwrap().checked_sub(1).and_then(|at| self.rows.get(at)).map(|row| row.link))
    }
}

struct Member {
    name: &'static str,
    file: Option<File>,
    known: Option<(u64, &'static str)>,
    is_reachable: bool,
}

struct World {
    stream: Journal,
    /// Messages that the stream had before.
    numbers: u64,
    /// Its last message was published again, by nobody in particular.
    is_nobodys: bool,
    /// What the archive has.
    archive: Journal,
    /// How many rows are gone from the stream's beginning.
    trimmed: usize,
    members: Vec<Member>,
    known: Option<(u64, &'static str)>,
    /// Promises that were asked for.
    bids: Vec<Epoch>,
    /// Claims that were announced.
    announced: Vec<Epoch>,
}

impl World {
    /// A stream, and members with their files; all reachable.
    fn new(stream: &str, members: &[(&'static str, Option<&str>)]) -> Self {
        let member = |(name, file): &(&'static str, Option<&str>)| Member {
            name,
            file: file.map(File::new),
            known: None,
            is_reachable: true,
        };
        Self {
            stream: journal(stream),
            numbers: 0,
            is_nobodys: false,
            archive: Journal::new(),
            trimmed: 0,
            members: members.iter().map(member).collect(),
            known: None,
            bids: Vec::new(),
            announced: Vec::new(),
        }
    }

    fn level(&mut self, file: &mut File) -> Result<End, Error> {
        self.level_with(file, Leave::default())
    }

    fn level_with(&mut self, file: &mut File, leave: Leave) -> Result<End, Error> {
        let leveled = level("s0", file, self, leave)?;
        assert_eq!(self.announced.last(), Some(&leveled.epoch), "R18: what is claimed is announced first");
        Ok(leveled.end)
    }
}

fn claims(known: Option<(u64, &'static str)>) -> Claims {
    let served = known.map(|(epoch, node)| Claimed { journal: "s0".into(), epoch: Epoch(epoch), node: node.into() });
    Claims { served, announced: None }
}

impl Around for World {
    fn end(&mut self) -> Result<End, Error> {
        let number = self.numbers + self.stream.len() as u64;
        let claimed = if self.is_nobodys { Epoch(0) } else { claimed(&self.stream) };
        Ok(End { number, linked: linked(&self.stream), claimed })
    }

    fn rows_above(&mut self, seq: Seq) -> Result<Option<Rows>, Error> {
        let is_gone = seq.0 < self.trimmed as u64;
        Ok(above(if is_gone { &self.archive } else { &self.stream }, seq))
    }

    fn promises(&mut self, epoch: Epoch) -> Result<Vec<Promised>, Error> {
        self.bids.push(epoch);
        let reachable = self.members.iter_mut().filter(|member| member.is_reachable);
        let promise = |member: &mut Member| Promised {
            node: member.name.into(),
            held: member.file.as_mut().map(|file| file.promise(epoch).unwrap()),
            known: claims(member.known),
        };
        Ok(reachable.map(promise).collect())
    }

    fn rows_of(&mut self, member: &str, seq: Seq) -> Result<Option<Rows>, Error> {
        let file = self.members.iter().find(|known| known.name == member).and_then(|member| member.file.as_ref());
        Ok(file.and_then(|file| above(&file.rows, seq)))
    }

    fn publish(&mut self, number: u64, rows: &Rows) -> Result<u64, Error> {
        assert_eq!(number, self.end()?.number, "behind the end");
        let mut file = File { rows: self.stream.clone(), promised: Epoch(0) };
        file.absorb(rows)?;
        self.stream = file.rows;
        self.is_nobodys = true;
        Ok(number + 1)
    }

    fn company(&mut self) -> Result<Company, Error> {
        Ok(Company { node: "me".into(), count: self.members.len() + 1, known: claims(self.known) })
    }

    fn announce(&mut self, epoch: Epoch) -> Result<(), Error> {
        self.announced.push(epoch);
        Ok(())
    }

    fn progress(&mut self, _: Seq, _: Seq) {}
}

/// That it can't be served yet, and that what it waits for is said.
fn waits(refused: Result<End, Error>, for_what: &str) {
    match refused {
        Err(Error::NotReplicated { what }) => assert!(what.contains(for_what), "{what}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn r13_a_file_that_is_behind_takes_in_the_tail_and_one_that_is_ahead_is_published() {
    for (stream, own) in [("1..2...", "1.."), ("1..2...", ""), ("1..", "1..2..."), ("1..2...", "1..2...")] {
        let (mut world, mut file) = (World::new(stream, &[]), File::new(own));
        let end = world.level(&mut file).unwrap();
        assert_eq!((&file.rows, &world.stream), (&journal("1..2..."), &journal("1..2...")), "{stream} {own}");
        assert_eq!((end.number, end.linked, end.claimed), (7, linked(&file.rows), Epoch(2)));
        // The claim that comes next is above all that were.
        assert!(file.promised > Epoch(2));
    }
}

#[test]
fn r13_what_a_stream_has_no_more_is_in_its_archive() {
    let mut world = World::new("1..2...", &[]);
    (world.archive, world.trimmed) = (journal("1..2."), 4);
    let mut file = File::new("");
    world.level(&mut file).unwrap();
    assert_eq!(file.rows, journal("1..2..."));

    // Or in a member's file.
    let mut world = World::new("1..2...", &[("a", Some("1..")), ("b", Some("1..2"))]);
    world.trimmed = 4;
    let mut file = File::new("");
    world.level(&mut file).unwrap();
    assert_eq!(file.rows, journal("1..2..."));

    let mut world = World::new("1..2...", &[("a", Some("1.."))]);
    (world.archive, world.trimmed) = (journal("1"), 4);
    waits(world.level(&mut File::new("")), "rows 4 to 7 are nowhere to be had");
}

#[test]
fn r15_members_promise_first_and_what_they_have_beyond_the_stream_is_published_before_the_claim() {
    // The broker has lost two rows that it had acknowledged; the last owner can be reached.
    let mut world = World::new("1.2..", &[("a", Some("1.2....")), ("b", Some("1.")), ("c", None)]);
    let mut file = File::new("1.2");
    world.level(&mut file).unwrap();
    assert_eq!((&file.rows, &world.stream), (&journal("1.2...."), &journal("1.2....")));
    for member in &world.members[..2] {
        let promised = member.file.as_ref().unwrap().promised;
        assert!(promised > Epoch(2) && promised <= file.promised, "{}: {promised:?}", member.name);
    }
}

#[test]
fn r15_a_promise_for_a_higher_epoch_is_outbid() {
    let mut world = World::new("1..", &[("a", Some("1.."))]);
    world.members[0].file.as_mut().unwrap().promised = Epoch(8);
    let mut file = File::new("1..");
    world.level(&mut file).unwrap();
    assert_eq!(world.bids, [Epoch(2), Epoch(9)]);
    assert_eq!((file.promised, world.members[0].file.as_ref().unwrap().promised), (Epoch(9), Epoch(9)));
}

#[test]
fn r15_a_claim_that_the_stream_has_lost_is_outbid_too() {
    // Its owner would go on under the epoch that was asked for at first.
    let mut world = World::new("1..", &[("a", Some("1..2"))]);
    let mut file = File::new("1..");
    world.level(&mut file).unwrap();
    assert_eq!((&world.bids[..], file.rows), (&[Epoch(2), Epoch(3)][..], journal("1..2")));
    assert_eq!((file.promised, world.members[0].file.as_ref().unwrap().promised), (Epoch(3), Epoch(3)));
}

#[test]
fn r15_a_later_claim_is_newer_than_any_number_of_rows() {
    let mut world = World::new("1..2", &[("a", Some("1..2.")), ("b", Some("1.."))]);
    let mut file = File::new("");
    world.level(&mut file).unwrap();
    assert_eq!(file.rows, journal("1..2."));
}

#[test]
fn r16_what_nobody_has_is_not_begun_anew() {
    let mut world = World::new("", &[("a", None)]);
    waits(world.level(&mut File::new("")), "nobody has any of it");
    // Unless the deployment is being made.
    let mut file = File::new(".");
    world.level_with(&mut file, Leave { create: true, ..Leave::default() }).unwrap();
    assert_eq!(world.stream, journal("."));
}

#[test]
fn r17_a_file_that_tells_of_another_history_is_not_served() {
    for (stream, own) in [("1.2..", "1..."), ("1.2..", "1...."), ("1.2", "1...."), ("1.2..", "1.3..")] {
        let mut world = World::new(stream, &[]);
        let refused = world.level(&mut File::new(own));
        assert!(matches!(refused, Err(Error::Differs { .. })), "{stream} {own}: {refused:?}");
        assert_eq!(world.stream, journal(stream), "nothing is published");
    }
}

#[test]
fn r18_after_a_wiped_broker_the_newest_file_is_what_there_is() {
    let mut world = World::new("", &[("a", Some("1.2...")), ("b", Some("1..")), ("c", None)]);
    (world.numbers, world.known) = (40, Some((2, "a")));
    let mut file = File::new("1");
    let end = world.level(&mut file).unwrap();
    assert_eq!((&file.rows, &world.stream, end.number), (&journal("1.2..."), &journal("1.2..."), 46));
}

#[test]
fn r18_whoever_is_known_to_have_claimed_it_later_is_waited_for() {
    // By this node's registry, and by another's.
    for (own, others) in [(Some((3, "d")), None), (None, Some((3, "d"))), (Some((2, "a")), Some((3, "d")))] {
        let members = [("a", Some("1.2...")), ("b", Some("1..")), ("d", Some("1.2...3..."))];
        let mut world = World::new("", &members);
        (world.known, world.members[1].known, world.members[2].is_reachable) = (own, others, false);
        waits(world.level(&mut File::new("1")), "d claimed it in epoch 3");
        // He comes back.
        world.members[2].is_reachable = true;
        let mut file = File::new("1");
        world.level(&mut file).unwrap();
        assert_eq!(file.rows, journal("1.2...3..."));
    }
}

#[test]
fn r18_who_only_followed_the_last_claimant_is_not_taken_for_him() {
    let members = [("a", Some("1.2..")), ("d", Some("1.2...."))];
    let mut world = World::new("", &members);
    (world.known, world.members[1].is_reachable) = (Some((2, "d")), false);
    let mut file = File::new("1.2");
    waits(world.level(&mut file), "d claimed it in epoch 2");
    world.members[1].is_reachable = true;
    world.level(&mut file).unwrap();
    assert_eq!(file.rows, journal("1.2...."));
}

#[test]
fn r18_a_minority_does_not_know_what_a_lost_stream_had() {
    let mut world = World::new("", &[("a", None), ("b", None), ("c", Some("1.."))]);
    world.members[1].is_reachable = false;
    world.members[2].is_reachable = false;
    waits(world.level(&mut File::new("1.")), "2 of 4 nodes are too few to know");
    // With the stream there, it is known by that.
    let mut world = World::new("1..", &[("a", None), ("b", None)]);
    world.members.iter_mut().for_each(|member| member.is_reachable = false);
    world.level(&mut File::new("")).unwrap();
}

#[test]
fn r18_an_operator_may_decide_that_what_can_be_reached_is_all() {
    let mut world = World::new("", &[("a", Some("1.2..")), ("b", None)]);
    (world.known, world.members[1].is_reachable) = (Some((3, "b")), false);
    let mut file = File::new("1.");
    waits(world.level(&mut file), "remit shard adopt s0 --why");
    world.level_with(&mut file, Leave { adopt: true, ..Leave::default() }).unwrap();
    assert_eq!((&file.rows, &world.stream), (&journal("1.2.."), &journal("1.2..")));
}

#[test]
fn a_copy_that_follows_claims_nothing_and_publishes_nothing() {
    let mut world = World::new("1..2.", &[("a", Some("1..2..."))]);
    let mut file = File::new("1");
    follow(&mut file, &mut world).unwrap();
    // The last commit may be one that its writer does not know to be there.
    assert_eq!((&file.rows, &world.stream), (&journal("1..2"), &journal("1..2.")));
    assert!(world.bids.is_empty());
}
