//! Lanes, from the broker's side.

use super::custody::{Custody, Guards};
use super::most::{Bound, Most};
use super::pool::{Key, Leg, Pool, Taken, only_reads};
use super::release::{Release, Releases};
use super::tls::{Tls, TlsError};
use super::up::Up;
use super::{one, two};
use fumehood_authority::Roots;
use fumehood_destination::Destination;
use fumehood_http::{Denial, Fields, FrameKind, Length, RequestHead, ResponseHead};
use fumehood_lane::Lane;
use fumehood_monitor::{DialError, FlowId};
use std::net::IpAddr;
use tokio::net::TcpStream;

/// Connects to a destination, at an address that was judged.
pub trait Dial: Send + Sync + 'static {
    /// Connects.
    fn dial(
        &self,
        destination: &Destination,
        permitted: &[IpAddr],
    ) -> impl Future<Output = Result<TcpStream, DialError>> + Send;

    /// Hears what became of a request, before anybody inside does.
    fn tell(&self, request: FlowId, what: Became) -> impl Future<Output = ()> + Send {
        let _nobody_listens = (request, what);
        async {}
    }
}

/// What became of a request that was released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Became {
    /// These credentials were put in; it is about to be sent.
    Used(Vec<String>),
    /// It was not sent, or there is no answer.
    Denied(Denial),
    /// It was sent, or a part of it, and it or its answer broke off.
    BrokeOff,
}

/// The upstream leg of a session.
#[derive(Debug)]
pub struct Upstream<C, D> {
    custody: C,
    dial: D,
    tls: Tls,
    pool: Pool,
    releases: Releases,
}

/// How an exchange ended, for the lane and for a second try.
pub(crate) enum Ended {
    /// The response went up to its end, or its refusal did.
    Whole,
    /// It broke off after it had begun, or the lane did.
    Broken,
    /// The connection ended before a byte came back: where it had waited, the server may have closed it
    /// before it saw the request.
    Stale,
    /// The server says that it has not looked at the request (RFC 9113 §8.7).
    Unseen,
}

impl<C: Custody, D: Dial> Upstream<C, D> {
    /// With who holds credentials, who dials, and whom to trust.
    ///
    /// # Errors
    /// Nobody is trusted.
    pub fn new(custody: C, dial: D, roots: &Roots) -> Result<Upstream<C, D>, TlsError> {
        Ok(Upstream {
            custody,
            dial,
            tls: Tls::new(roots)?,
            pool: Pool::default(),
            releases: Releases::default(),
        })
    }

    /// Takes a release: its exchange may begin.
    pub fn release(&self, id: FlowId, release: Release) {
        self.releases.put(id, release);
    }

    /// Serves a lane until the gateway ends it.
    pub async fn serve(&self, mut lane: Lane) {
        while let Ok(frame) = lane.reader.next().await {
            let Some(id) = number(frame.kind, &frame.payload) else {
                return;
            };
            if !self.exchange(&mut lane, id).await {
                return;
            }
        }
    }

    /// One exchange; whether the lane may carry another.
    async fn exchange(&self, lane: &mut Lane, id: FlowId) -> bool {
        let mut up = Up::default();
        let result = match self.releases.take(id).await {
            Some(release) => {
                let done = self.carry_out(lane, (id, release), &mut up).await;
                let became = match &done {
                    Ok(Ended::Whole) => None,
                    Ok(_) => Some(Became::BrokeOff),
                    Err(denial) => Some(Became::Denied(denial.clone())),
                };
                if let Some(became) = became {
                    self.dial.tell(id, became).await;
                }
                done
            }
            None => Err(Denial::new(403, "nobody released this request")),
        };
        match result {
            Ok(Ended::Whole) => true,
            Ok(Ended::Broken | Ended::Stale | Ended::Unseen) => false,
            Err(denial) => refuse(lane, &denial, &mut up).await,
        }
    }

    async fn carry_out(
        &self,
        lane: &mut Lane,
        (id, release): (FlowId, Release),
        up: &mut Up,
    ) -> Result<Ended, Denial> {
        let Release {
            head: mut judged,
            permitted,
            body,
            most,
            budget,
        } = release;
        let bound = budget.map_or(Bound::Reading, Bound::Budget);
        if let Some(digest) = body {
            up.compare(&mut lane.reader, digest).await?;
            // The gateway has the body already: its client was told to go on.
            judged.expects_continue = false;
        }
        let key = Key::new(&judged, &permitted);
        // What was compared may be something that a person allowed once.
        let again = body.is_none() && judged.body == Length::Empty && !judged.upgrade;
        for fresh in [false, true] {
            let mut head = judged.clone();
            let mut guards = self.admit(lane, &mut head, up).await?;
            if !fresh && !guards.used.is_empty() {
                let used = std::mem::take(&mut guards.used);
                self.dial.tell(id, Became::Used(used)).await;
            }
            if let Some(most) = most {
                guards.outgoing = Most::over(guards.outgoing, most, bound.clone());
            }
            let Taken { leg, waited } = self.pool.take(&key, &head, &self.tls, &self.dial, fresh).await?;
            let ended = match leg {
                Leg::One(connection) => {
                    let put = |connection| self.pool.put(key.clone(), connection);
                    one::run(lane, &head, connection, up, guards, put).await?
                }
                Leg::Two(send) => two::run(lane, &head, send, up, guards).await?,
            };
            match ended {
                Ended::Unseen if !fresh && again => {}
                // A new connection was not closed for having waited: the server had the request.
                Ended::Stale if !fresh && again && waited && only_reads(&head.method) => {}
                Ended::Stale | Ended::Unseen => break,
                ended => return Ok(ended),
            }
        }
        Err(Denial::new(
            502,
            format!("{} ended the connection", judged.destination),
        ))
    }
}

impl<C: Custody, D: Dial> Upstream<C, D> {
    /// Lets credentials be put in, and the whole body be read before, where that is asked for.
    async fn admit(&self, lane: &mut Lane, head: &mut RequestHead, up: &mut Up) -> Result<Guards, Denial> {
        let Some(most) = self.custody.wants_body(head) else {
            return self.custody.admit(head, None);
        };
        if head.body == Length::Empty {
            return self.custody.admit(head, Some(&mut Vec::new()));
        }
        if std::mem::take(&mut head.expects_continue) {
            let go_on = ResponseHead {
                status: 100,
                fields: Fields::default(),
                body: Length::Empty,
            };
            // If the gateway is gone the next read says it.
            let _gone = lane.writer.send(FrameKind::Interim, &go_on.encode()).await;
        }
        let Some(body) = up.gather(&mut lane.reader, most).await? else {
            let reason =
                format!("the body is longer than {most} bytes, which is the most into which credentials go");
            return Err(Denial::new(413, reason));
        };
        let mut body = Vec::from(body);
        let guards = self.custody.admit(head, Some(&mut body))?;
        head.body = Length::Known(body.len() as u64);
        up.replace(body);
        Ok(guards)
    }
}

fn number(kind: FrameKind, payload: &[u8]) -> Option<FlowId> {
    let bytes: [u8; 8] = payload.try_into().ok()?;
    (kind == FrameKind::Begin).then(|| FlowId::from_be_bytes(bytes))
}

/// Says that there is no response. The rest of the request is read past; whether the lane may be used again.
async fn refuse(lane: &mut Lane, denial: &Denial, up: &mut Up) -> bool {
    let told = lane.writer.send(FrameKind::Refused, &denial.encode()).await;
    told.is_ok() && up.read_past(&mut lane.reader).await
}
