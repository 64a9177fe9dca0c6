//! Bodies of HTTP/1: of a known length, in chunks (RFC 9112 §7.1), or up to the end of the connection.

use super::lines;
use crate::field::{Fields, MAX_HEAD};
use std::ops::Range;

/// The longest chunk-size line: sixteen digits and an extension that is read past.
const MAX_SIZE_LINE: usize = 1024;

/// Why a body breaks off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// A chunk's size is no hexadecimal number alone on its line.
    #[error("a chunk's size is no number")]
    Size,
    /// A chunk is not followed by CR LF, or a line ends with one of them alone.
    #[error("a chunk does not end where it said")]
    End,
    /// The trailer section is none.
    #[error("the trailer fields are malformed")]
    Trailers,
}

/// What a decoder found at the front of a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Bytes of the body, at this place in the buffer.
    Data(Range<usize>),
    /// Nothing yet, or nothing more for now.
    More,
    /// The end, with trailer fields where there are any.
    End(Fields),
}

/// Decodes a body as its bytes come in. Nothing is kept between calls but where in the body it is.
#[derive(Clone, Debug)]
pub struct Decoder(State);

#[derive(Clone, Debug)]
enum State {
    Known(u64),
    ToTheEnd,
    Size,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    Ended,
}

impl Decoder {
    /// Of this many bytes.
    #[must_use]
    pub fn known(bytes: u64) -> Decoder {
        Decoder(State::Known(bytes))
    }

    /// In chunks.
    #[must_use]
    pub fn chunked() -> Decoder {
        Decoder(State::Size)
    }

    /// All bytes up to the end of the connection.
    #[must_use]
    pub fn to_the_end() -> Decoder {
        Decoder(State::ToTheEnd)
    }

    /// Whether the end of the connection is the end of the body.
    #[must_use]
    pub fn ends_with_connection(&self) -> bool {
        matches!(self.0, State::ToTheEnd)
    }

    /// Looks at the front of a buffer. Returns what is there and how many bytes were used up; the caller
    /// comes again with the rest.
    ///
    /// # Errors
    /// The bytes are not in the coding.
    pub fn decode(&mut self, buffer: &[u8]) -> Result<(Event, usize), BodyError> {
        match self.0 {
            State::Known(0) | State::Ended => {
                self.0 = State::Ended;
                Ok((Event::End(Fields::default()), 0))
            }
            State::Known(left) => Ok(self.data(buffer, left, State::Known)),
            State::ToTheEnd => Ok(self.data(buffer, u64::MAX, |_| State::ToTheEnd)),
            State::Chunk(left) => Ok(self.data(buffer, left, |left| match left {
                0 => State::ChunkEnd,
                left => State::Chunk(left),
            })),
            State::Size => self.size(buffer),
            State::ChunkEnd => self.chunk_end(buffer),
            State::Trailers => self.trailers(buffer),
        }
    }

    fn data(&mut self, buffer: &[u8], left: u64, next: impl Fn(u64) -> State) -> (Event, usize) {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        if length == 0 {
            return (Event::More, 0);
        }
        self.0 = next(left - length as u64);
        (Event::Data(0..length), length)
    }

    fn size(&mut self, buffer: &[u8]) -> Result<(Event, usize), BodyError> {
        let Some(end) = line_end(buffer)? else {
            let long = buffer.len() > MAX_SIZE_LINE;
            return if long {
                Err(BodyError::Size)
            } else {
                Ok((Event::More, 0))
            };
        };
        // Extensions are read past and never passed on; nobody uses them but smugglers.
        let digits = buffer[..end].split(|b| *b == b';').next().unwrap_or_default();
        let digits = digits.trim_ascii_end();
        let plain = (1..=15).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
        let text = std::str::from_utf8(digits).ok().filter(|_| plain);
        let size = text
            .and_then(|t| u64::from_str_radix(t, 16).ok())
            .ok_or(BodyError::Size)?;
        self.0 = if size == 0 {
            State::Trailers
        } else {
            State::Chunk(size)
        };
        Ok((Event::More, end + 2))
    }

    fn chunk_end(&mut self, buffer: &[u8]) -> Result<(Event, usize), BodyError> {
        match buffer {
            [b'\r', b'\n', ..] => {
                self.0 = State::Size;
                Ok((Event::More, 2))
            }
            [] | [b'\r'] => Ok((Event::More, 0)),
            _ => Err(BodyError::End),
        }
    }

    fn trailers(&mut self, buffer: &[u8]) -> Result<(Event, usize), BodyError> {
        let length = lines::length(buffer).map_err(|_| BodyError::Trailers)?;
        let Some(length) = length.filter(|l| *l <= MAX_HEAD) else {
            return Ok((Event::More, 0));
        };
        let mut fields = lines::trailers(&buffer[..length]).map_err(|_| BodyError::Trailers)?;
        fields.remove_forbidden_in_trailers();
        self.0 = State::Ended;
        Ok((Event::End(fields), length))
    }
}

/// Where the first line ends, before its CR LF.
fn line_end(buffer: &[u8]) -> Result<Option<usize>, BodyError> {
    let Some(at) = buffer.iter().position(|b| *b == b'\r' || *b == b'\n') else {
        return Ok(None);
    };
    match (buffer[at], buffer.get(at + 1)) {
        (b'\r', Some(b'\n')) => Ok(Some(at)),
        (b'\r', None) => Ok(None),
        _ => Err(BodyError::End),
    }
}

/// Writes bytes as one chunk. Empty ones write nothing: that would be the last.
pub fn chunk(data: &[u8], to: &mut Vec<u8>) {
    if !data.is_empty() {
        to.extend(format!("{:x}\r\n", data.len()).bytes());
        to.extend(data);
        to.extend(b"\r\n");
    }
}

/// Writes the end of a chunked body, with its trailer fields.
pub fn last_chunk(trailers: &Fields, to: &mut Vec<u8>) {
    to.extend(b"0\r\n");
    for field in trailers {
        super::request::line(to, &field.name, &field.value);
    }
    to.extend(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Field;
    use proptest::prelude::*;

    type Decoded = Result<Option<(Vec<u8>, Fields, usize)>, BodyError>;

    /// Decodes bytes that come in pieces; gives the body, the trailers and how much was used up.
    fn decode(mut decoder: Decoder, pieces: &[&[u8]]) -> Decoded {
        let (mut buffer, mut body, mut used_all) = (Vec::new(), Vec::new(), 0);
        for piece in pieces {
            buffer.extend_from_slice(piece);
            loop {
                let (event, used) = decoder.decode(&buffer)?;
                used_all += used;
                match event {
                    Event::Data(range) => body.extend_from_slice(&buffer[range]),
                    Event::End(fields) => return Ok(Some((body, fields, used_all))),
                    Event::More if used == 0 => break,
                    Event::More => {}
                }
                buffer.drain(..used);
            }
        }
        Ok(None)
    }

    fn chunks(text: &str) -> Decoded {
        decode(Decoder::chunked(), &[text.as_bytes()])
    }

    #[test]
    fn chunks_are_read_with_trailers() {
        let text = "5\r\nhello\r\n6;x=\"y\"\r\n world\r\n0\r\nA: b\r\nHost: evil\r\n\r\nGET";
        let (body, fields, used) = chunks(text).unwrap().unwrap();
        assert_eq!(body, b"hello world");
        assert_eq!(fields.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["A"]);
        assert_eq!(&text[used..], "GET");
    }

    /// A32.
    #[test]
    fn a32_chunks_with_two_readings_are_refused() {
        for text in [
            "5\nhello\r\n0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhelloX\r\n0\r\n\r\n",
            "0x5\r\nhello\r\n0\r\n\r\n",
            "+5\r\nhello\r\n0\r\n\r\n",
            " 5\r\nhello\r\n0\r\n\r\n",
            "5 5\r\nhello\r\n0\r\n\r\n",
            "\r\nhello\r\n0\r\n\r\n",
            ";\r\nhello\r\n0\r\n\r\n",
            "10000000000000005\r\nhello\r\n0\r\n\r\n",
            "5\r\rhello\r\n0\r\n\r\n",
            "5;a\nb\r\nhello\r\n0\r\n\r\n",
            "0\r\nA: b\nC: d\r\n\r\n",
            "0\r\n A: b\r\n\r\n",
        ] {
            assert!(chunks(text).is_err(), "{text:?}: {:?}", chunks(text));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_however_it_is_cut(
            data in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..6), at in 0..200usize,
        ) {
            let mut fields = Fields::default();
            fields.push(Field::new(b"grpc-status", b"0").unwrap()).unwrap();
            let mut bytes = Vec::new();
            data.iter().for_each(|d| chunk(d, &mut bytes));
            last_chunk(&fields, &mut bytes);
            let length = bytes.len();
            let (one, two) = bytes.split_at(at.min(length));
            prop_assert_eq!(decode(Decoder::chunked(), &[one, two]), Ok(Some((data.concat(), fields, length))));
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert!(decode(Decoder::chunked(), &single).unwrap().is_some());
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(Decoder::chunked(), &[&bytes]);
        }
    }

    #[test]
    fn known_lengths() {
        assert_eq!(
            decode(Decoder::known(3), &[b"ab", b"cd"]).unwrap().unwrap().0,
            b"abc"
        );
        assert_eq!(decode(Decoder::known(3), &[b"ab"]), Ok(None));
        assert_eq!(decode(Decoder::known(0), &[b"x"]).unwrap().unwrap().2, 0);
    }
}
