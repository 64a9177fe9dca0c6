//! WebSocket frames on their way in (RFC 6455 §5): the text of a message is looked at across its frames, that
//! of a control frame for itself. Frames keep their number and lengths.

use crate::redact::{Forbidden, Redactor};
use std::collections::VecDeque;
use std::sync::Arc;

/// Why a connection goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Servers do not mask (§5.1).
    #[error("the server masks its WebSocket frames")]
    Masked,
    /// Compressed, or otherwise not as it was agreed (§5.2).
    #[error("a WebSocket frame is of an extension that was not agreed")]
    Extension,
    /// A control frame in pieces or of more than 125 bytes (§5.5).
    #[error("a WebSocket control frame is in pieces or too long")]
    Control,
    /// So much behind bytes that are kept back.
    #[error("a WebSocket message stops where a secret could begin")]
    Stalled,
}

/// Bytes that may wait behind others.
const MOST_WAITING: usize = 64 * 1024;

/// One direction of a connection.
#[derive(Debug)]
pub(crate) struct Frames {
    forbidden: Arc<Forbidden>,
    redactor: Redactor,
    /// Of a header that is not here as a whole.
    header: Vec<u8>,
    state: State,
    waiting: VecDeque<Segment>,
    /// Bytes of messages that may pass.
    ready: VecDeque<u8>,
}

#[derive(Debug)]
enum State {
    Header,
    /// In a data frame: bytes that are missing, and whether it ends the message.
    Data {
        left: u64,
        last: bool,
    },
    /// In a control frame, what is here of it.
    Control {
        header: Vec<u8>,
        payload: Vec<u8>,
        length: usize,
    },
}

#[derive(Debug)]
enum Segment {
    /// Headers, and control frames.
    Bytes(Vec<u8>),
    /// So many bytes of messages.
    Message(u64),
}

/// A header that is here as a whole.
struct Header {
    size: usize,
    is_last: bool,
    is_control: bool,
    length: u64,
}

impl Frames {
    pub(crate) fn new(forbidden: Arc<Forbidden>) -> Frames {
        Frames {
            redactor: Redactor::new(Arc::clone(&forbidden)),
            forbidden,
            header: Vec::new(),
            state: State::Header,
            waiting: VecDeque::new(),
            ready: VecDeque::new(),
        }
    }

    pub(crate) fn replaced(&self) -> u64 {
        self.redactor.replaced()
    }

    /// The next bytes of the connection; gives those that go inside.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, FrameError> {
        while !bytes.is_empty() {
            bytes = match &mut self.state {
                State::Header => self.in_header(bytes)?,
                State::Data { .. } => self.in_data(bytes),
                State::Control { .. } => self.in_control(bytes),
            };
        }
        let out = self.drain();
        let behind: usize = self
            .waiting
            .iter()
            .map(|s| if let Segment::Bytes(b) = s { b.len() } else { 0 })
            .sum();
        if behind > MOST_WAITING {
            Err(FrameError::Stalled)
        } else {
            Ok(out)
        }
    }

    fn in_header<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], FrameError> {
        let (first, rest) = bytes.split_at(1);
        self.header.extend_from_slice(first);
        let Some(header) = parse(&self.header)? else {
            return Ok(rest);
        };
        let written = std::mem::take(&mut self.header);
        if header.is_control {
            let length = usize::try_from(header.length).map_err(|_| FrameError::Control)?;
            self.state = State::Control {
                header: written,
                payload: Vec::new(),
                length,
            };
            // One without payload is here already.
            self.in_control(&[]);
            return Ok(rest);
        }
        debug_assert_eq!(written.len(), header.size);
        self.waiting.push_back(Segment::Bytes(written));
        self.waiting.push_back(Segment::Message(header.length));
        self.state = State::Data {
            left: header.length,
            last: header.is_last,
        };
        self.in_data(&[]);
        Ok(rest)
    }

    fn in_data<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let State::Data { left, last } = &mut self.state else {
            return bytes;
        };
        let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
        let (payload, rest) = bytes.split_at(count);
        *left -= count as u64;
        self.ready.extend(self.redactor.push(payload).iter());
        if *left == 0 {
            if *last {
                self.ready.extend(self.redactor.finish());
            }
            self.state = State::Header;
        }
        rest
    }

    fn in_control<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let State::Control {
            header,
            payload,
            length,
        } = &mut self.state
        else {
            return bytes;
        };
        let (part, rest) = bytes.split_at((*length - payload.len()).min(bytes.len()));
        payload.extend_from_slice(part);
        if payload.len() == *length {
            let mut whole = std::mem::take(header);
            whole.extend_from_slice(&self.forbidden.clean(payload));
            self.waiting.push_back(Segment::Bytes(whole));
            self.state = State::Header;
        }
        rest
    }

    fn drain(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(segment) = self.waiting.pop_front() {
            match segment {
                Segment::Bytes(bytes) => out.extend(bytes),
                Segment::Message(length) => {
                    let count = usize::try_from(length)
                        .unwrap_or(usize::MAX)
                        .min(self.ready.len());
                    out.extend(self.ready.drain(..count));
                    if (count as u64) < length {
                        self.waiting.push_front(Segment::Message(length - count as u64));
                        break;
                    }
                }
            }
        }
        out
    }
}

/// A header, if it is here as a whole.
fn parse(bytes: &[u8]) -> Result<Option<Header>, FrameError> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    if second & 0x80 != 0 {
        return Err(FrameError::Masked);
    }
    if first & 0x70 != 0 {
        return Err(FrameError::Extension);
    }
    let (is_last, is_control) = (first & 0x80 != 0, first & 0x08 != 0);
    let (size, length) = match (second & 0x7f, rest) {
        (126, [a, b, ..]) => (4, u64::from(u16::from_be_bytes([*a, *b]))),
        (127, [a, b, c, d, e, f, g, h, ..]) => (10, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h])),
        (126 | 127, _) => return Ok(None),
        (short, _) => (2, u64::from(short)),
    };
    if is_control && (!is_last || length > 125) {
        return Err(FrameError::Control);
    }
    Ok(Some(Header {
        size,
        is_last,
        is_control,
        length,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placeholder::Minter;
    use crate::secret::Secret;
    use proptest::prelude::*;

    const KEY: &str = "sk-ant-api03-RealValueOfTheKey";

    fn frames() -> (Frames, String) {
        let secret = Secret::new(KEY.as_bytes().to_vec()).unwrap();
        let shown = Minter::new([1; 32]).placeholder("KEY", &secret);
        (
            Frames::new(Arc::new(crate::redact::forbidden([(&secret, &shown)]))),
            shown.text().to_owned(),
        )
    }

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![first];
        match payload.len() {
            n @ 0..126 => out.push(u8::try_from(n).unwrap()),
            n => {
                out.push(126);
                out.extend(u16::try_from(n).unwrap().to_be_bytes());
            }
        }
        [out, payload.to_vec()].concat()
    }

    const TEXT: u8 = 0x81;
    const BEGIN: u8 = 0x01;
    const MORE: u8 = 0x00;
    const END: u8 = 0x80;
    const PING: u8 = 0x89;

    fn replaced(stream: &[u8], shown: &str) -> Vec<u8> {
        let text: String = stream.iter().map(|b| char::from(*b)).collect();
        text.replace(KEY, shown).chars().map(|c| c as u8).collect()
    }

    #[test]
    fn messages_and_control_frames() {
        let (mut frames, shown) = frames();
        let long = format!("{}{KEY}", "x".repeat(300));
        let stream = [
            frame(TEXT, KEY.as_bytes()),
            frame(PING, KEY.as_bytes()),
            frame(TEXT, long.as_bytes()),
            frame(TEXT, b""),
        ]
        .concat();
        assert_eq!(frames.push(&stream).unwrap(), replaced(&stream, &shown));
        assert_eq!(frames.replaced(), 2);
    }

    /// Over frames, with a ping between them that must not come before what is kept back.
    #[test]
    fn a_secret_cut_by_frames() {
        let (mut frames, shown) = frames();
        let (one, two) = KEY.split_at(20);
        let first = frame(BEGIN, format!("it is {one}").as_bytes());
        let out = frames.push(&[first, frame(PING, b"hello")].concat()).unwrap();
        assert_eq!(out, [&[BEGIN, 26][..], b"it is "].concat());
        let out = frames.push(&frame(END, two.as_bytes())).unwrap();
        let (one, two) = shown.split_at(20);
        assert_eq!(
            out,
            [
                one.as_bytes(),
                &frame(PING, b"hello"),
                &frame(END, two.as_bytes())
            ]
            .concat()
        );
    }

    /// The next message does not wait: one that ends is passed on as a whole.
    #[test]
    fn what_begins_like_a_secret_passes_at_the_end_of_its_message() {
        let (mut frames, _) = frames();
        let message = frame(TEXT, &KEY.as_bytes()[..9]);
        assert_eq!(frames.push(&message).unwrap(), message);
    }

    #[test]
    fn what_is_not_as_agreed_ends_the_connection() {
        for (bytes, why) in [
            (&[0xc1, 0x01][..], FrameError::Extension),
            (&[0x81, 0x81], FrameError::Masked),
            (&[0x89, 126, 0, 126], FrameError::Control),
            (&[0x09, 0], FrameError::Control),
        ] {
            assert_eq!(frames().0.push(bytes), Err(why));
        }
    }

    #[test]
    fn pings_do_not_pile_up() {
        let (mut frames, _) = frames();
        frames.push(&frame(BEGIN, &KEY.as_bytes()[..9])).unwrap();
        let flood = frame(PING, &[0; 125]).repeat(600);
        assert_eq!(frames.push(&flood), Err(FrameError::Stalled));
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same(messages in proptest::collection::vec((prop::sample::select(vec![TEXT, BEGIN, MORE, END, PING]), prop::sample::select(vec!["", "x", &KEY[..9], &KEY[9..], KEY])), 0..8),
            cuts in proptest::collection::vec(0usize..20, 0..20))
        {
            let stream: Vec<u8> = messages.iter().flat_map(|(first, text)| frame(*first, text.as_bytes())).collect();
            let whole = frames().0.push(&stream).unwrap();
            let (mut pieces, _) = frames();
            let (mut out, mut rest) = (Vec::new(), &stream[..]);
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                out.extend(pieces.push(piece).unwrap());
                rest = after;
            }
            out.extend(pieces.push(rest).unwrap());
            prop_assert_eq!(out, whole);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _judged = frames().0.push(&bytes);
        }
    }
}
