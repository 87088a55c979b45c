//! A read model that is built anew beside the present one, and takes its place; and files that are deleted.

use std::fs;

use remit_actors::message::{Find, Found, Query};

use crate::{
    load::{self, Known},
    same::assert_same,
    stage::Stage,
};

/// Transfers run, the projector is killed now and then, and what has once been answered is never missing from a later answer.
#[test]
fn a_rebuild_swaps_without_an_answer_going_back_in_time() {
    let mut stage = Stage::new(3, 2, 21);
    load::open(&mut stage);
    let mut known = Known::default();
    for _ in 0..30 {
        known.go_on(&mut stage);
    }
    stage.catch_up();
    let (mut seen, mut as_of, mut swaps) = (0, stage.look(Query::Standings).as_of, 0);
    for round in 0..400 {
        if round % 40 == 0 {
            assert!(matches!(stage.look(Query::Rebuild).found, Found::Standings(_)));
        }
        if round % 4 == 0 {
            known.go_on(&mut stage);
        }
        // In the middle of a rebuild it is killed, and goes on with it.
        if round % 40 == 20 && stage.standings().rebuild.is_some() {
            stage.kill();
            // How far it is it has to hear again, though not what it has.
            as_of = stage.look(Query::Standings).as_of;
        }
        let before = stage.standings();
        stage.turn();
        let after = stage.standings();
        if after.rebuilt > before.rebuilt {
            swaps += 1;
        }
        for (before, after) in before.sources.iter().zip(&after.sources) {
            assert!(after.seq >= before.seq, "{before:?} {after:?}");
        }
        let listed = stage.list(&Find::default(), 1_000).len();
        assert!(listed >= seen, "{listed} of {seen} are left");
        seen = listed;
        let now = stage.look(Query::Standings).as_of;
        assert!(now >= as_of, "{now:?} after {as_of:?}");
        as_of = now;
        stage.world.now = stage.now().plus_ms(300);
    }
    assert!(swaps >= 3, "{swaps}");
    known.settle(&mut stage);
    stage.catch_up();
    assert_same(&mut stage, &known);
}

#[test]
fn a_file_that_is_deleted_or_damaged_is_built_again() {
    let mut stage = Stage::new(3, 2, 22);
    load::open(&mut stage);
    let mut known = Known::default();
    for _ in 0..30 {
        known.go_on(&mut stage);
    }
    known.settle(&mut stage);
    stage.catch_up();
    assert_same(&mut stage, &known);

    stage.kill();
    fs::remove_file(stage.file()).unwrap();
    let building = stage.look(Query::Transfers(Find::default())).found;
    assert!(matches!(building, Found::Building(..)), "{building:?}");
    stage.catch_up();
    assert_same(&mut stage, &known);

    stage.kill();
    fs::write(stage.file(), vec![7; 100_000]).unwrap();
    stage.catch_up();
    assert_same(&mut stage, &known);
}
