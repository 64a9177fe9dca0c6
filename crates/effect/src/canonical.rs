//! The canonical byte form (docs/effect.md §2): every field with its length before it, so that no two
//! different lists of fields have the same bytes.

/// Collects fields.
#[derive(Debug)]
pub(crate) struct Canonical(Vec<u8>);

impl Canonical {
    /// Begins with what the bytes are and their version.
    pub(crate) fn begin(what: &str) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(what.as_bytes());
        bytes.push(b'\n');
        Self(bytes)
    }

    /// A field: its length as eight bytes, most significant first, then its bytes.
    pub(crate) fn field(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A number: eight bytes, most significant first.
    pub(crate) fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}
