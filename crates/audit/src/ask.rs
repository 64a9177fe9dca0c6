//! Questions to a log: which records, found by its index. What is found is not verified.

use crate::index::{ENTRY, Span, bit};
use crate::layout::{CHECKPOINT, INDEX, WIDTH};
use crate::read::{self, ReadError, Records, Source};
use crate::record::{Kind, Record};
use std::ops::ControlFlow;
use std::path::Path;

/// Which records are asked for.
#[derive(Clone, Debug)]
pub struct Question {
    /// Not before, nanoseconds since 1970.
    pub from: u64,
    /// Not after.
    pub to: u64,
    /// Only these, if any is named.
    pub kinds: Vec<Kind>,
    /// From this sequence number on.
    pub first: u64,
}

impl Default for Question {
    fn default() -> Self {
        Self {
            from: 0,
            to: u64::MAX,
            kinds: Vec::new(),
            first: 0,
        }
    }
}

impl Question {
    fn kinds(&self) -> u64 {
        match self.kinds.as_slice() {
            [] => u64::MAX,
            kinds => kinds.iter().fold(0, |bits, kind| bits | bit(*kind)),
        }
    }

    fn may_be_in(&self, span: &Span) -> bool {
        span.from <= self.to && span.to >= self.from && span.kinds & self.kinds() != 0
    }

    /// Whether this record is asked for.
    #[must_use]
    pub fn takes(&self, record: &Record) -> bool {
        record.sequence >= self.first
            && (self.from..=self.to).contains(&record.time)
            && self.kinds() & bit(record.kind) != 0
    }
}

/// Gives the records of the log in a folder that are asked for, in order, until `each` breaks off.
/// Answers how many whole records the log was seen to have at the end of what was read.
///
/// # Errors
/// The log cannot be read.
pub fn ask(
    folder: &Path,
    question: &Question,
    mut each: impl FnMut(Record) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let index = match read::file(folder, INDEX) {
        // Of a log that is begun at this moment.
        Err(ReadError::System { error, .. })
            if error.kind() == std::io::ErrorKind::NotFound && !read::ended(folder) =>
        {
            Vec::new()
        }
        read => read?,
    };
    let spans: Vec<Span> = index
        .chunks_exact(ENTRY)
        .filter_map(|entry| Some(Span::decode(entry.try_into().ok()?)))
        .collect();
    let source = Source::open(folder, || size(folder))?;
    let first = question.first / WIDTH as u64;
    for (at, span) in (0..).zip(&spans) {
        let offset = previous(&spans, at);
        if at < first || !question.may_be_in(span) {
            continue;
        }
        let bundle = source.clone().from(at, offset).next();
        if records(bundle, question, &mut each)?.is_break() {
            return Ok(());
        }
    }
    if source.ended() {
        return Ok(());
    }
    // What the index does not have yet.
    let after = spans.len() as u64;
    for bundle in source.from(after, previous(&spans, after)) {
        if records(Some(bundle), question, &mut each)?.is_break() {
            return Ok(());
        }
    }
    Ok(())
}

fn previous(spans: &[Span], at: u64) -> u64 {
    let before = at.checked_sub(1).and_then(|at| usize::try_from(at).ok());
    before.and_then(|at| spans.get(at)).map_or(0, |span| span.end)
}

/// How many records a log that ended has.
fn size(folder: &Path) -> u64 {
    let note = read::file(folder, CHECKPOINT).unwrap_or_default();
    let note = String::from_utf8(note).unwrap_or_default();
    note.lines()
        .nth(1)
        .and_then(|size| size.parse().ok())
        .unwrap_or_default()
}

fn records(
    bundle: Option<Result<read::Bundle, ReadError>>,
    question: &Question,
    each: &mut impl FnMut(Record) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, ReadError> {
    let Some(bundle) = bundle.transpose()? else {
        return Ok(ControlFlow::Continue(()));
    };
    for record in Records::new(&bundle.frames) {
        let (_, record) = record?;
        if question.takes(&record) && each(record).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}
