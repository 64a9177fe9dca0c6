//! `go test -json` (`go doc test2json`): one event a line.

use super::{Failure, MOST_DETAIL, Reader, Summary, detail, short};
use serde_json::Value;
use std::collections::VecDeque;

/// Tests whose output is kept while they run.
const MOST_RUNNING: usize = 64;
/// Lines that are kept of one.
const MOST_LINES: usize = 3 * MOST_DETAIL;

#[derive(Debug, Default)]
pub(super) struct GoTest {
    running: VecDeque<(String, Vec<String>)>,
    events: u64,
}

impl Reader for GoTest {
    fn line(&mut self, line: &str, to: &mut Summary) {
        let Ok(Value::Object(event)) = serde_json::from_str::<Value>(line) else {
            return;
        };
        let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default();
        let (action, package, test) = (text("Action"), text("Package"), text("Test"));
        if action.is_empty() {
            return;
        }
        self.events += 1;
        let name = match test {
            "" => package.to_owned(),
            test => format!("{package}.{test}"),
        };
        let seconds = event.get("Elapsed").and_then(Value::as_f64).unwrap_or(0.0);
        match (action, test.is_empty()) {
            ("output" | "build-output", _) => self.keep(&name, text("Output")),
            ("pass", false) => self.ended(&name, "passed", seconds, to),
            ("skip", false) => self.ended(&name, "skipped", seconds, to),
            ("fail", false) => {
                let lines = self.ended_lines(&name);
                self.failed(&name, &lines, to);
                to.add("failed", 1);
                to.took(&name, seconds);
            }
            // A package without a failed test of its own did not build, or died.
            ("fail", true)
                if !to
                    .failures
                    .iter()
                    .any(|f| f.name.starts_with(&format!("{package}."))) =>
            {
                let lines = self.ended_lines(&name);
                self.failed(&name, &lines, to);
                to.add("packages failed", 1);
            }
            _ => {}
        }
    }

    fn end(&mut self, _: &mut Summary) -> bool {
        self.events > 0
    }
}

impl GoTest {
    fn keep(&mut self, name: &str, text: &str) {
        if text.trim_start().starts_with("===") || text.trim_start().starts_with("---") {
            return;
        }
        if let Some((_, lines)) = self.running.iter_mut().find(|(n, _)| n == name) {
            if lines.len() < MOST_LINES {
                lines.push(short(text));
            }
            return;
        }
        if self.running.len() == MOST_RUNNING {
            self.running.pop_front();
        }
        self.running.push_back((name.to_owned(), vec![short(text)]));
    }

    fn ended_lines(&mut self, name: &str) -> Vec<String> {
        let at = self.running.iter().position(|(n, _)| n == name);
        at.and_then(|at| self.running.remove(at))
            .map_or_else(Vec::new, |(_, lines)| lines)
    }

    fn ended(&mut self, name: &str, of: &'static str, seconds: f64, to: &mut Summary) {
        self.ended_lines(name);
        to.add(of, 1);
        to.took(name, seconds);
    }

    fn failed(&self, name: &str, lines: &[String], to: &mut Summary) {
        let place = lines.iter().find_map(|line| {
            let (place, _) = line.trim().split_once(": ")?;
            place.contains(".go:").then(|| short(place))
        });
        to.fail(Failure {
            name: short(name),
            place,
            detail: detail(lines.iter().map(String::as_str)),
        });
    }
}
