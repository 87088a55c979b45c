//! Making a deployment, and finding it again (R16).
//!
//! The deployment's facts stand in the file `deployment` of the data folder and as the first row of every database, and in
//! the broker's bucket `<name>-facts`, so that another folder on the same broker is refused. A deployment is made by an
//! explicit act only: `remit up` on an empty folder with its private broker, or `--create`. While it is being made the file
//! is called `deployment.new`; a start that was cut off there goes on with the same facts.
//!
//! Where commits are replicated, other nodes join once it is made, which the bucket says too: an empty folder takes the facts from
//! there.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use async_nats::jetstream::{self, kv};
use remit_actors::genesis::Genesis;
use remit_core::{id::default_name, money::Currency};
use tokio::time::{Instant, sleep};
use tracing::warn;

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
    /// It is being made by another node.
    #[error("the deployment `{name}` is still being made by another node: try again when that one is ready")]
    BeingMade {
        /// Its name.
        name: String,
    },
    /// It is another folder's alone.
    #[error(
        "the deployment `{name}` commits to the disk of the node that made it, so no other node can join; one for several nodes is made with \
         --commit replicated"
    )]
    OnOneDisk {
        /// Its name.
        name: String,
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

/// How long the broker is asked for the facts, and the pause before it is asked again.
const ASKED_FOR: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(500);

const MADE: &str = "deployment";
const BEING_MADE: &str = "deployment.new";
const KEY: &str = "genesis";
/// Is in the bucket once all databases have been made.
const KEY_MADE: &str = "made";

/// Settles which deployment this folder has, making one or joining one where that is allowed. Facts are kept so many times in the
/// broker. A broker that does not answer is asked again for a while: several of them may be choosing a leader.
pub(super) async fn settle(
    resolved: &Resolved,
    dir: &Path,
    broker: &jetstream::Context,
    copies: usize,
    create: bool,
) -> Result<Founded, Error> {
    let until = Instant::now() + ASKED_FOR;
    loop {
        match settle_once(resolved, dir, broker, copies, create).await {
            Err(error @ Error::Facts(_)) if Instant::now() < until => warn!(%error, "asked again"),
            settled => return settled,
        }
        sleep(PAUSE).await;
    }
}

async fn settle_once(
    resolved: &Resolved,
    dir: &Path,
    broker: &jetstream::Context,
    copies: usize,
    create: bool,
) -> Result<Founded, Error> {
    let name = &resolved.settings.deployment.name;
    let facts = Facts { broker, name, copies };
    let founded = match (read(&dir.join(MADE))?, read(&dir.join(BEING_MADE))?) {
        (Some(genesis), _) => Founded { genesis, is_new: false },
        (None, Some(genesis)) => Founded { genesis, is_new: true },
        (None, None) => match facts.there().await? {
            Some(there) => {
                agrees(resolved, &there)?;
                join(dir, &facts, there).await?
            }
            None if create => {
                let genesis = new(resolved);
                write(&dir.join(BEING_MADE), &genesis)?;
                Founded { genesis, is_new: true }
            }
            None => return Err(Error::NoDeployment { path: dir.to_owned() }),
        },
    };
    agrees(resolved, &founded.genesis)?;
    if let Err(error) = facts.publish(&founded.genesis).await {
        if founded.is_new && matches!(error, Error::OtherDeployment { .. }) {
            // Nothing was made yet; leave nothing behind.
            fs::remove_file(dir.join(BEING_MADE)).ok();
        }
        return Err(error);
    }
    if !founded.is_new {
        facts.say_made().await?;
    }
    Ok(founded)
}

/// Takes a folder that has nothing into a deployment that is there.
async fn join(dir: &Path, facts: &Facts<'_>, genesis: Genesis) -> Result<Founded, Error> {
    let name = genesis.deployment.clone();
    if !genesis.replicated {
        return Err(Error::OnOneDisk { name });
    }
    if !facts.is_made().await? {
        return Err(Error::BeingMade { name });
    }
    write(&dir.join(MADE), &genesis)?;
    Ok(Founded { genesis, is_new: false })
}

/// Says again in the broker what the facts are, should it have lost them (R18).
pub(super) async fn say_again(broker: &jetstream::Context, copies: usize, genesis: &Genesis) -> Result<(), Error> {
    let facts = Facts { broker, name: &genesis.deployment, copies };
    facts.publish(genesis).await?;
    facts.say_made().await
}

/// All databases are there: from now on one that is missing is an error, or comes from elsewhere; and other nodes may join.
pub(super) async fn is_complete(
    dir: &Path,
    broker: &jetstream::Context,
    copies: usize,
    genesis: &Genesis,
) -> Result<(), Error> {
    let (from, to) = (dir.join(BEING_MADE), dir.join(MADE));
    if !from.exists() {
        return Ok(());
    }
    fs::rename(&from, &to).map_err(|source| Error::Folder { path: to.clone(), source })?;
    sync(dir)?;
    Facts { broker, name: &genesis.deployment, copies }.say_made().await
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
        replicated: settings.is_replicated(),
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
    let wanted = resolved.origins.get("store.commit").unwrap_or(&Origin::Default);
    if resolved.settings.is_replicated() != genesis.replicated && *wanted != Origin::Default {
        let word = |replicated| if replicated { "replicated" } else { "disk" }.to_owned();
        let (made, wanted, origin) = (word(genesis.replicated), word(!genesis.replicated), wanted.to_string());
        return Err(Error::Differs { key: "store.commit", made, wanted, origin });
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

/// The facts in the broker.
struct Facts<'a> {
    broker: &'a jetstream::Context,
    name: &'a str,
    copies: usize,
}

fn unkept(error: impl fmt::Display) -> Error {
    Error::Facts(error.to_string())
}

impl Facts<'_> {
    async fn store(&self) -> Result<kv::Store, Error> {
        let bucket = format!("{}-facts", self.name);
        let config = kv::Config { bucket, history: 1, num_replicas: self.copies, ..kv::Config::default() };
        // Looked for first: to make what is there again is work for all brokers together.
        match self.broker.get_key_value(&config.bucket).await {
            Ok(store) => Ok(store),
            Err(_) => self.broker.create_key_value(config).await.map_err(unkept),
        }
    }

    async fn text(&self, key: &str) -> Result<Option<String>, Error> {
        let text = self.store().await?.get(key).await.map_err(unkept)?;
        Ok(text.map(|text| String::from_utf8_lossy(&text).into_owned()))
    }

    /// What is there, if there is anything.
    async fn there(&self) -> Result<Option<Genesis>, Error> {
        let Some(text) = self.text(KEY).await? else { return Ok(None) };
        Genesis::parse(&text).map(Some).ok_or_else(|| Error::Facts(format!("it has '{text}'")))
    }

    async fn is_made(&self) -> Result<bool, Error> {
        Ok(self.text(KEY_MADE).await?.is_some())
    }

    async fn say_made(&self) -> Result<(), Error> {
        if !self.is_made().await? {
            self.store().await?.put(KEY_MADE, "yes".into()).await.map_err(unkept)?;
        }
        Ok(())
    }

    /// Writes the facts if there are none, and compares them if there are.
    async fn publish(&self, genesis: &Genesis) -> Result<(), Error> {
        let ours = genesis.to_string();
        let store = self.store().await?;
        if store.create(KEY, ours.clone().into()).await.is_ok() {
            return Ok(());
        }
        match self.text(KEY).await? {
            Some(theirs) if theirs == ours => Ok(()),
            Some(theirs) => Err(Error::OtherDeployment { name: genesis.deployment.clone(), theirs, ours }),
            None => Err(Error::Facts("it neither takes nor has them".into())),
        }
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
