//! Free text, such as the message of a commit.

use crate::refused::Wrong;
use fumehood_policy::escape::acts_or_hides;

/// At most so many characters; of what acts or hides only line breaks and tabs, and those where they are
/// allowed.
pub(super) fn text(text: &str, max: u32, multiline: bool) -> Result<(), Wrong> {
    let count = text.chars().count();
    if count > max as usize {
        return Err(Wrong::new(
            format!("{count} characters are too many"),
            format!("at most {max}"),
        ));
    }
    let allowed = |c: char| multiline && matches!(c, '\n' | '\t');
    match text.chars().find(|c| acts_or_hides(*c) && !allowed(*c)) {
        None => Ok(()),
        Some('\n') => Err(Wrong::new("the text has a line break", "write it as one line")),
        Some(c) => Err(Wrong::of(
            text,
            &format!("holds U+{:04X}, which cannot be seen", u32::from(c)),
            "leave it out",
        )),
    }
}

/// Statements for a server. Clients such as psql have words of their own, which run programs and read files: those begin with
/// `\` and are read as such only where the whole text does.
pub(super) fn sql(text: &str, max: u32) -> Result<(), Wrong> {
    self::text(text, max, true)?;
    if text.trim_start().starts_with('\\') {
        return Err(Wrong::of(
            text,
            "is a word of the client, not of the server",
            "send a statement, such as select 1",
        ));
    }
    if text.trim().is_empty() {
        return Err(Wrong::new("there is no statement", "send one, such as select 1"));
    }
    Ok(())
}
