//! What a node of a cluster does all the time: it beats, watches the bucket, and does what the plan says.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout};
use tracing::warn;

use super::{
    bucket,
    heart::{beat, watch},
    inner::{Inner, Joined},
    member::Key,
    node::{Cluster, Prepare},
    office,
    plan::{self, Act, Hosting, Me},
    standby::follow,
    wire::Known,
};
use crate::{
    bus::{NodeBus, Task},
    codec,
    guardian::{self, Retire},
};

/// How often it is looked whether something has come about.
const LOOK: Duration = Duration::from_millis(10);
/// The longest time without a look at the plan.
const REST: Duration = Duration::from_millis(500);

/// Why a node can't join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Another node has its name.
    #[error("a node named `{0}` is running already; give this one another name: --name NAME")]
    Name(String),
    /// Its program is of another version than those that are there.
    #[error(
        "this program speaks version {own} of frames, and the node `{node}` version {theirs}: all nodes of a deployment speak the same; \
         end them all before the first one of another version starts"
    )]
    Version {
        /// A node that is there.
        node: String,
        /// What it speaks.
        theirs: u32,
        /// What this one speaks.
        own: u32,
    },
    /// The broker does not keep the cluster's bucket.
    #[error("the node can't join the cluster")]
    Bucket(#[from] bucket::Error),
}

impl Cluster {
    /// Joins: from now on this node is one that work is placed on. Returns when it has been heard of, and knows what the others
    /// know.
    ///
    /// # Errors
    /// Its name is taken, or the broker can't be reached.
    pub async fn join(&self, guardian: guardian::Handle, bus: Arc<NodeBus>, prepare: Prepare) -> Result<(), JoinError> {
        let inner = &self.0;
        let first = inner.first_beat().await?;
        inner.joined.set(Joined { guardian, bus, prepare }).ok();
        inner.options.runtime.spawn(office::serve(self.clone()));
        let mut tasks = vec![
            Task::spawn(&inner.options.runtime, beat(self.clone(), first)),
            Task::spawn(&inner.options.runtime, watch(self.clone())),
        ];
        // What the others know of claims, before anything is claimed here.
        while !inner.view.lock().is_complete() {
            sleep(LOOK).await;
        }
        let own = u32::from(codec::VERSION);
        let other = inner.living().into_iter().find_map(|node| {
            let theirs = inner.view.lock().member(&node)?.version;
            (theirs != own).then_some((node, theirs))
        });
        if let Some((node, theirs)) = other {
            drop(tasks);
            inner.closes.notify_one();
            inner.forget_self().await;
            return Err(JoinError::Version { node, theirs, own });
        }
        inner.exchange(&inner.living()).await;
        tasks.push(Task::spawn(&inner.options.runtime, act(self.clone())));
        tasks.push(Task::spawn(&inner.options.runtime, introduce(self.clone())));
        if inner.options.standby {
            tasks.push(Task::spawn(&inner.options.runtime, follow(self.clone())));
        }
        inner.tasks.lock().extend(tasks);
        Ok(())
    }

    /// Waits until what is placed here runs here, at most so long; whether it does.
    pub async fn settled(&self, within: Duration) -> bool {
        let settled = async {
            while !self.0.is_settled() {
                sleep(LOOK).await;
            }
        };
        timeout(within, settled).await.is_ok()
    }

    /// Gives away what this node runs, as far as others take it within so long; ends the rest in order, and leaves.
    pub async fn leave(&self, within: Duration) {
        let inner = &self.0;
        inner.is_leaving.store(true, Relaxed);
        inner.changed.notify_one();
        let until = Instant::now() + within;
        while !inner.hosting.lock().is_empty() && !inner.living().is_empty() && Instant::now() < until {
            sleep(LOOK).await;
        }
        // From here on nothing new comes.
        inner.tasks.lock().clear();
        inner.closes.notify_one();
        let rest: Vec<_> = inner.hosting.lock().iter().map(|(journal, hosted)| (*journal, *hosted)).collect();
        let left = rest.into_iter().map(|(journal, hosted)| async move {
            inner.put_out(journal, Retire::Drain, within).await;
            if let Hosting::Running { term } | Hosting::Coming { term: Some(term) } = hosted {
                let name = inner.name_of(journal);
                // Who finds the key waits for the lease time, no more.
                inner.bucket.delete(Key::Own(&name), term).await.ok();
            }
        });
        futures::future::join_all(left).await;
        inner.forget_self().await;
    }
}

impl Inner {
    /// Tells these nodes what this one knows of claims and members, and learns what they know.
    async fn exchange(&self, nodes: &[String]) {
        let mine = self.registry.known().unwrap_or_default();
        let members = mine.members.into_iter().chain([self.options.node.clone()]).collect();
        let mine = Known { members, ..mine };
        for node in nodes {
            let exchanged = async {
                let theirs = self.post.tell(node).await.map_err(|error| error.to_string())?;
                self.registry.learn(&theirs).map_err(|error| error.to_string())?;
                self.post.learn(node, mine.clone()).await.map_err(|error| error.to_string())
            };
            if let Err(why) = exchanged.await {
                warn!(node, why, "what is known of claims was not exchanged");
            }
        }
    }

    /// Tells the bus where all that does not run here does.
    fn direct(&self) {
        let Some(joined) = self.joined.get() else { return };
        let view = self.view.lock();
        let elsewhere = view.addresses(self.lease.now_ms()).filter(|(_, node)| *node != self.options.node);
        let mut names: BTreeMap<&str, Arc<str>> = BTreeMap::new();
        joined.bus.elsewhere(
            elsewhere.map(|(address, node)| (address, names.entry(node).or_insert_with(|| node.into()).clone())),
        );
    }

    fn me_now(&self) -> Me {
        Me { node: self.options.node.clone(), incarnation: self.incarnation, lease_until_ms: self.lease.until_ms() }
    }

    fn is_settled(&self) -> bool {
        let now_ms = self.lease.now_ms();
        let hosting = self.hosting.lock().clone();
        let view = self.view.lock();
        let runs = |journal| matches!(hosting.get(&journal), Some(Hosting::Running { .. })) && self.is_up(journal);
        let mut placement = view.placement(now_ms).into_iter();
        view.is_complete() && placement.all(|(journal, node)| node != self.options.node || runs(journal))
    }
}

/// Does what the plan says, whenever something has changed.
async fn act(cluster: Cluster) {
    let inner = &cluster.0;
    loop {
        inner.direct();
        let (acts, wait) = {
            let now_ms = inner.lease.now_ms();
            let mut hosting = inner.hosting.lock();
            hosting
                .retain(|_, hosted| !matches!(hosted, Hosting::Refused { not_before_ms } if *not_before_ms <= now_ms));
            let view = inner.view.lock();
            let wait = plan::wait_ms(&view, &hosting, now_ms).map_or(REST, Duration::from_millis).min(REST);
            (plan::next(&view, &inner.me_now(), &hosting, now_ms), wait)
        };
        let is_leaving = inner.is_leaving.load(Relaxed);
        for act in acts {
            let cluster = cluster.clone();
            match act {
                Act::LetGo { journal } => {
                    inner.hosting.lock().insert(journal, Hosting::Going);
                    inner.options.runtime.spawn(async move { cluster.0.let_go(journal).await });
                }
                Act::Rewrite { journal } => inner.rewrite(journal).await,
                Act::Take { .. } | Act::Ask { .. } if is_leaving => {}
                Act::Take { journal, expect } => {
                    inner.hosting.lock().insert(journal, Hosting::Coming { term: None });
                    inner.options.runtime.spawn(async move { cluster.0.take(journal, expect).await });
                }
                Act::Ask { journal, from, term } => {
                    inner.hosting.lock().insert(journal, Hosting::Coming { term: None });
                    inner.options.runtime.spawn(async move { cluster.0.ask(journal, &from, term).await });
                }
            }
        }
        timeout(wait, inner.changed.notified()).await.ok();
    }
}

/// Tells nodes that come, or come back, what is known of claims: they may have missed some.
async fn introduce(cluster: Cluster) {
    let inner = &cluster.0;
    let mut known = BTreeMap::new();
    loop {
        let now_ms = inner.lease.now_ms();
        let living: BTreeMap<String, u64> = {
            let view = inner.view.lock();
            let living = view.members(now_ms).filter(|seen| seen.is_live && seen.name != inner.options.node);
            living.map(|seen| (seen.name.to_owned(), seen.member.incarnation)).collect()
        };
        let new: Vec<String> =
            living.iter().filter(|(node, by)| known.get(*node) != Some(*by)).map(|(node, _)| node.clone()).collect();
        if !new.is_empty() {
            inner.exchange(&new).await;
        }
        known = living;
        sleep(REST).await;
    }
}
