//! Git's smart protocol over HTTP (gitprotocol-http): a fetch only reads, and a push is an effect.

use super::{Held, Standing};
use fumehood_destination::RequestPath;
use fumehood_effect::{Digest, Effect, EffectKind, Reason};
use fumehood_git::{Bounds, Context, Format, ObjectId, Objects, PackScan, Push, Reading, judge};
use fumehood_http::{Denial, RequestHead, Scheme};
use fumehood_policy::value::HostName;

/// The longest push that is read, bytes: a person allows bytes, and those have to be here.
pub(crate) const MAX_PUSH: u64 = 8 << 20;
/// The most of a fetch's own words: what it has and what it wants.
pub(crate) const MAX_FETCH: u64 = 1 << 20;

/// What is read of a pack here. Past it nothing is proven, and what moves a branch is held as forced.
const BOUNDS: Bounds = Bounds {
    commit: 256 << 10,
    kept: 8 << 20,
    inflated: 64 << 20,
};

/// What a request is to git.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Smart {
    /// Nothing.
    No,
    /// It asks for objects.
    Fetch,
    /// It changes refs of this repository.
    Push(String),
}

/// By the path as a server could decode it; whoever sends anything to the place of pushes is taken to push.
pub(crate) fn smart(head: &RequestHead, overridden: bool) -> Smart {
    if !could_name_git(&head.target) {
        return Smart::No;
    }
    let Ok(path) = RequestPath::parse(head.target.as_bytes()) else {
        return Smart::No;
    };
    let names: Vec<String> = path
        .segments()
        .map(|s| String::from_utf8_lossy(s).into_owned())
        .collect();
    // A segment that holds a slash, coded, may be several to the server.
    let names = names.join("/");
    let mut names: Vec<&str> = names.split('/').filter(|s| !s.is_empty()).collect();
    let last = names.pop().unwrap_or_default();
    let is = |service: &str| last.eq_ignore_ascii_case(service);
    let reads = matches!(head.method.as_str(), "GET" | "HEAD" | "OPTIONS") && !overridden;
    if is("git-receive-pack") && !reads {
        return Smart::Push(names.join("/"));
    }
    let kind: Vec<&[u8]> = head.fields.values("content-type").collect();
    let asks = head.method == "POST" && !overridden && is("git-upload-pack");
    if asks && kind == [b"application/x-git-upload-pack-request"] {
        return Smart::Fetch;
    }
    Smart::No
}

/// Whether a service of git's is named in it, or something coded, which could be one: most requests are neither, and are
/// not taken apart for it.
fn could_name_git(target: &str) -> bool {
    const BEGINS: &[u8] = b"git-";
    let named = |part: &[u8]| part.eq_ignore_ascii_case(BEGINS);
    target.contains('%') || target.as_bytes().windows(BEGINS.len()).any(named)
}

/// Whether it asks what there is to fetch (gitprotocol-http, "discovering references").
pub(crate) fn asks_for_refs(head: &RequestHead) -> bool {
    if !could_name_git(&head.target) {
        return false;
    }
    let path = RequestPath::parse(head.target.as_bytes());
    path.is_ok_and(|path| {
        let last: Vec<&[u8]> = path.segments().filter(|s| !s.is_empty()).collect();
        let mut service = path.values(b"service");
        matches!(last.as_slice(), [.., b"info", b"refs"])
            && service.next() == Some(b"git-upload-pack")
            && service.next().is_none()
            && matches!(head.method.as_str(), "GET" | "HEAD")
    })
}

/// What a push is.
pub(crate) enum Pushed {
    /// A probe, which changes nothing.
    Nothing,
    /// The session's ordinary work, as these effects.
    Own(Box<Effect>, Vec<EffectKind>),
    /// For a person, as these effects.
    Held(Box<Held>, Vec<EffectKind>),
    /// Not to be sent.
    Denied(Denial),
}

/// Reads a push.
pub(crate) fn pushed(
    head: &RequestHead,
    repository: &str,
    body: &[u8],
    standing: Option<Standing<'_>>,
) -> Pushed {
    let denied = |why: String| {
        let denial = Denial::new(403, format!("git push to {}: {why}", head.destination));
        Pushed::Denied(denial.remedy("push it from outside the sandbox"))
    };
    if !head.fields.members("content-encoding").is_empty() {
        return denied("its body is coded, and cannot be read".to_owned());
    }
    let push = match Push::read(body, true) {
        Ok(Reading::Whole(push)) => push,
        Ok(Reading::More) => return denied("it ends before its commands do".to_owned()),
        Err(why) => return denied(why.to_string()),
    };
    let Some(Standing { session, pushes }) = standing else {
        return denied("nobody can be asked about it in this run".to_owned());
    };
    let system = Held::system(head);
    let context = Context {
        system: &system,
        repository,
        session,
        ours: &pushes.ours(session),
        ci: pushes.ci(&host(head), repository),
        base: pushes.base.as_ref(),
    };
    let content: Digest = super::held::content(head, body);
    match judge(&push, &objects(&push, body), content, &context) {
        None => Pushed::Nothing,
        Some(judged) if judged.own => Pushed::Own(Box::new(judged.effect), judged.kinds),
        Some(judged) => {
            let why = Reason {
                why: judged.effect.kind.what().to_owned(),
                rule: format!("git {}", judged.effect.kind),
                remedy: "a person has to see it first".to_owned(),
            };
            Pushed::Held(Box::new(Held::of(judged.effect, why)), judged.kinds)
        }
    }
}

/// The host as `git.ci` names it: with its port where that is not the scheme's own.
fn host(head: &RequestHead) -> String {
    let to = &head.destination;
    let usual = match head.scheme {
        Scheme::Https => 443,
        Scheme::Http => 80,
    };
    match &to.host {
        HostName::Name(name) if to.port.get() == usual => name.clone(),
        _ => to.to_string(),
    }
}

fn objects(push: &Push, body: &[u8]) -> Objects {
    let format = match push.commands.first().map(|c| c.new) {
        Some(ObjectId::Sha256(_)) => Format::Sha256,
        _ => Format::Sha1,
    };
    let mut scan = PackScan::new(format, BOUNDS);
    let pack = body.get(push.pack_at..).unwrap_or_default();
    let read = scan.feed(pack).and_then(|()| scan.finish());
    read.unwrap_or_default()
}
