use anstream::adapter::strip_str;
use remit_api::{
    Currencies,
    account::{Account, Statement},
    audit::Audit,
    deployment::Deployment,
    node,
    projection::Projection,
    shard::List,
    supervision,
    totals::{Totals, Transit},
    transfer::Transfer,
};
use serde::de::DeserializeOwned;

use super::count;

fn read<T: DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).unwrap()
}

fn iso() -> Currencies {
    Currencies::iso()
}

/// The text without colours, under a blank line so that it reads well in the source.
fn plain(text: &str) -> String {
    format!("\n{}\n", strip_str(text))
}

const ALICE: &str = r#"{"id":"alice","shard":"s12","currency":"EUR","kind":"customer","status":"open","overdraft_limit":50000,
    "posted":1050,"held":250,"incoming":7,"available":50800,"version":7}"#;
const WORLD: &str = r#"{"id":"s2:world","shard":"s2","currency":"JPY","kind":"external","status":"frozen","overdraft_limit":0,
    "posted":-123456,"held":0,"incoming":0,"available":null,"version":1}"#;
const RENT: &str = r#"{"id":"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b","status":"compensated","protocol":"saga",
    "reason":"account_closed","currency":"EUR","memo":"rent","legs":[
        {"account":"alice","shard":"s12","direction":"debit","amount":1050,"currency":"EUR","state":"compensated"},
        {"account":"s2:bob","shard":"s2","direction":"credit","amount":1050,"currency":"EUR","state":"refused"}],
    "accepted_at":"2026-11-22T22:50:00.000Z","deadline_at":"2026-11-22T22:50:30.000Z",
    "settled_at":"2026-11-22T22:50:00.012Z","overdue":false}"#;
const EXCHANGE: &str = r#"{"id":"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c","status":"in_progress","protocol":"2pc","reason":null,
    "currency":null,"memo":null,"legs":[
        {"account":"a","shard":"s0","direction":"debit","amount":1000,"currency":"EUR","state":"held"},
        {"account":"bank","shard":"s1","direction":"credit","amount":1000,"currency":"EUR","state":"pending"},
        {"account":"till","shard":"s1","direction":"debit","amount":1100,"currency":"USD","state":"pending"},
        {"account":"b","shard":"s2","direction":"credit","amount":1100,"currency":"USD","state":"pending"}],
    "accepted_at":"2026-11-22T22:50:00.000Z","deadline_at":"2026-11-22T22:50:30.000Z","settled_at":null,"overdue":true}"#;

#[test]
fn an_account() {
    let text = super::account::card(&read::<Account>(ALICE), &iso());
    let expected = "
account          alice
shard            s12
currency         EUR
kind             customer
status           open
overdraft limit  500.00
posted           10.50
held             2.50
incoming         0.07
available        508.00
version          7
";
    assert_eq!(plain(&text), expected);
}

#[test]
fn accounts() {
    let text = super::account::list(&[read(ALICE), read(WORLD)], &iso());
    let expected = "
account   shard  status  kind      currency   posted  held  incoming  available
alice     s12    open    customer  EUR         10.50  2.50      0.07     508.00
s2:world  s2     frozen  external  JPY       -123456     0         0          -
";
    assert_eq!(plain(&text), expected);
    assert_eq!(super::account::list(&[], &iso()), "no accounts");
}

#[test]
fn a_statement() {
    let statement: Statement = read(
        r#"{"account":"alice","cursor":null,"postings":[
        {"seq":9,"at":"2026-11-22T22:50:00.000Z","transfer":"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b","direction":"debit",
         "amount":1050,"balance":-5,"memo":"rent"},
        {"seq":3,"at":"2026-11-21T08:00:00.000Z","transfer":"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c","direction":"credit",
         "amount":1045,"balance":1045,"memo":null}]}"#,
    );
    let text = super::account::statement(&statement, Some((read("\"EUR\""), &iso())));
    let expected = "
at                        direction  amount  balance  currency  transfer                              memo
2026-11-22T22:50:00.000Z  debit       10.50    -0.05  EUR       0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b  rent
2026-11-21T08:00:00.000Z  credit      10.45    10.45  EUR       0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c
";
    assert_eq!(plain(&text), expected);
    let empty: Statement = read(r#"{"account":"alice","cursor":null,"postings":[],"as_of":null}"#);
    assert_eq!(super::account::statement(&empty, None), "no postings on alice");
}

#[test]
fn totals_by_day() {
    let totals: Totals = read(
        r#"{"cursor":null,"as_of":"2026-11-26T10:00:00.000Z","totals":[
        {"account":"alice","day":"2026-11-25","currency":"EUR","debits":1234,"debited":2100,"credits":0,"credited":0},
        {"account":"s2:world","day":"2026-11-26","currency":"JPY","debits":0,"debited":0,"credits":1,
         "credited":"27670116110564327421"}]}"#,
    );
    let expected = "
day         account   debits  debited  credits              credited  currency
2026-11-25  alice      1,234    21.00        0                  0.00  EUR
2026-11-26  s2:world       0        0        1  27670116110564327421  JPY
";
    assert_eq!(plain(&super::totals::by_day(&totals.totals, &iso())), expected);
    assert_eq!(super::totals::by_day(&[], &iso()), "nothing was posted");
}

#[test]
fn money_in_transit() {
    let transit: Transit = read(
        r#"{"cursor":null,"as_of":"2026-11-22T22:51:30.000Z","points":[
        {"at":"2026-11-22T22:51:00.000Z","currency":"EUR","amount":1050},
        {"at":"2026-11-22T22:52:00.000Z","currency":"JPY","amount":0}]}"#,
    );
    let expected = "
at                        in transit  currency
2026-11-22T22:51:00.000Z       10.50  EUR
2026-11-22T22:52:00.000Z           0  JPY
";
    assert_eq!(plain(&super::totals::in_transit(&transit.points, &iso())), expected);
    assert_eq!(super::totals::in_transit(&[], &iso()), "nothing was on its way");
}

#[test]
fn a_projection() {
    let mut projection: Projection = read(
        r#"{"id":"p0","state":"rebuilding","as_of":"2026-11-22T22:50:00.007Z","lag_ms":1012,"behind_rows":3,
        "transfers":1200,"bytes":40960,"rebuilt":1,"sources":[
            {"id":"s0","seq":1200,"head":1203,"behind":3,"at":"2026-11-22T22:50:00.000Z"},
            {"id":"m0","seq":0,"head":0,"behind":0,"at":null}],
        "rebuild":{"behind_rows":1000,"rows":203}}"#,
    );
    let expected = "
projection   p0
state        rebuilding
as of        2026-11-22T22:50:00.007Z
lag          1,012 ms
rows behind  3
transfers    1,200
size         40,960 bytes
rebuilt      1
rebuild      203 rows, 1,000 behind

journal    row     of  behind  committed
s0       1,200  1,203       3  2026-11-22T22:50:00.000Z
m0           0      0       0  -
";
    assert_eq!(plain(&super::projection::status(&projection)), expected);
    projection = read(
        r#"{"id":"p0","state":"building","as_of":null,"lag_ms":null,"behind_rows":57,"transfers":0,"bytes":0,"rebuilt":0,
        "sources":[],"rebuild":null}"#,
    );
    let text = plain(&super::projection::status(&projection));
    assert!(
        text.ends_with("rows behind  57\ntransfers    0\nsize         0 bytes\nrebuilt      0\nrebuild      -\n"),
        "{text}"
    );
}

#[test]
fn a_transfer() {
    let text = super::transfer::card(&read::<Transfer>(RENT), &iso());
    let expected = "
transfer  0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b
status    compensated
reason    account_closed
protocol  saga
memo      rent
accepted  2026-11-22T22:50:00.000Z
deadline  2026-11-22T22:50:30.000Z
settled   2026-11-22T22:50:00.012Z
overdue   no

account  shard  direction  amount  currency  state
alice    s12    debit       10.50  EUR       compensated
s2:bob   s2     credit      10.50  EUR       refused
";
    assert_eq!(plain(&text), expected);
}

#[test]
fn transfers() {
    let text = super::transfer::list(&[read(RENT), read(EXCHANGE)], &iso());
    let expected = "
transfer                              status       reason          protocol  from        to          amount  currency  accepted                  memo
0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b  compensated  account_closed  saga      alice       s2:bob       10.50  EUR       2026-11-22T22:50:00.000Z  rent
0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c  in_progress  -               2pc       2 accounts  2 accounts       -  -         2026-11-22T22:50:00.000Z
";
    assert_eq!(plain(&text), expected);
}

#[test]
fn an_audit() {
    let mut audit: Audit = read(
        r#"{"ok":true,"depth":"full","taken_at":"2026-11-22T22:50:00.000Z","currencies":[
        {"currency":"EUR","sum":0,"in_transit":1050,"in_flight":1050,"drift":0,"held_drift":0,"incoming_drift":-7}],
        "shards":[{"id":"s0","journal_seq":12345,"verified_to":12345,
            "hash":"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff","balanced":true},
            {"id":"s1","journal_seq":7,"verified_to":5,"hash":"ff","balanced":false}]}"#,
    );
    let expected = "
currency   sum  in transit  in flight  drift  held drift  incoming drift
EUR       0.00       10.50      10.50   0.00        0.00           -0.07

shard  journal rows  verified to  hash there        balanced
s0           12,345       12,345  0011223344556677  yes
s1                7            5  ff                no

ok: no money was made or lost (full audit of 2 databases at 2026-11-22T22:50:00.000Z)
";
    assert_eq!(plain(&super::audit::findings(&audit, &iso())), expected);
    audit.ok = false;
    let verdict = strip_str(&super::audit::verdict(&audit)).to_string();
    assert_eq!(verdict, "NOT OK (full audit of 2 databases at 2026-11-22T22:50:00.000Z)");
}

#[test]
fn shards() {
    let list: List = read(
        r#"{"shards":[
        {"id":"s0","role":"shard","node":"node-1","epoch":3,"state":"up","store":"sqlite","queue_depth":0,"restarts":0},
        {"id":"m0","role":"manager","node":"node-1","epoch":12,"state":"restarting","store":"sqlite","queue_depth":1234,
         "restarts":2}]}"#,
    );
    let expected = "
shard  role     node    state       epoch  store   queue  restarts
s0     shard    node-1  up              3  sqlite      0         0
m0     manager  node-1  restarting     12  sqlite  1,234         2
";
    assert_eq!(plain(&super::shard::list(&list.shards)), expected);
}

#[test]
fn shards_that_nobody_serves_and_what_was_refused() {
    let list: List = read(
        r#"{"shards":[
        {"id":"s0","role":"shard","node":"node-2","epoch":7,"state":"up","store":"sqlite","queue_depth":0,"restarts":0,
         "refused":1024},
        {"id":"s1","role":"shard","node":"","epoch":2,"state":"nowhere","store":"sqlite","queue_depth":0,"restarts":0,
         "refused":0}]}"#,
    );
    let expected = "
shard  role   node    state    epoch  store   queue  restarts  refused
s0     shard  node-2  up           7  sqlite      0         0    1,024
s1     shard  -       nowhere      2  sqlite      0         0        0
";
    assert_eq!(plain(&super::shard::list(&list.shards)), expected);
}

#[test]
fn nodes() {
    let list: node::List = read(
        r#"{"nodes":[
        {"name":"node-1","state":"live","roles":["gateway","manager","shard","projector"],"runs":["m0","m1","p0","s0","s1","s2"],
         "heard_ms":0,"version":"0.1.0","started_at":"2026-11-22T22:50:00.000Z"},
        {"name":"node-2","state":"draining","roles":["shard","gateway"],"runs":["s3"],"heard_ms":1312,"version":"0.1.0",
         "started_at":"2026-11-22T22:49:59.007Z"},
        {"name":"node-3","state":"silent","roles":["shard"],"runs":[],"heard_ms":61004,"version":"0.1.0",
         "started_at":"2026-11-22T22:49:59.007Z"}]}"#,
    );
    let expected = "
node    state     roles          runs  which             heard ms  version  started
node-1  live      all               6  m0-m1, p0, s0-s2         0  0.1.0    2026-11-22T22:50:00.000Z
node-2  draining  shard,gateway     1  s3                   1,312  0.1.0    2026-11-22T22:49:59.007Z
node-3  silent    shard             0  -                   61,004  0.1.0    2026-11-22T22:49:59.007Z
";
    assert_eq!(plain(&super::node::list(&list.nodes)), expected);
}

#[test]
fn supervision_events() {
    let list: supervision::List = read(
        r#"{"events":[
        {"at":"2026-11-22T22:50:00.000Z","event":"started","node":"node-1","actor":"s0","epoch":null,"generation":0,
         "reason":null},
        {"at":"2026-11-22T22:50:00.003Z","event":"lease_won","node":"node-1","actor":"s0","epoch":4,"generation":0,"reason":null},
        {"at":"2026-11-22T22:50:00.003Z","event":"recovered","node":"node-1","actor":"s0","epoch":4,"generation":0,
         "reason":null,"open":12,"took_ms":3},
        {"at":"2026-11-22T22:50:01.000Z","event":"failed","node":"node-1","actor":"s0","epoch":4,"generation":0,
         "reason":"panicked: a\nb","how":"panicked","transfer":"0199c0de"},
        {"at":"2026-11-22T22:50:01.000Z","event":"restarting","node":"node-1","actor":"s0","epoch":4,"generation":1,
         "reason":null,"attempt":1,"delay_ms":180},
        {"at":"2026-11-22T22:50:09.000Z","event":"stuck","node":"node-1","actor":"m0","epoch":9,"generation":0,
         "reason":null,"turn_ms":10001}]}"#,
    );
    let expected = "
at                        node    actor  event       epoch  generation  what
2026-11-22T22:50:00.000Z  node-1  s0     started         -           0
2026-11-22T22:50:00.003Z  node-1  s0     lease_won       4           0  epoch 4
2026-11-22T22:50:00.003Z  node-1  s0     recovered       4           0  12 open, took 3 ms
2026-11-22T22:50:01.000Z  node-1  s0     failed          4           0  panicked: a b, over transfer 0199c0de
2026-11-22T22:50:01.000Z  node-1  s0     restarting      4           1  attempt 1, in 180 ms
2026-11-22T22:50:09.000Z  node-1  m0     stuck           9           0  for 10001 ms so far
";
    assert_eq!(plain(&super::supervision::list(&list.events)), expected);
    assert_eq!(super::supervision::list(&[]), "no events");
    let lines: Vec<String> = list.events.iter().map(super::supervision::line).collect();
    let expected = "
2026-11-22T22:50:00.000Z  node-1  s0    started
2026-11-22T22:50:00.003Z  node-1  s0    lease_won    epoch 4
2026-11-22T22:50:00.003Z  node-1  s0    recovered    12 open, took 3 ms
2026-11-22T22:50:01.000Z  node-1  s0    failed       panicked: a b, over transfer 0199c0de
2026-11-22T22:50:01.000Z  node-1  s0    restarting   attempt 1, in 180 ms
2026-11-22T22:50:09.000Z  node-1  m0    stuck        for 10001 ms so far
";
    assert_eq!(plain(&lines.join("\n")), expected);
}

#[test]
fn a_deployment() {
    let deployment: Deployment = read(
        r#"{"name":"remit","id":"0190a1b2-c3d4-4e5f-8a9b-0c1d2e3f4a5b","shards":16,"managers":4,"placement":"fnv1a64-folded",
        "currencies":[{"code":"GOLD","decimals":3},{"code":"POINTS","decimals":0}],"versions":{"remit":"0.1.0","format":1},
        "totals":{"transfers_per_s":21500,"open":12,"overdue":0,"parked":1,"in_transit":[
            {"currency":"EUR","amount":1050},{"currency":"USD","amount":0}]}}"#,
    );
    let expected = "
deployment         remit
id                 0190a1b2-c3d4-4e5f-8a9b-0c1d2e3f4a5b
account shards     16
transfer managers  4
own currencies     GOLD (3 decimals), POINTS (0 decimals)
version            0.1.0, database format 1
transfers/s        21,500
open               12
overdue            0
parked             1
in transit         10.50 EUR
";
    assert_eq!(plain(&super::deployment::facts(&deployment, &iso())), expected);
}

#[test]
fn a_count_has_its_thousands_apart() {
    let table = [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")];
    for (number, text) in table {
        assert_eq!(count(number), text);
    }
}
