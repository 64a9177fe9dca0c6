//! What a run left behind, and what tests ask of it.

use std::time::Duration;

/// A finished run.
#[derive(Debug)]
pub struct Output {
    /// Exit status as a shell would show it.
    pub code: i32,
    /// Bytes.
    pub stdout: Vec<u8>,
    /// Bytes; fumehood's lines begin with `fumehood: `.
    pub stderr: Vec<u8>,
    /// From start to the end of its output.
    pub took: Duration,
    /// The supervisor's pid.
    pub pid: u32,
}

impl Output {
    /// Standard output without its last line end.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }

    /// Standard error.
    #[must_use]
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Fumehood's own lines on standard error.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        self.errors()
            .lines()
            .filter_map(|l| l.strip_prefix("fumehood: "))
            .map(str::to_owned)
            .collect()
    }

    /// Asserts the exit status; answers standard output.
    #[track_caller]
    pub fn ended(&self, code: i32) -> String {
        assert_eq!(
            self.code,
            code,
            "stdout: {:?}\nstderr: {}",
            self.text(),
            self.errors()
        );
        self.text()
    }

    /// Asserts that fumehood refused: this status, nothing on standard output, and on standard error
    /// one line, which holds all of `words`.
    #[track_caller]
    pub fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.ended(code), "");
        let errors = self.errors();
        assert!(!errors.contains("panicked"), "{errors}");
        assert_eq!(errors.lines().count(), 1, "not one line: {errors:?}");
        let line = self
            .said()
            .pop()
            .unwrap_or_else(|| panic!("not fumehood's line: {errors:?}"));
        for word in words {
            assert!(line.contains(word), "{line:?} does not say {word:?}");
        }
    }

    /// Asserts that fumehood's last line holds all of `words`.
    #[track_caller]
    pub fn said_last(&self, words: &[&str]) {
        let last = self.said().pop().unwrap_or_default();
        for word in words {
            assert!(
                last.contains(word),
                "{last:?} does not say {word:?}; all of it: {}",
                self.errors()
            );
        }
    }
}
