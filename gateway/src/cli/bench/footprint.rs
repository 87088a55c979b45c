//! What a load costs the machine, as the kernel counts it: processor time, bytes written, flushes, memory.
//!
//! The load generator is this process, and mostly the node is too; the private broker is its child, and so is each of several nodes. Of
//! a broker elsewhere nothing is known, and of what the kernel does not tell nothing is said.

use std::{fs, os::unix::fs::MetadataExt, path::Path, time::Duration};

/// What the processes have used since they began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Footprint {
    /// Of all processors together.
    pub(super) cpu: Option<Duration>,
    /// Of which this process.
    pub(super) own_cpu: Option<Duration>,
    /// Of which the broker.
    pub(super) broker_cpu: Option<Duration>,
    /// Bytes that were sent to disks.
    pub(super) disk_bytes: Option<u64>,
    /// Flushes of the disk under the data folder, whoever asked for them; where the kernel counts none, as of many virtual disks,
    /// the durable commits.
    pub(super) flushes: Option<u64>,
    /// Commits of all databases that wrote something; of several nodes, all that were replicated.
    commits: Option<u64>,
    /// The most memory that they had, each at its own time, in bytes.
    pub(super) peak_memory_bytes: Option<u64>,
}

impl Footprint {
    /// Of this process, its broker, and its nodes that are processes of their own. Their databases are in this folder, and have
    /// committed so often.
    pub(super) fn now(broker: Option<u32>, nodes: &[u32], data: &Path, commits: Option<u64>) -> Self {
        const OWN: &str = "self";
        let broker = broker.map(|pid| pid.to_string());
        let nodes = nodes.iter().map(u32::to_string);
        let all: Vec<String> = [OWN.to_owned()].into_iter().chain(broker.clone()).chain(nodes).collect();
        let sum = |of: fn(&str) -> Option<u64>| all.iter().map(|process| of(process)).sum::<Option<u64>>();
        Self {
            cpu: sum(cpu_ms).map(Duration::from_millis),
            own_cpu: cpu_ms(OWN).map(Duration::from_millis),
            broker_cpu: broker.and_then(|broker| cpu_ms(&broker)).map(Duration::from_millis),
            disk_bytes: sum(|process| field(process, "io", "write_bytes:")),
            flushes: flushes(data),
            commits,
            peak_memory_bytes: sum(|process| field(process, "status", "VmHWM:")).map(|kib| kib * 1_024),
        }
    }

    /// What was used since an earlier moment; memory as it is.
    pub(super) fn since(self, before: Self) -> Self {
        let less = |now: Option<u64>, before: Option<u64>| Some(now?.saturating_sub(before?));
        let spent = |now: Option<Duration>, before: Option<Duration>| Some(now?.saturating_sub(before?));
        let commits = less(self.commits, before.commits);
        Self {
            cpu: spent(self.cpu, before.cpu),
            own_cpu: spent(self.own_cpu, before.own_cpu),
            broker_cpu: spent(self.broker_cpu, before.broker_cpu),
            disk_bytes: less(self.disk_bytes, before.disk_bytes),
            flushes: less(self.flushes, before.flushes).filter(|flushes| *flushes > 0).or(commits),
            commits,
            peak_memory_bytes: self.peak_memory_bytes,
        }
    }
}

/// A number that follows a word in one of a process's files.
fn field(process: &str, file: &str, word: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/{file}")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(word))?.split_whitespace().next()?.parse().ok()
}

/// The processor time of a process, user's and system's, in milliseconds.
fn cpu_ms(process: &str) -> Option<u64> {
    /// The kernel's clock ticks in a second, which Linux shows to programs as 100 on every machine.
    const TICKS_A_SECOND: u64 = 100;
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field, in parentheses, may have anything in it; user's and system's time are the 14th and 15th.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) * 1_000 / TICKS_A_SECOND)
}

/// How often the disk under a folder was flushed.
fn flushes(folder: &Path) -> Option<u64> {
    let device = fs::metadata(folder).ok()?.dev();
    let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let of = |path: String| {
        let text = fs::read_to_string(path).ok()?;
        // The 16th number of a whole disk's statistics; a part of one has fewer.
        text.split_whitespace().nth(15)?.parse::<u64>().ok()
    };
    let disk = format!("/sys/dev/block/{major}:{minor}");
    of(format!("{disk}/stat")).filter(|flushes| *flushes > 0).or_else(|| of(format!("{disk}/../stat")))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn what_this_process_uses_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let now = || Footprint::now(None, &[], folder.path(), None);
        let before = now();
        let (began, mut spun) = (Instant::now(), 0_u64);
        let used = loop {
            spun = std::hint::black_box(spun + 1);
            let used = now().since(before);
            if used.cpu >= Some(Duration::from_millis(30)) {
                break used;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{used:?}");
        };
        assert!(used.peak_memory_bytes > Some(1 << 20), "{used:?}");
        assert_eq!((used.own_cpu, used.broker_cpu), (used.cpu, None), "there is no other process");
    }

    #[test]
    fn of_a_process_that_is_not_there_nothing_is_known() {
        for (broker, nodes) in [(Some(u32::MAX), vec![]), (None, vec![u32::MAX])] {
            let footprint = Footprint::now(broker, &nodes, Path::new("/nowhere"), Some(0));
            assert_eq!((footprint.cpu, footprint.disk_bytes, footprint.flushes), (None, None, None));
        }
    }

    #[test]
    fn where_the_kernel_counts_no_flush_durable_commits_do() {
        let flushes = |flushes, commits| Footprint { flushes, commits: Some(commits), ..Footprint::default() };
        let used = |now: Footprint, before| now.since(before).flushes;
        assert_eq!(used(flushes(Some(9), 7), flushes(Some(4), 1)), Some(5));
        assert_eq!(used(flushes(Some(0), 7), flushes(Some(0), 1)), Some(6));
        assert_eq!(used(flushes(None, 7), flushes(None, 1)), Some(6));
        assert_eq!(used(Footprint::default(), Footprint::default()), None, "of a node elsewhere nothing is known");
    }
}
