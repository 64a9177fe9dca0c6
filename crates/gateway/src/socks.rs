//! What a client of a SOCKS proxy says (RFC 1928): which ways to prove itself it knows, then where it wants to go.
//! Version 5, no proof, and connections only.

use fumehood_destination::Destination;
use fumehood_policy::value::Port;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The first byte of each message.
pub const VERSION: u8 = 5;
/// The longest message: a request for a name of 255 bytes.
pub const LONGEST: usize = 4 + 1 + 255 + 2;

/// How a request is answered (RFC 1928 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It is connected.
    Succeeded = 0,
    /// What was asked for makes no sense.
    General = 1,
    /// Policy does not allow it.
    NotAllowed = 2,
    /// Nobody answered.
    Unreachable = 4,
    /// Another command than `CONNECT`: ports and datagrams do not come in by this way.
    Command = 7,
    /// Another form of address.
    Address = 8,
}

impl Reply {
    /// The bytes. Which address was dialled outside is nobody's business inside.
    #[must_use]
    pub fn bytes(self) -> [u8; 10] {
        [VERSION, self as u8, 0, 1, 0, 0, 0, 0, 0, 0]
    }
}

/// The answer to a greeting: no proof is asked for, or nothing of what the client knows will do.
#[must_use]
pub fn chosen(taken: bool) -> [u8; 2] {
    [VERSION, if taken { 0 } else { 0xff }]
}

/// A greeting: whether the client would go on without proving itself, and how long its message is. None: it is not
/// whole yet, or not of this version.
#[must_use]
pub fn greeting(bytes: &[u8]) -> Option<(bool, usize)> {
    let (&[VERSION, count], methods) = bytes.split_first_chunk()? else {
        return None;
    };
    let methods = methods.get(..usize::from(count))?;
    Some((methods.contains(&0), 2 + methods.len()))
}

/// A request: where to, and how long its message is. None: it is not whole yet.
///
/// # Errors
/// How it is answered, where it asks for nothing that is done here.
pub fn request(bytes: &[u8]) -> Result<Option<(Destination, usize)>, Reply> {
    let Some((&[version, command, reserved, form], rest)) = bytes.split_first_chunk() else {
        return Ok(None);
    };
    if version != VERSION || reserved != 0 {
        return Err(Reply::General);
    }
    if command != 1 {
        return Err(Reply::Command);
    }
    let length = match (form, rest.first()) {
        (1, _) => 4,
        (4, _) => 16,
        (3, Some(length)) => 1 + usize::from(*length),
        (3, None) => return Ok(None),
        _ => return Err(Reply::Address),
    };
    let (Some(host), Some(port)) = (rest.get(..length), rest.get(length..length + 2)) else {
        return Ok(None);
    };
    let port = port.try_into().map_or(0, u16::from_be_bytes);
    let destination = to(form, host, port).ok_or(Reply::General)?;
    Ok(Some((destination, 4 + length + 2)))
}

fn to(form: u8, host: &[u8], port: u16) -> Option<Destination> {
    let address: IpAddr = match form {
        1 => Ipv4Addr::from(<[u8; 4]>::try_from(host).ok()?).into(),
        4 => Ipv6Addr::from(<[u8; 16]>::try_from(host).ok()?).into(),
        _ => {
            let host = Destination::host(host.get(1..)?).ok()?;
            return Some((host, Port::new(port)?).into());
        }
    };
    Destination::try_from(SocketAddr::new(address, port)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn named(name: &[u8], port: u16) -> Vec<u8> {
        [&[5, 1, 0, 3, name.len() as u8][..], name, &port.to_be_bytes()].concat()
    }

    fn read(bytes: &[u8]) -> Result<String, Reply> {
        let read = request(bytes)?;
        Ok(read.map_or("more".into(), |(to, length)| {
            assert_eq!(length, bytes.len());
            to.to_string()
        }))
    }

    #[test]
    fn greetings() {
        assert_eq!(greeting(&[5, 1, 0]), Some((true, 3)));
        assert_eq!(greeting(&[5, 2, 2, 0, 5]), Some((true, 4)));
        assert_eq!(greeting(&[5, 1, 2]), Some((false, 3)), "a password");
        assert_eq!(greeting(&[5, 0]), Some((false, 2)));
        for part in [&[][..], &[5], &[5, 2, 0], &[4, 1, 0, 80, 1, 2, 3, 4, 0]] {
            assert_eq!(greeting(part), None);
        }
    }

    #[test]
    fn names_and_addresses_in_their_one_spelling() {
        assert_eq!(read(&named(b"A.example.", 443)).as_deref(), Ok("a.example:443"));
        assert_eq!(read(&named(b"192.0.2.7", 80)).as_deref(), Ok("192.0.2.7:80"));
        assert_eq!(
            read(&[5, 1, 0, 1, 192, 0, 2, 7, 0, 80]).as_deref(),
            Ok("192.0.2.7:80")
        );
        let mapped = [&[5, 1, 0, 4][..], &[0; 10], &[255, 255, 192, 0, 2, 7, 0, 80]].concat();
        assert_eq!(
            read(&mapped).as_deref(),
            Ok("192.0.2.7:80"),
            "as the address it is"
        );
    }

    /// A8, A9 (Claude Code up to 2.1.89): what is no name is none, whatever follows it.
    #[test]
    fn a8_a9_names_with_other_bytes() {
        for name in [
            &b"evil.example\0.a.example"[..],
            b"",
            b"a.example\n",
            b"0x7f.1",
            b"2130706433",
            b"::ffff:127.0.0.1%x.a.example",
            b"a.example:443",
            b"u@a.example",
            "\u{ff41}.example".as_bytes(),
            &[b'a'; 255],
        ] {
            assert_eq!(request(&named(name, 443)), Err(Reply::General), "{name:?}");
        }
        for byte in 0..=255u8 {
            let name = [b"evil", &[byte][..], b"x.a.example"].concat();
            let passes = byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            assert_eq!(request(&named(&name, 443)).is_ok(), passes, "byte {byte}");
        }
        assert_eq!(request(&named(b"a.example", 0)), Err(Reply::General));
    }

    #[test]
    fn nothing_but_connections() {
        for command in [0, 2, 3, 255] {
            assert_eq!(request(&[5, command, 0, 1]), Err(Reply::Command));
        }
        assert_eq!(request(&[5, 1, 0, 2]), Err(Reply::Address));
        assert_eq!(request(&[4, 1, 0, 1]), Err(Reply::General));
        assert_eq!(request(&[5, 1, 1, 1]), Err(Reply::General));
    }

    proptest! {
        /// Bounded, and a part of a message says no more than that more is to come.
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0usize..300) {
            for start in [&[][..], &[5, 1, 0], &[5, 1, 0, 3]] {
                let bytes = [start, &bytes[..]].concat();
                let part = request(&bytes[..cut.min(bytes.len())]);
                let whole = request(&bytes);
                if part != Ok(None) {
                    prop_assert_eq!(&part, &whole);
                }
                if let Ok(Some((_, length))) = whole {
                    prop_assert!(length <= LONGEST && length <= bytes.len());
                }
                if bytes.len() >= LONGEST {
                    prop_assert!(whole != Ok(None), "more than the longest is never awaited");
                }
            }
        }
    }
}
