//! Where credentials go in, and where what must not come back is kept out.

use bytes::Bytes;
use fumehood_http::{Denial, Fields, RequestHead, ResponseHead};

/// Who holds the credentials.
pub trait Custody: Send + Sync + 'static {
    /// Whether the body must be here as a whole before [`Custody::admit`], and how many bytes of it at most.
    /// A longer one is refused.
    fn wants_body(&self, head: &RequestHead) -> Option<usize>;

    /// Puts credentials into a head that was released, and into the body where it was asked for, and gives who
    /// watches over the rest of the exchange. Whether a placeholder may go where it stands is decided here.
    ///
    /// # Errors
    /// The request is not to be sent.
    fn admit(&self, head: &mut RequestHead, body: Option<&mut Vec<u8>>) -> Result<Guards, Denial>;
}

/// Who watches over an exchange, in each direction.
pub struct Guards {
    /// Over what leaves.
    pub outgoing: Box<dyn Outgoing>,
    /// Over what comes.
    pub incoming: Box<dyn Incoming>,
    /// The names of the credentials that were put in.
    pub used: Vec<String>,
}

impl std::fmt::Debug for Guards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guards")
    }
}

/// Over what leaves. A body of known length must keep it.
pub trait Outgoing: Send {
    /// Bytes of the body; what is given back is sent.
    ///
    /// # Errors
    /// Nothing more is to be sent, and the request breaks off.
    fn data(&mut self, data: Bytes) -> Result<Bytes, Denial>;

    /// The body has ended: what was kept back.
    ///
    /// # Errors
    /// As above.
    fn end(&mut self) -> Result<Bytes, Denial>;
}

/// Over what comes.
pub trait Incoming: Send {
    /// A head, also an interim one.
    ///
    /// # Errors
    /// The response is not to be passed on.
    fn head(&mut self, head: &mut ResponseHead) -> Result<(), Denial>;

    /// Bytes of the body; what is given back is passed on.
    ///
    /// # Errors
    /// Nothing more is to be passed on, and the response breaks off.
    fn data(&mut self, data: Bytes) -> Result<Bytes, Denial>;

    /// The body has ended: what was kept back.
    ///
    /// # Errors
    /// As above.
    fn end(&mut self) -> Result<Bytes, Denial>;

    /// Trailer fields.
    fn trailers(&mut self, fields: &mut Fields);
}

/// No credentials: everything passes as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCustody;

impl Custody for NoCustody {
    fn wants_body(&self, _head: &RequestHead) -> Option<usize> {
        None
    }

    fn admit(&self, _head: &mut RequestHead, _body: Option<&mut Vec<u8>>) -> Result<Guards, Denial> {
        Ok(Guards {
            outgoing: Box::new(NoCustody),
            incoming: Box::new(NoCustody),
            used: Vec::new(),
        })
    }
}

impl Outgoing for NoCustody {
    fn data(&mut self, data: Bytes) -> Result<Bytes, Denial> {
        Ok(data)
    }

    fn end(&mut self) -> Result<Bytes, Denial> {
        Ok(Bytes::new())
    }
}

impl Incoming for NoCustody {
    fn head(&mut self, _head: &mut ResponseHead) -> Result<(), Denial> {
        Ok(())
    }

    fn data(&mut self, data: Bytes) -> Result<Bytes, Denial> {
        Ok(data)
    }

    fn end(&mut self) -> Result<Bytes, Denial> {
        Ok(Bytes::new())
    }

    fn trailers(&mut self, _fields: &mut Fields) {}
}
