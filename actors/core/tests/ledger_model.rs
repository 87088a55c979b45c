//! The ledger of one shard against a reference model that keeps no balance: it remembers what became of each leg and
//! counts everything anew for each command.
//!
//! Commands come as a broken network brings them: doubled, out of order, undos before their dos, verbs that do not belong
//! together, and with amounts up to the greatest. After each, the answer and all balances are those of the model, and what
//! was refused has changed nothing else. No panic means that no undo and no post failed (R3).
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection, prelude::*};
use remit_core::{
    account::{self, Account, Balances, Change, Kind, Status},
    id::{AccountId, LegId, LegNo, PartitionNo, Seq, TransferId},
    ledger::{self, Transit},
    leg::{Answer, Command, Leg, Misfit, State, Terms, Verb},
    mark::{LowWater, OpenDebit, OpenDebits},
    money::{Amount, Currency, Direction},
    reason::Reason,
};

const TRANSFERS: u8 = 6;
const LEGS: u8 = 4;
/// The last of them is never opened.
const ACCOUNTS: [(&str, Kind); 4] =
    [("ann", Kind::Customer), ("ben", Kind::Customer), ("world", Kind::External), ("nobody", Kind::Customer)];

#[derive(Clone, Debug)]
enum Step {
    Act(Command),
    Change {
        account: usize,
        change: Change,
    },
    /// Transfers up to this one, without some, are said to have ended.
    Mark {
        up_to: u64,
        except: Vec<u64>,
    },
}

/// A command as a few numbers: of a leg, with its do or any verb, and now and then odd in one way.
#[derive(Clone, Copy, Debug)]
struct Draw {
    leg: u8,
    verb: usize,
    odd: u8,
}

fn draw() -> impl Strategy<Value = Draw> {
    (0..TRANSFERS * LEGS, 0..2 * Verb::ALL.len(), 0..30_u8).prop_map(|(leg, verb, odd)| Draw { leg, verb, odd })
}

/// What a leg is about depends on its number alone, but for now and then; perhaps all of them crowd on one account.
fn command(amounts: &[i64], crowd: Option<usize>, Draw { leg, verb, odd }: Draw) -> Command {
    let (transfer, no) = (leg / LEGS, leg % LEGS);
    let at = usize::from(leg);
    let direction = if no.is_multiple_of(2) { Direction::Debit } else { Direction::Credit };
    let verb = match (Verb::ALL.get(verb), direction) {
        (Some(verb), _) => *verb,
        (None, _) if verb.is_multiple_of(3) => Verb::PlaceHold,
        (None, Direction::Debit) => Verb::Debit,
        (None, Direction::Credit) => Verb::Credit,
    };
    let amount = amounts[at % amounts.len()];
    let account = crowd.unwrap_or(at / 2 % ACCOUNTS.len());
    let terms = Terms {
        account: AccountId::parse(ACCOUNTS[account].0).unwrap(),
        direction,
        amount: Amount::new(if odd == 1 { amount / 2 + 1 } else { amount }).unwrap(),
        currency: Currency::parse(if odd == 2 { "USD" } else { "EUR" }).unwrap(),
        partition: PartitionNo(0),
        begun: Seq(u64::from(transfer) + 1),
        route: None,
    };
    let reason = (odd == 3).then_some(Reason::DeadlinePassed);
    Command { id: LegId::new(TransferId([transfer; 16]), LegNo(no)), verb, terms, reason, memo: None }
}

fn amount() -> impl Strategy<Value = i64> {
    let max = i64::MAX;
    prop_oneof![3 => 1..200_i64, 1 => max - 200..=max, 1 => max / 2 - 2..max / 2 + 2, 1 => max / 3 - 2..max / 3 + 2]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        2 => prop_oneof![Just(0), 1..300_i64, Just(i64::MAX)].prop_map(|overdraft_limit| Change::SetOverdraft { overdraft_limit }),
        1 => Just(Change::Freeze),
        2 => Just(Change::Unfreeze),
        1 => Just(Change::BeginClose),
        1 => Just(Change::FinishClose),
        2 => Just(Change::AbandonClose),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let crowd = prop_oneof![Just(None), Just(Some(2))];
    (collection::vec(amount(), 1..12), crowd).prop_flat_map(|(amounts, crowd)| {
        let act = draw().prop_map(move |draw| Step::Act(command(&amounts, crowd, draw)));
        let change = (0..3_usize, change()).prop_map(|(account, change)| Step::Change { account, change });
        let mark = (1..=u64::from(TRANSFERS), collection::vec(1..=u64::from(TRANSFERS), 0..3))
            .prop_map(|(up_to, except)| Step::Mark { up_to, except });
        collection::vec(prop_oneof![20 => act, 3 => change, 1 => mark], 1..120)
    })
}

/// The shard: the ledger decides, this keeps.
#[derive(Clone, PartialEq, Debug)]
struct Shard {
    accounts: BTreeMap<AccountId, Account>,
    legs: BTreeMap<LegId, Leg>,
    transit: BTreeMap<Currency, Transit>,
    open_debits: OpenDebits,
}

impl Shard {
    fn begin() -> Self {
        let eur = Currency::parse("EUR").unwrap();
        let open = |(name, kind): &(&str, Kind)| {
            let open = Change::Open { currency: eur, kind: *kind, overdraft_limit: 0 };
            (AccountId::parse(name).unwrap(), account::decide(None, open, None).unwrap())
        };
        Self {
            accounts: ACCOUNTS[..3].iter().map(open).collect(),
            legs: BTreeMap::new(),
            transit: BTreeMap::from([(eur, Transit::default())]),
            open_debits: OpenDebits::default(),
        }
    }

    fn act(&mut self, command: &Command) -> Answer {
        let Terms { account, currency, .. } = &command.terms;
        let transit = self.transit.get(currency).copied().unwrap_or_default();
        let decision = ledger::decide(command, self.legs.get(&command.id), self.accounts.get(account), &transit);
        let Some(change) = decision.change else { return decision.answer };
        if let Some((balances, transit)) = change.after {
            self.accounts.get_mut(account).unwrap().balances = balances;
            self.transit.insert(*currency, transit);
        }
        self.legs.insert(command.id, Leg { state: change.state, terms: command.terms.clone() });
        let debit = OpenDebit::of(command.id, &command.terms);
        match change.state {
            State::Debited => {
                self.count_undecided(&debit, 1);
                self.open_debits.add(debit);
            }
            State::Compensated => {
                if let Some(debit) = self.open_debits.remove(debit.id, debit.partition, debit.begun) {
                    self.count_undecided(&debit, -1);
                }
            }
            _ => {}
        }
        decision.answer
    }

    fn heed(&mut self, mark: &LowWater) {
        for debit in self.open_debits.take_ended(PartitionNo(0), mark) {
            self.count_undecided(&debit, -1);
        }
    }

    fn count_undecided(&mut self, debit: &OpenDebit, sign: i64) {
        let amount = sign * debit.amount.get();
        self.accounts.get_mut(&debit.account).unwrap().balances.undecided += amount;
        self.transit.get_mut(&debit.currency).unwrap().undecided += i128::from(amount);
    }
}

/// What became of a leg.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fate {
    Done,
    Undone,
    Posted,
    Refused(Reason),
    Never(Option<Reason>),
}

/// The verbs that belong together: a do, its undo, and for a hold its post.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Family {
    Debit,
    Credit,
    Hold,
}

#[derive(Clone, Copy, PartialEq)]
enum Act {
    Do,
    Undo,
    Post,
}

fn family(verb: Verb) -> (Family, Act) {
    match verb {
        Verb::Debit => (Family::Debit, Act::Do),
        Verb::Compensate => (Family::Debit, Act::Undo),
        Verb::Credit => (Family::Credit, Act::Do),
        Verb::Cancel => (Family::Credit, Act::Undo),
        Verb::PlaceHold => (Family::Hold, Act::Do),
        Verb::ReleaseHold => (Family::Hold, Act::Undo),
        Verb::PostHold => (Family::Hold, Act::Post),
    }
}

/// The reference: what became of each leg, and who has ended. It counts in 128 bits.
#[derive(Default)]
struct Model {
    legs: BTreeMap<LegId, (Terms, Family, Fate)>,
    ended: BTreeSet<Seq>,
}

#[derive(Clone, Copy, Default, PartialEq, Debug)]
struct Sums {
    posted: i128,
    held: i128,
    incoming: i128,
    undecided: i128,
}

impl Model {
    /// The answer, and what becomes of the leg.
    fn act(&self, command: &Command, account: Option<&Account>) -> (Answer, Option<Fate>) {
        let (family, act) = family(command.verb);
        let misfit = (Answer::Misfit(Misfit::VerbAgainstRecord), None);
        let Some((terms, of, fate)) = self.legs.get(&command.id) else {
            return match act {
                Act::Post => misfit,
                Act::Undo => (Answer::NeverWas(command.reason), Some(Fate::Never(command.reason))),
                Act::Do => match self.refusal(command, account) {
                    Some(reason) => (Answer::Refused(reason), Some(Fate::Refused(reason))),
                    None if family == Family::Hold => (Answer::Held, Some(Fate::Done)),
                    None => (Answer::Done, Some(Fate::Done)),
                },
            };
        };
        let same = (&terms.account, terms.direction, terms.amount, terms.currency);
        let Terms { account, direction, amount, currency, .. } = &command.terms;
        if same != (account, *direction, *amount, *currency) {
            return (Answer::Misfit(Misfit::TermsDiffer), None);
        }
        match (*fate, act) {
            (Fate::Refused(_), Act::Post) => misfit,
            (Fate::Refused(reason), Act::Do) => (Answer::Refused(reason), None),
            (Fate::Refused(reason), Act::Undo) => (Answer::NeverWas(Some(reason)), None),
            _ if *of != family => misfit,
            (Fate::Never(_) | Fate::Undone, Act::Post) => misfit,
            (Fate::Never(reason), _) => (Answer::NeverWas(reason), None),
            (Fate::Undone, _) => (Answer::Undone, None),
            (Fate::Done, Act::Undo) if family != Family::Credit => (Answer::Undone, Some(Fate::Undone)),
            (Fate::Posted, Act::Undo) => misfit,
            (Fate::Done, Act::Post) => (Answer::Posted, Some(Fate::Posted)),
            (Fate::Posted, Act::Post) => (Answer::Posted, None),
            (Fate::Done | Fate::Posted, _) if family == Family::Hold => (Answer::Held, None),
            (Fate::Done | Fate::Posted, _) => (Answer::Done, None),
        }
    }

    fn refusal(&self, command: &Command, account: Option<&Account>) -> Option<Reason> {
        let Some(account) = account else { return Some(Reason::AccountNotFound) };
        let Terms { account: id, direction, amount, currency, .. } = &command.terms;
        let amount = i128::from(amount.get());
        let mine = self.sums(|terms| terms.account == *id);
        let spent = mine.held + amount - mine.posted;
        match account.status {
            _ if account.currency != *currency => return Some(Reason::CurrencyMismatch),
            Status::Closing | Status::Closed => return Some(Reason::AccountClosed),
            Status::Frozen => return Some(Reason::AccountFrozen),
            Status::Open => {}
        }
        let may_run_out = account.kind == Kind::Customer && *direction == Direction::Debit;
        if may_run_out && spent > i128::from(account.overdraft_limit) {
            return Some(Reason::InsufficientFunds);
        }
        let all = self.sums(|terms| terms.currency == *currency);
        let fits = |sums: &Sums, transit: &Sums| {
            let Sums { posted, held, incoming, undecided } = *sums;
            let reached = [posted + incoming + undecided, posted - held, held, incoming, undecided];
            let between = [-transit.posted + transit.held, -transit.posted - transit.incoming - transit.undecided];
            reached.into_iter().chain(between).all(|sum| sum.abs() <= i128::from(i64::MAX))
        };
        let (mut mine, mut all) = (mine, all);
        for sums in [&mut mine, &mut all] {
            match (family(command.verb).0, direction) {
                (Family::Debit, _) => {
                    sums.posted -= amount;
                    sums.undecided += amount;
                }
                (Family::Credit, _) => sums.posted += amount,
                (Family::Hold, Direction::Debit) => sums.held += amount,
                (Family::Hold, Direction::Credit) => sums.incoming += amount,
            }
        }
        (!fits(&mine, &all)).then_some(Reason::BalanceOverflow)
    }

    fn sums(&self, counts: impl Fn(&Terms) -> bool) -> Sums {
        let mut sums = Sums::default();
        for (terms, family, fate) in self.legs.values().filter(|(terms, ..)| counts(terms)) {
            let amount = i128::from(terms.amount.get());
            let signed = if terms.direction == Direction::Debit { -amount } else { amount };
            match (fate, family, terms.direction) {
                (Fate::Done, Family::Hold, Direction::Debit) => sums.held += amount,
                (Fate::Done, Family::Hold, Direction::Credit) => sums.incoming += amount,
                (Fate::Done | Fate::Posted, ..) => {
                    sums.posted += signed;
                    if *family == Family::Debit && !self.ended.contains(&terms.begun) {
                        sums.undecided += amount;
                    }
                }
                (Fate::Undone | Fate::Refused(_) | Fate::Never(_), ..) => {}
            }
        }
        sums
    }
}

/// A debit verb on a credit leg, or the other way round, is no command of any protocol.
fn is_of_a_protocol(command: &Command) -> bool {
    match family(command.verb).0 {
        Family::Debit => command.terms.direction == Direction::Debit,
        Family::Credit => command.terms.direction == Direction::Credit,
        Family::Hold => true,
    }
}

fn run(steps: Vec<Step>) {
    let mut shard = Shard::begin();
    let mut model = Model::default();
    for step in steps {
        let before = shard.clone();
        match step {
            Step::Act(command) if !is_of_a_protocol(&command) => {}
            Step::Act(command) => {
                let (answer, fate) = model.act(&command, shard.accounts.get(&command.terms.account));
                if fate.is_some() && model.ended.contains(&command.terms.begun) {
                    continue; // An ended transfer's legs all have their last records.
                }
                assert_eq!(shard.act(&command), answer, "{command:?}");
                if let Some(fate) = fate {
                    model.legs.insert(command.id, (command.terms.clone(), family(command.verb).0, fate));
                }
                match fate {
                    None => assert_eq!(shard, before, "a repeat or a misfit changes nothing"),
                    Some(Fate::Refused(_) | Fate::Never(_)) => {
                        shard.legs.remove(&command.id);
                        assert_eq!(shard, before, "a refusal changes nothing but its leg's record");
                        assert_eq!(shard.act(&command), answer, "and is decided the same way again");
                    }
                    Some(_) => {}
                }
            }
            Step::Change { account, change } => {
                let account = shard.accounts.get_mut(&AccountId::parse(ACCOUNTS[account].0).unwrap()).unwrap();
                if let Ok(after) = account::decide(Some(account), change, None) {
                    assert_eq!(after.version, account.version + u64::from(after != *account), "{change:?}");
                    *account = after;
                }
            }
            Step::Mark { up_to, except } => {
                let mark = LowWater { begun_up_to: Seq(up_to), except: except.into_iter().map(Seq).collect() };
                shard.heed(&mark);
                model.ended.extend((1..=up_to).map(Seq).filter(|begun| mark.covers(*begun)));
            }
        }
        compare(&shard, &model);
    }
    for end in [Act::Undo, Act::Post] {
        finish_all(shard.clone(), &model, end);
    }
}

/// The shard's balances are the model's, it balances by itself, and no customer is below its limit.
fn compare(shard: &Shard, model: &Model) {
    let sums_of = |Balances { posted, held, incoming, undecided }: Balances| Sums {
        posted: posted.into(),
        held: held.into(),
        incoming: incoming.into(),
        undecided: undecided.into(),
    };
    for (id, account) in &shard.accounts {
        let sums = model.sums(|terms| terms.account == *id);
        assert_eq!(sums_of(account.balances), sums, "{id}");
        let available = sums.posted + i128::from(account.overdraft_limit) - sums.held;
        assert_eq!(account.available(), (account.kind == Kind::Customer).then_some(available), "{id}");
        assert!(account.kind == Kind::External || available >= 0, "{id} is below its limit");
    }
    for (currency, transit) in &shard.transit {
        let Sums { posted, held, incoming, undecided } = model.sums(|terms| terms.currency == *currency);
        let counted = Transit { balance: transit.balance, posted, held, incoming, undecided };
        assert_eq!(*transit, counted, "{currency}");
        assert_eq!(i128::from(transit.balance), -posted, "{currency} balances by itself");
    }
}

/// R3: all that is open is undone, or all holds are posted, and none of it fails.
fn finish_all(mut shard: Shard, model: &Model, end: Act) {
    for (id, (terms, family, fate)) in &model.legs {
        let verb = match (family, end) {
            (Family::Hold, Act::Post) => Verb::PostHold,
            (Family::Hold, _) => Verb::ReleaseHold,
            (Family::Debit, Act::Undo) if !model.ended.contains(&terms.begun) => Verb::Compensate,
            _ => continue,
        };
        if *fate == Fate::Done {
            let command = Command { id: *id, verb, terms: terms.clone(), reason: None, memo: None };
            assert!(matches!(shard.act(&command), Answer::Undone | Answer::Posted), "{command:?}");
        }
    }
    let open = |account: &Account| account.balances.held != 0 || account.balances.incoming != 0;
    assert!(!shard.accounts.values().any(open), "no hold is left");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn r1_r3_the_ledger_is_its_model(steps in steps()) {
        run(steps);
    }
}
