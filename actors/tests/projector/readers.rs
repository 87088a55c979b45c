//! Whoever reads a journal from outside is not noticed by the actor whose it is.

use std::fs;

use remit_actors::{message::Address, store::sqlite::Tail};
use remit_core::id::{Seq, ShardNo};

use crate::{
    load::{self, Known},
    stage::Stage,
    world::World,
};

const SOURCE: Address = Address::Shard(ShardNo(0));

fn loaded(seed: u64) -> Stage {
    let mut stage = Stage::new(3, 2, seed);
    load::open(&mut stage);
    let mut known = Known::default();
    known.go_on(&mut stage);
    known.settle(&mut stage);
    stage
}

/// A copy of the file alone lacked what stood in the write-ahead log, which a reader keeps from going when its writer closes.
#[test]
fn a_file_that_was_closed_is_whole_although_somebody_reads_it() {
    let mut stage = loaded(41);
    let path = stage.journal(SOURCE);
    let reader = Tail::open(&path, SOURCE).unwrap();
    let head = reader.head().unwrap();
    stage.world.stop();
    let copy = path.with_extension("copy.db");
    fs::copy(&path, &copy).unwrap();
    assert_eq!(Tail::open(&copy, SOURCE).unwrap().head().unwrap(), head);
    assert!(reader.head().unwrap() == head && head > Seq(2), "{head:?}");
}

/// After `kill -9` the log and its index are left behind. A reader that opened the index first, for reading only, decided that for
/// the whole process, and the actor could not write.
#[test]
fn a_reader_that_comes_before_the_writer_does_not_keep_it_from_writing() {
    let stage = loaded(42);
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(stage.journal(SOURCE).parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let path = folder.path().join("s0.db");
    assert!(path.with_extension("db-shm").exists(), "what was killed leaves its index behind");
    let reader = Tail::open(&path, SOURCE).unwrap();
    let head = reader.head().unwrap();
    let mut world = World::in_files(folder.path(), 3, 2);
    world.start();
    assert!(reader.head().unwrap() > head, "its claim is on disk");
}
