//! pytest: its short summary and its last line.

use super::{Failure, Reader, Summary, short};

#[derive(Debug, Default)]
pub(super) struct Pytest {
    ended: bool,
}

impl Reader for Pytest {
    fn line(&mut self, line: &str, to: &mut Summary) {
        if let Some(rest) = line
            .strip_prefix("FAILED ")
            .or_else(|| line.strip_prefix("ERROR "))
        {
            let (name, why) = rest.split_once(" - ").unwrap_or((rest, ""));
            to.fail(Failure {
                name: short(name),
                place: None,
                detail: super::detail(why.lines()),
            });
        } else if let Some((seconds, rest)) = line.split_once("s call ") {
            if let Ok(seconds) = seconds.trim().parse::<f64>() {
                to.took(rest.trim(), seconds);
            }
        } else {
            self.last(line, to);
        }
    }

    fn end(&mut self, to: &mut Summary) -> bool {
        self.ended || !to.failures.is_empty()
    }
}

impl Pytest {
    /// `=== 1 failed, 2 passed, 1 warning in 0.12s ===`, with or without the bars.
    fn last(&mut self, line: &str, to: &mut Summary) {
        let Some((all, _)) = line.trim_matches(['=', ' ']).split_once(" in ") else {
            return;
        };
        let mut found = Vec::new();
        for part in all.split(", ") {
            let Some((n, of)) = part.split_once(' ') else {
                return;
            };
            let of = match of {
                "passed" => "passed",
                "failed" => "failed",
                "skipped" | "deselected" => "skipped",
                "error" | "errors" => "errors",
                "warning" | "warnings" => "warnings",
                "xfailed" => "failed as expected",
                "xpassed" => "passed unexpectedly",
                _ => return,
            };
            let Ok(n) = n.parse::<u64>() else { return };
            found.push((of, n));
        }
        self.ended = true;
        found.into_iter().for_each(|(of, n)| to.add(of, n));
    }
}
