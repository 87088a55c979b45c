//! Whole transfers per second: a node with its private broker, and the load generator beside it.
//!
//! `cargo bench -p remit-tests --bench transfers -- [--hops local] [--batch 1000] [--clients 8] [--seconds 5] …`
//! Figures of one run count only against each other: machines differ, and so do hours.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use remit::{
    node::{Node, Start},
    settings::{Flag, Settings},
};
use remit_api::{Client, Connect, audit::RunRequest};
use remit_core::protocol::Protocol;
use remit_load::Load;

fn option(name: &str, default: u64) -> u64 {
    words()
        .skip_while(|word| *word != format!("--{name}"))
        .nth(1)
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

fn words() -> impl Iterator<Item = String> {
    std::env::args().skip(1)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().display().to_string();
    let hops = if words().any(|word| word == "local") { "local" } else { "jetstream" };
    let flag = |key: &str, value: String| Flag::new("benchmark", key, value);
    let port = remit::broker::free_port().to_string();
    let flags = [
        flag("node.data_dir", data),
        flag("bus.hops", hops.into()),
        flag("nats.port", port),
        flag("deployment.shards", option("shards", 16).to_string()),
        flag("deployment.managers", option("managers", 4).to_string()),
        flag("node.arbiter_threads", option("threads", 0).to_string()),
    ];
    let settings = Settings::load(None, [], flags)?;
    let node = Node::start(&settings, Start::default()).await?;
    let url = node.client_url().to_owned();
    let client = Client::connect(&Connect { url, ..Connect::default() }).await?;

    let (accounts, seconds) = (option("accounts", 10_000), option("seconds", 5));
    let begin = Instant::now();
    remit_load::set_up(&client, accounts, &|_| ()).await?;
    println!("{accounts} accounts opened and funded in {:.1} s; hops {hops}", begin.elapsed().as_secs_f64());
    for round in 1..=option("rounds", 3) {
        for protocol in Protocol::all() {
            let (clients, batch) = (option("clients", 8), option("batch", 1_000));
            let load = Load { protocol, accounts, clients, batch, time: Duration::from_secs(seconds) };
            let report = remit_load::run(&client, &load, &|_| ()).await?;
            println!("round {round} {protocol:>6}: {}", serde_json::to_string(&report)?);
        }
    }
    let audit = client.audit_run(&RunRequest::default()).await?;
    println!("audit ok: {}", audit.ok);
    println!("{}", node.drain().await);
    Ok(())
}
