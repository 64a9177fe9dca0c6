//! Small jobs in sandboxes of their own: reading what a session's git directory holds.

use fumehood_limits::{Ceilings, Limits};
use fumehood_session::{End, Host, Project, Request, Run, Shown, prepare};
use fumehood_workspace::git::{Confined, Job};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

/// Longer takes no honest repository.
const TIME: Duration = Duration::from_secs(600);

/// Runs jobs with `/bin/sh`, the system's programs and what the job names; no network, no home, no stream of
/// the caller.
#[derive(Debug)]
pub(crate) struct Jobs;

impl Confined for Jobs {
    fn run(&self, job: &Job<'_>) -> Result<i32, String> {
        let host = Host::look().map_err(|e| e.to_string())?;
        let spec = prepare(&host, &request(&host, job)?).map_err(|e| e.to_string())?;
        let run = Run {
            network: Default::default(),
            spec,
            limits: Limits {
                timeout: Some(TIME),
                ..Limits::default()
            },
            ceilings: Ceilings::of_machine(),
            title: String::new(),
            tell: None,
            gives_streams: false,
            written: Vec::new(),
            turns: None,
            edits: None,
            session: None,
            must_record: false,
            asking: None,
            about: Default::default(),
            detached: None,
            recording: None,
        };
        let ended = without_streams(|| fumehood_session::run(run))?;
        match ended.map_err(|e| e.to_string())?.end {
            End::Exited(code) => Ok(code),
            other => Err(format!("the sandbox ended early ({other:?})")),
        }
    }
}

fn request(host: &Host, job: &Job<'_>) -> Result<Request, String> {
    let shown = job.shown.iter().map(|(from, at)| Shown {
        from: from.clone(),
        at: at.clone(),
        writable: false,
    });
    let project = Project::open(job.folder, &host.user.home).map_err(|e| e.to_string())?;
    let command = vec!["/bin/sh".into(), "-c".into(), job.script.into()];
    Ok(Request {
        directory: std::fs::canonicalize(job.folder).map_err(|e| e.to_string())?,
        shown: shown.collect(),
        ..Request::bare(project, command)
    })
}

/// Nothing inside gets a stream of the caller's, not even for a moment.
fn without_streams<T>(then: impl FnOnce() -> T) -> Result<T, String> {
    let keep = |e: rustix::io::Errno| format!("the standard streams: {e}");
    let null: OwnedFd = std::fs::File::options()
        .read(true)
        .write(true)
        .open(Path::new("/dev/null"))
        .map_err(|e| format!("/dev/null: {e}"))?
        .into();
    let saved = [
        rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3).map_err(keep)?,
        rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3).map_err(keep)?,
        rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3).map_err(keep)?,
    ];
    rustix::stdio::dup2_stdin(&null).map_err(keep)?;
    rustix::stdio::dup2_stdout(&null).map_err(keep)?;
    rustix::stdio::dup2_stderr(&null).map_err(keep)?;
    let done = then();
    let [a, b, c] = &saved;
    rustix::stdio::dup2_stdin(a).map_err(keep)?;
    rustix::stdio::dup2_stdout(b).map_err(keep)?;
    rustix::stdio::dup2_stderr(c).map_err(keep)?;
    Ok(done)
}
