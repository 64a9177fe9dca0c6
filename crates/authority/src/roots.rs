//! The machine's own roots.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::io;
use std::path::{Path, PathBuf};

/// Where distributions keep their bundle; the first that exists is the machine's.
pub const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt", // Debian, Ubuntu, Arch, Alpine, Gentoo, NixOS
    "/etc/pki/tls/certs/ca-bundle.crt",   // Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",             // openSUSE
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // RHEL without the link
    "/etc/ssl/cert.pem",                  // Alpine without ca-certificates
];

/// The most bytes of a bundle: ten times the largest shipped one.
const LONGEST: usize = 4 << 20;

/// Why there are no roots.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// No bundle at any of the known places.
    #[error(
        "no file of trusted certificates was found; install the package ca-certificates, or name one in SSL_CERT_FILE"
    )]
    None,
    /// A file that was named cannot be read.
    #[error("the trusted certificates in {path} cannot be read: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is longer than any bundle.
    #[error("{path} is longer than {LONGEST} bytes, which no file of certificates is", path = .0.display())]
    Long(PathBuf),
    /// It is not PEM.
    #[error("{path} is no file of certificates in PEM form", path = path.display())]
    Form {
        /// The file.
        path: PathBuf,
    },
    /// It holds no certificate.
    #[error("{path} holds no certificate", path = .0.display())]
    Empty(PathBuf),
}

/// Certificates that are trusted, as their files have them: what stands in them is not reduced to what one
/// library understands, since other programs read the same bytes.
#[derive(Clone, Debug, Default)]
pub struct Roots(Vec<CertificateDer<'static>>);

impl Roots {
    /// The machine's bundle, and those that the caller's own variables name besides (a company's). `read`
    /// reads a whole file of the host.
    ///
    /// # Errors
    /// There is none, or one of them is not what it should be.
    pub fn machine(
        read: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
        named: &[PathBuf],
    ) -> Result<Roots, RootsError> {
        let mut roots = Roots::default();
        let found = BUNDLES
            .iter()
            .map(Path::new)
            .find_map(|path| Some((path, read(path).ok()?)));
        match found {
            Some((path, bytes)) => roots.add(path, &bytes)?,
            None if named.is_empty() => return Err(RootsError::None),
            None => {}
        }
        for path in named {
            let failed = |source| RootsError::Read {
                path: path.clone(),
                source,
            };
            roots.add(path, &read(path).map_err(failed)?)?;
        }
        Ok(roots)
    }

    /// Adds the certificates of a PEM file that are not there yet.
    ///
    /// # Errors
    /// It is no such file, or holds none.
    pub fn add(&mut self, path: &Path, bytes: &[u8]) -> Result<(), RootsError> {
        if bytes.len() > LONGEST {
            return Err(RootsError::Long(path.to_owned()));
        }
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
        let all = all.map_err(|_| RootsError::Form {
            path: path.to_owned(),
        })?;
        if all.is_empty() {
            return Err(RootsError::Empty(path.to_owned()));
        }
        let known: std::collections::HashSet<_> = self.0.iter().cloned().collect();
        self.0.extend(all.into_iter().filter(|c| !known.contains(c)));
        Ok(())
    }

    /// Each certificate.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.0
    }

    /// For verification upstream, and how many could not be taken: expired forms and algorithms that nobody
    /// should be verified by any more.
    #[must_use]
    pub fn store(&self) -> (RootCertStore, usize) {
        let mut store = RootCertStore::empty();
        let (_, refused) = store.add_parsable_certificates(self.0.iter().cloned());
        (store, refused)
    }
}

/// Certificates in PEM form (RFC 7468).
#[must_use]
pub fn pem<'a>(certificates: impl IntoIterator<Item = &'a CertificateDer<'static>>) -> Vec<u8> {
    use base64::Engine;
    let mut text = String::new();
    for certificate in certificates {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let encoded = base64::engine::general_purpose::STANDARD.encode(certificate);
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, more) = rest.split_at(rest.len().min(64));
            text.push_str(line);
            text.push('\n');
            rest = more;
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Authority;
    use std::time::SystemTime;

    fn one() -> CertificateDer<'static> {
        Authority::new(SystemTime::now()).unwrap().certificate().clone()
    }

    #[test]
    fn bundles_are_merged_and_written_again() {
        let (machine, company) = (one(), one());
        let files = |path: &Path| match path.to_str() {
            Some("/etc/pki/tls/certs/ca-bundle.crt") => Ok([b"# comment\n", &pem([&machine])[..]].concat()),
            Some("/company.pem") => Ok(pem([&company, &machine])),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let roots = Roots::machine(&files, &["/company.pem".into()]).unwrap();
        assert_eq!(roots.certificates(), [machine, company]);
        let (store, refused) = roots.store();
        assert_eq!((store.len(), refused), (2, 0));
    }

    #[test]
    fn what_is_no_bundle_is_refused_with_its_path() {
        let nothing = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
        assert!(matches!(Roots::machine(&nothing, &[]), Err(RootsError::None)));
        let named = ["/company.pem".into()];
        assert!(matches!(
            Roots::machine(&nothing, &named),
            Err(RootsError::Read { .. })
        ));
        for bytes in [
            &b""[..],
            b"-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n",
            b"\0\0",
        ] {
            let file = |_: &Path| Ok(bytes.to_vec());
            let error = Roots::machine(&file, &named).unwrap_err();
            assert!(
                error.to_string().contains("/etc/ssl/certs/ca-certificates.crt"),
                "{error}"
            );
        }
    }
}
