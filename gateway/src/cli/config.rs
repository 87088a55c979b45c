//! `remit config show`.

use super::{error::Error, exit::Exit, session::Session};

/// What can be asked about settings.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Every setting with its value, and where it was set: default, file, environment or flag
    Show,
}

pub(super) fn show(session: &Session) -> Result<Exit, Error> {
    let resolved = session.settings([])?;
    let output = session.output();
    if output.is_json() {
        output.json(&resolved.shown())?
    } else {
        output.text(&resolved.table().trim_fmt())?
    }
    Ok(Exit::CameTrue)
}
