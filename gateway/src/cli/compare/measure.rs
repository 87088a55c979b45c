//! One script under one protocol, on a node of its own that begins empty: how fast it goes at most, then the load and the
//! script, then the audit.

use std::{sync::Arc, time::Duration};

use remit_actors::{bus::Stats, faults::Switch};
use remit_api::{
    Client, Connect,
    audit::{Depth, RunRequest},
};
use remit_core::protocol::Protocol;
use remit_load::{Crowd, Load, Offered, Payments, Skew, Timeline};
use tokio::time::Instant;

use super::{
    Args,
    script::{Script, Window},
    tied::{self, Integral},
};
use crate::{
    cli::{error::Error, import::progress, up::Stop},
    connection::connection,
    node::{Node, Start},
    settings::Resolved,
};

/// How long it runs before anything is measured.
const WARM_UP: Duration = Duration::from_secs(1);

/// What came of it.
#[derive(Debug)]
pub(super) struct Measured {
    /// Completed transfers in a second, when as many are asked for as can be; where that is measured.
    pub(super) peak_per_s: Option<f64>,
    pub(super) timeline: Timeline,
    pub(super) window: Window,
    pub(super) tied: Integral,
    /// What the bus and the databases did for the timeline's transfers.
    pub(super) messages: u64,
    pub(super) frames: u64,
    pub(super) commits: u64,
    /// What the script did, in all.
    pub(super) frames_lost: u64,
    pub(super) frames_doubled: u64,
    pub(super) audit_ok: bool,
    pub(super) shards: u16,
    pub(super) managers: u16,
}

/// Measures it; `None` if it was stopped.
pub(super) async fn measure(
    args: &Args,
    script: Script,
    protocol: Protocol,
    resolved: &Resolved,
    stop: &mut Stop,
) -> Result<Option<Measured>, Error> {
    let switch = Switch::new(Script::Nothing.lasting(args.seed));
    let start = Start { create: true, faults: Some(switch.clone()) };
    let node = tokio::select! {
        node = Box::pin(Node::start(resolved, start)) => node?,
        () = stop.asked() => return Ok(None),
    };
    let connect = Connect { url: node.client_url().to_owned(), ..connection(&resolved.settings) };
    let measured = async {
        let client = Client::connect(&connect).await?;
        Box::pin(on(&node, &client, args, script, protocol, &switch)).await
    };
    let measured = tokio::select! {
        measured = measured => measured.map(Some),
        () = stop.asked() => Ok(None),
    };
    Box::pin(node.drain()).await;
    measured
}

async fn on(
    node: &Node,
    client: &Client,
    args: &Args,
    script: Script,
    protocol: Protocol,
    switch: &Switch,
) -> Result<Measured, Error> {
    let deployment = client.deployment_get().await?;
    let (shards, managers) = (deployment.shards, deployment.managers);
    let payments = Payments::new(args.accounts, shards, args.legs, Skew::Uniform, None).map_err(Error::Usage)?;
    let crowd = Crowd::new(payments.clone(), shards, args.rate, args.seed);
    let bar = progress::bar("accounts");
    bar.set_length(args.accounts);
    crowd.set_up(client, &|ready| bar.set_position(ready)).await?;
    bar.finish_and_clear();

    switch.set(script.lasting(args.seed));
    let peak_per_s = peak(client, args, script, protocol, payments).await?;
    let time = Duration::from_secs(args.seconds);
    let window = script.window(time, Duration::from_secs(args.away_seconds));
    let (deadline_ms, begin) = (args.deadline_ms, Instant::now());
    let offered = Offered { protocol, crowd, per_second: args.rate, time, deadline_ms };
    let bar = progress::bar(&format!("{} {protocol}", script.as_str()));
    bar.set_length(args.seconds);
    let before = (node.bus(), node.commits());
    let mut integral = Integral::default();
    let run = async {
        let progress = |since: Duration| bar.set_position(since.as_secs());
        let load = remit_load::offer(client, offered, begin, &progress);
        tokio::join!(load, script.play(window, begin, switch)).0
    };
    let timeline = tokio::select! {
        timeline = run => timeline,
        never = tied::watch(node, begin, &mut integral) => match never {},
    };
    let after = (node.bus(), node.commits());
    bar.finish_and_clear();

    switch.set(Script::Nothing.lasting(args.seed));
    let audit = client.audit_run(&RunRequest { depth: Some(Depth::Full) }).await?;
    let sent = |of: fn(&Stats) -> u64| of(&after.0) - of(&before.0);
    let hits = switch.hits();
    Ok(Measured {
        peak_per_s,
        timeline,
        window,
        tied: integral,
        messages: sent(|bus| bus.messages_local + bus.messages_published),
        frames: sent(|bus| bus.frames_local + bus.frames_published),
        commits: after.1.saturating_sub(before.1),
        frames_lost: hits.frames_lost,
        frames_doubled: hits.frames_doubled,
        audit_ok: audit.ok,
        shards,
        managers,
    })
}

/// How fast it goes at most, if that is to be measured: nobody is away yet, so only what goes wrong all the time makes a
/// difference. Else the node just warms up.
async fn peak(
    client: &Client,
    args: &Args,
    script: Script,
    protocol: Protocol,
    payments: Payments,
) -> Result<Option<f64>, Error> {
    let seconds = if script.has_window() { 0 } else { args.peak_seconds };
    let time = Duration::from_secs(seconds);
    let (payments, clients, batch) = (Arc::new(payments), args.clients, args.batch);
    let load = Load { protocol, payments, clients, batch, warm_up: WARM_UP, time };
    let bar = progress::bar("peak");
    bar.set_length((WARM_UP + time).as_secs());
    let report = remit_load::run(client, &load, &|since| bar.set_position(since.as_secs())).await?;
    bar.finish_and_clear();
    Ok((seconds > 0).then_some(report.transfers_per_s))
}
