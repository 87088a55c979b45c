//! What goes wrong on purpose on a running node, beside the faults of frames and commits: actors die. And the log of it all.

use std::time::Duration;

use remit_actors::{
    durable::Kill,
    faults::{Dice, Hits, Switch},
    guardian::{self, State},
};
use tokio::{runtime::Handle, task::AbortHandle};
use tracing::warn;

/// The throws of deaths.
const DEATHS: u64 = 1;
/// How often it is said what has gone wrong: each time it goes wrong is counted in some line.
const SAID_EACH: Duration = Duration::from_secs(1);

/// Goes on until it is dropped.
pub(super) struct Chaos(Vec<AbortHandle>);

impl Chaos {
    /// Kills an actor about each `kill_every`, and says what has hit.
    pub(super) fn begin(
        kill_every: Option<Duration>,
        faults: Option<Switch>,
        seed: u64,
        guardian: &guardian::Handle,
        runtime: &Handle,
    ) -> Self {
        let kills = kill_every.map(|every| runtime.spawn(kill(every, Dice::new(seed, DEATHS), guardian.clone())));
        let says = faults.map(|faults| runtime.spawn(say(faults)));
        Self(kills.into_iter().chain(says).map(|task| task.abort_handle()).collect())
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

async fn kill(every: Duration, mut dice: Dice, guardian: guardian::Handle) {
    let every_ms = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
    loop {
        // Not like a clock: what is killed in step with something else shows only half.
        let pause_ms = dice.between(every_ms / 2, every_ms.saturating_add(every_ms / 2));
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        let up: Vec<String> =
            guardian.status().into_iter().filter(|actor| actor.state == State::Up).map(|actor| actor.name).collect();
        if up.is_empty() {
            continue;
        }
        let (actor, how) = (dice.pick(&up), *dice.pick(&[Kill::Panic, Kill::Vanish]));
        // It may have died by itself since.
        if guardian.kill(actor, how) {
            warn!(actor, ?how, "chaos: an actor dies on purpose");
        }
    }
}

async fn say(faults: Switch) {
    let mut said = Hits::default();
    let mut ticks = tokio::time::interval(SAID_EACH);
    loop {
        ticks.tick().await;
        let now = faults.hits();
        if now == said {
            continue;
        }
        let Hits { frames_lost, frames_doubled, frames_late, commits_failed, commits_slow } = now;
        warn!(
            frames_lost = frames_lost - said.frames_lost,
            frames_doubled = frames_doubled - said.frames_doubled,
            frames_late = frames_late - said.frames_late,
            commits_failed = commits_failed - said.commits_failed,
            commits_slow = commits_slow - said.commits_slow,
            "chaos: this went wrong on purpose"
        );
        said = now;
    }
}
