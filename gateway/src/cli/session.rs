//! What a command works with: settings, a connection to the deployment, and its currencies.

use std::iter::once;

use remit_api::{Client, Currencies};
use remit_core::money::{Amount, Currency};
use tokio::sync::OnceCell;

use super::{Global, error::Error, output::Output};
use crate::{
    connection::connection,
    log,
    settings::{self, Flag, Origin, Resolved, Settings},
};

/// The global options, until a command needs what they stand for.
#[derive(Debug)]
pub(super) struct Session {
    global: Global,
}

impl Session {
    pub(super) const fn new(global: Global) -> Self {
        Self { global }
    }

    pub(super) const fn output(&self) -> Output {
        Output::new(self.global.json)
    }

    /// Whether `--nats` was given.
    pub(super) const fn names_broker(&self) -> bool {
        self.global.nats.is_some()
    }

    /// All settings, with these flags of the command's own.
    pub(super) fn settings(&self, flags: impl IntoIterator<Item = Flag>) -> Result<Resolved, Error> {
        let Global { config, nats, deployment, .. } = &self.global;
        let flag = |name: &str, key: &str, value: &Option<String>| Some(Flag::new(name, key, value.clone()?));
        let global = [flag("--nats", "nats.url", nats), flag("--deployment", "deployment.name", deployment)];
        let flags = global.into_iter().flatten().chain(flags);
        Ok(Settings::load(config.as_deref(), settings::environment(), flags)?)
    }

    /// What a command asks the deployment with that is meant.
    pub(super) const fn desk(&self) -> Desk<'_> {
        Desk { session: self, client: OnceCell::const_new() }
    }

    async fn connect(&self) -> Result<Client, Error> {
        let Resolved { settings, origins } = self.settings([])?;
        // A command is quiet unless its user asked to hear of it.
        if origins.get("log.level").is_some_and(|origin| *origin != Origin::Default) {
            log::start(&settings.log);
        }
        Ok(Client::connect(&connection(&settings)).await?)
    }
}

/// A connection, made when it is first needed, so that wrong words are refused without one; and amounts as people write
/// them.
#[derive(Debug)]
pub(super) struct Desk<'s> {
    session: &'s Session,
    client: OnceCell<Client>,
}

impl Desk<'_> {
    /// The connection.
    pub(super) async fn client(&self) -> Result<&Client, Error> {
        self.client.get_or_try_init(|| self.session.connect()).await
    }

    /// The currencies of the deployment, asked for only if one of those that are used is not in ISO 4217: no deployment
    /// can declare those otherwise.
    pub(super) async fn currencies(&self, used: impl IntoIterator<Item = Currency>) -> Result<Currencies, Error> {
        let iso = Currencies::iso();
        if used.into_iter().all(|currency| iso.knows(currency)) { Ok(iso) } else { self.all_currencies().await }
    }

    /// The currencies of the deployment.
    pub(super) async fn all_currencies(&self) -> Result<Currencies, Error> {
        let deployment = self.client().await?.deployment_get().await?;
        Currencies::with(deployment.currencies).map_err(|error| {
            let message = format!("the deployment's currencies can't be read: {error}");
            Error::Answer(remit_api::Error::unavailable(message))
        })
    }

    /// The same, to show amounts that are already answered. Where they can't be had, amounts of those beyond ISO 4217
    /// are shown in minor units: better than an answer lost.
    pub(super) async fn currencies_to_show(&self, used: impl IntoIterator<Item = Currency>) -> Currencies {
        self.currencies(used).await.unwrap_or_else(|_| Currencies::iso())
    }

    /// An amount that a person wrote.
    pub(super) async fn amount(&self, text: &str, currency: Currency) -> Result<Amount, Error> {
        let currencies = self.currencies(once(currency)).await?;
        currencies.parse_human(text, currency).map_err(|error| Error::Usage(error.to_string()))
    }

    /// The same of an overdraft limit, which may be zero.
    pub(super) async fn limit(&self, text: &str, currency: Currency) -> Result<i64, Error> {
        let currencies = self.currencies(once(currency)).await?;
        currencies.parse_human_limit(text, currency).map_err(|error| Error::Usage(error.to_string()))
    }
}
