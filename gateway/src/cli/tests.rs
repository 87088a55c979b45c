use clap::{CommandFactory, Parser};

use super::Cli;

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

/// The first thing that a person sees of Remit.
#[test]
fn the_help_of_the_whole() {
    let help = Cli::command().term_width(120).render_help().to_string();
    let expected = include_str!("tests/help.txt");
    assert_eq!(help, expected, "\n--- it is now:\n{help}");
}

#[test]
fn every_command_says_what_it_does() {
    fn check(command: &clap::Command) {
        assert!(command.get_about().is_some(), "{}", command.get_name());
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
        }
        command.get_subcommands().for_each(check);
    }
    check(&Cli::command());
}

#[test]
fn the_examples_in_the_help_are_commands() {
    fn collect(command: &clap::Command, into: &mut Vec<String>) {
        let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.strip_prefix("  remit "));
        let without_remark = |line: &str| line.split("    ").next().unwrap_or_default().to_owned();
        let without_redirection = |line: String| line.split(" > ").next().unwrap_or_default().to_owned();
        into.extend(lines.map(without_remark).map(without_redirection));
        command.get_subcommands().for_each(|command| collect(command, into));
    }
    let mut examples = Vec::new();
    collect(&Cli::command(), &mut examples);
    assert!(examples.len() > 10);
    for example in examples {
        let words = ["remit"].into_iter().chain(example.split_whitespace());
        if let Err(error) = Cli::try_parse_from(words) {
            panic!("{example}: {error}");
        }
    }
}

#[test]
fn what_clap_refuses_and_what_it_takes() {
    let table = [
        ("account open alice --currency eur", true),
        ("account open alice", false),
        ("account open a:b:c --currency EUR", false),
        ("account list --limit 0", false),
        ("account list --limit 1000 --json", true),
        ("--json account list", true),
        ("transfer submit --from a --to b --amount 1", false),
        ("transfer submit --from a --to b --amount -1 --currency EUR", true),
        ("transfer submit --legs debit:a=1:EUR credit:b=1:EUR", true),
        ("transfer submit --legs debit:a=1 --from b", false),
        ("transfer submit --from a --to b --amount 1 --currency EUR --id 7", false),
        ("transfer submit --from a --to b --amount 1 --currency EUR --protocol 3pc", false),
        ("transfer submit --from a --to b --amount 1 --currency EUR --wait-ms 60001", false),
        ("transfer list --status completed --since 2026-11-22 --overdue", true),
        ("transfer list --status done", false),
        ("transfer list --memo rent --until 2026-11-23 --at-least 0199c0de-0000-7000-8000-000000000001", true),
        ("transfer list --at-least 7", false),
        ("transfer list --wait-ms 5", false),
        ("transfer search", false),
        ("transfer search rent march --account alice --limit 5", true),
        ("account statement a --source projection --format csv", true),
        ("account statement a --source cache", false),
        ("account statement a --format xml", false),
        ("account statement a --all --limit 5", false),
        ("account totals", true),
        ("account totals a --from 2026-11-01 --to 2026-12-01", true),
        ("account totals a --from 1h", false),
        ("transit list --currency eur --from 1h", true),
        ("transit list --limit 0", false),
        ("projection status --json", true),
        ("projection rebuild --wait", true),
        ("projection", false),
        ("import", false),
        ("import x.csv --batch 8193", false),
        ("up --hops pigeon", false),
        ("up --chaos kill-actor=5s,slow-disk=200ms --chaos fail-commits=1%", true),
        ("up --chaos kill-actor=5s,slow-disk", false),
        ("up --nats nats://a:1 --create --shards 4 --ready-file r", true),
        ("up --commit replicated --name node-1 --roles gateway,shard", true),
        ("up --commit memory", false),
        ("node", true),
        ("node --nats nats://a:1 --data d --name node-2 --roles gateway --ready-file r --config c", true),
        ("node --commit disk", false),
        ("node --create", false),
        ("node list", true),
        ("node list --nats nats://a:1 --json", true),
        ("node --nats nats://a:1 --json list", true),
        ("node drain", false),
        ("node drain node-2 --wait-ms 5", true),
        ("node drain node-2 --no-wait --json", true),
        ("node drain node-2 --no-wait --wait-ms 5", false),
        ("node drain Node_2", false),
        ("shard move s3 node-2", true),
        ("shard move s3", false),
        ("shard move S3 node-2", false),
        ("shard adopt s3 --why gone --by ada", true),
        ("shard adopt s3", false),
        ("bench --commit replicated", true),
        ("bench --commit memory", false),
        ("bench --nodes 3 --hops local --json", true),
        ("bench --nodes 0", false),
        ("bench --nodes 17", false),
        ("bench --model 3,10 --brokers 0 --cores 2 --round-trip-us 50", true),
        ("bench --model 101", false),
        ("bench --brokers 3", false),
        ("demo --keep --shards 4", true),
        ("compare --script shard-away --protocol 2pc --json", true),
        ("compare --script storm", false),
        ("compare --rate 0", false),
        ("supervision list --since 1h --actor s3 --limit 10 --json", true),
        ("supervision list --limit 1001", false),
        ("supervision watch --since 2026-11-22T22:50:00Z", true),
        ("supervision watch --since soon", false),
        ("config show", true),
        ("completions bash", true),
        ("completions tcl", false),
        ("frobnicate", false),
    ];
    for (words, taken) in table {
        let words = ["remit"].into_iter().chain(words.split(' '));
        let parsed = Cli::try_parse_from(words.clone());
        assert_eq!(parsed.is_ok(), taken, "{:?}: {parsed:?}", words.collect::<Vec<_>>());
    }
}
