//! Tokens that a provider says were used, read from a response as it streams: JSON, or events whose data is
//! JSON (WHATWG HTML §9.2).

use crate::json::{Listen, Reader, Scalar};

/// The longest line of events that is read; of longer ones no numbers come.
const LONGEST: usize = 8 << 20;

/// Tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Read by the model, from a cache or not.
    pub input: u64,
    /// Written by it.
    pub output: u64,
}

/// Reads one response.
#[derive(Debug)]
pub struct Counter {
    events: bool,
    numbers: Numbers,
    reader: Reader,
    line: Line,
}

#[derive(Debug)]
enum Line {
    /// The beginning of a line, as far as it is there.
    Beginning(Vec<u8>),
    /// Within data; how much there was.
    Data(usize),
    Other,
}

/// Numbers by key: each is the largest that was said, since events repeat and add up.
#[derive(Debug, Default)]
struct Numbers {
    input: u64,
    cached: [u64; 2],
    output: u64,
    thoughts: u64,
}

impl Listen for Numbers {
    fn key(&mut self, _path: &[String], _key: &str) {}

    fn scalar(&mut self, path: &[String], scalar: &Scalar<'_>) {
        let (Some(key), Scalar::Number(number)) = (path.last(), scalar) else {
            return;
        };
        let Ok(number) = number.parse::<u64>() else { return };
        let place = match key.as_str() {
            "input_tokens" | "prompt_tokens" | "promptTokenCount" => &mut self.input,
            "cache_creation_input_tokens" => &mut self.cached[0],
            "cache_read_input_tokens" => &mut self.cached[1],
            "output_tokens" | "completion_tokens" | "candidatesTokenCount" => &mut self.output,
            "thoughtsTokenCount" => &mut self.thoughts,
            _ => return,
        };
        *place = (*place).max(number.min(1 << 40));
    }
}

impl Counter {
    /// A response of this content type.
    #[must_use]
    pub fn new(content_type: &[u8]) -> Counter {
        let events = content_type
            .to_ascii_lowercase()
            .starts_with(b"text/event-stream");
        Counter {
            events,
            numbers: Numbers::default(),
            reader: Reader::default(),
            line: Line::Beginning(Vec::new()),
        }
    }

    /// Reads some bytes more. What cannot be read is passed over: nothing is decided here.
    pub fn feed(&mut self, bytes: &[u8]) {
        if !self.events {
            let _unreadable = self.reader.feed(bytes, &mut self.numbers);
            return;
        }
        bytes.iter().for_each(|byte| self.byte(*byte));
    }

    fn byte(&mut self, byte: u8) {
        if byte == b'\n' || byte == b'\r' {
            self.reader = Reader::default();
            self.line = Line::Beginning(Vec::new());
            return;
        }
        match &mut self.line {
            Line::Other => {}
            Line::Data(length) => {
                *length += 1;
                if *length > LONGEST || self.reader.feed(&[byte], &mut self.numbers).is_err() {
                    self.line = Line::Other;
                }
            }
            Line::Beginning(held) => {
                held.push(byte);
                if held.as_slice() == b"data:" {
                    self.line = Line::Data(0);
                } else if !b"data:".starts_with(held) {
                    self.line = Line::Other;
                }
            }
        }
    }

    /// What was said so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let n = &self.numbers;
        Usage {
            input: n.input + n.cached[0] + n.cached[1],
            output: n.output + n.thoughts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(kind: &str, text: &str) -> Usage {
        let mut counter = Counter::new(kind.as_bytes());
        text.as_bytes().chunks(3).for_each(|piece| counter.feed(piece));
        counter.usage()
    }

    #[test]
    fn tokens_of_the_three_shapes() {
        let events = "event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":90,\"output_tokens\":1}}}\n\n\
                      event: message_delta\ndata: {\"usage\":{\"output_tokens\":25}}\n\ndata: [DONE]\n\n";
        assert_eq!(
            count("text/event-stream; charset=utf-8", events),
            Usage {
                input: 100,
                output: 25
            }
        );
        let whole = r#"{"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}}"#;
        assert_eq!(count("application/json", whole), Usage { input: 7, output: 5 });
        let stream = "data: {\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":2,\"thoughtsTokenCount\":4}}\r\n\r\n";
        assert_eq!(count("text/event-stream", stream), Usage { input: 3, output: 6 });
        assert_eq!(count("text/html", "<html>"), Usage::default());
    }
}
