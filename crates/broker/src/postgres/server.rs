//! The server's side: a connection, TLS where it is another machine, a login.

use super::link::{Incoming, Outgoing, link};
use crate::secret::Secret;
use crate::upstream::{Dial, Stream, Tls};
use fumehood_destination::Destination;
use fumehood_policy::value::HostName;
use fumehood_postgres::{Backend, LoginError, Out, Scram, Startup, backend, md5};
use rustix::rand::{GetRandomFlags, getrandom};
use std::io;
use std::net::IpAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// How long connecting and logging in may take together.
const LOGIN: Duration = Duration::from_secs(30);
/// The longest message of a login.
const MAX_LOGIN: usize = 64 * 1024;

/// Why there is no connection. Nothing of a password is in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoServer {
    #[error("{0}")]
    Dial(fumehood_monitor::DialError),
    #[error("{0}")]
    Tls(String),
    #[error("it speaks no TLS, and it is another machine")]
    Plain,
    #[error("it asks for a password; name where it lies as `password` of this database, outside the sandbox")]
    NoPassword,
    #[error(transparent)]
    Login(#[from] LoginError),
    #[error("its login cannot be read, or broke off")]
    Broken,
    /// The server's own words.
    #[error("it refuses the login")]
    Refused(Vec<u8>),
    #[error("it is PostgreSQL {0}; from 12 on they are known here")]
    Old(String),
}

impl From<io::Error> for NoServer {
    fn from(_: io::Error) -> Self {
        NoServer::Broken
    }
}

/// A connection that is logged in.
pub(crate) struct Server {
    pub(crate) incoming: Incoming<Stream>,
    pub(crate) outgoing: Outgoing<Stream>,
    /// What the server said of its settings, as messages.
    pub(crate) settings: Vec<u8>,
    /// How its statements are cancelled.
    pub(crate) key: (u32, Vec<u8>),
}

/// A packet that asks for TLS.
const ASK_TLS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

pub(crate) fn is_here(to: &Destination) -> bool {
    match &to.host {
        HostName::Address(address) => address.is_loopback(),
        HostName::Name(name) => name == "localhost",
    }
}

/// A stream to the server: with TLS, verified in full, unless it is this machine.
pub(crate) async fn reach(
    to: &Destination,
    permitted: &[IpAddr],
    tls: Option<&Tls>,
    dial: &impl Dial,
) -> Result<Stream, NoServer> {
    let mut stream = dial.dial(to, permitted).await.map_err(NoServer::Dial)?;
    if is_here(to) {
        return Ok(Stream::Plain(stream));
    }
    stream.write_all(&ASK_TLS).await?;
    let mut answer = [0];
    // One byte, and none behind it: what came before the handshake would be taken for the server's (CVE-2021-23222).
    stream.read_exact(&mut answer).await?;
    if answer != *b"S" {
        return Err(NoServer::Plain);
    }
    let tls = tls
        .ok_or_else(|| NoServer::Tls("none of the machine's trusted certificates can be used".to_owned()))?;
    let stream = tls
        .database(stream, to)
        .await
        .map_err(|denial| NoServer::Tls(denial.reason))?;
    Ok(Stream::Tls(Box::new(stream)))
}

/// Logs in.
pub(crate) async fn log_in(
    stream: Stream,
    startup: &Startup,
    password: Option<&Secret>,
) -> Result<Server, NoServer> {
    timeout(LOGIN, begin(stream, startup, password))
        .await
        .map_err(|_| NoServer::Broken)?
}

async fn begin(stream: Stream, startup: &Startup, password: Option<&Secret>) -> Result<Server, NoServer> {
    let (mut incoming, mut outgoing) = link(stream);
    outgoing.out.extend_from_slice(&startup.encode());
    outgoing.flush().await?;
    authenticate(&mut incoming, &mut outgoing, &startup.user, password).await?;
    let (mut settings, mut key) = (Vec::new(), (0, Vec::new()));
    loop {
        let message = incoming.message(MAX_LOGIN).await?;
        match backend(&message).map_err(|_| NoServer::Broken)? {
            Backend::Parameter(name, value) => {
                if name == "server_version" {
                    let major = value
                        .split(['.', ' ', 'b', 'r', 'd'])
                        .next()
                        .and_then(|v| v.parse::<u32>().ok());
                    if major.is_none_or(|major| major < 12) {
                        return Err(NoServer::Old(
                            value.chars().filter(char::is_ascii_graphic).take(20).collect(),
                        ));
                    }
                }
                if !is_expected(name, value) {
                    return Err(NoServer::Broken);
                }
                settings.extend_from_slice(&message);
            }
            Backend::Key(process, secret) => key = (process, secret.to_vec()),
            Backend::Ready(_) => {
                return Ok(Server {
                    incoming,
                    outgoing,
                    settings,
                    key,
                });
            }
            Backend::Error(fields) => return Err(NoServer::Refused(fields.to_vec())),
            Backend::Other(b'N') => {}
            _ => return Err(NoServer::Broken),
        }
    }
}

/// Whether a setting that the server tells of lets statements be read as they were.
pub(crate) fn is_expected(name: &str, value: &str) -> bool {
    match name {
        "client_encoding" => value == "UTF8",
        "standard_conforming_strings" => value == "on",
        "default_transaction_read_only" | "in_hot_standby" | "is_superuser" => matches!(value, "on" | "off"),
        _ => true,
    }
}

/// Settings that must not change once a session has begun.
pub(crate) const FIXED: &[&str] = &[
    "client_encoding",
    "default_transaction_read_only",
    "integer_datetimes",
    "is_superuser",
    "search_path",
    "server_encoding",
    "server_version",
    "session_authorization",
    "standard_conforming_strings",
];

async fn authenticate(
    incoming: &mut Incoming<Stream>,
    outgoing: &mut Outgoing<Stream>,
    user: &str,
    password: Option<&Secret>,
) -> Result<(), NoServer> {
    let mut scram: Option<Scram> = None;
    let mut verified = false;
    loop {
        let message = incoming.message(MAX_LOGIN).await?;
        let (way, rest) = match backend(&message).map_err(|_| NoServer::Broken)? {
            Backend::Authentication(way, rest) => (way, rest),
            Backend::Error(fields) => return Err(NoServer::Refused(fields.to_vec())),
            Backend::Other(b'N' | b'v') => continue,
            _ => return Err(NoServer::Broken),
        };
        let mut out = Out::default();
        match way {
            // A server that began SCRAM has to show that it knows the password.
            0 if scram.is_some() && !verified => return Err(LoginError::Server.into()),
            0 => return Ok(()),
            3 => {
                let password = password.ok_or(NoServer::NoPassword)?;
                out.message(b'p', &[password.expose(), b"\0"]);
            }
            5 => {
                let password = password.ok_or(NoServer::NoPassword)?;
                let salt = rest.try_into().map_err(|_| NoServer::Broken)?;
                out.message(b'p', &[md5(user, password.expose(), salt).as_bytes(), b"\0"]);
            }
            10 if scram.is_none() => {
                password.ok_or(NoServer::NoPassword)?;
                if !rest.split(|b| *b == 0).any(|way| way == b"SCRAM-SHA-256") {
                    return Err(LoginError::Way.into());
                }
                let mut random = [0; 18];
                if getrandom(&mut random, GetRandomFlags::empty()) != Ok(random.len()) {
                    return Err(NoServer::Broken);
                }
                let begun = Scram::new(random);
                out.message(b'p', &[&begun.first()]);
                scram = Some(begun);
            }
            11 => {
                let (Some(scram), Some(password)) = (&mut scram, password) else {
                    return Err(NoServer::Broken);
                };
                let answer = scram.answer(rest, password.expose())?;
                out.message(b'p', &[answer.as_bytes()]);
            }
            12 => {
                scram.as_ref().ok_or(NoServer::Broken)?.verify(rest)?;
                verified = true;
            }
            _ => return Err(LoginError::Way.into()),
        }
        outgoing.out.extend_from_slice(&out.0);
        outgoing.flush().await?;
    }
}
