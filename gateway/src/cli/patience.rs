//! Waiting for what was ordered and goes on by itself.

use std::time::Duration;

use remit_api::Code;
use tokio::time::{Instant, sleep};

use super::{error::Error, exit::Exit};

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The longest wait, in milliseconds.
const WAIT_MS_MAX: u64 = 86_400_000;

/// Whether to wait for the end, and for how long.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Patience {
    /// Do not wait for the end, only until the order is taken
    #[arg(long)]
    no_wait: bool,
    /// For how long to wait for the end: 0 to 86400000
    #[arg(long, value_name = "MS", default_value_t = 60_000, conflicts_with = "no_wait", value_parser = clap::value_parser!(u64).range(0..=WAIT_MS_MAX))]
    wait_ms: u64,
}

impl Patience {
    /// Looks again and again at what stood like this when it was ordered: how it stands last, and whether that is the end. Without
    /// waiting, to be ordered is all that was asked for.
    ///
    /// # Errors
    /// What looking came to, unless it is that nobody answers: who answers may be the very node that goes away.
    pub(super) async fn watch<T>(
        self,
        mut now: T,
        is_over: impl Fn(&T) -> bool,
        mut look: impl AsyncFnMut() -> Result<T, remit_api::Error>,
    ) -> Result<(T, Exit), Error> {
        if self.no_wait {
            return Ok((now, Exit::CameTrue));
        }
        let until = Instant::now() + Duration::from_millis(self.wait_ms);
        loop {
            if is_over(&now) {
                return Ok((now, Exit::CameTrue));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok((now, Exit::NotKnown));
            }
            sleep(LOOK_EVERY.min(left)).await;
            match look().await {
                Ok(seen) => now = seen,
                Err(error) if error.code == Code::Unavailable => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of waiting for a countdown, and how often it was looked at.
    async fn watched(no_wait: bool, wait_ms: u64, answers: &[Result<u32, remit_api::Error>]) -> (Option<u32>, usize) {
        let (mut looks, patience) = (0, Patience { no_wait, wait_ms });
        let look = async || {
            looks += 1;
            answers[looks - 1].clone()
        };
        let ended = patience.watch(3, |left| *left == 0, look).await;
        let came = ended.ok().filter(|(_, exit)| *exit == Exit::CameTrue).map(|(left, _)| left);
        (came, looks)
    }

    #[tokio::test]
    async fn it_looks_until_the_end_though_nobody_answers_meanwhile() {
        let away = Err(remit_api::Error::unavailable("away"));
        assert_eq!(watched(false, 60_000, &[Ok(2), away, Ok(0)]).await, (Some(0), 3));
        let no = Err(remit_api::Error::conflict("no", [""; 0]));
        assert_eq!(watched(false, 60_000, &[no]).await, (None, 1), "a no is no silence");
    }

    #[tokio::test]
    async fn without_patience_nothing_is_looked_at() {
        assert_eq!(watched(true, 60_000, &[]).await, (Some(3), 0), "to be ordered was enough");
        assert_eq!(watched(false, 0, &[]).await, (None, 0), "nobody knows");
    }
}
