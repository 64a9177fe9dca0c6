//! The plain encoding of heads: a tag, numbers of fixed size, bytes behind their length.

use crate::field::{Field, Fields, MAX_HEAD};
use crate::head::Length;

/// Bytes that are not what they should be. They come from one of our own processes, so there is nobody to
/// explain it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a head in its one encoding")]
pub struct Malformed;

pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn new(tag: u8) -> Writer {
        Writer(vec![tag])
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        // Heads are bounded by MAX_HEAD where they are made; a longer one is not read again.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.0.extend(length.to_be_bytes());
        self.0.extend(bytes);
    }

    pub(crate) fn length(&mut self, length: Length) {
        let (kind, bytes) = match length {
            Length::Empty => (0, 0),
            Length::Known(bytes) => (1, bytes),
            Length::Unknown => (2, 0),
        };
        self.byte(kind);
        self.0.extend(bytes.to_be_bytes());
    }

    pub(crate) fn fields(&mut self, fields: &Fields) {
        let many = u16::try_from(fields.len()).unwrap_or(u16::MAX);
        self.0.extend(many.to_be_bytes());
        for field in fields {
            self.bytes(field.name.as_bytes());
            self.bytes(&field.value);
        }
    }

    pub(crate) fn end(self) -> Vec<u8> {
        self.0
    }
}

pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(tag: u8, bytes: &'a [u8]) -> Result<Reader<'a>, Malformed> {
        let mut reader = Reader(bytes);
        (reader.byte()? == tag).then_some(reader).ok_or(Malformed)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn bit(&mut self) -> Result<bool, Malformed> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = u32::from_be_bytes(self.array()?) as usize;
        if length > MAX_HEAD {
            return Err(Malformed);
        }
        self.take(length)
    }

    pub(crate) fn text(&mut self) -> Result<String, Malformed> {
        let text = std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)?;
        Ok(text.to_owned())
    }

    pub(crate) fn length(&mut self) -> Result<Length, Malformed> {
        match (self.byte()?, u64::from_be_bytes(self.array()?)) {
            (0, 0) => Ok(Length::Empty),
            (1, bytes) => Ok(Length::Known(bytes)),
            (2, 0) => Ok(Length::Unknown),
            _ => Err(Malformed),
        }
    }

    pub(crate) fn fields(&mut self) -> Result<Fields, Malformed> {
        let many = u16::from_be_bytes(self.array()?);
        let mut fields = Fields::default();
        for _ in 0..many {
            let (name, value) = (self.bytes()?, self.bytes()?);
            let field = Field::new(name, value).map_err(|_| Malformed)?;
            if field.value != value {
                return Err(Malformed);
            }
            fields.push(field).map_err(|_| Malformed)?;
        }
        Ok(fields)
    }

    pub(crate) fn end(self) -> Result<(), Malformed> {
        self.0.is_empty().then_some(()).ok_or(Malformed)
    }
}
