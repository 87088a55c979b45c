//! A node's actors: how they are guarded, and whether they are up.

use remit_actors::{
    durable,
    guardian::{self, ChildStatus, Limits, State},
    message::Address,
};

use super::{Error, UP_WITHIN};
use crate::settings::Settings;

/// Waits until all actors are up, the projector apart; which of them are not, where that takes too long.
pub(super) async fn wait_until_up(guardian: &guardian::Handle) -> Result<(), Error> {
    let watched = guardian.clone();
    // Money moves without the read model.
    let matters = |child: &&ChildStatus| child.address != Address::Projector;
    let is_up = move |children: &[ChildStatus]| children.iter().filter(matters).all(|child| child.state == State::Up);
    // An actor that is set aside will not come up by waiting.
    let is_settled = move |children: &[ChildStatus]| {
        is_up(children) || children.iter().filter(matters).any(|child| child.state == State::Quarantined)
    };
    let waited = tokio::task::spawn_blocking(move || watched.wait(UP_WITHIN, is_settled)).await;
    if waited.unwrap_or(false) && is_up(&guardian.status()) {
        return Ok(());
    }
    Err(Error::NotUp(not_up(guardian)))
}

/// Who is not up, and why.
pub(super) fn not_up(guardian: &guardian::Handle) -> String {
    let children = guardian.status();
    let matters = |child: &&ChildStatus| child.address != Address::Projector;
    let missing = children.iter().filter(matters).filter(|child| child.state != State::Up).map(|child| {
        let why = child.last_failure.as_deref().unwrap_or("it is still opening its database");
        format!("{} ({why})", child.name)
    });
    missing.collect::<Vec<_>>().join("; ")
}

/// How the actors are guarded.
pub(super) fn guarding(settings: &Settings, node: &str, is_replicated: bool) -> guardian::Options {
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let (turns, supervision) = (&settings.turns, &settings.supervision);
    guardian::Options {
        // An actor that waits for a stream must not keep others waiting.
        arbiter_threads: if is_replicated { 0 } else { arbiter_threads(settings.node.arbiter_threads) },
        turns: durable::Options {
            batch_messages_max: size(turns.batch_messages_max),
            room: [size(turns.lane_replies_max), size(turns.lane_dos_max), size(turns.lane_submits_max)],
            ..durable::Options::default()
        },
        limits: Limits {
            restart_first_ms: supervision.restart_first_ms,
            restart_max_ms: supervision.restart_max_ms,
            failures_max: size(supervision.failures_max),
            failures_period_ms: supervision.failures_period_ms,
            quarantine_retry_ms: supervision.quarantine_retry_ms,
        },
        ..guardian::Options::new(node)
    }
}

/// The threads that the durable actors share.
///
/// By default two for each processor, since one of them may be waiting for a flush. Actors that share a thread wait for each
/// other, so each turn finds more to do, and frames and commits are larger and fewer.
fn arbiter_threads(set: u16) -> usize {
    match set {
        0 => 2 * std::thread::available_parallelism().map_or(1, usize::from),
        set => usize::from(set),
    }
}
