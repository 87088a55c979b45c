//! What a node of several has of the cluster, shared by all that it does there.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_nats::{Client, jetstream::Context};
use parking_lot::Mutex;
use remit_core::id::Time;
use tokio::sync::Notify;

use super::{
    Lease,
    archive::{Archive, Archivist},
    bucket::Bucket,
    member::{Key, Member, Owner},
    node::{Options, Prepare},
    plan::Hosting,
    post::Post,
    registry::Registry,
    standby::Copying,
    stream::Ledger,
    view::View,
    wire::{Known, Status},
};
use crate::{
    bus::{NodeBus, Task},
    codec,
    durable::system_clock,
    guardian::{self, State},
    message::Address,
    store::Error,
};

/// How long a claim may take to be told to all members that are alive.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// A node's part of the cluster.
pub(super) struct Inner {
    pub(super) options: Options,
    pub(super) incarnation: u64,
    pub(super) started_at: Time,
    pub(super) context: Context,
    pub(super) client: Client,
    pub(super) bucket: Bucket,
    pub(super) post: Post,
    pub(super) registry: Arc<Registry>,
    pub(super) lease: Lease,
    pub(super) view: Mutex<View>,
    pub(super) hosting: Mutex<BTreeMap<Address, Hosting>>,
    pub(super) copying: Copying,
    pub(super) archivists: Mutex<BTreeMap<Address, Archivist>>,
    /// Something has changed, so that there may be something to do.
    pub(super) changed: Notify,
    /// The bucket must be watched from the beginning.
    pub(super) rewatch: Notify,
    pub(super) is_leaving: AtomicBool,
    pub(super) create: AtomicBool,
    pub(super) refused: BTreeMap<Address, Arc<AtomicU64>>,
    pub(super) joined: OnceLock<Joined>,
    pub(super) tasks: Mutex<Vec<Task>>,
    /// No more questions are heard.
    pub(super) closes: Notify,
}

/// What there is once a node has joined.
pub(super) struct Joined {
    pub(super) guardian: guardian::Handle,
    pub(super) bus: Arc<NodeBus>,
    pub(super) prepare: Prepare,
}

impl Inner {
    pub(super) fn name_of(&self, journal: Address) -> String {
        let view = self.view.lock();
        view.journals().iter().find(|(of, _)| *of == journal).map(|(_, name)| name.clone()).unwrap_or_default()
    }

    pub(super) fn me(&self) -> Owner {
        Owner { node: self.options.node.clone(), incarnation: self.incarnation }
    }

    /// Takes note of what this node has written itself.
    pub(super) fn heard(&self, key: Key<'_>, revision: u64, fact: &impl serde::Serialize) {
        let value = super::member::to_json(fact);
        // What was just written can be read.
        self.view.lock().heard(&key.to_string(), revision, Some(&value), self.lease.now_ms()).ok();
        self.changed.notify_one();
    }

    pub(super) fn member(&self, beat: u64) -> Member {
        Member {
            id: self.options.id.clone(),
            incarnation: self.incarnation,
            roles: self.options.roles,
            draining: self.is_leaving.load(Relaxed),
            door: self.options.door,
            version: u32::from(codec::VERSION),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            at: system_clock(),
            beat,
        }
    }

    pub(super) fn ledger(&self, name: &str) -> Ledger {
        Ledger::new(self.context.clone(), &self.options.deployment, name, self.options.replicas)
    }

    pub(super) fn archive(&self, name: &str) -> Archive {
        Archive::new(self.context.clone(), &self.options.deployment, name, self.options.replicas)
    }

    /// The other nodes that are alive.
    pub(super) fn living(&self) -> Vec<String> {
        let now_ms = self.lease.now_ms();
        let view = self.view.lock();
        let others = view.members(now_ms).filter(|known| known.is_live && known.name != self.options.node);
        others.map(|known| known.name.to_owned()).collect()
    }

    /// Has all that are alive commit this.
    pub(super) async fn tell_all(&self, known: &Known) -> Result<(), Error> {
        let until = self.lease.now_ms() + u64::try_from(TOLD_WITHIN.as_millis()).unwrap_or(u64::MAX);
        let mut left = self.living();
        loop {
            let told = left.iter().map(|node| async { (node.clone(), self.post.learn(node, known.clone()).await) });
            let missing =
                futures::future::join_all(told).await.into_iter().filter_map(|(node, told)| Some((node, told.err()?)));
            let missing: Vec<_> = missing.collect();
            let living = self.living();
            left = missing.iter().map(|(node, _)| node.clone()).filter(|node| living.contains(node)).collect();
            let Some((_, why)) = missing.iter().find(|(node, _)| left.contains(node)) else { return Ok(()) };
            if self.lease.now_ms() >= until {
                return Err(Error::NotReplicated { what: format!("a claim is not known to all: {why}") });
            }
        }
    }

    /// Whether a journal's actor takes turns here.
    pub(super) fn is_up(&self, journal: Address) -> bool {
        let children = self.joined.get().map(|joined| joined.guardian.status()).unwrap_or_default();
        children.iter().any(|child| child.address == journal && child.state == State::Up)
    }

    pub(super) fn status(&self) -> Vec<Status> {
        let Some(joined) = self.joined.get() else { return Vec::new() };
        let hosting = self.hosting.lock();
        let children = joined.guardian.status().into_iter().filter(|child| hosting.contains_key(&child.address));
        let refused = |journal| self.refused.get(&journal).map_or(0, |refused| refused.load(Relaxed));
        let status = children.map(|child| Status {
            epoch: child.position.epoch,
            state: child.state.as_str().to_owned(),
            queue_depth: u64::try_from(child.queue_depth).unwrap_or(u64::MAX),
            restarts: child.generation,
            refused: refused(child.address),
            name: child.name,
        });
        status.collect()
    }
}
