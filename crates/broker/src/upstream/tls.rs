//! TLS with a server: verified in full, by the machine's roots and those the user named.

use fumehood_authority::Roots;
use fumehood_destination::Destination;
use fumehood_http::{Denial, Version};
use fumehood_policy::value::HostName;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Why no server can be verified.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// None of the roots can be used.
    #[error("none of the machine's trusted certificates can be used")]
    NoRoots,
    /// The library refuses its own settings.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

type Config = Arc<ClientConfig>;

/// How servers are spoken to.
#[derive(Debug)]
pub(crate) struct Tls {
    one: Config,
    two: Config,
    database: Config,
}

impl Tls {
    pub(crate) fn new(roots: &Roots) -> Result<Tls, TlsError> {
        let (store, _unusable) = roots.store();
        if store.is_empty() {
            return Err(TlsError::NoRoots);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_root_certificates(store)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut database = config.clone();
        database.alpn_protocols = vec![b"postgresql".to_vec()];
        let mut two = config.clone();
        two.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Tls {
            one: Arc::new(config),
            two: Arc::new(two),
            database: Arc::new(database),
        })
    }

    /// A handshake; the protocol offered is the one that the client spoke, so that a server sees what it
    /// would have seen.
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
        destination: &Destination,
        version: Version,
    ) -> Result<(TlsStream<TcpStream>, Version), Denial> {
        let config = match version {
            Version::Http1 => &self.one,
            Version::Http2 => &self.two,
        };
        let stream = handshake(config, stream, destination).await?;
        let is_two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok((stream, if is_two { Version::Http2 } else { Version::Http1 }))
    }

    /// A handshake with a database that agreed to one.
    pub(crate) async fn database(
        &self,
        stream: TcpStream,
        destination: &Destination,
    ) -> Result<TlsStream<TcpStream>, Denial> {
        handshake(&self.database, stream, destination).await
    }
}

async fn handshake(
    config: &Config,
    stream: TcpStream,
    destination: &Destination,
) -> Result<TlsStream<TcpStream>, Denial> {
    let name = match &destination.host {
        HostName::Name(name) => ServerName::try_from(name.clone())
            .map_err(|_| Denial::new(502, format!("{name} is no name that a certificate could be for")))?,
        HostName::Address(address) => ServerName::from(*address),
    };
    let connector = TlsConnector::from(Arc::clone(config));
    match timeout(HANDSHAKE, connector.connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(failed(destination, &error)),
        Err(_) => Err(Denial::new(
            504,
            format!("the TLS handshake with {destination} was not complete in time"),
        )),
    }
}

/// Says what is wrong with a server's certificate, and what can be done where something can.
fn failed(destination: &Destination, error: &io::Error) -> Denial {
    use rustls::CertificateError as Bad;
    let inner = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    let (what, remedy) = match inner {
        Some(rustls::Error::InvalidCertificate(bad)) => match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => ("has expired", ""),
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => ("is not valid yet", ""),
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => ("is for another name", ""),
            Bad::UnknownIssuer => (
                "is signed by nobody this machine trusts",
                "where it is your company's authority, name its file in SSL_CERT_FILE outside",
            ),
            Bad::Revoked => ("has been revoked", ""),
            _ => ("is not valid", ""),
        },
        _ => {
            let reason = format!("the TLS handshake with {destination} failed: {error}");
            return Denial::new(502, reason);
        }
    };
    Denial::new(
        502,
        format!("the certificate of {destination} {what}; nothing was sent"),
    )
    .remedy(remedy)
}
