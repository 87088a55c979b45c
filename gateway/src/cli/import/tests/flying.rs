use std::{cell::RefCell, collections::VecDeque, sync::Mutex};

use indicatif::ProgressBar;
use remit_api::{
    Code, Currencies, Error,
    account::OpenRequest,
    batch::{BatchRequest, Brief},
    transfer::Status,
};
use remit_core::{id::AccountId, money::Currency, reason::Reason};

use crate::cli::{
    exit::Exit,
    import::{
        accounts,
        door::Door,
        fleet::{Fleet, Landed},
        flight::{End, Flight, Next},
        payment::{self, Payment, Reading},
        refused::RefusedFile,
        source::Source,
        summary::Summary,
    },
};

const COMPLETED: End = End::Told(Status::Completed, None);

fn payments(count: usize) -> Vec<Payment> {
    let lines: String = (0..count).map(|at| format!("r{at},a,b,1,EUR\n")).collect();
    let text = format!("reference,from,to,amount,currency\n{lines}");
    let currencies = Currencies::iso();
    let reading = Reading::new(&currencies, None);
    payment::all(&Source::Text("pay", &text), &reading).unwrap().map(Result::unwrap).collect()
}

fn told(status: Status, reason: Option<Reason>) -> Result<Brief, Error> {
    Ok(Brief { id: payments(1)[0].request.id, status, reason })
}

fn done() -> Result<Brief, Error> {
    told(Status::Completed, None)
}

#[test]
fn a_batch_of_which_all_has_ended_has_landed() {
    let mut flight = Flight::new(3, 12);
    assert_eq!(flight.due().collect::<Vec<_>>(), [0, 1, 2]);
    let poor = told(Status::Rejected, Some(Reason::InsufficientFunds));
    let conflict = Error::conflict("another body", ["legs"]);
    assert_eq!(flight.handle_answer(Ok(vec![done(), poor, Err(conflict.clone())])), Next::Landed);
    let ends = [COMPLETED, End::Told(Status::Rejected, Some(Reason::InsufficientFunds)), End::Refused(conflict)];
    assert_eq!(flight.into_ends(), ends);
}

#[test]
fn what_found_no_room_is_sent_again_when_it_was_told_to_be() {
    let mut flight = Flight::new(3, 12);
    let full = || Err(Error::overloaded("no room", 700));
    assert_eq!(flight.handle_answer(Ok(vec![full(), done(), full()])), Next::Send { after_ms: 700 });
    assert_eq!(flight.due().collect::<Vec<_>>(), [0, 2]);
    assert_eq!(flight.handle_answer(Ok(vec![done(), done()])), Next::Landed);
    assert_eq!(flight.into_ends(), [COMPLETED, COMPLETED, COMPLETED]);
}

#[test]
fn what_never_finds_room_is_refused_and_what_may_be_recorded_is_unknown() {
    let full = || Err(Error::overloaded("no room", 1));
    let mut refused = Flight::new(1, 3);
    let pauses: Vec<_> = (0..3).map(|_| refused.handle_answer(full())).collect();
    assert_eq!(pauses, [Next::Send { after_ms: 100 }, Next::Send { after_ms: 200 }, Next::Landed]);
    assert!(matches!(&refused.into_ends()[0], End::Refused(error) if error.code == Code::Overloaded));

    // Once nobody could tell, no later lack of room makes it certain.
    let mut unknown = Flight::new(1, 3);
    unknown.handle_answer(Err(Error::unavailable("no answer")));
    unknown.handle_answer(full());
    assert_eq!(unknown.handle_answer(full()), Next::Landed);
    assert!(matches!(unknown.into_ends()[0], End::Unknown(_)));
}

#[test]
fn what_is_still_on_its_way_is_asked_for_again_under_the_same_id() {
    let mut flight = Flight::new(2, 2);
    let on_its_way = || told(Status::InProgress, None);
    assert_eq!(flight.handle_answer(Ok(vec![on_its_way(), on_its_way()])), Next::Send { after_ms: 100 });
    // One has ended: the other one has all its tries again.
    assert_eq!(flight.handle_answer(Ok(vec![on_its_way(), done()])), Next::Send { after_ms: 0 });
    assert_eq!(flight.handle_answer(Ok(vec![on_its_way()])), Next::Send { after_ms: 100 });
    assert_eq!(flight.handle_answer(Ok(vec![told(Status::Parked, None)])), Next::Landed);
    assert_eq!(flight.into_ends(), [End::Told(Status::Parked, None), COMPLETED]);
}

#[test]
fn a_batch_that_is_too_large_is_sent_in_halves_down_to_one() {
    let too_large = || Err(Error::too_large("over the limit"));
    let mut flight = Flight::new(4, 2);
    flight.handle_answer(too_large());
    assert_eq!(flight.due().collect::<Vec<_>>(), [0, 1]);
    assert_eq!(flight.handle_answer(Ok(vec![done(), done()])), Next::Send { after_ms: 0 });
    flight.handle_answer(too_large());
    assert_eq!(flight.due().collect::<Vec<_>>(), [2]);
    assert_eq!(flight.handle_answer(too_large()), Next::Send { after_ms: 0 });
    assert_eq!(flight.handle_answer(Ok(vec![done()])), Next::Landed);
    let ends = flight.into_ends();
    assert!(matches!(&ends[2], End::Refused(error) if error.code == Code::TooLarge));
    assert_eq!(ends[3], COMPLETED);
}

#[test]
fn an_answer_that_is_too_short_leaves_the_rest_open() {
    let mut flight = Flight::new(2, 12);
    assert_eq!(flight.handle_answer(Ok(vec![done()])), Next::Send { after_ms: 0 });
    assert_eq!(flight.due().collect::<Vec<_>>(), [1]);
}

/// A deployment that forgets every second answer, has no room for every third payment the first time, and refuses `r7`.
#[derive(Default)]
struct Shaky {
    recorded: Mutex<Vec<remit_core::id::TransferId>>,
    batches: Mutex<u32>,
    opens: Mutex<VecDeque<Result<(), Error>>>,
}

impl Door for Shaky {
    async fn submit(&self, batch: &BatchRequest) -> Result<Vec<Result<Brief, Error>>, Error> {
        let mut recorded = self.recorded.lock().unwrap();
        let answer = |(at, request): (usize, &remit_api::submit::SubmitRequest)| {
            let id = request.id;
            if !recorded.contains(&id) {
                if at % 3 == 2 {
                    return Err(Error::overloaded("no room", 5));
                }
                recorded.push(id);
            }
            let poor = id == crate::cli::import::reference::id("r7");
            let status = if poor { Status::Compensated } else { Status::Completed };
            Ok(Brief { id, status, reason: poor.then_some(Reason::AccountClosed) })
        };
        let answers = batch.transfers.iter().enumerate().map(answer).collect();
        let mut batches = self.batches.lock().unwrap();
        *batches += 1;
        if *batches % 2 == 1 { Err(Error::unavailable("no answer")) } else { Ok(answers) }
    }

    async fn open(&self, _: &OpenRequest) -> Result<(), Error> {
        self.opens.lock().unwrap().pop_front().unwrap_or(Ok(()))
    }

    async fn pause(&self, _: u64) {}
}

#[tokio::test]
async fn through_lost_answers_and_lack_of_room_each_payment_is_recorded_once() {
    let shaky = Shaky::default();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refused.csv");
    let refused = RefCell::new(RefusedFile::create(&path).unwrap());
    let mut summary = Summary::default();
    let mut lines = Vec::new();
    let fleet = Fleet { batch: 10, in_flight: 3, tries: 12 };
    let landed = |Landed { payments, ends, .. }: Landed| {
        for (payment, end) in payments.iter().zip(&ends) {
            lines.push(payment.record.line);
            summary.count(end);
            refused.borrow_mut().add(payment, end).unwrap();
        }
        Ok::<_, Error>(())
    };
    fleet.fly(&shaky, payments(95).into_iter(), landed).await.unwrap();

    assert_eq!(lines, (2..97).collect::<Vec<_>>(), "handed over in the order of the file");
    let recorded = shaky.recorded.into_inner().unwrap();
    assert_eq!(recorded.len(), 95);
    assert_eq!(summary.exit(), Exit::Refused);
    let text = anstream::adapter::strip_str(&summary.text()).to_string();
    let expected = "\
status       reason          payments
completed    -                     94
compensated  account_closed         1

95 payments in 0.000 s";
    assert_eq!(text, expected);
    assert_eq!(refused.into_inner().finish().unwrap(), Some(path.clone()));
    let written = std::fs::read_to_string(path).unwrap();
    let expected = "\
id,reference,from,to,amount,currency,protocol,memo,status,reason,message
,r7,a,b,1,EUR,,,compensated,account_closed,
";
    assert_eq!(written, expected);
    assert_eq!(reread(&written).len(), 1, "what was refused can be imported again");
}

fn reread(text: &str) -> Vec<Payment> {
    let currencies = Currencies::iso();
    let reading = Reading::new(&currencies, None);
    payment::all(&Source::Text("refused", text), &reading).unwrap().map(Result::unwrap).collect()
}

#[test]
fn where_nothing_was_refused_there_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refused.csv");
    std::fs::write(&path, "of an earlier run").unwrap();
    let mut file = RefusedFile::create(&path).unwrap();
    file.add(&payments(1)[0], &COMPLETED).unwrap();
    assert_eq!(file.finish().unwrap(), None);
    assert!(!path.exists());
}

#[tokio::test]
async fn an_account_is_opened_in_spite_of_silence_but_not_against_a_no() {
    let euro = Currency::parse("EUR").unwrap();
    let request = |name| OpenRequest::new(AccountId::parse(name).unwrap(), euro);
    let conflict = Error::conflict("opened otherwise", ["currency"]);
    let answers = [Err(Error::unavailable("")), Err(conflict.clone()), Err(Error::overloaded("", 1)), Ok(())];
    let shaky = Shaky { opens: Mutex::new(answers.into()), ..Shaky::default() };
    let opened = accounts::open_all(&shaky, vec![request("a")], 12, ProgressBar::hidden()).await;
    assert_eq!(opened.refused, [(AccountId::parse("a").unwrap(), conflict)]);
    let opened = accounts::open_all(&shaky, vec![request("b")], 12, ProgressBar::hidden()).await;
    assert_eq!((opened.opened, opened.refused.len()), (1, 0));
}

#[test]
fn a_summary_for_programs() {
    let mut summary = Summary::default();
    summary.count(&COMPLETED);
    summary.count(&End::Unknown("no end".into()));
    summary.count(&End::Refused(Error::conflict("", ["legs"])));
    let expected = r#"{"payments":3,"ends":[{"status":"completed","reason":null,"payments":1},{"status":"refused","reason":"conflict","payments":1},{"status":"unknown","reason":null,"payments":1}],"took_ms":0,"accounts":{"opened":0,"refused":[]},"refused_file":null}"#;
    assert_eq!(serde_json::to_string(&summary).unwrap(), expected);
    assert_eq!(summary.exit(), Exit::NotKnown);
}
