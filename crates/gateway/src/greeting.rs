//! Whether the first bytes of a flow may go on to where it goes: the name in a TLS greeting must be the
//! name that was dialled, and nothing may be hidden in it.

use fumehood_destination::Destination;
use fumehood_http::{ClientHello, HelloError};
use fumehood_monitor::Broken;
use fumehood_policy::value::HostName;

/// What the first bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// Not TLS.
    Other,
    /// The beginning of a greeting.
    Incomplete,
    /// A whole one, and whether it may go on.
    Tls(Result<(), Broken>),
}

/// Reads the first bytes of a flow that goes to `destination`.
#[must_use]
pub fn read(bytes: &[u8], destination: &Destination) -> Greeting {
    match ClientHello::read(bytes) {
        Err(HelloError::NotTls) => Greeting::Other,
        Err(HelloError::Name) => Greeting::Tls(Err(Broken::OtherName)),
        Err(_) => Greeting::Tls(Err(Broken::Unreadable)),
        Ok(None) if bytes.len() > LONGEST => Greeting::Tls(Err(Broken::Unreadable)),
        Ok(None) => Greeting::Incomplete,
        Ok(Some(hello)) => Greeting::Tls(judge(&hello, destination)),
    }
}

/// A greeting in records of one byte each.
pub const LONGEST: usize = 6 * fumehood_http::MAX_CLIENT_HELLO;

fn judge(hello: &ClientHello, destination: &Destination) -> Result<(), Broken> {
    if hello.is_encrypted {
        return Err(Broken::Hidden);
    }
    match (&destination.host, &hello.server_name) {
        (HostName::Address(_), None) => Ok(()),
        (HostName::Name(_), None) => Err(Broken::NoName),
        (host, Some(name)) if host == name => Ok(()),
        (_, Some(_)) => Err(Broken::OtherName),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDSHAKE: u8 = 22;
    const CLIENT_HELLO: u8 = 1;
    const SERVER_NAME: u16 = 0;
    const ENCRYPTED_HELLO: u16 = 0xfe0d;
    use proptest::prelude::*;

    fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat()
    }

    fn name(host: &[u8]) -> Vec<u8> {
        let entry = [&[0][..], &(host.len() as u16).to_be_bytes(), host].concat();
        extension(
            SERVER_NAME,
            &[&(entry.len() as u16).to_be_bytes()[..], &entry].concat(),
        )
    }

    fn greeting(extensions: &[Vec<u8>]) -> Vec<u8> {
        let extensions = extensions.concat();
        let mut body = vec![3, 3];
        body.extend_from_slice(&[7; 32]);
        body.extend_from_slice(&[0, 0, 2, 0x13, 1, 1, 0]);
        body.extend_from_slice(&(extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
        let length = (body.len() as u32).to_be_bytes();
        [&[CLIENT_HELLO][..], &length[1..], &body].concat()
    }

    fn records(message: &[u8], size: usize) -> Vec<u8> {
        let record =
            |part: &[u8]| [&[HANDSHAKE, 3, 1][..], &(part.len() as u16).to_be_bytes(), part].concat();
        message.chunks(size).flat_map(record).collect()
    }

    fn to(text: &str) -> Destination {
        Destination::authority(text.as_bytes(), None).unwrap()
    }

    fn judged(extensions: &[Vec<u8>], destination: &str) -> Result<(), Broken> {
        match read(&records(&greeting(extensions), 16_000), &to(destination)) {
            Greeting::Tls(result) => result,
            other => panic!("{other:?}"),
        }
    }

    /// A2, A4: the name in the greeting is the name that was dialled, in whatever case.
    #[test]
    fn a2_the_name_must_be_the_one_that_was_dialled() {
        assert_eq!(judged(&[name(b"example.com")], "example.com:443"), Ok(()));
        assert_eq!(judged(&[name(b"EXAMPLE.com")], "example.com:443"), Ok(()));
        for other in [
            &b"evil.example"[..],
            b"example.com.evil.example",
            b"example.com\0",
            b"",
        ] {
            assert_eq!(
                judged(&[name(other)], "example.com:443"),
                Err(Broken::OtherName),
                "{other:?}"
            );
        }
        assert_eq!(
            judged(&[name(b"example.com")], "192.0.2.7:443"),
            Err(Broken::OtherName)
        );
    }

    /// A5
    #[test]
    fn a5_no_name() {
        assert_eq!(judged(&[], "example.com:443"), Err(Broken::NoName));
        assert_eq!(judged(&[], "192.0.2.7:443"), Ok(()));
    }

    /// A6
    #[test]
    fn a6_a_hidden_name() {
        let hidden = extension(ENCRYPTED_HELLO, &[1, 2, 3]);
        assert_eq!(
            judged(&[name(b"example.com"), hidden], "example.com:443"),
            Err(Broken::Hidden)
        );
    }

    #[test]
    fn a_name_twice_is_unreadable() {
        let twice = [name(b"example.com"), name(b"evil.example")];
        assert_eq!(judged(&twice, "example.com:443"), Err(Broken::Unreadable));
    }

    /// A7: split over records and segments it says the same; what never ends is an end.
    #[test]
    fn a7_split_as_small_as_can_be() {
        let message = greeting(&[extension(21, &[0; 900]), name(b"example.com")]);
        for size in [1, 2, 3, 5, 100, 1000] {
            let bytes = records(&message, size);
            let whole = read(&bytes, &to("example.com:443"));
            assert_eq!(whole, Greeting::Tls(Ok(())), "records of {size}");
            for end in [1, 2, 5, 6, bytes.len() / 2, bytes.len() - 1] {
                assert_eq!(
                    read(&bytes[..end], &to("example.com:443")),
                    Greeting::Incomplete,
                    "{end}"
                );
            }
        }
        let endless = records(&[&[CLIENT_HELLO, 0, 0xff, 0xf0][..], &[0; 65_000]].concat(), 1);
        assert_eq!(read(&endless, &to("example.com:443")), Greeting::Incomplete);
        let longer = records(&[&[CLIENT_HELLO, 1, 0, 1][..], &[0; 9]].concat(), 1);
        assert_eq!(
            read(&longer, &to("example.com:443")),
            Greeting::Tls(Err(Broken::Unreadable))
        );
    }

    #[test]
    fn other_protocols_are_none_of_its_business() {
        for bytes in [
            &b"SSH-2.0-x\r\n"[..],
            b"GET / HTTP/1.1\r\n",
            b"\0\0\0\x08\x04\xd2\x16\x2f",
            b"\x16\x01",
        ] {
            assert_eq!(read(bytes, &to("example.com:22")), Greeting::Other);
        }
    }

    proptest! {
        /// Nothing that is not a greeting with that very name passes as one.
        #[test]
        fn bytes_changed_never_name_another_host(at in 0usize..80, byte in any::<u8>()) {
            let mut bytes = records(&greeting(&[name(b"example.com")]), 16_000);
            let at = at.min(bytes.len() - 1);
            bytes[at] = byte;
            let verdict = read(&bytes, &to("evil.example:443"));
            prop_assert!(verdict != Greeting::Tls(Ok(())));
        }

        #[test]
        fn any_bytes_are_read(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            bytes.splice(0..0, [HANDSHAKE, 3, 1]);
            let _some_verdict = read(&bytes, &to("example.com:443"));
        }
    }
}
