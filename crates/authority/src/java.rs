//! Java's own key store format, JKS: every Java reads it, and asks for no password to read certificates.
//! Big-endian: a head, entries, and SHA-1 over a password, a constant and all before (JDK,
//! `sun.security.provider.JavaKeyStore`).

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use rustls::pki_types::CertificateDer;

/// What programs give that give one; the integrity of a public list needs no secret.
const PASSWORD: &str = "changeit";
const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
const TRUSTED_CERTIFICATE: u32 = 2;

/// A store of trusted certificates.
#[must_use]
pub(crate) fn store<'a>(certificates: impl ExactSizeIterator<Item = &'a CertificateDer<'static>>) -> Vec<u8> {
    let mut out = Vec::new();
    let many = u32::try_from(certificates.len()).unwrap_or(u32::MAX);
    for number in [MAGIC, VERSION, many] {
        out.extend(number.to_be_bytes());
    }
    for (n, certificate) in certificates.enumerate() {
        out.extend(TRUSTED_CERTIFICATE.to_be_bytes());
        text(&mut out, &format!("fumehood-{n}"));
        out.extend(0u64.to_be_bytes()); // when it was added
        text(&mut out, "X.509");
        let length = u32::try_from(certificate.len()).unwrap_or(u32::MAX);
        out.extend(length.to_be_bytes());
        out.extend(certificate.as_ref());
    }
    let mut digest = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    for unit in PASSWORD.encode_utf16() {
        digest.update(&unit.to_be_bytes());
    }
    digest.update(b"Mighty Aphrodite");
    digest.update(&out);
    out.extend(digest.finish().as_ref());
    out
}

fn text(out: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend(length.to_be_bytes());
    out.extend(text.bytes());
}
