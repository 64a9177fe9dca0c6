//! Variables and files by which programs find their roots.

use crate::java;
use crate::roots::{Roots, pem};
use rustls::pki_types::CertificateDer;

/// What a place wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// The machine's roots and the session's authority, in PEM: the place replaces what a program has.
    Bundle,
    /// The session's authority alone, in PEM: the place adds to what a program has.
    Session,
    /// All of them in a Java key store.
    Java,
}

/// Variables, and what the file they name has to hold. A program that reads one not listed here has to be
/// told by its user.
pub const VARIABLES: &[(&str, Form)] = &[
    ("SSL_CERT_FILE", Form::Bundle), // OpenSSL, Go, rustls-native-certs, Ruby, Bun
    ("REQUESTS_CA_BUNDLE", Form::Bundle), // Python requests, and pip by it
    ("CURL_CA_BUNDLE", Form::Bundle), // curl; requests reads it too
    ("GIT_SSL_CAINFO", Form::Bundle), // git
    ("CARGO_HTTP_CAINFO", Form::Bundle), // cargo
    ("PIP_CERT", Form::Bundle),      // pip, which else has its own
    ("AWS_CA_BUNDLE", Form::Bundle), // aws, botocore
    ("NIX_SSL_CERT_FILE", Form::Bundle), // nix
    ("CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", Form::Bundle), // gcloud
    ("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", Form::Bundle), // grpcio and all on gRPC's C core
    ("BUNDLE_SSL_CA_CERT", Form::Bundle), // bundler
    ("HEX_CACERTS_PATH", Form::Bundle), // Elixir's hex
    ("CODEX_CA_CERTIFICATE", Form::Bundle), // Codex, where SSL_CERT_FILE is set to something else
    ("NPM_CONFIG_CAFILE", Form::Bundle), // npm, whose own setting hides Node's
    ("NODE_EXTRA_CA_CERTS", Form::Session), // Node, Bun, Electron
    ("DENO_CERT", Form::Session),    // Deno
];

/// uv has roots compiled in and reads the system's when told to.
const SWITCHES: &[(&str, &str)] = &[
    ("UV_SYSTEM_CERTS", "true"),
    ("UV_NATIVE_TLS", "true"),
    ("DENO_TLS_CA_STORE", "system,mozilla"),
];

/// Files that programs open by name. Each that the sandbox shows is shown with this content instead.
pub const FILES: &[(&str, Form)] = &[
    ("/etc/ssl/certs/ca-certificates.crt", Form::Bundle),
    ("/etc/pki/tls/certs/ca-bundle.crt", Form::Bundle),
    ("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", Form::Bundle),
    ("/etc/ssl/ca-bundle.pem", Form::Bundle),
    ("/etc/ssl/cert.pem", Form::Bundle),
    ("/etc/ssl/certs/java/cacerts", Form::Java), // Debian's Java packages link here
    ("/etc/pki/java/cacerts", Form::Java),       // Fedora's
    ("/etc/pki/ca-trust/extracted/java/cacerts", Form::Java),
];

/// What every place is filled with.
#[derive(Clone, Debug)]
pub struct Material {
    bundle: Vec<u8>,
    session: Vec<u8>,
    java: Vec<u8>,
}

impl Material {
    /// From the machine's roots and the session's authority.
    #[must_use]
    pub fn new(roots: &Roots, session: &CertificateDer<'static>) -> Material {
        let mut all: Vec<&CertificateDer<'static>> = roots.certificates().iter().collect();
        all.push(session);
        Material {
            bundle: pem(all.iter().copied()),
            session: pem([session]),
            java: java::store(all.into_iter()),
        }
    }

    /// The bytes for a place.
    #[must_use]
    pub fn bytes(&self, form: Form) -> &[u8] {
        match form {
            Form::Bundle => &self.bundle,
            Form::Session => &self.session,
            Form::Java => &self.java,
        }
    }
}

/// The environment's part: each variable with the path inside of its file, as `path` gives it. A Java whose
/// store lies in its own folder is told by `java`, since that prints a line at each start of one.
#[must_use]
pub fn variables(path: impl Fn(Form) -> String, java: bool) -> Vec<(String, String)> {
    let named = VARIABLES
        .iter()
        .map(|(name, form)| ((*name).to_owned(), path(*form)));
    let fixed = SWITCHES
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let option = java.then(|| {
        let store = path(Form::Java);
        let words = format!("-Djavax.net.ssl.trustStore={store} -Djavax.net.ssl.trustStoreType=JKS");
        ("JAVA_TOOL_OPTIONS".to_owned(), words)
    });
    named.chain(fixed).chain(option).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Authority;
    use std::path::Path;
    use std::time::SystemTime;

    fn material() -> Material {
        let one = |_| Authority::new(SystemTime::now()).unwrap().certificate().clone();
        let [machine, session] = [(), ()].map(one);
        let mut roots = Roots::default();
        roots.add(Path::new("x"), &pem([&machine])).unwrap();
        Material::new(&roots, &session)
    }

    #[test]
    fn what_replaces_holds_all_and_what_adds_holds_one() {
        let material = material();
        let count = |form| {
            let text = String::from_utf8(material.bytes(form).to_vec()).unwrap();
            text.matches("BEGIN CERTIFICATE").count()
        };
        assert_eq!((count(Form::Bundle), count(Form::Session)), (2, 1));
    }

    #[test]
    fn variables_are_named_once() {
        let all = variables(|form| format!("/run/{form:?}"), true);
        let mut names: Vec<_> = all.iter().map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all.len());
        assert!(all.contains(&("NODE_EXTRA_CA_CERTS".into(), "/run/Session".into())));
    }

    /// The judge is Java's own keytool: it counts the certificates and checks the digest.
    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "keytool is the judge of the store's format"
    )]
    fn java_reads_its_store() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cacerts");
        std::fs::write(&file, material().bytes(Form::Java)).unwrap();
        let listed = std::process::Command::new("keytool")
            .args(["-list", "-storepass", "changeit", "-keystore"])
            .arg(&file)
            .output();
        let listed = listed.expect("keytool is there: install a Java runtime");
        let text = String::from_utf8_lossy(&listed.stdout);
        assert!(
            listed.status.success() && text.contains("contains 2 entries"),
            "{text}"
        );
    }
}
