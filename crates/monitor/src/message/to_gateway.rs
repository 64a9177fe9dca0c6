//! From the monitor to the gateway.

use super::{FlowId, Wire};
use crate::wire::{Reader, Writer};
use fumehood_http::Denial;
use fumehood_model::Provider;

/// From the monitor to the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToGateway {
    /// The connection is made and comes with this: pass bytes, unread.
    Tunnel {
        /// The flow.
        flow: FlowId,
        /// The most bytes that may leave by it.
        most: Option<u64>,
    },
    /// It may be made for requests that are read: terminate, decode, ask for each.
    Inspect {
        /// The flow.
        flow: FlowId,
    },
    /// It is one to a database: end its TLS, read where its messages end, and pass them to the broker.
    Database {
        /// The flow.
        flow: FlowId,
        /// The most bytes that may leave by it.
        most: Option<u64>,
    },
    /// A socket of the sandbox's network comes with this.
    Inside {
        /// The flow.
        flow: FlowId,
    },
    /// A listener of the host comes with this: whoever connects to it is led to a port inside.
    Publish {
        /// The port inside.
        port: u16,
    },
    /// A flow that was let through is let through no longer: end it.
    Cut {
        /// The flow.
        flow: FlowId,
    },
    /// It may not be made, or could not be.
    Refused {
        /// The flow.
        flow: FlowId,
        /// What a client that can be told is told.
        denial: Denial,
    },
    /// A person is asked about the request; an answer follows.
    Waiting {
        /// The request.
        request: FlowId,
        /// What its client may be told meanwhile.
        words: String,
    },
    /// The request may be sent: the broker knows it by this number.
    Released {
        /// The request.
        request: FlowId,
        /// Whose model its body is for: it is read while it passes.
        model: Option<Provider>,
    },
    /// The request's body decides: show it.
    Body {
        /// The request.
        request: FlowId,
        /// The most bytes of it that are looked at.
        most: u64,
    },
    /// What a provider would do may be.
    Permitted {
        /// The question.
        question: FlowId,
    },
    /// The request, or what a provider would do, may not be.
    Denied {
        /// The request, or the question.
        request: FlowId,
        /// What the client is told.
        denial: Denial,
    },
}

impl ToGateway {
    /// What it is about: a flow, a request or a question; a port.
    #[must_use]
    pub fn flow(&self) -> FlowId {
        match self {
            ToGateway::Tunnel { flow, .. }
            | ToGateway::Inspect { flow }
            | ToGateway::Database { flow, .. }
            | ToGateway::Inside { flow }
            | ToGateway::Cut { flow }
            | ToGateway::Refused { flow, .. } => *flow,
            ToGateway::Released { request, .. }
            | ToGateway::Waiting { request, .. }
            | ToGateway::Body { request, .. }
            | ToGateway::Denied { request, .. } => *request,
            ToGateway::Permitted { question } => *question,
            ToGateway::Publish { port } => (*port).into(),
        }
    }

    fn tag(&self) -> u8 {
        match self {
            ToGateway::Tunnel { .. } => b't',
            ToGateway::Inspect { .. } => b'i',
            ToGateway::Inside { .. } => b's',
            ToGateway::Database { .. } => b'q',
            ToGateway::Cut { .. } => b'c',
            ToGateway::Publish { .. } => b'l',
            ToGateway::Refused { .. } => b'r',
            ToGateway::Waiting { .. } => b'w',
            ToGateway::Released { .. } => b'g',
            ToGateway::Body { .. } => b'b',
            ToGateway::Permitted { .. } => b'p',
            ToGateway::Denied { .. } => b'd',
        }
    }
}

const PROVIDERS: [Option<Provider>; 4] = [
    None,
    Some(Provider::Anthropic),
    Some(Provider::OpenAi),
    Some(Provider::Gemini),
];

impl Wire for ToGateway {
    fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new(self.tag());
        out.number(self.flow());
        match self {
            ToGateway::Waiting { words, .. } => {
                out.bytes(words.as_bytes());
            }
            ToGateway::Tunnel { most, .. } | ToGateway::Database { most, .. } => {
                match most {
                    Some(most) => out.byte(1).number(*most),
                    None => out.byte(0),
                };
            }
            ToGateway::Released { model, .. } => {
                let at = PROVIDERS.iter().position(|p| p == model).unwrap_or_default();
                out.byte(at as u8);
            }
            ToGateway::Body { most, .. } => {
                out.number(*most);
            }
            ToGateway::Denied { denial, .. } | ToGateway::Refused { denial, .. } => {
                out.bytes(&denial.encode());
            }
            _ => {}
        }
        out.finish()
    }

    fn decode(packet: &[u8]) -> Option<Self> {
        let (tag, rest) = packet.split_first()?;
        let mut read = Reader::new(rest);
        let flow = read.number()?;
        let value = match tag {
            b't' => ToGateway::Tunnel {
                flow,
                most: match read.byte()? {
                    0 => None,
                    1 => Some(read.number()?),
                    _ => return None,
                },
            },
            b'q' => ToGateway::Database {
                flow,
                most: match read.byte()? {
                    0 => None,
                    1 => Some(read.number()?),
                    _ => return None,
                },
            },
            b'i' => ToGateway::Inspect { flow },
            b's' => ToGateway::Inside { flow },
            b'c' => ToGateway::Cut { flow },
            b'l' => ToGateway::Publish {
                port: u16::try_from(flow).ok()?,
            },
            b'r' => ToGateway::Refused {
                flow,
                denial: Denial::decode(read.bytes()?).ok()?,
            },
            b'w' => ToGateway::Waiting {
                request: flow,
                words: read.text()?.to_owned(),
            },
            b'g' => ToGateway::Released {
                request: flow,
                model: *PROVIDERS.get(usize::from(read.byte()?))?,
            },
            b'b' => ToGateway::Body {
                request: flow,
                most: read.number()?,
            },
            b'p' => ToGateway::Permitted { question: flow },
            b'd' => ToGateway::Denied {
                request: flow,
                denial: Denial::decode(read.bytes()?).ok()?,
            },
            _ => return None,
        };
        read.end(value)
    }
}
