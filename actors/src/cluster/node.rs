//! A node of several: what its parts ask of the cluster.
//!
//! Its life: it [`joins`](Cluster::join), from when on it beats, watches, and does what the plan says; what it runs comes and goes;
//! it [`leaves`](Cluster::leave), giving away what it runs to those who stay.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_nats::{Client, jetstream::context::ContextBuilder};
use parking_lot::Mutex;
use remit_core::id::Epoch;
use tokio::{runtime::Handle, sync::Notify};
use tracing::warn;

use super::{
    Lease,
    appender::{Appender, wait},
    around::Reach,
    bucket::{self, Bucket},
    inner::Inner,
    member::{Adoption, Key, Member, Roles, from_json},
    post::Post,
    registry::Registry,
    standby::Copying,
    takeover::{self, Copy, Leave},
    view::View,
    wire::{Claimed, Known, Status},
};
use crate::{
    durable::system_clock,
    ledger::Journal,
    message::Address,
    store::{Error, replica::Replica},
};

/// How long the broker may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Makes a file of this node as new as its stream, while another node still runs the journal. Called on a thread that may block.
pub type Prepare = Arc<dyn Fn(Address) -> Result<(), Error> + Send + Sync>;

/// How a node is a part of the cluster.
#[derive(Clone)]
pub struct Options {
    /// The deployment.
    pub deployment: String,
    /// This node's name.
    pub node: String,
    /// The id of its data folder.
    pub id: String,
    /// The number of its door.
    pub door: u64,
    /// What it may run.
    pub roles: Roles,
    /// A node that has not been heard of for so long is dead, in milliseconds.
    pub lease_ms: u64,
    /// How long a planned move may take.
    pub move_within: Duration,
    /// Copies of each stream and bucket: 1 to 5.
    pub replicas: usize,
    /// The journals of the deployment, with their files on this node.
    pub journals: Vec<Journal>,
    /// The other actors that run on one node each, with their names.
    pub others: Vec<(Address, String)>,
    /// Whether copies are kept of what this node would run if its owner died.
    pub standby: bool,
    /// Whether the deployment is being made, by this node.
    pub create: bool,
    /// Where tasks run.
    pub runtime: Handle,
}

/// A node of a cluster. Cheap to clone.
#[derive(Clone)]
pub struct Cluster(pub(super) Arc<Inner>);

/// A node as the others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its name.
    pub name: String,
    /// What it says of itself.
    pub member: Member,
    /// How long ago it was heard of, in milliseconds.
    pub heard_ms_ago: u64,
    /// Whether it is alive.
    pub is_live: bool,
    /// Whether it gives away what it runs.
    pub is_draining: bool,
    /// What it runs.
    pub runs: Vec<String>,
}

impl Cluster {
    /// A node that has not joined yet.
    #[must_use]
    pub fn new(client: &Client, options: Options, registry: Registry, incarnation: u64) -> Self {
        let context = ContextBuilder::new().timeout(ANSWER_WITHIN).ack_timeout(ANSWER_WITHIN).build(client.clone());
        let lease = Lease::default();
        let journals = options.journals.iter().map(|journal| (journal.source, journal.name.clone()));
        let journals: Vec<_> = journals.chain(options.others.iter().cloned()).collect();
        let refused = journals.iter().map(|(journal, _)| (*journal, Arc::default())).collect();
        Self(Arc::new(Inner {
            incarnation,
            started_at: system_clock(),
            bucket: Bucket::new(context.clone(), &options.deployment, options.replicas, options.lease_ms),
            context,
            client: client.clone(),
            post: Post::new(client.clone(), &options.deployment),
            registry: Arc::new(registry),
            view: Mutex::new(View::new(journals, options.lease_ms, lease.now_ms())),
            lease,
            hosting: Mutex::default(),
            copying: Copying::default(),
            archivists: Mutex::default(),
            changed: Notify::new(),
            rewatch: Notify::new(),
            is_leaving: AtomicBool::new(false),
            create: AtomicBool::new(options.create),
            refused,
            joined: OnceLock::new(),
            tasks: Mutex::default(),
            closes: Notify::new(),
            options,
        }))
    }

    /// Makes a journal's file and its stream equal, and gives the way into the stream for whoever claims it now. Blocks.
    ///
    /// # Errors
    /// It is not this node's to run, or something that is needed can't be reached.
    pub fn take_over(&self, journal: Address, copy: &mut dyn Copy) -> Result<Box<dyn Replica>, Error> {
        let inner = &self.0;
        if inner.lease.is_over() || !inner.hosting.lock().contains_key(&journal) {
            return Err(Error::LeaseExpired);
        }
        let leave = Leave { create: inner.create.load(Relaxed), adopt: self.is_adopted(journal)? };
        let mut reach = self.reach(journal)?;
        let leveled = takeover::level(&reach.name.clone(), copy, &mut reach, leave)?;
        let refused = inner.refused.get(&journal).cloned().unwrap_or_default();
        let (ledger, runtime, lease) = (reach.ledger, inner.options.runtime.clone(), inner.lease.clone());
        Ok(Box::new(Appender::new(ledger, runtime, journal, lease, leveled, refused)))
    }

    /// Brings a journal's file near to the end of its stream, without any claim. Blocks.
    ///
    /// # Errors
    /// Something can't be reached, or file and stream differ.
    pub fn follow(&self, journal: Address, copy: &mut dyn Copy) -> Result<(), Error> {
        takeover::follow(copy, &mut self.reach(journal)?)
    }

    /// Tells a claim to all members that are alive, who commit it before this returns (R18). Blocks.
    ///
    /// # Errors
    /// One that is alive does not confirm it.
    pub fn claimed(&self, journal: Address, epoch: Epoch) -> Result<(), Error> {
        let inner = &self.0;
        let name = inner.name_of(journal);
        let claim = Claimed { journal: name.clone(), epoch, node: inner.options.node.clone() };
        self.make_known(Known { claims: vec![claim], ..Known::default() })?;
        let cluster = self.clone();
        wait(&inner.options.runtime, async move {
            // An adoption ends with the first claim after it.
            let key = Key::Adopt(&name);
            if let Ok(Some((revision, Some(_)))) = cluster.0.bucket.read(key).await {
                cluster.0.bucket.delete(key, revision).await.ok();
            }
        })
    }

    /// Commits this here and at all members that are alive. Blocks.
    pub(super) fn make_known(&self, known: Known) -> Result<(), Error> {
        let inner = &self.0;
        let known = Known { members: vec![inner.options.node.clone()], ..known };
        inner.registry.learn(&known)?;
        let cluster = self.clone();
        wait(&inner.options.runtime, async move { cluster.0.tell_all(&known).await })?
    }

    /// All nodes, as this one sees them.
    #[must_use]
    pub fn nodes(&self) -> Vec<Seen> {
        let now_ms = self.0.lease.now_ms();
        let view = self.0.view.lock();
        let runs = |node: &str| {
            let owned = view.journals().iter().filter(|(journal, _)| {
                view.owner(*journal, now_ms).is_some_and(|owned| owned.is_live && owned.node == node)
            });
            owned.map(|(_, name)| name.clone()).collect()
        };
        let seen = view.members(now_ms).map(|known| Seen {
            name: known.name.to_owned(),
            member: known.member.clone(),
            heard_ms_ago: known.heard_ms_ago,
            is_live: known.is_live,
            is_draining: known.is_draining,
            runs: runs(known.name),
        });
        seen.collect()
    }

    /// Who runs what, as far as is known: each journal's name, and its living owner's.
    #[must_use]
    pub fn owners(&self) -> Vec<(Address, String, Option<String>)> {
        let now_ms = self.0.lease.now_ms();
        let view = self.0.view.lock();
        let owner =
            |journal| view.owner(journal, now_ms).filter(|owned| owned.is_live).map(|owned| owned.node.to_owned());
        view.journals().iter().map(|(journal, name)| (*journal, name.clone(), owner(*journal))).collect()
    }

    /// How often this node was refused, by actor: its appends since somebody else had appended, its commits since its lease was over.
    #[must_use]
    pub fn refused(&self) -> Vec<(String, u64)> {
        let of = |(journal, refused): (&Address, &Arc<AtomicU64>)| (self.0.name_of(*journal), refused.load(Relaxed));
        self.0.refused.iter().map(of).collect()
    }

    /// What a node runs, as it says itself; this one without asking. `None` if it does not answer.
    pub async fn status_of(&self, node: &str) -> Option<Vec<Status>> {
        if node == self.0.options.node {
            return Some(self.0.status());
        }
        self.0.post.status(node).await.ok()
    }

    /// Has a node give away all that it runs, until its process ends.
    ///
    /// # Errors
    /// The broker can't be reached.
    pub async fn drain(&self, node: &str, incarnation: u64) -> Result<(), bucket::Error> {
        let revision = self.0.bucket.put(Key::Drain(node), &incarnation).await?;
        self.0.heard(Key::Drain(node), revision, &incarnation);
        Ok(())
    }

    /// Wants a journal on a node from now on.
    ///
    /// # Errors
    /// The broker can't be reached.
    pub async fn pin(&self, journal: &str, node: &str) -> Result<(), bucket::Error> {
        let revision = self.0.bucket.put(Key::Pin(journal), &node).await?;
        self.0.heard(Key::Pin(journal), revision, &node);
        Ok(())
    }

    /// Whoever runs a journal serves it from what can be reached, until it is served.
    ///
    /// # Errors
    /// The broker can't be reached.
    pub async fn adopt(&self, journal: &str, why: &str, by: &str) -> Result<(), bucket::Error> {
        let adoption = Adoption { why: why.to_owned(), by: by.to_owned() };
        self.0.bucket.put(Key::Adopt(journal), &adoption).await.map(|_| ())
    }

    fn is_adopted(&self, journal: Address) -> Result<bool, Error> {
        let (cluster, name) = (self.clone(), self.0.name_of(journal));
        let read = wait(&self.0.options.runtime, async move { cluster.0.bucket.read(Key::Adopt(&name)).await })?;
        let found = read.map_err(|error| Error::NotReplicated { what: error.to_string() })?;
        let adoption = found.and_then(|(_, value)| from_json::<Adoption>(&value?).ok());
        if let Some(Adoption { why, by }) = &adoption {
            warn!(journal = self.0.name_of(journal), why, by, "adopts a journal: something newer may be lost");
        }
        Ok(adoption.is_some())
    }

    /// All that the deployment consists of has been made.
    pub fn is_made(&self) {
        self.0.create.store(false, Relaxed);
    }

    fn reach(&self, journal: Address) -> Result<Reach, Error> {
        let inner = &self.0;
        let name = inner.name_of(journal);
        let mut others: BTreeSet<String> = inner.registry.known()?.members.into_iter().collect();
        let now_ms = inner.lease.now_ms();
        let live: BTreeSet<String> = {
            let view = inner.view.lock();
            others.extend(view.members(now_ms).map(|known| known.name.to_owned()));
            view.members(now_ms).filter(|known| known.is_live).map(|known| known.name.to_owned()).collect()
        };
        others.remove(&inner.options.node);
        Ok(Reach {
            cluster: self.clone(),
            journal,
            ledger: inner.ledger(&name),
            archive: inner.archive(&name),
            name,
            others: others.into_iter().map(|node| (live.contains(&node), node)).collect(),
            end: takeover::End::default(),
            cursor: None,
            told: None,
        })
    }
}
