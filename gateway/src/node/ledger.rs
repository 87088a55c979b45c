//! What was committed on its way out of a node: its journals to their ledger streams, from there to its projector, and as events
//! to whoever listens.

use std::{sync::Arc, time::Duration};

use remit_actors::{
    bus::NodeBus,
    cluster::{Cluster, Feed},
    genesis::Genesis,
    guardian,
    ledger::{Journal, Limits, Positions, Publisher, Reader},
    message::Address,
};
use remit_core::id::Seq;

use super::{Error, aside::Aside};
use crate::{events, settings::Settings};

/// The writers, and the reader where there is a projector.
pub(super) struct Ledger {
    publisher: Option<Publisher>,
    events: Option<events::Publisher>,
    positions: Positions,
    /// The last field: all of the above run on it.
    _aside: Option<Aside>,
}

impl Ledger {
    /// Starts what the settings say.
    ///
    /// # Errors
    /// A thread can't be started, or the broker can't be reached.
    pub(super) async fn start(
        settings: &Settings,
        genesis: &Genesis,
        journals: Vec<Journal>,
        connect: &remit_api::Connect,
        node: &str,
        guardian: &guardian::Handle,
        bus: &NodeBus,
    ) -> Result<Self, Error> {
        let aside = Aside::start(settings.node.background_niceness).map_err(Error::Aside)?;
        let runtime = aside.handle();
        // A connection of its own, so that its large messages stand in nobody's way.
        let client = aside.connect(connect.clone(), format!("{node} aside")).await?;
        let watched = guardian.clone();
        let positions: Positions = Arc::new(move || positions(&watched));
        let deployment = &genesis.deployment;
        let events = settings.events.publish.then(|| {
            let limits = events::Limits {
                bytes_max: settings.events.stream_bytes_max,
                age: Duration::from_millis(settings.events.stream_age_ms),
            };
            let (client, positions) = (client.clone(), Arc::clone(&positions));
            events::Publisher::start(client, deployment, journals.clone(), limits, positions, &runtime)
        });
        let publisher = settings.ledger.publish.then(|| {
            let limits = Limits {
                bytes_max: settings.ledger.stream_bytes_max,
                age: Duration::from_millis(settings.ledger.stream_age_ms),
                replicas: 1,
            };
            Publisher::start(&client, deployment, &journals, limits, Arc::clone(&positions), &runtime)
        });
        let projector = guardian.inlets().into_iter().find(|(address, _)| *address == Address::Projector);
        let rows_per_second_max = settings.projection.rows_per_second_max;
        if let (Some(publisher), Some((_, inlet))) = (&publisher, projector) {
            let reader =
                Reader::new(&client, deployment, journals, publisher.heads(), inlet, rows_per_second_max, &runtime);
            bus.attach_here(Address::Ledger, Arc::new(reader));
        }
        Ok(Self { publisher, events, positions, _aside: Some(aside) })
    }

    /// On a node of several, where actors write the ledger streams themselves: what reads them.
    pub(super) fn of_cluster(
        settings: &Settings,
        members: &Cluster,
        guardian: &guardian::Handle,
        bus: &NodeBus,
    ) -> Self {
        let projector = guardian.inlets().into_iter().find(|(address, _)| *address == Address::Projector);
        if let Some((_, inlet)) = projector {
            let feed = Feed::new(members, inlet, settings.projection.rows_per_second_max);
            bus.attach_here(Address::Ledger, Arc::new(feed));
        }
        let watched = guardian.clone();
        Self { publisher: None, events: None, positions: Arc::new(move || positions(&watched)), _aside: None }
    }

    /// Waits until all that was committed has left, at most so long.
    pub(super) async fn flush(&self, within: Duration) {
        let positions = (self.positions)();
        let written = async {
            if let Some(publisher) = &self.publisher {
                publisher.flush(&positions, within).await;
            }
        };
        let told = async {
            if let Some(events) = &self.events {
                events.flush(&positions, within).await;
            }
        };
        tokio::join!(written, told);
    }
}

/// Where the journals have got to, in the order of their actors.
fn positions(guardian: &guardian::Handle) -> Vec<(Address, Seq)> {
    let actors = guardian.status().into_iter().filter(|actor| actor.address != Address::Projector);
    actors.map(|actor| (actor.address, actor.position.seq)).collect()
}
