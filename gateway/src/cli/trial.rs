//! What a node is started with for a trial that ends with its command: quiet, and on a private broker whatever else is set.

use std::path::PathBuf;

use super::{error::Error, session::Session};
use crate::settings::{Flag, Nats, Origin, Resolved, Secret, ServerUrl};

/// What such a node logs unless told otherwise: the command's own output is what is to be read.
const LOG_LEVEL: &str = "warn,async_nats=error";

/// All settings, with these flags of the command's own.
pub(super) fn settings(session: &Session, flags: impl IntoIterator<Item = Flag>) -> Result<Resolved, Error> {
    let mut resolved = session.settings(flags)?;
    if resolved.origins.get("log.level") == Some(&Origin::Default) {
        resolved.settings.log.level = LOG_LEVEL.to_owned();
    }
    let nats = resolved.settings.nats;
    resolved.settings.nats = Nats {
        url: ServerUrl::default(),
        user: String::new(),
        password: Secret::default(),
        token: Secret::default(),
        credentials_file: PathBuf::new(),
        tls: false,
        tls_ca_file: PathBuf::new(),
        tls_cert_file: PathBuf::new(),
        tls_key_file: PathBuf::new(),
        ..nats
    };
    Ok(resolved)
}
