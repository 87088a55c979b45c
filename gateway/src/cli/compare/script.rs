//! What goes wrong, and when: the same for every protocol.

use std::time::Duration;

use remit_actors::{
    faults::{Away, Chance, Faults, Switch},
    message::Address,
};
use remit_core::id::ShardNo;
use remit_load::Life;
use tokio::time::{Instant, sleep_until};

/// The database that is away.
const SHARD: ShardNo = ShardNo(0);
/// Of a hundred frames, those that are lost, and those that arrive twice.
const LOSSY_PERCENT: u32 = 5;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    /// Nothing.
    Nothing,
    /// Every transfer's manager is away for some time.
    ManagerAway,
    /// One shard is.
    ShardAway,
    /// Frames are lost and doubled, all the time.
    Lossy,
}

/// When somebody is away; where nobody is, all the time that transfers are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: Duration,
    pub(super) to: Duration,
}

impl Script {
    /// All of them, in the order of the table.
    pub(super) const ALL: [Self; 4] = [Self::Nothing, Self::ManagerAway, Self::ShardAway, Self::Lossy];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::ManagerAway => "manager-away",
            Self::ShardAway => "shard-away",
            Self::Lossy => "lossy",
        }
    }

    const fn away(self) -> Away {
        match self {
            Self::Nothing | Self::Lossy => Away::Nobody,
            Self::ManagerAway => Away::Managers,
            Self::ShardAway => Away::One(Address::Shard(SHARD)),
        }
    }

    /// Whether somebody is away for a part of the time.
    pub(super) fn has_window(self) -> bool {
        self.away() != Away::Nobody
    }

    /// What goes wrong all the time.
    pub(super) fn lasting(self, seed: u64) -> Faults {
        match self {
            Self::Nothing | Self::ManagerAway | Self::ShardAway => Faults { seed, ..Faults::default() },
            Self::Lossy => {
                let chance = Chance::percent(LOSSY_PERCENT);
                Faults { seed, frame_lost: chance, frame_doubled: chance, ..Faults::default() }
            }
        }
    }

    /// When, of so much time: whoever goes away does so after a quarter of it.
    pub(super) fn window(self, time: Duration, away: Duration) -> Window {
        match self.has_window() {
            true => Window { from: time / 4, to: time / 4 + away },
            false => Window { from: Duration::ZERO, to: time },
        }
    }

    /// Sees to it that whoever is to be away is away within the window of a load that begins then.
    pub(super) async fn play(self, window: Window, begin: Instant, switch: &Switch) {
        if !self.has_window() {
            return;
        }
        let before = switch.get();
        sleep_until(begin + window.from).await;
        switch.set(Faults { away: self.away(), ..before });
        sleep_until(begin + window.to).await;
        switch.set(before);
    }

    /// Whether a transfer may itself be hit, and not only be held up by others that are.
    pub(super) fn hits(self, life: &Life) -> bool {
        match self {
            Self::Nothing => false,
            Self::ManagerAway | Self::Lossy => true,
            Self::ShardAway => life.shards.contains(&SHARD),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_is_away_is_so_within_the_window_alone() {
        let switch = Switch::new(Script::ShardAway.lasting(1));
        let window = Script::ShardAway.window(Duration::from_secs(12), Duration::from_secs(5));
        assert_eq!((window.from.as_secs(), window.to.as_secs()), (3, 8));
        let begin = Instant::now();
        let looked = async {
            let mut seen = Vec::new();
            for second in [2, 4, 7, 9] {
                sleep_until(begin + Duration::from_secs(second)).await;
                seen.push(switch.get().away);
            }
            seen
        };
        let ((), seen) = tokio::join!(Script::ShardAway.play(window, begin, &switch), looked);
        let away = Away::One(Address::Shard(SHARD));
        assert_eq!(seen, [Away::Nobody, away, away, Away::Nobody]);
    }

    #[test]
    fn only_what_is_lossy_is_wrong_all_the_time() {
        for script in Script::ALL {
            assert_eq!(script.lasting(7).hit_frames(), script == Script::Lossy);
            let whole = Duration::from_secs(8);
            assert_eq!(script.window(whole, whole / 4).to < whole, script.has_window());
        }
    }
}
