//! What the load is put on, and what is known of its costs.

use super::{footprint::Footprint, nodes::Nodes, traffic::Traffic};
use crate::{node::Node, settings::Settings};

/// A deployment under load.
pub(super) enum Subject<'s> {
    /// One that was there; nothing is known of its processes.
    Elsewhere,
    /// A node within this process.
    Node(&'s Node),
    /// Nodes that are processes of their own.
    Nodes {
        nodes: &'s Nodes,
        /// To ask the broker; `None`: it can't be.
        broker: Option<async_nats::Client>,
        deployment: &'s str,
        frame_streams: u16,
    },
}

/// What it has used since it began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    pub(super) footprint: Footprint,
    /// Of several nodes.
    pub(super) traffic: Option<Traffic>,
}

impl<'s> Subject<'s> {
    /// Nodes that run with these settings.
    pub(super) async fn nodes(nodes: &'s Nodes, settings: &'s Settings) -> Self {
        let broker = async_nats::connect(nodes.url()).await.ok();
        let (deployment, frame_streams) = (settings.deployment.name.as_str(), settings.bus.frame_streams);
        Self::Nodes { nodes, broker, deployment, frame_streams }
    }

    /// Whether it was started here.
    pub(super) const fn is_ours(&self) -> bool {
        !matches!(self, Self::Elsewhere)
    }

    /// Over how many streams the frames of several nodes go.
    pub(super) const fn frame_streams(&self) -> Option<u16> {
        match self {
            Self::Nodes { frame_streams, .. } => Some(*frame_streams),
            Self::Elsewhere | Self::Node(_) => None,
        }
    }

    /// What it has used until now.
    pub(super) async fn used(&self) -> Used {
        match self {
            Self::Elsewhere => Used::default(),
            Self::Node(node) => {
                let footprint = Footprint::now(node.nats_pid(), &[], node.data(), Some(node.commits()));
                Used { footprint, traffic: None }
            }
            Self::Nodes { nodes, broker, deployment, .. } => {
                let traffic = match broker {
                    Some(broker) => Traffic::now(broker, deployment).await,
                    None => None,
                };
                let appends = traffic.map(|traffic| traffic.appends);
                let footprint = Footprint::now(nodes.broker_pid(), &nodes.pids(), nodes.folder(), appends);
                Used { footprint, traffic }
            }
        }
    }
}

impl Used {
    /// What was used since an earlier moment.
    pub(super) fn since(self, before: Self) -> Self {
        let traffic = self.traffic.zip(before.traffic).map(|(now, before)| now.since(before));
        Self { footprint: self.footprint.since(before.footprint), traffic }
    }
}
