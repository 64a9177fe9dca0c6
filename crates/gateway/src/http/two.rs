//! HTTP/2 with a client.

use super::exchange::{self, Gone, Sink, Source, Stop};
use super::git;
use super::inspect::Inspector;
use super::judge::{Judge, Verdict};
use super::model;
use super::one::{exchange_with, gather};
use bytes::Bytes;
use fumehood_destination::Destination;
use fumehood_http::{Denial, Fields, Length, MAX_HEAD, RequestHead, ResponseHead, Scheme};
use fumehood_lane::two::{self, BOUNDS, FRAME};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long the connection may take to begin.
const PREFACE: Duration = Duration::from_secs(10);

/// Serves streams until the connection ends; those that are open then end with it.
pub(crate) async fn serve<S, J>(
    inspector: &Arc<Inspector<J>>,
    stream: S,
    scheme: Scheme,
    destination: &Destination,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin,
    J: Judge,
{
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(BOUNDS.streams)
        .initial_window_size(BOUNDS.window)
        .initial_connection_window_size(BOUNDS.connection_window)
        .max_frame_size(FRAME)
        .max_header_list_size(MAX_HEAD as u32)
        .max_send_buffer_size(BOUNDS.window as usize);
    let Ok(Ok(mut connection)) = timeout(PREFACE, builder.handshake::<_, Bytes>(stream)).await else {
        return;
    };
    let mut streams = JoinSet::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        while streams.try_join_next().is_some() {}
        let head = two::read_request(&request, scheme, destination);
        let inspector = Arc::clone(inspector);
        let source = Body(request.into_body());
        let mut sink = Reply {
            respond,
            stream: None,
            ended: false,
        };
        streams.spawn(async move {
            match head {
                Ok(head) => one_stream(&inspector, head, source, sink).await,
                Err(why) => {
                    let denial = Denial::new(why.status(), why.to_string());
                    let _gone = exchange::answer(&mut sink, &denial).await;
                }
            }
        });
    }
}

async fn one_stream<J: Judge>(
    inspector: &Inspector<J>,
    mut head: RequestHead,
    mut source: Body,
    mut sink: Reply,
) {
    model::readable_answer(&mut head);
    git::readable_answer(&mut head);
    let Ok(_room) = inspector.room.acquire().await else {
        return sink.abort().await;
    };
    let (number, _open) = inspector.judge.open();
    let judged = unless_unwanted(&mut sink, inspector.judge.judge(number, &head)).await;
    let mut _long = None;
    let (verdict, shown, begun) = match judged {
        Some(Verdict::Body(asked, most)) => {
            _long = inspector.room_for(most).await;
            let (body, whole) = gather(&mut source, most).await;
            let told = git::shown(&*inspector.judge, asked, &head, (&body, whole), &mut sink).await;
            let (verdict, begun) = told.unzip();
            (verdict, Some(body), begun.flatten())
        }
        verdict => (verdict, None, None),
    };
    // A client that leaves while somebody is asked is not waited for, and its request is not sent.
    let Some(verdict) = verdict else {
        return;
    };
    let released = match verdict {
        Verdict::Released(exchange, model) => (exchange, model),
        Verdict::Denied(denial) => {
            if let Some(begun) = begun {
                let _gone = begun.refuse(&mut sink, &denial).await;
                return;
            }
            let _gone = match git::rejected(&head, shown.as_ref(), &denial) {
                Some((answer, body)) => {
                    git::read_past(&mut source).await;
                    exchange::say(&mut sink, answer, body).await
                }
                None => exchange::answer(&mut sink, &denial).await,
            };
            return;
        }
        Verdict::Body(..) => return sink.abort().await,
    };
    let Ok(mut lane) = inspector.lanes.take(&*inspector.judge).await else {
        let denial = Denial::new(502, "the broker is gone, and with it this sandbox's network");
        let _gone = match begun {
            Some(begun) => begun.refuse(&mut sink, &denial).await,
            None => exchange::answer(&mut sink, &denial).await,
        };
        return;
    };
    let manner = (begun, git::asked(&head));
    let outcome = exchange_with(
        inspector,
        &mut lane,
        released,
        shown,
        manner,
        &mut source,
        &mut sink,
    )
    .await;
    if outcome.lane {
        inspector.lanes.put(lane);
    }
}

/// An answer, unless the client resets the stream before it is there.
async fn unless_unwanted(sink: &mut Reply, answer: impl Future<Output = Verdict>) -> Option<Verdict> {
    tokio::select! {
        biased;
        answer = answer => Some(answer),
        () = sink.unwanted() => None,
    }
}

struct Body(RecvStream);

impl Source for Body {
    async fn next(&mut self) -> Result<Option<Bytes>, Stop> {
        let data = two::next(&mut self.0).await.map_err(|_| Stop::Gone)?;
        // The window opens when the caller comes for more, which it does when these have gone on: one piece
        // ahead at most.
        if let Some(data) = &data {
            two::passed_on(&mut self.0, data.len());
        }
        Ok(data)
    }

    async fn trailers(&mut self) -> Fields {
        match self.0.trailers().await {
            Ok(Some(map)) => two::read_trailers(&map),
            _ => Fields::default(),
        }
    }

    async fn gone(&mut self) {
        // A reset is what the reply watches for.
        std::future::pending::<()>().await;
    }
}

struct Reply {
    respond: SendResponse<Bytes>,
    stream: Option<SendStream<Bytes>>,
    ended: bool,
}

impl Sink for Reply {
    async fn interim(&mut self, head: ResponseHead) -> Result<(), Gone> {
        let response = two::write_response(&head).map_err(|_| Gone)?;
        self.respond.send_informational(response).map_err(|_| Gone)
    }

    async fn head(&mut self, head: ResponseHead) -> Result<(), Gone> {
        let response = two::write_response(&head).map_err(|_| Gone)?;
        // To gRPC the end in the very head says that its fields are the trailers.
        self.ended = head.body == Length::Empty;
        let stream = self
            .respond
            .send_response(response, self.ended)
            .map_err(|_| Gone)?;
        self.stream = Some(stream);
        Ok(())
    }

    async fn data(&mut self, data: Bytes) -> Result<(), Gone> {
        let stream = self.stream.as_mut().ok_or(Gone)?;
        two::send(stream, data).await.map_err(|_| Gone)
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        Ok(()) // frames go out by themselves
    }

    async fn end(&mut self, trailers: Option<Fields>) -> Result<(), Gone> {
        let stream = self.stream.as_mut().ok_or(Gone)?;
        if self.ended {
            Ok(())
        } else {
            two::end(stream, trailers.as_ref()).map_err(|_| Gone)
        }
    }

    async fn unwanted(&mut self) {
        let _reason = match &mut self.stream {
            Some(stream) => poll_fn(|cx| stream.poll_reset(cx)).await,
            None => poll_fn(|cx| self.respond.poll_reset(cx)).await,
        };
    }

    async fn abort(&mut self) {
        match &mut self.stream {
            Some(stream) => stream.send_reset(Reason::INTERNAL_ERROR),
            None => self.respond.send_reset(Reason::INTERNAL_ERROR),
        }
    }
}
