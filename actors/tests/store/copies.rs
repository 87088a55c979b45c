//! Copies: a database that is made of a stream alone is the same as the one that the stream came from, however the stream is cut
//! into runs (R15), and takes in nothing that is damaged, left out or of another history (R17).

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use proptest::prelude::*;
use remit_actors::{
    genesis::Genesis,
    message::{Address, Chunk, Linked, Rows},
    store::{
        Error,
        books::{Books, BooksOptions},
        journal::{Follower, Journal},
        line,
        memory::{Crash, Disk},
        register::{Register, RegisterOptions},
        row::{Common, JournalEntry, Row, ShardEntry, TransferEntry},
        sqlite::{Record, Sqlite, Tail},
    },
};
use remit_core::{
    account::{Change, Kind},
    id::{Epoch, PartitionNo, Seq, ShardNo},
    money::Direction::{Credit, Debit},
    protocol::Protocol,
};
use sha2::{Digest, Sha256};

use crate::{
    commands::NOW,
    files,
    places::{Place, SHARD},
    world::{Disks, World},
};

const MANAGER: Address = Address::Manager(PartitionNo(0));
const ACCOUNTS: [&str; 4] = ["s0:world", "s0:alice", "s0:bob", "s0:ann"];

/// Does something of everything: all protocols, refusals, undos, restarts, commits that are longer than a chunk, and at the end some
/// transfers that stay open, of which so many.
fn history(folder: &Path, open: u64) -> World {
    let mut world = World::in_files(folder, 1, 1);
    (world.books.flush_rows, world.register.flush_rows) = (50, 50);
    world.start();
    for (id, kind) in ACCOUNTS.into_iter().zip([Kind::External, Kind::Customer, Kind::Customer, Kind::Customer]) {
        world.open_account(id, kind);
    }
    world.change("s0:ann", Change::Freeze, 901);
    world.change("s0:ann", Change::Unfreeze, 902);
    world.submit(1, Protocol::default(), "s0:world", "s0:alice", 10_000);
    world.settle();
    for (n, protocol) in (1..).zip(Protocol::all()) {
        world.submit_legs(10 * n, protocol, &[("s0:alice", Debit, 10), ("s0:bob", Credit, 4), ("s0:ann", Credit, 6)]);
        world.submit(10 * n + 1, protocol, "s0:alice", "s0:nobody", 7);
        world.submit(10 * n + 2, protocol, "s0:bob", "s0:ann", 7_000);
        world.settle();
        world.restart(SHARD);
    }
    for n in 100..230 {
        world.submit_legs(
            n,
            Protocol::default(),
            &[("s0:alice", Debit, 3), ("s0:bob", Credit, 2), ("s0:ann", Credit, 1)],
        );
    }
    world.settle();
    world.restart(MANAGER);
    for n in 300..300 + open {
        world.submit(n, Protocol::default(), "s0:bob", "s0:alice", 1);
    }
    world.turn(MANAGER);
    world.turn(SHARD);
    world.lose(MANAGER);
    world.stop();
    world
}

/// A journal, line by line; the last one of each commit with its link.
struct Lines {
    source: Address,
    lines: Vec<(String, Option<[u8; 32]>)>,
}

impl Lines {
    fn of(folder: &Path, source: Address) -> Self {
        let run = Tail::open(&path(folder, source), source).unwrap().rows_above(Seq(0), usize::MAX).unwrap().unwrap();
        let lines = run.chunks.iter().flat_map(|chunk| {
            let text = |line: &[u8]| String::from_utf8(line.to_vec()).unwrap();
            chunk.lines().map(move |(seq, line)| (text(line), chunk.link.filter(|_| seq == chunk.last)))
        });
        Self { source, lines: lines.collect() }
    }

    fn len(&self) -> usize {
        self.lines.len()
    }

    fn links(&self) -> Vec<(Seq, [u8; 32])> {
        (1..).map(Seq).zip(&self.lines).filter_map(|(seq, (_, link))| Some((seq, (*link)?))).collect()
    }

    fn linked_at(&self, seq: usize) -> Linked {
        let newest = (1..=seq).rev().find_map(|seq| Some((seq, self.lines[seq - 1].1?)));
        newest.map_or_else(Linked::default, |(seq, link)| Linked { seq: Seq(seq as u64), link })
    }

    /// The rows above one position, up to another, in chunks of no more than so many.
    fn run(&self, above: usize, to: usize, rows_max: usize) -> Rows {
        let to = to.min(self.len());
        let mut chunks: Vec<Chunk> = Vec::new();
        for seq in above + 1..=to {
            let (line, link) = &self.lines[seq - 1];
            let last = Seq(seq as u64);
            match chunks.last_mut() {
                Some(chunk) if chunk.link.is_none() && chunk.lines().count() < rows_max => {
                    chunk.lines = format!("{},\n{line}", chunk.lines);
                    (chunk.last, chunk.link) = (last, *link);
                }
                _ => chunks.push(Chunk { last, link: *link, lines: line.clone() }),
            }
        }
        let (first, last, before) = (Seq(above as u64 + 1), Seq(to as u64), self.linked_at(above));
        Rows { source: self.source, first, last, before, chunks, head: last, complete: None }
    }
}

/// Databases with nothing in them.
fn empty(folder: Option<&Path>) -> Disks {
    match folder {
        Some(folder) => Disks::Files(folder.to_owned()),
        None => Disks::Memory(
            BTreeMap::from([(ShardNo(0), Disk::named("s0"))]),
            BTreeMap::from([(PartitionNo(0), Disk::named("m0"))]),
        ),
    }
}

fn genesis() -> Genesis {
    World::in_memory(1, 1).genesis
}

fn follow(disks: &Disks, source: Address, flush_rows: u64) -> Box<dyn Follower> {
    let books = BooksOptions { flush_rows, accounts_max: 2, ..BooksOptions::default() };
    let register = RegisterOptions { flush_rows, ..RegisterOptions::default() };
    match (disks, source) {
        (Disks::Memory(shards, _), SHARD) => {
            Box::new(Books::follow(shards[&ShardNo(0)].open_copy(&genesis()).unwrap(), books).unwrap())
        }
        (Disks::Memory(_, managers), _) => {
            Box::new(Register::follow(managers[&PartitionNo(0)].open_copy(&genesis()).unwrap(), register).unwrap())
        }
        (Disks::Files(folder), SHARD) => {
            let file = Sqlite::open_copy(&path(folder, source), &genesis()).unwrap();
            Box::new(Books::follow(file, books).unwrap())
        }
        (Disks::Files(folder), _) => {
            let file = Sqlite::open_copy(&path(folder, source), &genesis()).unwrap();
            Box::new(Register::follow(file, register).unwrap())
        }
    }
}

/// The lines and the links that a database has, and its newest epoch.
type Held = (Vec<String>, Vec<(Seq, [u8; 32])>, Epoch);

fn held(disks: &Disks, source: Address) -> Held {
    fn read(mut tables: impl Journal) -> Held {
        tables.check().unwrap();
        let rows = tables.rows_above(Seq(0), usize::MAX).unwrap();
        let lines = rows.iter().map(line_of).collect();
        (lines, tables.links(Seq(0), Seq(u64::MAX)).unwrap(), tables.head().unwrap().epoch)
    }
    fn file<E: Record>(path: &Path) -> Held {
        read(Sqlite::<E>::open_copy(path, &genesis()).unwrap())
    }
    match (disks, source) {
        (Disks::Memory(shards, _), SHARD) => read(shards[&ShardNo(0)].open_copy(&genesis()).unwrap()),
        (Disks::Memory(_, managers), _) => read(managers[&PartitionNo(0)].open_copy(&genesis()).unwrap()),
        (Disks::Files(folder), SHARD) => file::<ShardEntry>(&path(folder, source)),
        (Disks::Files(folder), _) => file::<TransferEntry>(&path(folder, source)),
    }
}

fn line_of<E: JournalEntry>(row: &Row<E>) -> String {
    let mut text = Vec::new();
    line::append(row, &mut text);
    String::from_utf8(text).unwrap()
}

fn flushed(disks: &Disks, source: Address) -> Seq {
    match (disks, source) {
        (Disks::Memory(shards, _), SHARD) => shards[&ShardNo(0)].flushed(),
        (Disks::Memory(_, managers), _) => managers[&PartitionNo(0)].flushed(),
        (Disks::Files(folder), source) => {
            let connection = rusqlite::Connection::open(path(folder, source)).unwrap();
            let sql = "SELECT value FROM meta WHERE key = 'flushed'";
            Seq(connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().cast_unsigned())
        }
    }
}

fn path(folder: &Path, source: Address) -> PathBuf {
    folder.join(if source == SHARD { "s0.db" } else { "m0.db" })
}

/// How a journal is handed over: the sizes of runs and of chunks, how far runs begin too early, and where the copy is opened anew.
#[derive(Clone, Debug)]
struct Cut {
    rows: usize,
    rows_max: usize,
    early: usize,
    is_reopened: bool,
    comes_twice: bool,
}

fn cut() -> impl Strategy<Value = Cut> {
    let flags = (proptest::bool::weighted(0.1), proptest::bool::weighted(0.2));
    let early = prop_oneof![2 => Just(0_usize), 1 => 1_usize..60];
    (1_usize..90, 1_usize..140, early, flags).prop_map(|(rows, rows_max, early, (is_reopened, comes_twice))| Cut {
        rows,
        rows_max,
        early,
        is_reopened,
        comes_twice,
    })
}

fn hand_over(lines: &Lines, disks: &Disks, flush_rows: u64, cuts: &[Cut]) {
    let mut copy = follow(disks, lines.source, flush_rows);
    let (mut at, mut cuts) = (0, cuts.iter().cycle());
    // Whoever forgets a commit's beginning again and again never comes to its end.
    let mut reopens_left = 10;
    while at < lines.len() {
        let Cut { rows, rows_max, early, is_reopened, comes_twice } = *cuts.next().unwrap();
        if is_reopened && reopens_left > 0 {
            reopens_left -= 1;
            drop(copy);
            copy = follow(disks, lines.source, flush_rows);
            // Of a commit that had only begun, nothing is left.
            assert_eq!(copy.read_to(), copy.head().seq);
            at = usize::try_from(copy.read_to().0).unwrap();
        }
        let run = lines.run(at.saturating_sub(early), at + rows, rows_max);
        for _ in 0..=usize::from(comes_twice) {
            copy.absorb(&run).unwrap();
        }
        at = (at + rows).min(lines.len());
        let linked = lines.linked_at(at);
        assert_eq!((copy.head().seq, copy.head().hash), (linked.seq, linked.link));
        assert_eq!(copy.read_to().0, at as u64);
    }
    copy.settle().unwrap();
    copy.settle().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Rows, links, epochs; then balances, keys and open transfers, by opening it and going on.
    #[test]
    fn r15_a_copy_is_its_original_however_the_stream_is_cut(
        cuts in proptest::collection::vec(cut(), 1..12),
        flush_rows in prop_oneof![Just(1_u64), 10_u64..60, Just(10_000)],
    ) {
        let folder = files::scratch();
        let mut original = history(folder.path(), 5);
        let journals = [SHARD, MANAGER].map(|source| (Lines::of(folder.path(), source), held(&original.disks, source)));
        prop_assert!(journals.iter().all(|(lines, _)| {
            lines.links().windows(2).any(|pair| pair[1].0.0 - pair[0].0.0 > 128)
        }), "no commit is longer than a chunk");
        original.start();
        original.pass(10_000);
        let expected = ACCOUNTS.map(|id| original.account(id).balances);

        let copies = files::scratch();
        for disks in [empty(None), empty(Some(copies.path()))] {
            for (lines, original) in &journals {
                hand_over(lines, &disks, flush_rows, &cuts);
                prop_assert_eq!(&held(&disks, lines.source), original);
                prop_assert_eq!(flushed(&disks, lines.source).0, lines.len() as u64, "opening it replays rows");
            }
            let mut world = World::on(genesis(), disks);
            world.start();
            // What has ended is known, and moves nothing again; what is open goes on.
            for n in (100..230).chain([1]) {
                let legs = [("s0:alice", Debit, 3), ("s0:bob", Credit, 2), ("s0:ann", Credit, 1)];
                let first = [("s0:world", Debit, 10_000), ("s0:alice", Credit, 10_000)];
                world.submit_legs(n, Protocol::default(), if n == 1 { &first } else { &legs });
            }
            world.settle();
            world.pass(10_000);
            world.assert_conserved();
            prop_assert_eq!(ACCOUNTS.map(|id| world.account(id).balances), expected);
        }
    }
}

/// R17: whichever row is damaged on the way, and however.
#[test]
fn r17_a_run_with_a_damaged_line_changes_nothing() {
    let folder = files::scratch();
    history(folder.path(), 1);
    for source in [SHARD, MANAGER] {
        let lines = Lines::of(folder.path(), source);
        let copies = files::scratch();
        for disks in [empty(None), empty(Some(copies.path()))] {
            let mut copy = follow(&disks, source, 7);
            copy.absorb(&lines.run(0, 20, 128)).unwrap();
            let (head, before) = (copy.head(), held(&disks, source));
            let whole = lines.run(usize::try_from(head.seq.0).unwrap(), usize::MAX, 40);
            for place in 0..whole.chunks.len() {
                for damage in [place % 4, (place + 1) % 4] {
                    let mut run = whole.clone();
                    let chunk = &mut run.chunks[place];
                    match damage {
                        0 => chunk.lines = chunk.lines.replacen('1', "2", 1),
                        1 => chunk.lines.push(' '),
                        2 => chunk.lines.push_str(",\n[1]"),
                        _ => chunk.lines.truncate(chunk.lines.len() - 1),
                    }
                    if run == whole {
                        continue;
                    }
                    let refused = copy.absorb(&run).unwrap_err();
                    assert!(matches!(refused, Error::Differs { .. }), "{place} {damage}: {refused:?}");
                    assert_eq!(copy.head(), head);
                }
            }
            assert_eq!(held(&disks, source), before);
            copy.absorb(&whole).unwrap();
            assert_eq!(copy.head().seq.0, lines.len() as u64);
        }
    }
}

#[test]
fn r17_a_run_that_leaves_rows_out_changes_nothing() {
    let folder = files::scratch();
    history(folder.path(), 1);
    let lines = Lines::of(folder.path(), SHARD);
    let disks = empty(None);
    let mut copy = follow(&disks, SHARD, 7);
    let refused = copy.absorb(&lines.run(1, 20, 128)).unwrap_err();
    assert!(matches!(refused, Error::Gap { last: Seq(0), first: Seq(2) }), "{refused:?}");
    copy.absorb(&lines.run(0, 20, 128)).unwrap();
    let head = copy.head();
    let refused = copy.absorb(&lines.run(21, 40, 128)).unwrap_err();
    assert!(matches!(refused, Error::Gap { first: Seq(22), .. }), "{refused:?}");
    let mut holed = lines.run(20, 60, 5);
    holed.chunks.remove(1);
    let refused = copy.absorb(&holed).unwrap_err();
    assert!(matches!(refused, Error::Differs { .. }), "{refused:?}");
    // No rows at all only say where the journal ends, and what is known need not be looked at.
    let nothing = Rows { chunks: Vec::new(), before: Linked::default(), ..lines.run(90, 100, 1) };
    for run in [nothing, lines.run(0, 3, 128)] {
        copy.absorb(&run).unwrap();
    }
    assert_eq!(copy.head(), head);
    copy.absorb(&lines.run(20, usize::MAX, 128)).unwrap();
    assert_eq!(copy.head().seq.0, lines.len() as u64);
}

/// R17: two owners wrote on from the same row, each without knowing of the other.
#[test]
fn r17_a_run_of_another_history_changes_nothing() {
    let folders = [files::scratch(), files::scratch()];
    let [ours, other] = [0, 1].map(|which| {
        history(folders[which].path(), 3 + which as u64);
        Lines::of(folders[which].path(), SHARD)
    });
    let shared = ours.lines.iter().zip(&other.lines).take_while(|(ours, other)| ours == other).count();
    let end = ours.len();
    assert!(shared > 100 && shared < end && other.len() > end);
    let disks = empty(None);
    let mut copy = follow(&disks, SHARD, 7);
    copy.absorb(&ours.run(0, end, 128)).unwrap();
    let (head, before) = (copy.head(), held(&disks, SHARD));
    for above in [0, shared, end - 1, end] {
        let refused = copy.absorb(&other.run(above, other.len(), 128)).unwrap_err();
        assert!(matches!(refused, Error::Differs { .. }), "{above}: {refused:?}");
    }
    // The same rows in other commits are another history, too.
    let mut joined = ours.run(0, end, 128);
    joined.chunks.last_mut().unwrap().link = None;
    assert!(matches!(copy.absorb(&joined), Err(Error::Differs { .. })));
    assert_eq!((copy.head(), held(&disks, SHARD)), (head, before));
}

/// A run of commits of one row each, as anyone could make it who knows SHA-256.
fn made(entries: &[ShardEntry]) -> Rows {
    let (mut link, mut chunks) = ([0; 32], Vec::new());
    for (seq, entry) in (1..).map(Seq).zip(entries) {
        let lines = line_of(&Row { seq, at: NOW, entry: entry.clone() });
        link = Sha256::new().chain_update(link).chain_update(&lines).finalize().into();
        chunks.push(Chunk { last: seq, link: Some(link), lines });
    }
    let last = Seq(entries.len() as u64);
    Rows { source: SHARD, first: Seq(1), last, before: Linked::default(), chunks, head: last, complete: None }
}

/// R12, R16, R17: the links are right, and what they go over can't be.
#[test]
fn what_no_writer_would_have_written_is_not_taken_in() {
    let facts = |genesis: &Genesis, name: &str| Common::Genesis(format!("{genesis} database={name}").as_str().into());
    let claim = |epoch| Common::Claimed(Epoch(epoch), "one".into());
    let (ours, others) = (facts(&genesis(), "s0"), facts(&Genesis { id: [8; 16], ..genesis() }, "s0"));
    let folder = files::scratch();
    history(folder.path(), 1);
    let legs = Lines::of(folder.path(), SHARD).lines;
    let leg = (1..).zip(&legs).find(|(_, (line, _))| line.contains("debited")).unwrap();
    let leg: Row<ShardEntry> = line::read(Seq(leg.0), leg.1.0.as_bytes()).unwrap();
    let common = |common: &[Common]| common.iter().cloned().map(ShardEntry::from).collect::<Vec<_>>();
    let with_leg = [common(&[ours.clone(), claim(1)]), vec![leg.entry]].concat();
    let cases = [
        ("another deployment's", common(&[others]), "Foreign"),
        ("another database's", common(&[facts(&genesis(), "s1")]), "Foreign"),
        ("one without facts", common(&[claim(1)]), "Corrupt"),
        ("the same epoch claimed twice", common(&[ours.clone(), claim(1), claim(1)]), "Differs"),
        ("an older epoch", common(&[ours.clone(), claim(3), claim(2)]), "Differs"),
        ("money of no account", with_leg, "Corrupt"),
    ];
    for (what, entries, error) in cases {
        for place in Place::each() {
            let run = made(&entries);
            let refused = place.copy(1).unwrap().absorb(&run).unwrap_err();
            assert!(format!("{refused:?}").starts_with(error), "{what}: {refused:?}");
            let mut copy = place.copy(1).unwrap();
            assert_eq!((copy.head().seq, copy.head().epoch), (Seq(0), Epoch(0)), "{what}");
            // Epochs may have gaps.
            copy.absorb(&made(&common(&[ours.clone(), claim(2), claim(9)]))).unwrap();
            assert_eq!(copy.head().epoch, Epoch(9));
            copy.settle().unwrap();
            drop(copy);
            assert_eq!(place.contents().flushed, Seq(3));
        }
    }
}

/// R12, R15: a promise made beside it does not keep a copy from taking in what the stream has; a claim does.
#[test]
fn r15_a_copy_goes_on_after_a_promise_and_not_after_a_claim() {
    let folder = files::scratch();
    history(folder.path(), 1);
    let lines = Lines::of(folder.path(), SHARD);
    for place in Place::each() {
        let mut copy = place.copy(10).unwrap();
        copy.absorb(&lines.run(0, 30, 128)).unwrap();
        assert_eq!(place.promise(90).epoch, Epoch(90));
        copy.absorb(&lines.run(30, 90, 128)).unwrap();
        assert_eq!(copy.head().epoch, Epoch(90));
        assert_eq!(place.promise(91).linked, lines.linked_at(90));
        copy.settle().unwrap();

        let mut owner = place.shard(10, "owner").unwrap();
        assert_eq!(owner.position().epoch, Epoch(92));
        let last = place.last();
        assert!(matches!(copy.absorb(&lines.run(0, usize::MAX, 128)), Err(Error::Fenced { .. })));
        drop(copy);
        assert_eq!(place.last(), last);
        assert!(owner.is_sound());
        // And the claim, which is in no stream, is another history.
        drop(owner);
        let refused = place.copy(10).unwrap().absorb(&lines.run(0, usize::MAX, 128));
        assert!(matches!(refused, Err(Error::Differs { .. })), "{refused:?}");
    }
}

#[test]
fn r15_a_copy_that_crashes_goes_on_where_it_was() {
    let folder = files::scratch();
    let original = history(folder.path(), 1);
    let lines = Lines::of(folder.path(), SHARD);
    let expected = held(&original.disks, SHARD);
    for crash in [Crash::Before, Crash::Written, Crash::After] {
        for loses_power in [false, true] {
            let disks = empty(None);
            let Disks::Memory(shards, _) = &disks else { unreachable!("it is in memory") };
            let disk = &shards[&ShardNo(0)];
            let (mut crashes, mut writes) = (0, 0);
            loop {
                let mut copy = follow(&disks, SHARD, 20);
                disk.crash_at(writes, crash);
                let mut absorbed = Ok(());
                while absorbed.is_ok() && copy.head().seq.0 < lines.len() as u64 {
                    let at = usize::try_from(copy.read_to().0).unwrap();
                    absorbed = copy.absorb(&lines.run(at, at + 140, 128));
                }
                match absorbed {
                    Ok(()) => break,
                    Err(error) => assert!(matches!(error, Error::Crashed), "{error:?}"),
                }
                if loses_power {
                    disk.lose_power();
                }
                (crashes, writes) = (crashes + 1, 1);
            }
            assert!(crashes > 0);
            disk.call_off_crash();
            assert_eq!(held(&disks, SHARD), expected, "{crash:?} {loses_power}");
            let mut copy = follow(&disks, SHARD, 20);
            copy.settle().unwrap();
            drop(copy);
            let mut owner = Place::Memory(disk.clone()).shard(20, "owner").unwrap();
            assert!(owner.is_sound());
        }
    }
}
