//! Connections that are used again.

use super::connection::{Connection, Stream};
use super::serve::Dial;
use super::tls::Tls;
use bytes::Bytes;
use fumehood_destination::Destination;
use fumehood_http::{Denial, MAX_HEAD, RequestHead, Scheme, Version};
use fumehood_lane::two::{BOUNDS, FRAME};
use fumehood_monitor::DialError;
use h2::client::SendRequest;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex as Turn;
use tokio::time::{Instant, timeout};

/// How long a connection waits; many servers close theirs after five seconds, and a request must not meet that.
const IDLE: Duration = Duration::from_secs(4);
/// The same for requests that must not be sent twice.
const IDLE_UNSAFE: Duration = Duration::from_secs(2);
/// How many wait for one destination, and for all.
const WAIT_PER_KEY: usize = 32;
const WAIT: usize = 256;

/// Connections are shared by what was judged alike: destination, scheme, and the addresses that were permitted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    destination: Destination,
    scheme: Scheme,
    permitted: Vec<IpAddr>,
}

impl Key {
    pub(crate) fn new(head: &RequestHead, permitted: &[IpAddr]) -> Key {
        Key {
            destination: head.destination.clone(),
            scheme: head.scheme,
            permitted: permitted.to_vec(),
        }
    }
}

/// What an exchange is carried out on.
pub(crate) enum Leg {
    One(Connection),
    Two(SendRequest<Bytes>),
}

/// Streams of HTTP/2 to one destination share a connection: made by the first that comes, in turn.
type Shared = Arc<Turn<Option<SendRequest<Bytes>>>>;

#[derive(Default)]
pub(crate) struct Pool {
    one: Mutex<HashMap<Key, Vec<Connection>>>,
    two: Mutex<HashMap<Key, Shared>>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pool")
    }
}

/// A leg, and whether it had waited for another request.
pub(crate) struct Taken {
    pub(crate) leg: Leg,
    pub(crate) waited: bool,
}

/// May be sent again by itself where the server may have seen it: nothing of it is an effect (RFC 9110 §9.2.1).
pub(crate) fn only_reads(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS")
}

impl Pool {
    /// A connection for a request: one that waits, unless a new one is asked for.
    pub(crate) async fn take(
        &self,
        key: &Key,
        head: &RequestHead,
        tls: &Tls,
        dial: &impl Dial,
        fresh: bool,
    ) -> Result<Taken, Denial> {
        let over_tls = head.scheme == Scheme::Https;
        if head.version == Version::Http2 && over_tls {
            return self.take_two(key, tls, dial, fresh).await;
        }
        let waiting = if fresh {
            None
        } else {
            self.waiting(key, &head.method)
        };
        let waited = waiting.is_some();
        let leg = match waiting {
            Some(connection) => Leg::One(connection),
            None => connect(key, tls, dial, Version::Http1).await?,
        };
        Ok(Taken { leg, waited })
    }

    fn waiting(&self, key: &Key, method: &str) -> Option<Connection> {
        let most = if only_reads(method) { IDLE } else { IDLE_UNSAFE };
        let mut all = self.one.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = all.get_mut(key)?;
        while let Some(mut one) = waiting.pop() {
            if one.idle.is_some_and(|since| since.elapsed() < most) && !one.is_stale() {
                return Some(one);
            }
        }
        all.remove(key);
        None
    }

    /// Puts back a connection whose exchange is over.
    pub(crate) fn put(&self, key: Key, mut connection: Connection) {
        connection.idle = Some(Instant::now());
        let mut all = self.one.lock().unwrap_or_else(PoisonError::into_inner);
        let count: usize = all.values().map(Vec::len).sum();
        if count >= WAIT {
            all.retain(|_, waiting| {
                waiting.retain(|one| one.idle.is_some_and(|since| since.elapsed() < IDLE));
                !waiting.is_empty()
            });
        }
        let waiting = all.entry(key).or_default();
        if waiting.len() < WAIT_PER_KEY && count < 2 * WAIT {
            waiting.push(connection);
        }
    }

    async fn take_two(&self, key: &Key, tls: &Tls, dial: &impl Dial, fresh: bool) -> Result<Taken, Denial> {
        let shared = {
            let mut all = self.two.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= WAIT {
                all.clear(); // those in use live on with their streams
            }
            Arc::clone(all.entry(key.clone()).or_default())
        };
        let mut turn = shared.lock().await;
        if let (Some(open), false) = (turn.take(), fresh)
            && let Ok(ready) = open.ready().await
        {
            *turn = Some(ready.clone());
            return Ok(Taken {
                leg: Leg::Two(ready),
                waited: true,
            });
        }
        let leg = connect(key, tls, dial, Version::Http2).await?;
        if let Leg::Two(open) = &leg {
            *turn = Some(open.clone());
        }
        Ok(Taken { leg, waited: false })
    }
}

async fn connect(key: &Key, tls: &Tls, dial: &impl Dial, version: Version) -> Result<Leg, Denial> {
    let to = &key.destination;
    let stream = dial
        .dial(to, &key.permitted)
        .await
        .map_err(|why| refused(to, why))?;
    if key.scheme == Scheme::Http {
        return Ok(Leg::One(Connection::new(Stream::Plain(stream))));
    }
    let (stream, spoken) = tls.connect(stream, to, version).await?;
    let stream = Stream::Tls(Box::new(stream));
    match spoken {
        Version::Http1 => Ok(Leg::One(Connection::new(stream))),
        Version::Http2 => begin_two(stream, to).await.map(Leg::Two),
    }
}

fn refused(destination: &Destination, why: DialError) -> Denial {
    match why {
        DialError::Address(_) => Denial::new(403, format!("{destination}: {why}"))
            .remedy("allow that address and port by a rule, if it is meant"),
        why => Denial::new(502, format!("{destination} cannot be reached: {why}")),
    }
}

async fn begin_two(stream: Stream, destination: &Destination) -> Result<SendRequest<Bytes>, Denial> {
    let mut builder = h2::client::Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(BOUNDS.window)
        .initial_connection_window_size(BOUNDS.connection_window)
        .max_frame_size(FRAME)
        .max_header_list_size(MAX_HEAD as u32)
        .max_send_buffer_size(BOUNDS.window as usize);
    let failed =
        |why: &dyn std::fmt::Display| Denial::new(502, format!("HTTP/2 with {destination} failed: {why}"));
    match timeout(Duration::from_secs(10), builder.handshake(stream)).await {
        Ok(Ok((send, connection))) => {
            tokio::spawn(async move {
                // What went wrong with it is told to each of its streams.
                let _told = connection.await;
            });
            Ok(send)
        }
        Ok(Err(error)) => Err(failed(&error)),
        Err(_) => Err(failed(&"not in time")),
    }
}
