//! The port that the broker listens on: chosen once, then remembered in the data folder.

use std::{
    fs,
    io::ErrorKind,
    net::{Ipv4Addr, TcpListener},
    path::Path,
};

use uuid::Uuid;

use super::Error;

/// The usual port of NATS, where clients look that are told nothing.
const USUAL: u16 = 4222;
/// The first of the others, and how many there are: below those that the kernel hands to outgoing connections, so that it does
/// not hand out a remembered one while the broker is down.
const OTHERS: (u16, u16) = (20_000, 10_000);
/// How many others are tried before the first start gives up.
const TRIES: usize = 32;

/// The remembered port, if there is one.
pub(super) fn remembered(file: &Path) -> Option<u16> {
    fs::read_to_string(file).ok()?.trim().parse().ok().filter(|port| *port != 0)
}

/// Remembers a port; a crash leaves the old one or the new one.
pub(super) fn remember(file: &Path, port: u16) -> Result<(), Error> {
    let new = file.with_extension("new");
    fs::write(&new, format!("{port}\n"))
        .and_then(|()| fs::rename(&new, file))
        .map_err(|source| Error::Write { path: file.into(), source })
}

/// The ports to try at the first start of a folder, in order.
pub(super) fn candidates() -> Vec<u16> {
    [USUAL].into_iter().chain((0..TRIES).map(|_| random())).collect()
}

/// Whether nothing listens on this port of loopback. A port that may not be listened on is free all the same: the server says
/// what is wrong with it.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_or_else(|error| error.kind() != ErrorKind::AddrInUse, |_| true)
}

/// Some port of loopback that nothing listens on, other than 4222 and unlikely to be chosen twice: for tests and for brokers
/// that should be out of the way.
///
/// # Panics
/// If none of many is free.
#[must_use]
pub fn free_port() -> u16 {
    (0..TRIES * 8).map(|_| random()).find(|port| is_free(*port)).expect("a machine does not use thousands of ports")
}

fn random() -> u16 {
    let (first, count) = OTHERS;
    // Random but for its version and variant bits, which lie elsewhere.
    let bytes = Uuid::new_v4().into_bytes();
    first + u16::from_le_bytes([bytes[0], bytes[1]]) % count
}
