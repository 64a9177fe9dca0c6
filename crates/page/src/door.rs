//! Who may come in, by the head of a request alone.
//!
//! A server on loopback is reached by every page that a browser of this machine shows, and by programs of every account. A
//! page's name can be made to mean this address (DNS rebinding): so `Host` must be the server's own name, which is an address
//! that nothing else listens at, since cookies of one address are sent to all its ports. A page of another origin can send
//! forms: so `Origin` must be ours, `Sec-Fetch-Site` must not name another, and a form says a token that only the page knows.

use crate::answer::Answer;
use fumehood_destination::Destination;
use fumehood_http::h1::{self, Refused};
use fumehood_http::{Fields, Length, RequestHead, Scheme};
use sha2::{Digest, Sha256};

/// Bytes of a form.
pub const MAX_BODY: usize = 16 * 1024;
/// The cookie's name.
const COOKIE: &str = "fumehood";

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// To be let in, with a code.
    Enter(String),
    /// The page.
    Page,
    /// Whether the page is still as it is.
    Version,
    /// The page's script.
    Script,
    /// Its style.
    Style,
    /// A form follows.
    Answer,
}

/// A request that was let in, or that asks to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it wants.
    pub want: Want,
    /// How long its body is.
    pub body: Length,
    /// Bytes of the buffer that its head took.
    pub length: usize,
    /// Whether another may follow.
    pub keep_alive: bool,
}

/// The door of one server.
#[derive(Debug)]
pub struct Door {
    name: Destination,
    origin: String,
    /// Until somebody came in by it.
    code: Option<[u8; 32]>,
    cookie: String,
    form: String,
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// How long it takes says nothing of either.
fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

impl Door {
    /// For a server at this address and port, with three secrets that were made for it alone.
    ///
    /// # Errors
    /// That is no address and port.
    pub fn new(at: &str, code: &str, cookie: String, form: String) -> Result<Door, String> {
        let name = Destination::authority(at.as_bytes(), None).map_err(|e| format!("{at}: {e}"))?;
        Ok(Door {
            name,
            origin: format!("http://{at}"),
            code: Some(digest(code)),
            cookie,
            form,
        })
    }

    /// What a form of the page must say.
    #[must_use]
    pub fn form(&self) -> &str {
        &self.form
    }

    /// Whether a form says it.
    #[must_use]
    pub fn made(&self, token: &str) -> bool {
        same(&digest(token), &digest(&self.form))
    }

    /// Lets in whoever has the code. It is good once, whoever comes.
    pub fn enter(&mut self, code: &str) -> Answer {
        match &self.code {
            Some(expected) if same(expected, &digest(code)) => {
                self.code = None;
                let cookie = format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict", self.cookie);
                Answer::to_the_page().with("Set-Cookie", &cookie)
            }
            Some(_) => Answer::refused(
                403,
                "that is not the code: open the address that the terminal shows",
            ),
            None => Answer::refused(
                403,
                "the code was used: end `fumehood holds --page` and begin it again, and look who else opened it",
            ),
        }
    }

    /// Reads the head that a buffer begins with. None: it is not whole yet.
    ///
    /// # Errors
    /// What to answer; after it the connection ends.
    pub fn open(&self, buffer: &[u8]) -> Result<Option<Request>, Answer> {
        let parsed = match h1::read_request(buffer, Scheme::Http, &self.name) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return Ok(None),
            Err(Refused::OtherHost) => return Err(Answer::refused(421, "this is another server's name")),
            Err(why) => return Err(Answer::refused(why.status(), &why.to_string())),
        };
        let head = parsed.head;
        let want = self.want(&head)?;
        let long = matches!(head.body, Length::Known(bytes) if bytes > MAX_BODY as u64);
        if long || (want != Want::Answer && head.body != Length::Empty) {
            return Err(Answer::refused(413, "the body is longer than a form is"));
        }
        Ok(Some(Request {
            want,
            body: head.body,
            length: parsed.length,
            keep_alive: parsed.keep_alive && !parsed.is_old,
        }))
    }

    fn want(&self, head: &RequestHead) -> Result<Want, Answer> {
        self.comes_from_here(&head.fields)?;
        let (path, query) = head.target.split_once('?').unwrap_or((&head.target, ""));
        let want = match (head.method.as_str(), path, query) {
            ("GET", "/enter", query) => {
                let code = query.strip_prefix("code=").unwrap_or_default();
                return Ok(Want::Enter(code.to_owned()));
            }
            ("GET", "/", "") => Want::Page,
            ("GET", "/version", "") => Want::Version,
            ("GET", "/page.js", "") => Want::Script,
            ("GET", "/page.css", "") => Want::Style,
            ("POST", "/answer", "") => Want::Answer,
            (_, "/answer" | "/" | "/version" | "/page.js" | "/page.css" | "/enter", "") => {
                return Err(Answer::refused(405, "not in this way"));
            }
            _ => return Err(Answer::refused(404, "there is no such page")),
        };
        if !self.knows(&head.fields) {
            return Err(Answer::refused(401, "open the address that the terminal shows"));
        }
        if want == Want::Answer {
            self.is_own_form(&head.fields)?;
        }
        Ok(want)
    }

    /// What a browser says of who began the request. Other programs say nothing, and have no cookie.
    fn comes_from_here(&self, fields: &Fields) -> Result<(), Answer> {
        let other = || Err(Answer::refused(403, "requests of other pages are not answered"));
        match only(fields, "origin")? {
            Some(origin) if origin != self.origin => return other(),
            _ => {}
        }
        match only(fields, "sec-fetch-site")?.as_deref() {
            // An address that was typed or opened by another program.
            None | Some("none" | "same-origin") => Ok(()),
            Some(_) => other(),
        }
    }

    fn is_own_form(&self, fields: &Fields) -> Result<(), Answer> {
        if only(fields, "origin")?.is_none() {
            return Err(Answer::refused(403, "a form says which page it is of"));
        }
        let media = only(fields, "content-type")?.unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Answer::refused(415, "that is no form"));
        }
        Ok(())
    }

    fn knows(&self, fields: &Fields) -> bool {
        let texts = fields
            .values("cookie")
            .filter_map(|v| std::str::from_utf8(v).ok());
        let all = texts
            .flat_map(|v| v.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        let mut ours = all.filter(|(name, _)| *name == COOKIE);
        // Two of them: somebody else set one.
        let (Some((_, value)), None) = (ours.next(), ours.next()) else {
            return false;
        };
        same(&digest(value), &digest(&self.cookie))
    }
}

/// At most one field of a name.
fn only(fields: &Fields, name: &str) -> Result<Option<String>, Answer> {
    let mut all = fields.values(name);
    let (first, second) = (all.next(), all.next());
    let text = first.map(|value| String::from_utf8(value.to_vec()));
    match (text, second) {
        (None, _) => Ok(None),
        (Some(Ok(text)), None) => Ok(Some(text)),
        _ => Err(Answer::refused(
            400,
            &format!("{name} is there twice, or is no text"),
        )),
    }
}

#[cfg(test)]
mod tests;
