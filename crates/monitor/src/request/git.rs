//! Git's smart protocol over HTTP (gitprotocol-http): a fetch only reads, and a push is an effect.

use super::Held;
use fumehood_destination::RequestPath;
use fumehood_effect::Reason;
use fumehood_effect::{Digest, SessionId};
use fumehood_git::{Bounds, Ci, Commits, Context, Format, ObjectId, Ours, PackScan, Push, Reading, judge};
use fumehood_http::{Denial, RequestHead};

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
    let Ok(path) = RequestPath::parse(head.target.as_bytes()) else {
        return Smart::No;
    };
    let segments: Vec<String> = path
        .segments()
        .map(|s| String::from_utf8_lossy(s).into_owned())
        .collect();
    let is = |service: &str| {
        let last = segments.iter().rev().find(|s| !s.is_empty());
        last.is_some_and(|s| {
            s.rsplit('/')
                .next()
                .is_some_and(|s| s.eq_ignore_ascii_case(service))
        })
    };
    let reads = matches!(head.method.as_str(), "GET" | "HEAD" | "OPTIONS") && !overridden;
    if is("git-receive-pack") && !reads {
        let above = segments.len().saturating_sub(1);
        return Smart::Push(segments[..above].join("/"));
    }
    let kind: Vec<&[u8]> = head.fields.values("content-type").collect();
    let asks = head.method == "POST" && !overridden && is("git-upload-pack");
    if asks && kind == [b"application/x-git-upload-pack-request"] {
        return Smart::Fetch;
    }
    Smart::No
}

/// What a push is.
pub(crate) enum Pushed {
    /// A probe, which changes nothing.
    Nothing,
    /// For a person.
    Held(Box<Held>),
    /// Not to be sent.
    Denied(Denial),
}

/// Reads a push. What it starts there is not known, so that none flies.
pub(crate) fn pushed(
    head: &RequestHead,
    repository: &str,
    body: &[u8],
    session: Option<&SessionId>,
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
    let Some(session) = session else {
        return denied("nobody can be asked about it in this run".to_owned());
    };
    let ours = Ours::new(session, [], None);
    let system = Held::system(head);
    let context = Context {
        system: &system,
        repository,
        session,
        ours: &ours,
        ci: Ci::default(),
    };
    let content: Digest = super::held::content(head, body);
    match judge(&push, &commits(&push, body), content, &context) {
        None => Pushed::Nothing,
        Some(judged) => {
            let why = Reason {
                why: judged.effect.kind.what().to_owned(),
                rule: format!("git {}", judged.effect.kind),
                remedy: "a person has to see it first".to_owned(),
            };
            Pushed::Held(Box::new(Held::of(judged.effect, why)))
        }
    }
}

fn commits(push: &Push, body: &[u8]) -> Commits {
    let format = match push.commands.first().map(|c| c.new) {
        Some(ObjectId::Sha256(_)) => Format::Sha256,
        _ => Format::Sha1,
    };
    let mut scan = PackScan::new(format, BOUNDS);
    let pack = body.get(push.pack_at..).unwrap_or_default();
    let read = scan.feed(pack).and_then(|()| scan.finish());
    read.unwrap_or_default()
}
