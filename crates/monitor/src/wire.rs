//! The bytes of messages: a tag, then fields. Numbers are big-endian; texts and lists carry their length.

use fumehood_destination::Destination;
use std::net::IpAddr;

/// Writes fields.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Begins a message.
    #[must_use]
    pub fn new(tag: u8) -> Writer {
        Writer(vec![tag])
    }

    /// One byte.
    pub fn byte(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    /// A number.
    pub fn number(&mut self, value: u64) -> &mut Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Bytes with their length.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.number(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    /// A destination, as it is shown.
    pub fn destination(&mut self, value: &Destination) -> &mut Self {
        self.bytes(value.to_string().as_bytes())
    }

    /// An address, as it is shown.
    pub fn address(&mut self, value: IpAddr) -> &mut Self {
        self.bytes(value.to_string().as_bytes())
    }

    /// The message.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads fields; every one may be missing.
#[derive(Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Begins, after the tag.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// A number.
    pub fn number(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    /// Bytes with their length.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let n = usize::try_from(self.number()?).ok()?;
        self.take(n)
    }

    /// Text with its length.
    pub fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// A destination in canonical form; any other spelling is none.
    pub fn destination(&mut self) -> Option<Destination> {
        let bytes = self.bytes()?;
        let value = Destination::authority(bytes, None).ok()?;
        (value.to_string().as_bytes() == bytes).then_some(value)
    }

    /// An address in canonical form.
    pub fn address(&mut self) -> Option<IpAddr> {
        let text = self.text()?;
        let value: IpAddr = text.parse().ok()?;
        (value.to_string() == text).then_some(value)
    }

    /// The value, if nothing is left over.
    pub fn end<T>(self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}
