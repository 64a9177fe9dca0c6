//! HTTP/1 with a client.

use super::exchange::{self, Gone, Outcome, Sink, Source, Stop};
use super::git::{self, Asked, Begun};
use super::inspect::{Ended, Inspector};
use super::judge::{Judge, Verdict};
use super::model;
use bytes::{Bytes, BytesMut};
use fumehood_destination::Destination;
use fumehood_http::h1::{
    Decoder, Event, Parsed, chunk, last_chunk, read_request, write_interim, write_response,
};
use fumehood_http::{Denial, Fields, Length, RequestHead, ResponseHead, Scheme};
use fumehood_lane::{Lane, PIECE};
use fumehood_model::Provider;
use fumehood_monitor::FlowId;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

/// How long a head may take once it has begun (A48).
const HEAD: Duration = Duration::from_secs(10);
/// How long a connection may wait for its next request.
const IDLE: Duration = Duration::from_secs(120);
/// The most bytes of a request that is denied that are read past, to keep the connection.
const READ_PAST: u64 = 256 * 1024;

/// Serves requests until the connection ends, or one of them.
pub(crate) async fn serve<S, J>(
    inspector: &Inspector<J>,
    stream: S,
    (scheme, further): (Scheme, bool),
    destination: &Destination,
) -> Ended
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
    J: Judge,
{
    let (read, write) = split(stream);
    let mut connection = Connection {
        input: Input {
            stream: read,
            buffer: BytesMut::new(),
            decoder: Decoder::known(0),
            trailers: Fields::default(),
        },
        output: Output {
            stream: write,
            buffer: Vec::new(),
            mode: Mode::default(),
        },
    };
    let mut ended = Ended::NotHttp;
    loop {
        let mut parsed = match connection.head(scheme, destination).await {
            Ok(Some(parsed)) => parsed,
            Ok(None) => {
                ended = Ended::Served;
                break;
            }
            Err(denial) => {
                if denial.status != 400 {
                    ended = Ended::Served;
                }
                let _gone = exchange::answer(&mut connection.output, &denial).await;
                break;
            }
        };
        ended = Ended::Served;
        parsed.keep_alive &= further;
        model::readable_answer(&mut parsed.head);
        git::readable_answer(&mut parsed.head);
        if !connection.request(inspector, parsed).await {
            break;
        }
    }
    if connection.output.mode.aborted {
        return ended;
    }
    // What was not read yet would make the kernel reset the connection and lose the last answer.
    let _gone = connection.output.stream.shutdown().await;
    let past = async {
        while matches!(connection.input.fill().await, Ok(n) if n > 0) {
            connection.input.buffer.clear()
        }
    };
    let _late = timeout(Duration::from_millis(500), past).await;
    ended
}

struct Connection<S> {
    input: Input<S>,
    output: Output<S>,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Connection<S> {
    /// The next request's head; none at the end.
    async fn head(&mut self, scheme: Scheme, destination: &Destination) -> Result<Option<Parsed>, Denial> {
        self.output.mode = Mode::default();
        loop {
            match read_request(&self.input.buffer, scheme, destination) {
                Ok(Some(parsed)) => {
                    drop(self.input.buffer.split_to(parsed.length));
                    return Ok(Some(parsed));
                }
                Ok(None) => {}
                Err(why) => return Err(Denial::new(why.status(), why.to_string())),
            }
            let patience = if self.input.buffer.is_empty() { IDLE } else { HEAD };
            match timeout(patience, self.input.fill()).await {
                Ok(Ok(n)) if n > 0 => {}
                Err(_) if !self.input.buffer.is_empty() => {
                    return Err(Denial::new(408, "the request's head was not complete in time"));
                }
                _ => return Ok(None),
            }
        }
    }

    /// One request; whether another may follow.
    async fn request<J: Judge>(&mut self, inspector: &Inspector<J>, parsed: Parsed) -> bool {
        let head = &parsed.head;
        self.input.begin(head);
        self.output.mode = Mode {
            method: head.method.clone(),
            is_old: parsed.is_old,
            keep_alive: parsed.keep_alive && !head.upgrade,
            ..Mode::default()
        };
        let Ok(_room) = inspector.room.acquire().await else {
            return false;
        };
        let (number, _open) = inspector.judge.open();
        let mut long = None;
        let (verdict, shown) = self.judged(inspector, number, head, &mut long).await;
        // A client that leaves while somebody is asked is not waited for, and its request is not sent.
        let Some((verdict, begun)) = verdict else {
            return false;
        };
        let outcome = match verdict {
            Verdict::Released(id, model) => self.exchange(inspector, (id, model), shown, begun, head).await,
            Verdict::Denied(denial) => {
                if let Some(begun) = begun {
                    let told = begun.refuse(&mut self.output, &denial).await;
                    return told.is_ok() && self.output.mode.keep_alive;
                }
                return match git::rejected(head, shown.as_ref(), &denial) {
                    Some((answer, body)) => {
                        git::read_past(&mut self.input).await;
                        let told = exchange::say(&mut self.output, answer, body).await;
                        told.is_ok() && self.output.mode.keep_alive
                    }
                    None => self.deny(&denial, head).await,
                };
            }
            Verdict::Body(..) => return false,
        };
        let over = outcome.sent_whole && outcome.received_whole && !self.output.mode.upgraded;
        over && self.output.mode.keep_alive
    }

    /// Asks, and shows the body where that decides.
    async fn judged<'i, J: Judge>(
        &mut self,
        inspector: &'i Inspector<J>,
        number: FlowId,
        head: &RequestHead,
        long: &mut Option<SemaphorePermit<'i>>,
    ) -> (Option<(Verdict, Option<Begun>)>, Option<Bytes>) {
        let asked = unless_gone(&mut self.input, inspector.judge.judge(number, head)).await;
        let Some(Verdict::Body(asked, most)) = asked else {
            return (asked.map(|verdict| (verdict, None)), None);
        };
        if head.expects_continue && self.output.interim(continue_now()).await.is_err() {
            return (None, None);
        }
        *long = inspector.room_for(most).await;
        let (body, whole) = gather(&mut self.input, most).await;
        let shown = git::shown(&*inspector.judge, asked, head, (&body, whole), &mut self.output);
        let verdict = unless_gone(&mut self.input, shown).await.flatten();
        (verdict, Some(body))
    }

    async fn exchange<J: Judge>(
        &mut self,
        inspector: &Inspector<J>,
        released: (FlowId, Option<Provider>),
        shown: Option<Bytes>,
        begun: Option<Begun>,
        head: &RequestHead,
    ) -> Outcome {
        let Ok(mut lane) = inspector.lanes.take(&*inspector.judge).await else {
            let denial = Denial::new(502, "the broker is gone, and with it this sandbox's network");
            let sent = match begun {
                Some(begun) => begun.refuse(&mut self.output, &denial).await,
                None => exchange::answer(&mut self.output, &denial).await,
            }
            .is_ok();
            return Outcome {
                sent_whole: false,
                received_whole: sent,
                lane: false,
            };
        };
        let (input, output) = (&mut self.input, &mut self.output);
        let manner = (begun, git::asked(head));
        let outcome = exchange_with(inspector, &mut lane, released, shown, manner, input, output).await;
        if outcome.lane {
            inspector.lanes.put(lane);
        }
        outcome
    }

    /// Answers, and reads past the body if it is short, so that the connection can be kept.
    async fn deny(&mut self, denial: &Denial, head: &RequestHead) -> bool {
        let short = match head.body {
            Length::Empty => true,
            Length::Known(bytes) => bytes <= READ_PAST && !head.expects_continue,
            Length::Unknown => false,
        };
        self.output.mode.keep_alive &= short && !head.upgrade;
        if exchange::answer(&mut self.output, denial).await.is_err() || !self.output.mode.keep_alive {
            return false;
        }
        let past = async { while matches!(self.input.next().await, Ok(Some(_))) {} };
        timeout(HEAD, past).await.is_ok()
    }
}

/// An exchange whose answer goes on where one has begun, or is changed where git asks for refs.
pub(crate) async fn exchange_with<J: Judge>(
    inspector: &Inspector<J>,
    lane: &mut Lane,
    released: (FlowId, Option<Provider>),
    shown: Option<Bytes>,
    manner: (Option<Begun>, Asked),
    source: &mut impl Source,
    sink: &mut impl Sink,
) -> Outcome {
    match manner {
        (Some(begun), _) => {
            model::run(inspector, lane, released, shown, source, &mut begun.goes_on(sink)).await
        }
        (None, Asked::Refs) => {
            model::run(
                inspector,
                lane,
                released,
                shown,
                source,
                &mut git::Refs::new(sink),
            )
            .await
        }
        (None, _) => model::run(inspector, lane, released, shown, source, sink).await,
    }
}

/// An answer, unless the client leaves before it is there.
async fn unless_gone<T>(input: &mut impl Source, answer: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        answer = answer => Some(answer),
        () = input.gone() => None,
    }
}

fn continue_now() -> ResponseHead {
    ResponseHead {
        status: 100,
        fields: Fields::default(),
        body: Length::Empty,
    }
}

/// What is there of a body up to so many bytes, and whether that is all.
pub(crate) async fn gather(source: &mut impl Source, most: u64) -> (Bytes, bool) {
    let mut body = BytesMut::new();
    while body.len() as u64 <= most {
        match source.next().await {
            Ok(Some(data)) => body.extend_from_slice(&data),
            Ok(None) => {
                let whole = body.len() as u64 <= most;
                return (body.freeze(), whole);
            }
            Err(_) => break,
        }
    }
    (body.freeze(), false)
}

/// What comes from the client.
struct Input<S> {
    stream: ReadHalf<S>,
    buffer: BytesMut,
    decoder: Decoder,
    trailers: Fields,
}

impl<S: AsyncRead + Send> Input<S> {
    async fn fill(&mut self) -> std::io::Result<usize> {
        self.buffer.reserve(16 * 1024);
        self.stream.read_buf(&mut self.buffer).await
    }

    /// The body that follows a head. After an upgrade all bytes are one; they are not passed on before the
    /// server has agreed, which the broker sees to.
    fn begin(&mut self, head: &RequestHead) {
        self.decoder = match head.body {
            _ if head.upgrade => Decoder::to_the_end(),
            Length::Empty => Decoder::known(0),
            Length::Known(bytes) => Decoder::known(bytes),
            Length::Unknown => Decoder::chunked(),
        };
    }
}

impl<S: AsyncRead + Send> Source for Input<S> {
    async fn next(&mut self) -> Result<Option<Bytes>, Stop> {
        loop {
            let (event, used) = self.decoder.decode(&self.buffer).map_err(|_| Stop::Gone)?;
            let mut used = self.buffer.split_to(used);
            match event {
                Event::Data(range) => {
                    used.truncate(range.end);
                    return Ok(Some(used.split_off(range.start).freeze()));
                }
                Event::End(fields) => {
                    self.trailers = fields;
                    return Ok(None);
                }
                Event::More if !used.is_empty() => {}
                Event::More => match self.fill().await {
                    Ok(0) if self.decoder.ends_with_connection() => return Ok(None),
                    Ok(0) | Err(_) => return Err(Stop::Gone),
                    Ok(_) => {}
                },
            }
        }
    }

    /// Dropped (RFC 9110 §6.5.1): programs do not send any with HTTP/1 requests, and servers merge them.
    async fn trailers(&mut self) -> Fields {
        self.trailers = Fields::default();
        Fields::default()
    }

    async fn gone(&mut self) {
        if self.decoder.ends_with_connection() {
            // Half of an upgraded connection has ended; the other may have more to say.
            return std::future::pending().await;
        }
        // A client may send its next request before it has this answer; a little of it is kept.
        while self.buffer.len() < PIECE {
            if !matches!(self.fill().await, Ok(n) if n > 0) {
                return;
            }
        }
        std::future::pending::<()>().await;
    }
}

#[derive(Debug, Default)]
struct Mode {
    method: String,
    is_old: bool,
    keep_alive: bool,
    chunked: bool,
    upgraded: bool,
    aborted: bool,
}

/// What goes to the client.
struct Output<S> {
    stream: WriteHalf<S>,
    buffer: Vec<u8>,
    mode: Mode,
}

impl<S: AsyncWrite + Send> Sink for Output<S> {
    async fn interim(&mut self, head: ResponseHead) -> Result<(), Gone> {
        if !self.mode.is_old {
            self.buffer.extend(write_interim(&head));
        }
        self.flush().await
    }

    async fn head(&mut self, head: ResponseHead) -> Result<(), Gone> {
        let mode = &mut self.mode;
        mode.upgraded = head.status == 101;
        mode.chunked =
            head.body == Length::Unknown && !mode.is_old && mode.method != "HEAD" && !mode.upgraded;
        let endless = head.body == Length::Unknown && !mode.chunked && mode.method != "HEAD";
        mode.keep_alive &= !endless;
        self.buffer
            .extend(write_response(&head, &mode.method, mode.is_old, mode.keep_alive));
        Ok(())
    }

    async fn data(&mut self, data: Bytes) -> Result<(), Gone> {
        if self.mode.method == "HEAD" {
            return Ok(());
        }
        if self.mode.chunked {
            chunk(&data, &mut self.buffer);
        } else {
            self.buffer.extend_from_slice(&data);
        }
        if self.buffer.len() >= PIECE {
            self.flush().await
        } else {
            Ok(())
        }
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let result = self.stream.write_all(&self.buffer).await;
        self.buffer.clear();
        self.buffer.shrink_to(2 * PIECE);
        result.map_err(|_| Gone)?;
        self.stream.flush().await.map_err(|_| Gone)
    }

    async fn end(&mut self, trailers: Option<Fields>) -> Result<(), Gone> {
        if self.mode.chunked {
            last_chunk(&trailers.unwrap_or_default(), &mut self.buffer);
        }
        Ok(())
    }

    async fn unwanted(&mut self) {
        // The end of the connection says it, which the input sees.
        std::future::pending::<()>().await;
    }

    async fn abort(&mut self) {
        // Without its last chunk, its length, or TLS's own end the response is seen to be incomplete.
        let _gone = self.flush().await;
        self.mode.keep_alive = false;
        self.mode.aborted = true;
    }
}
