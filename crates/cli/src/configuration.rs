//! Which configuration files apply here, read and parsed.

use fumehood_policy::config::{Config, Parsed, parse};
use fumehood_policy::host::Host;
use fumehood_policy::profile::{CommandLine, Inputs, Profile, Project, Refused, assemble};
use fumehood_policy::read::{self, Owner};
use fumehood_policy::support::Support;
use fumehood_policy::trust::Store;
use fumehood_policy::{Escaped, Findings, Layer};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

const MACHINE: &str = "/etc/fumehood/policy.toml";

/// A configuration file that exists.
pub(crate) struct Loaded {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    pub(crate) layer: Layer,
}

impl Loaded {
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    pub(crate) fn parsed(&self) -> Parsed {
        parse(self.layer, &self.name(), &self.bytes)
    }
}

/// Where things are: the account's home, state, and the project.
pub(crate) struct Places {
    pub(crate) home: PathBuf,
    pub(crate) project: PathBuf,
    /// The file that takes the place of the project's.
    pub(crate) instead: Option<PathBuf>,
}

impl Places {
    /// `$XDG_STATE_HOME/fumehood`.
    pub(crate) fn state(&self) -> PathBuf {
        self.xdg("XDG_STATE_HOME", ".local/state")
    }

    fn xdg(&self, name: &str, default: &str) -> PathBuf {
        let given = std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|p| p.is_absolute());
        given.unwrap_or_else(|| self.home.join(default)).join("fumehood")
    }

    fn project_file(&self) -> PathBuf {
        self.instead
            .clone()
            .unwrap_or_else(|| self.project.join("fumehood.toml"))
    }

    /// The files that exist: machine, user, project.
    pub(crate) fn files(&self) -> Result<Vec<Loaded>, String> {
        // Every verb that uses state reads the files first.
        fumehood_session::check_state(&self.state()).map_err(|e| e.to_string())?;
        let uid = fumehood_session::user_id();
        let candidates = [
            (PathBuf::from(MACHINE), Layer::Machine, Owner::Only(0)),
            (
                self.xdg("XDG_CONFIG_HOME", ".config").join("config.toml"),
                Layer::User,
                Owner::User(uid),
            ),
            (self.project_file(), Layer::Project, Owner::Anyone),
        ];
        let mut files = Vec::new();
        for (path, layer, owner) in candidates {
            match read::config(&path, owner).map_err(|e| e.to_string())? {
                Some(text) => files.push(Loaded {
                    path,
                    bytes: text.bytes,
                    layer,
                }),
                None if layer == Layer::Project && self.instead.is_some() => {
                    return Err(format!(
                        "--config {}: no such file",
                        Escaped::from(path.as_path())
                    ));
                }
                None => {}
            }
        }
        Ok(files)
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

    /// The names in the project's top folder.
    pub(crate) fn root_names(&self) -> Vec<OsString> {
        let entries = std::fs::read_dir(&self.project).into_iter().flatten().flatten();
        entries.map(|e| e.file_name()).take(8192).collect()
    }
}

/// The path without links, as trust is given to it.
pub(crate) fn real(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// The profile of a run, from all layers.
pub(crate) fn profile(
    places: &Places,
    flags: &CommandLine,
    command: &OsStr,
    names: &[OsString],
) -> Result<Profile, String> {
    let files = places.files()?;
    let configs: Vec<Config> = files
        .iter()
        .map(|f| f.parsed().into_result())
        .collect::<Result<_, Findings>>()
        .map_err(|f| one_line(&f))?;
    assembled(places, flags, command, names, &files, &configs)?.map_err(|refused| refused.to_string())
}

/// As [`profile`], from files that were parsed already.
pub(crate) fn assembled(
    places: &Places,
    flags: &CommandLine,
    command: &OsStr,
    names: &[OsString],
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
        root_names: names,
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
