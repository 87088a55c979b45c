//! `remit shard list`.

use super::{error::Error, exit::Exit, render, session::Session};

/// What can be asked about shards.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Every database: what it keeps, which node serves it, and how it is
    List,
}

pub(super) async fn list(session: &Session) -> Result<Exit, Error> {
    let list = session.desk().client().await?.shard_list().await?;
    let output = session.output();
    if output.is_json() {
        output.json(&list)?
    } else {
        output.text(&render::shard::list(&list))?
    }
    Ok(Exit::CameTrue)
}
