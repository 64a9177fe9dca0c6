//! One JSON message a line, on standard input and output.

use super::calls::{Calls, Out};
use fumehood_tools::MAX_BYTES;
use fumehood_tools::mcp::{Step, too_long};
use serde_json::Value;
use std::io::{BufRead, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// There is one client, and it numbers all of its requests.
const CLIENT: u64 = 0;

#[derive(Default)]
struct Lines(Mutex<()>);

impl Out for Lines {
    /// One message, whole: lines of several threads do not mix. A client that is gone ends the input too.
    fn send(&self, message: &Value) {
        let _one_at_a_time = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut to = std::io::stdout().lock();
        let _client_gone = writeln!(to, "{message}").and_then(|()| to.flush());
    }

    fn over(&self) {}
}

/// Until the input ends.
pub(super) fn serve(calls: &Arc<Calls>) {
    let out = Arc::new(Lines::default());
    let mut input = std::io::stdin().lock();
    let mut line = Vec::new();
    loop {
        match read_line(&mut input, &mut line) {
            Ok(Line::End) | Err(_) => return,
            Ok(Line::TooLong) => out.send(&too_long()),
            Ok(Line::Whole) if line.trim_ascii().is_empty() => {}
            Ok(Line::Whole) => match calls.server().step(&line) {
                Step::Nothing => {}
                Step::Reply(value) | Step::Open(value) => out.send(&value),
                Step::Cancel(id) => calls.cancel(CLIENT, &id),
                Step::Call(call) => calls.begin(CLIENT, call, out.clone()),
            },
        }
    }
}

enum Line {
    Whole,
    TooLong,
    End,
}

/// A line of bounded length; what is longer is passed over.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<Line> {
    line.clear();
    let mut long = false;
    loop {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() {
            // A message that is not ended is none.
            return Ok(Line::End);
        }
        let end = bytes.iter().position(|b| *b == b'\n');
        let part = &bytes[..end.unwrap_or(bytes.len())];
        long |= line.len() + part.len() > MAX_BYTES;
        if !long {
            line.extend_from_slice(part);
        }
        let used = part.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_some() {
            return Ok(if long { Line::TooLong } else { Line::Whole });
        }
    }
}
