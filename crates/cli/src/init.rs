//! `fumehood init`: a commented fumehood.toml for what is found here.

mod client;

pub(crate) use client::McpClient;

use crate::FAILED;
use crate::arguments::InitArguments;
use crate::policy::places;
use crate::say;
use fumehood_policy::Escaped;
use fumehood_policy::init::{Found, init as text};
use fumehood_policy::json::Json;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

/// Writes the file; never over one that is there unless asked.
pub(crate) fn init(arguments: &InitArguments) -> u8 {
    if let Some(client) = arguments.mcp {
        return told(client::tell(client, arguments.json));
    }
    match attempt(arguments.force) {
        Ok(path) => {
            let line = if arguments.json {
                Json::Object(vec![("written", Json::text(path))]).to_string()
            } else {
                format!("wrote {path}")
            };
            let _closed = writeln!(std::io::stdout(), "{line}");
            0
        }
        Err(text) => {
            say::error(&text);
            FAILED
        }
    }
}

fn told(done: Result<String, String>) -> u8 {
    match done {
        Ok(text) => {
            let _closed = writeln!(std::io::stdout(), "{text}");
            0
        }
        Err(text) => {
            say::error(&text);
            FAILED
        }
    }
}

fn attempt(force: bool) -> Result<String, String> {
    let places = places()?;
    let root = places.folders().swap_remove(0); // never empty: the top folder comes first
    let path = places.project.join("fumehood.toml");
    let shown = Escaped::from(path.as_path()).to_string();
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(libc::O_NOFOLLOW);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let mut file = options.open(&path).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => format!("{shown} exists; --force replaces it"),
        _ => format!("{shown}: {e}"),
    })?;
    file.write_all(
        text(&Found {
            root_names: &root.names,
        })
        .as_bytes(),
    )
    .map_err(|e| format!("{shown}: {e}"))?;
    Ok(shown)
}
