use remit_api::Currencies;
use remit_core::protocol::Protocol;

use crate::cli::import::{
    Error, accounts,
    check::Check,
    payment::{self, Payment, Reading},
    source::Source,
};

fn read(text: &str) -> Vec<Payment> {
    let currencies = Currencies::iso();
    let reading = Reading::new(&currencies, None);
    payment::all(&Source::Text("pay", text), &reading).unwrap().map(Result::unwrap).collect()
}

fn refusal(text: &str) -> String {
    let currencies = Currencies::iso();
    let refused = Check::payments(&Source::Text("pay", text), &Reading::new(&currencies, None)).unwrap_err();
    match refused {
        Error::Wrong { faults, .. } => faults.to_string(),
        other => panic!("{other}"),
    }
}

#[test]
fn a_payment_is_the_same_from_csv_and_from_json() {
    let csv =
        "\u{feff}reference, amount,from,to,currency,memo,protocol\n r1 ,10.50,alice,s2:bob,EUR,\"rent, cold\",2pc\n";
    let json = r#"
        {"reference":"r1","from":"alice","to":"s2:bob","amount":"10.50","currency":"EUR","memo":"rent, cold","protocol":"2pc"}"#;
    let (csv, json) = (read(csv), read(json));
    assert_eq!(csv[0].request, json[0].request);
    let request = &csv[0].request;
    assert_eq!(request.amount.unwrap().get(), 1050);
    assert_eq!((request.protocol, request.memo.as_deref()), (Protocol::parse("2pc"), Some("rent, cold")));
    assert_eq!((csv[0].record.line, json[0].record.line), (2, 2));
}

#[test]
fn a_protocol_of_the_file_goes_over_that_of_the_command() {
    let text = "reference,from,to,amount,currency,protocol\na,x,y,1,EUR,\nb,x,y,1,EUR,events\n";
    let (currencies, saga) = (Currencies::iso(), Protocol::parse("saga"));
    let reading = Reading::new(&currencies, saga);
    let payments = payment::all(&Source::Text("pay", text), &reading).unwrap();
    let protocols: Vec<_> = payments.map(|payment| payment.unwrap().request.protocol).collect();
    assert_eq!(protocols, [saga, Protocol::parse("events")]);
}

#[test]
fn a_header_that_does_not_fit_is_refused() {
    let table = [
        ("", "  line 1: the column `id` or `reference` is missing"),
        ("from,to,amount,currency\n", "  line 1: the column `id` or `reference` is missing"),
        ("id,from,to,currency\n", "  line 1: the column `amount` is missing"),
        ("id,id,from,to,amount,currency\n", "  line 1: the column `id` stands there twice"),
        (
            "id,from,to,ammount,currency\n",
            "  line 1: there is no column `ammount`; columns are id, reference, from, to, amount, currency, protocol, memo, \
             with commas between them",
        ),
        (
            "id;from;to;amount;currency\n",
            "  line 1: there is no column `id;from;to;amount;currency`; columns are id, reference, from, to, amount, \
             currency, protocol, memo, with commas between them",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(refusal(text), expected, "{text}");
    }
}

#[test]
fn a_wrong_line_is_named_with_its_column() {
    let long = "m".repeat(141);
    let long_memo = format!("x,,a,b,1,EUR,,{long}");
    let table = [
        ("x,,a,b,10,,,", "  line 3, column `currency`: nothing stands there"),
        (
            "x,,a,b,\"10,50\",EUR,,",
            "  line 3, column `amount`: `10,50` has a comma: write decimals after a point, and no separator of thousands",
        ),
        ("x,,a,b,10.505,EUR,,", "  line 3, column `amount`: `10.505` has more decimals than EUR, which has 2"),
        ("x,,a,b,-1,EUR,,", "  line 3, column `amount`: `-1` has a sign: an amount is written without one"),
        ("x,,a,b,0,EUR,,", "  line 3, column `amount`: an amount is more than zero"),
        (
            "x,,a,b,1,EURO,,",
            "  line 3, column `currency`: EURO is neither a currency of ISO 4217 nor one that this deployment declares",
        ),
        ("x,,a,b,1,eur,,", "  line 3, column `currency`: a currency's code is 3 to 8 of A-Z and 0-9"),
        (
            "x,,a b,b,1,EUR,,",
            "  line 3, column `from`: an account's name is 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-', or SHARD:NAME",
        ),
        ("x,,a,S!:b,1,EUR,,", "  line 3, column `to`: a shard's name is 1 to 32 of a-z, 0-9 and -"),
        ("x,,a,a,1,EUR,,", "  line 3, column `to`: `from` and `to` must differ"),
        ("x,,a,b,1,EUR,3pc,", "  line 3, column `protocol`: `3pc` is none of saga, 2pc, events"),
        (long_memo.as_str(), "  line 3, column `memo`: `memo` has 141 characters; 140 are the most"),
        (",7,a,b,1,EUR,,", "  line 3, column `id`: `7` is no UUID with hyphens"),
        (",,a,b,1,EUR,,", "  line 3: neither an `id` nor a `reference`: to run the file again would pay again"),
        ("x,0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b,a,b,1,EUR,,", "  line 3: give an `id` or a `reference`, not both"),
        ("good,,a,b,1,EUR,,", "  line 3: its id or reference stands in line 2 already; each payment needs its own"),
        ("x,,a,b,1,EUR,", "  line 3: 7 columns, where the header has 8"),
    ];
    for (line, expected) in table {
        let text = format!("reference,id,from,to,amount,currency,protocol,memo\ngood,,a,b,1,EUR,,\n{line}\n");
        assert_eq!(refusal(&text), expected, "{line}");
    }
}

#[test]
fn a_wrong_line_of_json_is_named_too() {
    let table = [
        ("[1]", "  line 2: not a JSON object"),
        ("{\"reference\":}", "  line 2: not JSON, at character 14"),
        (r#"{"reference":"x","amount":10.5}"#, "  line 2, column `amount`: write it as a text, in quotation marks"),
        (
            r#"{"reference":"x","sum":"1"}"#,
            "  line 2, column `sum`: there is no such column; columns are id, reference, from, to, amount, currency, protocol, memo",
        ),
        (r#"{"reference":"x","from":"a"}"#, "  line 2, column `to`: nothing stands there"),
        (
            r#"{"from":"a","to":"b","amount":"1","currency":"EUR"}"#,
            "  line 2: neither an `id` nor a `reference`: to run the file again would pay again",
        ),
    ];
    for (line, expected) in table {
        let text = format!(r#"{{"reference":"good","from":"a","to":"b","amount":"1","currency":"EUR"}}{}{line}"#, "\n");
        assert_eq!(refusal(&text), expected, "{line}");
    }
}

#[test]
fn of_many_faults_the_first_are_shown_and_the_rest_counted() {
    let lines: String = (0..25).map(|at| format!("r{at},a,b,0,EUR\n")).collect();
    let refused = refusal(&format!("reference,from,to,amount,currency\n{lines}"));
    assert_eq!(refused.lines().count(), 21);
    assert!(refused.starts_with("  line 2, column `amount`") && refused.ends_with("  and 5 more"), "{refused}");
}

#[test]
fn bytes_that_are_no_text_and_a_file_that_is_not_there() {
    let currencies = Currencies::iso();
    let reading = Reading::new(&currencies, None);
    let folder = tempfile::tempdir().unwrap();
    for (name, start) in [("a.csv", "reference,from,to,amount,currency\n"), ("a.jsonl", "{\"reference\":\"")] {
        let path = folder.path().join(name);
        std::fs::write(&path, [start.as_bytes(), b"\xff,a,b,1,EUR\n"].concat()).unwrap();
        let refused = Check::payments(&Source::File(&path), &reading).unwrap_err();
        assert!(refused.to_string().contains(": not UTF-8"), "{refused}");
    }
    let missing = folder.path().join("missing.csv");
    let refused = Check::payments(&Source::File(&missing), &reading).unwrap_err();
    assert!(matches!(refused, Error::Read { .. }) && refused.is_usage());
}

#[test]
fn accounts_are_read_and_refused_alike() {
    let read = |text: &str| accounts::read(&Source::Text("accounts", text), &Currencies::iso());
    let opened = read("id,currency,kind,overdraft_limit\nworld,EUR,external,\nalice,EUR,,99.50\n").unwrap();
    assert_eq!(opened.len(), 2);
    assert_eq!((opened[0].overdraft_limit, opened[1].overdraft_limit), (None, Some(9_950)));
    let table = [
        ("a,EUR,alien,", "line 2, column `kind`: `alien` is neither customer nor external"),
        (
            "a,EUR,external,5",
            "line 2, column `overdraft_limit`: an external account has no limit: leave `overdraft_limit` out",
        ),
        ("a,EUR,,1.001", "line 2, column `overdraft_limit`: `1.001` has more decimals than EUR, which has 2"),
        (",EUR,,", "line 2, column `id`: nothing stands there"),
    ];
    for (line, expected) in table {
        let refused = read(&format!("id,currency,kind,overdraft_limit\n{line}\n")).unwrap_err();
        assert!(refused.to_string().contains(expected), "{refused}");
    }
}
