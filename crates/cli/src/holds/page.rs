//! `fumehood holds --page`: the local page on which holds are answered (docs/approvals.md). Who may come in and what is shown
//! is `fumehood-page`'s; here are its socket and the desks of the sessions.

use super::{Session, running};
use crate::connection::{Connection, End};
use crate::mcp::random;
use crate::say;
use fumehood_effect::Digest;
use fumehood_http::Length;
use fumehood_monitor::desk::Head;
use fumehood_monitor::hold::HoldId;
use fumehood_page::{
    Answer, Card, Deed, Door, Form, MAX_BODY, Page, SCRIPT, STYLE, Session as Shown, Want, needs_code, page,
    told,
};
use fumehood_policy::Escaped;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Connections at a time: a browser opens six.
const MOST: usize = 16;
/// How long a card must have been on the page before it can be allowed: what hands do by themselves allows nothing.
const LOOK: Duration = Duration::from_millis(700);
/// The most cards whose time is kept.
const CARDS: usize = 4096;
/// Lines of a session's record.
const RECORD: usize = 20;

/// A card, and its content.
type Which = (String, u64, String);

struct Server {
    door: Mutex<Door>,
    /// Since when each card is shown.
    shown: Mutex<HashMap<Which, Instant>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves until the process ends. It answers for whoever sits at this terminal, and so it must have one.
pub(super) fn serve() -> Result<(), String> {
    if std::env::var_os("FUMEHOOD").is_some() {
        return Err("holds are answered outside: this is a sandbox".to_owned());
    }
    File::open("/dev/tty").map_err(|e| format!("the page is served from a terminal: /dev/tty: {e}"))?;
    let failed = |e: std::io::Error| format!("the page: {e}");
    let listener = TcpListener::bind((address().map_err(failed)?, 0)).map_err(failed)?;
    let at = listener.local_addr().map_err(failed)?.to_string();
    let code = random().map_err(failed)?;
    let (cookie, form) = (random().map_err(failed)?, random().map_err(failed)?);
    let server = Arc::new(Server {
        door: Mutex::new(Door::new(&at, &code, cookie, form)?),
        shown: Mutex::default(),
    });
    say::line("open this once, in a browser of this machine; Ctrl-C ends the page");
    writeln!(std::io::stdout(), "http://{at}/enter?code={code}").map_err(failed)?;
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let Ok(connection) = listener.accept().and_then(|(stream, _)| Connection::tcp(stream)) else {
            // Of one client that went, or of descriptors that others hold: it passes.
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        if open.fetch_add(1, Ordering::Relaxed) >= MOST {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (server, count) = (Arc::clone(&server), Arc::clone(&open));
        let thread = std::thread::Builder::new().spawn(move || {
            let _client_gone = server.exchange(connection);
            count.fetch_sub(1, Ordering::Relaxed);
        });
        if thread.is_err() {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// An address of its own in 127/8: cookies are sent to every port of an address, and those of 127.0.0.1 are others' too.
fn address() -> std::io::Result<Ipv4Addr> {
    let text = random()?;
    let byte =
        |at: usize| u8::from_str_radix(text.get(at..at + 2).unwrap_or_default(), 16).unwrap_or_default();
    Ok(Ipv4Addr::new(127, byte(0) | 1, byte(2), byte(4) | 1))
}

impl Server {
    /// Until the client goes.
    fn exchange(&self, mut connection: Connection) -> Result<(), End> {
        loop {
            match self.one(&mut connection) {
                Ok(true) => connection.rest(),
                Ok(false) | Err(End::Gone) => return Ok(()),
                Err(End::Refused(answer)) => return connection.last(&answer),
            }
        }
    }

    /// One request; whether another may follow.
    fn one(&self, connection: &mut Connection) -> Result<bool, End> {
        let refused = |answer: Answer| End::Refused(answer.bytes(false));
        let request = loop {
            let opened = locked(&self.door).open(&connection.buffer);
            match opened.map_err(refused)? {
                Some(request) => break request,
                None => connection.fill()?,
            }
            connection.begun();
        };
        connection.buffer.drain(..request.length);
        let length = match request.body {
            Length::Empty => 0,
            Length::Known(bytes) => usize::try_from(bytes).unwrap_or(MAX_BODY + 1),
            Length::Unknown => MAX_BODY + 1,
        };
        if length > MAX_BODY {
            return Err(refused(Answer::refused(413, "the body is longer than a form is")));
        }
        while connection.buffer.len() < length {
            connection.fill()?;
        }
        let body: Vec<u8> = connection.buffer.drain(..length).collect();
        let answer = self.answer(&request.want, &body);
        connection.write(&answer.bytes(request.keep_alive))?;
        Ok(request.keep_alive)
    }

    fn answer(&self, want: &Want, body: &[u8]) -> Answer {
        let html = |status, text: &str| Answer::text(status, "text/html", text);
        let failed = |why: String| html(503, &told(&why));
        match want {
            Want::Enter(code) => locked(&self.door).enter(code),
            Want::Script => Answer::text(200, "text/javascript", SCRIPT),
            Want::Style => Answer::text(200, "text/css", STYLE),
            Want::Version => match running(None) {
                Ok(sessions) => Answer::text(200, "text/plain", &version(&sessions)),
                Err(why) => failed(why.text),
            },
            Want::Page => self.page().map_or_else(failed, |text| html(200, &text)),
            Want::Answer => match self.answered(body) {
                Ok(done) => html(200, &told(&done)),
                Err(why) => html(409, &told(&why)),
            },
        }
    }

    fn page(&self) -> Result<String, String> {
        let sessions = running(None).map_err(|f| f.text)?;
        let version = version(&sessions);
        let sessions = sessions.iter().map(|session| self.session(session)).collect();
        let token = locked(&self.door).form().to_owned();
        Ok(page(&Page {
            version,
            token,
            sessions,
        }))
    }

    fn session(&self, session: &Session) -> Shown {
        let about = session.caller.about();
        let (called, record) = match &about {
            Ok(about) => {
                let project = Path::new(std::ffi::OsStr::from_bytes(&about.project));
                let name = about.name.as_deref().unwrap_or(session.id.as_str());
                let record = crate::audit::recent(&about.id, RECORD).unwrap_or_else(|why| vec![why]);
                (format!("{name}, {}", Escaped::from(project)), record)
            }
            Err(why) => (session.id.to_string(), vec![why.to_string()]),
        };
        let cards = session.heads.iter().filter_map(|head| self.card(session, head));
        Shown {
            id: session.id.to_string(),
            called,
            cards: cards.collect(),
            record,
        }
    }

    /// A card that changed since it was listed is on the next page.
    fn card(&self, session: &Session, head: &Head) -> Option<Card> {
        let (lines, digest) = session.caller.card(head.id).ok()?;
        if digest != head.card {
            return None;
        }
        let mut shown = locked(&self.shown);
        if shown.len() >= CARDS {
            shown.clear();
        }
        shown.entry(which(session, head)).or_insert_with(Instant::now);
        Some(Card {
            id: head.id.0,
            digest: digest.to_string(),
            code: head.code.clone(),
            tier: head.tier.clone(),
            waiting: head.waiting,
            lines,
        })
    }

    /// What was done, or why nothing.
    fn answered(&self, body: &[u8]) -> Result<String, String> {
        let form = Form::read(body).map_err(|e| e.to_string())?;
        if !locked(&self.door).made(&form.token) {
            return Err("that is no form of this page".to_owned());
        }
        // The name goes into a path: it is one of those that are there.
        let mut sessions = running(None).map_err(|f| f.text)?;
        sessions.retain(|s| s.id.as_str() == form.session);
        let mut session = sessions.pop().ok_or("that session has ended")?;
        session.caller.at_page();
        if form.deed == Deed::Freeze {
            return session.caller.freeze().map_err(|e| e.to_string());
        }
        let head = session.heads.iter().find(|h| h.id == HoldId(form.id));
        let head = head.ok_or_else(|| format!("there is no hold {} any more", form.id))?;
        let card: Digest = form
            .card
            .parse()
            .map_err(|_| "the card's digest is none".to_owned())?;
        if card != head.card {
            return Err(format!(
                "hold {} is not what was shown any more; look again",
                form.id
            ));
        }
        let done = match form.deed {
            Deed::Deny(words) => session.caller.deny(head.id, card, words),
            _ => {
                self.looked_at(&session, head)?;
                if needs_code(&head.tier) && form.code != head.code {
                    return Err(format!("not the code of hold {}; look at it again", form.id));
                }
                session.caller.allow(head.id, card, 1, None)
            }
        };
        done.map_err(|e| e.to_string())
    }

    fn looked_at(&self, session: &Session, head: &Head) -> Result<(), String> {
        match locked(&self.shown).get(&which(session, head)) {
            Some(since) if since.elapsed() >= LOOK => Ok(()),
            Some(_) => Err("it was shown a moment ago; look at it first".to_owned()),
            None => Err("it was not shown here; look at it first".to_owned()),
        }
    }
}

fn which(session: &Session, head: &Head) -> Which {
    (session.id.to_string(), head.id.0, head.card.to_string())
}

/// What changes with what is shown.
fn version(sessions: &[Session]) -> String {
    let mut text = String::new();
    for session in sessions {
        let _string = write!(text, "{};", session.id);
        for head in &session.heads {
            let _string = write!(text, "{},{},{};", head.id, head.card, head.waiting);
        }
    }
    Digest::of(text.as_bytes()).to_string()
}
