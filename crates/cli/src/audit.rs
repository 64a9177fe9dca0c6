//! `fumehood audit …`: what was recorded, and whether it is whole.

mod arguments;
mod erase;
mod event;
mod export;
mod find;
mod receipt;
mod replay;
mod report;
mod show;
mod suggest;
mod terminal;
mod verify;
mod why;
mod witness;

pub(crate) use arguments::AuditVerb;
pub(crate) use witness::after_run;

use crate::FAILED;
use crate::policy::places;
use crate::run::log_root;
use crate::say;
use std::io::Write;
use std::path::PathBuf;

/// Does what the verb says; gives the exit status.
pub(crate) fn audit(verb: &AuditVerb) -> u8 {
    match attempt(verb) {
        Ok(good) => u8::from(!good),
        Err(text) => {
            say::error(&text);
            FAILED
        }
    }
}

/// `fumehood events`: all records of a session as JSON lines.
pub(crate) fn events(session: Option<&str>, follow: bool) -> u8 {
    match here().and_then(|here| find::tail(&here, session, follow, true, None)) {
        Ok(good) => u8::from(!good),
        Err(text) => {
            say::error(&text);
            FAILED
        }
    }
}

/// `fumehood policy suggest`: from what was recorded.
pub(crate) fn suggest(session: Option<&str>, json: bool) -> u8 {
    match here().and_then(|here| suggest::suggest(&here, session, json)) {
        Ok(good) => u8::from(!good),
        Err(text) => {
            say::error(&text);
            FAILED
        }
    }
}

/// `fumehood policy test --replay`: from what was recorded, under this policy.
pub(crate) fn replay(
    policy: &fumehood_monitor::Policy,
    back: std::time::Duration,
    json: bool,
) -> Result<(), String> {
    replay::replay(&here()?, policy, back, json)
}

/// The session that is meant, whose recording is to be played, and what is to be doubted of it.
pub(crate) fn recorded_terminal(session: Option<&str>) -> Result<(String, Option<String>), String> {
    terminal::of_session(&here()?, session)
}

/// The last records of a session, a line each.
pub(crate) fn recent(session: &str, most: usize) -> Result<Vec<String>, String> {
    here().and_then(|here| find::recent(&here, session, most))
}

/// Where the logs are, and which project this is.
struct Here {
    root: PathBuf,
    places: crate::configuration::Places,
    project: PathBuf,
}

fn here() -> Result<Here, String> {
    if std::env::var_os("FUMEHOOD").is_some() {
        return Err("the log is looked at outside: this is a sandbox".to_owned());
    }
    let places = places()?;
    fumehood_session::check_state(&places.state()).map_err(|e| e.to_string())?;
    Ok(Here {
        root: log_root(&places.state()),
        project: places.project.clone(),
        places,
    })
}

fn attempt(verb: &AuditVerb) -> Result<bool, String> {
    match verb {
        AuditVerb::VerifyProof { file, key, json } => verify::proof(file, key.as_deref(), *json),
        AuditVerb::Verify {
            session,
            against,
            json,
        } => verify::verify(&here()?, session.as_deref(), against.as_deref(), *json),
        AuditVerb::Prove { event } => verify::prove(&here()?, event),
        AuditVerb::Key { rotate } => verify::key(&here()?, *rotate),
        AuditVerb::Erase { session, before } => erase::erase(&here()?, session.as_deref(), before.as_deref()),
        AuditVerb::Witness { key, json } => witness::witness(&here()?, *key, *json),
        AuditVerb::Query(arguments) => find::query(&here()?, arguments),
        AuditVerb::Tail {
            session,
            follow,
            json,
        } => find::tail(&here()?, session.as_deref(), *follow, *json, Some(find::LAST)),
        AuditVerb::Show { session, json } => show::show(&here()?, session.as_deref(), *json),
        AuditVerb::Report { session, html: _ } => report::report(&here()?, session.as_deref()),
        AuditVerb::Why { event, json } => why::why(&here()?, event, *json),
        AuditVerb::Receipt {
            session,
            signed,
            json,
        } => receipt::receipt(&here()?, session.as_deref(), *signed, *json),
        AuditVerb::VerifyReceipt { file, key } => verify::receipt(file, key.as_deref()),
        AuditVerb::Export(arguments) => export::export(&here()?, arguments),
    }
}

/// Prints; a reader that went away has read enough.
fn print(text: &str) -> Result<bool, String> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(format!("print: {error}")),
        Err(_) => Ok(false),
        Ok(()) => Ok(true),
    }
}
