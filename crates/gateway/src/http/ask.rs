//! The judge of a run: messages to the supervisor's monitor, and their answers.

use super::judge::{Judge, Verdict};
use crate::process::Gateway;
use bytes::Bytes;
use fumehood_http::{Denial, RequestHead};
use fumehood_lane::{Lane, PIECE};
use fumehood_model::{Finding, Usage};
use fumehood_monitor::{FlowId, FromGateway, ToGateway};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long an answer may take: a person is given two minutes, and the rest is the machine's.
const ANSWER: Duration = Duration::from_secs(150);

/// Asks over the line to the supervisor.
#[derive(Debug)]
pub(crate) struct Monitor(pub(crate) Arc<Gateway>);

/// Says that a request is over when it is dropped, however it ended.
#[derive(Debug)]
pub(crate) struct Open {
    gateway: Arc<Gateway>,
    request: FlowId,
}

impl Drop for Open {
    fn drop(&mut self) {
        let (gateway, request) = (Arc::clone(&self.gateway), self.request);
        tokio::spawn(async move {
            let _gone = gateway.monitor.send(&FromGateway::Done { request }, None).await;
        });
    }
}

impl Monitor {
    async fn answer(&self, number: FlowId, message: FromGateway) -> ToGateway {
        let nobody = |reason: &str| ToGateway::Denied {
            request: number,
            denial: Denial::new(503, reason),
        };
        let receiver = self.0.expect(number);
        if self.0.monitor.send(&message, None).await.is_err() {
            return nobody("the request cannot be asked about, so it was not sent");
        }
        match timeout(ANSWER, receiver).await {
            Ok(Ok((answer, _))) => answer,
            _ => nobody("nobody said in time whether it may be sent, so it was not"),
        }
    }
}

fn verdict(answer: ToGateway) -> Verdict {
    match answer {
        ToGateway::Released { request, model } => Verdict::Released(request, model),
        ToGateway::Body { request, most } => Verdict::Body(request, most),
        ToGateway::Denied { denial, .. } => Verdict::Denied(denial),
        _ => Verdict::Denied(Denial::new(503, "the answer was none, so nothing was sent")),
    }
}

impl Judge for Monitor {
    type Open = Open;

    fn open(&self) -> (FlowId, Open) {
        let request = self.0.number();
        let gateway = Arc::clone(&self.0);
        (request, Open { gateway, request })
    }

    async fn judge(&self, request: FlowId, head: &RequestHead) -> Verdict {
        let head = Box::new(head.clone());
        verdict(self.answer(request, FromGateway::Ask { request, head }).await)
    }

    async fn show(&self, request: FlowId, body: Option<&Bytes>) -> Verdict {
        let mut last = None;
        if let Some(body) = body {
            let mut pieces = body.chunks(PIECE).peekable();
            last = Some(Vec::new());
            while let Some(piece) = pieces.next() {
                let bytes = piece.to_vec();
                if pieces.peek().is_none() {
                    last = Some(bytes);
                } else if self
                    .0
                    .monitor
                    .send(&FromGateway::Part { request, bytes }, None)
                    .await
                    .is_err()
                {
                    break; // and so is the next message
                }
            }
        }
        let body = last;
        verdict(self.answer(request, FromGateway::Show { request, body }).await)
    }

    fn notice(&self, request: FlowId) -> impl Future<Output = String> + Send {
        // From now on, not from when it is first waited for.
        let notice = self.0.notice(request);
        async move {
            match notice.await {
                Ok(words) => words,
                Err(_) => std::future::pending().await,
            }
        }
    }

    async fn remote(&self, request: FlowId, finding: &Finding) -> Result<(), Denial> {
        let (what, host) = match finding {
            Finding::Acts { what, at, host } => (format!("{what} (at {at})"), host.clone()),
            Finding::Unknown { at, kind } => (format!("`{kind}` at {at}, which nobody here knows"), None),
        };
        let question = self.0.number();
        let message = FromGateway::Remote {
            question,
            request,
            what,
            host,
        };
        match self.answer(question, message).await {
            ToGateway::Permitted { .. } => Ok(()),
            ToGateway::Denied { denial, .. } => Err(denial),
            _ => Err(Denial::new(503, "the answer was none, so nothing was sent")),
        }
    }

    async fn used(&self, request: FlowId, usage: Usage) {
        let message = FromGateway::Used { request, usage };
        let _supervisor_gone = self.0.monitor.send(&message, None).await;
    }

    async fn lane(&self) -> io::Result<Lane> {
        let (ours, theirs) = StdStream::pair()?;
        let theirs = OwnedFd::from(theirs);
        self.0
            .monitor
            .send(&FromGateway::Lane, Some(theirs.as_fd()))
            .await?;
        Lane::from_fd(ours.into())
    }
}
