//! The Test Anything Protocol, version 13 and 14; its outermost tests.

use super::{Failure, MOST_DETAIL, Reader, Summary, short};

#[derive(Debug, Default)]
pub(super) struct Tap {
    seen: u64,
    planned: Option<u64>,
    bailed: bool,
    open: Option<Failure>,
}

impl Reader for Tap {
    fn line(&mut self, line: &str, to: &mut Summary) {
        if let Some(rest) = line.strip_prefix("ok ").or_else(|| (line == "ok").then_some("")) {
            self.close(to);
            self.seen += 1;
            let directive = directive(rest);
            to.add(if directive == "skip" { "skipped" } else { "passed" }, 1);
        } else if let Some(rest) = line
            .strip_prefix("not ok")
            .filter(|r| r.is_empty() || r.starts_with(' '))
        {
            self.close(to);
            self.seen += 1;
            if directive(rest) == "todo" {
                to.add("failed as expected", 1);
                return;
            }
            to.add("failed", 1);
            let text = rest
                .trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ')
                .trim_start_matches("- ");
            self.open = Some(Failure {
                name: short(text),
                ..Failure::default()
            });
        } else if let Some(plan) = line.strip_prefix("1..") {
            self.planned = plan.split_whitespace().next().and_then(|n| n.parse().ok());
        } else if let Some(why) = line.strip_prefix("Bail out!") {
            self.bailed = true;
            to.note(&format!("bailed out:{why}"));
        } else if let Some(open) = &mut self.open {
            let text = line.trim();
            if !matches!(text, "" | "---" | "...")
                && open.detail.len() < MOST_DETAIL
                && line.starts_with([' ', '#'])
            {
                open.detail.push(short(text.trim_start_matches("# ")));
            }
        }
    }

    fn end(&mut self, to: &mut Summary) -> bool {
        self.close(to);
        if let Some(planned) = self.planned.filter(|p| *p > self.seen) {
            to.add("missing", planned - self.seen);
        }
        self.seen > 0 || self.planned.is_some() || self.bailed
    }
}

impl Tap {
    fn close(&mut self, to: &mut Summary) {
        if let Some(failure) = self.open.take() {
            to.fail(failure);
        }
    }
}

/// `# SKIP why`, `# TODO why`; in small letters.
fn directive(rest: &str) -> String {
    let words = rest.rsplit_once("# ").map_or("", |(_, d)| d);
    words
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase()
}
