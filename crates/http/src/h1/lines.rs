//! A head's lines: each ends with CR LF, and neither byte stands anywhere else.

use crate::field::{BadField, Field, Fields, MAX_HEAD};

/// Why bytes are no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineError {
    /// A CR or an LF alone (RFC 9112 §2.2): where one reader sees a line's end another does not.
    Bare,
    /// Longer than [`MAX_HEAD`].
    Long,
    /// A field.
    Field(BadField),
}

/// The length of the head that a buffer begins with, its empty line included; none if it is not whole yet.
pub(crate) fn length(buffer: &[u8]) -> Result<Option<usize>, LineError> {
    let mut at = 0;
    let mut begins = 0;
    while let Some(next) = buffer[at..].iter().position(|b| *b == b'\r' || *b == b'\n') {
        at += next;
        match (buffer[at], buffer.get(at + 1)) {
            (b'\r', Some(b'\n')) => {}
            (b'\r', None) => break,
            _ => return Err(LineError::Bare),
        }
        // An empty line before the first is the end of nothing: the start line is missing.
        if at == begins {
            return Ok(Some(at + 2)).and_then(bounded);
        }
        at += 2;
        begins = at;
    }
    bounded(None).and_then(|none| {
        if buffer.len() > MAX_HEAD {
            Err(LineError::Long)
        } else {
            Ok(none)
        }
    })
}

fn bounded(end: Option<usize>) -> Result<Option<usize>, LineError> {
    match end {
        Some(end) if end > MAX_HEAD => Err(LineError::Long),
        end => Ok(end),
    }
}

/// The start line and the fields of a head of which [`length`] knows the end.
pub(crate) fn split(head: &[u8]) -> Result<(&[u8], Fields), LineError> {
    let mut lines = lines(head);
    let start = lines.next().unwrap_or_default();
    fields(lines).map(|fields| (start, fields))
}

/// The fields of a trailer section that ends with its empty line.
pub(crate) fn trailers(section: &[u8]) -> Result<Fields, LineError> {
    fields(lines(section))
}

fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let body = head.strip_suffix(b"\r\n").unwrap_or(head);
    let body = body.strip_suffix(b"\r\n").unwrap_or(body);
    body.split(|b| *b == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty())
}

fn fields<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Result<Fields, LineError> {
    let mut fields = Fields::default();
    for line in lines {
        let field = field(line).map_err(LineError::Field)?;
        fields.push(field).map_err(LineError::Field)?;
    }
    Ok(fields)
}

fn field(line: &[u8]) -> Result<Field, BadField> {
    if line.first().is_some_and(|b| *b == b' ' || *b == b'\t') {
        return Err(BadField::Folded);
    }
    let colon = line.iter().position(|b| *b == b':').ok_or(BadField::Colon)?;
    // A space before the colon is part of no token, so it is refused with the name (RFC 9112 §5.1).
    Field::new(&line[..colon], &line[colon + 1..])
}
