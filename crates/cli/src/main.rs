//! The `fumehood` command: reads the command line, calls the crates below, says what happened.

#![forbid(unsafe_code)]

mod arguments;
mod events;
mod run;
mod say;

use arguments::{Arguments, Verb};
use clap::Parser;
use clap::error::ErrorKind;
use std::process::ExitCode;

/// What fumehood itself ends with when it fails; the command's own status otherwise.
const FAILED: u8 = 125;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let code = match arguments.verb {
        Verb::Run(run) => run::run(&run),
        _ => {
            say::error("this verb is not built yet");
            FAILED
        }
    };
    ExitCode::from(code)
}

/// Help goes to standard output and is a success; anything else is one line.
fn usage(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _closed = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    say::error(&format!("{line}; see fumehood --help"));
    ExitCode::from(FAILED)
}
