//! Account commands as one table of status and change; then what the table leaves out.

use super::*;

fn eur() -> Currency {
    Currency::parse("EUR").unwrap()
}

fn open_again() -> Change {
    Change::Open { currency: eur(), kind: Kind::Customer, overdraft_limit: 20 }
}

fn changes() -> [Change; 7] {
    [
        open_again(),
        Change::SetOverdraft { overdraft_limit: 50 },
        Change::Freeze,
        Change::Unfreeze,
        Change::BeginClose,
        Change::FinishClose,
        Change::AbandonClose,
    ]
}

fn account(status: Status) -> Account {
    let Ok(account) = decide(None, open_again(), None) else { panic!("a new account is opened") };
    Account { status, version: 7, ..account }
}

fn with(balances: Balances) -> Account {
    Account { balances, ..account(Status::Open) }
}

/// What a change comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum To {
    /// The account as it was, its version too.
    Same,
    /// This status, and the next version.
    Status(Status),
    /// This limit, and the next version.
    Limit(i64),
    No(Refusal),
}

/// R4, and all other account commands: the statuses down, the changes across in the order of [`changes`], on an account
/// without money.
#[test]
fn r4_every_change_in_every_status() {
    use Refusal::{IsClosed, IsClosing, NotFree};
    use Status::{Closed, Closing, Frozen, Open};
    use To::{Limit, No, Same, Status as Is};
    #[rustfmt::skip]
    let table = [
        //         Open  SetOverdraft   Freeze         Unfreeze       BeginClose     FinishClose  AbandonClose
        (Open,    [Same, Limit(50),     Is(Frozen),    Same,          Is(Closing),   No(NotFree), Same]),
        (Frozen,  [Same, Limit(50),     Same,          Is(Open),      Is(Closing),   No(NotFree), Same]),
        (Closing, [Same, No(IsClosing), No(IsClosing), No(IsClosing), No(IsClosing), Is(Closed),  Is(Open)]),
        (Closed,  [Same, No(IsClosed),  No(IsClosed),  No(IsClosed),  Same,          Same,        No(IsClosed)]),
    ];
    for (status, row) in table {
        for (change, expected) in changes().into_iter().zip(row) {
            let before = account(status);
            let next = |after| Account { version: 8, ..after };
            let after = match expected {
                Same => Ok(before.clone()),
                Is(status) => Ok(next(Account { status, ..before.clone() })),
                Limit(overdraft_limit) => Ok(next(Account { overdraft_limit, ..before.clone() })),
                No(refusal) => Err(refusal),
            };
            assert_eq!(decide(Some(&before), change, None), after, "{change:?} on {status:?}");
            assert_eq!(decide(Some(&before), change, Some(7)), after, "{change:?} on {status:?}, version as named");
            // Whatever else holds, another version is told first.
            assert_eq!(
                decide(Some(&before), change, Some(6)),
                Err(Refusal::VersionDiffers),
                "{change:?} on {status:?}"
            );
        }
    }
}

#[test]
fn only_an_open_makes_an_account() {
    let opened = Account {
        currency: eur(),
        kind: Kind::Customer,
        status: Status::Open,
        overdraft_limit: 20,
        version: 1,
        balances: Balances::default(),
    };
    assert_eq!(decide(None, open_again(), None), Ok(opened.clone()));
    assert_eq!(decide(None, open_again(), Some(0)), Ok(opened));
    assert_eq!(decide(None, open_again(), Some(1)), Err(Refusal::VersionDiffers));
    for change in &changes()[1..] {
        assert_eq!(decide(None, *change, None), Err(Refusal::NotFound), "{change:?}");
    }
    let external = |overdraft_limit| Change::Open { currency: eur(), kind: Kind::External, overdraft_limit };
    assert_eq!(decide(None, external(0), None).map(|account| account.kind), Ok(Kind::External));
    assert_eq!(decide(None, external(1), None), Err(Refusal::ExternalHasNoOverdraft));
}

/// An account that was opened otherwise says what differs, the first of all that does, in every status.
#[test]
fn an_open_that_differs_is_refused() {
    let usd = Currency::parse("USD").unwrap();
    let (customer, external) = (Kind::Customer, Kind::External);
    for status in [Status::Open, Status::Frozen, Status::Closing, Status::Closed] {
        for (currency, kind, overdraft_limit, refusal) in [
            (usd, customer, 20, Refusal::OpenedWithOtherCurrency),
            (usd, external, 21, Refusal::OpenedWithOtherCurrency),
            (eur(), external, 20, Refusal::OpenedWithOtherKind),
            (eur(), external, 21, Refusal::OpenedWithOtherKind),
            (eur(), customer, 21, Refusal::OpenedWithOtherOverdraft),
        ] {
            let open = Change::Open { currency, kind, overdraft_limit };
            assert_eq!(decide(Some(&account(status)), open, None), Err(refusal), "{open:?} on {status:?}");
        }
    }
}

#[test]
fn an_overdraft_in_use_is_not_taken_away() {
    // 30 below zero and 10 more reserved: 40 are in use; what may come in does not count.
    let used = Balances { posted: -30, held: 10, incoming: 1000, undecided: 1000 };
    let account = Account { overdraft_limit: 100, ..with(used) };
    let set = |overdraft_limit| decide(Some(&account), Change::SetOverdraft { overdraft_limit }, None);
    assert_eq!(set(40), Ok(Account { overdraft_limit: 40, version: 8, ..account.clone() }));
    assert_eq!(set(39), Err(Refusal::OverdraftInUse));
    assert_eq!(set(i64::MAX).map(|account| account.available()), Ok(Some(i128::from(i64::MAX) - 40)));
    assert_eq!(set(100), Ok(account.clone()), "the same again is no new version");

    let frozen = Account { status: Status::Frozen, ..account.clone() };
    let lowered = decide(Some(&frozen), Change::SetOverdraft { overdraft_limit: 40 }, None);
    assert_eq!(lowered.map(|account| account.status), Ok(Status::Frozen), "a frozen account stays so");

    let external = Account { kind: Kind::External, overdraft_limit: 0, ..account };
    let set = |overdraft_limit| decide(Some(&external), Change::SetOverdraft { overdraft_limit }, None);
    assert_eq!([set(0), set(1)], [Err(Refusal::ExternalHasNoOverdraft), Err(Refusal::ExternalHasNoOverdraft)]);
}

/// R4: an account with money posted, held or incoming is not closed, and not begun to be. A debit that is undecided here
/// does not count: whether it may still come back, the managers were asked.
#[test]
fn r4_an_account_is_closed_only_when_it_is_empty() {
    let none = Balances::default();
    for (balances, is_empty) in [
        (none, true),
        (Balances { undecided: 1, ..none }, true),
        (Balances { posted: 1, ..none }, false),
        (Balances { posted: -1, ..none }, false),
        (Balances { held: 1, ..none }, false),
        (Balances { incoming: 1, ..none }, false),
    ] {
        for status in [Status::Open, Status::Frozen] {
            let begun = decide(Some(&Account { status, ..with(balances) }), Change::BeginClose, None);
            let expected = if is_empty { Ok(Status::Closing) } else { Err(Refusal::NotFree) };
            assert_eq!(begun.map(|account| account.status), expected, "{balances:?}");
        }
        let closing = Account { status: Status::Closing, ..with(balances) };
        let finished = decide(Some(&closing), Change::FinishClose, None);
        let expected = if is_empty { Ok(Status::Closed) } else { Err(Refusal::NotFree) };
        assert_eq!(finished.map(|account| account.status), expected, "{balances:?}");
        // Undos and posts go on while it is closing, so it may come free, or not in time: then it is open again.
        let abandoned = decide(Some(&closing), Change::AbandonClose, None);
        assert_eq!(abandoned, Ok(Account { status: Status::Open, version: 8, ..closing }));
    }
}

#[test]
fn words_are_read_back() {
    for refusal in Refusal::ALL {
        assert_eq!(Refusal::parse(refusal.as_str()), Some(refusal));
    }
    for kind in [Kind::Customer, Kind::External] {
        assert_eq!(Kind::parse(kind.as_str()), Some(kind));
    }
    for status in [Status::Open, Status::Frozen, Status::Closing, Status::Closed] {
        assert_eq!(Status::parse(status.as_str()), Some(status));
    }
    assert_eq!((Kind::parse(""), Status::parse("shut"), Refusal::parse("no")), (None, None, None));
}
