//! Packets between those who record and the writer (`SOCK_SEQPACKET`): one message each.

use crate::record::{MAX_RECORD, Record, RecordError};

/// The longest packet.
pub(crate) const MAX_PACKET: usize = MAX_RECORD + 1;

/// What the writer is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Record this. Its sequence number and cause are tickets.
    Record { record: Record, durable: bool },
    /// Take the socket that comes with this as another one's who records.
    Sender,
    /// Sign the head as it is, and tell it.
    Head,
}

const RECORD: u8 = b'r';
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
            Self::Sender => vec![SENDER],
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
            (SENDER, []) => Some(Self::Sender),
            (HEAD, []) => Some(Self::Head),
            _ => None,
        }
    }
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
        for asked in [Asked::Sender, Asked::Head] {
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
