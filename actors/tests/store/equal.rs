//! Memory and SQLite are one store: any sequence of messages, marks, pauses and restarts gives the same answers and the same
//! rows on both, whatever the size of caches and bulk writes. And reopening at any point changes no answer.

use std::path::Path;

use proptest::prelude::*;
use remit_actors::{
    frame::Frame,
    machine::Machine,
    manager::{Manager, ManagerOptions},
    message::{Address, AnswerBody, ChangeAccount, Filter, Message, Question, Submit, Tell},
    shard::Shard,
    store::{
        books::{BooksOptions, ShardTables},
        memory::Disk,
        register::{RegisterOptions, TransferTables},
        row::{Row, ShardEntry, TransferEntry},
        sqlite::{Record, Sqlite},
    },
    supervision::Recovery,
};
use remit_core::{
    account::{Change, Kind},
    id::{LegId, LegNo, Seq, ShardNo},
    leg::{Answer, Command, Misfit, Reply, Terms, Verb},
    mark::LowWater,
    money::{
        Amount,
        Direction::{Credit, Debit},
    },
    protocol::{
        Protocol,
        route::{Route, Stop},
    },
    reason::Reason,
};

use crate::{
    commands::{NOW, PARTITION, ask, frame, shard_options},
    files,
    world::{World, account, eur, transfer_id},
};

/// What happens to a machine.
#[derive(Clone, Debug)]
enum Step {
    Turn(Vec<Frame>),
    Pass(u64),
    Reopen,
}

/// One kind of store, with one size of memory.
#[derive(Clone, Copy, Debug)]
struct Variant {
    on_disk: bool,
    kept: usize,
    flush_rows: u64,
}

const VARIANTS: [Variant; 5] = [
    Variant { on_disk: false, kept: 1_000, flush_rows: 1_000 },
    Variant { on_disk: false, kept: 1, flush_rows: 1 },
    Variant { on_disk: true, kept: 1_000, flush_rows: 1_000 },
    Variant { on_disk: true, kept: 1, flush_rows: 1 },
    Variant { on_disk: true, kept: 2, flush_rows: 5 },
];

/// Takes all steps; what it says, and what is in its journal afterwards.
fn run<E>(
    variant: Variant,
    steps: &[Step],
    open_memory: impl Fn(&Disk<E>) -> Box<dyn Machine>,
    open_file: impl Fn(&Path) -> Box<dyn Machine>,
) -> (Vec<Message>, Vec<Row<E>>)
where
    E: Record,
{
    let (disk, folder) = (Disk::named("x"), files::scratch());
    let path = folder.path().join("x.db");
    let open = || if variant.on_disk { open_file(&path) } else { open_memory(&disk) };
    let (mut machine, mut now, mut said) = (open(), NOW, Vec::new());
    for step in steps {
        match step {
            Step::Turn(batch) => {
                let out = machine.turn(batch, now).expect("a turn");
                said.extend(out.into_iter().flat_map(|(_, frame)| frame.messages));
            }
            Step::Pass(ms) => now = now.plus_ms(*ms),
            Step::Reopen => {
                drop(machine);
                machine = open();
            }
        }
    }
    drop(machine);
    let rows = match variant.on_disk {
        true => Sqlite::<E>::open(&path, &World::in_memory(1, 1).genesis, false, NOW)
            .and_then(|mut file| remit_actors::store::journal::Journal::rows_above(&mut file, Seq(0), usize::MAX))
            .unwrap(),
        false => disk.rows(),
    };
    (said, rows)
}

fn run_shard(variant: Variant, steps: &[Step]) -> (Vec<Message>, Vec<Row<ShardEntry>>) {
    let Variant { kept, flush_rows, .. } = variant;
    let options = shard_options(BooksOptions { accounts_max: kept, legs_max: kept, flush_rows });
    let genesis = World::in_memory(1, 1).genesis;
    fn open(tables: impl ShardTables + 'static, options: remit_actors::shard::ShardOptions) -> Box<dyn Machine> {
        Box::new(Shard::open(ShardNo(0), tables, options, "test", NOW).expect("it opens"))
    }
    run(
        variant,
        steps,
        |disk| open(disk.open(&genesis, NOW).unwrap(), options),
        |path| open(Sqlite::open(path, &genesis, true, NOW).unwrap(), options),
    )
}

fn run_manager(variant: Variant, steps: &[Step]) -> (Vec<Message>, Vec<Row<TransferEntry>>) {
    let Variant { kept, flush_rows, .. } = variant;
    let world = World::in_memory(1, 1);
    let register = RegisterOptions { ended_max: kept, flush_rows };
    let options = ManagerOptions { register, open_max: 5, ..world.manager_options() };
    fn open(tables: impl TransferTables + 'static, options: ManagerOptions) -> Box<dyn Machine> {
        Box::new(Manager::open(PARTITION, tables, options, Recovery::default(), "test", NOW).expect("it opens"))
    }
    run(
        variant,
        steps,
        |disk| open(disk.open(&world.genesis, NOW).unwrap(), options),
        |path| open(Sqlite::open(path, &world.genesis, true, NOW).unwrap(), options),
    )
}

/// What is undecided depends on the marks that came since the last bulk write, which a restart forgets until the next one.
fn without_undecided(mut said: Vec<Message>) -> Vec<Message> {
    for message in &mut said {
        let Message::Answer(answer) = message else { continue };
        match &mut answer.body {
            AnswerBody::Account(Some(account)) => account.balances.undecided = 0,
            AnswerBody::Accounts(accounts, _) => {
                accounts.iter_mut().for_each(|(_, account)| account.balances.undecided = 0);
            }
            AnswerBody::Statement { account: Some(account), .. } => account.balances.undecided = 0,
            AnswerBody::AuditShard { view, journal } => {
                assert!(journal.balanced);
                view.totals.iter_mut().for_each(|(_, transit)| transit.undecided = 0);
            }
            AnswerBody::Position(position) => {
                position.totals.iter_mut().for_each(|(_, transit)| transit.undecided = 0);
            }
            _ => {}
        }
    }
    said
}

/// What must be the same with and without restarts: not positions, which a restart moves on.
fn without_positions(said: Vec<Message>) -> Vec<Message> {
    let has_position = |message: &Message| match message {
        Message::Answer(answer) => matches!(
            answer.body,
            AnswerBody::Statement { .. } | AnswerBody::AuditShard { .. } | AnswerBody::Position(_)
        ),
        _ => false,
    };
    without_undecided(said).into_iter().filter(|message| !has_position(message)).collect()
}

fn shard_message() -> impl Strategy<Value = Message> {
    let change = prop_oneof![
        4 => prop_oneof![Just(Kind::Customer), Just(Kind::External)]
            .prop_map(|kind| Change::Open { currency: eur(), kind, overdraft_limit: 0 }),
        1 => (0_i64..300).prop_map(|overdraft_limit| Change::SetOverdraft { overdraft_limit }),
        1 => Just(Change::Freeze),
        2 => Just(Change::Unfreeze),
    ];
    let question = prop_oneof![
        (0_u8..6).prop_map(|no| Question::Account(account(&format!("s0:a{no}")))),
        proptest::option::of(0_u8..6)
            .prop_map(|after| Question::Accounts { after: after.map(|no| account(&format!("s0:a{no}"))), limit: 2 }),
        (0_u8..6).prop_map(|no| Question::Statement {
            account: account(&format!("s0:a{no}")),
            from: None,
            to: None,
            before: None,
            limit: 3,
        }),
        Just(Question::Position),
        any::<bool>().prop_map(|full| Question::AuditShard {
            since: Seq(2),
            transfers: vec![transfer_id(1), transfer_id(2)],
            unreadable: vec![transfer_id(1)],
            full,
        }),
    ];
    prop_oneof![
        6 => (0_u64..8, 0_u8..2, 0_usize..Verb::ALL.len(), 0_u8..20).prop_map(leg_command),
        2 => (0_u8..6, change, 0_u64..12).prop_map(|(no, change, command)| {
            let (account, command_id) = (account(&format!("s0:a{no}")), transfer_id(command).0);
            ask(Question::ChangeAccount(ChangeAccount { account, change, command_id, if_version: None }))
        }),
        1 => question.prop_map(ask),
    ]
}

/// A command about one of few legs, so that most of them have a history; now and then on terms that do not agree.
fn leg_command((transfer, leg, verb, whim): (u64, u8, usize, u8)) -> Message {
    let id = transfer_id(transfer);
    let verb = Verb::ALL[verb];
    let stop = |leg: u8| Stop {
        leg: LegNo(leg),
        shard: ShardNo(0),
        account: account(&format!("s0:a{}", (transfer + u64::from(leg)) % 5)),
        direction: if leg == 0 { Debit } else { Credit },
        amount: Amount::new(10 * i64::try_from(transfer).unwrap() + 1).unwrap(),
        currency: eur(),
    };
    let Stop { account, direction, amount, currency, .. } = stop(leg);
    let amount = if whim == 0 { Amount::MAX } else { amount };
    let route = (transfer % 3 == 2).then(|| Route::from_stops(vec![stop(0), stop(1)]));
    let terms = Terms { account, direction, amount, currency, partition: PARTITION, begun: Seq(transfer + 1), route };
    let reason = (whim % 2 == 0).then_some(Reason::DeadlinePassed);
    let memo = (whim % 3 == 0).then(|| format!("no {transfer}").as_str().into());
    Message::Command(Command { id: LegId::new(id, LegNo(leg)), verb, terms, reason, memo })
}

fn marked() -> impl Strategy<Value = Option<LowWater>> {
    let except = proptest::collection::vec((0_u64..10).prop_map(Seq), 0..3);
    proptest::option::weighted(
        0.3,
        (0_u64..10, except).prop_map(|(up_to, except)| LowWater { begun_up_to: Seq(up_to), except }),
    )
}

fn shard_step() -> impl Strategy<Value = Step> {
    let messages = proptest::collection::vec(shard_message(), 0..6);
    let turn = (messages, marked()).prop_map(|(messages, mark)| {
        let frame = Frame { from: Address::Manager(PARTITION), mark, ..frame(messages) };
        Step::Turn(vec![frame])
    });
    prop_oneof![6 => turn, 1 => Just(Step::Reopen)]
}

fn manager_message() -> impl Strategy<Value = Message> {
    let answer = prop_oneof![
        4 => Just(Answer::Done),
        4 => Just(Answer::Held),
        2 => Just(Answer::Posted),
        2 => Just(Answer::Undone),
        1 => Just(Answer::NeverWas(Some(Reason::DeadlinePassed))),
        1 => Just(Answer::Refused(Reason::AccountFrozen)),
        1 => Just(Answer::Misfit(Misfit::TermsDiffer)),
    ];
    let filter = (proptest::option::of(1_u64..30), 1_u32..4, any::<bool>()).prop_map(|(before, limit, one)| Filter {
        before: before.map(Seq),
        limit,
        account: one.then(|| account("s0:a1")),
        ..Filter::default()
    });
    let question = prop_oneof![
        (0_u64..8).prop_map(|n| Question::Transfer(transfer_id(n))),
        filter.prop_map(Question::Transfers),
        Just(Question::Position),
        any::<bool>().prop_map(|full| Question::AuditOpen { full }),
        (0_u64..30).prop_map(|since| Question::AuditBegun { since: Seq(since) }),
        Just(Question::OpenOn { account: account("s0:a1"), closing: Seq(3) }),
    ];
    prop_oneof![
        3 => (0_u64..8, 0_u8..12).prop_map(|(n, whim)| Message::Submit(submit(n, whim))),
        8 => (0_u64..8, 0_u8..3, answer)
            .prop_map(|(n, leg, answer)| Message::Reply(Reply { id: LegId::new(transfer_id(n), LegNo(leg)), answer })),
        2 => question.prop_map(ask),
    ]
}

/// One of few transfers; now and then with another body.
fn submit(n: u64, whim: u8) -> Submit {
    let world = World::in_memory(1, 1);
    let protocol = Protocol::all().nth(usize::try_from(n % 3).unwrap()).unwrap();
    let amount = if whim == 0 { 7 } else { 5 };
    let payees = [("s0:a1", Credit, amount - 1), ("s0:a2", Credit, 1)];
    let legs = [&[("s0:a0", Debit, amount)], &payees[..]].concat();
    Submit {
        deadline_ms: 5_000,
        tell: if whim.is_multiple_of(2) { Tell::Both } else { Tell::Accepted },
        ..world.submission(n, protocol, &legs)
    }
}

fn manager_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => proptest::collection::vec(manager_message(), 0..8).prop_map(|messages| Step::Turn(vec![frame(messages)])),
        2 => (1_u64..3_000).prop_map(Step::Pass),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_shard_is_the_same_on_every_store(steps in proptest::collection::vec(shard_step(), 1..25)) {
        let (said, rows) = run_shard(VARIANTS[0], &steps);
        let said = without_undecided(said);
        for variant in &VARIANTS[1..] {
            let (also_said, also_rows) = run_shard(*variant, &steps);
            prop_assert_eq!(&without_undecided(also_said), &said, "{:?}", variant);
            prop_assert_eq!(&also_rows, &rows, "{:?}", variant);
        }
    }

    #[test]
    fn a_shard_that_is_opened_anew_answers_as_if_it_had_not_been(
        steps in proptest::collection::vec(shard_step(), 1..25),
    ) {
        let without: Vec<Step> = steps.iter().filter(|step| !matches!(step, Step::Reopen)).cloned().collect();
        let always: Vec<Step> = without.iter().flat_map(|step| [Step::Reopen, step.clone()]).collect();
        let said = without_positions(run_shard(VARIANTS[0], &without).0);
        for variant in &VARIANTS {
            prop_assert_eq!(&without_positions(run_shard(*variant, &always).0), &said, "{:?}", variant);
        }
    }

    #[test]
    fn a_manager_is_the_same_on_every_store(steps in proptest::collection::vec(manager_step(), 1..25)) {
        let (said, rows) = run_manager(VARIANTS[0], &steps);
        for variant in &VARIANTS[1..] {
            let (also_said, also_rows) = run_manager(*variant, &steps);
            prop_assert_eq!(&also_said, &said, "{:?}", variant);
            prop_assert_eq!(&also_rows, &rows, "{:?}", variant);
        }
    }
}
