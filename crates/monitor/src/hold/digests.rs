//! Digests of what an approver is shown.

use crate::wire::Writer;
use fumehood_effect::Digest;

/// A digest over fields, each with its length, that begins with what it is of.
pub(super) fn of_fields(what: &str, fields: &[&[u8]]) -> Digest {
    let mut out = Writer::new(b'\n');
    out.bytes(what.as_bytes());
    for field in fields {
        out.bytes(field);
    }
    Digest::of(&out.finish())
}
