//! Questions for names (RFC 1035), answered from the table of synthetic addresses. Nothing is asked
//! elsewhere: a name that is never dialled never leaves the sandbox.

use crate::names::Names;
use fumehood_destination::Destination;
use fumehood_policy::value::HostName;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Longer questions are none: a name of 255 bytes, the head, and the options a client may add.
pub const MAX_QUESTION: usize = 4096;
/// Clients may keep an answer that long, seconds. The table keeps it longer.
const TTL: u32 = 60;

const HEAD: usize = 12;
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const CLASS_IN: u16 = 1;

/// What a response says (RFC 1035 §4.1.1, RFC 2136).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    Done = 0,
    Malformed = 1,
    NoName = 3,
    NotImplemented = 4,
    Refused = 5,
}

struct Question<'a> {
    /// As it stands in the packet, to be repeated.
    bytes: &'a [u8],
    name: String,
    kind: u16,
    class: u16,
}

/// The answer to a question; none where the bytes are not even the head of one.
#[must_use]
pub fn answer(packet: &[u8], names: &mut Names) -> Option<Vec<u8>> {
    let head = packet.get(..HEAD).filter(|_| packet.len() <= MAX_QUESTION)?;
    if head[2] & 0x80 != 0 {
        return None; // a response: answering it could go on for ever
    }
    let operation = head[2] >> 3 & 0xf;
    if operation != 0 {
        return Some(response(head, &[], Code::NotImplemented, &[]));
    }
    let Some(question) = question(packet) else {
        return Some(response(head, &[], Code::Malformed, &[]));
    };
    let (code, data) = look_up(&question, names);
    Some(response(
        head,
        question.bytes,
        code,
        &record(question.kind, &data),
    ))
}

fn question(packet: &[u8]) -> Option<Question<'_>> {
    if packet.get(4..6)? != [0, 1] {
        return None;
    }
    let mut name = String::new();
    let mut at = HEAD;
    loop {
        let length = usize::from(*packet.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        // Two bits are set in a pointer, which no question needs: nothing is before it.
        if length > 63 || at - HEAD > 255 {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        // What is no host name is refused below, whatever its bytes are.
        name.extend(packet.get(at..at + length)?.iter().map(|b| label_byte(*b)));
        at += length;
    }
    let number = |at: usize| Some(u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?));
    Some(Question {
        bytes: packet.get(HEAD..at + 4)?,
        name,
        kind: number(at)?,
        class: number(at + 2)?,
    })
}

/// A dot within a label must not become one between labels.
fn label_byte(byte: u8) -> char {
    if byte == b'.' { '\0' } else { char::from(byte) }
}

fn look_up(question: &Question<'_>, names: &mut Names) -> (Code, Vec<u8>) {
    if question.class != CLASS_IN {
        return (Code::Refused, Vec::new());
    }
    let Ok(HostName::Name(name)) = Destination::host(question.name.as_bytes()) else {
        return (Code::NoName, Vec::new());
    };
    // RFC 6761 §6.3
    let local = name == "localhost" || name.ends_with(".localhost");
    let data = match question.kind {
        TYPE_A if local => Ipv4Addr::LOCALHOST.octets().to_vec(),
        TYPE_AAAA if local => Ipv6Addr::LOCALHOST.octets().to_vec(),
        TYPE_A => names.addresses(&name).v4().octets().to_vec(),
        TYPE_AAAA => names.addresses(&name).v6().octets().to_vec(),
        // There is nothing of this kind: service bindings (which would bring encrypted names, A6), mail,
        // text, names of addresses.
        _ => Vec::new(),
    };
    (Code::Done, data)
}

/// One record, its name a pointer to the question's.
fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    if data.is_empty() {
        return Vec::new();
    }
    let mut out = vec![0xc0, HEAD as u8];
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&CLASS_IN.to_be_bytes());
    out.extend_from_slice(&TTL.to_be_bytes());
    out.extend_from_slice(&(data.len() as u16).to_be_bytes());
    out.extend_from_slice(data);
    out
}

fn response(head: &[u8], question: &[u8], code: Code, record: &[u8]) -> Vec<u8> {
    let recursion = head[2] & 1;
    let mut out = vec![head[0], head[1], 0x80 | recursion, 0x80 | code as u8];
    let count = |part: &[u8]| u16::from(!part.is_empty()).to_be_bytes();
    out.extend_from_slice(&count(question));
    out.extend_from_slice(&count(record));
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(question);
    out.extend_from_slice(record);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ask(name: &[&[u8]], kind: u16) -> Vec<u8> {
        let mut packet = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name {
            packet.push(label.len() as u8);
            packet.extend_from_slice(label);
        }
        packet.push(0);
        packet.extend_from_slice(&kind.to_be_bytes());
        packet.extend_from_slice(&[0, 1]);
        packet
    }

    /// Code, number of answers, the last bytes.
    fn answered(packet: &[u8]) -> (u8, u8, Vec<u8>) {
        let out = answer(packet, &mut Names::default()).unwrap();
        assert_eq!(&out[..2], &packet[..2], "the number of the question");
        assert_eq!(out[2] & 0x80, 0x80, "a response");
        (out[3] & 0xf, out[7], out[out.len().saturating_sub(4)..].to_vec())
    }

    #[test]
    fn a_name_gets_a_synthetic_address_whatever_its_case() {
        let one = answered(&ask(&[b"example", b"com"], TYPE_A));
        assert_eq!(one, (0, 1, vec![198, 18, 1, 0]));
        assert_eq!(answered(&ask(&[b"EXAMPLE", b"Com"], TYPE_A)), one);
        assert_eq!(answered(&ask(&[b"example", b"com"], TYPE_AAAA)).1, 1);
        assert_eq!(
            answered(&ask(&[b"a", b"localhost"], TYPE_A)),
            (0, 1, vec![127, 0, 0, 1])
        );
    }

    /// A6: no service binding, hence no encrypted name; and nothing but addresses.
    #[test]
    fn a6_there_is_nothing_but_addresses() {
        for kind in [2, 5, 12, 15, 16, 33, 64, 65, 255] {
            assert_eq!(answered(&ask(&[b"example", b"com"], kind)).1, 0, "{kind}");
        }
    }

    /// A9, A10: what is no host name has no address.
    #[test]
    fn a9_odd_labels_are_no_names() {
        for label in [
            &b"a.b"[..],
            b"a\0",
            b"a b",
            b"\xff",
            b"*",
            b"-a",
            b"a/b",
            b"1.2.3.4",
        ] {
            let (code, count, _) = answered(&ask(&[label, b"com"], TYPE_A));
            assert_eq!((code, count), (Code::NoName as u8, 0), "{label:?}");
        }
        assert_eq!(
            answered(&ask(&[b"1", b"2", b"3", b"4"], TYPE_A)).0,
            Code::NoName as u8
        );
        assert_eq!(answered(&ask(&[], TYPE_A)).0, Code::NoName as u8);
    }

    #[test]
    fn what_is_no_question_is_told_so() {
        let mut pointer = ask(&[], TYPE_A);
        pointer[12] = 0xc0;
        assert_eq!(answered(&pointer).0, Code::Malformed as u8);
        assert_eq!(answered(&ask(&[b"x"], TYPE_A)[..14]).0, Code::Malformed as u8);
        let mut update = ask(&[b"x"], TYPE_A);
        update[2] = 5 << 3;
        assert_eq!(answered(&update).0, Code::NotImplemented as u8);
        let mut response = ask(&[b"x"], TYPE_A);
        response[2] |= 0x80;
        assert_eq!(answer(&response, &mut Names::default()), None);
        assert_eq!(answer(&[0; 11], &mut Names::default()), None);
    }

    proptest! {
        #[test]
        fn any_packet_is_answered_in_bounds(packet in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Some(out) = answer(&packet, &mut Names::default()) {
                prop_assert!(out.len() <= packet.len() + 28);
            }
        }

        /// The name in the table is the one in the packet: no two spellings of bytes meet.
        #[test]
        fn what_is_asked_is_what_is_dialled(labels in proptest::collection::vec("[a-z][a-z0-9]{0,9}", 1..5)) {
            let mut names = Names::default();
            let parts: Vec<&[u8]> = labels.iter().map(|l| l.as_bytes()).collect();
            let out = answer(&ask(&parts, TYPE_A), &mut names).unwrap();
            let last: [u8; 4] = out[out.len() - 4..].try_into().unwrap();
            let name = labels.join(".");
            let local = name == "localhost" || name.ends_with(".localhost");
            if !local && name.parse::<HostName>().is_ok_and(|h| matches!(h, HostName::Name(_))) {
                prop_assert_eq!(names.name(Ipv4Addr::from(last).into()), Some(name.as_str()));
            }
        }
    }
}
