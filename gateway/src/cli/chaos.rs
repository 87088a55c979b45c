//! `--chaos`: what is to go wrong on purpose, in words, as the settings of `[faults]`.

use super::words;
use crate::settings::Flag;

/// What there is, for help and refusals.
pub(super) const HELP: &str = "\
kill-actor=5s: every 5 s or so some actor panics or vanishes; slow-disk=200ms: one commit in 50 takes up to that much longer; \
fail-commits=1%: commits fail; lose-frames=1%, double-frames=1%, late-frames=1%: messages between actors are lost, come twice, \
come late";

/// With `slow-disk`, how many commits in a million take long.
const SLOW_PER_MILLION: u32 = 20_000;

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chaos(Vec<(&'static str, u64)>);

impl Chaos {
    /// The settings that it stands for.
    pub(super) fn flags(&self) -> impl Iterator<Item = Flag> {
        self.0.iter().map(|(key, value)| Flag::new("--chaos", *key, value.to_string()))
    }

    /// Reads `what=how-much`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (what, how_much) = text.split_once('=').unwrap_or((text, ""));
        let often = |key| match per_million(how_much) {
            Some(times) => Ok(Self(vec![(key, times.into())])),
            None => {
                Err(format!("`{what}` wants a share of more than 0% and up to 100%, such as {what}=1% or {what}=0.05%"))
            }
        };
        let long = || {
            words::duration_ms(how_much)
                .filter(|ms| *ms > 0)
                .ok_or_else(|| format!("`{what}` wants a time, such as {what}=200ms, {what}=5s or {what}=1m"))
        };
        match what {
            "kill-actor" => Ok(Self(vec![("faults.kill_actor_every_ms", long()?)])),
            "slow-disk" => Ok(Self(vec![
                ("faults.commits_slow_per_million", SLOW_PER_MILLION.into()),
                ("faults.slow_ms_max", long()?),
            ])),
            "fail-commits" => often("faults.commits_failed_per_million"),
            "lose-frames" => often("faults.frames_lost_per_million"),
            "double-frames" => often("faults.frames_doubled_per_million"),
            "late-frames" => often("faults.frames_late_per_million"),
            _ => Err(format!(
                "there is no chaos `{what}`; there is kill-actor, slow-disk, fail-commits, lose-frames, double-frames and \
                 late-frames"
            )),
        }
    }
}

/// A share in percent, with up to four decimals, as so many in a million; nothing if it is none.
fn per_million(text: &str) -> Option<u32> {
    let number = text.strip_suffix('%')?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || decimals.len() > 4 || !is_number(whole) || !is_number(decimals) || number.ends_with('.') {
        return None;
    }
    let times = format!("{whole}{decimals:0<4}").parse().ok()?;
    (1..=1_000_000).contains(&times).then_some(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_wrong_is_said_in_settings() {
        let table = [
            ("kill-actor=5s", vec![("faults.kill_actor_every_ms", 5_000)]),
            ("kill-actor=1m", vec![("faults.kill_actor_every_ms", 60_000)]),
            ("slow-disk=200ms", vec![("faults.commits_slow_per_million", 20_000), ("faults.slow_ms_max", 200)]),
            ("fail-commits=1%", vec![("faults.commits_failed_per_million", 10_000)]),
            ("lose-frames=0.05%", vec![("faults.frames_lost_per_million", 500)]),
            ("double-frames=100%", vec![("faults.frames_doubled_per_million", 1_000_000)]),
            ("late-frames=0.0001%", vec![("faults.frames_late_per_million", 1)]),
        ];
        for (text, settings) in table {
            assert_eq!(Chaos::parse(text), Ok(Chaos(settings)), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for wrong in [
            "fail-commits",
            "fail-commits=",
            "fail-commits=1",
            "fail-commits=0%",
            "fail-commits=101%",
            "fail-commits=-1%",
            "fail-commits=.5%",
            "fail-commits=1.%",
            "fail-commits=0.00001%",
            "fail-commits=5s",
            "kill-actor=1%",
            "kill-actor=0s",
            "kill-actor=5",
            "kill-actr=5s",
            "",
            "=",
        ] {
            let refused = Chaos::parse(wrong).unwrap_err();
            assert!(refused.contains(&format!("`{}`", wrong.split('=').next().unwrap())), "{wrong}: {refused}");
        }
    }
}
