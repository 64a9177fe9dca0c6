//! Frames of a lane.
//!
//! A lane is a pair of connected sockets between gateway and broker that carries one exchange at a time and
//! is used again for the next. Each frame is a kind, a length of three bytes, and a payload. An exchange
//! is over when each side has ended its direction; until then neither begins another.
//!
//! ```text
//! gateway → broker   Begin (Data… Trailers?) (End | Abort)
//! broker → gateway   Interim* (Head (Data… Trailers?) (End | Abort) | Refused)
//! ```

use std::fmt;

/// The most bytes behind a frame's four: what bounds the memory of a lane. A head fits with its encoding.
pub const MAX_PAYLOAD: usize = 192 * 1024;

/// Bytes before the payload.
pub const FRAME_HEADER: usize = 4;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $byte:literal,)*) => {
        /// What a frame is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FrameKind { $($(#[$doc])* $kind,)* }

        impl FrameKind {
            const fn byte(self) -> u8 {
                match self { $(Self::$kind => $byte,)* }
            }

            const fn from_byte(byte: u8) -> Option<FrameKind> {
                match byte { $($byte => Some(Self::$kind),)* _ => None }
            }
        }
    };
}

kinds! {
    /// An exchange begins; the payload is the number of the release, eight bytes.
    Begin = 1,
    /// Bytes of the body.
    Data = 2,
    /// Trailer fields, as a response head of status 100.
    Trailers = 3,
    /// The direction has ended as it should.
    End = 4,
    /// The direction has broken off; what was sent is incomplete.
    Abort = 5,
    /// An interim response (1xx).
    Interim = 6,
    /// The response's head.
    Head = 7,
    /// There is no response; the payload is a denial.
    Refused = 8,
}

/// One frame.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: FrameKind,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {} bytes", self.kind, self.payload.len())
    }
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A kind that is none.
    #[error("a frame of no known kind")]
    Kind,
    /// Longer than [`MAX_PAYLOAD`].
    #[error("a frame longer than {MAX_PAYLOAD} bytes")]
    Long,
}

impl Frame {
    /// Writes a frame's bytes behind others. The payload must not be longer than [`MAX_PAYLOAD`].
    pub fn write(kind: FrameKind, payload: &[u8], to: &mut Vec<u8>) {
        debug_assert!(payload.len() <= MAX_PAYLOAD);
        let length = (payload.len() as u32).to_be_bytes();
        to.extend([kind.byte(), length[1], length[2], length[3]]);
        to.extend(payload);
    }

    /// Kind and length of payload of the first frame in a buffer; none if its four bytes are not there yet.
    ///
    /// # Errors
    /// It is no frame.
    pub fn peek(bytes: &[u8]) -> Result<Option<(FrameKind, usize)>, FrameError> {
        let Some([kind, a, b, c]) = bytes.first_chunk::<FRAME_HEADER>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let kind = FrameKind::from_byte(*kind).ok_or(FrameError::Kind)?;
        if length > MAX_PAYLOAD {
            return Err(FrameError::Long);
        }
        Ok(Some((kind, length)))
    }

    /// The first frame in a buffer and the bytes it took; none if it is not whole yet.
    ///
    /// # Errors
    /// It is no frame.
    pub fn read(bytes: &[u8]) -> Result<Option<(Frame, usize)>, FrameError> {
        let Some((kind, length)) = Frame::peek(bytes)? else {
            return Ok(None);
        };
        let end = FRAME_HEADER + length;
        let payload = bytes.get(FRAME_HEADER..end);
        Ok(payload.map(|p| {
            (
                Frame {
                    kind,
                    payload: p.to_vec(),
                },
                end,
            )
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_however_it_is_cut(payload in proptest::collection::vec(any::<u8>(), 0..300), kind in 1..9u8) {
            let kind = FrameKind::from_byte(kind).unwrap();
            let mut bytes = Vec::new();
            Frame::write(kind, &payload, &mut bytes);
            for cut in 0..bytes.len() {
                prop_assert_eq!(Frame::read(&bytes[..cut]), Ok(None));
            }
            let length = bytes.len();
            bytes.extend(b"rest");
            prop_assert_eq!(Frame::read(&bytes), Ok(Some((Frame { kind, payload }, length))));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..50)) {
            let _ = Frame::read(&bytes);
        }
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_before_its_bytes_are_there() {
        assert_eq!(Frame::read(&[2, 255, 255, 255]), Err(FrameError::Long));
        assert_eq!(Frame::read(&[9, 0, 0, 0]), Err(FrameError::Kind));
    }
}
