//! `fumehood holds`, `allow`, `deny`, `freeze`: the human side, in any terminal of the account.

mod page;
mod watch;

use crate::FAILED;
use crate::arguments::{AllowArguments, DenyArguments, FreezeArguments, HoldsArguments};
use crate::policy::places;
use crate::say;
use fumehood_effect::{Digest, SessionId};
use fumehood_monitor::desk::{Caller, CallerError, Head, Scoped, sessions};
use fumehood_monitor::hold::HoldId;
use fumehood_policy::json::Json;
use fumehood_policy::value::Span;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// The folder of this account's desks.
pub(crate) fn folder(state: &Path) -> PathBuf {
    state.join("desk")
}

/// Shows what is held.
pub(crate) fn holds(arguments: &HoldsArguments) -> u8 {
    ended(attempt_holds(arguments))
}

/// Says yes.
pub(crate) fn allow(arguments: &AllowArguments) -> u8 {
    ended(attempt_allow(arguments))
}

/// Says no.
pub(crate) fn deny(arguments: &DenyArguments) -> u8 {
    ended(attempt_deny(arguments))
}

/// Stops a session.
pub(crate) fn freeze(arguments: &FreezeArguments) -> u8 {
    ended(attempt_freeze(arguments))
}

/// 0, or 1 where it was not done, or 125 where fumehood failed.
fn ended(done: Result<(), Failure>) -> u8 {
    match done {
        Ok(()) => 0,
        Err(Failure { text, code }) => {
            say::error(&text);
            code
        }
    }
}

struct Failure {
    text: String,
    code: u8,
}

impl From<CallerError> for Failure {
    fn from(error: CallerError) -> Failure {
        let code = if matches!(error, CallerError::Refused(_)) {
            1
        } else {
            FAILED
        };
        Failure {
            text: error.to_string(),
            code,
        }
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Failure {
        Failure { text, code: FAILED }
    }
}

/// A session that answers, and what is held in it.
struct Session {
    id: SessionId,
    caller: Caller,
    heads: Vec<Head>,
}

/// The sessions that run, or the one named. What a killed run left is passed over.
fn running(named: Option<&str>) -> Result<Vec<Session>, Failure> {
    let folder = folder(&places()?.state());
    let names = match named {
        Some(name) => vec![name.parse().map_err(|e| format!("--session: {e}"))?],
        None => sessions(&folder)?,
    };
    let mut found = Vec::new();
    for id in names {
        match Caller::connect(&folder, &id) {
            Ok(caller) => found.push(Session {
                heads: caller.list()?,
                id,
                caller,
            }),
            Err(error) if named.is_some() => return Err(error.into()),
            Err(_) => {}
        }
    }
    Ok(found)
}

/// The one session that has this hold.
fn with_hold(id: u64, named: Option<&str>) -> Result<(Session, Head), Failure> {
    let mut found = running(named)?;
    found.retain(|s| s.heads.iter().any(|h| h.id == HoldId(id)));
    if found.len() > 1 {
        let names: Vec<&str> = found.iter().map(|s| s.id.as_str()).collect();
        let text = format!(
            "hold {id} is in several sessions; add --session with one of: {}",
            names.join(", ")
        );
        return Err(Failure { text, code: 1 });
    }
    let session = found.pop();
    let head = session
        .as_ref()
        .and_then(|s| s.heads.iter().find(|h| h.id == HoldId(id)).cloned());
    session.zip(head).ok_or_else(|| Failure {
        text: format!("there is no hold {id}; see `fumehood holds`"),
        code: 1,
    })
}

fn print(text: &str) {
    let _closed = writeln!(std::io::stdout(), "{text}");
}

fn attempt_holds(arguments: &HoldsArguments) -> Result<(), Failure> {
    if arguments.page {
        return Ok(page::serve()?);
    }
    if arguments.watch {
        return Ok(watch::watch(arguments)?);
    }
    if let Some(id) = arguments.id {
        let (session, _) = with_hold(id, arguments.session.as_deref())?;
        let (lines, card) = session.caller.card(HoldId(id))?;
        let whole = || {
            vec![
                ("card", Json::text(card)),
                ("lines", Json::List(lines.iter().map(Json::text).collect())),
            ]
        };
        print(&if arguments.json {
            Json::Object(whole()).to_string()
        } else {
            lines.join("\n")
        });
        return Ok(());
    }
    let found = running(arguments.session.as_deref())?;
    if arguments.json {
        print(
            &Json::List(
                found
                    .iter()
                    .flat_map(|s| s.heads.iter().map(|h| json(&s.id, h)))
                    .collect(),
            )
            .to_string(),
        );
        return Ok(());
    }
    if found.iter().all(|s| s.heads.is_empty()) {
        print("nothing is held");
    }
    for Session { id, heads, .. } in found.iter().filter(|s| !s.heads.is_empty()) {
        print(&format!("session {id}"));
        for Head {
            id,
            code,
            tier,
            line,
            waiting,
            ..
        } in heads
        {
            let waits = if *waiting == 0 { "ticket" } else { "waits" };
            print(&format!("  {id:>4}  {code}  {tier:<8} {waits:<6} {line}"));
        }
    }
    if found.iter().any(|s| !s.heads.is_empty()) {
        print("see one whole: fumehood holds ID; then: fumehood allow ID, or deny ID WORDS");
    }
    Ok(())
}

fn json(session: &SessionId, head: &Head) -> Json {
    Json::Object(vec![
        ("session", Json::text(session)),
        ("id", Json::text(head.id)),
        ("card", Json::text(head.card)),
        ("code", Json::text(&head.code)),
        ("tier", Json::text(&head.tier)),
        ("what", Json::text(&head.line)),
        ("waiting", Json::text(head.waiting)),
    ])
}

fn attempt_allow(arguments: &AllowArguments) -> Result<(), Failure> {
    let Some(id) = number(&arguments.what) else {
        if arguments.like.is_some() || arguments.code.is_some() {
            let text = "a code and --like belong to a hold; a host has --for alone".to_owned();
            return Err(Failure { text, code: FAILED });
        }
        let span = crate::sessions::span("--for", arguments.span.as_deref())?;
        return reach(&arguments.what, true, span, arguments.session.as_deref());
    };
    if arguments.span.is_some() && arguments.like.is_none() {
        let text = "--for belongs to --like, or to a host".to_owned();
        return Err(Failure { text, code: FAILED });
    }
    let (session, head) = with_hold(id, arguments.session.as_deref())?;
    let card = match &arguments.code {
        // The code stands for the content that was seen: another content has another one.
        Some(code) => (*code == head.code).then_some(head.card),
        None => asked(&session, &head)?,
    };
    let Some(card) = card else {
        let text = format!(
            "not the code of hold {}; look at it again: fumehood holds {0}",
            head.id
        );
        return Err(Failure { text, code: 1 });
    };
    let scope = arguments
        .like
        .clone()
        .map(|names| scope(arguments, names))
        .transpose()?;
    print(&session.caller.allow(head.id, card, arguments.times, scope)?);
    Ok(())
}

fn scope(arguments: &AllowArguments, names: String) -> Result<Scoped, String> {
    let span: Span = arguments
        .span
        .as_deref()
        .unwrap_or_default()
        .parse()
        .map_err(|e: fumehood_policy::value::Invalid| format!("--for: {e}"))?;
    let span = u64::try_from(span.duration().as_millis()).unwrap_or(u64::MAX);
    Ok(Scoped {
        names,
        uses: arguments.uses,
        span,
    })
}

/// Shows the card whole and asks for its code, at the terminal itself: standard input may be a pipe.
fn asked(session: &Session, head: &Head) -> Result<Option<Digest>, Failure> {
    let (lines, card) = session.caller.card(head.id)?;
    let terminal = |e: std::io::Error| format!("allowing is asked for at a terminal: /dev/tty: {e}");
    let mut tty = File::options()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(terminal)?;
    for line in &lines {
        writeln!(tty, "{line}").map_err(terminal)?;
    }
    write!(tty, "type the code to allow it: ").map_err(terminal)?;
    let mut typed = String::new();
    BufReader::new(tty).read_line(&mut typed).map_err(terminal)?;
    // What was shown must be what the list said a moment ago, or the code is another one.
    Ok((typed.trim() == head.code && card == head.card).then_some(card))
}

fn attempt_deny(arguments: &DenyArguments) -> Result<(), Failure> {
    let Some(id) = number(&arguments.what) else {
        return reach(&arguments.what, false, None, arguments.session.as_deref());
    };
    let (session, head) = with_hold(id, arguments.session.as_deref())?;
    let words = (!arguments.words.is_empty()).then(|| arguments.words.join(" "));
    print(&session.caller.deny(head.id, head.card, words)?);
    Ok(())
}

/// Of a hold. A host's name never is a number.
fn number(what: &str) -> Option<u64> {
    what.parse().ok()
}

/// A host may be reached from now on, or may not, in a session that runs.
fn reach(
    host: &str,
    allow: bool,
    span: Option<std::time::Duration>,
    named: Option<&str>,
) -> Result<(), Failure> {
    let session = crate::sessions::find(named)?;
    let span = span.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
    let done = session.caller.reach(host, allow, span)?;
    print(&format!("session {}: {done}", session.called()));
    Ok(())
}

fn attempt_freeze(arguments: &FreezeArguments) -> Result<(), Failure> {
    let mut found = running(arguments.session.as_deref())?;
    if found.len() > 1 {
        let names: Vec<&str> = found.iter().map(|s| s.id.as_str()).collect();
        let text = format!("several sessions run; name one of: {}", names.join(", "));
        return Err(Failure { text, code: 1 });
    }
    let session = found.pop().ok_or_else(|| Failure {
        text: "no session runs".to_owned(),
        code: 1,
    })?;
    print(&format!("session {}: {}", session.id, session.caller.freeze()?));
    Ok(())
}
