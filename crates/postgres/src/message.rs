//! Messages of protocol 3 (PostgreSQL's manual, "Message Formats"): a tag, a length that counts itself, a body.

/// Bytes of tag and length.
pub const HEADER: usize = 5;

/// The longest message of a client that is read, bytes with its tag.
pub const MAX_MESSAGE: usize = 4 << 20;

/// The most parameters of one statement: the protocol counts them in 16 bits.
const MAX_PARAMETERS: usize = 65_535;

/// Why bytes are no message. Nobody can tell where the next one would begin, so the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenMessage {
    /// No message begins with this.
    #[error("a message of kind {0:#04x} is none that is known")]
    Kind(u8),
    /// Shorter than itself, or longer than what is read.
    #[error("a message says that it is {0} bytes long")]
    Length(u32),
    /// Its parts do not add up to its length.
    #[error("a message does not hold what its kind has")]
    Body,
}

/// Where a message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it is.
    pub tag: u8,
    /// Its bytes, tag included.
    pub length: usize,
}

/// The next message's header, if it is there; `most` is the longest message that is taken.
///
/// # Errors
/// Its length lies.
pub fn header(bytes: &[u8], most: usize) -> Result<Option<Header>, BrokenMessage> {
    let Some((&[tag, a, b, c, d], _)) = bytes.split_first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let said = u32::from_be_bytes([a, b, c, d]);
    let length = usize::try_from(said).unwrap_or(usize::MAX).saturating_add(1);
    if said < 4 || length > most {
        return Err(BrokenMessage::Length(said));
    }
    Ok(Some(Header { tag, length }))
}

/// What a name names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A prepared statement.
    Statement,
    /// A portal: a statement with its parameters.
    Portal,
}

/// A prepared statement or a portal, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Which of the two.
    pub kind: Kind,
    /// Its name; empty for the unnamed one.
    pub name: &'a str,
}

/// Parameters for a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bind<'a> {
    /// The portal that is made.
    pub portal: &'a str,
    /// Of this statement.
    pub statement: &'a str,
    /// Formats, parameters and result formats, as they came.
    pub rest: &'a [u8],
}

/// What a client says after its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frontend<'a> {
    /// One or more statements.
    Query(&'a str),
    /// A statement to be prepared.
    Parse {
        /// Its name.
        name: &'a str,
        /// Its text.
        text: &'a str,
        /// Types of parameters.
        types: &'a [u8],
    },
    /// Parameters for one.
    Bind(Bind<'a>),
    /// Runs a portal, as far as so many rows.
    Execute {
        /// The portal.
        portal: &'a str,
        /// How many; 0 for all.
        rows: u32,
    },
    /// Asks for the shape of rows.
    Describe(Target<'a>),
    /// Forgets one.
    Close(Target<'a>),
    /// Ends a batch.
    Sync,
    /// Asks for what is there already.
    Flush,
    /// Rows for a COPY.
    CopyData(&'a [u8]),
    /// Their end.
    CopyDone,
    /// Gives a COPY up.
    CopyFail(&'a str),
    /// An answer to a question for a password.
    Password(&'a [u8]),
    /// The function call interface, which nobody uses and which hides what runs.
    FunctionCall,
    /// Ends the connection.
    Terminate,
}

impl<'a> Frontend<'a> {
    /// Reads one whole message.
    ///
    /// # Errors
    /// It is none, or holds less or more than it says.
    pub fn read(message: &'a [u8]) -> Result<Frontend<'a>, BrokenMessage> {
        let at = header(message, MAX_MESSAGE)?.ok_or(BrokenMessage::Body)?;
        if at.length != message.len() {
            return Err(BrokenMessage::Body);
        }
        let body = message.get(HEADER..).unwrap_or_default();
        let mut read = Read(body);
        let value = match at.tag {
            b'Q' => Frontend::Query(read.text()?),
            b'P' => {
                let (name, text) = (read.text()?, read.text()?);
                let types = read.rest();
                let count = types.split_first_chunk::<2>().ok_or(BrokenMessage::Body)?;
                if count.1.len() != 4 * usize::from(u16::from_be_bytes(*count.0)) {
                    return Err(BrokenMessage::Body);
                }
                Frontend::Parse { name, text, types }
            }
            b'B' => {
                let (portal, statement) = (read.text()?, read.text()?);
                let rest = read.rest();
                parameters(rest)?;
                Frontend::Bind(Bind {
                    portal,
                    statement,
                    rest,
                })
            }
            b'E' => Frontend::Execute {
                portal: read.text()?,
                rows: u32::from_be_bytes(read.array()?),
            },
            b'D' => Frontend::Describe(read.target()?),
            b'C' => Frontend::Close(read.target()?),
            b'S' => Frontend::Sync,
            b'H' => Frontend::Flush,
            b'd' => Frontend::CopyData(read.rest()),
            b'c' => Frontend::CopyDone,
            b'f' => Frontend::CopyFail(read.text()?),
            b'p' => Frontend::Password(read.rest()),
            b'F' => {
                read.rest();
                Frontend::FunctionCall
            }
            b'X' => Frontend::Terminate,
            other => return Err(BrokenMessage::Kind(other)),
        };
        read.end().map(|()| value)
    }
}

/// Counts, lengths and values of a Bind have to add up to the last byte.
fn parameters(rest: &[u8]) -> Result<(), BrokenMessage> {
    let mut read = Read(rest);
    let formats = read.count()?;
    read.take(2 * formats)?;
    let values = read.count()?;
    if formats > MAX_PARAMETERS || values > MAX_PARAMETERS {
        return Err(BrokenMessage::Body);
    }
    for _ in 0..values {
        let length = i32::from_be_bytes(read.array()?);
        if length < -1 {
            return Err(BrokenMessage::Body);
        }
        read.take(usize::try_from(length).unwrap_or(0))?;
    }
    let results = read.count()?;
    read.take(2 * results)?;
    read.end()
}

/// What a server says, as far as it has to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend<'a> {
    /// A question for a password, by its number, or that all is well.
    Authentication(u32, &'a [u8]),
    /// How to cancel: process and key.
    Key(u32, &'a [u8]),
    /// A setting has this value now.
    Parameter(&'a str, &'a str),
    /// Ready for the next batch: idle, in a transaction, in a failed one.
    Ready(u8),
    /// A statement is over.
    Complete(&'a str),
    /// It failed.
    Error(&'a [u8]),
    /// COPY wants rows.
    CopyIn,
    /// Anything else, which passes.
    Other(u8),
}

/// Reads one whole message of a server.
///
/// # Errors
/// Of one that has to be understood, the parts do not add up.
pub fn backend(message: &[u8]) -> Result<Backend<'_>, BrokenMessage> {
    let tag = *message.first().ok_or(BrokenMessage::Body)?;
    let mut read = Read(message.get(HEADER..).ok_or(BrokenMessage::Body)?);
    let value = match tag {
        b'R' => Backend::Authentication(u32::from_be_bytes(read.array()?), read.rest()),
        b'K' => Backend::Key(u32::from_be_bytes(read.array()?), read.rest()),
        b'S' => Backend::Parameter(read.text()?, read.text()?),
        b'Z' => {
            let [status] = read.array()?;
            if !matches!(status, b'I' | b'T' | b'E') {
                return Err(BrokenMessage::Body);
            }
            Backend::Ready(status)
        }
        b'C' => Backend::Complete(read.text()?),
        b'E' => Backend::Error(read.rest()),
        b'G' => {
            read.rest();
            Backend::CopyIn
        }
        other => {
            read.rest();
            Backend::Other(other)
        }
    };
    read.end().map(|()| value)
}

/// How many rows a command tag says (`DELETE 5`, `INSERT 0 5`, `COPY 5`); none where it says none.
#[must_use]
pub fn rows(tag: &str) -> Option<u64> {
    tag.rsplit_once(' ').and_then(|(_, number)| number.parse().ok())
}

#[derive(Debug)]
struct Read<'a>(&'a [u8]);

impl<'a> Read<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], BrokenMessage> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(BrokenMessage::Body)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BrokenMessage> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(BrokenMessage::Body)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn count(&mut self) -> Result<usize, BrokenMessage> {
        Ok(usize::from(u16::from_be_bytes(self.array()?)))
    }

    /// A text that a NUL ends.
    fn text(&mut self) -> Result<&'a str, BrokenMessage> {
        let end = self.0.iter().position(|b| *b == 0).ok_or(BrokenMessage::Body)?;
        let text = std::str::from_utf8(self.take(end)?).map_err(|_| BrokenMessage::Body)?;
        self.take(1)?;
        Ok(text)
    }

    fn target(&mut self) -> Result<Target<'a>, BrokenMessage> {
        let kind = match self.array()? {
            [b'S'] => Kind::Statement,
            [b'P'] => Kind::Portal,
            _ => return Err(BrokenMessage::Body),
        };
        let name = self.text()?;
        Ok(Target { kind, name })
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    fn end(&self) -> Result<(), BrokenMessage> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(BrokenMessage::Body)
        }
    }
}

/// Messages as they are written.
#[derive(Debug, Default)]
pub struct Out(pub Vec<u8>);

impl Out {
    /// One message: its tag and the parts of its body.
    pub fn message(&mut self, tag: u8, parts: &[&[u8]]) -> &mut Self {
        let length: usize = parts.iter().map(|p| p.len()).sum();
        let said = u32::try_from(length + 4).unwrap_or(u32::MAX);
        self.0.push(tag);
        self.0.extend_from_slice(&said.to_be_bytes());
        parts.iter().for_each(|part| self.0.extend_from_slice(part));
        self
    }

    /// A statement to be prepared, without types.
    pub fn parse(&mut self, name: &str, text: &str) -> &mut Self {
        self.message(b'P', &[name.as_bytes(), b"\0", text.as_bytes(), b"\0\0\0"])
    }

    /// A portal without parameters, results as text.
    pub fn bind(&mut self, portal: &str, statement: &str) -> &mut Self {
        let names = [portal.as_bytes(), b"\0", statement.as_bytes(), b"\0"];
        self.message(b'B', &[&names.concat(), &[0; 6]])
    }

    /// Runs a portal to its end.
    pub fn execute(&mut self, portal: &str) -> &mut Self {
        self.message(b'E', &[portal.as_bytes(), &[0; 5]])
    }

    /// Asks for the shape of a portal's rows.
    pub fn describe(&mut self, portal: &str) -> &mut Self {
        self.message(b'D', &[b"P", portal.as_bytes(), b"\0"])
    }

    /// Forgets a prepared statement.
    pub fn close(&mut self, statement: &str) -> &mut Self {
        self.message(b'C', &[b"S", statement.as_bytes(), b"\0"])
    }

    /// Ends a batch.
    pub fn sync(&mut self) -> &mut Self {
        self.message(b'S', &[])
    }

    /// An error or a notice, in the fields of the protocol.
    pub fn report(&mut self, tag: u8, severity: &str, code: &str, texts: &[(u8, &str)]) -> &mut Self {
        let mut body = Vec::new();
        for (field, text) in [(b'S', severity), (b'V', severity), (b'C', code)]
            .into_iter()
            .chain(texts.iter().copied())
        {
            if !text.is_empty() {
                body.push(field);
                body.extend(text.bytes().filter(|b| *b != 0));
                body.push(0);
            }
        }
        body.push(0);
        self.message(tag, &[&body])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(write: impl FnOnce(&mut Out)) -> Vec<u8> {
        let mut out = Out::default();
        write(&mut out);
        out.0
    }

    #[test]
    fn what_is_written_is_read() {
        let parse = one(|o| {
            o.parse("a", "select $1");
        });
        let Ok(Frontend::Parse { name, text, types }) = Frontend::read(&parse) else {
            panic!()
        };
        assert_eq!((name, text, types), ("a", "select $1", &[0, 0][..]));
        let bind = one(|o| {
            o.bind("p", "a");
        });
        assert!(
            matches!(Frontend::read(&bind), Ok(Frontend::Bind(b)) if b.portal == "p" && b.statement == "a")
        );
        let execute = one(|o| {
            o.execute("p");
        });
        assert_eq!(
            Frontend::read(&execute),
            Ok(Frontend::Execute { portal: "p", rows: 0 })
        );
    }

    /// Of each message, every length but the true one is refused, and so is every missing or further byte.
    #[test]
    fn lengths_that_lie_are_refused() {
        let bind_of_two = one(|o| {
            o.message(
                b'B',
                &[b"p\0s\0", &[0, 0, 0, 2], &[0, 0, 0, 1, 7], &[255; 4], &[0, 0]],
            );
        });
        assert!(Frontend::read(&bind_of_two).is_ok());
        let messages = [
            one(|o| {
                o.message(b'Q', &[b"select 1\0"]);
            }),
            one(|o| {
                o.parse("s", "select 1");
            }),
            bind_of_two,
            one(|o| {
                o.execute("p");
            }),
            one(|o| {
                o.sync();
            }),
        ];
        for message in messages {
            for said in (0..64).chain([u32::MAX, i32::MAX as u32, 1 << 31]) {
                let mut lying = message.clone();
                if said as usize + 1 != message.len() {
                    lying[1..5].copy_from_slice(&said.to_be_bytes());
                    assert!(Frontend::read(&lying).is_err(), "{message:?} {said}");
                }
            }
            let grown = |mut bytes: Vec<u8>| {
                bytes.push(0);
                let said = u32::try_from(bytes.len() - 1).unwrap();
                bytes[1..5].copy_from_slice(&said.to_be_bytes());
                bytes
            };
            assert!(Frontend::read(&grown(message)).is_err());
        }
        assert_eq!(
            header(&[b'Q', 0, 0, 0, 3], MAX_MESSAGE),
            Err(BrokenMessage::Length(3))
        );
        assert_eq!(header(&[b'Q', 0, 0, 0], MAX_MESSAGE), Ok(None));
        // A parameter that would end behind the message, one of length -2, more parameters than there are.
        for rest in [
            &[0u8, 0, 0, 1, 0, 0, 0, 9, 1, 0, 0][..],
            &[0, 0, 0, 1, 255, 255, 255, 254, 0, 0],
            &[0, 0, 255, 255, 0, 0],
        ] {
            assert_eq!(parameters(rest), Err(BrokenMessage::Body));
        }
    }

    #[test]
    fn rows_of_command_tags() {
        for (tag, count) in [
            ("DELETE 5", Some(5)),
            ("INSERT 0 3", Some(3)),
            ("COPY 7", Some(7)),
            ("CREATE TABLE", None),
            ("BEGIN", None),
        ] {
            assert_eq!(rows(tag), count, "{tag}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Frontend::read(&bytes);
            let _ = backend(&bytes);
            let _ = header(&bytes, MAX_MESSAGE);
        }

        /// Bytes that are a message by their header are read to their last byte or not at all.
        #[test]
        fn bodies_are_read_whole(tag in prop::sample::select(b"QPBEDCSHdcfpFX".to_vec()),
            body in proptest::collection::vec(any::<u8>(), 0..48)) {
            let mut out = Out::default();
            out.message(tag, &[&body]);
            if let Ok(Frontend::Bind(bind)) = Frontend::read(&out.0) {
                let mut again = Out::default();
                again.message(b'B', &[bind.portal.as_bytes(), b"\0", bind.statement.as_bytes(), b"\0", bind.rest]);
                prop_assert_eq!(again.0, out.0);
            }
        }
    }
}
