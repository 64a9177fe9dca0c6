//! To and from the broker.

use super::database::{addresses, read_addresses};
use super::{DialError, FlowId, OpenDatabase, Said, Statement, Wire};
use crate::wire::{Reader, Writer};
use fumehood_destination::Destination;
use fumehood_effect::Digest;
use fumehood_http::RequestHead;
use std::net::{IpAddr, SocketAddr};

/// A release: what the broker may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToBroker {
    /// Resolve, judge every address, dial one.
    Dial {
        /// The flow.
        flow: FlowId,
        /// Where.
        destination: Destination,
        /// Addresses that a rule names for this port, and that may be dialled though they are not public.
        permitted: Vec<IpAddr>,
    },
    /// Send this request when the gateway begins it, once.
    Send(Box<Released>),
    /// One end of a lane comes with this.
    Lane,
    /// Connect to a database, for who is at the other end of what comes with this.
    Database(Box<OpenDatabase>),
    /// What is said to a statement.
    Statement(FlowId, Said),
}

/// A request that was released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// Its number.
    pub request: FlowId,
    /// What is written.
    pub head: RequestHead,
    /// As for [`ToBroker::Dial`].
    pub permitted: Vec<IpAddr>,
    /// The body, where it was judged.
    pub body: Option<BodyOf>,
    /// The most bytes of the body, or of what a stream sends.
    pub most: Option<u64>,
    /// Where that is a share of a budget: whose, and the broker says what was used ([`FromBroker::Passed`]).
    pub budget: Option<String>,
}

/// Which body it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyOf {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Their number.
    pub length: u64,
}

impl BodyOf {
    /// Of these bytes.
    #[must_use]
    pub fn bytes(bytes: &[u8]) -> BodyOf {
        BodyOf {
            digest: Digest::of(bytes),
            length: bytes.len() as u64,
        }
    }
}

/// From the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromBroker {
    /// Connected; the socket comes with this where the flow is a tunnel.
    Connected {
        /// The flow.
        flow: FlowId,
        /// The address that was judged and dialled.
        address: SocketAddr,
    },
    /// Not connected.
    Failed {
        /// The flow.
        flow: FlowId,
        /// Why.
        why: DialError,
    },
    /// Not connected, for a request; its client was told.
    Unreached {
        /// Where.
        destination: Destination,
        /// Why.
        why: DialError,
    },
    /// A request that had a share of a budget is over.
    Passed {
        /// The request.
        request: FlowId,
        /// Bytes of its body, or of its stream, that left.
        bytes: u64,
        /// Whether it wanted to send more.
        over: bool,
    },
    /// Credentials were put into a request that was released.
    Used {
        /// The request.
        request: FlowId,
        /// Their names, at most [`MAX_NAMES`], each of at most [`MAX_WHY`] bytes.
        names: Vec<String>,
    },
    /// A request that was released is not sent, or has no whole answer; its client was told.
    Undone {
        /// The request.
        request: FlowId,
        /// Why; at most [`MAX_WHY`] bytes.
        why: String,
    },
    /// May this statement run? Answered by one or more [`ToBroker::Statement`] of its number.
    Statement(Box<Statement>),
    /// Whoever sent this statement does not wait for it any more.
    StatementGone(FlowId),
    /// Not sent: a credential would have gone where it is not for. Its client was told.
    Withheld {
        /// Where.
        destination: Destination,
        /// Why, and how to ask; at most [`MAX_WHY`] bytes.
        why: String,
    },
}

/// How many names of credentials are told of one request.
pub const MAX_NAMES: usize = 16;
/// The longest reason, bytes.
pub const MAX_WHY: usize = 512;

fn read_names(read: &mut Reader<'_>) -> Option<Vec<String>> {
    let count = usize::try_from(read.number()?).ok().filter(|n| *n <= MAX_NAMES)?;
    let name = |_| Some(read.text().filter(|t| t.len() <= MAX_WHY)?.to_owned());
    (0..count).map(name).collect()
}

impl Wire for ToBroker {
    fn encode(&self) -> Vec<u8> {
        match self {
            ToBroker::Dial {
                flow,
                destination,
                permitted,
            } => {
                let mut out = Writer::new(b'd');
                out.number(*flow).destination(destination);
                addresses(&mut out, permitted);
                out.finish()
            }
            ToBroker::Send(released) => {
                let mut out = Writer::new(b's');
                out.number(released.request).bytes(&released.head.encode());
                addresses(&mut out, &released.permitted);
                match &released.body {
                    Some(body) => out.byte(1).bytes(body.digest.as_bytes()).number(body.length),
                    None => out.byte(0),
                };
                match released.most {
                    Some(most) => out.byte(1).number(most),
                    None => out.byte(0),
                };
                match &released.budget {
                    Some(rule) => out.byte(1).bytes(rule.as_bytes()),
                    None => out.byte(0),
                };
                out.finish()
            }
            ToBroker::Lane => Writer::new(b'l').finish(),
            ToBroker::Database(open) => {
                let mut out = Writer::new(b'o');
                open.write(&mut out);
                out.finish()
            }
            ToBroker::Statement(request, said) => {
                let mut out = Writer::new(b'q');
                out.number(*request);
                said.write(&mut out);
                out.finish()
            }
        }
    }

    fn decode(packet: &[u8]) -> Option<Self> {
        let (tag, rest) = packet.split_first()?;
        let mut read = Reader::new(rest);
        let value = match tag {
            b'd' => ToBroker::Dial {
                flow: read.number()?,
                destination: read.destination()?,
                permitted: read_addresses(&mut read)?,
            },
            b's' => ToBroker::Send(Box::new(released(&mut read)?)),
            b'l' => ToBroker::Lane,
            b'o' => ToBroker::Database(Box::new(OpenDatabase::read(&mut read)?)),
            b'q' => ToBroker::Statement(read.number()?, Said::read(&mut read)?),
            _ => return None,
        };
        read.end(value)
    }
}

fn released(read: &mut Reader<'_>) -> Option<Released> {
    Some(Released {
        request: read.number()?,
        head: RequestHead::decode(read.bytes()?).ok()?,
        permitted: read_addresses(read)?,
        body: match read.byte()? {
            0 => None,
            1 => Some(BodyOf {
                digest: Digest::from_bytes(read.bytes()?.try_into().ok()?),
                length: read.number()?,
            }),
            _ => return None,
        },
        most: match read.byte()? {
            0 => None,
            1 => Some(read.number()?),
            _ => return None,
        },
        budget: match read.byte()? {
            0 => None,
            1 => Some(read.text()?.to_owned()),
            _ => return None,
        },
    })
}

fn dial_error(out: &mut Writer, why: &DialError) {
    match why {
        DialError::NoName => out.byte(b'n'),
        DialError::Address(address) => out.byte(b'a').address(*address),
        DialError::Connect(errno) => out.byte(b'c').number(u64::from(errno.unsigned_abs())),
    };
}

fn read_dial_error(read: &mut Reader<'_>) -> Option<DialError> {
    Some(match read.byte()? {
        b'n' => DialError::NoName,
        b'a' => DialError::Address(read.address()?),
        b'c' => DialError::Connect(i32::try_from(read.number()?).ok()?),
        _ => return None,
    })
}

impl Wire for FromBroker {
    fn encode(&self) -> Vec<u8> {
        match self {
            FromBroker::Connected { flow, address } => {
                let mut out = Writer::new(b'c');
                out.number(*flow)
                    .address(address.ip())
                    .number(address.port().into());
                out.finish()
            }
            FromBroker::Failed { flow, why } => {
                let mut out = Writer::new(b'f');
                out.number(*flow);
                dial_error(&mut out, why);
                out.finish()
            }
            FromBroker::Unreached { destination, why } => {
                let mut out = Writer::new(b'u');
                out.destination(destination);
                dial_error(&mut out, why);
                out.finish()
            }
            FromBroker::Passed { request, bytes, over } => {
                let mut out = Writer::new(b'p');
                out.number(*request).number(*bytes).byte(u8::from(*over));
                out.finish()
            }
            FromBroker::Used { request, names } => {
                let mut out = Writer::new(b'k');
                out.number(*request).number(names.len() as u64);
                for name in names {
                    out.bytes(name.as_bytes());
                }
                out.finish()
            }
            FromBroker::Undone { request, why } => {
                let mut out = Writer::new(b'x');
                out.number(*request).bytes(why.as_bytes());
                out.finish()
            }
            FromBroker::Statement(statement) => {
                let mut out = Writer::new(b'q');
                statement.write(&mut out);
                out.finish()
            }
            FromBroker::StatementGone(request) => {
                let mut out = Writer::new(b'g');
                out.number(*request);
                out.finish()
            }
            FromBroker::Withheld { destination, why } => {
                let mut out = Writer::new(b'w');
                out.destination(destination).bytes(why.as_bytes());
                out.finish()
            }
        }
    }

    fn decode(packet: &[u8]) -> Option<Self> {
        let (tag, rest) = packet.split_first()?;
        let mut read = Reader::new(rest);
        let value = match tag {
            b'q' => FromBroker::Statement(Box::new(Statement::read(&mut read)?)),
            b'g' => FromBroker::StatementGone(read.number()?),
            b'p' => FromBroker::Passed {
                request: read.number()?,
                bytes: read.number()?,
                over: match read.byte()? {
                    0 => false,
                    1 => true,
                    _ => return None,
                },
            },
            b'k' => FromBroker::Used {
                request: read.number()?,
                names: read_names(&mut read)?,
            },
            b'x' => FromBroker::Undone {
                request: read.number()?,
                why: read.text().filter(|t| t.len() <= MAX_WHY)?.to_owned(),
            },
            b'w' => FromBroker::Withheld {
                destination: read.destination()?,
                why: read.text().filter(|t| t.len() <= MAX_WHY)?.to_owned(),
            },
            b'c' => FromBroker::Connected {
                flow: read.number()?,
                address: SocketAddr::new(read.address()?, u16::try_from(read.number()?).ok()?),
            },
            b'f' => FromBroker::Failed {
                flow: read.number()?,
                why: read_dial_error(&mut read)?,
            },
            b'u' => FromBroker::Unreached {
                destination: read.destination()?,
                why: read_dial_error(&mut read)?,
            },
            _ => return None,
        };
        read.end(value)
    }
}
