//! Releases that wait for their exchange.

use super::most::Allotment;
use fumehood_http::RequestHead;
use fumehood_monitor::FlowId;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// How long a release is good for: its exchange begins as soon as the gateway has the same answer.
const EXPIRY: Duration = Duration::from_secs(60);
/// How long an exchange waits for its release, which comes on another socket.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many wait at most.
const MOST: usize = 4096;

/// What the monitor released: this head, once.
#[derive(Clone, Debug)]
pub struct Release {
    /// The head, as it was judged.
    pub head: RequestHead,
    /// Addresses that a rule names for this port, and that may be dialled though they are not public.
    pub permitted: Vec<IpAddr>,
    /// The body, where it was judged too. Nothing is sent before it has been compared.
    pub body: Option<BodyDigest>,
    /// The most bytes of the body.
    pub most: Option<u64>,
    /// Where that is a share of a budget: which.
    pub budget: Option<Arc<Allotment>>,
}

/// Which body it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyDigest {
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// Their number.
    pub length: usize,
}

impl BodyDigest {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> BodyDigest {
        BodyDigest {
            sha256: Sha256::digest(bytes).into(),
            length: bytes.len(),
        }
    }
}

/// By number. Each is taken once.
#[derive(Debug, Default)]
pub(crate) struct Releases {
    waiting: Mutex<HashMap<FlowId, (Instant, Release)>>,
    arrived: Notify,
}

impl Releases {
    pub(crate) fn put(&self, id: FlowId, release: Release) {
        let now = Instant::now();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= MOST {
            waiting.retain(|_, (at, _)| now.duration_since(*at) < EXPIRY);
        }
        // A number that is used twice is not honest: neither of the two is sent.
        if waiting.len() >= MOST || waiting.remove(&id).is_some() {
            return;
        }
        waiting.insert(id, (now, release));
        drop(waiting);
        self.arrived.notify_waiters();
    }

    pub(crate) async fn take(&self, id: FlowId) -> Option<Release> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let arrived = self.arrived.notified();
            let found = self
                .waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&id);
            if let Some((at, release)) = found {
                return (at.elapsed() < EXPIRY).then_some(release);
            }
            timeout_at(deadline, arrived).await.ok()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fumehood_destination::Destination;
    use fumehood_http::Scheme;
    use fumehood_http::h1::read_request;

    fn release() -> Release {
        let to = Destination::authority(b"a.example:443", None).unwrap();
        let head = read_request(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", Scheme::Https, &to);
        Release {
            head: head.unwrap().unwrap().head,
            permitted: Vec::new(),
            body: None,
            most: None,
            budget: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_release_is_taken_once_and_only_in_time() {
        let releases = Releases::default();
        releases.put(7, release());
        assert!(releases.take(7).await.is_some());
        assert!(releases.take(7).await.is_none());
        releases.put(8, release());
        tokio::time::advance(EXPIRY).await;
        assert!(releases.take(8).await.is_none());
        releases.put(9, release());
        releases.put(9, release());
        assert!(releases.take(9).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn an_exchange_waits_a_little_for_its_release() {
        let releases = Releases::default();
        let late = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            releases.put(7, release());
        };
        let (taken, ()) = tokio::join!(releases.take(7), late);
        assert!(taken.is_some());
    }
}
