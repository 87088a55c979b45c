use std::{fs, path::PathBuf};

use serde_json::Value;

use super::{
    rules::{RULES, Rule},
    sections::name_from_host,
    *,
};

fn load(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str, &str)]) -> Result<Resolved, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    fs::write(&path, file).unwrap();
    let environment = environment.iter().map(|(name, value)| (String::from(*name), String::from(*value)));
    Settings::load(Some(&path), environment, flags.iter().map(|(name, key, value)| Flag::new(*name, *key, *value)))
}

/// The refusal without the name of the temporary folder.
fn refusal(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str, &str)]) -> String {
    let error = load(file, environment, flags).unwrap_err().to_string();
    match (error.find("file /"), error.find("mine.toml")) {
        (Some(start), Some(end)) => format!("{}file {}", &error[..start], &error[end..]),
        _ => error,
    }
}

#[test]
fn without_any_layer_the_compiled_in_list_holds() {
    let resolved = Settings::load(None, [], []).unwrap();
    let settings = &resolved.settings;
    assert_eq!((settings.deployment.name.as_str(), settings.deployment.shards), ("remit", 16));
    assert_eq!((settings.deployment.managers, settings.bus.hops), (4, Hops::Local));
    assert!(settings.currencies.is_empty() && settings.nats.url.is_empty());
    assert!(resolved.origins.values().all(|origin| *origin == Origin::Default));
}

#[test]
fn each_layer_lies_over_the_one_before() {
    let file = "[deployment]\nname = 'a'\nshards = 2\nmanagers = 2\n[currencies]\nGOLD = 3\n[nats]\ntls = true\n";
    let environment = [
        ("PATH", "/bin"),
        ("REMIT_NATS_SERVER", "/opt/nats-server"),
        ("REMIT__DEPLOYMENT__SHARDS", "3"),
        ("REMIT__DEPLOYMENT__MANAGERS", "3"),
        ("REMIT__CURRENCIES__SILVER", "2"),
        ("REMIT__NATS__SYNC_ALWAYS", "true"),
    ];
    let flags = [("--managers", "deployment.managers", "4"), ("--data", "node.data_dir", "/var/remit")];
    let resolved = load(file, &environment, &flags).unwrap();

    let settings = &resolved.settings;
    assert_eq!(settings.deployment, Deployment { name: "a".into(), shards: 3, managers: 4 });
    assert_eq!(settings.currencies, [("GOLD".to_owned(), 3), ("SILVER".to_owned(), 2)].into());
    assert!(settings.nats.tls && settings.nats.sync_always);
    assert_eq!(settings.node.data_dir, PathBuf::from("/var/remit"));

    assert!(resolved.origins["deployment.name"].to_string().ends_with("mine.toml"));
    let origin = |key: &str| resolved.origins[key].to_string();
    assert_eq!(origin("deployment.shards"), "environment REMIT__DEPLOYMENT__SHARDS");
    assert_eq!(origin("deployment.managers"), "flag --managers");
    assert_eq!(origin("currencies.SILVER"), "environment REMIT__CURRENCIES__SILVER");
    assert_eq!(origin("log.level"), "default");
}

#[test]
fn rust_log_goes_over_the_level() {
    let environment = [("RUST_LOG", "debug"), ("REMIT__LOG__LEVEL", "warn")];
    let resolved = load("", &environment, &[]).unwrap();
    assert_eq!(resolved.settings.log.level, "debug");
    assert_eq!(resolved.origins["log.level"].to_string(), "environment RUST_LOG");
    assert_eq!(load("", &[("RUST_LOG", "")], &[]).unwrap().settings.log.level, "info,async_nats=warn");
}

#[test]
fn what_is_no_setting_is_refused_with_its_source_and_what_there_is() {
    assert_eq!(
        refusal("[deployment]\nshard = 4\n", &[], &[]),
        "file mine.toml: there is no setting `deployment.shard`; [deployment] has name, shards, managers"
    );
    let sections = "the sections are deployment, node, nats, bus, loop, store, transfers, supervision, cluster, ledger, events, projection, faults, metrics, traces, log, currencies";
    assert_eq!(refusal("shards = 4\n", &[], &[]), format!("file mine.toml: there is no setting `shards`; {sections}"));
    assert_eq!(
        refusal("", &[("REMIT__BROKER__URL", "x")], &[]),
        format!("environment REMIT__BROKER__URL: there is no setting `broker.url`; {sections}")
    );
    assert_eq!(
        refusal("", &[("REMIT__LOG", "x")], &[]),
        "environment REMIT__LOG: there is no setting `log`; [log] has level, format"
    );
    assert_eq!(
        refusal("", &[], &[("--colour", "log.colour", "blue")]),
        "flag --colour: there is no setting `log.colour`; [log] has level, format"
    );
    assert_eq!(
        refusal("[currencies]\ngold = 3\n", &[], &[]),
        "file mine.toml: there is no setting `currencies.gold`; a currency's code is 3 to 8 of A-Z 0-9"
    );
}

#[test]
fn what_is_out_of_range_or_of_another_type_is_refused_with_its_source_and_what_is_allowed() {
    let table = [
        ("[deployment]\nshards = 0", "`deployment.shards` can't be 0; allowed: 1 to 1024"),
        ("[deployment]\nshards = -1", "`deployment.shards` can't be -1; allowed: 1 to 1024"),
        ("[deployment]\nshards = 1025", "`deployment.shards` can't be 1025; allowed: 1 to 1024"),
        ("[deployment]\nshards = '4'", "`deployment.shards` can't be \"4\"; allowed: 1 to 1024"),
        ("[deployment]\nshards = 4.5", "`deployment.shards` can't be 4.5; allowed: 1 to 1024"),
        ("[deployment]\nshards = [4]", "`deployment.shards` can't be a list; allowed: 1 to 1024"),
        ("[deployment.shards]\nn = 4", "`deployment.shards` can't be a table; allowed: 1 to 1024"),
        ("[deployment]\nname = 'A b'", "`deployment.name` can't be \"A b\"; allowed: 1 to 32 of a-z 0-9 -"),
        (
            "[node]\nroles = 'gateway,broker'",
            "`node.roles` can't be \"gateway,broker\"; allowed: one or more of gateway, manager, shard, projector",
        ),
        (
            "[node]\nroles = ''",
            "`node.roles` can't be \"\"; allowed: one or more of gateway, manager, shard, projector",
        ),
        ("[nats]\nreplicas = 6", "`nats.replicas` can't be 6; allowed: 1 to 5"),
        ("[store]\ncommit = 'memory'", "`store.commit` can't be \"memory\"; allowed: empty, disk or replicated"),
        ("[cluster]\nlease_ms = 999", "`cluster.lease_ms` can't be 999; allowed: 1000 to 600000"),
        ("[nats]\ntls = 'yes'", "`nats.tls` can't be \"yes\"; allowed: true or false"),
        ("[nats]\npassword = 7", "`nats.password` can't be what it is (not shown); allowed: any text"),
        (
            "[nats]\nurl = 'http://ann:pw@h'",
            "`nats.url` can't be what it is (not shown); allowed: empty, or addresses such as nats://host:port",
        ),
        (
            "[metrics]\nlisten = ':9464'",
            "`metrics.listen` can't be \":9464\"; allowed: empty, or an address such as 127.0.0.1:9464",
        ),
        (
            "[traces]\nendpoint = 'localhost:4318'",
            "`traces.endpoint` can't be \"localhost:4318\"; allowed: empty, or an address such as http://127.0.0.1:4318/v1/traces",
        ),
        ("[log]\nformat = 'xml'", "`log.format` can't be \"xml\"; allowed: auto, text or json"),
        ("[log]\nlevel = 'remit=loud'", "`log.level` can't be \"remit=loud\"; allowed: a log filter"),
        ("[currencies]\nGOLD = 19", "`currencies.GOLD` can't be 19; allowed: 0 to 18"),
    ];
    for (file, refused) in table {
        assert_eq!(refusal(file, &[], &[]), format!("file mine.toml: {refused}"), "{file}");
    }
    assert_eq!(
        refusal("", &[("REMIT__NATS__PORT", "70000")], &[]),
        "environment REMIT__NATS__PORT: `nats.port` can't be \"70000\"; allowed: 0 to 65535"
    );
    assert_eq!(
        refusal("", &[], &[("--shards", "deployment.shards", "many")]),
        "flag --shards: `deployment.shards` can't be \"many\"; allowed: 1 to 1024"
    );
}

#[test]
fn a_wrong_value_is_refused_even_where_another_layer_covers_it() {
    let refused = refusal("[deployment]\nshards = 0", &[], &[("--shards", "deployment.shards", "4")]);
    assert_eq!(refused, "file mine.toml: `deployment.shards` can't be 0; allowed: 1 to 1024");
}

#[test]
fn settings_that_contradict_each_other_are_refused_with_both_sources() {
    assert_eq!(
        refusal("", &[("REMIT__TRANSFERS__RETRY_FIRST_MS", "20000")], &[]),
        "`transfers.retry_first_ms` (environment REMIT__TRANSFERS__RETRY_FIRST_MS) and `transfers.retry_max_ms` (default) \
         contradict each other: the first must not exceed the second"
    );
    for file in [
        "[nats]\nuser = 'ann'",
        "[nats]\ntls_key_file = 'k'",
        "[bus]\nframe_bytes_max = 2_000_000\n[nats]\nmax_payload_bytes = 1_048_576",
        "[transfers]\nretry_first_ms = 6_000",
        "[supervision]\nrestart_first_ms = 6_000",
        "[ledger]\npublish = false",
        "[ledger]\npublish = false\n[projection]\nenabled = false\n[store]\ncommit = 'replicated'",
        "[ledger]\npublish = false\n[projection]\nenabled = false\n[nats]\nurl = 'nats://h:4222'",
    ] {
        assert!(matches!(load(file, &[], &[]), Err(Error::Contradiction { .. })), "{file}");
    }
}

#[test]
fn commits_are_replicated_where_told_to_or_else_on_a_broker_of_ones_own() {
    let url = "[nats]\nurl = 'nats://h:4222'\n";
    let table = [
        ("", "", false),
        ("", "disk", false),
        ("", "replicated", true),
        (url, "", true),
        (url, "disk", false),
        (url, "replicated", true),
    ];
    for (file, commit, is_replicated) in table {
        let resolved = load(file, &[], &[("--commit", "store.commit", commit)]).unwrap();
        assert_eq!(resolved.settings.is_replicated(), is_replicated, "{file} {commit:?}");
    }
}

#[test]
fn a_private_broker_keeps_one_copy() {
    let copies = |file: &str| load(file, &[], &[]).unwrap().settings.nats.copies();
    assert_eq!(copies("[nats]\nreplicas = 3"), 1);
    assert_eq!(copies("[nats]\nreplicas = 3\nurl = 'nats://a:1,nats://b:1,nats://c:1'"), 3);
}

#[test]
fn a_node_has_the_roles_that_it_is_given() {
    use remit_api::node::Role::{self, Gateway, Manager, Projector, Shard};
    let roles = |list: &str| -> Vec<Role> {
        let resolved = load("", &[], &[("--roles", "node.roles", list)]).unwrap();
        resolved.settings.node.roles().into_iter().collect()
    };
    assert_eq!(Settings::load(None, [], []).unwrap().settings.node.roles(), Role::ALL.into());
    assert_eq!(roles("gateway"), [Gateway]);
    assert_eq!(roles("projector, shard,manager,shard"), [Manager, Shard, Projector]);
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_refused() {
    let error = Settings::load(Some(Path::new("/no/such/file.toml")), [], []).unwrap_err();
    assert_eq!(error.to_string(), "the settings file /no/such/file.toml can't be read");
    assert_eq!(refusal("[deployment\n", &[], &[]), "file mine.toml: not TOML");
}

/// `section.name` of every value in a JSON tree of two levels.
fn keys(tree: &Value) -> Vec<String> {
    let sections = tree.as_object().unwrap().iter();
    sections
        .flat_map(|(section, values)| values.as_object().unwrap().keys().map(move |name| format!("{section}.{name}")))
        .collect()
}

#[test]
fn the_list_the_fields_and_the_rules_name_the_same_settings() {
    let resolved = Settings::load(None, [], []).unwrap();
    let mut listed: Vec<_> = resolved.origins.keys().cloned().collect();
    let mut fields = keys(&serde_json::to_value(&resolved.settings).unwrap());
    let mut ruled: Vec<_> = RULES.iter().map(|(key, _)| (*key).to_owned()).collect();
    for names in [&mut listed, &mut fields, &mut ruled] {
        names.sort();
    }
    assert_eq!(listed, fields);
    assert_eq!(listed, ruled);
}

#[test]
fn every_field_can_hold_what_its_rule_allows() {
    for greatest in [false, true] {
        let text = |rule: &Rule| match rule {
            Rule::Whole(min, max) => Some(if greatest { max } else { min }.to_string()),
            Rule::YesNo => Some(greatest.to_string()),
            Rule::OneOf(_) | Rule::Text { .. } => None,
        };
        // All at their least, or all at their greatest, no two contradict each other.
        let flags = RULES.iter().filter_map(|(key, rule)| Some(Flag::new("--x", *key, text(rule)?)));
        if let Err(error) = Settings::load(None, [], flags) {
            panic!("{error}: {:?}", std::error::Error::source(&error));
        }
    }
    for (key, rule) in RULES {
        for word in if let Rule::OneOf(words) = rule { *words } else { &[] } {
            Settings::load(None, [], [Flag::new("--x", *key, *word)]).unwrap();
        }
    }
}

#[test]
fn the_comment_of_every_setting_says_what_its_rule_allows() {
    let (mut section, mut comment, mut fresh) = ("", String::new(), true);
    for line in layers::DEFAULTS.lines() {
        if let Some(text) = line.strip_prefix('#') {
            if fresh {
                comment.clear();
            }
            comment.push_str(text);
            fresh = false;
        } else if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
            fresh = true;
        } else if let Some((name, _)) = line.split_once(" = ") {
            let allowed =
                format!("Allowed: {}", Rule::of(&format!("{section}.{name}")).map_or_else(|e| e, |r| r.to_string()));
            assert!(
                comment.ends_with(&allowed),
                "{section}.{name}: the comment must end with {allowed:?}, not {comment:?}"
            );
            fresh = true;
        }
    }
}

#[test]
fn what_is_shown_has_every_setting_and_no_secret() {
    let environment = [
        ("REMIT__NATS__USER", "ann"),
        ("REMIT__NATS__PASSWORD", "s3cret"),
        ("REMIT__NATS__URL", "nats://t0ken@h:4222"),
    ];
    let resolved = load("[currencies]\nGOLD = 3", &environment, &[]).unwrap();
    let shown = resolved.shown();
    assert_eq!(shown.len(), RULES.len() + 1);
    let one = |key: &str| shown.iter().find(|shown| shown.key == key).unwrap().clone();
    assert_eq!(
        serde_json::to_value(one("nats.password")).unwrap(),
        serde_json::json!({"key": "nats.password", "value": "(hidden)", "origin": "environment REMIT__NATS__PASSWORD"})
    );
    assert_eq!((one("currencies.GOLD").value, one("deployment.shards").value), (Value::from(3), Value::from(16)));
    for text in [serde_json::to_string(&shown).unwrap(), resolved.table().to_string(), format!("{resolved:?}")] {
        assert!(!text.contains("s3cret") && !text.contains("t0ken"), "{text}");
    }
}

#[test]
fn a_node_is_named_after_its_host() {
    for (host, name) in
        [("Ann's_Laptop", "ann-s-laptop"), ("db-1.example.org", "db-1-example-org"), ("--", "node-1"), ("", "node-1")]
    {
        assert_eq!(name_from_host(host), name);
    }
}
