//! Connecting to a broker, plain or secured, on either side of the doors.

use std::{fmt, io, path::PathBuf, time::Duration};

use async_nats::{ConnectErrorKind, ConnectOptions, ServerAddr};

use crate::error::{Code, Error};

/// The longest pause before another try to reach a broker that is away.
const RECONNECT_MAX: Duration = Duration::from_millis(500);

/// Where a broker is, who one is there, and which deployment one means.
#[derive(Clone, PartialEq, Eq)]
pub struct Connect {
    /// `nats://host:port`, `tls://host:port`, or several separated by commas. As NATS has it, a user and password may
    /// stand in the first one, or a token in place of the user.
    pub url: String,
    /// The deployment's name: the first token of every subject.
    pub deployment: String,
    /// A user's name; needs a password.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<String>,
    /// A token, in place of a user.
    pub token: Option<String>,
    /// A credentials file as `nsc` makes it, in place of a user.
    pub credentials_file: Option<PathBuf>,
    /// How the connection is encrypted.
    pub tls: Tls,
    /// How long to wait for the connection, and then for each answer, on top of what the request itself waits for.
    pub timeout: Duration,
}

/// How a connection is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Refuse a broker that does not encrypt. Implied by the other settings here, and by `tls://`.
    pub required: bool,
    /// Encrypt before the broker says its first word, as brokers with `handshake_first` want it.
    pub first: bool,
    /// Trust the certificates in this PEM file in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// The client's certificate, a PEM file; needs its key.
    pub certificate_file: Option<PathBuf>,
    /// The key of the client's certificate, a PEM file.
    pub key_file: Option<PathBuf>,
}

/// What is sent to the broker to say who one is.
#[derive(Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
struct Login {
    user: Option<String>,
    password: Option<String>,
    token: Option<String>,
}

impl Default for Connect {
    fn default() -> Self {
        Self {
            url: "nats://127.0.0.1:4222".to_owned(),
            deployment: "remit".to_owned(),
            user: None,
            password: None,
            token: None,
            credentials_file: None,
            tls: Tls::default(),
            timeout: Duration::from_secs(5),
        }
    }
}

/// Without secrets.
impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("url", &self.shown_url())
            .field("deployment", &self.deployment)
            .field("user", &self.user)
            .field("credentials_file", &self.credentials_file)
            .field("tls", &self.tls)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Connect {
    /// The URL without a user and password that may stand in it.
    #[must_use]
    pub fn shown_url(&self) -> String {
        let shown = |url: &str| match (url.find("://"), url.rfind('@')) {
            (Some(scheme), Some(at)) if scheme < at => format!("{}{}", &url[..scheme + 3], &url[at + 1..]),
            (None, Some(at)) => url[at + 1..].to_owned(),
            _ => url.to_owned(),
        };
        self.url.split(',').map(|url| shown(url.trim())).collect::<Vec<_>>().join(",")
    }

    /// The brokers' addresses.
    ///
    /// # Errors
    /// `invalid_request` with field `url`.
    pub fn addresses(&self) -> Result<Vec<ServerAddr>, Error> {
        let parse = |url: &str| url.trim().parse().map_err(|_| self.wrong_url());
        self.url.split(',').map(parse).collect()
    }

    /// Who one is: as the settings say, or as the URL does, which the NATS client does not look at.
    fn login(&self) -> Result<Login, Error> {
        let addresses = self.addresses()?;
        let settings = Login { user: self.user.clone(), password: self.password.clone(), token: self.token.clone() };
        let Some((address, name)) = addresses.first().and_then(|address| Some((address, address.username()?))) else {
            return Ok(settings);
        };
        if settings != Login::default() {
            return Err(Error::invalid("user", "a user or token stands in the URL already: give it once"));
        }
        let name = Some(percent_decoded(name));
        Ok(match address.password() {
            Some(password) => Login { user: name, password: Some(percent_decoded(password)), token: None },
            None => Login { token: name, ..Login::default() },
        })
    }

    fn wrong_url(&self) -> Error {
        let message = format!("`{}` is not the address of a broker, as in nats://127.0.0.1:4222", self.shown_url());
        Error::invalid("url", message)
    }
}

/// The options of a connection that shows itself to the broker as `name`: who one is and how it is encrypted. The
/// caller adds what else it needs.
///
/// # Errors
/// `invalid_request` with the field of [`Connect`] that is wrong: two ways to say who one is, half of one, or a file
/// that can't be read.
pub async fn options(connect: &Connect, name: &str) -> Result<ConnectOptions, Error> {
    let Login { user, password, token } = connect.login()?;
    let Connect { credentials_file, tls, .. } = connect;
    let mut options = ConnectOptions::new().name(name).connection_timeout(connect.timeout);
    options = options.reconnect_delay_callback(reconnect_delay);
    if [user.is_some(), token.is_some(), credentials_file.is_some()].into_iter().filter(|given| *given).count() > 1 {
        return Err(Error::invalid("user", "give a user, a token or a credentials file, not several of them"));
    }
    match (user, password) {
        (Some(user), Some(password)) => options = options.user_and_password(user, password),
        (Some(_), None) => return Err(Error::invalid("password", "a user needs a password")),
        (None, Some(_)) => return Err(Error::invalid("user", "a password needs a user")),
        (None, None) => {}
    }
    if let Some(token) = token {
        options = options.token(token);
    }
    if let Some(file) = credentials_file {
        options = options.credentials_file(file).await.map_err(|error| {
            Error::invalid("credentials_file", format!("the credentials file `{}`: {error}", file.display()))
        })?;
    }
    if tls.first {
        options = options.tls_first();
    }
    if let Some(file) = &tls.ca_file {
        options = options.add_root_certificates(file.clone());
    }
    match (&tls.certificate_file, &tls.key_file) {
        (Some(certificate), Some(key)) => options = options.add_client_certificate(certificate.clone(), key.clone()),
        (Some(_), None) => return Err(Error::invalid("tls.key_file", "a client's certificate needs its key")),
        (None, Some(_)) => return Err(Error::invalid("tls.certificate_file", "a client's key needs its certificate")),
        (None, None) => {}
    }
    let wants_tls = tls.required || tls.first || tls.ca_file.is_some() || tls.certificate_file.is_some();
    if wants_tls { Ok(options.require_tls(true)) } else { Ok(options) }
}

/// The pause before the next try to reach a broker that is away: longer each time, but a broker that is back is used at once.
fn reconnect_delay(tries: usize) -> Duration {
    let doubled = 1_u64 << tries.min(10);
    Duration::from_millis(doubled).min(RECONNECT_MAX)
}

/// What it means that there is no connection, and what to do.
#[must_use]
pub fn refused(connect: &Connect, error: &async_nats::ConnectError) -> Error {
    let url = connect.shown_url();
    match error.kind() {
        ConnectErrorKind::ServerParse => connect.wrong_url(),
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            let message = format!("the broker at {url} does not accept who this is: {error}");
            Error::new(Code::Unauthenticated, message)
        }
        ConnectErrorKind::Io if broke_in_handshake(error) => Error::unavailable(not_encrypted(&url, error)),
        ConnectErrorKind::Tls => Error::unavailable(not_encrypted(&url, error)),
        ConnectErrorKind::Dns | ConnectErrorKind::TimedOut | ConnectErrorKind::Io | ConnectErrorKind::MaxReconnects => {
            Error::unavailable(format!(
                "no connection to a broker at {url} ({error}): is it running there, and is the address right?"
            ))
        }
    }
}

fn not_encrypted(url: &str, error: &async_nats::ConnectError) -> String {
    format!(
        "no encrypted connection to the broker at {url} ({error}): do the TLS settings fit it, and is its certificate trusted?"
    )
}

/// rustls reports what is wrong with a handshake as invalid data.
fn broke_in_handshake(error: &async_nats::ConnectError) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|source| source.kind() == io::ErrorKind::InvalidData)
}

/// Undoes the `%40` of a URL; what is not written so stays as it is.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| str::from_utf8(digits).ok());
        match digits.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn the_pause_before_a_reconnect_doubles_up_to_its_longest() {
        assert_eq!([0, 1, 8, 9, 1_000].map(|tries| reconnect_delay(tries).as_millis()), [1, 2, 256, 500, 500]);
    }

    #[test]
    fn secrets_are_never_shown() {
        let table = [
            ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
            ("nats://me:hush@host:4222", "nats://host:4222"),
            ("tls://hush@a, nats://me:hush@b:1", "tls://a,nats://b:1"),
            ("me:hush@host", "host"),
        ];
        for (url, shown) in table {
            let password = Some("hush".to_owned());
            let connect = Connect { url: url.to_owned(), token: password.clone(), password, ..Connect::default() };
            assert_eq!(connect.shown_url(), shown);
            assert!(!format!("{connect:?}").contains("hush"));
        }
    }

    #[test]
    fn half_a_credential_is_refused_with_its_field() {
        let text = || Some("x".to_owned());
        let file = || Some(PathBuf::from("no/such/file"));
        let plain = Connect::default;
        let table = [
            (Connect { user: text(), ..plain() }, "password"),
            (Connect { password: text(), ..plain() }, "user"),
            (Connect { user: text(), password: text(), token: text(), ..plain() }, "user"),
            (Connect { token: text(), credentials_file: file(), ..plain() }, "user"),
            (Connect { credentials_file: file(), ..plain() }, "credentials_file"),
            (Connect { url: "nats://me:hush@a".to_owned(), token: text(), ..plain() }, "user"),
            (Connect { url: "nats://tok@a".to_owned(), credentials_file: file(), ..plain() }, "user"),
            (Connect { url: "nats://a:no".to_owned(), ..plain() }, "url"),
            (Connect { tls: Tls { certificate_file: file(), ..Tls::default() }, ..plain() }, "tls.key_file"),
            (Connect { tls: Tls { key_file: file(), ..Tls::default() }, ..plain() }, "tls.certificate_file"),
        ];
        for (connect, field) in table {
            let error = block_on(options(&connect, "test")).unwrap_err();
            assert_eq!((error.code, error.field.as_deref()), (Code::InvalidRequest, Some(field)));
        }
        assert!(block_on(options(&plain(), "test")).is_ok());
    }

    #[test]
    fn a_login_may_stand_in_the_url() {
        let text = |text: &str| Some(text.to_owned());
        let table = [
            ("nats://a:1", Login::default()),
            ("nats://me:h%40sh%@a:1", Login { user: text("me"), password: text("h@sh%"), token: None }),
            ("nats://tok@a:1,nats://b:2", Login { token: text("tok"), ..Login::default() }),
        ];
        for (url, login) in table {
            assert_eq!(Connect { url: url.to_owned(), ..Connect::default() }.login(), Ok(login));
        }
    }

    #[test]
    fn an_address_is_checked_before_anything_is_sent() {
        let addresses = |url: &str| Connect { url: url.to_owned(), ..Connect::default() }.addresses();
        assert_eq!(addresses("nats://a:1, b:2").unwrap().len(), 2);
        assert_eq!(addresses("nats://a:no").unwrap_err().field.as_deref(), Some("url"));
    }
}
