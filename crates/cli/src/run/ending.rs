//! How a run ended, in words, as an event, and as an exit status.

use crate::events::Events;
use crate::say;
use fumehood_limits::{Limit, Limits};
use fumehood_policy::Escaped;
use fumehood_policy::json::Json;
use fumehood_sandbox::Errno;
use fumehood_session::{End, Outcome};
use std::ffi::OsString;
use std::io::IsTerminal;

/// Says how it ended, where that needs saying, and gives the exit status.
pub(super) fn end(command: &[OsString], limits: &Limits, outcome: &mut Outcome, events: &mut Events) -> u8 {
    if let (Some(struck), false) = (outcome.struck, matches!(outcome.end, End::Limit(_))) {
        let value = limits.show(struck.limit).unwrap_or_default();
        say::line(&format!(
            "the {struck} of {value} was reached; raise it with --{}",
            struck.limit
        ));
    }
    let (code, origin) = match outcome.end {
        End::Exited(code) => (u8::try_from(code).unwrap_or(u8::MAX), "command"),
        End::Killed(signal) => (
            of_signal(signal),
            if outcome.struck.is_some() {
                "limit"
            } else {
                "signal"
            },
        ),
        End::Limit(limit) => (limit_struck(limit, limits), "limit"),
        End::Frozen => {
            say::line("ended: frozen by `fumehood freeze`; what it wrote is still there");
            (crate::FAILED, "frozen")
        }
        End::NotExecuted(errno) => (not_executed(command, errno), "fumehood"),
    };
    let limit = outcome.struck.map(|s| s.limit).or(match outcome.end {
        End::Limit(limit) => Some(limit),
        _ => None,
    });
    super::record::end(&mut outcome.log, code, origin, limit);
    outcome.waiting.tell(code, origin);
    if !events.is_open() && std::io::stderr().is_terminal() {
        let network = outcome.network.as_ref().map(|(report, _)| report);
        super::record::receipt(&mut outcome.log, network);
    }
    events.write(
        "end",
        vec![
            ("status", Json::Number(code.into())),
            ("origin", Json::text(origin)),
            ("limit", limit.map_or(Json::Null, Json::text)),
            ("limits", Json::text(&outcome.in_force)),
        ],
    );
    code
}

fn of_signal(signal: i32) -> u8 {
    128u8.saturating_add(u8::try_from(signal).unwrap_or(0))
}

fn limit_struck(limit: Limit, limits: &Limits) -> u8 {
    let value = limits.show(limit).unwrap_or_default();
    say::line(&format!(
        "ended: the {limit} limit of {value} was reached; raise it with --{limit}"
    ));
    if limit == Limit::Timeout {
        124
    } else {
        of_signal(9)
    }
}

fn not_executed(command: &[OsString], errno: Errno) -> u8 {
    let name = command
        .first()
        .map(|c| Escaped::from(c.as_os_str()).to_string())
        .unwrap_or_default();
    let (code, hint) = match errno {
        Errno::NOENT => (
            127,
            "it, or its interpreter, is not visible inside; show it with --ro",
        ),
        Errno::NOEXEC => (126, "not a program this machine can run; start a script with #!"),
        Errno::STALE => (
            126,
            "another file has taken its place since it was looked at; nothing ran",
        ),
        _ => (126, "check its permissions"),
    };
    say::line(&format!("{name}: {errno}: {hint}"));
    code
}
