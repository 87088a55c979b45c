//! What each setting may be, one line each, in the order of `config/default.toml`.

use std::{fmt, net::SocketAddr, path::Path};

use config::{Value, ValueKind};
use tracing_subscriber::EnvFilter;

use super::{Error, Resolved, sections};

/// The open table: its keys are currency codes, not settings.
pub(super) const CURRENCIES: &str = "currencies";

/// What one setting may be. Its `Display` is the sentence in comments and refusals.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// A whole number, both bounds included.
    Whole(u64, u64),
    /// `true` or `false`.
    YesNo,
    /// One of these words; the empty one is first, if it is one of them.
    OneOf(&'static [&'static str]),
    /// Text that `fits`.
    Text {
        allowed: &'static str,
        fits: fn(&str) -> bool,
        /// Whether a refused value may be repeated in the refusal.
        shown: bool,
    },
}

const NAME: Rule = Rule::Text { allowed: "1 to 32 of a-z 0-9 -", fits: remit_core::id::is_shard_name, shown: true };
const NAME_OR_EMPTY: Rule = Rule::Text {
    allowed: "empty, or 1 to 32 of a-z 0-9 -",
    fits: |text| text.is_empty() || remit_core::id::is_shard_name(text),
    shown: true,
};
const ROLES: Rule = Rule::Text {
    allowed: "one or more of gateway, manager, shard, projector",
    fits: |text| sections::roles(text).is_some(),
    shown: true,
};
const PATH: Rule = Rule::Text { allowed: "a path", fits: |text| !text.is_empty() && !text.contains('\0'), shown: true };
const PATH_OR_EMPTY: Rule = Rule::Text { allowed: "a path, or empty", fits: |text| !text.contains('\0'), shown: true };
const ANY: Rule = Rule::Text { allowed: "any text", fits: |_| true, shown: true };
const SECRET: Rule = Rule::Text { allowed: "any text", fits: |_| true, shown: false };
const URL: Rule = Rule::Text { allowed: "empty, or addresses such as nats://host:port", fits: is_url, shown: false };
const FILTER: Rule = Rule::Text { allowed: "a log filter", fits: |text| EnvFilter::try_new(text).is_ok(), shown: true };
const LISTEN: Rule = Rule::Text {
    allowed: "empty, or an address such as 127.0.0.1:9464",
    fits: |text| text.is_empty() || text.parse::<SocketAddr>().is_ok(),
    shown: true,
};
/// Where traces go.
const ENDPOINT: Rule = Rule::Text {
    allowed: "empty, or an address such as http://127.0.0.1:4318/v1/traces",
    fits: |text| text.is_empty() || text.strip_prefix("http://").is_some_and(|rest| !rest.is_empty()),
    shown: true,
};
/// A currency's number of decimals.
const DECIMALS: Rule = Rule::Whole(0, 18);

/// So many in a million.
const PER_MILLION: Rule = Rule::Whole(0, 1_000_000);

/// Every setting, but the codes under `[currencies]`.
pub(super) const RULES: &[(&str, Rule)] = &[
    ("deployment.name", NAME),
    ("deployment.shards", Rule::Whole(1, 1_024)),
    ("deployment.managers", Rule::Whole(1, 256)),
    ("node.name", NAME_OR_EMPTY),
    ("node.roles", ROLES),
    ("node.data_dir", PATH),
    ("node.arbiter_threads", Rule::Whole(0, 256)),
    ("node.background_niceness", Rule::Whole(0, 19)),
    ("nats.url", URL),
    ("nats.user", ANY),
    ("nats.password", SECRET),
    ("nats.token", SECRET),
    ("nats.credentials_file", PATH_OR_EMPTY),
    ("nats.replicas", Rule::Whole(1, 5)),
    ("nats.tls", Rule::YesNo),
    ("nats.tls_ca_file", PATH_OR_EMPTY),
    ("nats.tls_cert_file", PATH_OR_EMPTY),
    ("nats.tls_key_file", PATH_OR_EMPTY),
    ("nats.server", PATH_OR_EMPTY),
    ("nats.port", Rule::Whole(0, 65_535)),
    ("nats.max_payload_bytes", Rule::Whole(1 << 20, 64 << 20)),
    ("nats.sync_always", Rule::YesNo),
    ("bus.hops", Rule::OneOf(&["local", "jetstream"])),
    ("bus.frame_bytes_max", Rule::Whole(64 << 10, 8 << 20)),
    ("bus.frame_streams", Rule::Whole(1, 64)),
    ("bus.stream_bytes_max", Rule::Whole(16 << 20, 1 << 40)),
    ("bus.stream_age_ms", Rule::Whole(60_000, 604_800_000)),
    ("loop.batch_messages_max", Rule::Whole(1, 65_536)),
    ("loop.lane_replies_max", Rule::Whole(1 << 10, 1 << 22)),
    ("loop.lane_dos_max", Rule::Whole(1 << 10, 1 << 22)),
    ("loop.lane_submits_max", Rule::Whole(1 << 10, 1 << 22)),
    ("store.commit", Rule::OneOf(&["", "disk", "replicated"])),
    ("store.cache_accounts_max", Rule::Whole(1_000, 100_000_000)),
    ("store.cache_legs_max", Rule::Whole(1_000, 100_000_000)),
    ("store.cache_transfers_max", Rule::Whole(1_000, 100_000_000)),
    ("store.flush_rows", Rule::Whole(100, 1_000_000)),
    ("store.reserve_bytes", Rule::Whole(0, 1 << 40)),
    ("transfers.open_max", Rule::Whole(1, 1_048_576)),
    ("transfers.retry_first_ms", Rule::Whole(10, 60_000)),
    ("transfers.retry_max_ms", Rule::Whole(10, 60_000)),
    ("transfers.retries_per_second_max", Rule::Whole(1, 1_000_000)),
    ("transfers.overdue_ms", Rule::Whole(1_000, 86_400_000)),
    ("supervision.restart_first_ms", Rule::Whole(1, 60_000)),
    ("supervision.restart_max_ms", Rule::Whole(1, 600_000)),
    ("supervision.failures_max", Rule::Whole(1, 1_000)),
    ("supervision.failures_period_ms", Rule::Whole(1_000, 86_400_000)),
    ("supervision.quarantine_retry_ms", Rule::Whole(1_000, 86_400_000)),
    ("supervision.drain_ms", Rule::Whole(0, 600_000)),
    ("supervision.events_bytes_max", Rule::Whole(1 << 20, 1 << 40)),
    ("supervision.events_age_ms", Rule::Whole(60_000, 31_536_000_000)),
    ("cluster.lease_ms", Rule::Whole(1_000, 600_000)),
    ("cluster.move_within_ms", Rule::Whole(100, 600_000)),
    ("cluster.standby", Rule::YesNo),
    ("ledger.publish", Rule::YesNo),
    ("ledger.stream_bytes_max", Rule::Whole(16 << 20, 1 << 40)),
    ("ledger.stream_age_ms", Rule::Whole(60_000, 31_536_000_000)),
    ("events.publish", Rule::YesNo),
    ("events.stream_bytes_max", Rule::Whole(16 << 20, 1 << 40)),
    ("events.stream_age_ms", Rule::Whole(60_000, 31_536_000_000)),
    ("projection.enabled", Rule::YesNo),
    ("projection.rows_per_second_max", Rule::Whole(0, 10_000_000)),
    ("faults.seed", Rule::Whole(0, i64::MAX.unsigned_abs())),
    ("faults.frames_lost_per_million", PER_MILLION),
    ("faults.frames_doubled_per_million", PER_MILLION),
    ("faults.frames_late_per_million", PER_MILLION),
    ("faults.late_ms_max", Rule::Whole(1, 600_000)),
    ("faults.commits_failed_per_million", PER_MILLION),
    ("faults.commits_unheard_per_million", PER_MILLION),
    ("faults.commits_slow_per_million", PER_MILLION),
    ("faults.slow_ms_max", Rule::Whole(1, 600_000)),
    ("faults.kill_actor_every_ms", Rule::Whole(0, 86_400_000)),
    ("metrics.listen", LISTEN),
    ("traces.endpoint", ENDPOINT),
    ("log.level", FILTER),
    ("log.format", Rule::OneOf(&["auto", "text", "json"])),
];

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(min, max) => write!(f, "{min} to {max}"),
            Self::YesNo => f.write_str("true or false"),
            Self::OneOf(["", words @ ..]) => write!(f, "empty, {}", Self::OneOf(words)),
            Self::OneOf(words) => match words {
                [rest @ .., last] if !rest.is_empty() => write!(f, "{} or {last}", rest.join(", ")),
                words => f.write_str(&words.concat()),
            },
            Self::Text { allowed, .. } => f.write_str(allowed),
        }
    }
}

impl Rule {
    /// The rule of a setting or of a currency; else the sentence that says what there is instead.
    pub(super) fn of(key: &str) -> Result<Self, String> {
        if let Some((_, rule)) = RULES.iter().find(|(known, _)| *known == key) {
            return Ok(*rule);
        }
        let (section, name) = key.split_once('.').unwrap_or((key, ""));
        if section == CURRENCIES {
            return match remit_core::money::Currency::parse(name) {
                Some(_) => Ok(DECIMALS),
                None => Err("a currency's code is 3 to 8 of A-Z 0-9".into()),
            };
        }
        let in_section: Vec<_> =
            RULES.iter().filter_map(|(known, _)| known.strip_prefix(section)?.strip_prefix('.')).collect();
        if !in_section.is_empty() {
            return Err(format!("[{section}] has {}", in_section.join(", ")));
        }
        let mut sections: Vec<_> = RULES.iter().filter_map(|(known, _)| Some(known.split_once('.')?.0)).collect();
        sections.dedup();
        Err(format!("the sections are {}, {CURRENCIES}", sections.join(", ")))
    }

    /// The value in the setting's own type, if it is allowed. Text becomes a number or a truth value only if `from_text`: in
    /// the environment and in flags all is text, in a file `"4"` is not `4`.
    pub(super) fn accept(self, value: &ValueKind, from_text: bool) -> Option<ValueKind> {
        let text = match value {
            ValueKind::String(text) => Some(text.as_str()),
            _ => None,
        };
        match self {
            Self::Whole(min, max) => {
                let number = match (value, text.filter(|_| from_text)) {
                    (ValueKind::I64(number), _) => u64::try_from(*number).ok()?,
                    (_, Some(text)) => text.parse().ok()?,
                    _ => return None,
                };
                (min..=max).contains(&number).then_some(ValueKind::U64(number))
            }
            Self::YesNo => match (value, text.filter(|_| from_text)) {
                (ValueKind::Boolean(yes), _) => Some(ValueKind::Boolean(*yes)),
                (_, Some(text)) => text.parse().ok().map(ValueKind::Boolean),
                _ => None,
            },
            Self::OneOf(words) => text.filter(|text| words.contains(text)).map(ValueKind::from),
            Self::Text { fits, .. } => text.filter(|text| fits(text)).map(ValueKind::from),
        }
    }

    /// A refused value as a refusal may repeat it.
    pub(super) fn describe(self, value: &Value) -> String {
        match (&self, &value.kind) {
            (Self::Text { shown: false, .. }, _) => "what it is (not shown)".into(),
            (_, ValueKind::String(text)) => format!("{text:?}"),
            (_, ValueKind::Table(_)) => "a table".into(),
            (_, ValueKind::Array(_)) => "a list".into(),
            (_, kind) => kind.to_string(),
        }
    }
}

fn is_url(text: &str) -> bool {
    text.is_empty()
        || text.split(',').map(str::trim).all(|address| {
            let (scheme, host) = address.split_once("://").unwrap_or(("nats", address));
            matches!(scheme, "nats" | "tls") && !host.is_empty() && !host.contains(char::is_whitespace)
        })
}

/// Checks what must hold between two settings.
pub(super) fn agree(resolved: &Resolved) -> Result<(), Error> {
    let settings = &resolved.settings;
    let (nats, bus) = (&settings.nats, &settings.bus);
    let (transfers, supervision) = (&settings.transfers, &settings.supervision);
    let set = |path: &Path| !path.as_os_str().is_empty();
    let pairs = [
        (
            "nats.user",
            "nats.password",
            "either both are set, or neither",
            nats.user.is_empty() == nats.password.reveal().is_none(),
        ),
        (
            "nats.tls_cert_file",
            "nats.tls_key_file",
            "either both are set, or neither",
            set(&nats.tls_cert_file) == set(&nats.tls_key_file),
        ),
        (
            "bus.frame_bytes_max",
            "nats.max_payload_bytes",
            "a frame must fit into a message",
            bus.frame_bytes_max <= nats.max_payload_bytes,
        ),
        (
            "transfers.retry_first_ms",
            "transfers.retry_max_ms",
            "the first must not exceed the second",
            transfers.retry_first_ms <= transfers.retry_max_ms,
        ),
        (
            "supervision.restart_first_ms",
            "supervision.restart_max_ms",
            "the first must not exceed the second",
            supervision.restart_first_ms <= supervision.restart_max_ms,
        ),
        (
            "ledger.publish",
            "projection.enabled",
            "a projection is built from the ledger streams",
            settings.ledger.publish || !settings.projection.enabled,
        ),
        (
            "ledger.publish",
            "store.commit",
            "a replicated commit is one when the ledger stream has it; with nats.url, empty is replicated",
            settings.ledger.publish || !settings.is_replicated(),
        ),
    ];
    for (first, second, rule, holds) in pairs {
        if !holds {
            let origin = |key: &str| resolved.origins[key].clone();
            return Err(Error::Contradiction {
                first,
                first_origin: origin(first),
                second,
                second_origin: origin(second),
                rule,
            });
        }
    }
    Ok(())
}
