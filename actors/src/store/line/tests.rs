use remit_core::{
    account::{Account, Balances, Kind, Status},
    id::{AccountId, LegId, LegNo, PartitionNo},
    leg::{State, Terms},
    money::{Amount, Currency, Direction},
    reason::Reason,
};

use super::*;
use crate::store::row::{AccountEntry, After, Common, LegEntry, ShardEntry, TransferEntry};

fn leg(state: State, memo: Option<&str>, after: Option<After>) -> ShardEntry {
    let terms = Terms {
        account: AccountId::parse("s0:alice").unwrap(),
        direction: Direction::Debit,
        amount: Amount::new(1_050).unwrap(),
        currency: Currency::parse("EUR").unwrap(),
        partition: PartitionNo(3),
        begun: Seq(77),
        route: None,
    };
    let id = LegId::new(TransferId([1; 16]), LegNo(0));
    ShardEntry::Leg(LegEntry { id, state, terms, memo: memo.map(Into::into), after, repeats: 0 })
}

fn text<E: JournalEntry>(entry: E) -> String {
    let mut line = Vec::new();
    append(&Row { seq: Seq(5), at: Time(9), entry }, &mut line);
    String::from_utf8(line).unwrap()
}

/// What stands in the files of every deployment, and what the hash chain goes over.
#[test]
fn rows_are_written_as_they_always_were() {
    let after = After { posted: -1_050, held: 0, incoming: 7, in_transit: 1_050, previous: Some(Seq(4)) };
    assert_eq!(
        text(leg(State::Debited, None, Some(after))),
        r#"[9,"debited","s0:alice",-1050,0,7,1050,4,"01010101-0101-0101-0101-010101010101",0,"debit",1050,"EUR",3,77]"#
    );
    assert_eq!(
        text(leg(State::Refused(Reason::AccountFrozen), Some("a \"memo\"\n"), None)),
        r#"[9,"refused","s0:alice",null,null,null,null,null,"01010101-0101-0101-0101-010101010101",0,"debit",1050,"EUR",3,77,"account_frozen",null,null,"a \"memo\"\n"]"#
    );
    let balances = Balances { posted: 1, held: 2, incoming: 3, undecided: 0 };
    let account = Account {
        currency: Currency::parse("EUR").unwrap(),
        kind: Kind::External,
        status: Status::Open,
        overdraft_limit: 0,
        version: 12,
        balances,
    };
    let opened = AccountEntry {
        account: AccountId::parse("world").unwrap(),
        what: "open".into(),
        command_id: Some([2; 16]),
        outcome: Ok(account),
        previous: None,
    };
    assert_eq!(
        text(ShardEntry::Account(opened)),
        r#"[9,"open","world",1,2,3,null,null,null,null,null,null,"EUR",null,null,null,null,null,null,"02020202-0202-0202-0202-020202020202","external","open",0,12]"#
    );
    assert_eq!(
        text(ShardEntry::from(Common::Claimed(remit_core::id::Epoch(8), "n".into()))),
        format!(r#"[9,"claimed",{}"n",{}8]"#, "null,".repeat(16), "null,".repeat(5))
    );
    assert_eq!(
        text(TransferEntry::from(Common::Claimed(remit_core::id::Epoch(8), "n".into()))),
        r#"[9,"claimed",null,null,null,null,null,null,"n",8]"#
    );
}

#[test]
fn a_line_that_says_anything_else_is_corrupt() {
    let whole = text(leg(State::Debited, Some("rent"), None));
    let reads = |line: &str| read::<ShardEntry>(Seq(5), line.as_bytes());
    assert_eq!(reads(&whole).unwrap().entry, leg(State::Debited, Some("rent"), None));
    for (from, to) in [
        ("debited", "dewited"),
        ("[9,", "[9.5,"),
        ("[9,", "[\"9\","),
        ("[9,", "[ 9,"),
        ("1050", "-1050"),
        ("1050", "9223372036854775808"),
        ("\"EUR\"", "null"),
        ("\"EUR\"", "[\"EUR\"]"),
        ("\"rent\"]", "\"rent\",null]"),
        ("\"rent\"]", "\"rent\",\"x\"]"),
        ("\"rent\"]", "\"r\\u0065nt\"]"),
        ("\"rent\"]", "\"rent\""),
        (",3,", ",65536,"),
    ] {
        let damaged = whole.replacen(from, to, 1);
        assert_ne!(damaged, whole, "{from}");
        let error = reads(&damaged).unwrap_err();
        assert!(matches!(&error, Error::Corrupt { what } if what.starts_with("row 5: ")), "{damaged}: {error}");
    }
}
