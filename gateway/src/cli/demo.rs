//! `remit demo`: all of it at once, on an empty folder: a node with its private broker, accounts in many databases, a
//! payroll once under each protocol, and the audit.
//!
//! [`payroll`] is what is paid, [`story`] what happens and what is said of it, [`figures`] what is measured. Here: the node and
//! its folder, which are put away again however the story ends.

mod figures;
mod payroll;
mod story;

use std::{fs, path::PathBuf};

use remit_api::{Client, Connect};
use tempfile::TempDir;

use super::{
    error::Error,
    exit::Exit,
    session::Session,
    trial,
    up::{Shape, Stop},
};
use crate::{
    connection::connection,
    log,
    node::{Node, Start},
    settings::{Flag, Resolved},
};

/// What it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A node starts on an empty temporary folder with a private nats-server, opens some 1,200 accounts in many databases, and pays a \
payroll of some 3,800 payments between them, once under each protocol. Some must be refused, and some undone. Then comes the \
audit, and how to look into the databases yourself.")]
pub(super) struct Args {
    /// Keep the folder
    #[arg(long)]
    keep: bool,
    /// Use this folder, which must be empty or not there, and keep it
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The broker's program
    #[arg(long, value_name = "FILE")]
    nats_server: Option<PathBuf>,
    #[command(flatten)]
    shape: Shape,
}

pub(super) async fn run(args: Args, session: &Session) -> Result<Exit, Error> {
    if session.names_broker() {
        return Err(Error::Usage("the demo starts a broker of its own: leave --nats out".to_owned()));
    }
    let folder = Folder::make(&args)?;
    let resolved = settings(&args, &folder, session)?;
    log::start(&resolved.settings.log);
    let mut stop = Stop::listen()?;
    let ended = Box::pin(on_a_node(&resolved, &folder, session, &mut stop)).await;
    folder.put_away(session)?;
    ended
}

async fn on_a_node(resolved: &Resolved, folder: &Folder, session: &Session, stop: &mut Stop) -> Result<Exit, Error> {
    let node = tokio::select! {
        node = Box::pin(Node::start(resolved, Start { create: true, ..Start::default() })) => node?,
        () = stop.asked() => return Ok(Exit::Refused),
    };
    let connect = Connect { url: node.client_url().to_owned(), ..connection(&resolved.settings) };
    let (data, is_kept) = (node.data(), folder.is_kept());
    let story = async {
        let client = Client::connect(&connect).await?;
        Box::pin(story::tell(&client, data, is_kept, session.output())).await
    };
    let told = tokio::select! {
        told = story => told,
        () = stop.asked() => Ok(Exit::Refused),
    };
    Box::pin(node.drain()).await;
    told
}

fn settings(args: &Args, folder: &Folder, session: &Session) -> Result<Resolved, Error> {
    let server = args.nats_server.as_ref().map(|path| path.to_string_lossy().into_owned());
    let server = server.map(|path| Flag::new("--nats-server", "nats.server", path));
    let data = Flag::new("--data", "node.data_dir", folder.path().to_string_lossy());
    trial::settings(session, args.shape.flags().chain(server).chain([data]))
}

/// The folder of the demo.
#[derive(Debug)]
enum Folder {
    /// Removed at the end.
    Removed(TempDir),
    /// Kept.
    Kept(PathBuf),
}

impl Folder {
    fn make(args: &Args) -> Result<Self, Error> {
        let Some(path) = &args.data else {
            let made = tempfile::Builder::new().prefix("remit-demo-").tempdir();
            let made = made.map_err(|source| Error::Write { path: std::env::temp_dir(), source })?;
            return Ok(if args.keep { Self::Kept(made.keep()) } else { Self::Removed(made) });
        };
        let is_empty = fs::read_dir(path).map_or(!path.exists(), |mut entries| entries.next().is_none());
        if is_empty {
            return Ok(Self::Kept(path.clone()));
        }
        let path = path.display();
        Err(Error::Usage(format!("{path} is not an empty folder; the demo needs one, or one that is not there yet")))
    }

    fn path(&self) -> &std::path::Path {
        match self {
            Self::Removed(folder) => folder.path(),
            Self::Kept(path) => path,
        }
    }

    const fn is_kept(&self) -> bool {
        matches!(self, Self::Kept(_))
    }

    fn put_away(self, session: &Session) -> Result<(), Error> {
        match self {
            Self::Kept(path) => session.output().note(&format!("The folder is kept: {}", path.display())),
            Self::Removed(folder) => {
                let path = folder.path().to_owned();
                folder.close().map_err(|source| Error::Write { path: path.clone(), source })?;
                session.output().note(&format!("The folder is removed: {}", path.display()));
            }
        }
        Ok(())
    }
}
