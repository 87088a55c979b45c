//! Several servers as one cluster: each stream may have a copy on each of them, and any one may be killed, or lose what it stored.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{NatsServer, Options, PORTS_TRIED, free_port};

/// How long they may take until they have chosen a leader. Generous: other tests use the machine too.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
/// How long a server may take to say how it is.
const SAID_WITHIN: Duration = Duration::from_secs(2);
/// The pause between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// A cluster of servers with JetStream.
#[derive(Debug)]
pub struct NatsCluster {
    servers: Vec<NatsServer>,
    /// Where each says how it is.
    monitors: Vec<u16>,
}

impl NatsCluster {
    /// Starts so many, and waits until they have a leader.
    ///
    /// # Panics
    /// If there is no `nats-server`, or they don't come up.
    #[must_use]
    pub fn start(count: usize) -> Self {
        for _ in 0..PORTS_TRIED {
            let mut cluster = Self::new(count);
            // Another process may have taken a port.
            if cluster.servers.iter_mut().all(NatsServer::spawn) {
                cluster.settled();
                return cluster;
            }
        }
        panic!("the servers do not start");
    }

    fn new(count: usize) -> Self {
        let options = Options { max_payload: 8 << 20, ..Options::default() };
        let mut servers: Vec<_> = (0..count).map(|_| NatsServer::new(options, free_port())).collect();
        let ports: Vec<u16> = (0..count).map(|_| free_port()).collect();
        let monitors: Vec<u16> = (0..count).map(|_| free_port()).collect();
        for (no, server) in servers.iter_mut().enumerate() {
            let others = ports.iter().enumerate().filter(|(other, _)| *other != no);
            let others: Vec<_> = others.map(|(_, port)| format!("nats-route://127.0.0.1:{port}")).collect();
            // Clients keep to the addresses that they were given, which may be a test's own on the way there.
            server.routes = format!(
                "http: \"127.0.0.1:{}\"\ncluster {{\n  name: remit\n  listen: \"127.0.0.1:{}\"\n  no_advertise: true\n  routes: [{}]\n}}\n",
                monitors[no],
                ports[no],
                others.join(", ")
            );
        }
        Self { servers, monitors }
    }

    /// Where clients connect: all addresses, with commas.
    #[must_use]
    pub fn url(&self) -> String {
        self.servers.iter().map(NatsServer::url).collect::<Vec<_>>().join(",")
    }

    /// Where each server listens to clients.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| SocketAddr::from(([127, 0, 0, 1], server.port))).collect()
    }

    /// How many there are, running or not.
    #[must_use]
    pub fn count(&self) -> usize {
        self.servers.len()
    }

    /// Kills one as a power failure would.
    pub fn kill(&mut self, no: usize) {
        self.servers[no].kill();
    }

    /// Kills one if it runs, and takes away all that it stored.
    pub fn wipe(&mut self, no: usize) {
        self.servers[no].wipe();
    }

    /// Starts one again, without waiting until it has caught up.
    pub fn restart(&mut self, no: usize) {
        self.servers[no].restart();
    }

    /// The server that leads most streams.
    ///
    /// # Panics
    /// If none says that it leads any.
    #[must_use]
    pub fn busiest(&self) -> usize {
        let leads = |no: &usize| {
            let name = self.servers[*no].name();
            let known = self.says(*no, "/jsz?accounts=true&streams=true").unwrap_or_default();
            let streams = known["account_details"][0]["stream_detail"].as_array().cloned().unwrap_or_default();
            streams.iter().filter(|stream| stream["cluster"]["leader"] == *name).count()
        };
        let (most, no) = (0..self.count()).map(|no| (leads(&no), no)).max().expect("there are some");
        assert!(most > 0, "no server leads any stream");
        no
    }

    /// Waits until all that run have a leader in common, and have caught up with it.
    ///
    /// # Panics
    /// If that takes too long.
    pub fn settled(&self) {
        let running: Vec<usize> = (0..self.count()).filter(|no| self.servers[*no].running.is_some()).collect();
        let until = Instant::now() + SETTLED_WITHIN;
        loop {
            let unsettled: Vec<_> = running.iter().filter_map(|no| Some((no, self.unsettled(*no)?))).collect();
            if unsettled.is_empty() {
                return;
            }
            assert!(Instant::now() < until, "the servers do not settle: {unsettled:?}");
            thread::sleep(LOOK);
        }
    }

    /// Why one is not ready; `None` if it is.
    fn unsettled(&self, no: usize) -> Option<String> {
        let health = self.says(no, "/healthz").unwrap_or_default();
        if health["status"] != "ok" {
            return Some(health.to_string());
        }
        let leader = &self.says(no, "/jsz").unwrap_or_default()["meta_cluster"]["leader"];
        leader.as_str().unwrap_or_default().is_empty().then(|| "it has no leader".to_owned())
    }

    /// What a server says of itself; `None` if it does not.
    fn says(&self, no: usize, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.monitors[no])).ok()?;
        stream.set_read_timeout(Some(SAID_WITHIN)).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_have_a_leader_also_after_each_was_killed_and_one_lost_its_storage() {
        let mut cluster = NatsCluster::start(3);
        for no in 0..cluster.count() {
            cluster.kill(no);
            cluster.settled();
            if no == 1 {
                cluster.wipe(no);
            }
            cluster.restart(no);
            cluster.settled();
        }
        assert_eq!(cluster.url().split(',').count(), 3);
    }
}
