//! An older copy of a journal's file is put back: what was read of it since is true no more.

use std::fs;

use remit_actors::message::{Address, Find, Found, Linked, Message, Query, Rows};
use remit_core::id::{PartitionNo, Seq, ShardNo};

use crate::{
    load::{self, Known},
    same::totals,
    stage::{Stage, frame},
};

/// The projection had rows that the journal has lost; it notices, whether the journal is still shorter or longer by now, answers
/// nothing of its own meanwhile, and is built anew from what there is.
#[test]
fn a_journal_with_another_history_is_noticed() {
    for goes_on in [false, true] {
        let mut stage = Stage::new(3, 2, 31);
        load::open(&mut stage);
        let mut known = Known::default();
        for _ in 0..10 {
            known.go_on(&mut stage);
        }
        known.settle(&mut stage);
        stage.catch_up();
        stage.world.stop();
        let sources = [0, 1, 2].map(|no| Address::Shard(ShardNo(no))).into_iter();
        let sources: Vec<_> = sources.chain([0, 1].map(|no| Address::Manager(PartitionNo(no)))).collect();
        let copies: Vec<Vec<u8>> = sources.iter().map(|source| fs::read(stage.journal(*source)).unwrap()).collect();
        let before = totals(&mut stage, None, 1_000);

        stage.world.start();
        for _ in 0..10 {
            known.go_on(&mut stage);
        }
        known.settle(&mut stage);
        stage.catch_up();
        let after = totals(&mut stage, None, 1_000);
        assert_ne!(before, after);

        stage.world.stop();
        for (source, copy) in sources.iter().zip(copies) {
            fs::write(stage.journal(*source), copy).unwrap();
        }
        stage.world.start();
        if goes_on {
            for _ in 0..30 {
                known.go_on(&mut stage);
            }
        }
        let rebuilt = stage.standings().rebuilt;
        let mut bound = 0..10_000;
        while stage.standings().rebuilt == rebuilt {
            assert!(bound.next().is_some(), "it does not notice");
            stage.turn();
            stage.world.now = stage.now().plus_ms(100);
        }
        stage.catch_up();
        if goes_on {
            let listed = stage.list(&Find::default(), 1_000).len();
            let found = stage.look(Query::Standings).found;
            assert!(matches!(found, Found::Standings(standings) if standings.transfers == listed as u64));
        } else {
            assert_eq!(totals(&mut stage, None, 1_000), before);
        }
    }
}

/// The simulator: a word that a journal ends at a row arrived after more rows had come, and the projection took it for one of a journal
/// that had lost them, and threw itself away.
#[test]
fn a_late_word_on_where_a_journal_ends_is_no_other_history() {
    let mut stage = Stage::new(3, 2, 33);
    load::open(&mut stage);
    let mut known = Known::default();
    known.go_on(&mut stage);
    known.settle(&mut stage);
    stage.catch_up();
    let source = Address::Manager(PartitionNo(0));
    let word = |last, asked: u64| Rows {
        source,
        first: Seq(asked + 1),
        last: Seq(last),
        before: Linked::default(),
        chunks: Vec::new(),
        head: Seq(last),
        complete: None,
    };
    let is_rebuilding = |stage: &mut Stage, rows| {
        stage.on_the_way.push_back(frame(source, Message::Rows(rows)));
        stage.on_the_way.rotate_right(1);
        stage.turn();
        let standings = stage.standings();
        standings.rebuild.is_some() || standings.rebuilt > 0
    };
    assert!(!is_rebuilding(&mut stage, word(1, 1)), "it said so when it was true");
    assert!(is_rebuilding(&mut stage, word(1, 2)), "who had the second row was told that there is none");
}
