//! An older copy of a journal's file is put back: what was read of it since is true no more.

use std::fs;

use remit_actors::message::{Address, Find, Found, Query};
use remit_core::id::{PartitionNo, ShardNo};

use crate::{
    load::{self, Known},
    same::totals,
    stage::Stage,
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
