//! Who runs what: what a door asks about the nodes and databases of its deployment, and the orders that it passes on.
//!
//! [`Cluster`] is the question; [`Alone`] answers it for a node that runs everything and commits to its disk.

use std::collections::BTreeSet;

use futures::future::{BoxFuture, FutureExt as _, ready};
use remit_actors::{
    durable::system_clock,
    guardian::{self, ChildStatus},
    message::Address,
};
use remit_api::{
    Code, Error,
    node::{self, Node},
    shard::{self, Shard},
};
use remit_core::id::Time;

use super::Door;

/// Who runs what in a deployment. All ids of shards that it is given are those of databases that there are.
pub trait Cluster: Send + Sync {
    /// Every durable actor of the deployment, wherever it runs.
    fn shards(&self) -> BoxFuture<'_, Result<shard::List, Error>>;

    /// Every node that has been heard of lately.
    fn nodes(&self) -> BoxFuture<'_, Result<node::List, Error>>;

    /// Has what a node runs go on elsewhere; begins it, and answers how the node stands.
    ///
    /// # Errors
    /// `invalid_request` in `name` if there is no such node, `conflict` if nobody could run it.
    fn drain(&self, name: &str) -> BoxFuture<'_, Result<Node, Error>>;

    /// Has a shard served by a node; begins it, and answers how the shard stands.
    ///
    /// # Errors
    /// `invalid_request` in `node` if there is no such node, `conflict` if it can't be served there.
    fn move_to(&self, shard: &str, node: &str) -> BoxFuture<'_, Result<Shard, Error>>;

    /// Has a shard served from what can be reached, although something newer may exist on a machine that is gone.
    ///
    /// # Errors
    /// `conflict` if nothing is in its way.
    fn adopt(&self, shard: &str, why: &str, by: Option<&str>) -> BoxFuture<'_, Result<Shard, Error>>;

    /// Transfers that have ended so far, on all nodes as far as that is known here. It falls back when an actor begins anew.
    fn ended(&self) -> u64;
}

/// A node that runs everything, and has its databases on its disk alone.
pub struct Alone {
    guardian: guardian::Handle,
    name: String,
    started_at: Time,
}

impl Alone {
    /// This node, which is called so and begins now.
    pub fn new(guardian: guardian::Handle, name: impl Into<String>) -> Self {
        Self { guardian, name: name.into(), started_at: system_clock() }
    }

    fn node(&self) -> Node {
        let children = self.guardian.status();
        Node {
            name: self.name.clone(),
            state: node::State::Live,
            roles: roles(&children),
            runs: children.into_iter().map(|child| child.name).collect(),
            heard_ms: 0,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
        }
    }

    /// Why an order can't be obeyed here.
    fn refused<T: Send + 'static>(&self) -> BoxFuture<'static, Result<T, Error>> {
        let message =
            format!("this deployment has one node and commits to its disk: all that it has is on `{}`", self.name);
        ready(Err(Error::new(Code::Conflict, message))).boxed()
    }
}

impl Cluster for Alone {
    fn shards(&self) -> BoxFuture<'_, Result<shard::List, Error>> {
        let shards = self.guardian.status().into_iter().map(|child| shard_of(child, &self.name)).collect();
        ready(Ok(shard::List { shards })).boxed()
    }

    fn nodes(&self) -> BoxFuture<'_, Result<node::List, Error>> {
        ready(Ok(node::List { nodes: vec![self.node()] })).boxed()
    }

    fn drain(&self, _name: &str) -> BoxFuture<'_, Result<Node, Error>> {
        self.refused()
    }

    fn move_to(&self, _shard: &str, _node: &str) -> BoxFuture<'_, Result<Shard, Error>> {
        self.refused()
    }

    fn adopt(&self, _shard: &str, _why: &str, _by: Option<&str>) -> BoxFuture<'_, Result<Shard, Error>> {
        self.refused()
    }

    fn ended(&self) -> u64 {
        self.guardian.status().iter().map(|child| child.position.ended).sum()
    }
}

/// A durable actor that a node runs, as lists have it.
pub(crate) fn shard_of(child: ChildStatus, node: &str) -> Shard {
    Shard {
        id: child.name,
        role: role_of(child.address),
        node: node.to_owned(),
        epoch: child.position.epoch,
        state: child.state.as_str().to_owned(),
        store: "sqlite".to_owned(),
        queue_depth: u64::try_from(child.queue_depth).unwrap_or(u64::MAX),
        restarts: child.generation,
        refused: 0,
    }
}

/// What a durable actor does.
pub(crate) fn role_of(actor: Address) -> shard::Role {
    match actor {
        Address::Manager(_) => shard::Role::Manager,
        Address::Projector => shard::Role::Projector,
        Address::Shard(_) | Address::Gateway(_) | Address::Ledger => shard::Role::Shard,
    }
}

/// What a node does that has a door and runs these.
fn roles(children: &[ChildStatus]) -> Vec<node::Role> {
    let runs = children.iter().map(|child| match role_of(child.address) {
        shard::Role::Manager => node::Role::Manager,
        shard::Role::Projector => node::Role::Projector,
        shard::Role::Shard => node::Role::Shard,
    });
    let all: BTreeSet<node::Role> = runs.chain([node::Role::Gateway]).collect();
    all.into_iter().collect()
}

impl Door {
    /// Has a shard served by a node.
    pub(super) async fn move_shard(&self, request: shard::MoveRequest) -> Result<Shard, Error> {
        self.check_shard(&request.id)?;
        self.cluster.move_to(&request.id, &request.node).await
    }

    /// Has a shard served from what can be reached.
    pub(super) async fn adopt_shard(&self, request: shard::AdoptRequest) -> Result<Shard, Error> {
        request.grounds()?;
        self.check_shard(&request.id)?;
        if request.id == self.name_of(Address::Projector) {
            let message = format!("`{}` keeps no journal: it is built anew wherever it runs", request.id);
            return Err(Error::invalid("id", message));
        }
        self.cluster.adopt(&request.id, &request.why, request.by.as_deref()).await
    }

    /// Refuses what is no durable actor of this deployment.
    fn check_shard(&self, id: &str) -> Result<(), Error> {
        let shards = self.genesis.shard_numbers().map(Address::Shard);
        let managers = self.genesis.partition_numbers().map(Address::Manager);
        let mut all = shards.chain(managers).chain([Address::Projector]);
        if all.any(|actor| self.name_of(actor) == id) {
            return Ok(());
        }
        Err(Error::invalid("id", format!("there is no shard `{id}`; `shard.list` has all there are")))
    }
}
