//! A stream on its way through: what of it is a secret, in any of its usual encodings and however it is cut into
//! pieces, is replaced by as many bytes.

use crate::LEVELS;
use crate::encoding;
use crate::matcher::Matcher;
use crate::unescape::{self, Reading};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Bytes looked at together; more are taken in pieces.
const PIECE: usize = 64 * 1024;

/// What must not come back, in all its forms. Made anew when a credential is added.
pub struct Forbidden(Matcher);

impl fmt::Debug for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forbidden")
    }
}

impl Forbidden {
    /// These texts, each with what stands for it: as many bytes, none of them secret. One of fewer than
    /// [`SHORTEST`](crate::SHORTEST) bytes cannot be told apart from ordinary text, and is not looked for.
    pub fn new<'a>(secrets: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Forbidden {
        let long = secrets
            .into_iter()
            .filter(|(real, _)| real.len() >= crate::SHORTEST);
        let forms = long.flat_map(|(real, shown)| encoding::forms(real, shown));
        Forbidden(Matcher::new(forms.collect()))
    }

    /// Whether there is nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A text that is here as a whole: a header field's value, a control frame.
    #[must_use]
    pub fn clean<'t>(self: &Arc<Self>, text: &'t [u8]) -> Cow<'t, [u8]> {
        let mut stream = Redactor::new(Arc::clone(self));
        let mut out = stream.push(text);
        let rest = stream.finish();
        if !rest.is_empty() {
            out.to_mut().extend(rest);
        }
        out
    }
}

/// Finds texts of at least three bytes, by number.
pub struct Finder(Matcher);

impl fmt::Debug for Finder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Finder")
    }
}

impl Finder {
    /// Of these texts.
    pub fn new<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Finder {
        Finder(Matcher::new(texts.map(encoding::Form::only).collect()))
    }

    /// Where they stand: (where it begins, which).
    #[must_use]
    pub fn find(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        self.0.find(text, |at, number| found.push((at, number as usize)));
        found
    }
}

/// One stream on its way in.
pub struct Redactor {
    forbidden: Arc<Forbidden>,
    /// Bytes that are not passed on yet: a secret could have begun there.
    held: Vec<u8>,
    /// Where `held` begins in the stream.
    base: u64,
    /// Matches that began before `held` and reach into it.
    open: Vec<Match>,
    replaced: u64,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} bytes held)", self.held.len())
    }
}

/// A secret in the stream. The order is that of precedence where two overlap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Match {
    start: u64,
    /// How often escapes were undone to find it.
    level: usize,
    form: u32,
    end: u64,
    /// What stands there instead; without, the form's own.
    patch: Option<Vec<u8>>,
}

impl Redactor {
    /// At the stream's beginning.
    #[must_use]
    pub fn new(forbidden: Arc<Forbidden>) -> Redactor {
        Redactor {
            forbidden,
            held: Vec::new(),
            base: 0,
            open: Vec::new(),
            replaced: 0,
        }
    }

    /// How many secrets were found so far.
    #[must_use]
    pub fn replaced(&self) -> u64 {
        self.replaced
    }

    /// The next piece of the stream; gives what may be passed on, which is all of it but what a secret could
    /// begin with. A piece without anything to hide or hold is given back as it is.
    #[must_use]
    pub fn push<'t>(&mut self, piece: &'t [u8]) -> Cow<'t, [u8]> {
        if self.forbidden.0.is_empty() {
            return Cow::Borrowed(piece);
        }
        if piece.len() <= PIECE {
            return self.step(piece, false);
        }
        let mut out = Vec::with_capacity(piece.len());
        for part in piece.chunks(PIECE) {
            out.extend_from_slice(&self.step(part, false));
        }
        Cow::Owned(out)
    }

    /// The stream, or a message of it, has ended; gives what was held.
    #[must_use]
    pub fn finish(&mut self) -> Vec<u8> {
        self.step(&[], true).into_owned()
    }

    fn step<'t>(&mut self, piece: &'t [u8], last: bool) -> Cow<'t, [u8]> {
        let held = std::mem::take(&mut self.held);
        let text: Cow<'t, [u8]> = if held.is_empty() {
            Cow::Borrowed(piece)
        } else {
            Cow::Owned([&held, piece].concat())
        };
        let levels = readings(&text, last);
        let mut matches = self.matches(&text, &levels);
        let keep = if last {
            text.len()
        } else {
            self.keep(&text, &levels)
        };
        self.replaced += matches
            .iter()
            .filter(|m| m.start < self.base + keep as u64)
            .count() as u64;
        matches.append(&mut self.open);
        matches.sort_unstable();
        let out = self.pass(text, keep, &matches);
        self.base += keep as u64;
        let reach_on = |m: &Match| m.start < self.base && m.end > self.base;
        self.open = matches.into_iter().filter(reach_on).collect();
        out
    }

    /// Everything of the text that is a secret, at every level.
    fn matches(&self, text: &[u8], levels: &[Reading]) -> Vec<Match> {
        let matcher = &self.forbidden.0;
        let mut out = Vec::new();
        matcher.find(text, |at, form| {
            let start = self.base + at as u64;
            let end = start + matcher.form(form).real.len() as u64;
            out.push(Match {
                start,
                level: 0,
                form,
                end,
                patch: None,
            });
        });
        let mut places: Vec<u32> = Vec::new();
        for (level, reading) in (1..).zip(levels) {
            places = below(&places, &reading.starts);
            let first = out.len();
            matcher.find(&reading.bytes, |at, form| {
                let place = &places[at..=at + matcher.form(form).real.len()];
                let found = self.escaped(level, form, text, place, &out[first..]);
                out.push(found);
            });
        }
        out
    }

    /// A match among escapes: `place` says where each of its bytes begins, and where the last ends.
    fn escaped(&self, level: usize, form: u32, text: &[u8], place: &[u32], before: &[Match]) -> Match {
        let (first, last) = (place[0], place[place.len() - 1]);
        let (start, end) = (self.base + u64::from(first), self.base + u64::from(last));
        // Of a text that overlaps itself only the first is written out, so that there is a bound to it.
        let same = |m: &&Match| m.level == level && m.form == form;
        let mut others = before.iter().rev().chain(&self.open).filter(same);
        let patch = match others.any(|m| m.end > start) {
            true => vec![encoding::FILL; (last - first) as usize],
            false => rewrite(&self.forbidden.0.form(form).shown, text, place),
        };
        Match {
            start,
            level,
            form,
            end,
            patch: Some(patch),
        }
    }

    /// How much of the text can be passed on: up to where a secret or an escape could have begun, and no
    /// escape cut in two.
    fn keep(&self, text: &[u8], levels: &[Reading]) -> usize {
        let matcher = &self.forbidden.0;
        let mut keep = matcher.cut(text);
        let mut places: Vec<u32> = Vec::new();
        for reading in levels {
            places = below(&places, &reading.starts);
            keep = keep.min(places[matcher.cut(&reading.bytes)] as usize);
        }
        // Each level's escapes consist of whole ones of the level before.
        match places.partition_point(|at| *at as usize <= keep) {
            0 => keep,
            n => keep.min(places[n - 1] as usize),
        }
    }

    fn pass<'t>(&mut self, text: Cow<'t, [u8]>, keep: usize, matches: &[Match]) -> Cow<'t, [u8]> {
        self.held = text[keep..].to_vec();
        let mut out = match text {
            Cow::Borrowed(text) => Cow::Borrowed(&text[..keep]),
            Cow::Owned(mut text) => {
                text.truncate(keep);
                Cow::Owned(text)
            }
        };
        // The first takes precedence, so it is written last.
        for found in matches.iter().rev().filter(|m| m.start < self.base + keep as u64) {
            let patch = found
                .patch
                .as_ref()
                .unwrap_or(&self.forbidden.0.form(found.form).shown);
            write_over(out.to_mut(), self.base, found.start, patch);
        }
        out
    }
}

/// The levels of a text above itself; none if it holds no escape.
fn readings(text: &[u8], last: bool) -> Vec<Reading> {
    let mut out: Vec<Reading> = Vec::new();
    while out.len() < LEVELS {
        let under = out.last().map_or(text, |r| &r.bytes);
        if !unescape::has_escapes(under) {
            break;
        }
        out.push(unescape::read(under, last));
    }
    out
}

/// Places in the text, of a level that was read from a level with these places.
fn below(places: &[u32], starts: &[u32]) -> Vec<u32> {
    if places.is_empty() {
        return starts.to_vec();
    }
    starts.iter().map(|at| places[*at as usize]).collect()
}

/// Each byte in the notation in which the byte in its place was written.
fn rewrite(shown: &[u8], text: &[u8], place: &[u32]) -> Vec<u8> {
    let mut out = Vec::new();
    for (byte, span) in shown.iter().zip(place.windows(2)) {
        let written = &text[span[0] as usize..span[1] as usize];
        out.extend(notation(*byte, written));
    }
    out
}

fn notation(byte: u8, written: &[u8]) -> Vec<u8> {
    let hex = |before: &[u8], digits: usize| [before, format!("{byte:0digits$x}").as_bytes()].concat();
    match written {
        [_] => vec![byte],
        [b'%', _, _] => hex(b"%", 2),
        [b'\\', b'x', _, _] => hex(b"\\x", 2),
        [b'\\', b'u', _, _, _, _] => hex(b"\\u", 4),
        other => vec![encoding::FILL; other.len()],
    }
}

/// Writes what of a patch falls into the bytes that begin at `base`.
fn write_over(out: &mut [u8], base: u64, start: u64, patch: &[u8]) {
    let skip = usize::try_from(base.saturating_sub(start)).unwrap_or(usize::MAX);
    let at = usize::try_from(start.saturating_sub(base)).unwrap_or(usize::MAX);
    let (Some(patch), Some(out)) = (patch.get(skip..), out.get_mut(at..)) else {
        return;
    };
    let count = patch.len().min(out.len());
    out[..count].copy_from_slice(&patch[..count]);
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
