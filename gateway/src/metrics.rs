//! Metrics, for whoever scrapes them: an HTTP listener of its own, and only where `metrics.listen` is set.
//!
//! Steps of supervision are counted as they happen. Everything else is looked at once a second, from what anybody may see of
//! the actors and the bus without asking them, so that a stuck actor holds no scrape up. What an actor counts from 0 after each
//! restart goes on rising here (`rising`). Nothing is global: several nodes in one process have metrics of their own.

mod rising;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ::metrics::{Unit, counter, describe_counter, describe_gauge, gauge, with_local_recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use remit_actors::{
    bus::NodeBus,
    cluster::Cluster,
    durable::system_clock,
    guardian::{self, ChildStatus, State},
    message::{Address, Class},
    supervision::{Event, Sink},
};
use tokio::{runtime::Handle, task::AbortHandle};

use self::rising::Rising;

/// How often is looked.
const EACH: Duration = Duration::from_secs(1);
/// How often histograms are drained, of which there are none.
const UPKEEP: Duration = Duration::from_secs(3_600);

/// The address can't be listened on.
#[derive(Debug, thiserror::Error)]
#[error("`metrics.listen` is {address}, where nothing can be served: {why}")]
pub struct Unbound {
    /// What was set.
    pub address: SocketAddr,
    /// Why not.
    pub why: String,
}

/// A node's metrics; no longer served when it is dropped.
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    tasks: Vec<AbortHandle>,
}

impl Metrics {
    /// Serves metrics there, none of them known yet. Needs a runtime around it.
    ///
    /// # Errors
    /// Somebody else listens there, or it is no address of this machine.
    pub fn listen(address: SocketAddr) -> Result<Self, Unbound> {
        let builder = PrometheusBuilder::new().with_http_listener(address).upkeep_timeout(UPKEEP);
        let (recorder, serving) = builder.build().map_err(|error| Unbound { address, why: error.to_string() })?;
        with_local_recorder(&recorder, describe);
        let serving = tokio::spawn(async move {
            // It ends with the node.
            serving.await.ok();
        });
        tracing::info!(%address, "metrics are served");
        Ok(Self { recorder: Arc::new(recorder), tasks: vec![serving.abort_handle()] })
    }

    /// Counts each step, and tells it on.
    #[must_use]
    pub fn counting(&self, next: Sink) -> Sink {
        let recorder = Arc::clone(&self.recorder);
        Arc::new(move |event| {
            with_local_recorder(&*recorder, || count(event));
            next(event);
        })
    }

    /// Looks at the actors and the bus each second from now on, and at what the cluster counts, if this is a node of several.
    pub fn sample(
        &mut self,
        guardian: guardian::Handle,
        bus: Arc<NodeBus>,
        members: Option<Cluster>,
        runtime: &Handle,
    ) {
        let recorder = Arc::clone(&self.recorder);
        let sampling = runtime.spawn(async move {
            let mut rising = Rising::default();
            let mut ticks = tokio::time::interval(EACH);
            loop {
                ticks.tick().await;
                let (actors, bus) = (guardian.status(), bus.stats());
                with_local_recorder(&*recorder, || {
                    actors.iter().for_each(|actor| set(actor, &mut rising));
                    for (what, count) in bus.iter() {
                        counter!("remit_bus_total", "what" => what).absolute(count);
                    }
                    for (actor, refused) in members.iter().flat_map(Cluster::refused) {
                        counter!("remit_appends_refused_total", "actor" => actor).absolute(refused);
                    }
                });
            }
        });
        self.tasks.push(sampling.abort_handle());
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

fn describe() {
    let counters = [
        ("remit_supervision_steps_total", "Steps of supervision, by actor and step."),
        ("remit_actor_restarts_total", "How often an actor was restarted since the node came up."),
        ("remit_actor_commits_total", "Commits of an actor's database; each was flushed to the disk."),
        ("remit_actor_dropped_messages_total", "Messages that found no room, or nobody there, by class."),
        ("remit_transfers_ended_total", "Transfers that have ended, by manager."),
        (
            "remit_appends_refused_total",
            "Appends and commits of this node that were refused, since another node had taken the journal over, or this one's lease \
                             was over.",
        ),
        (
            "remit_bus_total",
            "What the node's bus has done since it started, by what it was: frames, messages, \
                             acknowledgements.",
        ),
    ];
    for (name, help) in counters {
        describe_counter!(name, Unit::Count, help);
    }
    let gauges = [
        ("remit_actor_here", "1 if an actor is to run on this node, 0 if on another."),
        ("remit_actor_up", "1 if an actor takes turns, else 0."),
        ("remit_actor_quarantined", "1 if an actor is set aside, else 0."),
        ("remit_actor_stuck", "1 if an actor's present turn takes too long, else 0."),
        ("remit_actor_epoch", "The claim under which an actor writes to its database."),
        ("remit_actor_queue_messages", "Messages that wait for an actor's next turn."),
        ("remit_transfers_open", "Transfers that have not ended, by manager."),
        ("remit_transfers_overdue", "Open transfers that take longer than they should, by manager."),
        (
            "remit_transfers_oldest_seconds",
            "How long ago the open transfer that began first was accepted, by manager; 0: none is open.",
        ),
        ("remit_transfers_parked", "Open transfers that need an operator, by manager."),
        (
            "remit_money_in_transit_minor_units",
            "The balance of a shard's in-transit account, by currency: what has left it \
                             and not yet arrived elsewhere, less what arrived there. The sum over all shards is the money \
                             between databases. Exact up to 2^53.",
        ),
    ];
    for (name, help) in gauges {
        describe_gauge!(name, Unit::Count, help);
    }
}

fn count(event: &Event) {
    let Event { actor, step, .. } = event;
    counter!("remit_supervision_steps_total", "actor" => actor.clone(), "step" => step.as_str()).increment(1);
}

/// Sets what can be seen of an actor.
fn set(actor: &ChildStatus, rising: &mut Rising) {
    let name = &actor.name;
    let one_if = |holds| if holds { 1.0 } else { 0.0 };
    gauge!("remit_actor_here", "actor" => name.clone()).set(one_if(actor.state != State::Elsewhere));
    gauge!("remit_actor_up", "actor" => name.clone()).set(one_if(matches!(actor.state, State::Up | State::Stuck)));
    gauge!("remit_actor_quarantined", "actor" => name.clone()).set(one_if(actor.state == State::Quarantined));
    gauge!("remit_actor_stuck", "actor" => name.clone()).set(one_if(actor.state == State::Stuck));
    gauge!("remit_actor_epoch", "actor" => name.clone()).set(figure(actor.position.epoch.0.into()));
    gauge!("remit_actor_queue_messages", "actor" => name.clone()).set(figure(actor.queue_depth as i128));
    counter!("remit_actor_restarts_total", "actor" => name.clone()).absolute(actor.generation);
    for (class, dropped) in Class::ALL.into_iter().zip(actor.dropped) {
        counter!("remit_actor_dropped_messages_total", "actor" => name.clone(), "class" => word(class))
            .absolute(dropped);
    }
    let risen = rising.by(actor);
    counter!("remit_actor_commits_total", "actor" => name.clone()).increment(risen.commits);
    match actor.address {
        Address::Manager(_) => {
            counter!("remit_transfers_ended_total", "manager" => name.clone()).increment(risen.ended);
            let position = &actor.position;
            let counts = [
                ("remit_transfers_open", position.open),
                ("remit_transfers_overdue", position.overdue),
                ("remit_transfers_parked", position.parked),
            ];
            for (what, count) in counts {
                gauge!(what, "manager" => name.clone()).set(figure(count.into()));
            }
            let age_ms = position.oldest.map_or(0, |oldest| (system_clock().0 - oldest.0).max(0));
            gauge!("remit_transfers_oldest_seconds", "manager" => name.clone()).set(figure(age_ms.into()) / 1_000.0);
        }
        Address::Shard(_) | Address::Gateway(_) | Address::Projector | Address::Ledger => {
            for (currency, transit) in &actor.position.totals {
                let labels = [("shard", name.clone()), ("currency", currency.as_str().to_owned())];
                gauge!("remit_money_in_transit_minor_units", &labels).set(figure(transit.balance.into()));
            }
        }
    }
}

const fn word(class: Class) -> &'static str {
    match class {
        Class::Reply => "reply",
        Class::Do => "do",
        Class::Submit => "submit",
    }
}

/// As metrics want numbers.
#[allow(clippy::cast_precision_loss, reason = "said in the help of the one that may be so large")]
const fn figure(number: i128) -> f64 {
    number as f64
}
