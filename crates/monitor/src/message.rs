//! What the processes around the monitor say to each other. One packet is one message; a descriptor that
//! belongs to one travels in the same packet.

use crate::wire::{Reader, Writer};
use fumehood_destination::Destination;
use std::net::{IpAddr, SocketAddr};

/// A connection that a program inside opened: numbered by the gateway, used once.
pub type FlowId = u64;

/// How many addresses a release may name.
pub const MAX_ADDRESSES: usize = 64;

/// From the gateway to the monitor. All of it is a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromGateway {
    /// A program wants to go there. Answered by one [`ToGateway`] for the same flow.
    Open {
        /// The flow.
        flow: FlowId,
        /// Where, every name of the flow being equal.
        destination: Destination,
    },
    /// A flow ended before it was decided: what it carried contradicts itself, or cannot be read.
    Broken {
        /// Where it wanted to go, as far as that is known.
        destination: Destination,
        /// What is wrong with it.
        why: Broken,
    },
    /// Somebody outside opened a published port: a socket of the sandbox's network is needed.
    Enter {
        /// The flow.
        flow: FlowId,
    },
    /// A flow ended.
    Closed {
        /// The flow.
        flow: FlowId,
        /// Bytes that left.
        sent: u64,
        /// Bytes that came back.
        received: u64,
    },
}

/// Why the gateway ended a flow by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The name in the TLS greeting is not the name that was dialled.
    #[error("the TLS greeting names another host than was dialled")]
    OtherName,
    /// A TLS greeting without a name.
    #[error("the TLS greeting names no host")]
    NoName,
    /// The name is encrypted.
    #[error("the TLS greeting hides the host's name (ECH)")]
    Hidden,
    /// It says it is a TLS greeting and cannot be read as one.
    #[error("the TLS greeting cannot be read")]
    Unreadable,
    /// Not complete in time.
    #[error("the TLS greeting was not complete in time")]
    Slow,
}

const BROKEN: [Broken; 5] = [
    Broken::OtherName,
    Broken::NoName,
    Broken::Hidden,
    Broken::Unreadable,
    Broken::Slow,
];

/// From the monitor to the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToGateway {
    /// The connection is made and comes with this: pass bytes, unread.
    Tunnel {
        /// The flow.
        flow: FlowId,
    },
    /// It may be made for requests that are read: terminate, decode, ask for each.
    Inspect {
        /// The flow.
        flow: FlowId,
    },
    /// A socket of the sandbox's network comes with this.
    Inside {
        /// The flow.
        flow: FlowId,
    },
    /// It may not be made, or could not be.
    Refused {
        /// The flow.
        flow: FlowId,
    },
}

impl ToGateway {
    /// The flow it is about.
    #[must_use]
    pub fn flow(&self) -> FlowId {
        match self {
            ToGateway::Tunnel { flow }
            | ToGateway::Inspect { flow }
            | ToGateway::Inside { flow }
            | ToGateway::Refused { flow } => *flow,
        }
    }
}

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
}

/// Why nothing was dialled, or nobody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The name has no address.
    #[error("the name has no address")]
    NoName,
    /// An address is of a kind that no rule names: none was dialled.
    #[error("the name leads to {kind}, which no rule names", kind = fumehood_destination::class(*.0).words())]
    Address(IpAddr),
    /// Nobody answered in time, or the answer was no.
    #[error("{}", words(*.0))]
    Connect(i32),
}

/// The system's words, in lower case and without its number.
fn words(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno)
        .to_string()
        .to_lowercase();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// A message and its bytes. There is one encoding of each value.
pub trait Wire: Sized {
    /// The bytes.
    fn encode(&self) -> Vec<u8>;
    /// The value, unless the bytes are something else.
    fn decode(packet: &[u8]) -> Option<Self>;
}

impl Wire for FromGateway {
    fn encode(&self) -> Vec<u8> {
        match self {
            FromGateway::Open { flow, destination } => {
                let mut out = Writer::new(b'o');
                out.number(*flow).destination(destination);
                out.finish()
            }
            FromGateway::Broken { destination, why } => {
                let mut out = Writer::new(b'b');
                let at = BROKEN.iter().position(|b| b == why).unwrap_or_default();
                out.destination(destination).byte(at as u8);
                out.finish()
            }
            FromGateway::Enter { flow } => {
                let mut out = Writer::new(b'e');
                out.number(*flow);
                out.finish()
            }
            FromGateway::Closed { flow, sent, received } => {
                let mut out = Writer::new(b'c');
                out.number(*flow).number(*sent).number(*received);
                out.finish()
            }
        }
    }

    fn decode(packet: &[u8]) -> Option<Self> {
        let (tag, rest) = packet.split_first()?;
        let mut read = Reader::new(rest);
        let value = match tag {
            b'o' => FromGateway::Open {
                flow: read.number()?,
                destination: read.destination()?,
            },
            b'b' => FromGateway::Broken {
                destination: read.destination()?,
                why: *BROKEN.get(usize::from(read.byte()?))?,
            },
            b'e' => FromGateway::Enter { flow: read.number()? },
            b'c' => FromGateway::Closed {
                flow: read.number()?,
                sent: read.number()?,
                received: read.number()?,
            },
            _ => return None,
        };
        read.end(value)
    }
}

impl Wire for ToGateway {
    fn encode(&self) -> Vec<u8> {
        let (tag, flow) = match self {
            ToGateway::Tunnel { flow } => (b't', flow),
            ToGateway::Inspect { flow } => (b'i', flow),
            ToGateway::Inside { flow } => (b's', flow),
            ToGateway::Refused { flow } => (b'r', flow),
        };
        let mut out = Writer::new(tag);
        out.number(*flow);
        out.finish()
    }

    fn decode(packet: &[u8]) -> Option<Self> {
        let (tag, rest) = packet.split_first()?;
        let mut read = Reader::new(rest);
        let flow = read.number()?;
        let value = match tag {
            b't' => ToGateway::Tunnel { flow },
            b'i' => ToGateway::Inspect { flow },
            b's' => ToGateway::Inside { flow },
            b'r' => ToGateway::Refused { flow },
            _ => return None,
        };
        read.end(value)
    }
}

impl Wire for ToBroker {
    fn encode(&self) -> Vec<u8> {
        let ToBroker::Dial {
            flow,
            destination,
            permitted,
        } = self;
        let mut out = Writer::new(b'd');
        out.number(*flow)
            .destination(destination)
            .number(permitted.len() as u64);
        for address in permitted {
            out.address(*address);
        }
        out.finish()
    }

    fn decode(packet: &[u8]) -> Option<Self> {
        let (tag, rest) = packet.split_first()?;
        let mut read = Reader::new(rest);
        if *tag != b'd' {
            return None;
        }
        let (flow, destination) = (read.number()?, read.destination()?);
        let count = usize::try_from(read.number()?)
            .ok()
            .filter(|n| *n <= MAX_ADDRESSES)?;
        let permitted = (0..count).map(|_| read.address()).collect::<Option<_>>()?;
        read.end(ToBroker::Dial {
            flow,
            destination,
            permitted,
        })
    }
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
                match why {
                    DialError::NoName => out.byte(b'n'),
                    DialError::Address(address) => out.byte(b'a').address(*address),
                    DialError::Connect(errno) => out.byte(b'c').number(u64::from(errno.unsigned_abs())),
                };
                out.finish()
            }
        }
    }

    fn decode(packet: &[u8]) -> Option<Self> {
        let (tag, rest) = packet.split_first()?;
        let mut read = Reader::new(rest);
        let flow = read.number()?;
        let value = match tag {
            b'c' => FromBroker::Connected {
                flow,
                address: SocketAddr::new(read.address()?, u16::try_from(read.number()?).ok()?),
            },
            b'f' => FromBroker::Failed {
                flow,
                why: match read.byte()? {
                    b'n' => DialError::NoName,
                    b'a' => DialError::Address(read.address()?),
                    b'c' => DialError::Connect(i32::try_from(read.number()?).ok()?),
                    _ => return None,
                },
            },
            _ => return None,
        };
        read.end(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// There is one encoding of a value: what decodes is what was encoded, byte for byte.
    fn canonical<T: Wire + std::fmt::Debug>(bytes: &[u8]) -> bool {
        T::decode(bytes).is_none_or(|value| value.encode() == bytes)
    }

    fn destination() -> impl Strategy<Value = Destination> {
        "[a-z]{1,9}(\\.[a-z]{1,9}){0,3}:[1-9][0-9]{0,3}"
            .prop_filter_map("canonical", |t| Destination::authority(t.as_bytes(), None).ok())
    }

    proptest! {
        #[test]
        fn any_packet_decodes_to_one_value_or_is_refused(tag in prop::sample::select(&b"obectisrdcf"[..]),
            mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            bytes.insert(0, tag);
            prop_assert!(canonical::<FromGateway>(&bytes) && canonical::<ToGateway>(&bytes));
            prop_assert!(canonical::<ToBroker>(&bytes) && canonical::<FromBroker>(&bytes));
        }

        #[test]
        fn messages_come_back_and_nothing_may_follow(flow in any::<u64>(), to in destination(),
            permitted in proptest::collection::vec(any::<std::net::IpAddr>(), 0..9), errno in 0..200i32) {
            let open = FromGateway::Open { flow, destination: to.clone() };
            prop_assert_eq!(FromGateway::decode(&open.encode()), Some(open.clone()));
            prop_assert_eq!(FromGateway::decode(&[open.encode(), vec![0]].concat()), None);
            let dial = ToBroker::Dial { flow, destination: to, permitted };
            prop_assert_eq!(ToBroker::decode(&dial.encode()), Some(dial));
            let failed = FromBroker::Failed { flow, why: DialError::Connect(errno) };
            prop_assert_eq!(FromBroker::decode(&failed.encode()), Some(failed));
        }
    }
}
