//! A way to the brokers that can be cut, as when a cable is pulled: nobody is told, connections stay, and what was on its way arrives
//! when the way is open again.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use parking_lot::{Condvar, Mutex};

/// The way to some servers, at an address of its own for each.
pub(crate) struct Proxy {
    addresses: Vec<SocketAddr>,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Cut,
    /// The proxy is gone.
    Over,
}

impl Proxy {
    pub(crate) fn to(servers: &[SocketAddr]) -> Self {
        let gate = Arc::<Gate>::default();
        let addresses = servers.iter().map(|server| listen(*server, Arc::clone(&gate)));
        Self { addresses: addresses.collect(), gate }
    }

    /// All addresses, with commas.
    pub(crate) fn url(&self) -> String {
        self.addresses.iter().map(|address| format!("nats://{address}")).collect::<Vec<_>>().join(",")
    }

    /// From now on nothing arrives, in either direction.
    pub(crate) fn cut(&self) {
        self.gate.set(State::Cut);
    }

    /// All arrives again.
    pub(crate) fn heal(&self) {
        self.gate.set(State::Open);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.gate.set(State::Over);
        for address in &self.addresses {
            // So that the listener looks.
            drop(TcpStream::connect(address));
        }
    }
}

impl Gate {
    fn set(&self, state: State) {
        *self.state.lock() = state;
        self.changed.notify_all();
    }

    /// Waits until the way is open; false if it never will be.
    fn passes(&self) -> bool {
        let mut state = self.state.lock();
        while *state == State::Cut {
            self.changed.wait(&mut state);
        }
        *state == State::Open
    }
}

fn listen(server: SocketAddr, gate: Arc<Gate>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            if *gate.state.lock() == State::Over {
                return;
            }
            let (Ok(client), gate) = (client, Arc::clone(&gate)) else { continue };
            thread::spawn(move || carry(client, server, &gate));
        }
    });
    address
}

/// Carries a connection in both directions until one side ends it.
fn carry(client: TcpStream, server: SocketAddr, gate: &Arc<Gate>) {
    if !gate.passes() {
        return;
    }
    // A server that is down refuses: the client sees its connection end.
    let Ok(server) = TcpStream::connect(server) else { return };
    let (Ok(to), Ok(from)) = (server.try_clone(), client.try_clone()) else { return };
    let back = Arc::clone(gate);
    thread::spawn(move || pump(server, client, &back));
    pump(from, to, gate);
}

fn pump(mut from: TcpStream, mut to: TcpStream, gate: &Gate) {
    from.set_nodelay(true).ok();
    let mut bytes = [0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut bytes)
        && gate.passes()
        && to.write_all(&bytes[..read]).is_ok()
    {}
    // Also the end of a connection is something that must arrive.
    gate.passes();
    for side in [&from, &to] {
        side.shutdown(Shutdown::Both).ok();
    }
}

#[test]
fn what_was_sent_while_it_is_cut_arrives_when_it_is_healed() {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let proxy = Proxy::to(&[server.local_addr().unwrap()]);
    let mut client = TcpStream::connect(proxy.addresses[0]).unwrap();
    let (mut at_server, _) = server.accept().unwrap();
    let mut byte = [0];
    client.write_all(&[1]).unwrap();
    at_server.read_exact(&mut byte).unwrap();
    proxy.cut();
    client.write_all(&[2]).unwrap();
    at_server.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
    assert!(at_server.read_exact(&mut byte).is_err());
    proxy.heal();
    at_server.set_read_timeout(None).unwrap();
    at_server.read_exact(&mut byte).unwrap();
    assert_eq!(byte, [2]);
    drop(client);
    assert_eq!(at_server.read(&mut byte).unwrap(), 0);
}
