//! `fumehood replay`: what a session's terminal showed, where it was recorded.

use super::{Failure, ReplayArguments, ended, span};
use crate::policy::places;
use crate::run::recording;
use crate::say;
use fumehood_policy::Escaped;
use fumehood_session::{Cast, CastEvent, Plain, Play, play, plays_here};
use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::time::Duration;

/// The largest file that is read, bytes: no recording of ours has a third of it.
const LARGEST: u64 = 64 << 20;
/// How fast, at least and at most.
const SPEEDS: std::ops::RangeInclusive<f64> = 0.01..=1000.0;

/// Plays it.
pub(crate) fn replay(arguments: &ReplayArguments) -> u8 {
    ended(attempt(arguments))
}

fn attempt(arguments: &ReplayArguments) -> Result<u8, Failure> {
    if !SPEEDS.contains(&arguments.speed) {
        return Err("--speed: from 0.01 to 1000 times as fast".into());
    }
    let idle = span("--idle", arguments.idle.as_deref())?.unwrap_or(Duration::MAX);
    let (id, doubt) = crate::audit::recorded_terminal(arguments.session.as_deref())?;
    let bytes = read(&id)?;
    // Before a screen is drawn, and where the person looks afterwards too.
    doubt.iter().for_each(|why| say::line(why));
    if !plays_here() {
        return text(&bytes, arguments.speed, idle);
    }
    let title = format!("replay of {}", Escaped::from(id.as_str()).at_most(40));
    let speed = arguments.speed;
    let whole = play(&bytes, &Play { title, speed, idle })?;
    doubt.iter().for_each(|why| say::line(why));
    Ok(u8::from(!whole))
}

fn read(id: &str) -> Result<Vec<u8>, String> {
    let path = recording(&places()?.state(), id);
    let failed = |e: std::io::Error| format!("read the recording of session {id}: {e}");
    let mut bytes = Vec::new();
    let file = File::open(&path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => format!(
            "the terminal of session {id} was not recorded, or that was removed; `fumehood run --record` records it"
        ),
        _ => failed(e),
    })?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!(
            "the recording of session {id} is larger than any of ours"
        ));
    }
    Ok(bytes)
}

/// Its text and colours alone, where nothing else can be shown; into a pipe or file at once.
fn text(bytes: &[u8], speed: f64, idle: Duration) -> Result<u8, Failure> {
    let mut out = std::io::stdout();
    let waits = out.is_terminal();
    let mut plain = Plain::default();
    let mut before = Duration::ZERO;
    for event in Cast::read(bytes).map_err(|e| e.to_string())? {
        let (at, event) = event.map_err(|e| e.to_string())?;
        if waits {
            std::thread::sleep(at.saturating_sub(before).min(idle).div_f64(speed));
        }
        before = before.max(at);
        if let CastEvent::Output(text) = event {
            let safe = plain.output(text.as_bytes());
            if out.write_all(&safe).and_then(|()| out.flush()).is_err() {
                return Ok(0); // whoever read it has enough
            }
        }
    }
    let _closed = out.write_all(&plain.finish()).and_then(|()| out.flush());
    Ok(0)
}
