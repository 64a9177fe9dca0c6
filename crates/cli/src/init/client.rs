//! `fumehood init --mcp CLIENT`: its configuration is told of this project's tools.

use crate::configuration::Places;
use crate::policy::places;
use clap::ValueEnum;
use fumehood_policy::Escaped;
use fumehood_policy::json::Json;
use fumehood_tools::client::{Client, NAME, Place};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// More is no configuration file.
const LARGEST: u64 = 8 * 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum McpClient {
    /// .mcp.json of this project
    ClaudeCode,
    /// config.toml of the user ($CODEX_HOME, ~/.codex)
    Codex,
    /// .gemini/settings.json of this project
    Gemini,
    /// .cursor/mcp.json of this project
    Cursor,
}

impl McpClient {
    const fn client(self) -> Client {
        match self {
            McpClient::ClaudeCode => Client::ClaudeCode,
            McpClient::Codex => Client::Codex,
            McpClient::Gemini => Client::Gemini,
            McpClient::Cursor => Client::Cursor,
        }
    }
}

/// Puts the entry in, and shows it.
pub(super) fn tell(client: McpClient, json: bool) -> Result<String, String> {
    if std::env::var_os("FUMEHOOD").is_some() {
        return Err("what a client on the host starts is not written from inside a sandbox".to_owned());
    }
    let places = places()?;
    let (client, command) = (client.client(), command());
    let (folder, path) = opened(client.place(), &places)?;
    let shown = Escaped::from(path.as_path()).to_string();
    let name = path.file_name().unwrap_or_default();
    let there = read(&folder, Path::new(name)).map_err(|e| format!("{shown}: {e}"))?;
    let entry = client.entry(&command);
    let put = client
        .with_entry(there.as_deref(), &command)
        .map_err(|e| format!("{shown} is left as it is: {e}; what belongs in it is\n{entry}"))?;
    if let Some(text) = &put {
        write(&folder, Path::new(name), text).map_err(|e| format!("{shown}: {e}"))?;
    }
    let said = if put.is_some() {
        "wrote"
    } else {
        "is there already:"
    };
    Ok(match json {
        true => Json::Object(vec![
            (
                "written",
                Json::text(if put.is_some() { shown } else { String::new() }),
            ),
            ("entry", Json::text(entry)),
        ])
        .to_string(),
        false => format!("{said} {NAME} in {shown}\n{}", entry.trim_end()),
    })
}

/// By name where a search finds this very program, so that the file serves others too.
fn command() -> PathBuf {
    let own = std::env::current_exe().and_then(std::fs::canonicalize).ok();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(NAME))
        .find(|p| p.is_file())
        .and_then(|p| std::fs::canonicalize(p).ok());
    match (own, found) {
        (Some(own), found) if found.as_ref() != Some(&own) => own,
        _ => PathBuf::from(NAME),
    }
}

/// The folder of the file, made if need be. Of a project no link is followed: it is whoever wrote the repository that
/// would say where it leads.
fn opened(place: Place, places: &Places) -> Result<(OwnedFd, PathBuf), String> {
    let (root, path, links) = match place {
        Place::Project(below) => (
            places.project.clone(),
            PathBuf::from(below),
            ResolveFlags::NO_SYMLINKS,
        ),
        Place::Home(folder, file, variable) => {
            let folder = std::env::var_os(variable)
                .filter(|v| !v.is_empty())
                .map_or_else(|| places.home.join(folder), PathBuf::from);
            let root = folder.parent().unwrap_or(Path::new("/")).to_owned();
            let below = Path::new(folder.file_name().unwrap_or_default()).join(file);
            (root, below, ResolveFlags::empty())
        }
    };
    let shown = Escaped::from(root.join(&path).as_path()).to_string();
    let failed = |e: rustix::io::Errno| match e {
        rustix::io::Errno::LOOP => format!("{shown}: there is a symbolic link on the way"),
        e => format!("{shown}: {e}"),
    };
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
    let top = openat2(CWD, &root, flags, Mode::empty(), ResolveFlags::empty()).map_err(failed)?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let Some(folder) = folder else {
        return Ok((top, root.join(path)));
    };
    match rustix::fs::mkdirat(&top, folder, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(e) => return Err(failed(e)),
    }
    let below = openat2(&top, folder, flags, Mode::empty(), links).map_err(failed)?;
    Ok((below, root.join(path)))
}

/// The file's text, where it is there: a plain file of this folder.
fn read(folder: &OwnedFd, name: &Path) -> std::io::Result<Option<String>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let file = match rustix::fs::openat(folder, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(rustix::io::Errno::LOOP) => return Err(std::io::Error::other("it is a symbolic link")),
        Err(e) => return Err(e.into()),
    };
    let meta = file.metadata()?;
    if !meta.is_file() || meta.len() > LARGEST {
        return Err(std::io::Error::other("it is no plain file of a usual size"));
    }
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text)?;
    Ok(Some(text))
}

/// Whole or not at all, with the mode that was there.
fn write(folder: &OwnedFd, name: &Path, text: &str) -> std::io::Result<()> {
    use std::os::fd::AsRawFd;
    let at = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    let mode = match std::fs::symlink_metadata(at.join(name)) {
        Ok(meta) => meta.mode() & 0o777,
        Err(e) if e.kind() == ErrorKind::NotFound => 0o644,
        Err(e) => return Err(e),
    };
    let new = at.join(format!(".{}.{}", name.display(), std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let done = options
        .open(&new)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&new, at.join(name)));
    if done.is_err() {
        let _was_never_made = std::fs::remove_file(&new);
    }
    done
}
