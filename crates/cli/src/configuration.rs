//! Which configuration files apply here, read and parsed.

use fumehood_effect::Digest;
use fumehood_policy::choose::{Folder, folders_between};
use fumehood_policy::config::Config;
use fumehood_policy::host::Host;
use fumehood_policy::locate::{self, Loaded};
use fumehood_policy::profile::{CommandLine, Inputs, Profile, Project, Refused, assemble};
use fumehood_policy::support::Support;
use fumehood_policy::trust::Store;
use fumehood_policy::{Findings, Layer};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where things are: the account's home, state, and the project.
pub(crate) struct Places {
    pub(crate) home: PathBuf,
    pub(crate) project: PathBuf,
    /// Where the command starts, in the project.
    pub(crate) start: PathBuf,
    /// The file that takes the place of the project's.
    pub(crate) instead: Option<PathBuf>,
}

impl Places {
    /// `$XDG_STATE_HOME/fumehood`.
    pub(crate) fn state(&self) -> PathBuf {
        self.xdg("XDG_STATE_HOME", ".local/state")
    }

    fn xdg(&self, name: &str, below_home: &str) -> PathBuf {
        locate::base(std::env::var_os(name), &self.home, below_home)
    }

    /// The files that exist: machine, user, project.
    pub(crate) fn files(&self) -> Result<Vec<Loaded>, String> {
        // Every verb that uses state reads the files first.
        fumehood_session::check_state(&self.state()).map_err(|e| e.to_string())?;
        let user = self.xdg("XDG_CONFIG_HOME", ".config");
        let uid = fumehood_session::user_id();
        locate::files(&user, &self.project, self.instead.as_deref(), uid).map_err(|e| e.to_string())
    }

    /// Whether the user accepted exactly this project file.
    pub(crate) fn trusts(&self, file: &Loaded) -> Result<bool, String> {
        let Some(store) = Store::open(&self.state()).map_err(|e| e.to_string())? else {
            return Ok(false);
        };
        store
            .is_trusted(&real(&file.path), &file.bytes)
            .map_err(|e| e.to_string())
    }

    /// What the project's top folder holds, and the folders between it and the start.
    pub(crate) fn folders(&self) -> Vec<Folder> {
        let between = folders_between(&self.project, &self.start).into_iter();
        let folder = |at: &Path| Folder {
            at: at.to_owned(),
            names: names(&self.project.join(at)),
        };
        between.map(folder).collect()
    }
}

fn names(folder: &Path) -> Vec<OsString> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|e| e.file_name()).take(8192).collect()
}

/// The path without links, as trust is given to it.
pub(crate) fn real(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// The profile of a run, from all layers, and the digest of the files it came from.
pub(crate) fn profile(
    places: &Places,
    flags: &CommandLine,
    command: &OsStr,
    folders: &[Folder],
) -> Result<(Profile, Digest), String> {
    let files = places.files()?;
    let configs: Vec<Config> = files
        .iter()
        .map(|f| f.parsed().into_result())
        .collect::<Result<_, Findings>>()
        .map_err(|f| one_line(&f))?;
    let profile = assembled(places, flags, command, folders, &files, &configs)?;
    Ok((profile.map_err(|refused| refused.to_string())?, digest(&files)))
}

/// What the machine's and the user's files say about how runs are recorded.
#[derive(Debug, Default)]
pub(crate) struct AuditWishes {
    /// Addresses and keys of witnesses.
    pub(crate) witnesses: Vec<String>,
    /// What is older is erased; of two the longer.
    pub(crate) keep: Option<Duration>,
    /// No run that is not recorded.
    pub(crate) fail_closed: bool,
    /// What terminals show is recorded.
    pub(crate) record_terminal: bool,
}

/// Reads them; a project has no say.
pub(crate) fn audit_wishes(places: &Places) -> Result<AuditWishes, String> {
    let mut wishes = AuditWishes::default();
    for file in places.files()?.iter().filter(|f| f.layer != Layer::Project) {
        let config = file.parsed().into_result().map_err(|f| one_line(&f))?;
        let Some(audit) = config.audit.map(|at| at.value) else {
            continue;
        };
        let named = audit.witness.iter().map(|at| at.value.as_str().to_owned());
        wishes.witnesses.extend(named);
        wishes.keep = wishes.keep.max(audit.keep.map(|at| at.value.duration()));
        wishes.record_terminal |= audit.record_terminal.is_some_and(|at| at.value);
        wishes.fail_closed |= audit.fail_closed.is_some_and(|at| at.value);
    }
    wishes.witnesses.dedup();
    Ok(wishes)
}

/// Of names and contents, each with its length before it.
fn digest(files: &[Loaded]) -> Digest {
    let mut all = Vec::new();
    for file in files {
        for part in [file.path.as_os_str().as_bytes(), &file.bytes] {
            all.extend_from_slice(&(part.len() as u64).to_be_bytes());
            all.extend_from_slice(part);
        }
    }
    Digest::of(&all)
}

/// As [`profile`], from files that were parsed already.
pub(crate) fn assembled(
    places: &Places,
    flags: &CommandLine,
    command: &OsStr,
    folders: &[Folder],
    files: &[Loaded],
    configs: &[Config],
) -> Result<Result<Profile, Refused>, String> {
    let of = |layer| configs.iter().find(|c| c.layer == layer);
    let project = match (
        of(Layer::Project),
        files.iter().find(|f| f.layer == Layer::Project),
    ) {
        (Some(config), Some(file)) => Some(Project {
            config,
            trusted: places.trusts(file)?,
        }),
        _ => None,
    };
    let last_serial = match of(Layer::Machine) {
        Some(_) => Store::open(&places.state())
            .map_err(|e| e.to_string())?
            .map(|s| s.serial())
            .transpose(),
        None => Ok(None),
    };
    let inputs = Inputs {
        machine: of(Layer::Machine),
        user: of(Layer::User),
        project,
        flags,
        command,
        project_dir: &places.project,
        folders,
        support: Support::CURRENT,
        now: now(),
        last_serial: last_serial.map_err(|e| e.to_string())?.flatten(),
    };
    let assembled = assemble(&inputs, &Host::new(Some(places.home.clone())));
    if let (true, Some(serial)) = (
        assembled.is_ok(),
        of(Layer::Machine).and_then(|m| m.serial.as_ref()),
    ) {
        // So that an older policy put in its place is noticed.
        let store = Store::create(&places.state()).map_err(|e| e.to_string())?;
        store.raise_serial(serial.value).map_err(|e| e.to_string())?;
    }
    Ok(assembled)
}

/// The first finding, and how many more there are: a failing run says one line.
fn one_line(findings: &Findings) -> String {
    let errors = findings
        .0
        .iter()
        .filter(|f| f.severity == fumehood_policy::Severity::Error);
    let mut lines: Vec<String> = errors.map(ToString::to_string).collect();
    let more = lines.len().saturating_sub(1);
    lines.truncate(1);
    let first = lines.pop().unwrap_or_default();
    if more == 0 {
        first
    } else {
        format!("{first} (and {more} more: fumehood policy check)")
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}
