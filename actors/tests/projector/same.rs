//! Every list, statement and sum from the read model, from the journals' owners, and from what a client knows: they are the same,
//! whatever was lost, doubled and killed on the way.

use std::collections::BTreeMap;

use remit_actors::message::{
    Address, AnswerBody, DayTotal, Filter, Find, Found, InTransit, Posting, Progress, Query, Question, Status,
};
use remit_core::{
    id::{AccountId, PartitionNo, Seq, Time},
    transfer::{Outcome, Start},
};

use crate::{
    load::{self, Known, Sums},
    stage::Stage,
};

type Row = (PartitionNo, Seq, Start, Progress);

/// What the managers say, merged as a door does it.
fn owners_list(stage: &mut Stage, filter: &Filter) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for no in stage.world.genesis.partition_numbers() {
        let mut before = None;
        loop {
            let filter = Filter { before, limit: 1_000, ..filter.clone() };
            let body = stage.world.ask(Address::Manager(no), Question::Transfers(filter));
            let AnswerBody::Transfers(page, next) = body else { panic!("{body:?}") };
            rows.extend(page.into_iter().map(|(seq, start, progress)| (no, seq, start, progress)));
            before = next;
            if next.is_none() {
                break;
            }
        }
    }
    rows.sort_by_key(|(no, seq, start, _)| (std::cmp::Reverse(start.accepted_at), *no, std::cmp::Reverse(*seq)));
    rows
}

fn projected_list(stage: &mut Stage, find: &Find, limit: u32) -> Vec<Row> {
    let listed = stage.list(find, limit).into_iter();
    listed.map(|it| (it.partition, it.begun, Start::clone(&it.start), it.progress)).collect()
}

fn owners_statement(stage: &mut Stage, account: &AccountId, (from, to): (Option<Time>, Option<Time>)) -> Vec<Posting> {
    let shard = stage.world.genesis.shard_of(account).unwrap();
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let question = Question::Statement { account: account.clone(), from, to, before, limit: 1_000 };
        let body = stage.world.ask(Address::Shard(shard), question);
        let AnswerBody::Statement { postings, next, .. } = body else { panic!("{body:?}") };
        all.extend(postings);
        if next.is_none() {
            return all;
        }
        before = next;
    }
}

fn projected_statement(
    stage: &mut Stage,
    account: &AccountId,
    (from, to): (Option<Time>, Option<Time>),
    limit: u32,
) -> Vec<Posting> {
    let shard = stage.world.genesis.shard_of(account).unwrap();
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let query = Query::Statement { account: account.clone(), shard, from, to, before, limit };
        let Found::Statement { postings, next, .. } = stage.look(query).found else { panic!() };
        all.extend(postings);
        if next.is_none() {
            return all;
        }
        before = next;
    }
}

pub(crate) fn totals(stage: &mut Stage, account: Option<AccountId>, limit: u32) -> Vec<DayTotal> {
    let (mut all, mut after): (Vec<DayTotal>, Option<(i64, AccountId)>) = (Vec::new(), None);
    loop {
        let query = Query::Totals { account: account.clone(), from: 0, to: i64::MAX, after, limit };
        let Found::Totals(page, more) = stage.look(query).found else { panic!() };
        all.extend(page);
        after = all.last().map(|day| (day.day, day.account.clone()));
        if !more {
            return all;
        }
    }
}

fn in_transit(stage: &mut Stage, limit: u32) -> Vec<InTransit> {
    let (mut all, mut from) = (Vec::new(), 0);
    loop {
        let query = Query::InTransit { currency: None, from, to: i64::MAX, limit };
        let Found::InTransit(page, next) = stage.look(query).found else { panic!() };
        all.extend(page);
        let Some(next) = next else { return all };
        from = next;
    }
}

/// Compares everything; all transfers have ended.
pub(crate) fn assert_same(stage: &mut Stage, known: &Known) {
    let all = owners_list(stage, &Filter::default());
    assert_eq!(projected_list(stage, &Find::default(), 7), all);
    assert_eq!(all.len(), known.0.len(), "a client knows of as many");

    let ends = [Outcome::Completed, Outcome::Rejected, Outcome::Compensated].map(|end| Some(Status::Ended(end)));
    for status in ends.into_iter().chain([None]) {
        for (name, id) in load::ids() {
            let (account, middle) = (Some(id), Some(all[all.len() / 2].2.accepted_at));
            let filter = Filter { status, account: account.clone(), ..Filter::default() };
            let find = Find { status, account, ..Find::default() };
            let owners = owners_list(stage, &filter);
            assert_eq!(projected_list(stage, &find, 3), owners, "{name} {status:?}");
            if status.is_none() {
                let mut ids: Vec<_> = owners.iter().map(|(_, _, start, _)| start.id).collect();
                ids.sort_unstable();
                assert_eq!(ids, known.on(name), "a client knows of the same on {name}");
            }
            let since = owners_list(stage, &Filter { since: middle, ..filter });
            assert_eq!(projected_list(stage, &Find { since: middle, ..find.clone() }, 5), since, "{name} {status:?}");
            let before = |row: &&Row| middle.is_some_and(|middle| row.2.accepted_at < middle);
            let until: Vec<Row> = owners.iter().filter(before).cloned().collect();
            assert_eq!(projected_list(stage, &Find { until: middle, ..find }, 5), until, "{name} {status:?}");
        }
    }
    // Each memo says the number of its transfer.
    for (_, _, start, _) in all.iter().step_by(9) {
        let memo = start.memo.clone().unwrap();
        let number = memo.strip_prefix("no ").unwrap();
        let found = projected_list(stage, &Find { memo: vec!["NO".into(), number.into()], ..Find::default() }, 2);
        let begins = |row: &&Row| row.2.memo.as_deref().unwrap().strip_prefix("no ").unwrap().starts_with(number);
        let expected: Vec<Row> = all.iter().filter(begins).cloned().collect();
        assert_eq!(found, expected, "{memo}");
    }

    let mut sums: BTreeMap<&str, Sums> = BTreeMap::new();
    for (name, id) in load::ids() {
        let owners = owners_statement(stage, &id, (None, None));
        assert_eq!(projected_statement(stage, &id, (None, None), 4), owners, "{name}");
        let middle = Some(owners.get(owners.len() / 2).map_or(Time(0), |posting| posting.at));
        for within in [(middle, None), (None, middle)] {
            let owners = owners_statement(stage, &id, within);
            assert_eq!(projected_statement(stage, &id, within, 1_000), owners, "{name}");
        }
        for day in totals(stage, Some(id), 2) {
            let sum = sums.entry(name).or_default();
            (sum.debits, sum.debited) = (sum.debits + day.debits, sum.debited + day.debited);
            (sum.credits, sum.credited) = (sum.credits + day.credits, sum.credited + day.credited);
        }
    }
    assert_eq!(sums, known.sums(stage), "the daily totals are what a client knows");
    let by_account: usize = load::ids().map(|(_, id)| totals(stage, Some(id), 1_000).len()).sum();
    assert_eq!(totals(stage, None, 3).len(), by_account);

    let points = in_transit(stage, 5);
    assert_eq!(points, in_transit(stage, 1_000));
    assert!(points.iter().any(|point| point.amount > 0), "money was between databases at the end of some minute");
    assert_eq!(points.last().unwrap().amount, 0, "and is not when all has ended");
}

/// Kills at every point between two turns' commits and what they send; losses, doubles, runs that are cut anywhere.
#[test]
fn answers_are_the_same_whatever_happens_to_the_projector() {
    for seed in 1..=4 {
        println!("seed {seed}");
        let mut stage = Stage::new(3, 3, seed);
        load::open(&mut stage);
        let mut known = Known::default();
        stage.is_rough = true;
        for _ in 0..60 {
            known.go_on(&mut stage);
            for _ in 0..stage.throw(12) {
                stage.turn();
            }
        }
        known.settle(&mut stage);
        stage.catch_up();
        stage.is_rough = false;
        stage.catch_up();
        assert!(stage.kills.iter().all(|kills| *kills > 5), "{:?}", stage.kills);
        assert_same(&mut stage, &known);
    }
}

/// While transfers run, what the read model says of those that are open is what their managers say.
#[test]
fn open_transfers_stand_as_their_managers_say() {
    let mut stage = Stage::new(3, 2, 11);
    load::open(&mut stage);
    let mut known = Known::default();
    let mut open = 0;
    for _ in 0..40 {
        known.go_on(&mut stage);
        stage.catch_up();
        for n in known.0.keys() {
            let id = crate::world::transfer_id(*n);
            let listed = stage.list(&Find::default(), 1_000).into_iter().find(|listed| listed.start.id == id);
            let Some(listed) = listed else { continue };
            assert!(!listed.progress.legs.is_empty() || listed.progress.status == Status::Accepted);
            open += u32::from(!listed.progress.status.is_end());
        }
        let parked = Find { status: Some(Status::Parked), ..Find::default() };
        assert!(stage.list(&parked, 10).is_empty());
        let states = [Status::Accepted, Status::InProgress]
            .map(|status| stage.list(&Find { status: Some(status), ..Find::default() }, 10).len());
        let all = stage.list(&Find::default(), 100);
        assert_eq!(states.iter().sum::<usize>(), all.iter().filter(|it| !it.progress.status.is_end()).count());
    }
    assert!(open > 20, "{open}");
}

/// Whoever has seen a transfer settled asks for at least that, and waits until it is there, or is told that it is not.
#[test]
fn a_reader_waits_for_what_it_has_seen() {
    let mut stage = Stage::new(3, 2, 5);
    load::open(&mut stage);
    stage.catch_up();
    let mut known = Known::default();
    known.go_on(&mut stage);
    known.settle(&mut stage);
    let heads = |stage: &Stage| -> Vec<(Address, Seq)> {
        let sources = stage.world.genesis.partition_numbers().map(Address::Manager);
        let tail = |source| remit_actors::store::sqlite::Tail::open(&stage.journal(source), source).unwrap();
        sources.map(|source| (source, tail(source).head().unwrap())).collect()
    };
    let at_least = heads(&stage);
    let find = Find { below: vec![Some(Seq(u64::MAX)); 2], limit: 100, ..Find::default() };
    assert!(stage.look_at_least(Query::Transfers(find.clone()), at_least.clone()).is_none(), "it waits");
    let ticket = stage.ticket();
    stage.catch_up();
    let Some(Found::Transfers(page, _)) = stage.heard(ticket).map(|reading| reading.found) else { panic!() };
    assert_eq!(page.len(), known.0.len());

    let beyond = at_least.into_iter().map(|(source, seq)| (source, seq.next())).collect();
    assert!(stage.look_at_least(Query::Transfers(find), beyond).is_none(), "it waits");
    let ticket = stage.ticket();
    stage.world.now = stage.now().plus_ms(1_001);
    stage.turn();
    assert!(matches!(stage.heard(ticket).map(|reading| reading.found), Some(Found::Behind)));
}
