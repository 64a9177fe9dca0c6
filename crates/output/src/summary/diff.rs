//! A unified diff, as git prints it.

use super::{Reader, Summary};

#[derive(Debug, Default)]
pub(super) struct Diff {
    file: String,
    added: u64,
    removed: u64,
    /// Lines of the hunk in hand that are still to come: (old, new).
    left: (u64, u64),
    any: bool,
}

impl Reader for Diff {
    fn line(&mut self, line: &str, to: &mut Summary) {
        if self.left.0 + self.left.1 > 0 {
            return self.body(line);
        }
        if let Some(file) = line.strip_prefix("diff --git ") {
            self.close(to);
            let file = file.split_once(" b/").map_or(file, |(_, b)| b);
            file.clone_into(&mut self.file);
            self.any = true;
        } else if let Some(file) = line.strip_prefix("+++ ") {
            if self.file.is_empty() {
                self.any = true;
                file.trim_start_matches("b/").clone_into(&mut self.file);
            }
        } else if let Some(left) = hunk(line) {
            self.left = left;
        }
    }

    fn end(&mut self, to: &mut Summary) -> bool {
        self.close(to);
        self.any
    }
}

impl Diff {
    fn body(&mut self, line: &str) {
        let (old, new) = &mut self.left;
        match line.as_bytes().first() {
            Some(b'+') => {
                *new = new.saturating_sub(1);
                self.added += 1;
            }
            Some(b'-') => {
                *old = old.saturating_sub(1);
                self.removed += 1;
            }
            Some(b'\\') => {}
            _ => {
                *old = old.saturating_sub(1);
                *new = new.saturating_sub(1);
            }
        }
    }

    fn close(&mut self, to: &mut Summary) {
        if self.file.is_empty() {
            return;
        }
        let (file, added, removed) = (std::mem::take(&mut self.file), self.added, self.removed);
        to.add("files", 1);
        to.add("lines added", added);
        to.add("lines removed", removed);
        to.note(&format!("{file} +{added} -{removed}"));
        (self.added, self.removed) = (0, 0);
    }
}

/// `@@ -1,2 +3,4 @@`: how many lines of the old and of the new.
fn hunk(line: &str) -> Option<(u64, u64)> {
    let rest = line.strip_prefix("@@ -")?;
    let (old, rest) = rest.split_once(" +")?;
    let (new, _) = rest.split_once(" @@")?;
    let count = |text: &str| match text.split_once(',') {
        Some((_, n)) => n.parse::<u64>().ok(),
        None => Some(1),
    };
    Some((count(old)?, count(new)?))
}
