//! A node of several: how it is set up as a part of the cluster, and what its door asks of that.

use std::{path::Path, sync::Arc, time::Duration};

use futures::future::{BoxFuture, FutureExt as _, join_all};
use remit_actors::{
    cluster::{Cluster as Members, Options, Registry, Seen, Status, member::Roles},
    genesis::Genesis,
    guardian,
    ledger::Journal,
    message::Address,
    store,
};
use remit_api::{
    Code, Error,
    node::{self, Node, Role, State},
    shard::{self, Shard},
};
use remit_core::id::{Epoch, default_name};
use tokio::runtime::Handle;
use tracing::warn;
use uuid::Uuid;

use crate::{
    door::cluster::{Cluster, role_of},
    settings::Settings,
};

/// What a node commits of the others.
const REGISTRY: &str = "node.db";

/// This node as a part of the cluster, which it has not joined yet.
pub(super) fn member(
    settings: &Settings,
    genesis: &Genesis,
    dir: &Path,
    client: &async_nats::Client,
    journals: Vec<Journal>,
    create: bool,
    (run, door): (u64, u64),
) -> Result<Members, store::Error> {
    let registry = Registry::open(&dir.join(REGISTRY))?;
    let id = registry.id_or(&Uuid::new_v4().to_string())?;
    let roles = settings.node.roles();
    let options = Options {
        deployment: genesis.deployment.clone(),
        node: settings.node.name_or_host(),
        id,
        door,
        roles: Roles {
            gateway: roles.contains(&Role::Gateway),
            manager: roles.contains(&Role::Manager),
            shard: roles.contains(&Role::Shard),
            projector: roles.contains(&Role::Projector) && settings.projection.enabled,
        },
        lease_ms: settings.cluster.lease_ms,
        move_within: Duration::from_millis(settings.cluster.move_within_ms),
        replicas: settings.nats.copies(),
        journals,
        others: vec![(Address::Projector, default_name('p', 0))],
        standby: settings.cluster.standby,
        create,
        runtime: Handle::current(),
    };
    Ok(Members::new(client, options, registry, run))
}

/// Asks the cluster for the door.
pub(super) struct Several {
    members: Members,
    guardian: guardian::Handle,
}

impl Several {
    pub(super) fn new(members: Members, guardian: guardian::Handle) -> Self {
        Self { members, guardian }
    }

    async fn all(&self) -> Vec<Shard> {
        let owners = self.members.owners();
        let nodes: std::collections::BTreeSet<&str> =
            owners.iter().filter_map(|(_, _, node)| node.as_deref()).collect();
        let asked = nodes.into_iter().map(|node| async move { (node, self.members.status_of(node).await) });
        let told: std::collections::BTreeMap<&str, Option<Vec<Status>>> = join_all(asked).await.into_iter().collect();
        let shard = |(journal, name, node): &(Address, String, Option<String>)| {
            let status = node.as_deref().and_then(|node| told.get(node)?.as_ref());
            let status = status.and_then(|all| all.iter().find(|status| status.name == *name));
            // Its key says who is to run it; whether that one does already, it says itself.
            let state = match (node, status) {
                (None, _) => "nowhere".to_owned(),
                (Some(_), None) => "unheard".to_owned(),
                (Some(_), Some(status)) => status.state.clone(),
            };
            Shard {
                id: name.clone(),
                role: role_of(*journal),
                node: node.clone().unwrap_or_default(),
                epoch: status.map_or(Epoch(0), |status| status.epoch),
                state,
                store: "sqlite".to_owned(),
                queue_depth: status.map_or(0, |status| status.queue_depth),
                restarts: status.map_or(0, |status| status.restarts),
                refused: status.map_or(0, |status| status.refused),
            }
        };
        owners.iter().map(shard).collect()
    }

    async fn one(&self, id: &str) -> Result<Shard, Error> {
        let found = self.all().await.into_iter().find(|shard| shard.id == id);
        found.ok_or_else(|| Error::invalid("id", format!("there is no shard `{id}`")))
    }

    fn seen(&self, name: &str, field: &'static str) -> Result<Seen, Error> {
        let seen = self.members.nodes().into_iter().find(|seen| seen.name == name);
        seen.ok_or_else(|| Error::invalid(field, format!("there is no node `{name}`; `node.list` has all there are")))
    }
}

fn node(seen: Seen) -> Node {
    let Seen { name, member, heard_ms_ago, is_live, is_draining, runs } = seen;
    let state = match (is_live, is_draining, runs.is_empty()) {
        (false, ..) => State::Silent,
        (true, false, _) => State::Live,
        (true, true, false) => State::Draining,
        (true, true, true) => State::Drained,
    };
    let Roles { gateway, manager, shard, projector } = member.roles;
    let roles =
        [(gateway, Role::Gateway), (manager, Role::Manager), (shard, Role::Shard), (projector, Role::Projector)];
    Node {
        name,
        state,
        roles: roles.into_iter().filter(|(has, _)| *has).map(|(_, role)| role).collect(),
        runs,
        heard_ms: heard_ms_ago,
        version: member.program,
        started_at: member.started_at,
    }
}

fn unreached(error: impl std::fmt::Display) -> Error {
    Error::unavailable(error.to_string())
}

impl Cluster for Several {
    fn shards(&self) -> BoxFuture<'_, Result<shard::List, Error>> {
        async { Ok(shard::List { shards: self.all().await }) }.boxed()
    }

    fn nodes(&self) -> BoxFuture<'_, Result<node::List, Error>> {
        let nodes = self.members.nodes().into_iter().map(node).collect();
        async move { Ok(node::List { nodes }) }.boxed()
    }

    fn drain(&self, name: &str) -> BoxFuture<'_, Result<Node, Error>> {
        let name = name.to_owned();
        async move {
            let seen = self.seen(&name, "name")?;
            let takes = |other: &Seen| {
                let (has, needs) = (other.member.roles, seen.member.roles);
                let serves = (has.manager || !needs.manager) && (has.shard || !needs.shard);
                other.name != name && other.is_live && !other.is_draining && serves
            };
            if !self.members.nodes().iter().any(takes) {
                let message = format!("no other node could run what `{name}` runs");
                return Err(Error::new(Code::Conflict, message));
            }
            self.members.drain(&name, seen.member.incarnation).await.map_err(unreached)?;
            Ok(node(self.seen(&name, "name")?))
        }
        .boxed()
    }

    fn move_to(&self, shard: &str, to: &str) -> BoxFuture<'_, Result<Shard, Error>> {
        let (shard, to) = (shard.to_owned(), to.to_owned());
        async move {
            let seen = self.seen(&to, "node")?;
            let one = self.one(&shard).await?;
            let roles = seen.member.roles;
            let serves = match one.role {
                shard::Role::Shard => roles.shard,
                shard::Role::Manager => roles.manager,
                shard::Role::Projector => roles.projector,
            };
            let why = match (seen.is_live, seen.is_draining, serves) {
                (false, ..) => Some("has not been heard of"),
                (_, true, _) => Some("gives away what it runs"),
                (.., false) => Some("does not have the role for it"),
                _ => None,
            };
            if let Some(why) = why {
                return Err(Error::new(Code::Conflict, format!("`{shard}` can't go to `{to}`, which {why}")));
            }
            self.members.pin(&shard, &to).await.map_err(unreached)?;
            self.one(&shard).await
        }
        .boxed()
    }

    fn adopt(&self, shard: &str, why: &str, by: Option<&str>) -> BoxFuture<'_, Result<Shard, Error>> {
        let (shard, why, by) = (shard.to_owned(), why.to_owned(), by.unwrap_or("somebody").to_owned());
        async move {
            let one = self.one(&shard).await?;
            if one.state == "up" {
                return Err(Error::new(Code::Conflict, format!("`{shard}` is served: there is nothing to adopt")));
            }
            warn!(shard, why, by, "adopted: it is served from what can be reached");
            self.members.adopt(&shard, &why, &by).await.map_err(unreached)?;
            self.one(&shard).await
        }
        .boxed()
    }

    fn ended(&self) -> u64 {
        self.guardian.status().iter().map(|child| child.position.ended).sum()
    }
}

/// How a node keeps the deployment's facts in the broker, which may lose them.
pub(super) async fn keep_facts(broker: async_nats::jetstream::Context, copies: usize, genesis: Arc<Genesis>) {
    const EVERY: Duration = Duration::from_secs(10);
    loop {
        tokio::time::sleep(EVERY).await;
        // A broker that is away has nothing to be told.
        if let Err(error @ super::founding::Error::OtherDeployment { .. }) =
            super::founding::say_again(&broker, copies, &genesis).await
        {
            warn!(%error, "the broker has another deployment's facts");
        }
    }
}
