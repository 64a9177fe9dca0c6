//! Recordings of terminals as asciicast v2 (docs.asciinema.org/manual/asciicast/v2): a line of JSON with the
//! screen's size, then a line for each event, `[seconds, kind, text]`.
//!
//! Whoever can write a file can have written one: what is read is bounded, and what it says is data to be made safe
//! by whoever shows it.

use crate::size::Size;
use serde_json::Value;
use std::time::Duration;

/// The longest line that is read, bytes.
pub const MAX_LINE: usize = 1 << 20;
/// The latest moment of an event: a year.
const LATEST: f64 = 31_536_000.0;

/// What a recording begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The program's screen.
    pub size: Size,
    /// When it began, in seconds since 1970.
    pub timestamp: u64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The program printed this.
    Output(String),
    /// Its screen has this size from now on.
    Resize(Size),
    /// Whoever recorded says this.
    Marker(String),
    /// Something that is not shown, such as what was typed.
    Other,
}

/// Why bytes are not a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CastError {
    /// Its first line is not the header of version 2.
    #[error("line 1: not the header of an asciicast of version 2")]
    Header,
    /// A line is not an event.
    #[error("line {0}: not an event of an asciicast")]
    Event(u64),
    /// A line is longer than [`MAX_LINE`].
    #[error("line {0}: longer than 1 MiB")]
    TooLong(u64),
    /// The last line is not all there.
    #[error("line {0}: not all there: the recording was cut off")]
    Cut(u64),
}

impl Header {
    /// Its line.
    #[must_use]
    pub fn line(&self) -> String {
        let (columns, rows) = (self.size.cols(), self.size.rows());
        let timestamp = self.timestamp;
        format!("{{\"version\":2,\"width\":{columns},\"height\":{rows},\"timestamp\":{timestamp}}}\n")
    }

    fn parse(line: &[u8]) -> Option<Header> {
        let value: Value = serde_json::from_slice(line).ok()?;
        let number = |name: &str| value.get(name).and_then(Value::as_u64);
        if number("version") != Some(2) {
            return None;
        }
        Some(Header {
            size: size(number("height")?, number("width")?)?,
            timestamp: number("timestamp").unwrap_or_default(),
        })
    }
}

fn size(rows: u64, columns: u64) -> Option<Size> {
    let fits = |n: u64| u16::try_from(n).ok().filter(|n| *n > 0);
    Some(Size::new(fits(rows)?, fits(columns)?))
}

impl Event {
    /// Its line, so long after the beginning; what is not shown has none.
    #[must_use]
    pub fn line(&self, at: Duration) -> String {
        let (kind, text) = match self {
            Event::Output(text) => ('o', text.clone()),
            Event::Resize(size) => ('r', format!("{}x{}", size.cols(), size.rows())),
            Event::Marker(text) => ('m', text.clone()),
            Event::Other => return String::new(),
        };
        let text = Value::String(text);
        format!("[{}.{:06},\"{kind}\",{text}]\n", at.as_secs(), at.subsec_micros())
    }

    fn parse(line: &[u8]) -> Option<(Duration, Event)> {
        let (seconds, kind, text): (f64, String, String) = serde_json::from_slice(line).ok()?;
        if !(0.0..=LATEST).contains(&seconds) {
            return None;
        }
        let nanos = Duration::try_from_secs_f64(seconds).ok()?.as_nanos();
        let at = Duration::from_micros(u64::try_from((nanos + 500) / 1000).ok()?);
        let event = match kind.as_str() {
            "o" => Event::Output(text),
            "m" => Event::Marker(text),
            "r" => {
                let (columns, rows) = text.split_once('x')?;
                Event::Resize(size(rows.parse().ok()?, columns.parse().ok()?)?)
            }
            _ => Event::Other,
        };
        Some((at, event))
    }
}

/// A recording that is read event by event.
#[derive(Clone, Debug)]
pub struct Cast<'a> {
    header: Header,
    rest: &'a [u8],
    line: u64,
}

impl<'a> Cast<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// It is none.
    pub fn read(bytes: &'a [u8]) -> Result<Cast<'a>, CastError> {
        let mut cast = Cast {
            header: Header {
                size: Size::new(1, 1),
                timestamp: 0,
            },
            rest: bytes,
            line: 0,
        };
        let (line, whole) = cast.next_line()?.ok_or(CastError::Header)?;
        cast.header = Header::parse(line).filter(|_| whole).ok_or(CastError::Header)?;
        Ok(cast)
    }

    /// What it begins with.
    #[must_use]
    pub fn header(&self) -> Header {
        self.header
    }

    /// The next line that is not empty, and whether it is ended.
    fn next_line(&mut self) -> Result<Option<(&'a [u8], bool)>, CastError> {
        loop {
            if self.rest.is_empty() {
                return Ok(None);
            }
            self.line += 1;
            let end = self.rest.iter().position(|b| *b == b'\n');
            let line = &self.rest[..end.unwrap_or(self.rest.len())];
            self.rest = end.map_or(&[], |end| &self.rest[end + 1..]);
            if line.len() > MAX_LINE {
                return Err(CastError::TooLong(self.line));
            }
            if !line.is_empty() {
                return Ok(Some((line, end.is_some())));
            }
        }
    }
}

impl Iterator for Cast<'_> {
    type Item = Result<(Duration, Event), CastError>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = match self.next_line() {
            Ok(None) => return None,
            Ok(Some((line, whole))) => Event::parse(line).ok_or(if whole {
                CastError::Event(self.line)
            } else {
                CastError::Cut(self.line)
            }),
            Err(error) => Err(error),
        };
        if read.is_err() {
            self.rest = &[];
        }
        Some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn events(bytes: &[u8]) -> Result<Vec<(Duration, Event)>, CastError> {
        Cast::read(bytes)?.collect()
    }

    #[test]
    fn it_is_what_others_write() {
        let recorded = b"{\"version\": 2, \"width\": 80, \"height\": 24, \"timestamp\": 1504467315, \"title\": \"Demo\", \"env\": {\"TERM\": \"xterm-256color\", \"SHELL\": \"/bin/zsh\"}}\n[0.248848, \"o\", \"\\u001b[1;31mHello \\u001b[32mWorld!\\u001b[0m\\n\"]\n[1.001376, \"i\", \"q\"]\n[5.0, \"r\", \"100x50\"]\n";
        let cast = Cast::read(recorded).unwrap();
        assert_eq!(cast.header().size, Size::new(24, 80));
        assert_eq!(cast.header().timestamp, 1_504_467_315);
        let events: Vec<_> = cast.map(Result::unwrap).collect();
        assert_eq!(
            events[0],
            (
                Duration::from_micros(248_848),
                Event::Output("\x1b[1;31mHello \x1b[32mWorld!\x1b[0m\n".to_owned())
            )
        );
        assert_eq!(events[1].1, Event::Other);
        assert_eq!(
            events[2],
            (Duration::from_secs(5), Event::Resize(Size::new(50, 100)))
        );
    }

    #[test]
    fn what_is_not_one_is_refused_with_its_line() {
        let header = "{\"version\":2,\"width\":80,\"height\":24}\n";
        let after = |text: &str| events([header, text].concat().as_bytes());
        for (bytes, error) in [
            ("", CastError::Header),
            ("{\"version\":1,\"width\":80,\"height\":24}\n", CastError::Header),
            ("{\"version\":2,\"width\":0,\"height\":24}\n", CastError::Header),
            (
                "{\"version\":2,\"width\":80,\"height\":99999}\n",
                CastError::Header,
            ),
            ("{\"version\":2,\"width\":80,\"height\":24}", CastError::Header),
        ] {
            assert_eq!(events(bytes.as_bytes()), Err(error), "{bytes}");
        }
        assert_eq!(after("[1,\"o\"]\n"), Err(CastError::Event(2)));
        assert_eq!(after("\n\n[-1,\"o\",\"x\"]\n"), Err(CastError::Event(4)));
        assert_eq!(after("[1e300,\"o\",\"x\"]\n"), Err(CastError::Event(2)));
        assert_eq!(after("[1,\"r\",\"80x0\"]\n"), Err(CastError::Event(2)));
        assert_eq!(after("[1,\"o\",\"x\"]\n[2,\"o\",\"y"), Err(CastError::Cut(3)));
        let long = format!("[1,\"o\",\"{}\"]\n", "x".repeat(MAX_LINE));
        assert_eq!(after(&long), Err(CastError::TooLong(2)));
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            any::<String>().prop_map(Event::Output),
            any::<String>().prop_map(Event::Marker),
            (1..=1000_u16, 1..=1000_u16).prop_map(|(rows, cols)| Event::Resize(Size::new(rows, cols))),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            rows in 1..=1000_u16, cols in 1..=1000_u16, timestamp in any::<u32>(),
            events in proptest::collection::vec((0..31_536_000_000_000_u64, event()), 0..9))
        {
            let header = Header { size: Size::new(rows, cols), timestamp: timestamp.into() };
            let mut text = header.line();
            let events: Vec<_> = events.into_iter().map(|(at, event)| (Duration::from_micros(at), event)).collect();
            for (at, event) in &events {
                let line = event.line(*at);
                // One line of text that acts on nothing: a recording can be printed.
                prop_assert!(!line.trim_end_matches('\n').contains(|c: char| c < ' '));
                text.push_str(&line);
            }
            let cast = Cast::read(text.as_bytes()).unwrap();
            prop_assert_eq!(cast.header(), header);
            prop_assert_eq!(cast.collect::<Result<Vec<_>, _>>().unwrap(), events);
        }

        /// Any bytes end; what is read of them is written and read the same again.
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(
            prop_oneof![any::<u8>(), proptest::sample::select(b"[]{},\".0123456789orm\n".to_vec())], 0..300))
        {
            let whole = [b"{\"version\":2,\"width\":9,\"height\":9}\n".as_slice(), &bytes].concat();
            let _either = events(&bytes);
            for (at, event) in Cast::read(&whole).unwrap().flatten().filter(|(_, event)| *event != Event::Other) {
                let line = event.line(at);
                prop_assert_eq!(Event::parse(line.trim_end().as_bytes()), Some((at, event)));
            }
        }
    }
}
