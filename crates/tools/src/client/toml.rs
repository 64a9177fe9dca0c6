//! `[mcp_servers.fumehood]`, at the end of the file: a table there takes nothing from any other.

use super::{Left, NAME};
use toml::de::{DeTable, DeValue};

const SERVERS: &str = "mcp_servers";

pub(super) fn entry(command: &str) -> String {
    // A text of JSON is one of TOML (basic strings), but for control characters beyond U+007E, which JSON leaves.
    let command = serde_json::Value::from(command);
    format!("[{SERVERS}.{NAME}]\ncommand = {command}\nargs = [\"mcp\"]\n")
}

pub(super) fn with_entry(there: Option<&str>, command: &str) -> Result<Option<String>, Left> {
    let text = there.unwrap_or_default();
    let before = read(text).ok_or(Left::Unread("TOML"))?;
    match ours(&before) {
        Some(entry) if is_same(entry, command) => return Ok(None),
        Some(_) => return Err(Left::Other),
        None => {}
    }
    let gap = match text {
        "" => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    let after = format!("{text}{gap}{}", entry(command));
    let is_ours = read(&after).is_some_and(|t| ours(&t).is_some_and(|entry| is_same(entry, command)));
    if is_ours {
        Ok(Some(after))
    } else {
        Err(Left::Shape)
    }
}

fn read(text: &str) -> Option<DeTable<'_>> {
    DeTable::parse(text).ok().map(toml::Spanned::into_inner)
}

fn ours<'a>(table: &'a DeTable<'_>) -> Option<&'a DeValue<'a>> {
    let servers = table.get(SERVERS)?.get_ref();
    servers.as_table()?.get(NAME).map(toml::Spanned::get_ref)
}

fn is_same(entry: &DeValue<'_>, command: &str) -> bool {
    let Some(table) = entry.as_table() else {
        return false;
    };
    let args = table.get("args").and_then(|a| a.get_ref().as_array());
    let is_mcp = args.is_some_and(|a| a.iter().map(|one| one.get_ref().as_str()).eq([Some("mcp")]));
    table.get("command").and_then(|c| c.get_ref().as_str()) == Some(command) && is_mcp
}
