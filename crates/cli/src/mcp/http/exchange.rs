//! Requests of one connection, one after the other, and their answers.

use super::sessions::Sessions;
use crate::connection::{Connection, End};
use crate::mcp::calls::{Calls, Out};
use fumehood_http::Length;
use fumehood_http::h1::{Decoder, Event};
use fumehood_tools::MAX_BYTES;
use fumehood_tools::mcp::web::{self, Answer, Door, Kind, Request};
use fumehood_tools::mcp::{Call, Step};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Between two signs of life on a stream, in seconds: others end what is silent for a minute.
const ALIVE: i64 = 15;

/// What all connections share.
pub(super) struct Exchange {
    pub(super) door: Door,
    pub(super) calls: Arc<Calls>,
    pub(super) sessions: Sessions,
}

impl Exchange {
    /// Until the client goes.
    pub(super) fn serve(&self, connection: &mut Connection) -> Result<(), End> {
        loop {
            let served = self.one(connection);
            match served {
                Ok(true) => connection.rest(),
                Ok(false) | Err(End::Gone) => return Ok(()),
                Err(End::Refused(answer)) => return connection.last(&answer),
            }
        }
    }

    /// One request; whether another may follow.
    fn one(&self, connection: &mut Connection) -> Result<bool, End> {
        let request = loop {
            match self.door.open(&connection.buffer).map_err(refused)? {
                Some(request) => break request,
                None => connection.fill()?,
            }
            connection.begun();
        };
        connection.buffer.drain(..request.length);
        if request.expects_continue && connection.buffer.is_empty() {
            connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let body = body(connection, request.body)?;
        let answer = match request.kind {
            Kind::Delete => self.close(&request),
            Kind::Post => match self.post(&request, &body)? {
                Posted::Answer(answer) => answer,
                Posted::Call(call, client) => return self.call(connection, &request, call, client),
            },
        };
        connection.write(&answer.bytes(request.keep_alive))?;
        Ok(request.keep_alive)
    }

    fn close(&self, request: &Request) -> Answer {
        let Some(name) = &request.headers.session else {
            return Answer::refused(400, "Mcp-Session-Id is missing");
        };
        match self.sessions.close(name) {
            Some(client) => {
                self.calls.end_client(client);
                Answer::empty(204)
            }
            None => Answer::refused(404, "there is no such session"),
        }
    }

    fn post(&self, request: &Request, body: &[u8]) -> Result<Posted, End> {
        let headers = &request.headers;
        let modern = headers.is_modern();
        let named = headers.session.as_deref().filter(|_| !modern);
        let client = match named.map(|name| self.sessions.client(name)) {
            Some(None) => return Ok(Answer::refused(404, "there is no such session").into()),
            Some(found) => found,
            None => None,
        };
        Ok(match self.calls.server().posted(body, headers) {
            Step::Nothing => Answer::empty(202).into(),
            Step::Reply(value) => Answer::reply(&value, modern).into(),
            Step::Open(value) => {
                let (name, gone) = self.sessions.open()?;
                gone.into_iter().for_each(|c| self.calls.end_client(c));
                Answer::reply(&value, modern).with("Mcp-Session-Id", &name).into()
            }
            Step::Cancel(id) => {
                // Without a session nobody knows whose request that would be; the end of its stream cancels it.
                client.into_iter().for_each(|c| self.calls.cancel(c, &id));
                Answer::empty(202).into()
            }
            Step::Call(call) => Posted::Call(call, client.unwrap_or_else(|| self.sessions.number())),
        })
    }

    /// A call: its messages as they come, for as long as the client is there.
    fn call(
        &self,
        connection: &mut Connection,
        request: &Request,
        call: Call,
        client: u64,
    ) -> Result<bool, End> {
        let id = call.id.clone();
        let (out, messages, wake) = Messages::new()?;
        self.calls.begin(client, call, Arc::new(out));
        let sent = stream(connection, request, &messages, &wake);
        if sent.is_err() {
            self.calls.cancel(client, &id);
        }
        sent
    }
}

enum Posted {
    Answer(Answer),
    Call(Call, u64),
}

impl From<Answer> for Posted {
    fn from(answer: Answer) -> Posted {
        Posted::Answer(answer)
    }
}

fn refused(answer: Answer) -> End {
    End::Refused(answer.bytes(false))
}

/// A body of at most [`MAX_BYTES`].
fn body(connection: &mut Connection, length: Length) -> Result<Vec<u8>, End> {
    let mut decoder = match length {
        Length::Empty => return Ok(Vec::new()),
        Length::Known(bytes) => Decoder::known(bytes),
        Length::Unknown => Decoder::chunked(),
    };
    let mut body = Vec::new();
    loop {
        let decoded = decoder.decode(&connection.buffer);
        let (event, used) = decoded.map_err(|e| refused(Answer::refused(400, &format!("the body: {e}"))))?;
        let more = matches!(event, Event::More) && used == 0;
        if let Event::Data(range) = &event {
            body.extend_from_slice(&connection.buffer[range.clone()]);
        }
        connection.buffer.drain(..used);
        if body.len() > MAX_BYTES {
            return Err(refused(Answer::refused(413, "the message is longer than 1 MiB")));
        }
        match event {
            Event::End(_) => return Ok(body),
            _ if more => connection.fill()?,
            _ => {}
        }
    }
}

/// Sends what comes; an error where the client is gone before the end.
fn stream(
    connection: &mut Connection,
    request: &Request,
    messages: &Receiver<Option<Value>>,
    wake: &UnixStream,
) -> Result<bool, End> {
    if request.streams {
        connection.write(&web::stream_head())?;
    }
    let mut last = None;
    loop {
        if !wait(connection, wake)? && request.streams {
            connection.write(&web::alive())?;
        }
        let mut bytes = [0; 64];
        let _as_many_as_there_are = std::io::Read::read(&mut (&*wake), &mut bytes);
        for message in messages.try_iter() {
            match message {
                Some(message) if request.streams => connection.write(&web::event(&message))?,
                // Who takes no stream is told no progress.
                Some(message) if message.get("id").is_some() => last = Some(message),
                Some(_) => {}
                None if request.streams => {
                    connection.write(&web::stream_end())?;
                    return Ok(false);
                }
                None => {
                    let answer = last.map_or_else(|| Answer::empty(202), |m| Answer::message(200, &m));
                    connection.write(&answer.bytes(request.keep_alive))?;
                    return Ok(request.keep_alive);
                }
            }
        }
    }
}

/// Until there is something to send: true, or long enough: false. A client that closed its side is gone.
fn wait(connection: &Connection, wake: &UnixStream) -> Result<bool, End> {
    let most = Timespec {
        tv_sec: ALIVE,
        tv_nsec: 0,
    };
    let mut both = [
        PollFd::from_borrowed_fd(connection.fd(), PollFlags::RDHUP),
        PollFd::from_borrowed_fd(wake.as_fd(), PollFlags::IN),
    ];
    match poll(&mut both, Some(&most)) {
        Err(rustix::io::Errno::INTR) => Ok(true),
        Err(_) => Err(End::Gone),
        Ok(_) if !both[0].revents().is_empty() => Err(End::Gone),
        Ok(n) => Ok(n > 0),
    }
}

/// The messages of a call on their way to its connection's thread, and what wakes it.
struct Messages {
    to: Mutex<Sender<Option<Value>>>,
    wake: UnixStream,
}

impl Messages {
    fn new() -> std::io::Result<(Messages, Receiver<Option<Value>>, UnixStream)> {
        let (to, from) = channel();
        let (wake, woken) = UnixStream::pair()?;
        // One byte that is not read yet wakes as well as many.
        wake.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        let to = Mutex::new(to);
        Ok((Messages { to, wake }, from, woken))
    }

    fn push(&self, message: Option<Value>) {
        let to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        let _connection_gone = to.send(message);
        let _full_is_awake = (&self.wake).write(&[0]);
    }
}

impl Out for Messages {
    fn send(&self, message: &Value) {
        self.push(Some(message.clone()));
    }

    fn over(&self) {
        self.push(None);
    }
}
