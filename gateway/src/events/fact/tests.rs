use remit_actors::message::{Chunk, Linked};
use remit_core::id::{PartitionNo, ShardNo};
use serde_json::{Value, json};

use super::*;

const T: &str = "0199c0de-0000-7000-8000-000000000001";
/// The moment 1,795,387,800,007.
const AT: &str = "2026-11-22T22:50:00.007Z";

/// A run whose first line is of this row; it stands in one chunk.
fn rows(source: Address, first: u64, lines: &[String]) -> Rows {
    let last = Seq(first + lines.len() as u64 - 1);
    let chunk = Chunk { last, link: Some([0; 32]), lines: lines.join(",\n") };
    Rows { source, first: Seq(first), last, before: Linked::default(), chunks: vec![chunk], head: last, complete: None }
}

/// A line with its moment and its transfer in their places.
fn written(line: &str) -> String {
    line.replace("[AT,", "[1795387800007,").replace(r#""T""#, &format!("\"{T}\""))
}

/// What one line, which is row 7, tells.
fn told(source: Address, line: &str) -> Option<Value> {
    let line = written(line);
    let shard = if matches!(source, Address::Shard(_)) { "s0" } else { "m0" };
    // It must be one that a journal can have, else it would tell nothing for another reason.
    of_line(&shard.into(), source, Seq(7), line.as_bytes()).unwrap();
    let events = of_rows(&shard.into(), &rows(source, 7, &[line]), Seq(6));
    assert!(events.len() <= 1);
    events.first().map(|event| serde_json::to_value(event).unwrap())
}

/// A leg's row: its state, the money after it, its direction, and what comes after the start's place.
fn leg(state: &str, money: &str, direction: &str, more: &str) -> String {
    format!(r#"[AT,"{state}","alice",{money},"T",1,"{direction}",1050,"EUR",0,12{more}]"#)
}

#[test]
fn each_kind_of_row_of_a_shard_tells_what_happened_to_the_account_or_nothing() {
    let (moved, none) = ("-50,0,0,50,3", "null,null,null,null,null");
    let money = |event: &str, direction: &str| {
        Some(json!({"event": event, "at": AT, "shard": "s0", "seq": 7, "transfer": T, "leg": 1, "account": "alice",
            "direction": direction, "amount": 1050, "currency": "EUR", "balance": -50}))
    };
    let with = |event: Option<Value>, key: &str, value: &str| {
        let mut event = event.unwrap();
        event[key] = value.into();
        Some(event)
    };
    let refused = |event: &str, direction: &str, reason: &str| {
        let mut event = with(money(event, direction), "reason", reason);
        event.as_mut().unwrap().as_object_mut().unwrap().remove("balance");
        event
    };
    let route = r#",null,null,"0@0 world -1050 EUR; 1@0 alice +1050 EUR""#;
    let table = [
        (leg("debited", moved, "debit", ""), money("money.debited", "debit")),
        (leg("debited", moved, "debit", r#",null,null,null,"rent""#), with(money("money.debited", "debit"), "memo", "rent")),
        (leg("credited", moved, "credit", route), money("money.credited", "credit")),
        (leg("held", moved, "debit", ""), money("money.held", "debit")),
        (leg("held", moved, "credit", ""), money("money.held", "credit")),
        (leg("posted", moved, "debit", ""), money("money.debited", "debit")),
        (leg("posted", moved, "credit", ""), money("money.credited", "credit")),
        (leg("released", moved, "debit", ""), money("money.released", "debit")),
        (leg("released", moved, "credit", ""), money("money.released", "credit")),
        (leg("compensated", moved, "debit", ""), money("money.compensated", "credit")),
        (
            leg("refused", none, "debit", r#","insufficient_funds""#),
            refused("money.debit.refused", "debit", "insufficient_funds"),
        ),
        (
            leg("refused", none, "credit", r#","account_frozen""#),
            refused("money.credit.refused", "credit", "account_frozen"),
        ),
        (leg("tombstone", none, "debit", r#","deadline_passed","compensate""#), None),
        (leg("tombstone", none, "credit", r#",null,"cancel""#), None),
        (r#"[AT,"freeze","alice",0,0,0,null,3,null,null,null,null,"EUR",null,null,null,null,null,null,null,"customer","frozen",0,2]"#.into(), None),
        (r#"[AT,"open","alice",null,null,null,null,null,null,null,null,null,null,null,null,"account_is_closed"]"#.into(), None),
    ];
    for (line, expected) in table {
        assert_eq!(told(Address::Shard(ShardNo(0)), &line), expected, "{line}");
    }
}

#[test]
fn each_kind_of_row_of_a_manager_tells_a_transfers_end_or_nothing() {
    let base = |event: &str| json!({"event": event, "at": AT, "shard": "m0", "seq": 7, "transfer": T});
    let with = |event: &str, key: &str, value: &str| {
        let mut event = base(event);
        event[key] = value.into();
        Some(event)
    };
    let table = [
        (r#"[AT,"completed","T",null,"posted posted"]"#, Some(base("transfer.completed"))),
        (
            r#"[AT,"rejected","T","insufficient_funds","refused cancelled"]"#,
            with("transfer.rejected", "reason", "insufficient_funds"),
        ),
        (
            r#"[AT,"compensated","T","account_closed","compensated refused",null,null,null,null,null,null,3,1]"#,
            with("transfer.compensated", "reason", "account_closed"),
        ),
        (r#"[AT,"parked","T","misfit at leg 1"]"#, with("transfer.parked", "parked", "misfit at leg 1")),
        (
            r#"[AT,"started","T",null,"0@0 alice -5 EUR; 1@0 bob +5 EUR","saga",1795387800000,1795387830000,"rent"]"#,
            None,
        ),
        (r#"[AT,"committed","T"]"#, None),
        (r#"[AT,"aborted","T","deadline_passed"]"#, None),
        (r#"[AT,"cancel","T",null,null,null,null,null,"it hangs",null,"ann"]"#, None),
        (r#"[AT,"claimed",null,null,null,null,null,null,"node-1",4]"#, None),
    ];
    for (line, expected) in table {
        assert_eq!(told(Address::Manager(PartitionNo(0)), line), expected, "{line}");
    }
}

#[test]
fn amounts_above_what_a_float_holds_are_strings() {
    let line = r#"[AT,"credited","alice",9223372036854775807,0,0,-9223372036854775807,3,"T",0,"credit",9007199254740992,"EUR",0,12]"#;
    let event = told(Address::Shard(ShardNo(0)), line).unwrap();
    assert_eq!((&event["amount"], &event["balance"]), (&json!("9007199254740992"), &json!("9223372036854775807")));
}

/// A batch may begin in the middle of a chunk, and a row that is damaged keeps none of the others back.
#[test]
fn rows_have_their_own_positions_and_only_those_above_are_told() {
    let ended = written(r#"[AT,"completed","T",null,"posted posted"]"#);
    let lines = [
        ended.clone(),
        ended.clone(),
        "[1795387800007,\"complet".to_owned(),
        written(r#"[AT,"committed","T"]"#),
        ended,
    ];
    let run = rows(Address::Manager(PartitionNo(0)), 11, &lines);
    let seqs = |above| of_rows(&"m0".into(), &run, Seq(above)).iter().map(|event| event.seq.0).collect::<Vec<_>>();
    assert_eq!(seqs(0), [11, 12, 15]);
    assert_eq!(seqs(11), [12, 15]);
    assert_eq!(seqs(15), [0; 0]);
}
