//! Diagnostics as compilers print them for people: rustc, gcc and clang, tsc.

use super::{Failure, Reader, Summary, short};

#[derive(Debug, Default)]
pub(super) struct Diagnostics {
    /// rustc's error whose place is on the next line.
    open: Option<Failure>,
}

impl Reader for Diagnostics {
    fn line(&mut self, line: &str, to: &mut Summary) {
        if let Some(place) = line.trim_start().strip_prefix("--> ") {
            if let Some(mut failure) = self.open.take() {
                failure.place = Some(short(place));
                to.fail(failure);
            }
        } else if let Some(error) = rustc(line, "error") {
            self.close(to);
            if !is_total(error) {
                to.add("errors", 1);
                self.open = Some(Failure {
                    name: short(error),
                    ..Failure::default()
                });
            }
        } else if let Some(warning) = rustc(line, "warning") {
            self.close(to);
            if !warning.contains(" generated ") && !warning.ends_with(" emitted") {
                to.add("warnings", 1);
            }
        } else if let Some((place, is_error, words)) = gcc(line).or_else(|| tsc(line)) {
            self.close(to);
            if is_error {
                to.add("errors", 1);
                to.fail(Failure {
                    name: short(words),
                    place: Some(short(place)),
                    detail: Vec::new(),
                });
            } else {
                to.add("warnings", 1);
            }
        }
    }

    fn end(&mut self, to: &mut Summary) -> bool {
        self.close(to);
        // Of a clean build there is nothing to find.
        to.add("errors", 0);
        true
    }
}

impl Diagnostics {
    fn close(&mut self, to: &mut Summary) {
        if let Some(failure) = self.open.take() {
            to.fail(failure);
        }
    }
}

/// `error[E0308]: words`, `error: words`, `warning: words`.
fn rustc<'a>(line: &'a str, level: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(level)?;
    if let Some(words) = rest.strip_prefix(": ") {
        return Some(words);
    }
    let is_code = rest.strip_prefix('[')?.split_once("]: ").is_some();
    is_code.then_some(rest)
}

fn is_total(words: &str) -> bool {
    words.starts_with("aborting due to") || words.starts_with("could not compile")
}

/// `file:line:column: error: words`, `fatal error` too; the column may be missing.
fn gcc(line: &str) -> Option<(&str, bool, &str)> {
    for (mark, is_error) in [
        (": error: ", true),
        (": fatal error: ", true),
        (": warning: ", false),
    ] {
        if let Some((place, words)) = line.split_once(mark) {
            let numbered = place
                .rsplit(':')
                .next()
                .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
            return (numbered && !place.contains(' ')).then_some((place, is_error, words));
        }
    }
    None
}

/// `file(line,column): error TS2322: words`.
fn tsc(line: &str) -> Option<(&str, bool, &str)> {
    let (place, rest) = line.split_once("): ")?;
    let (_, numbers) = place.rsplit_once('(')?;
    let is_place = !numbers.is_empty() && numbers.bytes().all(|b| b.is_ascii_digit() || b == b',');
    let is_error = rest.starts_with("error TS");
    (is_place && (is_error || rest.starts_with("warning TS")))
        .then(|| (&line[..place.len() + 1], is_error, rest))
}
