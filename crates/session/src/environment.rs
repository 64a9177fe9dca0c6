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

/// Variables that name a proxy; each is read in small letters too.
const PROXY: [&str; 3] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
/// The variable that names what is reached without one.
const NO_PROXY: &str = "NO_PROXY";
/// The sandbox's own loopback, and what of the host's is on it, in the spellings that clients compare. Not `[::1]`,
/// which Python's urllib would: httpx 0.28 makes no client at all where it stands here.
const LOOPBACK: &str = "localhost,.localhost,127.0.0.1,127.0.0.0/8,::1";

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

    /// Names the gate as a proxy, unless the run's own `settings` name one: they mean theirs, or none. A courtesy: all
    /// comes to the gate in any case. One scheme for all, since clients that know no SOCKS fail where
    /// `ALL_PROXY` says it.
    pub fn name_proxy<'a>(&mut self, mut settings: impl Iterator<Item = &'a OsStr>) {
        let names = || PROXY.into_iter().chain([NO_PROXY]);
        if settings.any(|set| names().any(|name| set.eq_ignore_ascii_case(name))) {
            return;
        }
        let gate = format!("http://127.0.0.1:{}", fumehood_sandbox::GATE_PORT);
        for name in names() {
            let value = if name == NO_PROXY { LOOPBACK } else { gate.as_str() };
            self.set(name, value);
            self.set(name.to_ascii_lowercase(), value);
        }
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
    fn the_gate_is_the_proxy_unless_the_run_names_one() {
        let mut variables = Variables::default();
        variables.name_proxy([OsStr::new("X_HTTP_PROXY")].into_iter());
        for name in ["HTTPS_PROXY", "https_proxy", "http_proxy", "ALL_PROXY"] {
            assert_eq!(variables.get(name), Some(OsStr::new("http://127.0.0.1:1023")));
        }
        for name in ["NO_PROXY", "no_proxy"] {
            let value = variables.get(name).unwrap().to_str().unwrap();
            assert!(value.split(',').any(|host| host == "localhost"), "{value}");
            assert!(!value.contains('['), "{value}");
        }
        for own in ["https_proxy", "No_Proxy"] {
            let mut variables = Variables::default();
            variables.name_proxy([OsStr::new(own)].into_iter());
            assert_eq!(variables, Variables::default());
        }
    }

    #[test]
    fn values_are_not_printed() {
        let mut v = Variables::default();
        v.set("KEY", "hunter2");
        assert_eq!(format!("{v:?}"), r#"{"KEY"}"#);
    }
}
