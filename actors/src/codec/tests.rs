use proptest::prelude::*;
use remit_core::{
    account::{Account, Balances, Change, Kind, Refusal, Status as AccountStatus},
    audit::{RowLeg, ShardView},
    id::{AccountId, Epoch, LegId, LegNo, PartitionNo, Seq, ShardNo, Time, TransferId},
    ledger::Transit,
    leg::{Answer as Word, Command, Misfit, Reply, State, Terms, Verb},
    mark::LowWater,
    money::{Amount, Currency, Direction},
    operator::{Action, Forbidden, Order},
    protocol::{Decision, Protocol, route::Route},
    reason::Reason,
    transfer::{End, LegSpec, Outcome, Parked, Start},
};

use super::*;
use crate::{
    message::{
        Address, Answer, AnswerBody, Ask, ChangeAccount, Chunk, Class, DayTotal, Filter, Find, Found, InTransit,
        JournalState, LegTold, LegWord, Linked, Listed, Message, Operate, Operated, Position, Posting, Present,
        Progress, Query, Question, Read, Reading, Rows, Source, Standing, Standings, Stands, Status, Story, Submit,
        Tell, Told, TraceContext, What,
    },
    store::row::Counts,
};

fn account(name: &str) -> AccountId {
    AccountId::parse(name).unwrap()
}

fn eur() -> Currency {
    Currency::parse("EUR").unwrap()
}

fn amount() -> Amount {
    Amount::new(12_345).unwrap()
}

fn leg(name: &str, shard: u16, direction: Direction) -> LegSpec {
    LegSpec { account: account(name), shard: ShardNo(shard), direction, amount: amount(), currency: eur() }
}

fn legs() -> Vec<LegSpec> {
    vec![leg("s0:alice", 0, Direction::Debit), leg("s1:bob", 1, Direction::Credit)]
}

fn start() -> Start {
    let id = TransferId([7; 16]);
    Start::new(id, Protocol::default(), legs(), Some("rent".into()), Time(1), Time(2)).unwrap()
}

fn command(verb: Verb, route: Option<Route>) -> Command {
    let terms = Terms {
        account: account("s0:alice"),
        direction: Direction::Debit,
        amount: amount(),
        currency: eur(),
        partition: PartitionNo(3),
        begun: Seq(99),
        route,
    };
    let id = LegId::new(TransferId([7; 16]), LegNo(1));
    Command { id, verb, terms, reason: Some(Reason::DeadlinePassed), memo: Some("rent".into()) }
}

fn an_account() -> Account {
    let balances = Balances { posted: -5, held: 6, incoming: 7, undecided: 8 };
    let (kind, status) = (Kind::External, AccountStatus::Frozen);
    Account { currency: eur(), kind, status, overdraft_limit: 9, version: 10, balances }
}

fn progress(status: Status) -> Progress {
    Progress {
        status,
        reason: Some(Reason::InsufficientFunds),
        legs: LegWord::ALL.to_vec(),
        accepted_at: Time(1),
        deadline_at: Time(2),
        settled_at: Some(Time(-3)),
        overdue: true,
        parked: Some(Parked::Misfit(LegNo(3))),
    }
}

fn questions() -> Vec<Question> {
    let change = Change::Open { currency: eur(), kind: Kind::Customer, overdraft_limit: 5 };
    let change =
        ChangeAccount { account: account("s0:alice"), change, command_id: [9; 16], if_version: Some(u64::MAX) };
    vec![
        Question::ChangeAccount(change.clone()),
        Question::CloseAccount(change, 500),
        Question::Account(account("carol")),
        Question::Accounts { after: Some(account("carol")), limit: 1_000 },
        Question::Statement {
            account: account("carol"),
            from: Some(Time(1)),
            to: None,
            before: Some(Seq(u64::MAX)),
            limit: 7,
        },
        Question::Position,
        Question::AuditShard {
            since: Seq(1),
            transfers: vec![TransferId([1; 16]), TransferId([2; 16])],
            unreadable: vec![TransferId([3; 16])],
            full: true,
        },
        Question::AuditOpen { full: true },
        Question::AuditBegun { since: Seq(5) },
        Question::Transfer(TransferId([3; 16])),
        Question::Transfers(Filter {
            status: Some(Status::Ended(Outcome::Compensated)),
            account: Some(account("carol")),
            overdue: Some(false),
            since: Some(Time(4)),
            before: None,
            limit: 50,
        }),
        Question::OpenOn { account: account("carol"), closing: Seq(12) },
        Question::Story(TransferId([3; 16])),
        Question::Operate(Operate { id: TransferId([3; 16]), order: order(), legs: vec![row_leg()], number: u64::MAX }),
        Question::RowsAbove(Address::Shard(ShardNo(3)), Seq(u64::MAX)),
    ]
}

/// Every question to the projector.
fn reads() -> Vec<Question> {
    let find = Find {
        status: Some(Status::Parked),
        account: Some(account("carol")),
        overdue: Some(true),
        since: Some(Time(1)),
        until: None,
        memo: vec!["rent".into()],
        below: vec![Some(Seq(1)), None],
        limit: 1,
    };
    let statement = Query::Statement {
        account: account("carol"),
        shard: ShardNo(1),
        from: None,
        to: Some(Time(-1)),
        before: Some(Seq(7)),
        limit: 2,
    };
    let after = Some((-1, account("carol")));
    let totals = Query::Totals { account: Some(account("carol")), from: -1, to: 1, after, limit: 3 };
    let in_transit = Query::InTransit { currency: Some(eur()), from: 0, to: i64::MAX, limit: 4 };
    let queries = [Query::Transfers(find), statement, totals, in_transit, Query::Standings, Query::Rebuild];
    let read = |query| Read { query, at_least: vec![(Address::Manager(PartitionNo(1)), Seq(9))], within_ms: 5 };
    queries.map(|query| Question::Read(Box::new(read(query)))).into()
}

/// Everything that the projector answers.
fn readings() -> Vec<AnswerBody> {
    let listed = Listed {
        partition: PartitionNo(1),
        begun: Seq(2),
        start: std::sync::Arc::new(start()),
        progress: progress(Status::InProgress),
    };
    let posting = Posting {
        seq: Seq(3),
        at: Time(4),
        transfer: TransferId([7; 16]),
        direction: Direction::Credit,
        amount: amount(),
        balance: i64::MIN,
        memo: None,
    };
    let day = DayTotal {
        day: -1,
        account: account("carol"),
        currency: eur(),
        debits: 1,
        debited: i128::MAX,
        credits: u64::MAX,
        credited: i128::MIN,
    };
    let source = Source { source: Address::Projector, seq: Seq(1), at: Some(Time(2)), head: Seq(3), complete: Time(4) };
    let standings = Standings {
        sources: vec![source],
        rebuild: Some(vec![source]),
        rebuilt: 1,
        is_built: true,
        bytes: 2,
        transfers: 3,
    };
    let found = [
        Found::Transfers(vec![listed], vec![None, Some(Seq(1))]),
        Found::Statement { is_there: true, postings: vec![posting], next: Some(Seq(1)) },
        Found::Totals(vec![day], true),
        Found::InTransit(vec![InTransit { minute: 1, currency: eur(), amount: -2 }], Some(3)),
        Found::Standings(standings),
        Found::Behind,
        Found::Building(1, u64::MAX),
    ];
    found.map(|found| AnswerBody::Reading(Box::new(Reading { as_of: Time(1), found }))).into()
}

fn rows() -> Rows {
    let chunk = |last, link| Chunk { last: Seq(last), link, lines: "[1],\n[2]".into() };
    Rows {
        source: Address::Manager(PartitionNo(3)),
        first: Seq(1),
        last: Seq(4),
        before: Linked { seq: Seq(0), link: [0; 32] },
        chunks: vec![chunk(2, None), chunk(4, Some([9; 32]))],
        head: Seq(u64::MAX),
        complete: Some(Time(5)),
    }
}

fn order() -> Order {
    Order { action: Action::Cancel, by: "ops".into(), why: "asked to by phone".into() }
}

fn row_leg() -> RowLeg {
    let id = LegId::new(TransferId([7; 16]), LegNo(31));
    RowLeg { id, state: State::Held, direction: Direction::Debit, amount: amount(), currency: eur() }
}

fn story() -> Story {
    let end = End { outcome: Outcome::Rejected, reason: Some(Reason::Cancelled) };
    let counts = Counts { retries: 1, repeats: 2, late: u32::MAX };
    let leg = LegTold {
        leg: LegNo(1),
        state: State::Posted,
        account: account("carol"),
        direction: Direction::Credit,
        amount: amount(),
        currency: eur(),
        balance: Some(i64::MIN),
        repeats: 3,
    };
    let whats = [
        What::Accepted,
        What::TakenUp,
        What::Decided(Decision::Abort(Reason::DeadlinePassed)),
        What::Parked(Parked::Misfit(LegNo(2))),
        What::Ordered(order()),
        What::Ended(end, counts),
        What::Leg(leg),
    ];
    let told = |what| Told { seq: Seq(3), at: Time(4), epoch: Epoch(5), node: "one".into(), what };
    let present = Present {
        awaited: vec![(LegNo(0), Verb::Compensate)],
        since: Time(6),
        try_at: Time(7),
        tries: 8,
        give_up_at: Some(Time(9)),
        given_up: Some(Reason::Cancelled),
        parked: Some(Parked::Panicked),
        counts,
    };
    let transfer = Some((start(), progress(Status::Parked)));
    Story { transfer, told: whats.map(told).to_vec(), present: Some(present) }
}

fn answers() -> Vec<AnswerBody> {
    let transit = Transit { balance: 1, posted: -1, held: i128::MAX, incoming: i128::MIN, undecided: 0 };
    let leg = LegId::new(TransferId([7; 16]), LegNo(31));
    let posting = Posting {
        seq: Seq(1),
        at: Time(2),
        transfer: TransferId([7; 16]),
        direction: Direction::Credit,
        amount: Amount::MAX,
        balance: i64::MIN,
        memo: None,
    };
    let position = Position {
        epoch: Epoch(6),
        seq: Seq(1),
        totals: vec![(eur(), transit)],
        open: 2,
        overdue: 3,
        parked: 4,
        ended: 5,
        oldest: Some(Time(-7)),
    };
    let legs = vec![
        (leg, State::Refused(Reason::AccountNotFound)),
        (leg, State::Tombstone(Verb::Cancel, None)),
        (leg, State::Compensated),
    ];
    let (direction, amount, currency) = (Direction::Debit, Amount::new(7).unwrap(), eur());
    let by_rows = vec![RowLeg { id: leg, state: State::Held, direction, amount, currency }];
    let journal = JournalState { seq: Seq(1), verified_to: Seq(2), hash: [3; 32], balanced: true };
    vec![
        AnswerBody::Account(Some(an_account())),
        AnswerBody::Refused(Refusal::NotFree),
        AnswerBody::Accounts(vec![(account("carol"), an_account())], true),
        AnswerBody::Statement { account: None, postings: vec![posting], next: Some(Seq(1)) },
        AnswerBody::Position(position),
        AnswerBody::AuditShard { view: ShardView { totals: vec![(eur(), transit)], legs, by_rows }, journal },
        AnswerBody::AuditStarts { at: Seq(1), starts: vec![start(), start()], unreadable: vec![TransferId([3; 16])] },
        AnswerBody::Transfer(Some(Box::new((start(), progress(Status::Parked))))),
        AnswerBody::Transfers(vec![(Seq(2), start(), progress(Status::InProgress))], Some(Seq(2))),
        AnswerBody::OpenOn { account: account("carol"), closing: Seq(1), partition: PartitionNo(2), open: 3 },
        AnswerBody::Unavailable("no such partition".into()),
        AnswerBody::Story(Box::new(story())),
        AnswerBody::Operated(Operated::Done(Box::new((start(), progress(Status::InProgress))))),
        AnswerBody::Operated(Operated::Forbidden(Forbidden::Torn { forward: LegNo(1), undone: LegNo(0) })),
        AnswerBody::Operated(Operated::Ended(Outcome::Completed)),
        AnswerBody::Operated(Operated::Unknown),
    ]
}

/// At least one message of each kind.
fn one_of_each() -> Vec<Message> {
    let submit = Submit {
        id: TransferId([7; 16]),
        protocol: Protocol::parse("2pc").unwrap(),
        legs: legs(),
        memo: None,
        deadline_ms: 86_400_000,
        gateway: u64::MAX,
        ticket: 9,
        tell: Tell::End,
    };
    let mut all = vec![Message::Submit(submit)];
    all.extend(Verb::ALL.map(|verb| Message::Command(command(verb, None))));
    all.push(Message::Command(command(Verb::Debit, Some(Route::of(&start())))));
    let words = [
        Word::Done,
        Word::Held,
        Word::Posted,
        Word::Undone,
        Word::NeverWas(None),
        Word::NeverWas(Some(Reason::Cancelled)),
        Word::Refused(Reason::CurrencyMismatch),
        Word::Misfit(Misfit::TermsDiffer),
    ];
    let id = LegId::new(TransferId([7; 16]), LegNo(1));
    all.extend(words.map(|answer| Message::Reply(Reply { id, answer })));
    let stands = [
        Stands::Recorded(progress(Status::Accepted)),
        Stands::Conflict(vec!["legs".into(), "memo".into()]),
        Stands::Overloaded(250),
        Stands::Unavailable("its manager recovers".into()),
    ];
    all.extend(stands.map(|stands| Message::Standing(Standing { id: TransferId([7; 16]), ticket: 9, stands })));
    let ask = |question| Message::Ask(Ask { ticket: 1, from: Address::Gateway(2), question });
    all.extend(questions().into_iter().chain(reads()).map(ask));
    let answer = |body| Message::Answer(Answer { ticket: 1, part: 0, parts: 1, body });
    all.extend(answers().into_iter().chain(readings()).map(answer));
    all.push(Message::Rows(rows()));
    all
}

/// A number for each kind of message, so that a new kind does not compile until it has one here.
fn kind(message: &Message) -> usize {
    match message {
        Message::Submit(_) => 0,
        Message::Command(_) => 1,
        Message::Reply(_) => 2,
        Message::Standing(standing) => match &standing.stands {
            Stands::Recorded(_) => 3,
            Stands::Conflict(_) => 4,
            Stands::Overloaded(_) => 5,
            Stands::Unavailable(_) => 29,
        },
        Message::Ask(ask) => match &ask.question {
            Question::ChangeAccount(_) => 6,
            Question::CloseAccount(..) => 7,
            Question::Account(_) => 8,
            Question::Accounts { .. } => 9,
            Question::Statement { .. } => 10,
            Question::Position => 11,
            Question::AuditShard { .. } => 12,
            Question::AuditOpen { .. } => 13,
            Question::AuditBegun { .. } => 14,
            Question::Transfer(_) => 15,
            Question::Transfers(_) => 16,
            Question::OpenOn { .. } => 17,
            Question::Story(_) => 30,
            Question::Operate(_) => 31,
            Question::Read(_) => 35,
            Question::RowsAbove(..) => 36,
        },
        Message::Answer(answer) => match &answer.body {
            AnswerBody::Account(_) => 18,
            AnswerBody::Refused(_) => 19,
            AnswerBody::Accounts(..) => 20,
            AnswerBody::Statement { .. } => 21,
            AnswerBody::Position(_) => 22,
            AnswerBody::AuditShard { .. } => 23,
            AnswerBody::AuditStarts { .. } => 24,
            AnswerBody::Transfer(_) => 25,
            AnswerBody::Transfers(..) => 26,
            AnswerBody::OpenOn { .. } => 27,
            AnswerBody::Unavailable(_) => 28,
            AnswerBody::Story(_) => 32,
            AnswerBody::Operated(_) => 33,
            AnswerBody::Reading(_) => 37,
        },
        Message::Rows(_) => 34,
    }
}

/// A great number as a frame has it.
fn number(number: u64) -> impl Iterator<Item = u8> {
    [253].into_iter().chain(number.to_le_bytes())
}

fn frame(messages: Vec<Message>) -> Frame {
    let trace = TraceContext { trace_id: [1; 16], span_id: [2; 8], flags: 1 };
    let mark = LowWater { begun_up_to: Seq(90), except: vec![Seq(12)] };
    let traces = if messages.is_empty() { vec![] } else { vec![(0, trace)] };
    Frame { from: Address::Manager(PartitionNo(3)), class: Class::Do, mark: Some(mark), messages, traces }
}

#[test]
fn a_frame_with_every_kind_of_message_comes_back_as_it_was() {
    let messages = one_of_each();
    let mut kinds: Vec<usize> = messages.iter().map(kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert!(kinds.iter().copied().eq(0..38), "there is no example of some kind: {kinds:?}");

    for message in &messages {
        let alone = frame(vec![message.clone()]);
        assert_eq!(decode(&encode(&alone)).as_ref(), Ok(&alone));
    }
    let together = frame(messages);
    assert_eq!(decode(&encode(&together)), Ok(together));
}

/// If this fails, the format has changed: nodes of two versions no longer understand each other. Either undo the change,
/// or raise [`VERSION`].
#[test]
fn the_format_is_the_one_that_other_nodes_read() {
    let mut golden = frame(vec![Message::Command(command(Verb::PlaceHold, None))]);
    golden.traces.clear();
    let fields = [
        "05",                                     // version
        "01 03",                                  // from: Manager(3)
        "01",                                     // class: Do
        "01 5a",                                  // mark: up to 90
        "01 0c",                                  // except 12
        "01",                                     // one message
        "01",                                     // Command
        "fe 07070707070707070707070707070707 01", // leg 1 of the transfer
        "02",                                     // PlaceHold
        "08 73303a616c696365",                    // s0:alice
        "00 fb 7260",                             // Debit 12,345
        "03 455552",                              // EUR
        "03 63 00",                               // partition 3, begun at 99, no route
        "01 06",                                  // reason: DeadlinePassed
        "01 04 72656e74",                         // memo: rent
        "00",                                     // no traces
    ];
    let expected: String = fields.concat().split_whitespace().collect();
    assert_eq!(encode(&golden).iter().map(|byte| format!("{byte:02x}")).collect::<String>(), expected);
}

#[test]
fn what_is_not_exactly_one_frame_of_this_version_is_refused_and_says_why() {
    let good = encode(&frame(one_of_each()));
    let mut next_version = good.to_vec();
    next_version[0] = VERSION + 1;
    let mut long = good.to_vec();
    long.extend([0; 3]);
    let mut wild = encode(&frame(vec![])).to_vec();
    let at = wild.len() - 2;
    wild.splice(at..=at, number(u64::MAX));
    for (bytes, why) in [
        (vec![], "empty"),
        (next_version, "written in format 6, but this version reads format 5 only"),
        (b"{}".to_vec(), "written in format 123, but this version reads format 5 only"),
        (vec![VERSION], "cut off"),
        (long, "3 bytes follow its end"),
        (wild, "cut off"),
        (vec![VERSION, 9], "malformed: invalid value: integer `9`, expected variant index 0 <= i < 5"),
    ] {
        assert_eq!(decode(&bytes).unwrap_err().to_string(), why);
    }
    let mut huge = vec![0; BYTES_MAX + 2];
    huge[0] = VERSION;
    assert_eq!(decode(&huge), Err(Error::TooLarge { bytes: BYTES_MAX + 1 }));
    for end in 0..good.len() {
        assert!(decode(&good[..end]).is_err(), "cut off at {end}");
    }
}

/// Fuzzing: two hundred bytes took eight megabytes, for a text that was not there.
#[test]
fn a_text_that_a_small_frame_can_t_hold_is_refused_before_there_is_room_for_it() {
    let standing = Standing { id: TransferId([7; 16]), ticket: 9, stands: Stands::Unavailable("gone".into()) };
    let mut bytes = encode(&frame(vec![Message::Standing(standing)])).to_vec();
    let at = bytes.windows(4).position(|window| window == b"gone").unwrap() - 1;
    bytes.splice(at..=at, number(1 << 21));
    assert_eq!(decode(&bytes).unwrap_err().to_string(), "malformed: a length beyond the limit");
    let standing = Standing { id: TransferId([7; 16]), ticket: 9, stands: Stands::Unavailable("x".repeat(1 << 20)) };
    let long = frame(vec![Message::Standing(standing)]);
    assert_eq!(decode(&encode(&long)), Ok(long));
}

#[test]
fn a_value_that_no_constructor_would_make_is_refused() {
    let good = encode(&frame(vec![Message::Command(command(Verb::PlaceHold, None))]));
    let edited = |from: &[u8], to: &[u8]| {
        let at = good.windows(from.len()).position(|window| window == from).unwrap();
        let mut bytes = good.to_vec();
        bytes.splice(at..at + from.len(), to.iter().copied());
        decode(&bytes).map_err(|error| error.to_string())
    };
    assert!(edited(b"s0:alice", b"s0:carol").is_ok());
    assert_eq!(
        edited(b"s0:alice", b"S0:alice"),
        Err("malformed: a shard's name is 1 to 32 of a-z, 0-9 and -".to_owned())
    );
    // 12,345, and no amount at all.
    assert!(edited(&[0xfb, 0x72, 0x60], &[0]).is_err_and(|error| error.starts_with("malformed: ")));
}

proptest! {
    #[test]
    fn bytes_of_any_kind_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        drop(decode(&bytes));
        let mut versioned = vec![VERSION];
        versioned.extend(&bytes);
        drop(decode(&versioned));
    }

    /// Damage that still decodes gives a frame that encodes to those very bytes, or to fewer, where an integer took more than it
    /// needs.
    #[test]
    fn a_damaged_frame_never_panics(at in 0_usize..4_096, byte in any::<u8>(), cut in 0_usize..8) {
        let mut bytes = encode(&frame(one_of_each())).to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.truncate(bytes.len() - cut);
        if let Ok(frame) = decode(&bytes) {
            let again = encode(&frame);
            prop_assert!(again == bytes || again.len() < bytes.len());
            prop_assert_eq!(decode(&again), Ok(frame));
        }
    }

    /// A length that is a lie costs at most what serde sets aside on credit (1 MiB a list), not what it says.
    #[test]
    fn a_lying_length_is_refused(place in 0_usize..4_096, length in 1_u64 << 20..=u64::MAX) {
        let mut bytes = encode(&frame(one_of_each())).to_vec();
        let at = place % bytes.len();
        bytes.splice(at..=at, number(length));
        drop(decode(&bytes));
    }
}
