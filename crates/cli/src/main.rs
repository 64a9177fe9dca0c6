//! The `fumehood` command: reads the command line, calls the crates below, says what happened.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), no_main)]

mod apparmor;
mod arguments;
mod audit;
mod configuration;
mod connection;
mod doctor;
mod events;
mod holds;
mod hook;
mod init;
mod job;
mod mcp;
mod policy;
mod post;
mod private;
mod recorded;
mod run;
mod say;
mod secret;
mod sessions;
mod tool;
mod trust;
mod workspace;

use arguments::{PolicyVerb, Verb};
use clap::error::ErrorKind;
use fumehood_policy::Escaped;
use std::ffi::OsString;

/// What fumehood itself ends with when it fails; the command's own status otherwise.
const FAILED: u8 = 125;

#[cfg(not(test))]
fumehood_sandbox::entry!(crate::begin);

#[cfg_attr(test, expect(dead_code, reason = "a test has an entry of its own"))]
fn begin() -> u8 {
    match arguments::read() {
        Ok(verb) => perform(verb),
        Err(error) => usage(&error),
    }
}

fn perform(verb: Verb) -> u8 {
    match verb {
        Verb::Run(run) if starts_with_option(&run.command) => unknown_option(&run.command, "run"),
        Verb::Run(run) => run::run(&run),
        Verb::Create(run) if starts_with_option(&run.command) => unknown_option(&run.command, "create"),
        Verb::Create(mut run) => {
            run.detach = true;
            run::run(&run)
        }
        Verb::Resume(resume) if starts_with_option(&resume.run.command) => {
            unknown_option(&resume.run.command, "resume")
        }
        Verb::Resume(resume) => sessions::resume(*resume),
        Verb::Attach(arguments) => sessions::attach(&arguments),
        Verb::Open(arguments) => sessions::open(&arguments),
        Verb::Cp(arguments) => sessions::cp(&arguments),
        Verb::Port(arguments) => sessions::port(&arguments),
        Verb::Events(arguments) => audit::events(arguments.session.as_deref(), arguments.follow),
        Verb::Replay(arguments) => sessions::replay(&arguments),
        Verb::Logs(arguments) => sessions::logs(&arguments),
        Verb::Rm(arguments) => sessions::rm(&arguments),
        Verb::Prune(arguments) => sessions::prune(&arguments),
        Verb::Diff(arguments) => workspace::diff(&arguments),
        Verb::Apply(arguments) => workspace::apply(&arguments),
        Verb::Discard(arguments) => workspace::discard(&arguments),
        Verb::Rescue(arguments) => workspace::rescue(&arguments),
        Verb::Undo(arguments) => match &arguments.session {
            Some(session) => sessions::undo_in(&arguments, session),
            None => workspace::undo(&arguments),
        },
        Verb::Checkpoint(arguments) => sessions::checkpoint(&arguments),
        Verb::Fork(arguments) => sessions::fork(&arguments),
        Verb::Doctor(doctor) => doctor::doctor(&doctor),
        Verb::Hook(arguments) => hook::hook(&arguments),
        Verb::Init(arguments) => init::init(&arguments),
        Verb::Policy(PolicyVerb::Why { what, body, json }) => policy::why(&what, body.as_deref(), json),
        Verb::Policy(PolicyVerb::Test {
            replay: Some(back),
            json,
        }) => policy::replay(back, json),
        Verb::Policy(PolicyVerb::Test { replay: None, json }) => policy::test(json),
        Verb::Policy(PolicyVerb::Check { file, json }) => policy::check(file.as_deref(), json),
        Verb::Policy(PolicyVerb::Suggest { session, json }) => audit::suggest(session.as_deref(), json),
        Verb::Holds(arguments) => holds::holds(&arguments),
        Verb::Allow(arguments) => holds::allow(&arguments),
        Verb::Deny(arguments) => holds::deny(&arguments),
        Verb::Freeze(arguments) => holds::freeze(&arguments),
        Verb::Exec(arguments) if starts_with_option(&arguments.command) => {
            unknown_option(&arguments.command, "exec")
        }
        Verb::Exec(arguments) => sessions::exec(&arguments),
        Verb::Ps(arguments) => sessions::ps(&arguments),
        Verb::Inspect(arguments) => sessions::inspect(&arguments),
        Verb::Wait(arguments) => sessions::wait(&arguments),
        Verb::Stop(arguments) => sessions::stop(&arguments),
        Verb::Mcp(arguments) => mcp::serve(&arguments),
        Verb::Tool(verb) => tool::tool(&verb),
        Verb::Trust(arguments) => trust::trust(&arguments),
        Verb::Audit(verb) => audit::audit(&verb),
        Verb::Secret(verb) => secret::secret(&verb),
    }
}

/// Help goes to standard output and is a success; anything else is one line.
fn usage(error: &clap::Error) -> u8 {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _closed = error.print();
        return 0;
    }
    let text = error.to_string();
    // What is missing stands on lines of its own below.
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|l| !l.is_empty())
        .collect();
    let line = lines.join(" ");
    // It repeats what was typed, which may be any bytes.
    let line = Escaped::from(line.trim_start_matches("error: "));
    say::error(&format!("{line}; see {} --help", asked_verb(error)));
    // An agent takes any other status of a hook for a yes.
    let hook = std::env::args_os().nth(1).is_some_and(|verb| verb == "hook");
    if hook { 2 } else { FAILED }
}

/// The verb whose usage clap would print, which is what helps: `fumehood run`.
fn asked_verb(error: &clap::Error) -> String {
    let usage = error.to_string();
    let words = usage.lines().find_map(|line| line.trim().strip_prefix("Usage: "));
    let verb = words.unwrap_or_default().split_whitespace().skip(1);
    let verb: Vec<&str> = verb
        .take_while(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'))
        .filter(|word| !word.starts_with('-'))
        .collect();
    ["fumehood"].into_iter().chain(verb).collect::<Vec<_>>().join(" ")
}

fn unknown_option(command: &[OsString], verb: &str) -> u8 {
    let word = command
        .first()
        .map(|w| w.display().to_string())
        .unwrap_or_default();
    say::error(&format!(
        "unknown option {word:?}; see fumehood {verb} --help, or write -- before a command of that name"
    ));
    FAILED
}

/// Whether what was taken as the command is an option that nobody knows: it begins with a dash, and
/// no `--` stands before it.
fn starts_with_option(command: &[OsString]) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let Some(first) = command.first().filter(|w| w.as_bytes().starts_with(b"-")) else {
        return false;
    };
    let words: Vec<_> = std::env::args_os().collect();
    let at = words.len() - command.len();
    words.get(at) == Some(first) && words.get(at.wrapping_sub(1)).is_none_or(|before| before != "--")
}
