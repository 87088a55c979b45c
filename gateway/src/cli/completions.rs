//! `remit completions SHELL`.

use clap_complete::{Shell, generate};

use super::{error::Error, exit::Exit, session::Session};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remit completions bash > /etc/bash_completion.d/remit
  remit completions zsh > ~/.zfunc/_remit
  remit completions fish > ~/.config/fish/completions/remit.fish")]
pub(super) struct Args {
    /// Which shell
    shell: Shell,
}

pub(super) fn run(args: &Args, mut commands: clap::Command, session: &Session) -> Result<Exit, Error> {
    let mut script = Vec::new();
    generate(args.shell, &mut commands, "remit", &mut script);
    session.output().text(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::CameTrue)
}
