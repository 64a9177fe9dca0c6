//! The environment inside, built from nothing.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Variables every program gets from the caller if they are set: they say how to talk to the user,
/// and hold no secret.
const PASSED: [&str; 12] = [
    "LANG",
    "LANGUAGE",
    "TERM",
    "COLORTERM",
    "TZ",
    "NO_COLOR",
    "FORCE_COLOR",
    "CLICOLOR",
    "COLUMNS",
    "LINES",
    "EDITOR",
    "VISUAL",
];

/// Variables by name; setting one again replaces it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<OsString, OsString>);

impl std::fmt::Debug for Variables {
    /// Names only: values are nobody's business in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Variables {
    /// What every program gets, given a look-up of the caller's variables and their names.
    pub fn base(
        lookup: impl Fn(&OsStr) -> Option<OsString>,
        names: impl Iterator<Item = OsString>,
    ) -> Variables {
        let mut variables = Variables::default();
        for name in PASSED
            .map(OsString::from)
            .into_iter()
            .chain(names.filter(|n| n.as_bytes().starts_with(b"LC_")))
        {
            if let Some(value) = lookup(&name) {
                variables.set(name, value);
            }
        }
        variables
    }

    /// Sets one.
    pub fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    /// One value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// As `NAME=value`; what cannot be said that way (a NUL, an empty name, `=` in a name) is left
    /// out.
    #[must_use]
    pub fn strings(&self) -> Vec<CString> {
        self.0
            .iter()
            .filter_map(|(name, value)| joined(name, value))
            .collect()
    }
}

fn joined(name: &OsStr, value: &OsStr) -> Option<CString> {
    if name.is_empty() || name.as_bytes().contains(&b'=') {
        return None;
    }
    CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_pass_and_language_does() {
        let given = [
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("LC_ALL", "C"),
            ("TERM", "xterm"),
            ("LD_PRELOAD", "/evil.so"),
        ];
        let lookup = |name: &OsStr| {
            given
                .iter()
                .find(|(n, _)| OsStr::new(n) == name)
                .map(|(_, v)| v.into())
        };
        let names = given.iter().map(|(n, _)| OsString::from(n));
        let strings = Variables::base(lookup, names).strings();
        assert_eq!(
            strings,
            [CString::from(c"LC_ALL=C"), CString::from(c"TERM=xterm")]
        );
    }

    #[test]
    fn values_are_not_printed() {
        let mut v = Variables::default();
        v.set("KEY", "hunter2");
        assert_eq!(format!("{v:?}"), r#"{"KEY"}"#);
    }
}
