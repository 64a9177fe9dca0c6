//! From the gateway to the monitor.

use super::{BROKEN, Broken, FlowId, Wire};
use crate::wire::{Reader, Writer};
use fumehood_destination::Destination;
use fumehood_http::RequestHead;
use fumehood_model::Usage;

/// From the gateway to the monitor. All of it is a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromGateway {
    /// A program wants to go there. Answered by one [`super::ToGateway`] for the same flow.
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
    /// A request wants to be sent. Answered by one [`super::ToGateway`] of its number.
    Ask {
        /// The request.
        request: FlowId,
        /// Its head: judged, and then written by the broker, in this form.
        head: Box<RequestHead>,
    },
    /// The beginning of a body that was asked for, or more of it.
    Part {
        /// The request.
        request: FlowId,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// The end of the body that was asked for. Answered as [`FromGateway::Ask`].
    Show {
        /// The request.
        request: FlowId,
        /// What follows the parts that were shown; none where it is longer than what is judged.
        body: Option<Vec<u8>>,
    },
    /// A body for a model would have its provider do something. Answered by one [`super::ToGateway`] of its own
    /// number.
    Remote {
        /// The number of this question.
        question: FlowId,
        /// The request.
        request: FlowId,
        /// What it would do.
        what: String,
        /// Where to.
        host: Option<Destination>,
    },
    /// What a model's answer says that it cost.
    Used {
        /// The request.
        request: FlowId,
        /// Tokens.
        usage: Usage,
    },
    /// A request is over, or its client is gone.
    Done {
        /// The request.
        request: FlowId,
    },
    /// One end of a new lane comes with this, for the broker.
    Lane,
    /// One end of a client's connection to a database comes with this, for the broker.
    Database {
        /// The flow.
        flow: FlowId,
    },
}

impl Wire for FromGateway {
    fn encode(&self) -> Vec<u8> {
        let mut out;
        match self {
            FromGateway::Open { flow, destination } => {
                out = Writer::new(b'o');
                out.number(*flow).destination(destination);
            }
            FromGateway::Broken { destination, why } => {
                out = Writer::new(b'b');
                let at = BROKEN.iter().position(|b| b == why).unwrap_or_default();
                out.destination(destination).byte(at as u8);
            }
            FromGateway::Enter { flow } => {
                out = Writer::new(b'e');
                out.number(*flow);
            }
            FromGateway::Closed { flow, sent, received } => {
                out = Writer::new(b'c');
                out.number(*flow).number(*sent).number(*received);
            }
            FromGateway::Ask { request, head } => {
                out = Writer::new(b'a');
                out.number(*request).bytes(&head.encode());
            }
            FromGateway::Part { request, bytes } => {
                out = Writer::new(b'p');
                out.number(*request).bytes(bytes);
            }
            FromGateway::Show { request, body } => {
                out = Writer::new(b's');
                out.number(*request);
                match body {
                    Some(body) => out.byte(1).bytes(body),
                    None => out.byte(0),
                };
            }
            FromGateway::Remote {
                question,
                request,
                what,
                host,
            } => {
                out = Writer::new(b'r');
                out.number(*question).number(*request).bytes(what.as_bytes());
                match host {
                    Some(host) => out.byte(1).destination(host),
                    None => out.byte(0),
                };
            }
            FromGateway::Used { request, usage } => {
                out = Writer::new(b'u');
                out.number(*request).number(usage.input).number(usage.output);
            }
            FromGateway::Done { request } => {
                out = Writer::new(b'd');
                out.number(*request);
            }
            FromGateway::Lane => out = Writer::new(b'l'),
            FromGateway::Database { flow } => {
                out = Writer::new(b'q');
                out.number(*flow);
            }
        }
        out.finish()
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
            b'a' => FromGateway::Ask {
                request: read.number()?,
                head: Box::new(RequestHead::decode(read.bytes()?).ok()?),
            },
            b'p' => FromGateway::Part {
                request: read.number()?,
                bytes: read.bytes()?.to_vec(),
            },
            b's' => FromGateway::Show {
                request: read.number()?,
                body: match read.byte()? {
                    0 => None,
                    1 => Some(read.bytes()?.to_vec()),
                    _ => return None,
                },
            },
            b'r' => FromGateway::Remote {
                question: read.number()?,
                request: read.number()?,
                what: read.text()?.to_owned(),
                host: match read.byte()? {
                    0 => None,
                    1 => Some(read.destination()?),
                    _ => return None,
                },
            },
            b'u' => FromGateway::Used {
                request: read.number()?,
                usage: Usage {
                    input: read.number()?,
                    output: read.number()?,
                },
            },
            b'd' => FromGateway::Done {
                request: read.number()?,
            },
            b'l' => FromGateway::Lane,
            b'q' => FromGateway::Database { flow: read.number()? },
            _ => return None,
        };
        read.end(value)
    }
}
