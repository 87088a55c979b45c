//! Keeping the server alive: waits for its death, starts it again, backs off while that fails.

use std::time::{Duration, Instant};

use tokio::{
    process::Child,
    sync::{oneshot, watch},
    time::sleep,
};
use tracing::{info, warn};

use super::process::{Launch, end};

/// A server that lived so long had come up well: the next pause is the first one again.
const STEADY_AFTER: Duration = Duration::from_secs(60);

/// Keeps the server until `stop` says so or its other end is dropped; then ends it.
pub(super) async fn keep(
    launch: Launch,
    mut child: Child,
    pid: watch::Sender<Option<u32>>,
    mut stop: oneshot::Receiver<()>,
) {
    let mut pauses = Pauses::new(launch.options.restart_first_ms, launch.options.restart_max_ms);
    loop {
        let began = Instant::now();
        let status = tokio::select! {
            status = child.wait() => status,
            _ = &mut stop => {
                end(child).await;
                pid.send_replace(None);
                return;
            }
        };
        let died = pid.send_replace(None);
        if began.elapsed() >= STEADY_AFTER {
            pauses.reset();
        }
        warn!(
            pid = died,
            status = status.ok().map(tracing::field::display),
            said = launch.home.said(),
            "nats-server died"
        );
        child = loop {
            let pause = pauses.next();
            tokio::select! {
                () = sleep(pause) => {}
                _ = &mut stop => return,
            }
            let up = tokio::select! {
                up = launch.up() => up,
                // What was being started is killed with its future.
                _ = &mut stop => return,
            };
            match up {
                Ok(child) => break child,
                Err(error) => warn!(%error, retry_ms = pauses.0.as_millis(), "nats-server does not come up again"),
            }
        };
        info!(pid = child.id(), url = launch.url(), "nats-server is up again");
        pid.send_replace(child.id());
    }
}

/// The pauses before restarts: the next one, the first, the greatest.
struct Pauses(Duration, Duration, Duration);

impl Pauses {
    fn new(first_ms: u64, max_ms: u64) -> Self {
        let first = Duration::from_millis(first_ms);
        Self(first, first, Duration::from_millis(max_ms))
    }

    fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(self.2);
        pause
    }

    fn reset(&mut self) {
        self.0 = self.1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_greatest_and_starts_anew_after_a_steady_time() {
        let mut pauses = Pauses::new(200, 1_000);
        assert_eq!([(); 5].map(|()| pauses.next().as_millis()), [200, 400, 800, 1_000, 1_000]);
        pauses.reset();
        assert_eq!(pauses.next().as_millis(), 200);
    }
}
