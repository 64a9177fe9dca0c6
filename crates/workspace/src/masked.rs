//! What stands inside for a file with secrets: its structure, with a placeholder for each value. Nothing of a value, a
//! comment or a line that is not understood is kept; a file that is not understood whole is one comment.

use rustix::fs::{Mode, OFlags};
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What stands for each value.
const PLACEHOLDER: &str = "fumehood-masked";

/// All there is of a file that is not understood.
const UNKNOWN: &str = "# masked by fumehood\n";

/// Bytes of the longest file that is read.
const LONGEST: u64 = 1 << 20;

/// Characters of the longest name: what is longer may be a value that only looks like one.
const LONGEST_NAME: usize = 32;

/// What is shown of the host's file. One that is a link, is no file or cannot be read is not understood.
pub(crate) fn of_file(host: &Path) -> String {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let read = || -> Option<Vec<u8>> {
        let file = File::from(rustix::fs::open(host, flags, Mode::empty()).ok()?);
        file.metadata()
            .ok()
            .filter(|m| m.is_file() && m.len() <= LONGEST)?;
        let mut bytes = Vec::new();
        file.take(LONGEST + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 <= LONGEST).then_some(bytes)
    };
    let name = host.file_name().unwrap_or_default().as_bytes();
    read()
        .and_then(|bytes| structure(name, &bytes))
        .unwrap_or_else(|| UNKNOWN.to_owned())
}

fn structure(name: &[u8], bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    if name.ends_with(b".json") {
        let mut value = serde_json::from_str(text).ok()?;
        cover(&mut value)?;
        return Some(format!("{value:#}\n"));
    }
    let is_dotenv = name.starts_with(b".env") || name.ends_with(b".env");
    is_dotenv.then(|| text.lines().map(line).collect())?
}

/// A line of a dotenv file. Values over several lines are not understood.
fn line(line: &str) -> Option<String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Some("\n".to_owned());
    }
    let (export, rest) = line
        .strip_prefix("export ")
        .map_or(("", line), |r| ("export ", r));
    let (name, value) = rest.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    if !is_name(name) || value.starts_with('=') || value.ends_with('\\') {
        return None;
    }
    if let Some(quote) = value.chars().next().filter(|c| "'\"`".contains(*c)) {
        value.get(1..)?.find(quote)?;
    }
    let shown = if value.is_empty() { "" } else { PLACEHOLDER };
    Some(format!("{export}{name}={shown}\n"))
}

/// Whether these are a variable's name as people write them: of one case, since a piece of base64 has both.
fn is_name(name: &str) -> bool {
    let plain = |upper: bool| {
        name.bytes().all(|b| {
            b == b'_'
                || b.is_ascii_digit()
                || if upper {
                    b.is_ascii_uppercase()
                } else {
                    b.is_ascii_lowercase()
                }
        })
    };
    let begins = name.bytes().next().is_some_and(|b| !b.is_ascii_digit());
    begins && name.len() <= LONGEST_NAME && (plain(true) || plain(false))
}

/// Replaces every text and number; a key that may be a value is not understood.
fn cover(value: &mut Value) -> Option<()> {
    match value {
        Value::Null | Value::Bool(_) => Some(()),
        Value::Number(_) => {
            *value = Value::from(0);
            Some(())
        }
        Value::String(text) => {
            PLACEHOLDER.clone_into(text);
            Some(())
        }
        Value::Array(all) => all.iter_mut().try_for_each(cover),
        Value::Object(all) => all.iter_mut().try_for_each(|(key, value)| {
            if key.len() <= LONGEST_NAME {
                cover(value)
            } else {
                None
            }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_dotenv_file_keeps_its_names() {
        let text = "# canary\nA=canary\n\nexport B_2 = \"canary # x\" # canary\nempty=\nC='canary'";
        let shown = structure(b".env.local", text.as_bytes());
        assert_eq!(
            shown.as_deref(),
            Some("\nA=fumehood-masked\n\nexport B_2=fumehood-masked\nempty=\nC=fumehood-masked\n")
        );
    }

    #[test]
    fn what_is_not_understood_is_not_shown() {
        for text in [
            "A=1\ncanary",
            "A=\"canary\ncanary=x\"",
            "A=a\\\nb=c",
            "Y2FuYXJ5=",
            "CANARY==",
            "not a name=x",
            "-----BEGIN KEY-----",
        ] {
            assert_eq!(structure(b".env", text.as_bytes()), None, "{text}");
        }
        assert_eq!(structure(b".env", b"A=\xff"), None);
        assert_eq!(structure(b".npmrc", b"A=b"), None);
        assert_eq!(structure(b"a.json", b"{\"a\": "), None);
    }

    #[test]
    fn json_keeps_its_keys() {
        let shown = structure(
            b"key.json",
            br#"{"b": ["canary", 12345, null, true], "a": {"c": "canary"}}"#,
        );
        let shown: Value = serde_json::from_str(&shown.unwrap()).unwrap();
        let wanted = serde_json::json!({"b": [PLACEHOLDER, 0, null, true], "a": {"c": PLACEHOLDER}});
        assert_eq!(shown, wanted);
    }

    proptest! {
        #[test]
        fn no_value_is_kept(value in "[A-Za-z0-9+/ '\"#=\n-]{0,20}", quote in "['\"]?") {
            let text = format!("A={quote}{value}Zq7Zq7{quote}\n");
            let shown = structure(b".env", text.as_bytes()).unwrap_or_default();
            prop_assert!(!shown.contains("Zq7Zq7"));
        }
    }
}
