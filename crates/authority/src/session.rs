//! The authority of a session.

use fumehood_policy::value::HostName;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// How long the authority is good for. Its key is gone with the session, which may last days.
const AUTHORITY_LIFE: Duration = Duration::from_secs(30 * 86_400);
/// How long a name's certificate is: browsers and Go take no offence at a day.
const LEAF_LIFE: Duration = Duration::from_secs(86_400);
/// A new one is made when less than this is left.
const LEAF_REST: Duration = Duration::from_secs(3_600);
/// Clocks inside are the machine's own; what counts seconds from another start may be off by a little.
const BACKDATED: Duration = Duration::from_secs(300);
/// The most names kept. More are made again: it costs about as much as a handshake.
const MOST_LEAVES: usize = 1024;

/// Why there is no authority, or no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The key could not be made.
    #[error("the key of the session's authority cannot be made: {0}")]
    Key(rcgen::Error),
    /// A certificate could not be made.
    #[error("a certificate of the session's authority cannot be made: {0}")]
    Certificate(rcgen::Error),
    /// What was kept is none.
    #[error("the session's authority cannot be read again")]
    Sealed,
    /// TLS does not take the certificate.
    #[error("a certificate of the session's authority cannot be used: {0}")]
    Unusable(rustls::Error),
}

/// The authority of a session: its certificate goes inside, its key nowhere.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

/// An authority's key and certificate as bytes, for the process that is to use it. Wiped when dropped.
pub struct Sealed(Zeroizing<Vec<u8>>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed")
    }
}

impl Sealed {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// From bytes of [`Sealed::as_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Sealed {
        Sealed(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

fn made() -> Result<KeyPair, AuthorityError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(AuthorityError::Key)
}

fn date(at: SystemTime) -> impl FnOnce(&mut CertificateParams, Duration) {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    move |params, life| {
        let now = date_time_ymd(1970, 1, 1) + Duration::from_secs(since.as_secs());
        params.not_before = now - BACKDATED;
        params.not_after = now + life;
    }
}

fn of_authority(key: &KeyPair, now: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    date(now)(&mut params, AUTHORITY_LIFE);
    // Told apart in a program's error message, and from another session's, by the key's own digest.
    let id: String = params
        .key_identifier(key)
        .iter()
        .take(4)
        .map(|b| format!("{b:02x}"))
        .collect();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("fumehood session {id}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Authority {
    /// A new one, with a key of its own.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(now: SystemTime) -> Result<Authority, AuthorityError> {
        let key = made()?;
        let params = of_authority(&key, now);
        let certificate = params
            .self_signed(&key)
            .map_err(AuthorityError::Certificate)?
            .der()
            .clone();
        Ok(Authority {
            issuer: Issuer::new(params, key),
            certificate,
        })
    }

    /// For another process: the length of the certificate in four bytes, the certificate, the key (PKCS #8).
    #[must_use]
    pub fn seal(&self) -> Sealed {
        let key = Zeroizing::new(self.issuer.key().serialize_der());
        let length = u32::try_from(self.certificate.len()).unwrap_or(u32::MAX);
        let mut bytes = Zeroizing::new(Vec::with_capacity(4 + self.certificate.len() + key.len()));
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&self.certificate);
        bytes.extend_from_slice(&key);
        Sealed(bytes)
    }

    /// What another process sealed.
    ///
    /// # Errors
    /// It is no such thing.
    pub fn unseal(sealed: &Sealed) -> Result<Authority, AuthorityError> {
        let split = sealed.0.split_at_checked(4).and_then(|(length, rest)| {
            let length = u32::from_be_bytes(length.try_into().ok()?);
            rest.split_at_checked(usize::try_from(length).ok()?)
        });
        let (certificate, key) = split.ok_or(AuthorityError::Sealed)?;
        let key = KeyPair::try_from(key).map_err(AuthorityError::Key)?;
        // An issuer is its name and its key; the dates stand in the certificate that was made already.
        let params = of_authority(&key, UNIX_EPOCH);
        Ok(Authority {
            issuer: Issuer::new(params, key),
            certificate: CertificateDer::from(certificate.to_vec()),
        })
    }

    /// Its certificate: what programs inside must trust.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    fn certify(
        &self,
        host: &HostName,
        key: &KeyPair,
        now: SystemTime,
    ) -> Result<CertificateDer<'static>, AuthorityError> {
        let mut params = CertificateParams::default();
        date(now)(&mut params, LEAF_LIFE);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.subject_alt_names = vec![match host {
            HostName::Name(name) => {
                SanType::DnsName(name.as_str().try_into().map_err(AuthorityError::Certificate)?)
            }
            HostName::Address(address) => SanType::IpAddress(*address),
        }];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let made = params
            .signed_by(key, &self.issuer)
            .map_err(AuthorityError::Certificate)?;
        Ok(made.der().clone())
    }
}

struct Leaf {
    key: Arc<CertifiedKey>,
    renew: SystemTime,
}

/// Certificates by name, made when they are first asked for. All of one session share one key: who holds one
/// of them holds the authority too.
pub struct Leaves {
    authority: Authority,
    key: KeyPair,
    made: Mutex<HashMap<HostName, Leaf>>,
}

impl fmt::Debug for Leaves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leaves")
    }
}

impl Leaves {
    /// None made yet.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(authority: Authority) -> Result<Leaves, AuthorityError> {
        Ok(Leaves {
            authority,
            key: made()?,
            made: Mutex::default(),
        })
    }

    /// The certificate for a host, made if it is not there or about to expire.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn get(&self, host: &HostName, now: SystemTime) -> Result<Arc<CertifiedKey>, AuthorityError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = made.get(host).filter(|leaf| leaf.renew > now) {
            return Ok(Arc::clone(&leaf.key));
        }
        let key = self.make(host, now)?;
        if made.len() >= MOST_LEAVES {
            made.clear();
        }
        let renew = now + LEAF_LIFE - LEAF_REST;
        made.insert(
            host.clone(),
            Leaf {
                key: Arc::clone(&key),
                renew,
            },
        );
        Ok(key)
    }

    fn make(&self, host: &HostName, now: SystemTime) -> Result<Arc<CertifiedKey>, AuthorityError> {
        let certificate = self.authority.certify(host, &self.key, now)?;
        let der = Zeroizing::new(self.key.serialize_der());
        let key = PrivatePkcs8KeyDer::from(der.as_slice()).clone_key();
        let signing =
            rustls::crypto::ring::sign::any_ecdsa_type(&key.into()).map_err(AuthorityError::Unusable)?;
        // The authority's own certificate goes along: some programs ask for the whole chain.
        let chain = vec![certificate, self.authority.certificate.clone()];
        Ok(Arc::new(CertifiedKey::new(chain, signing)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::{ServerName, UnixTime};

    fn verify(
        leaves: &Leaves,
        trusted: &CertificateDer<'static>,
        host: &str,
        asked: &str,
        after: Duration,
    ) -> bool {
        let now = SystemTime::now();
        let leaf = leaves.get(&host.parse().unwrap(), now).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .unwrap();
        let name = ServerName::try_from(asked.to_owned()).unwrap();
        let at = UnixTime::since_unix_epoch((now + after).duration_since(UNIX_EPOCH).unwrap());
        verifier
            .verify_server_cert(&leaf.cert[0], &leaf.cert[1..], &name, &[], at)
            .is_ok()
    }

    #[test]
    fn a_certificate_is_for_its_name_alone_and_for_a_day() {
        let authority = Authority::new(SystemTime::now()).unwrap();
        let root = authority.certificate().clone();
        let leaves = Leaves::new(authority).unwrap();
        let zero = Duration::ZERO;
        assert!(verify(&leaves, &root, "api.example.com", "api.example.com", zero));
        assert!(verify(&leaves, &root, "192.0.2.7", "192.0.2.7", zero));
        assert!(verify(&leaves, &root, "[2001:db8::7]", "2001:db8::7", zero));
        assert!(verify(&leaves, &root, "a_b.example", "a_b.example", zero));
        assert!(!verify(&leaves, &root, "api.example.com", "example.com", zero));
        assert!(!verify(
            &leaves,
            &root,
            "api.example.com",
            "x.api.example.com",
            zero
        ));
        assert!(!verify(
            &leaves,
            &root,
            "api.example.com",
            "api.example.com",
            LEAF_LIFE * 2
        ));
        let other = Authority::new(SystemTime::now()).unwrap();
        assert!(!verify(
            &leaves,
            other.certificate(),
            "api.example.com",
            "api.example.com",
            zero
        ));
    }

    /// Handed to another process it is the same: what it signs there is trusted where its certificate is.
    #[test]
    fn what_was_sealed_signs_as_before() {
        let authority = Authority::new(SystemTime::now()).unwrap();
        let root = authority.certificate().clone();
        let sealed = authority.seal();
        let again = Authority::unseal(&Sealed::from_bytes(sealed.as_bytes().to_vec())).unwrap();
        assert_eq!(again.certificate(), &root);
        let leaves = Leaves::new(again).unwrap();
        assert!(verify(&leaves, &root, "a.example", "a.example", Duration::ZERO));
        for bytes in [&b""[..], b"\0\0\0\x09x", &sealed.as_bytes()[..40]] {
            assert!(Authority::unseal(&Sealed::from_bytes(bytes.to_vec())).is_err());
        }
    }

    #[test]
    fn it_is_made_once_and_again_before_it_expires() {
        let leaves = Leaves::new(Authority::new(SystemTime::now()).unwrap()).unwrap();
        let host: HostName = "a.example".parse().unwrap();
        let now = SystemTime::now();
        let first = leaves.get(&host, now).unwrap();
        assert!(Arc::ptr_eq(&first, &leaves.get(&host, now).unwrap()));
        assert!(!Arc::ptr_eq(
            &first,
            &leaves.get(&host, now + LEAF_LIFE - LEAF_REST).unwrap()
        ));
    }

    #[test]
    fn names_are_kept_in_bounded_number() {
        let leaves = Leaves::new(Authority::new(SystemTime::now()).unwrap()).unwrap();
        for n in 0..MOST_LEAVES + 10 {
            leaves
                .get(&format!("h{n}.example").parse().unwrap(), SystemTime::now())
                .unwrap();
        }
        assert!(leaves.made.lock().unwrap().len() <= MOST_LEAVES);
    }
}
