//! The forms in which a secret can come back, each beside the same form of its placeholder.

use crate::SHORTEST;
use crate::unescape::unescaped;
use base64::Engine;
use base64::alphabet::{self, Alphabet};
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// Stands where the placeholder cannot be written as the secret was.
pub(crate) const FILL: u8 = b'*';

/// One form: bytes that must not pass, and as many that pass instead.
pub(crate) struct Form {
    pub(crate) real: Zeroizing<Vec<u8>>,
    pub(crate) shown: Vec<u8>,
}

impl Form {
    /// A text that is only found.
    pub(crate) fn only(text: &[u8]) -> Form {
        form(text.to_vec(), Vec::new())
    }
}

/// All forms of a secret that are texts of their own. Escapes (percent-encoding, JSON, HTML) are not here:
/// each character may be escaped or not, so they are undone instead ([`crate::unescape`]).
pub(crate) fn forms(real: &[u8], shown: &[u8]) -> Vec<Form> {
    let mut out = vec![form(real.to_vec(), shown.to_vec())];
    for digits in [b"0123456789abcdef", b"0123456789ABCDEF"] {
        out.push(form(hex(real, digits), hex(shown, digits)));
    }
    for offset in 0..3 {
        for alphabet in [&alphabet::STANDARD, &alphabet::URL_SAFE] {
            out.push(form(
                inner_base64(real, offset, alphabet),
                inner_base64(shown, offset, alphabet),
            ));
        }
    }
    // A secret that looks as if it held escapes reads so where escapes are undone.
    let plain = unescaped(real);
    if plain.len() >= SHORTEST {
        out.push(form(plain.clone(), vec![FILL; plain.len()]));
    }
    out.sort_by(|one, two| one.real.cmp(&two.real));
    out.dedup_by(|one, two| one.real == two.real);
    out
}

fn form(real: Vec<u8>, shown: Vec<u8>) -> Form {
    Form {
        real: Zeroizing::new(real),
        shown,
    }
}

fn hex(bytes: &[u8], digits: &[u8; 16]) -> Vec<u8> {
    let pair = |b: &u8| [digits[usize::from(b >> 4)], digits[usize::from(b & 15)]];
    bytes.iter().flat_map(pair).collect()
}

/// The characters of base64 (RFC 4648 §4, §5) that the secret alone decides, if `offset` other bytes stand
/// before it in its group of three. The characters at its edges, which it shares with its neighbours, tell up
/// to four bits of its first and of its last byte; they are left as they are.
fn inner_base64(bytes: &[u8], offset: usize, alphabet: &Alphabet) -> Vec<u8> {
    let engine = GeneralPurpose::new(alphabet, GeneralPurposeConfig::new().with_encode_padding(false));
    let padded = Zeroizing::new([&[0; 2][..offset], bytes].concat());
    let text = Zeroizing::new(engine.encode(&*padded).into_bytes());
    let first = (offset * 8).div_ceil(6);
    let last = padded.len() * 8 / 6;
    text[first..last].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    #[test]
    fn all_three_offsets() {
        for (before, offset) in [("", 0), ("x", 1), ("xy", 2), ("xyz", 0)] {
            for after in ["", "z", "zz", "zzz"] {
                let text = [before, "sk-test?>1234", after].concat();
                let inner = inner_base64(b"sk-test?>1234", offset, &alphabet::STANDARD);
                let inner = String::from_utf8(inner).unwrap();
                assert!(STANDARD.encode(&text).contains(&inner), "{text} {inner}");
                let inner = inner_base64(b"sk-test?>1234", offset, &alphabet::URL_SAFE);
                let inner = String::from_utf8(inner).unwrap();
                assert!(URL_SAFE_NO_PAD.encode(&text).contains(&inner), "{text} {inner}");
                assert!(inner.len() >= 16);
            }
        }
    }

    #[test]
    fn forms_are_as_long_as_what_stands_for_them() {
        for form in forms(b"sk-te%41t?>1234", b"sk-FFFFFFFFFFFF") {
            assert_eq!(form.real.len(), form.shown.len());
        }
    }
}
