//! Rust's test harness (`library/test/src/formatters/pretty.rs`), and nextest, which says it otherwise.

use super::{Failure, MOST_DETAIL, Reader, Summary, short};

#[derive(Debug, Default)]
pub(super) struct Libtest {
    /// From lines of single tests: what a harness that died has left.
    single: Vec<(&'static str, u64)>,
    results: bool,
    /// The failure whose output is being read.
    open: Option<Failure>,
    failed: Vec<String>,
}

impl Reader for Libtest {
    fn line(&mut self, line: &str, to: &mut Summary) {
        if let Some(name) = line.strip_prefix("---- ").and_then(|l| l.strip_suffix(" ----")) {
            self.close(to);
            let name = name.strip_suffix(" stdout").unwrap_or(name);
            self.open = Some(Failure {
                name: short(name),
                ..Failure::default()
            });
        } else if let Some(rest) = line.strip_prefix("test result: ") {
            self.close(to);
            self.results = true;
            counts(rest, to);
        } else if let Some(rest) = line.strip_prefix("test ") {
            self.single(rest);
        } else if line.trim() == "failures:" {
            self.close(to);
        } else if let Some(open) = &mut self.open {
            into(open, line);
        } else {
            nextest(line, self, to);
        }
    }

    fn end(&mut self, to: &mut Summary) -> bool {
        self.close(to);
        if !self.results {
            self.single.iter().for_each(|(of, n)| to.add(of, *n));
        }
        // What failed without a word.
        for name in self.failed.drain(..) {
            if !to.failures.iter().any(|f| f.name == name) {
                to.fail(Failure {
                    name,
                    ..Failure::default()
                });
            }
        }
        self.results || !self.single.is_empty()
    }
}

impl Libtest {
    fn close(&mut self, to: &mut Summary) {
        if let Some(failure) = self.open.take() {
            to.fail(failure);
        }
    }

    /// `name ... ok`, `name ... FAILED`, `name ... ignored`.
    fn single(&mut self, rest: &str) {
        let Some((name, outcome)) = rest.rsplit_once(" ... ") else {
            return;
        };
        let of = match outcome.split([',', ' ']).next() {
            Some("ok") => "passed",
            Some("FAILED") => "failed",
            Some("ignored") => "ignored",
            _ => return,
        };
        match self.single.iter_mut().find(|(name, _)| *name == of) {
            Some((_, n)) => *n += 1,
            None => self.single.push((of, 1)),
        }
        if of == "failed" && self.failed.len() < super::MOST_FAILURES {
            self.failed.push(short(name));
        }
    }
}

fn into(open: &mut Failure, line: &str) {
    let at = line
        .split_once(" panicked at ")
        .map(|(_, at)| at.trim_end_matches(':'));
    if let (Some(at), None) = (at, &open.place) {
        open.place = Some(short(at));
    } else if !line.trim().is_empty()
        && open.detail.len() < MOST_DETAIL
        && !line.starts_with("note: run with")
    {
        open.detail.push(short(line));
    }
}

/// `FAILED. 1 passed; 2 failed; 0 ignored; …`
fn counts(rest: &str, to: &mut Summary) {
    for part in rest.split([';', '.']) {
        let mut words = part.split_whitespace();
        let number = words.next().and_then(|n| n.parse::<u64>().ok());
        let of = match words.next() {
            Some("passed") => "passed",
            Some("failed") => "failed",
            Some("ignored") => "ignored",
            _ => continue,
        };
        if let Some(number) = number {
            to.add(of, number);
        }
    }
}

/// `PASS [   0.004s] crate tests::name`, `FAIL […] …`, `Summary [   0.01s] 3 tests run: 2 passed, 1 failed, 0 skipped`.
fn nextest(line: &str, state: &mut Libtest, to: &mut Summary) {
    let Some((word, rest)) = line.trim_start().split_once(" [") else {
        return;
    };
    let Some((time, rest)) = rest.split_once("] ") else {
        return;
    };
    let seconds = time.trim().trim_end_matches('s').parse::<f64>().unwrap_or(0.0);
    match word.trim() {
        "PASS" | "SLOW" => to.took(rest.trim(), seconds),
        "FAIL" | "TIMEOUT" | "SIGABRT" | "SIGSEGV" if !state.results => {
            to.took(rest.trim(), seconds);
            let name = short(rest.trim());
            if !to.failures.iter().any(|f| f.name == name) {
                to.fail(Failure {
                    name,
                    ..Failure::default()
                });
            }
        }
        "Summary" => {
            let Some((_, all)) = rest.split_once(": ") else {
                return;
            };
            state.results = true;
            for part in all.split(", ") {
                match part.split_once(' ').map(|(n, of)| (n.parse::<u64>(), of)) {
                    Some((Ok(n), "passed")) => to.add("passed", n),
                    Some((Ok(n), "failed")) => to.add("failed", n),
                    Some((Ok(n), "skipped")) => to.add("ignored", n),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}
