//! What a session says of itself to those who ask.

use crate::arguments::RunArguments;
use fumehood_audit::Session;
use fumehood_monitor::desk::About;
use fumehood_policy::profile::Profile;
use fumehood_sandbox::Level;
use fumehood_session::Request;
use std::os::unix::ffi::OsStrExt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes of a command line that are shown.
const COMMAND: usize = 4096;

pub(super) fn about(
    arguments: &RunArguments,
    session: &Session,
    request: &Request,
    profile: &Profile,
    workspace: Option<&str>,
) -> Result<About, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut command = super::record::joined(&request.command);
    command.truncate(COMMAND);
    let isolation = match (request.level, request.nested) {
        (Level::Landlock, _) => "landlock",
        (Level::Namespace, true) => "namespace nested",
        (Level::Namespace, false) => "namespace",
    };
    let since = u64::try_from(now.as_millis()).unwrap_or(0);
    let until =
        super::called::ends_after(arguments)?.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
    Ok(About {
        id: session.id.to_string(),
        project: request.project.path().as_os_str().as_bytes().to_vec(),
        directory: request.directory.as_os_str().as_bytes().to_vec(),
        command,
        isolation: isolation.to_owned(),
        apply: profile.apply.to_string(),
        workspace: workspace.map(str::to_owned),
        pid: u64::from(std::process::id()),
        since,
        until: until.map(|ttl| since.saturating_add(ttl)),
        detached: arguments.detach,
        name: arguments.name.clone(),
        labels: super::called::labels(arguments)?,
        ..About::default()
    })
}
