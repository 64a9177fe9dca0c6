//! `fumehood audit witness`: the account's head goes to those who were named in `[audit] witness`, and what they
//! countersigned is kept. `verify` asks them too, and whoever saw more than is there, or something else, says so.

use super::{Here, erase, print};
use crate::configuration::{Places, audit_wishes};
use crate::run::log_root;
use crate::say;
use fumehood_audit::{Clock, Cosigned, Telling, Witness, WitnessError, submission, witness_key};
use fumehood_policy::Escaped;
use fumehood_policy::json::Json;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a witness may take to be reached, and to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a whole answer may take: who waits for the next turn to tell is not kept by one that drips.
const WHOLE: Duration = Duration::from_secs(30);
/// How often it is told the head again, where it saw another one meanwhile.
const ATTEMPTS: usize = 16;
/// The longest answer that is read, bytes.
const ANSWER: u64 = 64 << 10;

/// What came of asking one.
pub(super) enum Asked {
    /// It countersigned the head as it is.
    Seen(Cosigned),
    /// It saw another log, or more of this one than there is.
    Denied(String),
    /// It could not be asked, or did not want to.
    Silent(String),
}

/// The witnesses of the machine's and the user's configuration.
pub(super) fn configured(places: &Places) -> Result<Vec<Witness>, String> {
    parsed(&audit_wishes(places)?.witnesses)
}

fn parsed(texts: &[String]) -> Result<Vec<Witness>, String> {
    texts
        .iter()
        .map(|text| {
            let why = || {
                format!(
                    "audit.witness: {}: not a witness's address and key",
                    Escaped::from(text.as_str())
                )
            };
            Witness::parse(text).ok_or_else(why)
        })
        .collect()
}

/// Submits the account's head; learns from the witness what it saw last where it saw more than is kept here.
pub(super) fn ask(root: &Path, witness: &Witness) -> Asked {
    let mut old = witness.kept(root).map_or(0, |kept| kept.head.size);
    // What it saw may be newer than what is kept, and grow while it is asked: others tell it, too.
    for _ in 0..ATTEMPTS {
        let submitted = match submission(root, old) {
            Ok(submitted) => submitted,
            Err(error @ WitnessError::RolledBack { .. }) => return Asked::Denied(error.to_string()),
            Err(error) => return Asked::Silent(error.to_string()),
        };
        let (status, body) = match post(witness.url(), &submitted.request) {
            Ok(answer) => answer,
            Err(why) => return Asked::Silent(why),
        };
        match status {
            200 => {
                return match witness.take(root, &submitted, &body) {
                    Ok(cosigned) => Asked::Seen(cosigned),
                    Err(error) => Asked::Silent(error.to_string()),
                };
            }
            409 => match body.trim().parse() {
                Ok(seen) if seen != old => old = seen,
                _ => return Asked::Silent("its answer contradicts itself".to_owned()),
            },
            422 => {
                return Asked::Denied(format!(
                    "another log: the first {old} records of the account's index are not those that the witness saw"
                ));
            }
            404 | 403 => {
                return Asked::Silent(
                    "it does not know this log; tell it what `fumehood audit witness --key` prints"
                        .to_owned(),
                );
            }
            other => return Asked::Silent(format!("it answered {other}")),
        }
    }
    Asked::Silent("its answers contradict each other".to_owned())
}

/// `POST URL/add-checkpoint`; status and body. Of the answer nothing is believed but its signature.
fn post(url: &str, request: &str) -> Result<(u16, String), String> {
    let rest = url.strip_prefix("http://").ok_or("only http:// is spoken")?;
    let (authority, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let with_port = if authority.rsplit(']').next().is_some_and(|end| end.contains(':')) {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    };
    let words = |error: std::io::Error| error.to_string().to_lowercase();
    let mut last = "its name has no address".to_owned();
    for address in with_port.to_socket_addrs().map_err(words)? {
        let talked = TcpStream::connect_timeout(&address, PATIENCE).and_then(|mut stream| {
            stream.set_write_timeout(Some(PATIENCE))?;
            write!(
                stream,
                "POST {prefix}/add-checkpoint HTTP/1.1\r\nHost: {authority}\r\nContent-Type: text/plain\r\nContent-Length: \
                 {}\r\nConnection: close\r\n\r\n{request}",
                request.len()
            )?;
            whole(stream, Instant::now() + WHOLE)
        });
        match talked {
            Ok(answer) => return response(&answer).ok_or_else(|| "its answer is not HTTP".to_owned()),
            Err(error) => last = words(error),
        }
    }
    Err(last)
}

/// Reads to the end of the connection, within bounds.
fn whole(mut stream: TcpStream, until: Instant) -> std::io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        let left = until.saturating_duration_since(Instant::now()).min(PATIENCE);
        if left.is_zero() {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut part) {
            Ok(0) => return Ok(answer),
            Ok(got) => answer.extend_from_slice(part.get(..got).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if answer.len() as u64 > ANSWER {
            return Ok(answer);
        }
    }
}

/// Status and body of an HTTP/1.1 response that ends with its connection (RFC 9112), or says its length.
fn response(bytes: &[u8]) -> Option<(u16, String)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = bytes.split_at_checked(end + 4)?;
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut status = lines.next()?.split(' ');
    if !status.next()?.starts_with("HTTP/1.") {
        return None;
    }
    let status = status.next()?.parse().ok()?;
    let fields = || head.lines().skip(1).filter_map(|line| line.split_once(':'));
    if fields().any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding")) {
        return None;
    }
    let length = fields().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let body = match length {
        Some((_, length)) => body.get(..length.trim().parse().ok()?)?,
        None => body,
    };
    Some((status, String::from_utf8(body.to_vec()).ok()?))
}

/// Asks all that are configured and says what they countersigned; no where one was not reached or denies.
pub(super) fn witness(here: &Here, key: bool, json: bool) -> Result<bool, String> {
    if key {
        let (origin, key) = witness_key(&here.root).map_err(|e| e.to_string())?;
        return print(&format!("{}\n", key.verifier(&origin)));
    }
    let all = configured(&here.places)?;
    if all.is_empty() {
        return Err(
            "no witness is named; write `witness = [\"URL KEY\"]` below [audit] in your configuration"
                .to_owned(),
        );
    }
    let mut good = true;
    let mut list = Vec::new();
    for one in &all {
        let asked = ask(&here.root, one);
        good &= matches!(asked, Asked::Seen(_));
        if json {
            list.push(as_json(one, &asked));
        } else {
            print(&format!("{}: {}\n", Escaped::from(one.name()), words(&asked)))?;
        }
    }
    if json {
        print(&format!("{}\n", Json::List(list)))?;
    }
    Ok(good)
}

pub(super) fn words(asked: &Asked) -> String {
    match asked {
        Asked::Seen(seen) => format!("{} records, witnessed until {}", seen.head.size, time(seen)),
        Asked::Denied(why) => format!("DENIES: {why}"),
        Asked::Silent(why) => format!("not asked: {}", Escaped::from(why.as_str())),
    }
}

pub(super) fn as_json(witness: &Witness, asked: &Asked) -> Json {
    let (state, records, until, why) = match asked {
        Asked::Seen(seen) => (
            "seen",
            Json::Number(seen.head.size),
            Json::text(time(seen)),
            Json::Null,
        ),
        Asked::Denied(why) => ("denied", Json::Null, Json::Null, Json::text(why)),
        Asked::Silent(why) => ("silent", Json::Null, Json::Null, Json::text(why)),
    };
    Json::Object(vec![
        ("witness", Json::text(witness.name())),
        ("state", Json::text(state)),
        ("records", records),
        ("until", until),
        ("why", why),
    ])
}

/// When a witness saw it.
pub(super) fn time(seen: &Cosigned) -> Clock {
    Clock::of_nanos(seen.time.saturating_mul(1_000_000_000))
}

/// After a run: a process that outlives it waits until the run's log has `ended`, submits the head, and erases what is
/// older than it is to be kept. What witnesses answered is kept beside the index, and `verify` tells it.
pub(crate) fn after_run(places: &Places, ended: Option<OwnedFd>) {
    let Ok(wishes) = audit_wishes(places) else { return };
    let all = parsed(&wishes.witnesses).unwrap_or_default();
    if all.is_empty() && wishes.keep.is_none() {
        return;
    }
    let root = log_root(&places.state());
    // The index has the session's end before the writer ends.
    let role = || {
        if let Some(keep) = wishes.keep {
            erase::older_than(&root, &places.state(), keep);
        }
        if let Ok(Some(_turn)) = Telling::turn(&root) {
            for one in &all {
                let _told_by_verify = ask(&root, one);
            }
        }
        0
    };
    if let Err(error) = fumehood_session::detached(c"fumehood-tell", ended, role) {
        say::line(&format!(
            "nobody was told of this run, and nothing was erased: {error:?}"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::response;

    /// One that drips a byte at a time is left alone when its time is over, one that says too much when it did.
    #[test]
    fn an_answer_has_bounds_of_time_and_length() {
        use std::io::Write;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let dial = || std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let ours = dial();
        let (mut theirs, _) = listener.accept().unwrap();
        let drips = std::thread::spawn(move || {
            while theirs.write_all(b"x").is_ok() {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        });
        let until = std::time::Instant::now() + std::time::Duration::from_millis(300);
        assert!(super::whole(ours, until).is_err());
        drips.join().unwrap();
        let ours = dial();
        let (mut theirs, _) = listener.accept().unwrap();
        let floods = std::thread::spawn(move || while theirs.write_all(&[b'x'; 4096]).is_ok() {});
        let long = std::time::Instant::now() + super::WHOLE;
        let got = super::whole(ours, long).unwrap().len() as u64;
        assert!(got > super::ANSWER && got < 2 * super::ANSWER, "{got}");
        floods.join().unwrap();
    }

    #[test]
    fn an_answer_is_taken_whole_or_not() {
        let answer = |text: &str| response(text.as_bytes());
        let good = "HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\n7\n";
        assert_eq!(answer(good), Some((409, "7\n".to_owned())));
        assert_eq!(answer("HTTP/1.0 200 OK\r\n\r\nx"), Some((200, "x".to_owned())));
        for bad in [
            "",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n7\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            "SSH-2.0-x\r\n\r\n",
        ] {
            assert_eq!(answer(bad), None, "{bad}");
        }
    }

    /// Cut or changed anywhere it is an answer or none.
    #[test]
    fn no_answer_is_too_odd() {
        let good = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX: \xff\r\n\r\nabc".to_vec();
        for at in 0..good.len() {
            let _cut = response(&good[..at]);
            for byte in [0, b'\n', b':', b' ', 0xff] {
                let mut changed = good.clone();
                changed[at] = byte;
                let _any = response(&changed);
            }
        }
    }
}
