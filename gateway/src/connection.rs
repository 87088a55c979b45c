//! From settings to a connection with the broker: the same for a node and for the command line.

use std::path::Path;

use remit_api::connect::{Connect, Tls};

use crate::settings::{Secret, Settings};

/// How to reach the broker that the settings name; if they name none, one on this machine at NATS's usual port. A node
/// with a private broker puts that one's address in place of it.
#[must_use]
pub fn connection(settings: &Settings) -> Connect {
    let Settings { nats, deployment, .. } = settings;
    let usual = Connect::default();
    let addresses: Vec<_> = nats.url.addresses().collect();
    Connect {
        url: if addresses.is_empty() { usual.url } else { addresses.join(",") },
        deployment: deployment.name.clone(),
        user: Some(nats.user.clone()).filter(|user| !user.is_empty()),
        password: secret(&nats.password),
        token: secret(&nats.token),
        credentials_file: file(&nats.credentials_file),
        tls: Tls {
            required: nats.tls,
            first: false,
            ca_file: file(&nats.tls_ca_file),
            certificate_file: file(&nats.tls_cert_file),
            key_file: file(&nats.tls_key_file),
        },
        timeout: usual.timeout,
    }
}

fn secret(secret: &Secret) -> Option<String> {
    secret.reveal().map(str::to_owned)
}

fn file(path: &Path) -> Option<std::path::PathBuf> {
    Some(path.to_owned()).filter(|path| !path.as_os_str().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(environment: &[(&str, &str)]) -> Connect {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        connection(&Settings::load(None, environment, []).unwrap().settings)
    }

    #[test]
    fn without_settings_it_is_the_broker_of_this_machine() {
        assert_eq!(of(&[]), Connect::default());
    }

    #[test]
    fn every_setting_of_a_secured_broker_arrives() {
        let secured = of(&[
            ("REMIT__DEPLOYMENT__NAME", "other"),
            ("REMIT__NATS__URL", "tls://a:1, tls://me:pw@b:2"),
            ("REMIT__NATS__USER", "ann"),
            ("REMIT__NATS__PASSWORD", "s3cret"),
            ("REMIT__NATS__TLS", "true"),
            ("REMIT__NATS__TLS_CA_FILE", "ca.pem"),
            ("REMIT__NATS__TLS_CERT_FILE", "cert.pem"),
            ("REMIT__NATS__TLS_KEY_FILE", "key.pem"),
        ]);
        let text = |text: &str| Some(text.to_owned());
        let path = |text: &str| Some(text.into());
        let tls = Tls {
            required: true,
            first: false,
            ca_file: path("ca.pem"),
            certificate_file: path("cert.pem"),
            key_file: path("key.pem"),
        };
        let expected = Connect {
            url: "tls://a:1,tls://me:pw@b:2".into(),
            deployment: "other".into(),
            user: text("ann"),
            password: text("s3cret"),
            tls,
            ..Connect::default()
        };
        assert_eq!(secured, expected);
        assert_eq!(of(&[("REMIT__NATS__TOKEN", "t")]).token, text("t"));
        assert_eq!(of(&[("REMIT__NATS__CREDENTIALS_FILE", "me.creds")]).credentials_file, path("me.creds"));
    }
}
