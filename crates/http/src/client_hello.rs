//! What a TLS ClientHello says before anything is decided: the name, the protocols, and whether another
//! name is hidden within (RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301, RFC 9849).

use fumehood_destination::Destination;
use fumehood_policy::value::HostName;

/// The most bytes that are read in search of a whole ClientHello. Those of browsers take two to four KiB;
/// post-quantum key shares and tickets make some of eight.
pub const MAX_CLIENT_HELLO: usize = 64 * 1024;

/// The most bytes of a plaintext record (RFC 8446 §5.1).
const MAX_RECORD: usize = 1 << 14;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const PROTOCOLS: u16 = 16;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;

/// A ClientHello, as far as the boundary asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHello {
    /// The name the client asks for; none if it names none.
    pub server_name: Option<HostName>,
    /// The protocols it offers (ALPN), in its order.
    pub protocols: Vec<Vec<u8>>,
    /// Whether it carries an encrypted ClientHello, or bytes that look like one: whom it really asks for
    /// cannot be seen.
    pub is_encrypted: bool,
}

/// Why bytes are no ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// Not a TLS handshake record.
    #[error("the bytes are not a TLS handshake")]
    NotTls,
    /// The first message is another one.
    #[error("the first TLS message is not a ClientHello")]
    NotHello,
    /// Longer than [`MAX_CLIENT_HELLO`].
    #[error("the ClientHello is longer than {MAX_CLIENT_HELLO} bytes")]
    Long,
    /// A length within does not fit, or something follows within the last record.
    #[error("the ClientHello is malformed")]
    Malformed,
    /// The same extension twice (RFC 8446 §4.2): two readers could take different ones.
    #[error("the ClientHello has an extension twice")]
    Twice,
    /// The name is no host name.
    #[error("the server name in the ClientHello is no host name")]
    Name,
}

impl ClientHello {
    /// Reads the ClientHello that a stream begins with. None: it is not whole yet.
    ///
    /// However it is cut into records and segments, it is read the same.
    ///
    /// # Errors
    /// The stream does not begin with one, or it has more than one meaning.
    pub fn read(stream: &[u8]) -> Result<Option<ClientHello>, HelloError> {
        let Some(message) = message(stream)? else {
            return Ok(None);
        };
        parse(&message).map(Some)
    }
}

/// The first handshake message, put together from its records.
fn message(mut stream: &[u8]) -> Result<Option<Vec<u8>>, HelloError> {
    let mut message = Vec::new();
    loop {
        let Some((fragment, rest)) = record(stream)? else {
            return Ok(None);
        };
        message.extend_from_slice(fragment);
        stream = rest;
        if message[0] != CLIENT_HELLO {
            return Err(HelloError::NotHello);
        }
        let Some([_, a, b, c]) = message.first_chunk::<4>() else {
            continue;
        };
        let whole = 4 + u32::from_be_bytes([0, *a, *b, *c]) as usize;
        if whole > MAX_CLIENT_HELLO {
            return Err(HelloError::Long);
        }
        match message.len().cmp(&whole) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => return Ok(Some(message.split_off(4))),
            std::cmp::Ordering::Greater => return Err(HelloError::Malformed),
        }
    }
}

type Halves<'a> = (&'a [u8], &'a [u8]);

/// The first record's content and what follows it. Its kind and version are judged as soon as they are
/// there, so that what is not TLS is not waited for.
fn record(stream: &[u8]) -> Result<Option<Halves<'_>>, HelloError> {
    let begins = [HANDSHAKE, 3];
    if stream.iter().zip(begins).any(|(have, want)| *have != want) {
        return Err(HelloError::NotTls);
    }
    let Some([_, _, _, a, b]) = stream.first_chunk::<5>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([*a, *b]));
    if length == 0 || length > MAX_RECORD {
        return Err(HelloError::Malformed);
    }
    Ok(stream[5..].split_at_checked(length))
}

/// Bytes that are taken from the front.
struct Cut<'a>(&'a [u8]);

impl<'a> Cut<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], HelloError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(HelloError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<usize, HelloError> {
        Ok(usize::from(self.take(1)?[0]))
    }

    fn u16(&mut self) -> Result<u16, HelloError> {
        let two = self.take(2)?;
        Ok(u16::from_be_bytes([two[0], two[1]]))
    }

    /// Bytes behind their length of one byte.
    fn vector8(&mut self) -> Result<&'a [u8], HelloError> {
        let length = self.u8()?;
        self.take(length)
    }

    /// Bytes behind their length of two bytes.
    fn vector16(&mut self) -> Result<Cut<'a>, HelloError> {
        let length = usize::from(self.u16()?);
        self.take(length).map(Cut)
    }

    fn ended(&self) -> Result<(), HelloError> {
        self.0.is_empty().then_some(()).ok_or(HelloError::Malformed)
    }
}

fn parse(body: &[u8]) -> Result<ClientHello, HelloError> {
    let mut body = Cut(body);
    let _version_and_random = body.take(2 + 32)?;
    let _session = body.vector8()?;
    let _suites = body.vector16()?;
    let _compressions = body.vector8()?;
    let mut hello = ClientHello {
        server_name: None,
        protocols: Vec::new(),
        is_encrypted: false,
    };
    if body.0.is_empty() {
        return Ok(hello);
    }
    let mut extensions = body.vector16()?;
    body.ended()?;
    let mut seen = Vec::new();
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let content = extensions.vector16()?;
        if seen.contains(&kind) {
            return Err(HelloError::Twice);
        }
        seen.push(kind);
        match kind {
            SERVER_NAME => hello.server_name = Some(server_name(content)?),
            PROTOCOLS => hello.protocols = protocols(content)?,
            ENCRYPTED_CLIENT_HELLO => hello.is_encrypted = true,
            _ => {}
        }
    }
    Ok(hello)
}

/// One name of the one kind there is. A second, or another kind, is what two readers could choose between.
fn server_name(mut content: Cut<'_>) -> Result<HostName, HelloError> {
    let mut list = content.vector16()?;
    content.ended()?;
    if list.u8()? != 0 {
        return Err(HelloError::Name);
    }
    let name = list.vector16()?.0;
    list.ended()?;
    Destination::host(name).map_err(|_| HelloError::Name)
}

fn protocols(mut content: Cut<'_>) -> Result<Vec<Vec<u8>>, HelloError> {
    let mut list = content.vector16()?;
    content.ended()?;
    let mut all = Vec::new();
    while !list.0.is_empty() {
        match list.vector8()? {
            [] => return Err(HelloError::Malformed),
            name => all.push(name.to_vec()),
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vector(width: usize, content: &[u8]) -> Vec<u8> {
        let length = (content.len() as u32).to_be_bytes();
        [&length[4 - width..], content].concat()
    }

    fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &vector(2, content)].concat()
    }

    fn sni(name: &[u8]) -> Vec<u8> {
        extension(0, &vector(2, &[&[0][..], &vector(2, name)].concat()))
    }

    fn alpn(names: &[&[u8]]) -> Vec<u8> {
        let list: Vec<u8> = names.iter().flat_map(|n| vector(1, n)).collect();
        extension(16, &vector(2, &list))
    }

    fn hello(extensions: &[Vec<u8>]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend(vector(1, &[9; 32]));
        body.extend(vector(2, &[0x13, 1]));
        body.extend(vector(1, &[0]));
        body.extend(vector(2, &extensions.concat()));
        [&[1][..], &vector(3, &body)].concat()
    }

    fn records(message: &[u8], size: usize) -> Vec<u8> {
        let one = |part: &[u8]| [&[22, 3, 1][..], &vector(2, part)].concat();
        message.chunks(size).flat_map(one).collect()
    }

    fn read(extensions: &[Vec<u8>]) -> Result<ClientHello, HelloError> {
        ClientHello::read(&records(&hello(extensions), 9999)).map(Option::unwrap)
    }

    #[test]
    fn name_and_protocols_are_read() {
        let one = read(&[sni(b"API.Example.com"), alpn(&[b"h2", b"http/1.1"])]).unwrap();
        assert_eq!(one.server_name, Some("api.example.com".parse().unwrap()));
        assert_eq!(one.protocols, [&b"h2"[..], b"http/1.1"]);
        assert!(!one.is_encrypted);
    }

    /// A5, A6.
    #[test]
    fn a5_a6_no_name_and_a_hidden_name() {
        assert_eq!(read(&[]).unwrap().server_name, None);
        assert!(
            read(&[sni(b"a.example"), extension(0xfe0d, &[0; 9])])
                .unwrap()
                .is_encrypted
        );
    }

    /// A7: any fragmentation reads the same; nothing is decided before the end.
    #[test]
    fn a7_fragments_are_read_as_one() {
        let message = hello(&[sni(b"a.example"), alpn(&[b"h2"])]);
        let whole = ClientHello::read(&records(&message, 9999)).unwrap().unwrap();
        for size in 1..message.len() {
            let cut = records(&message, size);
            assert_eq!(ClientHello::read(&cut), Ok(Some(whole.clone())), "{size}");
        }
        let cut = records(&message, 5);
        for end in 0..cut.len() {
            assert_eq!(ClientHello::read(&cut[..end]), Ok(None), "{end}");
        }
    }

    #[test]
    fn what_follows_in_other_records_is_left_alone_and_in_the_same_is_refused() {
        let message = hello(&[sni(b"a.example")]);
        let mut early = records(&message, 9999);
        early.extend([23, 3, 3, 0, 1, 0]);
        assert!(matches!(ClientHello::read(&early), Ok(Some(_))));
        let more = [&message[..], &[0]].concat();
        assert_eq!(
            ClientHello::read(&records(&more, 9999)),
            Err(HelloError::Malformed)
        );
    }

    #[test]
    fn names_with_two_readings_are_refused() {
        let two = vector(
            2,
            &[&[0][..], &vector(2, b"a.example"), &[0], &vector(2, b"b.example")].concat(),
        );
        assert_eq!(read(&[extension(0, &two)]), Err(HelloError::Malformed));
        assert_eq!(
            read(&[sni(b"a.example"), sni(b"b.example")]),
            Err(HelloError::Twice)
        );
        for name in [
            &b"evil\0.a.example"[..],
            b"",
            b"a.example\n",
            b"*.example",
            b"a..example",
        ] {
            assert_eq!(read(&[sni(name)]), Err(HelloError::Name), "{name:?}");
        }
    }

    #[test]
    fn what_is_no_hello_is_known_at_once() {
        for (bytes, why) in [
            (&b"G"[..], HelloError::NotTls),
            (b"SSH-2.0-x\r\n", HelloError::NotTls),
            (&[22, 2], HelloError::NotTls),
            (&[22, 3, 1, 0, 0], HelloError::Malformed),
            (&[22, 3, 1, 0x40, 1], HelloError::Malformed),
            (&[22, 3, 1, 0, 1, 2], HelloError::NotHello),
            (&[22, 3, 1, 0, 4, 1, 1, 0, 0], HelloError::Long),
        ] {
            assert_eq!(ClientHello::read(bytes), Err(why), "{bytes:?}");
        }
        assert_eq!(ClientHello::read(b""), Ok(None));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_no_prefix_of_a_hello_decides(
            bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0..120usize,
        ) {
            let _ = ClientHello::read(&bytes);
            let mut flipped = records(&hello(&[sni(b"a.example"), alpn(&[b"h2"])]), 9999);
            let index = at % flipped.len();
            flipped[index] ^= bytes.first().copied().unwrap_or(1);
            let _ = ClientHello::read(&flipped);
        }
    }
}
