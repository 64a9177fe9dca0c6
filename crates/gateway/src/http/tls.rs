//! TLS with a client: terminated with a certificate of the session's authority.

use fumehood_authority::{AuthorityError, Leaves};
use fumehood_destination::Destination;
use fumehood_policy::value::HostName;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, ServerConfig};
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

/// What is offered: HTTP/2 to who can, which gRPC needs.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Certificates by the name a client asks for.
pub(crate) struct Tls {
    leaves: Arc<Leaves>,
    provider: Arc<CryptoProvider>,
    named: Arc<ServerConfig>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

#[derive(Debug)]
struct ByName(Arc<Leaves>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let host: HostName = hello.server_name()?.parse().ok()?;
        self.0.get(&host, SystemTime::now()).ok()
    }
}

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct NamedOr(ByName, Always);

impl ResolvesServerCert for NamedOr {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match hello.server_name() {
            Some(_) => self.0.resolve(hello),
            None => self.1.resolve(hello),
        }
    }
}

impl Tls {
    pub(crate) fn new(leaves: Leaves) -> Result<Tls, AuthorityError> {
        let leaves = Arc::new(leaves);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let named = config(&provider, Arc::new(ByName(Arc::clone(&leaves))))?;
        Ok(Tls {
            leaves,
            provider,
            named,
        })
    }

    /// For a client whose name was compared with its destination already; one that gave none gets the
    /// certificate of its destination.
    pub(crate) fn config(
        &self,
        destination: &Destination,
        has_name: bool,
    ) -> Result<Arc<ServerConfig>, AuthorityError> {
        if has_name {
            return Ok(Arc::clone(&self.named));
        }
        let key = self.leaves.get(&destination.host, SystemTime::now())?;
        config(&self.provider, Arc::new(Always(key)))
    }
}

impl Tls {
    /// For a client of a database: one that names nobody gets the certificate of its destination.
    pub(crate) fn database(&self, destination: &Destination) -> Result<Arc<ServerConfig>, AuthorityError> {
        let always = Always(self.leaves.get(&destination.host, SystemTime::now())?);
        let named = ByName(Arc::clone(&self.leaves));
        let made = config(&self.provider, Arc::new(NamedOr(named, always)))?;
        let mut config = ServerConfig::clone(&made);
        // PostgreSQL 17 and later name it; older clients name none.
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(Arc::new(config))
    }
}

fn config(
    provider: &Arc<CryptoProvider>,
    certificates: Arc<dyn ResolvesServerCert>,
) -> Result<Arc<ServerConfig>, AuthorityError> {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(AuthorityError::Unusable)?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = PROTOCOLS.iter().map(|p| p.to_vec()).collect();
    Ok(Arc::new(config))
}

/// Whether a handshake failed because the client does not trust the session's authority: it has roots of its
/// own, or pins a certificate.
pub(crate) fn is_untrusted(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    matches!(
        inner,
        Some(rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateExpired
        ))
    )
}
