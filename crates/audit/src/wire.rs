//! Packets between those who record and the writer (`SOCK_SEQPACKET`): one message each.

use crate::record::{MAX_RECORD, Record, RecordError};

/// The longest packet.
pub(crate) const MAX_PACKET: usize = MAX_RECORD + 3;

/// What the writer is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Record this. Its sequence number and cause are tickets.
    Record { record: Record, durable: bool },
    /// Record these, one after the other.
    Records(Vec<Record>),
    /// Take the socket that comes with this as another one's who records these kinds, a bit for each.
    Sender(u64),
    /// Sign the head as it is, and tell it.
    Head,
}

const RECORD: u8 = b'r';
const RECORDS: u8 = b'm';
const DURABLE: u8 = b'd';
const SENDER: u8 = b's';
const HEAD: u8 = b'h';

impl Asked {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, RecordError> {
        Ok(match self {
            Self::Record { record, durable } => {
                let mut packet = vec![if *durable { DURABLE } else { RECORD }];
                packet.extend(record.encode()?);
                packet
            }
            Self::Records(records) => {
                let mut packet = begun();
                for record in records {
                    let fits = push(&mut packet, &record.encode()?);
                    fits.then_some(()).ok_or(RecordError::TooLong)?;
                }
                packet
            }
            Self::Sender(kinds) => [&[SENDER][..], &kinds.to_be_bytes()].concat(),
            Self::Head => vec![HEAD],
        })
    }

    pub(crate) fn decode(packet: &[u8]) -> Option<Self> {
        let (tag, rest) = packet.split_first()?;
        match (*tag, rest) {
            (RECORD | DURABLE, record) => Some(Self::Record {
                record: Record::decode(record).ok()?,
                durable: *tag == DURABLE,
            }),
            (RECORDS, several) => records(several).map(Self::Records),
            (SENDER, kinds) => Some(Self::Sender(u64::from_be_bytes(kinds.try_into().ok()?))),
            (HEAD, []) => Some(Self::Head),
            _ => None,
        }
    }
}

/// A packet of several records, without any yet.
pub(crate) fn begun() -> Vec<u8> {
    vec![RECORDS]
}

/// Adds a record's bytes, after two with their length; no where there is no room for it.
pub(crate) fn push(packet: &mut Vec<u8>, record: &[u8]) -> bool {
    let Some(length) = u16::try_from(record.len())
        .ok()
        .filter(|_| packet.len() + 2 + record.len() <= MAX_PACKET)
    else {
        return false;
    };
    packet.extend_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(record);
    true
}

fn records(mut rest: &[u8]) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (record, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        records.push(Record::decode(record).ok()?);
        rest = after;
    }
    rest.is_empty().then_some(records)
}

/// What the writer answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The record of this ticket is on the disk.
    Durable { ticket: u64 },
    /// The head, as a signed note, and after an empty line how many records of which kind it covers.
    Head(String),
    /// Nothing more is written, and why.
    Failed(String),
}

/// The longest text in an answer, characters.
const TEXT: usize = 1024;

impl Answer {
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Durable { ticket } => [&[DURABLE][..], &ticket.to_be_bytes()].concat(),
            Self::Head(note) => [&[HEAD][..], note.as_bytes()].concat(),
            Self::Failed(why) => {
                let short: String = why.chars().take(TEXT).collect();
                [&b"f"[..], short.as_bytes()].concat()
            }
        }
    }

    pub(crate) fn decode(packet: &[u8]) -> Option<Self> {
        let (tag, rest) = packet.split_first()?;
        let text = || String::from_utf8(rest.to_vec()).ok();
        match *tag {
            DURABLE => Some(Self::Durable {
                ticket: u64::from_be_bytes(rest.try_into().ok()?),
            }),
            HEAD => Some(Self::Head(text()?)),
            b'f' => Some(Self::Failed(text()?)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Entry, Ticket};
    use crate::record::Kind;
    use proptest::prelude::*;

    #[test]
    fn what_is_asked_and_answered_arrives() {
        let record = Entry::new(Kind::Flow)
            .text("host", "example.org")
            .into_record(Ticket(7));
        for durable in [false, true] {
            let record = record.clone();
            let asked = Asked::Record { record, durable };
            assert_eq!(Asked::decode(&asked.encode().unwrap()), Some(asked));
        }
        let several = Asked::Records(vec![record.clone(), record.clone()]);
        let packet = several.encode().unwrap();
        assert_eq!(Asked::decode(&packet), Some(several));
        // Cut anywhere it is no message, or one of fewer whole records.
        for at in 1..packet.len() {
            match Asked::decode(&packet[..at]) {
                None => {}
                Some(Asked::Records(fewer)) => assert!(fewer.len() < 2, "{at}"),
                other => panic!("{other:?}"),
            }
        }
        for asked in [Asked::Sender(5), Asked::Head] {
            assert_eq!(Asked::decode(&asked.encode().unwrap()), Some(asked));
        }
        for answer in [
            Answer::Durable { ticket: u64::MAX },
            Answer::Head("a".into()),
            Answer::Failed("full".into()),
        ] {
            assert_eq!(Answer::decode(&answer.encode()), Some(answer));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let (_asked, _answer) = (Asked::decode(&bytes), Answer::decode(&bytes));
        }
    }
}
