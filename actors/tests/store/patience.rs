//! A manager under silence and under load: whom it asks again and when, what it has room for, what its marks say.

use std::collections::{BTreeMap, BTreeSet};

use remit_actors::{
    frame::Frame,
    machine::Machine,
    manager::{Manager, ManagerOptions},
    message::{Address, Message, Progress, Standing, Stands, Status, Submit},
    store::{memory::Disk, memory::Memory, row::TransferEntry},
    supervision::Recovery,
};
use remit_core::{
    id::{LegId, LegNo, Seq, Time, TransferId},
    leg::{Answer, Misfit, Reply, Verb},
    money::Direction::{Credit, Debit},
    protocol::Protocol,
    reason::Reason,
    transfer::Outcome,
};

use crate::{
    commands::{NOW, PARTITION, frame},
    world::{World, transfer_id},
};

/// How late a timer may be, in milliseconds.
const SLOT_MS: i64 = 16;

struct Desk {
    manager: Manager<Memory<TransferEntry>>,
    disk: Disk<TransferEntry>,
    now: Time,
    world: World,
}

impl Desk {
    fn new(change: impl FnOnce(&mut ManagerOptions)) -> Self {
        let (world, disk) = (World::in_memory(2, 1), Disk::default());
        let mut options = world.manager_options();
        change(&mut options);
        let tables = disk.open(&world.genesis, NOW).unwrap();
        let manager = Manager::open(PARTITION, tables, options, Recovery::default(), "test", NOW).unwrap();
        Self { manager, disk, now: NOW, world }
    }

    fn turn(&mut self, messages: Vec<Message>) -> Vec<(Address, Frame)> {
        self.manager.turn(&[frame(messages)], self.now).unwrap()
    }

    fn submission(&self, n: u64) -> Submit {
        self.world.submission(n, Protocol::default(), &[("s0:a", Debit, 1), ("s1:b", Credit, 1)])
    }

    fn submit(&mut self, n: u64) -> Stands {
        let submit = self.submission(n);
        let out = self.turn(vec![Message::Submit(submit)]);
        out.into_iter().flat_map(|(_, frame)| standings(frame)).next().expect("an answer").stands
    }

    /// The next turn that the manager wants.
    fn wake(&mut self) -> Vec<(Address, Frame)> {
        self.now = self.manager.wake_at().expect("something is open").max(self.now);
        self.turn(vec![])
    }
}

fn standings(frame: Frame) -> impl Iterator<Item = Standing> {
    frame.messages.into_iter().filter_map(|message| match message {
        Message::Standing(standing) => Some(standing),
        _ => None,
    })
}

fn asked(out: &[(Address, Frame)]) -> Vec<(TransferId, Verb)> {
    let messages = out.iter().flat_map(|(_, frame)| &frame.messages);
    messages
        .filter_map(|message| match message {
            Message::Command(command) => Some((command.id.transfer, command.verb)),
            _ => None,
        })
        .collect()
}

fn reply(n: u64, leg: u8, answer: Answer) -> Message {
    Message::Reply(Reply { id: LegId::new(transfer_id(n), LegNo(leg)), answer })
}

fn status(stands: &Stands) -> Option<Status> {
    match stands {
        Stands::Recorded(Progress { status, .. }) => Some(*status),
        _ => None,
    }
}

/// A silent leg is asked again ever more rarely, but for ever, and given up at its deadline, not at some try after it.
#[test]
fn a_silent_leg_is_asked_again_with_growing_pauses_and_given_up_at_the_deadline() {
    let mut desk = Desk::new(|_| {});
    desk.submit(1);
    let (mut last, mut pauses) = (desk.now, Vec::new());
    while desk.now < NOW.plus_ms(45_000) {
        for (_, verb) in asked(&desk.wake()) {
            pauses.push((verb, desk.now.0 - last.0));
            last = desk.now;
        }
    }
    let debit = |pause| (Verb::Debit, pause);
    let given_up = (Verb::Cancel, 30_000 - 28_000);
    let expected = [1_000, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000, 5_000].map(debit).into_iter().chain([given_up]);
    for ((verb, pause), (expected_verb, expected)) in pauses.iter().zip(expected) {
        assert_eq!(*verb, expected_verb, "{pauses:?}");
        // The deadline does not move with the tries before it.
        let early = if *verb == Verb::Cancel { 9 * SLOT_MS } else { 0 };
        assert!((expected - early..=expected + SLOT_MS).contains(pause), "{pauses:?}");
    }
    assert!(pauses.len() > 10, "it is asked for ever: {pauses:?}");
    // It is never too late for an answer: the pivot never was, so the rest is undone.
    let out = desk.turn(vec![reply(1, 1, Answer::NeverWas(Some(Reason::DeadlinePassed)))]);
    assert_eq!(asked(&out), [(transfer_id(1), Verb::Compensate)]);
    let out = desk.turn(vec![reply(1, 0, Answer::Undone)]);
    let told: Vec<Standing> = out.into_iter().flat_map(|(_, frame)| standings(frame)).collect();
    assert_eq!(status(&told[0].stands), Some(Status::Ended(Outcome::Compensated)));
}

/// The one source of retries is bounded each second, and who has waited longest comes first. It was whoever stood first on
/// the wheel: those that had had their turn were put there before those that had not, and with more silent transfers than
/// the budget could serve some never had one.
#[test]
fn no_more_than_so_many_are_asked_again_in_a_second_and_nobody_starves() {
    let mut desk = Desk::new(|options| options.retries_per_second_max = 10);
    // Each wants a turn every five seconds at most: twice as many as there are.
    let patient = |n| Submit { deadline_ms: 1_000_000, ..desk.submission(n) };
    let submits = (0..100).map(|n| Message::Submit(patient(n))).collect();
    desk.turn(submits);
    let mut turns = BTreeMap::<TransferId, Vec<u64>>::new();
    for second in 1..=60 {
        let until = NOW.plus_ms(1_000 * second + 500);
        let mut count = 0;
        while desk.manager.wake_at().is_some_and(|at| at < until) {
            for (id, _) in asked(&desk.wake()) {
                turns.entry(id).or_default().push(second);
                count += 1;
            }
        }
        assert!(count <= 10, "{count} in second {second}");
    }
    assert_eq!(turns.len(), 100);
    for (id, turns) in turns {
        assert!(turns.windows(2).all(|pair| pair[1] - pair[0] <= 11), "{id} was asked again in {turns:?}");
        assert!(turns.len() >= 5, "{id} was asked again in {turns:?}");
    }
}

/// A deadline does not wait for the budget of retries.
#[test]
fn a_deadline_comes_in_time_however_many_wait_to_be_asked_again() {
    let mut desk = Desk::new(|options| options.retries_per_second_max = 1);
    let submits = (0..50).map(|n| Message::Submit(desk.submission(n))).collect();
    desk.turn(submits);
    let mut cancelled = BTreeSet::new();
    while desk.manager.wake_at().is_some_and(|at| at <= NOW.plus_ms(30_000 + SLOT_MS as u64)) {
        let out = asked(&desk.wake());
        cancelled.extend(out.into_iter().filter(|(_, verb)| *verb == Verb::Cancel).map(|(id, _)| id));
    }
    assert_eq!(cancelled.len(), 50);
}

/// R20: permits last until the end; without one nothing is recorded; a parked transfer gives its permit back. And what is
/// recorded is answered, room or not.
#[test]
fn r20_what_there_is_no_room_for_is_refused_unrecorded_and_a_parked_transfer_takes_none() {
    let mut desk = Desk::new(|options| options.open_max = 2);
    assert_eq!([1, 2].map(|n| status(&desk.submit(n))), [Some(Status::Accepted); 2]);
    let rows = desk.disk.rows().len();
    assert!(matches!(desk.submit(3), Stands::Overloaded(ms) if ms > 0));
    assert_eq!(desk.disk.rows().len(), rows);
    assert_eq!(status(&desk.submit(1)), Some(Status::Accepted));

    desk.turn(vec![reply(1, 0, Answer::Done), reply(1, 1, Answer::Done)]);
    assert_eq!(status(&desk.submit(3)), Some(Status::Accepted));
    assert_eq!(status(&desk.submit(1)), Some(Status::Ended(Outcome::Completed)));

    assert!(matches!(desk.submit(4), Stands::Overloaded(_)));
    desk.turn(vec![reply(2, 0, Answer::Misfit(Misfit::TermsDiffer))]);
    assert_eq!(status(&desk.submit(4)), Some(Status::Accepted));
    assert_eq!(status(&desk.submit(2)), Some(Status::Parked));
    assert!(matches!(desk.submit(5), Stands::Overloaded(_)));
}

/// R3: no mark ever says that an open transfer has ended, and stuck ones, as far as they can be listed, hold no other back.
#[test]
fn r3_a_mark_never_covers_what_is_open_and_is_not_held_back_by_what_is_stuck() {
    let mut desk = Desk::new(|_| {});
    let submits = (1..=40).map(|n| Message::Submit(desk.submission(n))).collect();
    desk.turn(submits);
    let begun = |desk: &Desk, n: u64| {
        let rows = desk.disk.rows();
        let is_start =
            |entry: &TransferEntry| matches!(entry, TransferEntry::Started(start) if start.id == transfer_id(n));
        rows.iter().find(|row| is_start(&row.entry)).map(|row| row.seq).expect("it began")
    };
    let begins: Vec<Seq> = (1..=40).map(|n| begun(&desk, n)).collect();
    let mut open: BTreeSet<usize> = (0..40).collect();
    let mut seen = None;
    let mut next = 50;
    for turn in 0..2_000 {
        let done = match turn {
            // One that is not the oldest ends, then ever more.
            500 => vec![5],
            1_000.. if turn % 20 == 0 => open.first().copied().into_iter().collect(),
            _ => vec![],
        };
        let mut messages = Vec::new();
        for n in done {
            open.remove(&n);
            let never = Answer::NeverWas(Some(Reason::DeadlinePassed));
            messages.extend([reply(n as u64 + 1, 1, never), reply(n as u64 + 1, 0, never)]);
        }
        // Something for a shard in every turn, so that there is a mark; it ends at once.
        messages.push(Message::Submit(desk.submission(next)));
        desk.now = desk.now.plus_ms(100);
        for (to, frame) in desk.turn(messages) {
            let Address::Shard(_) = to else { continue };
            let mark = frame.mark.expect("a manager's frame to a shard has a mark");
            for n in &open {
                assert!(!mark.covers(begins[*n]), "turn {turn}: {n} is open, and {mark:?}");
            }
            seen = Some(mark);
        }
        desk.turn(vec![reply(next, 0, Answer::Done), reply(next, 1, Answer::Done)]);
        next += 1;
        let mark = seen.as_ref().expect("a mark");
        match turn {
            // Nobody is stuck yet: the oldest holds the mark.
            400 => assert_eq!((mark.begun_up_to, mark.except.len()), (Seq(begins[0].0 - 1), 0)),
            // All are stuck, more than can be listed: the first that is not holds the mark.
            900 => assert_eq!((mark.begun_up_to, mark.except.len()), (Seq(begins[33].0 - 1), 32)),
            // Few enough to be listed: the mark passes them all.
            1_500 => assert!(mark.begun_up_to > begins[39] && mark.except.len() == open.len(), "{mark:?}"),
            _ => {}
        }
    }
    assert!(open.is_empty());
    assert!(begins.iter().all(|begun| seen.as_ref().is_some_and(|mark| mark.covers(*begun))));
}
