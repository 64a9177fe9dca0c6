//! Configuration files of MCP clients: our entry put into what is there, and nothing else changed. Pure.
//!
//! The text that is there is kept byte for byte: an entry is put in at one place, and the result is read again and must
//! be what was there with that entry more. A file that cannot be read so is left alone.

mod json;
mod toml;

use serde_json::Value;
use std::path::Path;

/// The name of the entry.
pub const NAME: &str = "fumehood";

/// A client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// Claude Code: `.mcp.json` of the project.
    ClaudeCode,
    /// Codex: `config.toml` of the user.
    Codex,
    /// Gemini CLI: `.gemini/settings.json` of the project.
    Gemini,
    /// Cursor: `.cursor/mcp.json` of the project.
    Cursor,
}

/// Where a client's file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Below the project.
    Project(&'static str),
    /// Below the user's home, or below the folder that this variable names.
    Home(&'static str, &'static str, &'static str),
}

impl Client {
    /// Where its file is.
    #[must_use]
    pub const fn place(self) -> Place {
        match self {
            Client::ClaudeCode => Place::Project(".mcp.json"),
            Client::Gemini => Place::Project(".gemini/settings.json"),
            Client::Cursor => Place::Project(".cursor/mcp.json"),
            Client::Codex => Place::Home(".codex", "config.toml", "CODEX_HOME"),
        }
    }

    /// The file's text with our entry. None: it is there already.
    ///
    /// # Errors
    /// It is not to be changed; the message says why.
    pub fn with_entry(self, there: Option<&str>, command: &Path) -> Result<Option<String>, Left> {
        let command = command.to_str().ok_or(Left::Command)?;
        match self {
            Client::Codex => toml::with_entry(there, command),
            _ => json::with_entry(there, command),
        }
    }

    /// The entry, to be put in by hand.
    #[must_use]
    pub fn entry(self, command: &Path) -> String {
        let command = command.display().to_string();
        match self {
            Client::Codex => toml::entry(&command),
            _ => json::entry(&command),
        }
    }
}

/// Why a file is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Left {
    /// It is not what it should be.
    #[error("it is not read as {0}")]
    Unread(&'static str),
    /// There is an entry of our name that says something else.
    #[error("it has an entry `{NAME}` that says something else")]
    Other,
    /// Our entry would not come out as meant.
    #[error("an entry cannot be put in without changing more of it")]
    Shape,
    /// The program's path.
    #[error("the path of this program is no text")]
    Command,
}

fn server(command: &str) -> Value {
    serde_json::json!({"command": command, "args": ["mcp"]})
}

#[cfg(test)]
mod tests;
