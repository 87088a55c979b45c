//! Making a deployment, and finding it again (R16).
//!
//! The deployment's facts stand in the file `deployment` of the data folder and as the first row of every database, and in
//! the broker's bucket `<name>-facts`, so that another folder on the same broker is refused. A deployment is made by an
//! explicit act only: `remit up` on an empty folder with its private broker, or `--create`. While it is being made the file
//! is called `deployment.new`; a start that was cut off there goes on with the same facts.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use async_nats::jetstream::{self, kv};
use remit_actors::genesis::Genesis;
use remit_core::{id::default_name, money::Currency};

use crate::settings::{Origin, Resolved};

/// What was settled.
pub(super) struct Founded {
    /// The facts.
    pub(super) genesis: Genesis,
    /// Whether databases may be made: the deployment is new.
    pub(super) is_new: bool,
}

/// Why a deployment can't be served from a folder.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none, and none may be made.
    #[error(
        "the folder {} has no deployment; to make one on this broker: remit up --nats URL --create", path.display()
    )]
    NoDeployment {
        /// The folder.
        path: PathBuf,
    },
    /// The settings want another deployment than is there.
    #[error("the deployment was made with {key} = {made}, which can't be changed to {wanted} ({origin})")]
    Differs {
        /// The setting.
        key: &'static str,
        /// What it was made with.
        made: String,
        /// What is wanted now.
        wanted: String,
        /// Who wants it.
        origin: String,
    },
    /// The broker has another deployment of this name.
    #[error(
        "the broker has another deployment named `{name}`: it says '{theirs}', this folder '{ours}'; choose another \
         deployment.name, or the folder that it belongs to"
    )]
    OtherDeployment {
        /// The name of both.
        name: String,
        /// Its facts in the broker.
        theirs: String,
        /// Its facts in the folder.
        ours: String,
    },
    /// The file `deployment` can't be understood.
    #[error("{} does not say what a deployment is", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
    },
    /// The folder can't be read or written.
    #[error("{} can't be read or written", path.display())]
    Folder {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The broker does not keep the facts.
    #[error("the broker does not keep the deployment's facts: {0}")]
    Facts(String),
}

const MADE: &str = "deployment";
const BEING_MADE: &str = "deployment.new";
const KEY: &str = "genesis";

/// Settles which deployment this folder has, making one where that is allowed.
pub(super) async fn settle(
    resolved: &Resolved,
    dir: &Path,
    broker: &jetstream::Context,
    create: bool,
) -> Result<Founded, Error> {
    let founded = match (read(&dir.join(MADE))?, read(&dir.join(BEING_MADE))?) {
        (Some(genesis), _) => Founded { genesis, is_new: false },
        (None, Some(genesis)) => Founded { genesis, is_new: true },
        (None, None) if create => {
            let genesis = new(resolved);
            write(&dir.join(BEING_MADE), &genesis)?;
            Founded { genesis, is_new: true }
        }
        (None, None) => return Err(Error::NoDeployment { path: dir.to_owned() }),
    };
    agrees(resolved, &founded.genesis)?;
    if let Err(error) = publish(broker, &founded.genesis).await {
        if founded.is_new && matches!(error, Error::OtherDeployment { .. }) {
            // Nothing was made yet; leave nothing behind.
            fs::remove_file(dir.join(BEING_MADE)).ok();
        }
        return Err(error);
    }
    Ok(founded)
}

/// All databases are there: from now on one that is missing is an error.
pub(super) fn is_complete(dir: &Path) -> Result<(), Error> {
    let (from, to) = (dir.join(BEING_MADE), dir.join(MADE));
    if !from.exists() {
        return Ok(());
    }
    fs::rename(&from, &to).map_err(|source| Error::Folder { path: to.clone(), source })?;
    sync(dir)
}

fn new(resolved: &Resolved) -> Genesis {
    let settings = &resolved.settings;
    let currency = |(code, decimals): (&String, &u8)| Some((Currency::parse(code)?, *decimals));
    Genesis {
        deployment: settings.deployment.name.clone(),
        id: uuid::Uuid::new_v4().into_bytes(),
        shards: (0..settings.deployment.shards).map(|no| default_name('s', no)).collect(),
        managers: settings.deployment.managers,
        currencies: settings.currencies.iter().filter_map(currency).collect(),
    }
}

/// What somebody wrote down in a setting must be what the deployment was made with; a default yields.
fn agrees(resolved: &Resolved, genesis: &Genesis) -> Result<(), Error> {
    let deployment = &resolved.settings.deployment;
    let facts = [
        ("deployment.name", genesis.deployment.clone(), deployment.name.clone()),
        ("deployment.shards", genesis.shards.len().to_string(), deployment.shards.to_string()),
        ("deployment.managers", genesis.managers.to_string(), deployment.managers.to_string()),
    ];
    for (key, made, wanted) in facts {
        let origin = resolved.origins.get(key).unwrap_or(&Origin::Default);
        if made != wanted && *origin != Origin::Default {
            return Err(Error::Differs { key, made, wanted, origin: origin.to_string() });
        }
    }
    for (code, decimals) in &resolved.settings.currencies {
        let made = genesis.currencies.iter().find(|(made, _)| made.as_str() == code).map(|(_, decimals)| *decimals);
        if made != Some(*decimals) {
            let made = made.map_or_else(|| "nothing".to_owned(), |decimals| decimals.to_string());
            let origin = resolved.origins.get(&format!("currencies.{code}")).unwrap_or(&Origin::Default);
            let (key, wanted, origin) = ("currencies", format!("{code} = {decimals}"), origin.to_string());
            return Err(Error::Differs { key, made, wanted, origin });
        }
    }
    Ok(())
}

/// Writes the facts into the broker if it has none, and compares them if it has.
async fn publish(broker: &jetstream::Context, genesis: &Genesis) -> Result<(), Error> {
    let facts = |error: &dyn std::error::Error| Error::Facts(error.to_string());
    let bucket = format!("{}-facts", genesis.deployment);
    let config = kv::Config { bucket, history: 1, ..kv::Config::default() };
    let store = broker.create_or_update_key_value(config).await.map_err(|error| facts(&error))?;
    let ours = genesis.to_string();
    if store.create(KEY, ours.clone().into()).await.is_ok() {
        return Ok(());
    }
    let theirs = store.get(KEY).await.map_err(|error| facts(&error))?;
    match theirs.map(|theirs| String::from_utf8_lossy(&theirs).into_owned()) {
        Some(theirs) if theirs == ours => Ok(()),
        Some(theirs) => Err(Error::OtherDeployment { name: genesis.deployment.clone(), theirs, ours }),
        None => Err(Error::Facts("it neither takes nor has them".into())),
    }
}

fn read(path: &Path) -> Result<Option<Genesis>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let genesis = Genesis::parse(text.trim()).ok_or_else(|| Error::Unreadable { path: path.to_owned() })?;
            Ok(Some(genesis))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Folder { path: path.to_owned(), source }),
    }
}

fn write(path: &Path, genesis: &Genesis) -> Result<(), Error> {
    let folder = |source| Error::Folder { path: path.to_owned(), source };
    fs::write(path, format!("{genesis}\n")).map_err(folder)?;
    fs::File::open(path).and_then(|file| file.sync_all()).map_err(folder)?;
    path.parent().map_or(Ok(()), sync)
}

fn sync(dir: &Path) -> Result<(), Error> {
    let synced = fs::File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(|source| Error::Folder { path: dir.to_owned(), source })
}
