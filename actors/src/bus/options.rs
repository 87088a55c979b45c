//! How a node's bus is set up.

use std::time::Duration;

use tokio::runtime::Handle;

use crate::codec;

/// How frames travel between actors of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hops {
    /// By mailbox; only what is for other nodes takes the broker.
    #[default]
    Local,
    /// Every hop takes the broker, so that tests and benchmarks can exercise it inside one node.
    JetStream,
}

/// The name under which the others send a node what is for its actors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// The node's name: 1 to 32 of `a-z 0-9 -`.
    pub node: String,
    /// The number of its process, where another may still run under this name: each has a consumer of its own.
    pub run: Option<u64>,
}

/// How a node's bus is set up. `deployment`, `frame_streams` and, in spirit, the rest are the same on all nodes.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where its tasks run: a runtime of several threads, which outlives the bus.
    pub runtime: Handle,
    /// The name before all streams and subjects: 1 to 32 of `a-z 0-9 -`.
    pub deployment: String,
    /// How frames travel within the node.
    pub hops: Hops,
    /// Where parcels for this node's actors arrive. Without it each frame for them is a message of the broker by itself.
    pub home: Option<Home>,
    /// Streams that share the frames, so that no single one, and no single Raft group, carries all: 1 to 64.
    pub frame_streams: u16,
    /// Copies of each stream: 1 to 5.
    pub replicas: usize,
    /// How long a stream stores a frame. Whoever misses one asks again within seconds, so longer than a node takes to
    /// restart serves nobody.
    pub stream_age: Duration,
    /// What each stream may store in bytes; the oldest frames go first.
    pub stream_bytes_max: u64,
    /// The largest frame in bytes, up to [`codec::BYTES_MAX`]; a larger one is split. Never more than the broker takes.
    pub frame_bytes_max: usize,
    /// Frames of each class that wait to be published. What finds no room is dropped: a broker that is away or too slow
    /// must cost memory no more than this.
    pub queue_frames_max: usize,
    /// What of each class waits to be published, in bytes.
    pub queue_bytes_max: usize,
    /// Published frames that may lack their confirmation: enough to fill the way to the broker and back.
    pub in_flight_max: usize,
    /// How long a frame may stay unacknowledged before it is delivered again. A restarted actor waits so long for what its
    /// predecessor held, unless it is asked again first.
    pub ack_wait: Duration,
    /// Frames that an actor may hold unacknowledged.
    pub ack_pending_max: usize,
    /// Frames that are asked for in advance.
    pub pull_frames: usize,
    /// How often a broker that has nothing to deliver must say so; a subscription that is silent for twice as long is made
    /// anew. 100 ms to 10 s.
    pub heartbeat: Duration,
}

impl Options {
    /// The usual.
    #[must_use]
    pub fn new(runtime: Handle, deployment: impl Into<String>) -> Self {
        Self {
            runtime,
            deployment: deployment.into(),
            hops: Hops::default(),
            home: None,
            frame_streams: 4,
            replicas: 1,
            stream_age: Duration::from_secs(120),
            stream_bytes_max: 512 << 20,
            frame_bytes_max: 1 << 20,
            queue_frames_max: 8_192,
            queue_bytes_max: 64 << 20,
            in_flight_max: 1_024,
            ack_wait: Duration::from_secs(30),
            ack_pending_max: 1_024,
            pull_frames: 128,
            heartbeat: Duration::from_secs(2),
        }
    }

    /// The first setting that is out of its range, with the range.
    pub(super) fn out_of_range(&self) -> Option<&'static str> {
        let rules = [
            (remit_core::id::is_shard_name(&self.deployment), "a deployment's name is 1 to 32 of a-z, 0-9 and -"),
            (
                self.home.as_ref().is_none_or(|home| remit_core::id::is_shard_name(&home.node)),
                "a node's name is 1 to 32 of a-z, 0-9 and -",
            ),
            ((1..=64).contains(&self.frame_streams), "there are 1 to 64 streams of frames"),
            ((1..=5).contains(&self.replicas), "a stream has 1 to 5 replicas"),
            ((1_024..=codec::BYTES_MAX).contains(&self.frame_bytes_max), "a frame has at most 1024 to 8388608 bytes"),
            (self.queue_frames_max > 0 && self.queue_bytes_max > 0, "there is room in the queue"),
            (self.in_flight_max > 0 && self.ack_pending_max > 0, "there is room for frames in flight"),
            (self.pull_frames > 0, "at least one frame is asked for in advance"),
            (
                (Duration::from_millis(100)..=Duration::from_secs(10)).contains(&self.heartbeat),
                "a heartbeat comes every 100 ms to 10 s",
            ),
        ];
        rules.into_iter().find(|(holds, _)| !holds).map(|(_, rule)| rule)
    }
}
